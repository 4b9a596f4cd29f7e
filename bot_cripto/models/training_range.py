"""The range of the training data, feature by feature, as LightGBM's own text records it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError

_NUMERICAL = re.compile(r"\[([^\[\]:]+):([^\[\]:]+)\]")
_CATEGORICAL = re.compile(r"-?\d+(:-?\d+)*")
_UNUSED = "none"


@dataclass(frozen=True, eq=False)
class TrainingRange:
    """The range of each feature over the rows that a model was trained on.

    Attributes
    ----------
    names : tuple of str
    low, high : ndarray of shape (n_features,), float32
        NaN where a feature is not judged: no model splits on it, or it is categorical.
    """

    names: tuple[str, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def judged(self) -> int:
        """Return how many features have a range."""
        return int(np.count_nonzero(~np.isnan(self.low)))

    def outside(self, matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which values lie outside the range.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_features), float32

        Returns
        -------
        ndarray of shape (n, n_features), bool
            False at the bounds themselves and for features that are not judged; True for NaN.
        """
        inside = (matrix >= self.low) & (matrix <= self.high)
        return ~inside & ~np.isnan(self.low)

    def share(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the share of the judged features outside the range, by row; 0 without any.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_features), float32

        Returns
        -------
        ndarray of shape (n,), in [0, 1]
        """
        counts = np.count_nonzero(self.outside(matrix), axis=1)
        return counts / max(self.judged, 1)


def training_range(
    names: tuple[str, ...], versions: Iterable[Mapping[str, bytes]]
) -> TrainingRange:
    """Return the range that the models of several versions share: outside one is outside.

    Parameters
    ----------
    names : tuple of str
        Names of the features, in order; the same for every model.
    versions : iterable of mapping of str to bytes
        Verified files of each version; a baseline has no model text and adds nothing.

    Raises
    ------
    ModelError
        A model text does not tell the range of each feature.

    Notes
    -----
    LightGBM writes the bounds with 17 digits, so that they are the training values exactly. It
    takes them from at most 200000 rows, drawn at random from longer training windows: a value
    between those bounds and the true ones then counts as outside.
    """
    low = np.full(len(names), np.nan, dtype=np.float32)
    high = low.copy()
    for files in versions:
        for file, content in files.items():
            if file.endswith(".txt"):
                lowest, highest = read_bounds(content, names)
                # fmax and fmin pass NaN over: a feature that one model uses is judged
                low, high = np.fmax(low, lowest), np.fmin(high, highest)
    return TrainingRange(names, low, high)


def read_bounds(
    model_text: bytes, names: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the bounds of each feature of one LightGBM model text, NaN where it has none.

    Raises
    ------
    ModelError
        The header is missing, of other features, or holds no range where one is due.
    """
    if _header(model_text, "feature_names") != list(names):
        raise ModelError("the LightGBM text is of other features than its metadata")
    infos = _header(model_text, "feature_infos")
    if len(infos) != len(names):
        raise ModelError(
            f"the LightGBM text has ranges of {len(infos)} features, not of {len(names)}"
        )
    bounds = [_bounds(name, info) for name, info in zip(names, infos, strict=True)]
    # the features were float32: rounding the text back gives them to the bit
    table = np.array(bounds, dtype=np.float64).reshape(-1, 2).astype(np.float32)
    return table[:, 0], table[:, 1]


def _header(model_text: bytes, key: str) -> list[str]:
    header, _, _ = model_text.partition(b"\n\n")
    for line in header.decode("utf-8", errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name == key:
            return value.split(" ")
    raise ModelError(f"the LightGBM text has no {key}")


def _bounds(name: str, info: str) -> tuple[float, float]:
    if info == _UNUSED or _CATEGORICAL.fullmatch(info):
        return math.nan, math.nan
    found = _NUMERICAL.fullmatch(info)
    try:
        low, high = (float(part) for part in found.groups()) if found else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ModelError(f"the LightGBM text has the range {info!r} for {name}, which is none")
    return low, high
