"""Confidence intervals by the stationary bootstrap, which keeps what neighbouring days share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bot_cripto.backtest.statistics.returns import DAYS_A_YEAR
from bot_cripto.metrics import Floats

Interval = tuple[float, float]

MIN_DAYS = 10
"""Fewer days give no interval."""


@dataclass(frozen=True)
class Intervals:
    """Confidence intervals of what daily returns come to.

    Attributes
    ----------
    sharpe, sortino : (float, float) or None
        Annualised. None where there are fewer than `MIN_DAYS` days, or where an end is not
        finite: too many resamples without a day of loss.
    total_return : (float, float) or None
        Decimal, over as many days. None for fewer than `MIN_DAYS`.
    block : float
        Mean length of a block, days.
    """

    sharpe: Interval | None
    sortino: Interval | None
    total_return: Interval | None
    block: float


def automatic_block(series: Floats) -> float:
    """Return the mean block length that suits the dependence within a series.

    Parameters
    ----------
    series : ndarray of shape (n,)
        In the order of time; finite.

    Returns
    -------
    float
        At least 1, at most ``min(3 sqrt(n), n / 3)``; 1 where the series does not vary or has
        fewer than `MIN_DAYS` values.

    References
    ----------
    Politis, White (2004), Automatic block-length selection for the dependent bootstrap;
    Patton, Politis, White (2009), Correction to it.
    """
    n = len(series)
    centred = series - np.mean(series) if n else series
    power = float(centred @ centred) / max(n, 1)
    if n < MIN_DAYS or power <= (1e-12 * float(np.max(np.abs(series)))) ** 2:
        return 1.0
    apart = max(5, math.ceil(math.sqrt(math.log10(n))))
    longest = min(math.ceil(math.sqrt(n)) + apart, n - 1)
    covariance = np.array([float(centred[k:] @ centred[: n - k]) / n for k in range(longest + 1)])
    bound = 2.0 * math.sqrt(math.log10(n) / n)
    large = np.flatnonzero(np.abs(covariance[1:] / power) >= bound) + 1
    lags = min(2 * _last_before_silence(large, apart, longest), longest)
    k = np.arange(-lags, lags + 1)
    # the flat-top window: 1 up to half of the lags, then down to 0
    window = np.clip(2.0 * (1.0 - np.abs(k) / max(lags, 1)), 0.0, 1.0)
    smoothed = window * covariance[np.abs(k)]
    spectrum, slope = float(smoothed.sum()), float((np.abs(k) * smoothed).sum())
    if spectrum == 0.0:
        return 1.0
    block = (slope**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(block, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def _last_before_silence(large: NDArray[np.intp], apart: int, longest: int) -> int:
    """Return the first lag that `apart` small correlations follow; at least 1."""
    previous = 0
    for lag in large.tolist():
        if lag - previous > apart:
            break
        previous = lag
    return min(max(previous, 1), longest)


def stationary_resamples(
    n: int, block: float, resamples: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return places that resample a series by the stationary bootstrap.

    Blocks begin anywhere, have a geometric length and go round at the end of the series.

    Parameters
    ----------
    n : int
        Length of the series.
    block : float
        Mean length of a block, at least 1.
    resamples : int
    random : numpy.random.Generator

    Returns
    -------
    ndarray of shape (resamples, n)
        Each in 0 … n - 1.

    References
    ----------
    Politis, Romano (1994), The stationary bootstrap.
    """
    if block < 1:
        raise ValueError(f"a block has a mean length of at least 1, not {block}")
    begins = random.random((resamples, n)) < 1.0 / block
    places = np.arange(n)
    begun = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    starts = random.integers(0, n, size=(resamples, n))
    return (np.take_along_axis(starts, begun, axis=1) + places - begun) % n


def expanded_tail(level: float, units: float) -> float:
    """Return the share to cut at each end of the statistics of resampled units.

    Resamples of few units vary less than samples do. The share is that of a normal distribution
    beyond ``sqrt(n / (n - 1)) t``, with n the units and t the quantile of Student's distribution
    with n - 1 degrees of freedom: for a mean, the interval is then Student's.

    Parameters
    ----------
    level : float
        Coverage of the interval, in (0, 1).
    units : float
        Independent ones in a resample: days, or blocks of dependent days; fewer than 3 count as 3.

    References
    ----------
    Hesterberg (2015), What teachers should know about the bootstrap, section 5.3; Abramowitz,
    Stegun (1964), 26.7.5, for t (at 95 % within 0.002 from 10 units on).
    """
    normal = NormalDist()
    z, freedom = normal.inv_cdf((1.0 + level) / 2.0), max(units, 3.0) - 1.0
    t = (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
    return normal.cdf(-t * math.sqrt((freedom + 1.0) / freedom))


def intervals(
    daily: Floats,
    *,
    block: float | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Intervals:
    """Return expanded percentile intervals of Sharpe, Sortino and total return.

    Parameters
    ----------
    daily : ndarray of shape (days,)
        Simple returns, decimal, finite.
    block : float, optional
        Mean length of a block in days; by default `automatic_block` of the returns or of their
        squares, whichever is longer: both bear on the ratios, and volatility comes in clusters.
    level : float
        Coverage of each interval.
    resamples, seed : int
        The same seed gives the same intervals.

    Notes
    -----
    A resample without variance or without loss has a ratio of 0, or of plus or minus infinity
    after its mean; the ends are values that occurred, never between two of them. Without the
    expansion, 95 % intervals of the Sharpe ratio cover the truth in 87 % of records of 12 days,
    91 % of 30 and 93 % of 60; with it in 94 to 96 %.

    References
    ----------
    Efron (1979), Bootstrap methods; Politis, Romano (1994), The stationary bootstrap.
    """
    n = len(daily)
    if n < MIN_DAYS:
        return Intervals(None, None, None, 1.0)
    if block is None:
        block = max(automatic_block(daily), automatic_block((daily - np.mean(daily)) ** 2))
    random = np.random.Generator(np.random.PCG64(seed))
    parts = []
    for count in _chunks(resamples, max(1, 1_000_000 // n)):
        parts.append(_ratios(daily[stationary_resamples(n, block, count, random)]))
    values = np.concatenate(parts, axis=1)
    tail = expanded_tail(level, n / block)
    low = np.quantile(values, tail, axis=1, method="lower")
    high = np.quantile(values, 1.0 - tail, axis=1, method="higher")
    ends = [
        (float(a), float(b)) if np.isfinite(a) and np.isfinite(b) else None
        for a, b in zip(low, high, strict=True)
    ]
    return Intervals(ends[0], ends[1], ends[2], block)


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - done) for done in range(0, total, size)]


def _ratios(daily: Floats) -> Floats:
    """Return Sharpe, Sortino and total return of each row, of shape (3, rows)."""
    mean = daily.mean(axis=1)
    spread = daily.std(axis=1, ddof=1)
    downside = np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2, axis=1))
    rounding = 1e-12 * np.abs(daily).max(axis=1)
    spread[spread <= rounding] = 0.0
    downside[downside <= rounding] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.stack((mean / spread, mean / downside)) * math.sqrt(DAYS_A_YEAR)
    ratios[np.isnan(ratios)] = 0.0
    return np.vstack((ratios, np.prod(1.0 + daily, axis=1) - 1.0))
