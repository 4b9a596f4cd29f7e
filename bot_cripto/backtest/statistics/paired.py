"""How sure a difference is of two who forecast or traded the same candles."""

from __future__ import annotations

import math

import numpy as np

from bot_cripto.backtest.statistics.bootstrap import (
    MIN_DAYS,
    Interval,
    automatic_block,
    expanded_tail,
    stationary_resamples,
)
from bot_cripto.metrics import Floats


def standard_error(differences: Floats, block: int) -> float:
    """Return the standard error of the mean of a dependent series, from means of blocks.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        In the order of time, finite, of any unit.
    block : int
        Rows of one block at least, so many that the means of two blocks hardly depend.

    Returns
    -------
    float
        NaN where there are fewer than two blocks.

    References
    ----------
    Carlstein (1986), The use of subseries values for estimating the variance of a general
    statistic from a stationary sequence: blocks that do not overlap.
    """
    blocks = len(differences) // max(block, 1)
    if blocks < 2:
        return math.nan
    means = np.array([part.mean() for part in np.array_split(differences, blocks)])
    return float(means.std(ddof=1)) / math.sqrt(blocks)


def return_difference_interval(
    ours: Floats,
    theirs: Floats,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Return an interval of the difference of two total returns over the same days.

    Parameters
    ----------
    ours, theirs : ndarray of shape (days,)
        Simple daily returns, decimal, finite.
    level : float
        Coverage of the interval.
    resamples, seed : int
        The same seed gives the same interval.

    Returns
    -------
    (float, float) or None
        Of the total return of `ours` less that of `theirs`, decimal; None for fewer than
        `MIN_DAYS` days.

    Notes
    -----
    The same days are drawn for both (stationary bootstrap, blocks as long as the differences
    depend), so that what both went through alike does not count as uncertainty.

    References
    ----------
    Politis, Romano (1994), The stationary bootstrap.
    """
    days = len(ours)
    if days < MIN_DAYS:
        return None
    block = automatic_block(ours - theirs)
    random = np.random.Generator(np.random.PCG64(seed))
    places = stationary_resamples(days, block, resamples, random)
    gaps = np.prod(1.0 + ours[places], axis=1) - np.prod(1.0 + theirs[places], axis=1)
    tail = expanded_tail(level, days / block)
    low, high = np.quantile(gaps, [tail, 1.0 - tail])
    return float(low), float(high)
