"""Gaps: where candles are missing, and the full grid on which short gaps are filled flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot_cripto.market.candles import Candles, make
from bot_cripto.timeframes import timeframe_ms


def grid(timeframe: str, since_ms: int, until_ms: int) -> NDArray[np.int64]:
    """Return every open time of the timeframe in ``[since_ms, until_ms)``.

    Parameters
    ----------
    timeframe : str
        Length of a candle, e.g. ``5m``.
    since_ms, until_ms : int
        Milliseconds since the epoch, UTC; they need not lie on the grid.

    Returns
    -------
    ndarray of shape (n,), int64
        Milliseconds since the epoch, UTC.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    step = timeframe_ms(timeframe)
    return np.arange(-(-since_ms // step) * step, until_ms, step, dtype=np.int64)


def to_grid(
    candles: Candles, timeframe: str, since_ms: int, until_ms: int, max_fill: int
) -> Candles:
    """Return the candles on the full grid, the beginnings of gaps filled flat.

    Causal: a row depends on candles up to its own time only, neither on how long a gap lasts nor
    on anything after it. So the same rows come out when the data is cut at any later time.

    Parameters
    ----------
    candles : Candles
        Sorted, unique, on the grid; rows that are filled or NaN count as missing, so that the
        result of this function may be given again. Candles before `since_ms` only serve to fill
        a gap that reaches across it.
    timeframe : str
        Length of a candle, e.g. ``5m``.
    since_ms, until_ms : int
        Milliseconds since the epoch, UTC.
    max_fill : int
        How many missing candles after the last real one are filled; 0 fills none.

    Returns
    -------
    Candles
        One row for every open time in ``[since_ms, until_ms)``. A filled row has the previous
        close as all its prices, volume 0 and ``filled`` True. The rest of a longer gap, and a
        gap with no candle before it, is NaN with ``filled`` False.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    ValueError
        `max_fill` is negative.
    """
    if max_fill < 0:
        raise ValueError(f"max_fill must be 0 or more, not {max_fill}")
    step = timeframe_ms(timeframe)
    times = grid(timeframe, since_ms, until_ms)
    real = real_candles(candles)
    if not len(real):
        nothing = np.full(len(times), np.nan)
        return make(times, nothing, nothing, nothing, nothing, nothing)
    at = np.searchsorted(real.open_time, times, side="right") - 1
    last = np.maximum(at, 0)  # the last real candle up to each time; void where at < 0
    age = (times - real.open_time[last]) // step
    present = (at >= 0) & (age == 0)
    fill = (at >= 0) & (age > 0) & (age <= max_fill)
    flat = np.where(fill, real.close[last], np.nan)

    def price(column: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(present, column[last], flat)

    return make(
        times,
        price(real.open),
        price(real.high),
        price(real.low),
        price(real.close),
        np.where(present, real.volume[last], np.where(fill, 0.0, np.nan)),
        fill,
    )


def gaps(candles: Candles, timeframe: str, since_ms: int, until_ms: int) -> list[tuple[int, int]]:
    """Return the runs of missing candles in ``[since_ms, until_ms)``, in the order of time.

    Parameters
    ----------
    candles : Candles
        Sorted, unique, on the grid; rows that are filled or NaN count as missing.
    timeframe : str
        Length of a candle, e.g. ``5m``.
    since_ms, until_ms : int
        Milliseconds since the epoch, UTC.

    Returns
    -------
    list of (int, int)
        Open time of the first missing candle in milliseconds, and how many are missing in a row.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    times = grid(timeframe, since_ms, until_ms)
    missing = ~np.isin(times, real_candles(candles).open_time, assume_unique=True)
    edges = np.diff(missing.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(times[a]), int(b - a)) for a, b in zip(starts, stops, strict=True)]


def real_candles(candles: Candles) -> Candles:
    """Return the candles that a source gave: neither filled in nor NaN."""
    real = ~candles.filled & np.isfinite(candles.close)
    return candles if real.all() else candles[real]
