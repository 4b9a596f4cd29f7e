"""Counts of many columns in bins and stretches of time, and how far two sets of counts differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.float64]

PSI_BINS = 10
"""Bins of equal mass that the population stability index is taken over, as is usual."""

KS_BINS = 100
"""Bins of equal mass at whose edges distribution functions are compared: exact to 0.01."""


@dataclass(frozen=True, eq=False)
class Binning:
    """Bins of equal mass of each column of some rows.

    Attributes
    ----------
    edges : tuple of ndarray
        Inner edges of each column, increasing; a column with ties has fewer.
    bins : int
        The most bins that a column has.
    """

    edges: tuple[Floats, ...]
    bins: int

    @classmethod
    def of(cls, matrix: NDArray[np.floating], bins: int) -> Binning:
        """Return the bins of the columns of a matrix of shape (n, columns), all finite, n > 0."""
        levels = np.arange(1, bins) / bins
        found = np.quantile(matrix, levels, axis=0, method="lower").T
        return cls(tuple(np.unique(column).astype(np.float64) for column in found), bins)

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which bins a column has, of shape (columns, bins)."""
        count = np.array([len(edges) + 1 for edges in self.edges])
        return np.arange(self.bins)[None, :] < count[:, None]

    def counts(
        self, matrix: NDArray[np.floating], stretch: NDArray[np.int64], stretches: int
    ) -> Counts:
        """Return how many rows of each stretch lie in each bin.

        Parameters
        ----------
        matrix : ndarray of shape (n, columns)
            All finite; what lies beyond the rows that made the bins counts in the outer ones.
        stretch : ndarray of shape (n,)
            Of each row, from 0 to before `stretches`.
        stretches : int

        Returns
        -------
        ndarray of shape (stretches, columns, bins)
        """
        found = np.empty((stretches, len(self.edges), self.bins))
        for column, edges in enumerate(self.edges):
            place = np.searchsorted(edges, matrix[:, column], side="left")
            both = np.bincount(stretch * self.bins + place, minlength=stretches * self.bins)
            found[:, column] = both.reshape(stretches, self.bins)
        return found


def psi(recent: Counts, reference: Counts, real: NDArray[np.bool_]) -> Floats:
    """Return the population stability index of counts against others.

    Parameters
    ----------
    recent, reference : ndarray of shape (..., columns, bins)
    real : ndarray of shape (columns, bins)
        From `Binning.real`.

    Returns
    -------
    ndarray of shape (..., columns)
        Sum of (p - q) ln(p / q) over the bins, at least 0. Half a row is added to each bin, so
        that an empty one gives no infinity.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, chapter 10; Krichevsky, Trofimov (1981) for the half.
    """
    p, q = _shares(recent, real), _shares(reference, real)
    return np.where(real, (p - q) * np.log(p / q), 0.0).sum(axis=-1)


def ks(recent: Counts, reference: Counts) -> Floats:
    """Return the greatest difference of the two distribution functions at the edges of the bins.

    Parameters and shape of the result are those of `psi`; in [0, 1] (Kolmogorov, Smirnov).
    """
    p = np.cumsum(recent, axis=-1) / recent.sum(axis=-1, keepdims=True)
    q = np.cumsum(reference, axis=-1) / reference.sum(axis=-1, keepdims=True)
    return np.abs(p - q).max(axis=-1)


def _shares(counts: Counts, real: NDArray[np.bool_]) -> Floats:
    smoothed = np.where(real, counts + 0.5, 1.0)
    total = np.where(real, smoothed, 0.0).sum(axis=-1, keepdims=True)
    return smoothed / total
