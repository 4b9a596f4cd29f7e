"""Which symbols move together: correlation of candle returns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

RETURNS = 1000
"""So many of the last returns common to both symbols are compared."""

MIN_RETURNS = 100
"""With fewer common returns a correlation is not known."""


def correlations(
    closes: Mapping[str, NDArray[np.float64]], minimum: float
) -> dict[str, frozenset[str]]:
    """Return for each symbol the others that count together with it.

    Parameters
    ----------
    closes : mapping of str to ndarray of shape (n,)
        Closes by symbol on the full grid of candles, the last row of each the same candle; a
        shorter array begins later. NaN in a gap: a return needs the closes at both of its ends.
    minimum : float
        Least Pearson correlation, in [0, 1], of the simple returns.

    Returns
    -------
    dict of str to frozenset of str
        Symmetric, no symbol in its own set. Two symbols also count together where fewer than
        `MIN_RETURNS` of their returns are common or one of them never moves: what is not known
        is no diversification.
    """
    returns = {symbol: _returns(np.asarray(close, float)) for symbol, close in closes.items()}
    together: dict[str, set[str]] = {symbol: set() for symbol in returns}
    names = list(returns)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            rho = _correlation(returns[one], returns[other])
            if rho is None or rho >= minimum:
                together[one].add(other)
                together[other].add(one)
    return {symbol: frozenset(others) for symbol, others in together.items()}


def _returns(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return simple returns of shape (n - 1,); NaN where a price is missing or not above 0."""
    price = np.where(close > 0, close, np.nan)
    return price[1:] / price[:-1] - 1.0


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Return the correlation of the last common returns, or None where it is not known."""
    n = min(len(one), len(other))
    if n == 0:
        return None
    one, other = one[-n:], other[-n:]
    common = np.flatnonzero(np.isfinite(one) & np.isfinite(other))[-RETURNS:]
    if len(common) < MIN_RETURNS:
        return None
    x, y = one[common], other[common]
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if not np.isfinite(scale) or scale == 0.0:
        return None
    return float(x @ y) / scale
