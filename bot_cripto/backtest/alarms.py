"""Leak alarms that go off by themselves: what cannot be where nothing of the future leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot_cripto.features import catalogue
from bot_cripto.market.oracle import attainable_auc
from bot_cripto.models.snapshot import Snapshot

REAL_CEILING = 0.60
"""No honest model of such candles is known to reach this AUC."""

MARGIN = 0.01
"""How far above what is attainable on a made-up market an AUC may lie by chance."""

CUTS = 12
"""At how many closes the features are computed again without what came after."""


@dataclass(frozen=True)
class Alarm:
    """One alarm; `passed` is False when it went off."""

    name: str
    passed: bool
    text: str


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


def truncation(snapshot: Snapshot, first: int, seed: int = 0) -> Alarm:
    """Return whether features stay the same, to the bit, when later candles are cut off.

    Parameters
    ----------
    snapshot : Snapshot
    first : int
        First row that may be drawn; before it there are as many candles as features look back on.
    seed : int
        Of the draw.
    """
    rows = np.random.default_rng(seed).integers(first, len(snapshot.candles), CUTS)
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
