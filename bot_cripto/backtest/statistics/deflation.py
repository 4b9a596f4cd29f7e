"""How much of a Sharpe ratio is luck: of a short record, of fat tails, of many trials.

Every Sharpe ratio here is that of one period (a day), not annualised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from bot_cripto.metrics import Floats

NORMAL = NormalDist()


def shape(returns: Floats) -> tuple[float, float]:
    """Return skewness and kurtosis (3 for a normal distribution) of returns of shape (n,).

    Moments are those of the sample (biased). Returns that do not vary have (0, 3).
    """
    centred = returns - np.mean(returns) if len(returns) else returns
    scale = float(np.max(np.abs(returns))) if len(returns) else 0.0
    variance = float(np.mean(centred**2)) if len(returns) else 0.0
    if variance <= (1e-12 * scale) ** 2:
        return 0.0, 3.0
    centred = centred / math.sqrt(variance)
    return float(np.mean(centred**3)), float(np.mean(centred**4))


def sharpe_variance(sharpe: float, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Return the variance of an estimated Sharpe ratio, times the number of periods less one.

    ``1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe ** 2``

    Raises
    ------
    ValueError
        No distribution has such moments: ``kurtosis < 1 + skewness ** 2``.

    References
    ----------
    Mertens (2002), Comments on variance of the IID estimator in Lo (2002).
    """
    if not kurtosis >= (1.0 + skewness**2) * (1.0 - 1e-9):
        raise ValueError(f"no returns have skewness {skewness} and kurtosis {kurtosis}")
    # above 0 so that returns of two values, whose ratio has no error, need no special case
    return max(1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12)


def probabilistic_sharpe(
    sharpe: float,
    n: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
) -> float:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    Parameters
    ----------
    sharpe, benchmark : float
        Of one period.
    n : int
        Number of returns, at least 2.
    skewness, kurtosis : float
        Of the returns, from `shape`.

    References
    ----------
    Bailey, Lopez de Prado (2012), The Sharpe ratio efficient frontier.
    """
    if n < 2:
        raise ValueError(f"a Sharpe ratio takes two returns or more, not {n}")
    error = math.sqrt(sharpe_variance(sharpe, skewness, kurtosis) / (n - 1))
    return NORMAL.cdf((sharpe - benchmark) / error)


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio to expect of the best of several trials without any skill.

    Parameters
    ----------
    trials : int
        Independent ones, at least 1; of one alone 0 is expected.
    variance : float
        Of the Sharpe ratios (of one period) across trials, at least 0.

    References
    ----------
    Bailey, Lopez de Prado (2014), The deflated Sharpe ratio, equation 1.
    """
    if trials < 1 or variance < 0:
        raise ValueError(f"{trials} trials with a variance of {variance}: at least 1, at least 0")
    if trials == 1:
        return 0.0
    high = NORMAL.inv_cdf(1.0 - 1.0 / trials)
    higher = NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - np.euler_gamma) * high + np.euler_gamma * higher)


def variance_of_trials(sharpes: Sequence[float], n: int) -> float:
    """Return the variance of Sharpe ratios (of one period) across trials.

    With fewer than two known ratios it is what chance alone gives: ``1 / (n - 1)``, where `n`
    (at least 2) is the number of returns of a trial.
    """
    if len(sharpes) < 2:
        return 1.0 / (n - 1)
    return float(np.var(np.asarray(sharpes, dtype=np.float64), ddof=1))


def deflated_sharpe(
    sharpe: float,
    n: int,
    skewness: float,
    kurtosis: float,
    trials: int,
    variance: float,
) -> float:
    """Return the probability that the true Sharpe ratio is above what trials reach by luck.

    Parameters
    ----------
    sharpe, n, skewness, kurtosis
        As for `probabilistic_sharpe`.
    trials : int
        All configurations that were tried, the chosen one included.
    variance : float
        Of their Sharpe ratios of one period, from `variance_of_trials`.

    References
    ----------
    Bailey, Lopez de Prado (2014), The deflated Sharpe ratio: correcting for selection bias,
    backtest overfitting and non-normality.
    """
    benchmark = expected_maximum_sharpe(trials, variance)
    return probabilistic_sharpe(sharpe, n, skewness, kurtosis, benchmark)


def minimum_track_record(
    sharpe: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    level: float = 0.95,
) -> float | None:
    """Return how many returns it takes to show a Sharpe ratio above the benchmark.

    Parameters
    ----------
    sharpe, benchmark : float
        Of one period.
    skewness, kurtosis : float
    level : float
        Confidence, above 0.5 and below 1.

    Returns
    -------
    float or None
        Number of periods; None where no length would do: the ratio is not above the benchmark.

    References
    ----------
    Bailey, Lopez de Prado (2012), The Sharpe ratio efficient frontier, equation 11.
    """
    if sharpe <= benchmark:
        return None
    distance = NORMAL.inv_cdf(level) / (sharpe - benchmark)
    return 1.0 + sharpe_variance(sharpe, skewness, kurtosis) * distance**2
