"""Overfitting by combinatorial purged cross-validation: is the best of the past still good?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bot_cripto.metrics import Floats

PURGE = 1
"""Days: a trade that lasts minutes to hours reaches into the next day at most."""


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric, purged cross-validation found.

    Attributes
    ----------
    probability : float
        Share of splits in which the configuration that was best in sample came out at or below
        the median out of sample.
    loss_probability : float
        Share of splits in which it had a Sharpe ratio below 0 out of sample.
    logits : ndarray of shape (splits,)
        Of its relative rank out of sample; 0 is the median.
    configurations : int
        How many were compared.
    idle : int
        Those of them whose return never varies: as a rule, they never traded.
    """

    probability: float
    loss_probability: float
    logits: Floats
    configurations: int
    idle: int


def probability_of_overfitting(
    returns: Floats, blocks: int = 16, *, purge: int = PURGE, embargo: int = 0
) -> Overfitting | None:
    """Return the probability of backtest overfitting over all halves of the blocks of time.

    Parameters
    ----------
    returns : ndarray of shape (periods, configurations)
        Simple returns (decimal) of every configuration that was tried, over the same periods
        (days); finite. At least two configurations.
    blocks : int
        Even, 2 to 20: consecutive parts of (nearly) equal length; each choice of half of them is
        in sample once. 16 give 12,870 splits.
    purge : int
        Periods that the in-sample part loses on each side of a block out of sample: at least as
        many as what happens in one period reaches into others.
    embargo : int
        Further periods that it loses after a block out of sample.

    Returns
    -------
    Overfitting or None
        None where no configuration's return varies: nobody traded, there is nothing to measure.

    Notes
    -----
    Configurations are compared by their Sharpe ratio. One without variance in a part has 0
    there, as cash has: not to trade may be the best choice. Equal ones share the middle of
    their ranks.

    Raises
    ------
    ValueError
        Too few periods or configurations, a value that is not finite, an odd `blocks`, or blocks
        that are shorter than what is purged of them and two periods.

    References
    ----------
    Bailey, Borwein, Lopez de Prado, Zhu (2015), The probability of backtest overfitting;
    Lopez de Prado (2018), Advances in financial machine learning, chapters 7, 11 and 12.
    """
    if blocks % 2 or not 2 <= blocks <= 20:
        raise ValueError(f"blocks must be even, from 2 to 20, not {blocks}")
    sums = _Sums(returns, blocks, purge, embargo)
    if sums.idle == sums.m:
        return None
    tested = _choices(blocks, blocks // 2)
    logits, losses = [], []
    for split in np.array_split(tested, max(1, len(tested) * sums.m // 1_000_000)):
        best = np.argmax(sums.sharpes(sums.training(split)), axis=1)
        outside = sums.sharpes(sums.testing(split))
        value = np.take_along_axis(outside, best[:, None], axis=1)
        # equal configurations differ by rounding alone
        tied = np.abs(outside - value) <= 1e-9 * np.abs(value)
        below = (outside < value) & ~tied
        rank = below.sum(axis=1) + 0.5 * (tied.sum(axis=1) + 1)
        share = rank / (sums.m + 1)
        logits.append(np.log(share / (1.0 - share)))
        losses.append(value[:, 0] < 0)
    logit = np.concatenate(logits)
    lost = float(np.mean(np.concatenate(losses)))
    return Overfitting(float(np.mean(logit <= 0)), lost, logit, sums.m, sums.idle)


def path_sharpes(
    returns: Floats,
    groups: int = 10,
    test_groups: int = 2,
    *,
    purge: int = PURGE,
    embargo: int = 0,
) -> Floats | None:
    """Return the Sharpe ratio of choosing the best of the past, over combinatorial paths.

    In each split the configuration with the best Sharpe ratio in the purged training groups is
    taken for the groups that are tested. Each group is tested in several splits; path number j
    takes, for every group, the j-th split that tests it.

    Parameters
    ----------
    returns : ndarray of shape (periods, configurations)
        As for `probability_of_overfitting`.
    groups, test_groups : int
        Consecutive parts of (nearly) equal length, 3 to 20, and how many of them a split tests.
    purge, embargo : int
        As for `probability_of_overfitting`.

    Returns
    -------
    ndarray of shape (comb(groups, test_groups) * test_groups // groups,) or None
        Of one period, not annualised; 0 for a path without variance. None where no configuration's
        return varies.

    Raises
    ------
    ValueError
        As for `probability_of_overfitting`, or there is no group to train on or to test.

    References
    ----------
    Lopez de Prado (2018), Advances in financial machine learning, chapter 12.
    """
    if not 3 <= groups <= 20 or not 0 < test_groups < groups:
        raise ValueError(f"{test_groups} of {groups} groups cannot be tested")
    sums = _Sums(returns, groups, purge, embargo)
    if sums.idle == sums.m:
        return None
    tested = _choices(groups, test_groups)
    best = np.empty(len(tested), dtype=np.int64)
    for rows in np.array_split(np.arange(len(tested)), max(1, len(tested) * sums.m // 1_000_000)):
        best[rows] = np.argmax(sums.sharpes(sums.training(tested[rows])), axis=1)
    path = np.array([best[tested[:, group] > 0] for group in range(groups)])
    whole = [sums.returns[rows][:, path[group]] for group, rows in enumerate(sums.blocks)]
    joined = np.concatenate(whole)
    spread, scale = joined.std(axis=0), np.abs(joined).max(axis=0)
    varies = spread > 1e-9 * scale
    return np.divide(joined.mean(axis=0), spread, out=np.zeros(path.shape[1]), where=varies)


def _choices(blocks: int, tested: int) -> Floats:
    """Return every choice of blocks to test, 1 or 0, of shape (splits, blocks)."""
    chosen = np.zeros((math.comb(blocks, tested), blocks))
    for row, places in enumerate(combinations(range(blocks), tested)):
        chosen[row, list(places)] = 1.0
    return chosen


class _Sums:
    """Sums of returns by block: of its head and tail, which may be purged, and of what is between.

    Attributes
    ----------
    returns : ndarray of shape (periods, m)
    blocks : list of ndarray
        Places of the periods of each block.
    idle : int
        Configurations without variance.
    """

    def __init__(self, returns: Floats, blocks: int, purge: int, embargo: int) -> None:
        returns = np.asarray(returns, dtype=np.float64)
        if returns.ndim != 2 or returns.shape[1] < 2:
            raise ValueError("it takes a matrix of at least two configurations")
        if purge < 0 or embargo < 0:
            raise ValueError(f"purge and embargo are at least 0, not {purge} and {embargo}")
        n, self.m = returns.shape
        head = purge + embargo
        if n < (least := blocks * (head + purge + 2)):
            raise ValueError(f"{blocks} blocks need at least {least} periods, not {n}")
        if not np.isfinite(returns).all():
            raise ValueError("every return must be a finite number")
        self.returns = returns
        self.blocks = np.array_split(np.arange(n), blocks)
        parts = [
            *(rows[:head] for rows in self.blocks),
            *(rows[head : len(rows) - purge] for rows in self.blocks),
            *(rows[len(rows) - purge :] for rows in self.blocks),
        ]
        # sums about the mean of each column, so that the variance is no difference of large numbers
        self._middle = returns.mean(axis=0)
        centred = returns - self._middle
        self._count = np.array([len(rows) for rows in parts], dtype=np.float64)
        self._first = np.array([centred[rows].sum(axis=0) for rows in parts])
        self._second = np.array([(centred[rows] ** 2).sum(axis=0) for rows in parts])
        self._scale = np.abs(returns).max(axis=0)
        self.idle = int(np.sum(centred.std(axis=0) <= 1e-9 * self._scale))

    def training(self, tested: Floats) -> Floats:
        """Return which parts each split trains on, of shape (splits, 3 * blocks)."""
        trained = 1.0 - tested
        edge = np.ones((len(tested), 1))
        after = np.hstack((edge, trained[:, :-1]))
        before = np.hstack((trained[:, 1:], edge))
        return np.hstack((trained * after, trained, trained * before))

    def testing(self, tested: Floats) -> Floats:
        """Return which parts each split tests, of shape (splits, 3 * blocks)."""
        return np.hstack((tested, tested, tested))

    def sharpes(self, parts: Floats) -> Floats:
        """Return the Sharpe ratio of each split and configuration, of shape (splits, m)."""
        n = (parts @ self._count)[:, None]
        mean = parts @ self._first / n
        variance = parts @ self._second / n - mean**2
        varies = variance > (1e-9 * self._scale) ** 2
        return np.divide(
            mean + self._middle,
            np.sqrt(np.where(varies, variance, 1.0)),
            out=np.zeros_like(mean),
            where=varies,
        )
