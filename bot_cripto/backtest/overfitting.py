"""Probability of backtest overfitting: does the best of the past stay above the middle?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bot_cripto.metrics import Floats


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric cross-validation found.

    Attributes
    ----------
    probability : float
        Share of splits in which the configuration that was best in sample came out at or below
        the median out of sample.
    loss_probability : float
        Share of splits in which it had a Sharpe ratio below 0 out of sample.
    logits : ndarray of shape (splits,)
        Of its relative rank out of sample; 0 is the median.
    """

    probability: float
    loss_probability: float
    logits: Floats


def probability_of_overfitting(returns: Floats, blocks: int = 16) -> Overfitting:
    """Return the probability of backtest overfitting over all halves of the blocks of time.

    Parameters
    ----------
    returns : ndarray of shape (periods, configurations)
        Simple returns (decimal) of every configuration that was tried, over the same periods;
        finite. At least two configurations.
    blocks : int
        Even, 2 to 20: consecutive parts of (nearly) equal length; each choice of half of them is
        in sample once. 16 give 12,870 splits.

    Notes
    -----
    Configurations are compared by their Sharpe ratio; one without variance has 0. Equal ones
    share the middle of their ranks.

    Raises
    ------
    ValueError
        Too few periods or configurations, a value that is not finite, or an odd `blocks`.

    References
    ----------
    Bailey, Borwein, Lopez de Prado, Zhu (2015), The probability of backtest overfitting.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise ValueError("it takes a matrix of at least two configurations")
    if blocks % 2 or not 2 <= blocks <= 20:
        raise ValueError(f"blocks must be even, from 2 to 20, not {blocks}")
    n, m = returns.shape
    if n < 2 * blocks:
        raise ValueError(f"{blocks} blocks need at least {2 * blocks} periods, not {n}")
    if not np.isfinite(returns).all():
        raise ValueError("every return must be a finite number")
    parts = np.array_split(np.arange(n), blocks)
    # sums about the mean of each column, so that the variance is no difference of large numbers
    middle = returns.mean(axis=0)
    centred = returns - middle
    count = np.array([len(rows) for rows in parts], dtype=np.float64)
    first = np.array([centred[rows].sum(axis=0) for rows in parts])
    second = np.array([(centred[rows] ** 2).sum(axis=0) for rows in parts])
    chosen = np.zeros((math.comb(blocks, blocks // 2), blocks))
    for row, places in enumerate(combinations(range(blocks), blocks // 2)):
        chosen[row, list(places)] = 1.0
    scale = np.abs(returns).max(axis=0)
    logits, losses = [], []
    for split in np.array_split(chosen, max(1, len(chosen) * m // 2_000_000)):
        inside = _sharpes(split, count, first, second, middle, scale)
        outside = _sharpes(1.0 - split, count, first, second, middle, scale)
        best = np.argmax(inside, axis=1)
        value = np.take_along_axis(outside, best[:, None], axis=1)
        # equal configurations differ by rounding alone
        tied = np.abs(outside - value) <= 1e-9 * np.abs(value)
        below = (outside < value) & ~tied
        rank = below.sum(axis=1) + 0.5 * (tied.sum(axis=1) + 1)
        share = rank / (m + 1)
        logits.append(np.log(share / (1.0 - share)))
        losses.append(value[:, 0] < 0)
    logit = np.concatenate(logits)
    return Overfitting(float(np.mean(logit <= 0)), float(np.mean(np.concatenate(losses))), logit)


def _sharpes(
    split: Floats, count: Floats, first: Floats, second: Floats, middle: Floats, scale: Floats
) -> Floats:
    """Return the Sharpe ratio of each split and configuration, of shape (splits, m)."""
    n = (split @ count)[:, None]
    mean = split @ first / n
    variance = split @ second / n - mean**2
    varies = variance > (1e-9 * scale) ** 2
    return np.divide(
        mean + middle,
        np.sqrt(np.where(varies, variance, 1.0)),
        out=np.zeros_like(mean),
        where=varies,
    )
