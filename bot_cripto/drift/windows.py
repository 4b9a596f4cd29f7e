"""Windows of equal length that slide over a span of time, and how unlike the rest each one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.drift.bins import KS_BINS, PSI_BINS, Binning, ks, psi

Floats = NDArray[np.float64]

PARTS_OF_A_WINDOW = 4
"""A window slides by this part of its length."""

LEAST_FILLED = 0.9
"""Share of the most rows of a window below which one is not used: gaps are no drift."""

_FLOOR = 0.02
_LEAST_SPREAD = 0.2
"""Both keep what hardly varies at all (the time of day, over whole days) from alarming about
nothing: an index of 0.02 is small whatever is usual."""


@dataclass(frozen=True, eq=False)
class Unlikeness:
    """How unlike each column of a recent window is, against windows of a span before it.

    Attributes
    ----------
    psi, ks : ndarray of shape (columns,)
        Of the recent window against the whole span.
    usual_psi, usual_ks : ndarray of shape (columns,)
        Median over the windows of the span, each against the rest of it.
    score : ndarray of shape (columns,)
        The greater of both, as standard deviations of their logarithms over those windows.
    earlier : ndarray of shape (windows,)
        Greatest score of any column in each window of the span, judged by the windows that do
        not overlap it: what the greatest of `score` is to be compared with.
    """

    psi: Floats
    ks: Floats
    usual_psi: Floats
    usual_ks: Floats
    score: Floats
    earlier: Floats


def part_of(times: NDArray[np.int64], end_ms: int, length_ms: int) -> NDArray[np.int64]:
    """Return which stretch of `length_ms`, counted backwards from `end_ms`, each time lies in."""
    return (end_ms - 1 - times) // length_ms


def unlikeness(
    times: NDArray[np.int64],
    matrix: NDArray[np.float32],
    recent: NDArray[np.float32],
    end_ms: int,
    length_ms: int,
) -> Unlikeness | None:
    """Compare a recent window with the windows of equal length of a span.

    Parameters
    ----------
    times : ndarray of shape (n,), int64
        Open times of the rows of the span, milliseconds since the epoch, UTC; all before
        `end_ms`.
    matrix : ndarray of shape (n, columns)
        All finite.
    recent : ndarray of shape (m, columns)
        Rows of the recent window; all finite.
    end_ms : int
        End of the span.
    length_ms : int
        Length of the recent window.

    Returns
    -------
    Unlikeness or None
        None where the span has not two windows that do not overlap.

    Notes
    -----
    Rows of neighbouring candles depend on each other, so the p-value of a test of independent
    rows says nothing. The spread of the same statistic over windows of the same length says what
    is usual.
    """
    part_ms = length_ms // PARTS_OF_A_WINDOW
    back = part_of(times, end_ms, part_ms)
    parts = int(back.max()) + 1 if len(back) else 0
    windows = parts - PARTS_OF_A_WINDOW + 1
    if windows <= 2 * PARTS_OF_A_WINDOW:
        return None
    none = np.zeros(len(recent), dtype=np.int64)
    logs, found, filled = [], [], np.ones(windows, dtype=bool)
    for bins, statistic in ((PSI_BINS, "psi"), (KS_BINS, "ks")):
        binning = Binning.of(matrix, bins)
        counts = binning.counts(matrix, parts - 1 - back, parts)
        total = counts.sum(axis=0)
        summed = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
        sliding = summed[PARTS_OF_A_WINDOW:] - summed[:-PARTS_OF_A_WINDOW]
        rows = sliding[:, 0].sum(axis=-1)
        filled = rows >= LEAST_FILLED * rows.max()
        sliding = sliding[filled]
        own = binning.counts(recent, none, 1)[0]
        if statistic == "psi":
            real = binning.real
            usual, now = psi(sliding, total - sliding, real), psi(own, total, real)
        else:
            usual, now = ks(sliding, total - sliding), ks(own, total)
        logs.append(np.log(usual + _FLOOR))
        found.append((now, np.median(usual, axis=0)))
    place = np.flatnonzero(filled)
    both = np.concatenate(logs, axis=1)
    earlier = _leave_one_out(both, place)
    if earlier is None:
        return None
    now = np.log(np.concatenate([found[0][0], found[1][0]]) + _FLOOR)
    score = (now - both.mean(axis=0)) / (both.std(axis=0, ddof=1) + _LEAST_SPREAD)
    columns = matrix.shape[1]
    return Unlikeness(
        found[0][0],
        found[1][0],
        found[0][1],
        found[1][1],
        np.maximum(score[:columns], score[columns:]),
        earlier,
    )


def _leave_one_out(logs: Floats, place: NDArray[np.int64]) -> Floats | None:
    """Return the greatest score of each window among those that do not overlap it."""
    earlier = np.empty(len(logs))
    for i in range(len(logs)):
        others = logs[np.abs(place - place[i]) >= PARTS_OF_A_WINDOW]
        if len(others) < 2:
            return None
        spread = others.std(axis=0, ddof=1) + _LEAST_SPREAD
        earlier[i] = ((logs[i] - others.mean(axis=0)) / spread).max()
    return earlier
