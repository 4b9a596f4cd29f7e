"""Calibration on rows that neither training nor early stopping saw; numpy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Mean of the slope's prior and inverse variances of the priors of Platt scaling; see `platt`.
_SLOPE_MEAN = 0.8
_SLOPE_PRECISION, _INTERCEPT_PRECISION = 4.0, 1600.0


def sigmoid(x: Floats) -> Floats:
    """Return the logistic function of x; finite for every finite x."""
    half = np.tanh(0.5 * x)
    return 0.5 * (1.0 + half)


def rises(forward: Floats) -> Floats:
    """Return 1 for a return above 0, 0 for one below, and 1/2 for none: it speaks for neither."""
    return 0.5 + 0.5 * np.sign(forward)


def platt(
    score: Floats, outcome: Floats, *, independent: float, slope_bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return slope and intercept of ``P(up) = sigmoid(slope * score + intercept)``.

    Parameters
    ----------
    score : ndarray of shape (n,)
        Raw scores (log odds).
    outcome : ndarray of shape (n,)
        1 or 0; 1/2 for a tie.
    independent : float
        How many independent outcomes the n overlapping ones are worth (n / horizon). Normal
        priors are set against it: slope 0.8 with deviation 1/2, for what trees say of rows that
        they have not seen is too sure more often than not, and intercept 0 with deviation 1/40,
        for the share of rises of a few weeks says little of the next.
    slope_bounds : tuple of float
        Least and largest slope allowed; a negative slope would invert the model.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines; Lin, Lin, Weng (2007), A
    note on Platt's probabilistic outputs; Copas (1983), Regression, prediction and shrinkage.
    """
    n = len(score)
    share = independent / n
    slope, intercept = _SLOPE_MEAN, 0.0
    precision = np.array([_SLOPE_PRECISION, _INTERCEPT_PRECISION])
    mean = np.array([_SLOPE_MEAN, 0.0])
    design = np.column_stack([score, np.ones(n)])
    for _ in range(50):
        p = sigmoid(slope * score + intercept)
        value = np.array([slope, intercept])
        gradient = share * design.T @ (p - outcome) + precision * (value - mean)
        curvature = share * (design * (p * (1 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        slope, intercept = (value - step).tolist()
        if np.max(np.abs(step)) < 1e-10:
            break
    bounded = min(max(slope, slope_bounds[0]), slope_bounds[1])
    if bounded != slope:
        intercept = _intercept(bounded * score, outcome, share)
    return bounded, intercept


def _intercept(score: Floats, outcome: Floats, share: float) -> float:
    """Return the best intercept for a fixed slope, with the same prior as in `platt`."""
    value = 0.0
    for _ in range(50):
        p = sigmoid(score + value)
        gradient = share * np.sum(p - outcome) + _INTERCEPT_PRECISION * value
        step = gradient / (share * np.sum(p * (1 - p)) + _INTERCEPT_PRECISION)
        value -= float(step)
        if abs(step) < 1e-10:
            break
    return value


def conformal_shift(excess: Floats, level: float, *, independent: float) -> float:
    """Return the shift that makes a one-sided quantile cover `level` of new outcomes.

    It is the quantile of `excess` at ``ceil((m + 1) * level) / m``, m being the independent
    rows rather than the overlapping ones: the fewer there are, the further it lies out, and with
    fewer than ``level / (1 - level)`` it is the largest excess.

    Parameters
    ----------
    excess : ndarray of shape (n,)
        How far each outcome lies beyond its quantile (negative: inside).
    level : float
        Share of the outcomes that must lie inside, in (0, 1).
    independent : float
        How many independent outcomes the n overlapping ones are worth (n / horizon).

    References
    ----------
    Romano, Patterson, Candes (2019), Conformalized Quantile Regression, theorem 2.
    """
    n, m = len(excess), max(1, math.floor(independent))
    share = min(1.0, math.ceil((m + 1) * level) / m)
    rank = math.ceil(n * share)
    return float(np.partition(excess, rank - 1)[rank - 1])


def shrunk_slope(forecast: Floats, outcome: Floats, *, independent: float) -> float:
    """Return what part of a forecast of a mean is worth believing, in [0, 1].

    The slope through the origin of outcome on forecast, times the positive part of
    ``1 - 1 / t**2``, t being the slope over its standard error: a slope that the rows cannot
    tell from 0 becomes 0, a sure one stays.

    Parameters
    ----------
    forecast, outcome : ndarray of shape (n,)
        In the same unit.
    independent : float
        How many independent outcomes the n overlapping ones are worth (n / horizon).

    References
    ----------
    James, Stein (1961), Estimation with quadratic loss.
    """
    power = float(forecast @ forecast)
    if power <= 0:
        return 0.0
    slope = float(forecast @ outcome) / power
    residual = outcome - slope * forecast
    variance = float(residual @ residual) / power / independent
    if slope <= 0 or variance <= 0:
        return max(0.0, min(1.0, slope))
    return min(1.0, slope) * max(0.0, 1.0 - variance / slope**2)


def quantile_grid(values: Floats, points: int = 101) -> list[float]:
    """Return the quantiles at `points` evenly spaced levels from 0 to 1."""
    return [float(q) for q in np.quantile(values, np.linspace(0.0, 1.0, points))]


def rank_in(grid: list[float], values: Floats) -> Floats:
    """Return the rank in [0, 1] of each value in the distribution that the grid describes."""
    return np.interp(values, grid, np.linspace(0.0, 1.0, len(grid)))
