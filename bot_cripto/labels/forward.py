"""Labels over a fixed horizon: forward return, its direction, realised volatility."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_horizon(horizon: int) -> None:
    """Raise ValueError unless the horizon is at least one candle."""
    if horizon < 1:
        raise ValueError(f"the horizon must be at least 1 candle, not {horizon}")


def forward_return(close: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """Return the simple return from each close to the close `horizon` candles later.

    Parameters
    ----------
    close : ndarray of shape (n,)
        Closes on the full grid of candles, NaN in a gap.
    horizon : int
        Number of candles ahead, at least 1.

    Returns
    -------
    ndarray of shape (n,), float64
        ``close[t + horizon] / close[t] - 1`` (decimal). NaN in the last `horizon` rows and
        where either close is NaN.
    """
    check_horizon(horizon)
    result = np.full(len(close), np.nan)
    result[:-horizon] = close[horizon:] / close[:-horizon] - 1.0
    return result


def direction(forward: NDArray[np.float64], neutral_band: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Return 1 where the price rose by more than the neutral band, 0 where it fell by more.

    Parameters
    ----------
    forward : ndarray of shape (n,)
        Forward returns (decimal).
    neutral_band : float or ndarray of shape (n,)
        Half width of the band around 0 (decimal, >= 0), one for all rows or one each.

    Returns
    -------
    ndarray of shape (n,), float64
        1 for ``forward > band``, 0 for ``forward < -band``, NaN within the band (its edges
        included, so an unchanged price is always neutral) and where an input is NaN.
    """
    band = np.asarray(neutral_band, dtype=np.float64)
    if np.any(band < 0):
        raise ValueError("the neutral band must not be negative")
    return np.where(forward > band, 1.0, np.where(forward < -band, 0.0, np.nan))


def realised_volatility(close: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """Return the realised volatility over the next `horizon` candles as a whole.

    Parameters
    ----------
    close : ndarray of shape (n,)
        Closes on the full grid of candles, NaN in a gap.
    horizon : int
        Number of candles ahead, at least 1.

    Returns
    -------
    ndarray of shape (n,), float64
        Square root of the sum of the next `horizon` squared log returns (decimal, for the
        whole horizon, not annualised). NaN in the last `horizon` rows and where any close of
        the window is NaN.

    References
    ----------
    Andersen, Bollerslev, Diebold, Labys (2003), Modeling and Forecasting Realized Volatility.
    """
    check_horizon(horizon)
    n = len(close)
    result = np.full(n, np.nan)
    if n <= horizon:
        return result
    squared = np.diff(np.log(close)) ** 2
    total = np.zeros(n - horizon)
    for ahead in range(horizon):
        total += squared[ahead : ahead + n - horizon]
    result[: n - horizon] = np.sqrt(total)
    return result
