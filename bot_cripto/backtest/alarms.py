"""Leak alarms that go off by themselves: what cannot be where nothing of the future leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot_cripto import metrics
from bot_cripto.features import catalogue
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.oracle import attainable_auc
from bot_cripto.metrics import Floats
from bot_cripto.models import walk_forward
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, build_snapshot, training_data

REAL_CEILING = 0.60
"""No honest model of such candles is known to reach this AUC."""

MARGIN = 0.01
"""How far above what is attainable on a made-up market an AUC may lie by chance."""

SHIFT = 1000
"""Candles by which outcomes are moved away from their forecasts."""

LIMIT = 3.3
"""Standard errors above 0.5 from which an AUC is no chance: one in two thousand."""

NULL_FOLDS = 2

CUTS = 12
"""At how many closes the features are computed again without what came after."""


@dataclass(frozen=True)
class Alarm:
    """One alarm; `passed` is False when it went off, None when it could not be measured."""

    name: str
    passed: bool | None
    text: str


def not_measured(name: str, why: str) -> Alarm:
    """Return an alarm that says nothing either way."""
    return Alarm(name, None, f"not measured: {why}")


def ceiling(auc: float, settings: Mapping[str, Any]) -> Alarm:
    """Return whether the AUC is one that can be reached without knowing the future.

    Parameters
    ----------
    auc : float
        Out of sample.
    settings : mapping
        ``source``, ``timeframe``, ``horizon_steps`` and, for the made-up market, ``simulated``.
    """
    limit, what = REAL_CEILING, "what is known of real candles"
    if settings["source"] == "simulated":
        market = settings["simulated"]
        best = attainable_auc(market["edge"], settings["horizon_steps"], settings["timeframe"])
        limit, what = best + MARGIN, f"what is attainable on this market ({best:.3f})"
    relation = "at most" if auc <= limit else "above"
    return Alarm("ceiling", auc <= limit, f"AUC {auc:.4f} is {relation} {limit:.3f}, by {what}")


def truncation(snapshot: Snapshot, seed: int = 0) -> Alarm:
    """Return whether features stay the same, to the bit, when later candles are cut off.

    Parameters
    ----------
    snapshot : Snapshot
    seed : int
        Of the draw of the rows.
    """
    whole = np.flatnonzero(np.isfinite(snapshot.features).all(axis=1))
    if not len(whole):
        return not_measured("truncation", "no candle has every feature")
    rows = np.random.default_rng(seed).choice(whole, CUTS)
    for row in sorted(set(rows.tolist())):
        again = catalogue.compute(snapshot.candles[: row + 1], snapshot.timeframe, last=1)[0]
        stored = snapshot.features[row]
        differing = ~((again == stored) | (np.isnan(again) & np.isnan(stored)))
        if differing.any():
            names = [snapshot.names[i] for i in np.flatnonzero(differing)[:5]]
            return Alarm(
                "truncation", False, f"{', '.join(names)} depend on candles after row {row}"
            )
    return Alarm("truncation", True, f"features are the same at {CUTS} cuts")


def label_shift(prob_up: Floats, forward: Floats, horizon_steps: int) -> Alarm:
    """Return whether forecasts say nothing of outcomes that are long after theirs.

    Parameters
    ----------
    prob_up, forward : ndarray of shape (n,)
        Out of sample, in the order of time; forward returns (decimal).
    horizon_steps : int
    """
    if len(prob_up) < 3 * SHIFT:
        return not_measured("label_shift", f"fewer than {3 * SHIFT} forecasts")
    return _chance("label_shift", prob_up[:-SHIFT], forward[SHIFT:], horizon_steps)


def null_control(snapshot: Snapshot, training: TrainingSettings, seed: int = 0) -> Alarm:
    """Return whether the same pipeline finds nothing where there is nothing.

    The candles' shapes are put in random order, each relative to the close before it: what one
    candle could tell of the next is gone. Features, labels, folds and the trend model are then
    made as always. An AUC above 0.5 by more than chance comes from the pipeline.

    Parameters
    ----------
    snapshot : Snapshot
    training : TrainingSettings
    seed : int
        Of the order.
    """
    candles = shuffled(snapshot.candles, seed)
    step = int(snapshot.candles.open_time[1] - snapshot.candles.open_time[0])
    cutoff = int(candles.open_time[-1]) + step
    null = build_snapshot(candles, snapshot.timeframe, training, cutoff)
    results = walk_forward.walk_forward(training_data(null), training, NULL_FOLDS, ("trend",))
    index, columns = walk_forward.join(results)
    forward = null.forward_return[index]
    return _chance("null_control", columns["prob_up"], forward, training.horizon_steps)


def shuffled(candles: Candles, seed: int) -> Candles:
    """Return as many candles as are there, without gaps, their shapes in random order."""
    there = candles[np.isfinite(candles.close) & ~candles.filled]
    before = there.close[:-1]
    order = np.random.default_rng(seed).permutation(len(before))
    close = there.close[0] * np.cumprod((there.close[1:] / before)[order])
    base = np.r_[there.close[0], close[:-1]]
    opened, high, low = (
        base * (getattr(there, name)[1:] / before)[order] for name in ("open", "high", "low")
    )
    times = candles.open_time[: len(close)]
    return make(times, opened, high, low, close, there.volume[1:][order])


def _chance(name: str, prob_up: Floats, forward: Floats, horizon_steps: int) -> Alarm:
    """Return whether the AUC of a forecast that can know nothing is at 0.5, but for chance."""
    up = (forward > 0).astype(np.float64)
    auc = metrics.auc(prob_up, up)
    low, high = metrics.auc_interval(prob_up, up, block=10 * horizon_steps)
    error = max((high - low) / 3.92, 1e-9)
    passed = bool(auc - 0.5 <= LIMIT * error)
    relation = "within" if passed else "above"
    return Alarm(name, passed, f"AUC {auc:.4f} is {relation} 0.5 and {LIMIT} x {error:.4f}")
