"""Parts of the rows in the order of time, with a gap that no label reaches across."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def split(index: NDArray[np.int64], fractions: Mapping[str, float], gap: int) -> dict[str, slice]:
    """Return the rows of each part; the first part loses nothing but its end, as the others.

    Parameters
    ----------
    index : ndarray of shape (n,), int64
        Increasing position of each row on the grid of candles.
    fractions : mapping of str to float
        Share of the rows of each part, in the order of time; they sum to 1.
    gap : int
        A row belongs to a part only if the next part starts more than `gap` candles later:
        at least the horizon of the labels, so that no label sees into the next part.

    Returns
    -------
    dict of str to slice
        Rows of each part; a part of share 0 is empty.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, section 7.4.
    """
    if abs(sum(fractions.values()) - 1.0) > 1e-9 or min(fractions.values()) < 0:
        raise ValueError(f"the fractions must be >= 0 and sum to 1: {dict(fractions)}")
    n = len(index)
    edges = np.round(np.cumsum([0.0, *fractions.values()]) * n).astype(int)
    parts = {}
    for name, start, stop in zip(fractions, edges[:-1], edges[1:], strict=True):
        if stop < n:
            stop = int(np.searchsorted(index, index[stop] - gap, side="left"))
        parts[name] = slice(int(start), int(max(start, stop)))
    return parts
