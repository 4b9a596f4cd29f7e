"""Triple-barrier labels: which of two prices was touched first, or neither in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot_cripto.labels.forward import check_horizon


def triple_barrier(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volatility: NDArray[np.float64],
    *,
    up: float,
    down: float,
    horizon: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the first barrier touched after each close, and the candle where the label ends.

    Parameters
    ----------
    high, low, close : ndarray of shape (n,)
        Prices on the full grid of candles, NaN in a gap.
    volatility : ndarray of shape (n,)
        Volatility known at each close (decimal, of a return over the horizon).
    up, down : float
        Distance of the upper and the lower barrier from the close, in units of `volatility`.
    horizon : int
        Number of candles until the vertical barrier, at least 1.

    Returns
    -------
    label : ndarray of shape (n,), float64
        1 where a high reached the upper barrier first, -1 where a low reached the lower one,
        0 where neither did within the horizon or both did in one candle, whose order candles
        cannot tell. NaN in the last `horizon` rows, where an input is NaN, and where any
        candle up to the horizon is missing.
    end : ndarray of shape (n,), int64
        Row of the candle that decided the label (``t + horizon`` at the vertical barrier);
        -1 where the label is NaN.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, section 3.4.
    """
    check_horizon(horizon)
    if not (up > 0 and down > 0):
        raise ValueError("the barriers must be at a positive distance")
    n = len(close)
    rows = n - horizon
    label = np.full(n, np.nan)
    end = np.full(n, -1, dtype=np.int64)
    if rows <= 0:
        return label, end
    ceiling = close[:rows] * (1.0 + up * volatility[:rows])
    floor = close[:rows] * (1.0 - down * volatility[:rows])
    known = np.isfinite(ceiling)
    first = np.zeros(rows)
    ends = np.arange(rows) + horizon
    waiting = np.ones(rows, dtype=bool)
    for ahead in range(1, horizon + 1):
        tops, bottoms = high[ahead : ahead + rows], low[ahead : ahead + rows]
        known &= np.isfinite(tops) & np.isfinite(bottoms) & np.isfinite(close[ahead : ahead + rows])
        above, below = waiting & (tops >= ceiling), waiting & (bottoms <= floor)
        first += above
        first -= below
        touched = above | below
        ends[touched] = np.flatnonzero(touched) + ahead
        waiting &= ~touched
    label[:rows] = np.where(known, first, np.nan)
    end[:rows] = np.where(known, ends, -1)
    return label, end
