"""Weights of labels that overlap in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_uniqueness(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the average uniqueness of each label over the candles that it spans.

    A candle that c labels share counts 1/c for each of them; a label's uniqueness is the mean
    of that over its own candles: 1 when it overlaps no other, about 1/h when each candle
    starts a label of h candles.

    Parameters
    ----------
    start, end : ndarray of shape (n,), int64
        First and last row (both included, >= 0) of the candles that each label depends on.

    Returns
    -------
    ndarray of shape (n,), float64
        Average uniqueness in (0, 1].

    Raises
    ------
    ValueError
        A label ends before it starts, or starts before row 0.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, sections 4.3 and 4.4.
    """
    if len(start) == 0:
        return np.empty(0)
    if np.any(end < start) or start.min() < 0:
        raise ValueError("each label must start at row 0 or later and end no earlier than that")
    base, stop = int(start.min()), int(end.max()) + 1
    change = np.bincount(start - base, minlength=stop - base + 1)
    change = change - np.bincount(end - base + 1, minlength=stop - base + 1)
    concurrent = np.cumsum(change)[:-1]
    share = np.divide(1.0, concurrent, out=np.zeros(len(concurrent)), where=concurrent > 0)
    total = np.concatenate(([0.0], np.cumsum(share)))
    mean = (total[end - base + 1] - total[start - base]) / (end - start + 1)
    return np.minimum(mean, 1.0)
