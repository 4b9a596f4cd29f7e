"""How far a row of features lies from the rows that a model was trained on."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError

FILE = "dissimilarity.json"
"""The file of a version that holds the training rows which stand for all of them."""

LIMIT = np.float32(20.0)
"""Greatest distance from the median that a single feature may have, in spreads."""

# rows whose distances to all points fit the processor's cache
_BLOCK = 256

_COLUMNS = ("centre", "below", "above")


@dataclass(frozen=True, eq=False)
class Dissimilarity:
    """Training rows that stand for all of them, and how far apart these are by nature.

    A feature is scaled by its median and its spread over the training rows, which differs below
    and above the median, for most features are skewed. A row's distance is the Euclidean one to
    the nearest of `points`. Its dissimilarity is that distance in units of `unit`: at 1 it is as
    far as only one in a hundred of the training rows is from those of other times.

    Attributes
    ----------
    centre : ndarray of shape (n_features,), float32
        Medians.
    below, above : ndarray of shape (n_features,), float32
        One over the spread on either side; 0 for a feature that did not vary in training.
    points : ndarray of shape (n_points, n_features), float32
        Scaled rows.
    unit : float
        Distance at which the dissimilarity is 1; above 0.

    References
    ----------
    Meyer, Pebesma (2021), Predicting into unknown space? Estimating the area of applicability of
    spatial prediction models, Methods in Ecology and Evolution 12: the dissimilarity index, which
    divides distances by their mean over the training rows, and the threshold that these reach in
    cross-validation. Their quotient is the number here: the mean is in both.
    """

    centre: NDArray[np.float32]
    below: NDArray[np.float32]
    above: NDArray[np.float32]
    points: NDArray[np.float32]
    unit: float

    def scale(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows in spreads from the median, each feature within `LIMIT`.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_features), float32
            NaN stays NaN.
        """
        apart = matrix - self.centre
        scaled = apart * np.where(apart < 0, self.below, self.above)
        return np.clip(scaled, -LIMIT, LIMIT)

    def of(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the dissimilarity of each row; NaN where a feature is NaN.

        The number of a row is the same to the bit whatever stands beside it: nothing but
        elementwise operations in one order, no product of matrices.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_features), float32

        Returns
        -------
        ndarray of shape (n,), float64
            At least 0; 1 is the edge of what was common in training.

        Raises
        ------
        ModelError
            The number of columns is not that of the training rows.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.centre):
            raise ModelError(
                f"the training rows have {len(self.centre)} features, "
                f"the matrix has the shape {matrix.shape}"
            )
        columns = np.ascontiguousarray(self.points.T)
        nearest = np.empty(len(matrix), dtype=np.float32)
        for start in range(0, len(matrix), _BLOCK):
            rows = self.scale(matrix[start : start + _BLOCK])
            total = np.zeros((len(rows), columns.shape[1]), dtype=np.float32)
            apart = np.empty_like(total)
            for values, column in zip(rows.T, columns, strict=True):
                np.subtract(values[:, None], column, out=apart)
                np.multiply(apart, apart, out=apart)
                np.add(total, apart, out=total)
            nearest[start : start + _BLOCK] = total.min(axis=1)
        return np.sqrt(nearest.astype(np.float64)) / self.unit

    def to_bytes(self) -> bytes:
        """Return the file: JSON with arrays in base64, the points in half precision."""
        value: dict[str, Any] = {"features": len(self.centre), "unit": self.unit}
        value |= {name: _encode(getattr(self, name), "<f4") for name in _COLUMNS}
        value["points"] = _encode(self.points, "<f2")
        return (json.dumps(value, indent=1) + "\n").encode()


def read_dissimilarity(files: Mapping[str, bytes]) -> Dissimilarity | None:
    """Return what the verified files of a version hold; None where it has none.

    Versions that were made before dissimilarity was measured have none.

    Raises
    ------
    ModelError
        The file cannot be read.
    """
    content = files.get(FILE)
    return None if content is None else _parsed(content)


@functools.lru_cache(maxsize=16)
def _parsed(content: bytes) -> Dissimilarity:
    try:
        value = json.loads(content)
        centre, below, above = (_decode(value[name], "<f4") for name in _COLUMNS)
        points = _decode(value["points"], "<f2").reshape(-1, value["features"])
        unit = float(value["unit"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{FILE} of a model cannot be read ({error!r})") from error
    whole = len(points) and all(len(c) == points.shape[1] for c in (centre, below, above))
    finite = all(np.isfinite(c).all() for c in (centre, below, above, points))
    if not whole or not finite or not 0 < unit < np.inf:
        raise ModelError(f"{FILE} of a model holds numbers that cannot be; run: snakemake retrain")
    return Dissimilarity(centre, below, above, points, unit)


def _encode(column: NDArray[np.float32], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(column, dtype=dtype).tobytes()).decode()


def _decode(text: str, dtype: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).astype(np.float32)
