"""Candles of one symbol on the full grid of times, gaps included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import DataError
from bot_cripto.execution.paper import Prices
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import iso


@dataclass(frozen=True, eq=False)
class Grid:
    """Prices by row, one row for each candle time from the first to the last.

    Attributes
    ----------
    first_ms, step_ms : int
        Open time of row 0, milliseconds since the epoch, UTC; length of a candle.
    rows : int
    place : ndarray of shape (n,), int64
        Row of each of the candles that it was made of.
    open, high, low, close : ndarray of shape (rows,), float64
        Quote currency; NaN where the candle is missing.
    known : ndarray of shape (rows,), int64
        The last row up to each whose candle is there; -1: none.
    """

    first_ms: int
    step_ms: int
    rows: int
    place: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    known: NDArray[np.int64]

    @classmethod
    def of(cls, symbol: str, candles: Candles, step_ms: int) -> Grid:
        """Return the grid of candles; those that stand in for missing ones count as missing.

        Raises
        ------
        DataError
            There is none, or they are not in the order of time, a whole number of steps apart.
        """
        if not len(candles):
            raise DataError(f"{symbol}: there are no candles to simulate on")
        since = candles.open_time - candles.open_time[0]
        place = since // step_ms
        wrong = np.flatnonzero((np.diff(place) <= 0) | (since[1:] % step_ms != 0))
        if len(wrong):
            raise DataError(
                f"{symbol}: the candle after {iso(int(candles.open_time[wrong[0]]))} is not later "
                "by whole candles; validate its candles"
            )
        rows = int(place[-1]) + 1
        prices = [candles.open, candles.high, candles.low, candles.close]
        there = np.isfinite(np.sum(prices, axis=0)) & ~candles.filled
        columns = np.full((len(prices), rows), np.nan)
        columns[:, place[there]] = np.stack(prices)[:, there]
        known = np.where(np.isfinite(columns[0]), np.arange(rows), -1)
        return cls(
            int(candles.open_time[0]),
            step_ms,
            rows,
            place,
            *(columns[0], columns[1], columns[2], columns[3]),
            np.maximum.accumulate(known),
        )

    def row(self, time_ms: int) -> int:
        """Return the row of the candle that a moment lies in, its open included."""
        return (time_ms - self.first_ms) // self.step_ms

    def close_ms(self, row: int) -> int:
        """Return the close time of a row, milliseconds since the epoch, UTC."""
        return self.first_ms + (row + 1) * self.step_ms

    def prices(self, row: int) -> Prices | None:
        """Return open, high, low and close of a row; None where the candle is missing."""
        if self.known[row] != row:
            return None
        return (
            float(self.open[row]),
            float(self.high[row]),
            float(self.low[row]),
            float(self.close[row]),
        )

    def last_close(self, row: int) -> float | None:
        """Return the last close that is known at the open of a row, or None."""
        known = self.known[row - 1] if row else -1
        return None if known < 0 else float(self.close[known])

    def next_open(self, row: int) -> float | None:
        """Return the open of the first candle from a row on that is there, or None."""
        if row < self.rows and self.known[row] == row:
            return float(self.open[row])
        later = np.searchsorted(self.known, row)
        return None if later == self.rows else float(self.open[later])
