"""The same forecasts under other thresholds: what each combination would have earned by day."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot_cripto.backtest.statistics.overfitting import PURGE, probability_of_overfitting
from bot_cripto.backtest.statistics.returns import daily_returns
from bot_cripto.backtest.track import Track
from bot_cripto.backtest.walk import Walk
from bot_cripto.decision.thresholds import policy_of, round_trip_cost
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.timeframes import DAY_MS, timeframe_ms

KEYS = ("prob_min", "min_expected_return", "risk_max")

PROB_MINS = (0.50, 0.53, 0.56, 0.60)
RISK_MAXES = (0.15, 0.30, 1.0)

KEPT_DAYS = 3
"""Least days of a block of the cross-validation that are not purged of it."""

MIN_BLOCKS = 6

Thresholds = dict[str, float]


@dataclass(frozen=True, eq=False)
class ThresholdGrid:
    """What every combination of thresholds came to.

    Attributes
    ----------
    thresholds : list of dict
        The combinations, the configured one first.
    days : ndarray of shape (n,), int64
        Start of each day, milliseconds since the epoch, UTC.
    returns : ndarray of shape (n, m)
        Net daily returns (decimal) of each combination.
    trades : ndarray of shape (n, m), int64
        Trades closed on each day.
    """

    thresholds: list[Thresholds]
    days: np.ndarray
    returns: np.ndarray
    trades: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return the grid as JSON can hold it."""
        arrays = {name: getattr(self, name).tolist() for name in ("days", "returns", "trades")}
        return {"thresholds": self.thresholds, **arrays}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ThresholdGrid:
        """Return the grid of `to_json`."""
        return cls(
            value["thresholds"],
            np.array(value["days"], dtype=np.int64),
            np.array(value["returns"], dtype=np.float64),
            np.array(value["trades"], dtype=np.int64),
        )

    def between(self, since_ms: int, until_ms: int) -> ThresholdGrid:
        """Return the days that begin at or after `since_ms` and end at or before `until_ms`."""
        rows = (self.days >= since_ms) & (self.days + DAY_MS <= until_ms)
        return ThresholdGrid(
            self.thresholds, self.days[rows], self.returns[rows], self.trades[rows]
        )


def combinations(settings: Mapping[str, Any]) -> list[Thresholds]:
    """Return the combinations of thresholds to try, the configured one first.

    Expected returns are asked of trades in round trips: below one the gate of costs blocks them
    whatever the threshold.
    """
    configured = {key: float(settings[key]) for key in KEYS}
    cost = round_trip_cost(policy_of(settings))
    expected = {configured["min_expected_return"], cost, 2 * cost}
    chances = {configured["prob_min"], *PROB_MINS}
    risks = {configured["risk_max"], *RISK_MAXES}
    tried = itertools.product(sorted(chances), sorted(expected), sorted(risks))
    others = [dict(zip(KEYS, values, strict=True)) for values in tried]
    return [configured, *(other for other in others if other != configured)]


def walk_thresholds(
    track: Track, settings: Mapping[str, Any], since_ms: int, tried: Sequence[Thresholds]
) -> ThresholdGrid:
    """Return what each combination of thresholds came to over the whole track.

    Parameters
    ----------
    track : Track
    settings : mapping
        The effective settings.
    since_ms : int
        Open time of the first candle of the track, milliseconds since the epoch, UTC.
    tried : sequence of dict
        From `combinations`.
    """
    step = timeframe_ms(settings["timeframe"])
    initial = float(settings["initial_equity"])
    times = since_ms + step * np.arange(1, len(track.cases) + 1)
    days = np.arange(since_ms // DAY_MS, (int(times[-1]) - 1) // DAY_MS + 1) * DAY_MS
    returns, trades = [], []
    for thresholds in tried:
        alone = {**settings, **thresholds, "symbols": [track.symbol], "live_mode": False}
        book = MemoryBook(alone)
        walk = Walk([track], book, alone, since_ms, documents=False, sparse=True)
        walk.run()
        returns.append(daily_returns(times, walk.equity, initial))
        exits = np.array([trade.exit_ms for trade in book.account.trades], dtype=np.int64)
        trades.append(np.bincount((exits - 1 - days[0]) // DAY_MS, minlength=len(days)))
    return ThresholdGrid(list(tried), days, np.column_stack(returns), np.column_stack(trades))


def overfitting_of(grid: ThresholdGrid, horizon_ms: int = 0) -> dict[str, Any] | None:
    """Return the probability that choosing among these thresholds by the past overfits.

    None where there are too few days, or where no combination ever traded.

    Parameters
    ----------
    grid : ThresholdGrid
    horizon_ms : int
        For how long a position is held, milliseconds: so many days, at least one, are purged on
        each side of a border.
    """
    purge = max(PURGE, -(-horizon_ms // DAY_MS))
    blocks = min(16, len(grid.days) // (2 * purge + KEPT_DAYS) // 2 * 2)
    if blocks < MIN_BLOCKS:
        return None
    found = probability_of_overfitting(grid.returns, blocks, purge=purge)
    if found is None:
        return None
    return {
        "probability": found.probability,
        "loss_probability": found.loss_probability,
        "configurations": found.configurations,
        "idle": found.idle,
        "splits": len(found.logits),
        "blocks": blocks,
        "purged_days": purge,
    }
