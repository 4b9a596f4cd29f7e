"""Leak alarms that go off by themselves: what cannot be where nothing of the future leaks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto import metrics
from bot_cripto.features import catalogue
from bot_cripto.features.context import HIGHER
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.oracle import attainable_auc
from bot_cripto.metrics import Floats
from bot_cripto.models import walk_forward
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, build_snapshot, training_data
from bot_cripto.timeframes import timeframe_ms

REAL_CEILING = 0.60
"""No honest model of such candles is known to reach this AUC."""

MARGIN = 0.01
"""How far above what is attainable on a made-up market an AUC may lie on any stretch."""

SHIFT = 1000
"""Candles by which outcomes are moved away from their forecasts."""

LIMIT = 3.3
"""Standard errors above 0.5 from which an AUC is no chance: one in two thousand."""

MIN_BLOCKS = 20
"""Of fewer blocks no standard error is told by resampling them."""

NULL_FOLDS = 2

NAMES = ("truncation", "ceiling", "label_shift", "null_control")
"""Every alarm, in the order of the audit."""

CUTS = 12
"""At how many closes more than the longest bar has features are computed from cut candles."""


@dataclass(frozen=True)
class Alarm:
    """One alarm; `passed` is False when it went off, None when it could not be measured."""

    name: str
    passed: bool | None
    text: str


def not_measured(name: str, why: str) -> Alarm:
    """Return an alarm that says nothing either way."""
    return Alarm(name, None, f"not measured: {why}")


def ceiling(auc: float, settings: Mapping[str, Any], error: float = 0.0) -> Alarm:
    """Return whether the AUC is one that can be reached without knowing the future.

    Parameters
    ----------
    auc : float
        Out of sample.
    settings : mapping
        ``source``, ``timeframe``, ``horizon_steps`` and, for the made-up market, ``simulated``.
    error : float
        Standard error of the AUC. What is attainable on the made-up market is so on average: on
        a short stretch luck goes beyond `MARGIN`, and `LIMIT` errors are allowed instead.
    """
    limit, what = REAL_CEILING, "what is known of real candles"
    if settings["source"] == "simulated":
        market = settings["simulated"]
        best = attainable_auc(market["edge"], settings["horizon_steps"], settings["timeframe"])
        limit = best + max(MARGIN, LIMIT * error)
        what = f"what is attainable on this market ({best:.3f})"
    relation = "at most" if auc <= limit else "above"
    return Alarm("ceiling", auc <= limit, f"AUC {auc:.4f} is {relation} {limit:.3f}, by {what}")


def truncation(snapshot: Snapshot, seed: int = 0) -> Alarm:
    """Return whether features are, to the bit, what the candles up to each close give.

    What looks ahead, and what was not made by the live function, shows. A higher timeframe that
    is merged too early may show at one close of each bar alone, so that every place in the
    longest bar is among the closes asked.

    Parameters
    ----------
    snapshot : Snapshot
    seed : int
        Of the draw of the rows.
    """
    whole = np.flatnonzero(np.isfinite(snapshot.features).all(axis=1))
    if not len(whole):
        return not_measured("truncation", "no candle has every feature")
    rows = _closes(snapshot, whole, seed)
    differing: Counter[str] = Counter()
    for row in rows:
        again = catalogue.compute(snapshot.candles[: row + 1], snapshot.timeframe, last=1)[0]
        stored = snapshot.features[row]
        wrong = ~((again == stored) | (np.isnan(again) & np.isnan(stored)))
        differing.update(snapshot.names[i] for i in np.flatnonzero(wrong))
    if not differing:
        return Alarm("truncation", True, f"features are the same at {len(rows)} cuts")
    worst = ", ".join(f"{name} ({count})" for name, count in differing.most_common(5))
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    return Alarm(
        "truncation",
        False,
        f"at some of {len(rows)} closes other values than the candles up to there give: "
        f"{worst}{more}; they depend on candles after the close, or were not made from candles",
    )


def _closes(snapshot: Snapshot, whole: NDArray[np.int64], seed: int) -> list[int]:
    """Return rows to cut at, in order: one for each place in the longest bar, and `CUTS` more."""
    random = np.random.default_rng(seed)
    step = timeframe_ms(snapshot.timeframe)
    places = snapshot.candles.open_time[whole] // step % HIGHER[snapshot.timeframe][-1]
    rows = [random.choice(whole[places == place]) for place in np.unique(places)]
    return sorted({int(row) for row in (*rows, *random.choice(whole, CUTS))})


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


def standard_error(prob_up: Floats, up: Floats, horizon_steps: int) -> float:
    """Return the standard error of the AUC of a forecast whose outcomes overlap.

    Parameters
    ----------
    prob_up, up : ndarray of shape (n,)
        In the order of time; outcomes 0 or 1, both of them there.
    horizon_steps : int

    Notes
    -----
    By blocks of ten horizons; of fewer than `MIN_BLOCKS` of them, whose resamples vary too little,
    that of an AUC of 0.5 of as many independent forecasts as there are horizons.

    References
    ----------
    Bamber (1975), The area above the ordinal dominance graph: that variance.
    """
    block, n = 10 * horizon_steps, len(up)
    if n < MIN_BLOCKS * block:
        rises = float(np.mean(up))
        return math.sqrt(horizon_steps / (12 * n * rises * (1 - rises)))
    low, high = metrics.auc_interval(prob_up, up, block=block)
    return max((high - low) / 3.92, 1e-9)


def _chance(name: str, prob_up: Floats, forward: Floats, horizon_steps: int) -> Alarm:
    """Return whether the AUC of a forecast that can know nothing is at 0.5, but for chance."""
    up = (forward > 0).astype(np.float64)
    auc = metrics.auc(prob_up, up)
    if not math.isfinite(auc):
        return not_measured(name, "all outcomes were the same")
    error = standard_error(prob_up, up, horizon_steps)
    if LIMIT * error >= 0.5:
        return not_measured(name, f"{len(up)} forecasts of {horizon_steps} candles ahead are few")
    passed = bool(auc - 0.5 <= LIMIT * error)
    relation = "within" if passed else "above"
    return Alarm(name, passed, f"AUC {auc:.4f} is {relation} 0.5 and {LIMIT} x {error:.4f}")
