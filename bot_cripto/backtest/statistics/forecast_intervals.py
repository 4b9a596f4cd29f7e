"""Confidence intervals of what forecasts are worth, by resampling whole days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto import metrics
from bot_cripto.backtest.statistics.bootstrap import (
    MIN_DAYS,
    automatic_block,
    expanded_tail,
    stationary_resamples,
)
from bot_cripto.backtest.statistics.brier_decomposition import (
    brier_columns,
    brier_decomposition,
    brier_parts,
)
from bot_cripto.metrics import BINS, Floats
from bot_cripto.timeframes import DAY_MS

Counts = NDArray[np.float64]
"""How often each day was drawn, of shape (resamples, days)."""

PINBALL = {"pinball10": ("p10", 0.1), "pinball50": ("p50", 0.5), "pinball90": ("p90", 0.9)}
PARTS = (
    *("brier_reliability", "brier_resolution", "brier_uncertainty"),
    *("brier_within_bin_variance", "brier_within_bin_covariance"),
)
NAMES = ("auc", "brier", "log_loss", "ece", *PARTS, "coverage80", *PINBALL)
"""What `forecast_intervals` gives."""


def forecast_intervals(
    open_ms: NDArray[np.int64],
    forecasts: Mapping[str, Floats],
    forward: Floats,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, list[float] | None]:
    """Return intervals of the metrics `NAMES`, for any rows: of all folds, or of one.

    Parameters
    ----------
    open_ms : ndarray of shape (n,)
        Open times of the candles that were forecast, milliseconds since the epoch, UTC.
    forecasts : mapping of str to ndarray of shape (n,)
        ``prob_up``, ``p10``, ``p50`` and ``p90``; finite.
    forward : ndarray of shape (n,)
        Forward returns (decimal), finite.
    level : float
        Coverage of each interval.
    resamples, seed : int
        The same seed gives the same intervals.

    Returns
    -------
    dict of str to [low, high] or None
        None for fewer than `MIN_DAYS` days, and for the AUC where only one outcome occurs. The
        parts of `brier_decomposition` have the prefix ``brier_``.

    Notes
    -----
    Days are the unit that is drawn (stationary bootstrap), because horizons of neighbouring
    candles overlap; the mean length of a block follows the dependence of each metric's daily
    values, those of the Brier score for all metrics of prob_up, so that its parts add up in each
    draw. The intervals are percentile intervals, expanded for as many units as there are blocks.
    Calibration error, reliability and resolution, whose resamples lie too high, have the basic
    interval, kept at or above 0: it allows for the noise in the measured value, and may end below
    it. On simulated candles with volatility in clusters of days, 95 % intervals of AUC, Brier
    score and coverage cover the truth in about 90 % of stretches of 10 to 35 days and in 93 % of
    longer ones; those of the pinball loss in 65 to 85 %: they are about the volatility of the
    stretch itself.

    References
    ----------
    Politis, Romano (1994), The stationary bootstrap; Davison, Hinkley (1997), Bootstrap methods
    and their application, section 5.2; Hesterberg (2015), What teachers should know about the
    bootstrap.
    """
    _, day = np.unique(open_ms // DAY_MS, return_inverse=True)
    days = int(day.max()) + 1 if len(day) else 0
    if days < MIN_DAYS:
        return dict.fromkeys(NAMES)
    drawing = _Drawing(day, days, resamples, seed)
    p, up = forecasts["prob_up"], (forward > 0).astype(np.float64)
    counts, units = drawing.draw((p - up) ** 2)
    tail = expanded_tail(level, units)
    found = {name: _ends(v, tail) for name, v in _of_direction(drawing, counts, p, up).items()}
    parts = brier_decomposition(p, up)
    measured = {
        "ece": metrics.ece(p, up),
        "brier_reliability": parts["reliability"],
        "brier_resolution": parts["resolution"],
    }
    for name, value in measured.items():
        found[name] = _basic(value, found[name])
    inside = (forward >= forecasts["p10"]) & (forward <= forecasts["p90"])
    by_row = {"coverage80": inside.astype(np.float64)}
    for name, (column, quantile) in PINBALL.items():
        error = forward - forecasts[column]
        by_row[name] = np.maximum(quantile * error, (quantile - 1.0) * error)
    for name, values in by_row.items():
        counts, units = drawing.draw(values)
        found[name] = _ends(drawing.mean(values, counts), expanded_tail(level, units))
    return {name: found[name] for name in NAMES}


def mean_interval(
    open_ms: NDArray[np.int64],
    values: Floats,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[float] | None:
    """Return an interval of the mean of rows, by resampling whole days as above.

    Parameters
    ----------
    open_ms : ndarray of shape (n,), int64
        Milliseconds since the epoch, UTC; days without a row are left out.
    values : ndarray of shape (n,)
        Finite, of any unit.
    level, resamples, seed
        As for `forecast_intervals`.

    Returns
    -------
    [low, high] or None
        In the unit of the values; None for fewer than `MIN_DAYS` days.
    """
    _, day = np.unique(open_ms // DAY_MS, return_inverse=True)
    days = int(day.max()) + 1 if len(day) else 0
    if days < MIN_DAYS:
        return None
    drawing = _Drawing(day, days, resamples, seed)
    counts, units = drawing.draw(values)
    return _ends(drawing.mean(values, counts), expanded_tail(level, units))


def _ends(values: Floats, tail: float) -> list[float] | None:
    """Return what lies `tail` from each end of the values that there are."""
    known = values[np.isfinite(values)]
    return np.quantile(known, [tail, 1.0 - tail]).tolist() if len(known) else None


def _basic(measured: float, ends: list[float] | None) -> list[float] | None:
    """Return the basic interval of what is at least 0, from the percentile one."""
    return ends and [max(0.0, 2 * measured - ends[1]), max(0.0, 2 * measured - ends[0])]


@dataclass(frozen=True)
class _Drawing:
    """How days are drawn; the day of each row is a number from 0 to days - 1."""

    day: NDArray[np.int64]
    days: int
    resamples: int
    seed: int

    def draw(self, values: Floats) -> tuple[Counts, float]:
        """Return draws of days, in blocks that suit `values`, and how many blocks a draw has."""
        sums, rows = self.sums(values), self.sums(np.ones(len(values)))
        block = automatic_block(sums - rows * (sums.sum() / rows.sum()))
        random = np.random.Generator(np.random.PCG64(self.seed))
        places = stationary_resamples(self.days, block, self.resamples, random)
        places += self.days * np.arange(self.resamples)[:, None]
        drawn = np.bincount(places.ravel(), minlength=self.resamples * self.days)
        counts = drawn.reshape(self.resamples, self.days).astype(np.float64)
        return counts, self.days / block

    def sums(self, values: Floats) -> Floats:
        """Return the sum of each day, of shape (days,)."""
        return np.bincount(self.day, values, self.days).astype(np.float64)

    def mean(self, values: Floats, counts: Counts) -> Floats:
        """Return the mean over the rows of each draw, of shape (resamples,)."""
        return counts @ self.sums(values) / (counts @ self.sums(np.ones(len(values))))


def _of_direction(drawing: _Drawing, counts: Counts, p: Floats, up: Floats) -> dict[str, Floats]:
    """Return the metrics of prob_up in each draw, of shape (resamples,)."""
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    cell = drawing.day * BINS + metrics.equal_mass_bins(p)
    shape = (drawing.days, BINS)
    sums = [
        np.bincount(cell, each, drawing.days * BINS).reshape(shape) for each in brier_columns(p, up)
    ]
    drawn = np.tensordot(counts, np.stack(sums, axis=1), 1)
    gaps = np.abs(drawn[:, 1] - drawn[:, 2])
    return {
        "auc": auc_resamples(p, up, drawing.day, counts),
        "brier": drawing.mean((p - up) ** 2, counts),
        "log_loss": drawing.mean(-(up * np.log(clipped) + (1 - up) * np.log1p(-clipped)), counts),
        "ece": gaps.sum(axis=1) / drawn[:, 0].sum(axis=1),
        **{f"brier_{name}": part for name, part in brier_parts(drawn).items()},
    }


def auc_resamples(score: Floats, outcome: Floats, day: NDArray[np.int64], counts: Counts) -> Floats:
    """Return the AUC of each draw of days; ties count one half.

    Parameters
    ----------
    score, outcome : ndarray of shape (n,)
        The outcome is 1 or 0.
    day : ndarray of shape (n,)
        Number of each row's day, 0 to days - 1.
    counts : ndarray of shape (resamples, days)
        How often each day was drawn.

    Returns
    -------
    ndarray of shape (resamples,)
        The same as `metrics.auc` with each row weighted by the count of its day; NaN where only
        one outcome was drawn.

    Notes
    -----
    The pairs in order are a quadratic form of the counts, so that the rows are sorted once.
    """
    days = counts.shape[1]
    up = outcome > 0.5
    pairs = (counts @ np.bincount(day[up], minlength=days)) * (
        counts @ np.bincount(day[~up], minlength=days)
    )
    ordered = np.einsum("ij,ij->i", counts @ concordant_pairs(score, outcome, day, days), counts)
    return np.divide(ordered, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def concordant_pairs(score: Floats, outcome: Floats, day: NDArray[np.int64], days: int) -> Floats:
    """Return how many pairs of outcomes 1 and 0 the scores put in order, by their days.

    Parameters
    ----------
    score, outcome, day : ndarray of shape (n,)
        As for `auc_resamples`.
    days : int

    Returns
    -------
    ndarray of shape (days, days)
        In row d and column e, of each 1 of day d with each 0 of day e; a tie counts one half.
    """
    _, rank = np.unique(score, return_inverse=True)
    ranks = int(rank.max()) + 1 if len(rank) else 0
    up = outcome > 0.5
    high, day_of_high = rank[up], day[up]
    order = np.argsort(day[~up], kind="stable")
    low = rank[~up][order]
    ends = np.searchsorted(day[~up][order], np.arange(days + 1))
    pairs = np.zeros((days, days))
    for number in range(days):
        there = np.bincount(low[ends[number] : ends[number + 1]], minlength=ranks)
        below = np.cumsum(there) - 0.5 * there
        pairs[:, number] = np.bincount(day_of_high, below[high], days)
    return pairs
