"""The few training rows that stand for all of them, against which dissimilarity is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError
from bot_cripto.models.dissimilarity import Dissimilarity

POINTS = 256
"""How many rows stand for all."""

CANDIDATES = 4096
"""How many rows, evenly over the training window, they are chosen from."""

LEFT_OUT = 0.1
"""Share of the training window, before a row and after it, that is not held against it."""

QUANTILE = 0.99
"""Share of the training rows that lie nearer to those of other times than the unit."""

# the spread of a side is told from the median and this quantile, in normal standard deviations
_TAIL, _DEVIATIONS = 0.01, 2.3263478740408408
_SKEW = 0.1


def training_cover(features: NDArray[np.float32]) -> Dissimilarity:
    """Return the rows that stand for all training rows, and the unit of their distances.

    The points are chosen one after the other, each the row that is furthest from those before:
    so they cover the rare rows as well as the common ones. The unit is the distance that all but
    one in a hundred rows keep to the points of other times: neighbouring rows are near copies of
    each other, and a new candle has none of them in training.

    Parameters
    ----------
    features : ndarray of shape (n, n_features), float32
        Rows in the order of time, all finite.

    Raises
    ------
    ModelError
        There is no row, or all are the same.

    References
    ----------
    Gonzalez (1985), Clustering to minimize the maximum intercluster distance: the choice, which
    covers with at most twice the radius of the best. Roberts et al. (2017), Cross-validation
    strategies for data with temporal, spatial, hierarchical, or phylogenetic structure: why
    neighbours are left out.
    """
    n = len(features)
    if n == 0:
        raise ModelError("there are no training rows to measure dissimilarity by")
    centre, below, above = _scaling(features)
    known = Dissimilarity(centre, below, above, np.zeros((0, len(centre)), np.float32), 1.0)
    places = np.unique(np.linspace(0, n - 1, min(n, CANDIDATES)).round().astype(np.int64))
    # half precision is what is stored, so it is what is measured
    rows = known.scale(features[places])
    stored = rows.astype(np.float16).astype(np.float32)
    squares = np.full(len(rows), np.inf, dtype=np.float32)
    elsewhen = squares.copy()
    chosen: list[int] = []
    furthest = 0
    while len(chosen) < min(POINTS, len(rows)) and squares[furthest] > 0:
        chosen.append(furthest)
        apart = np.square(rows - stored[furthest]).sum(axis=1)
        squares = np.minimum(squares, apart)
        # a row is no distance from itself, whatever half precision left of it
        squares[furthest] = 0.0
        other = np.abs(places - places[furthest]) > LEFT_OUT * n
        elsewhen[other] = np.minimum(elsewhen[other], apart[other])
        furthest = int(np.argmax(squares))
    reached = np.sqrt(elsewhen[np.isfinite(elsewhen)].astype(np.float64))
    unit = float(np.quantile(reached, QUANTILE)) if len(reached) else 0.0
    if unit <= 0:
        raise ModelError("all training rows are the same: dissimilarity cannot be measured by them")
    return Dissimilarity(centre, below, above, stored[chosen], unit)


def _scaling(
    features: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return medians and one over the spreads below and above them, each of shape (n_features,).

    The lesser spread is at least `_SKEW` of the greater, for a side on which (nearly) all rows lie
    at the median. Where both sides are so, it is the standard deviation, and a feature that never
    varies has none.
    """
    low, centre, high = np.quantile(features.astype(np.float64), [_TAIL, 0.5, 1 - _TAIL], axis=0)
    below, above = (centre - low) / _DEVIATIONS, (high - centre) / _DEVIATIONS
    deviation = features.std(axis=0, dtype=np.float64)
    below, above = np.maximum(below, _SKEW * above), np.maximum(above, _SKEW * below)
    spreads = [np.where(spread > 0, spread, deviation) for spread in (below, above)]
    # what varies by less than float32 can hold does not vary
    least = np.finfo(np.float32).eps * np.maximum(np.abs(centre), np.finfo(np.float32).tiny)
    inverses = [
        np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > least).astype(np.float32)
        for spread in spreads
    ]
    return centre.astype(np.float32), inverses[0], inverses[1]
