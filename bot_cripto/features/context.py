"""What features share while they are computed over one run of candles."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np

from bot_cripto.features import windows
from bot_cripto.features.logarithm import log
from bot_cripto.features.windows import FloatArray, lag
from bot_cripto.market.candles import Candles, make
from bot_cripto.timeframes import timeframe_ms

HIGHER: dict[str, tuple[int, int]] = {
    "1m": (15, 60),
    "3m": (5, 20),
    "5m": (12, 48),
    "15m": (4, 16),
    "30m": (4, 16),
    "1h": (4, 24),
    "2h": (4, 12),
    "4h": (6, 18),
    "6h": (4, 12),
    "8h": (3, 9),
    "12h": (2, 8),
    "1d": (3, 9),
}
"""Candles in a bar of the two higher timeframes; bars lie on the grid of the UTC epoch."""

_Kept = TypeVar("_Kept")


def _kept(method: Callable[[Context, int], _Kept]) -> Callable[[Context, int], _Kept]:
    """Keep what a method returns for each argument; `functools.cache` would keep the object."""

    @wraps(method)
    def keeping(self: Context, argument: int) -> _Kept:
        key = (method.__name__, argument)
        if key not in self._results:
            self._results[key] = method(self, argument)
        return self._results[key]

    return keeping


class Context:
    """Candles on the full grid with the intermediate series that several features need.

    Every series has shape (n,), float64, is computed at its first use and kept; like the features
    each is a finite-window function. Callers must not change the arrays.

    Parameters
    ----------
    candles : Candles of n rows
        On the full grid; gaps are rows of NaN or filled rows.
    timeframe : str
        The candles' timeframe.
    """

    def __init__(self, candles: Candles, timeframe: str) -> None:
        self.candles = candles
        self.timeframe = timeframe
        self.open, self.high = candles.open, candles.high
        self.low, self.close, self.volume = candles.low, candles.close, candles.volume
        self._results: dict[tuple[str, int], Any] = {}

    def keep(self, name: str, function: Callable[[Context], _Kept]) -> _Kept:
        """Return ``function(self)``, computed once for each name."""
        key = (name, 0)
        if key not in self._results:
            self._results[key] = function(self)
        return self._results[key]

    @cached_property
    def log_close(self) -> FloatArray:
        """Natural logarithm of the close."""
        return log(self.close)

    @_kept
    def log_return_over(self, candles: int) -> FloatArray:
        """Log return over that many candles (decimal); window candles + 1."""
        return self.log_close - lag(self.log_close, candles)

    @cached_property
    def log_return(self) -> FloatArray:
        """Log return over one candle (decimal); window 2."""
        return self.log_return_over(1)

    @_kept
    def mean_square_return(self, window: int) -> FloatArray:
        """Mean squared log return over `window` candles; window + 1."""
        return windows.rolling_mean(self.log_return * self.log_return, window)

    @cached_property
    def previous_close(self) -> FloatArray:
        """Close of the candle before; window 2."""
        return lag(self.close, 1)

    @cached_property
    def range(self) -> FloatArray:
        """High minus low, in price."""
        return self.high - self.low

    @cached_property
    def true_range(self) -> FloatArray:
        """The range extended to the close before, in price; window 2."""
        high = np.maximum(self.high, self.previous_close)
        return high - np.minimum(self.low, self.previous_close)

    @cached_property
    def atr14(self) -> FloatArray:
        """Average true range, Wilder's smoothing over 14, in price."""
        return windows.wilder(self.true_range, 14)

    @cached_property
    def typical_price(self) -> FloatArray:
        """Mean of high, low and close."""
        return (self.high + self.low + self.close) / 3.0

    @_kept
    def ema_close(self, span: int) -> FloatArray:
        """Exponential moving average of the close, in price."""
        return windows.ema(self.close, span)

    @_kept
    def moments_of_close(self, window: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the last `window` closes, in price."""
        return windows.rolling_moments(self.close, window)

    @_kept
    def mean_volume(self, window: int) -> FloatArray:
        """Mean volume of the last `window` candles."""
        return windows.rolling_mean(self.volume, window)

    @cached_property
    def close_location_value(self) -> FloatArray:
        """Place of the close in its candle, -1 at the low, 1 at the high, 0 without a range."""
        numerator = (self.close - self.low) - (self.high - self.close)
        return windows.ratio(numerator, self.range, at_zero=0.0)

    @_kept
    def higher(self, level: int) -> HigherBars:
        """Bars of the first (0) or second (1) higher timeframe, closed ones only."""
        return HigherBars(self.candles, self.timeframe, HIGHER[self.timeframe][level])


class HigherBars:
    """Closed bars of a higher timeframe and where in the base candles each is the newest.

    Parameters
    ----------
    candles : Candles of n rows
        Base candles on the full grid; those before the first whole bar are not used.
    timeframe : str
        Timeframe of the base candles.
    size : int
        Candles in a bar.

    Attributes
    ----------
    context : Context of m bars
        Whole bars, the oldest first; a bar with a NaN candle is NaN.
    """

    def __init__(self, candles: Candles, timeframe: str, size: int) -> None:
        step = timeframe_ms(timeframe)
        self._rows = len(candles)
        start = int(-(candles.open_time[0] // step) % size) if self._rows else 0
        self._first_close = start + size - 1
        count = max((self._rows - start) // size, 0)
        whole = candles[start : start + count * size]
        volume = np.zeros(count)
        for i in range(size):
            volume += whole.volume[i::size]
        high = whole.high.reshape(count, size).max(axis=1)
        gap = np.isnan(high)
        bars = make(
            whole.open_time[::size],
            np.where(gap, np.nan, whole.open[::size]),
            high,
            whole.low.reshape(count, size).min(axis=1),
            np.where(gap, np.nan, whole.close[size - 1 :: size]),
            volume,
        )
        self._size = size
        self.context = Context(bars, timeframe)

    def expand(self, values: FloatArray) -> FloatArray:
        """Return for each of the n candles the value of the newest bar closed by its close.

        Parameters
        ----------
        values : ndarray of shape (m,)
            One value a bar.

        Returns
        -------
        ndarray of shape (n,)
            NaN where no whole bar has closed yet.
        """
        expanded = np.full(self._rows, np.nan)
        expanded[self._first_close :] = np.repeat(values, self._size)[
            : max(self._rows - self._first_close, 0)
        ]
        return expanded
