"""What one check of drift found, and what several checks come to together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT

CHECKS = ("features", "distribution", "calibration", "sequential", "relative_drop")
"""Every check; each may raise a false alarm in its share of the rate that is allowed."""

PARTS = {
    "inputs": ("features",),
    "forecasts": ("distribution", "calibration"),
    "performance": ("sequential", "relative_drop"),
}


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        One of `CHECKS`.
    status : str
        DRIFT, NO_DRIFT or INSUFFICIENT.
    text : dict of str to str
        A sentence by language.
    p_value : float or None
        Chance of what was found, or more, without drift; None where none is computed.
    values : dict
        The numbers behind it, as JSON holds them.
    """

    name: str
    status: str
    text: dict[str, str]
    p_value: float | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "p_value": self.p_value,
            "values": self.values,
        }


def level(false_alarm_rate: float) -> float:
    """Return the level of each check, so that all of them together keep the rate (Bonferroni)."""
    return false_alarm_rate / len(CHECKS)


def status_of(statuses: Iterable[str]) -> str:
    """Return drift where any says so, no drift where all say so, else insufficient data."""
    found = set(statuses)
    if DRIFT in found:
        return DRIFT
    return NO_DRIFT if found == {NO_DRIFT} else INSUFFICIENT


def judged(p_value: float, alpha: float) -> str:
    """Return the status that a p-value comes to at a level."""
    return DRIFT if p_value <= alpha else NO_DRIFT


def prediction_p(value: float, earlier: NDArray[np.float64], effective: float) -> float:
    """Return the chance that the next of some like values is at least so great.

    Parameters
    ----------
    value : float
    earlier : ndarray of shape (n,)
        Values of earlier windows, which may overlap each other.
    effective : float
        How many of them would be independent; more than 1.

    Returns
    -------
    float
        Upper tail of Student's t: one-sided prediction limit of a normal variable.

    References
    ----------
    Hahn, Meeker (1991), Statistical Intervals, section 4.8.
    """
    spread = float(earlier.std(ddof=1)) * math.sqrt(1 + 1 / effective)
    distance = value - float(earlier.mean())
    if spread == 0:
        return 1.0 if distance <= 0 else 0.0
    return student_p(distance / spread, effective - 1)


def student_p(t: float, degrees: float) -> float:
    """Return the upper tail of Student's t; to within 1e-6 for 2 degrees of freedom and more.

    With t = sqrt(degrees) tan(angle) the density is that of cos(angle) ** (degrees - 1).
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, 2_001)
    below = np.linspace(math.atan(t / math.sqrt(degrees)), math.pi / 2, 2_001)
    whole, tail = (
        float(np.trapezoid(np.maximum(np.cos(a), 0.0) ** (degrees - 1), a)) for a in (angles, below)
    )
    return min(1.0, tail / whole)


def normal_p(z: float) -> float:
    """Return the upper tail of the standard normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def mean_error(values: NDArray[np.float64], overlap: int) -> float:
    """Return the standard error of a mean of values whose horizons overlap.

    Parameters
    ----------
    values : ndarray of shape (n,), n > 1
        In the order of time.
    overlap : int
        Horizon in rows: values that many rows apart share nothing.

    Returns
    -------
    float
        The greater of two estimates of the long-run variance: that of a moving average of
        ``overlap - 1`` terms, which may come out too small, and Bartlett's kernel of
        ``4 * overlap``.

    References
    ----------
    Hansen, Hodrick (1980), Forward exchange rates as optimal predictors of future spot rates;
    Newey, West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix.
    """
    n = len(values)
    centred = values - values.mean()
    lags = range(1, min(4 * overlap, n - 1) + 1)
    products = {lag: float(centred[lag:] @ centred[:-lag]) for lag in lags}
    own = float(centred @ centred)
    truncated = own + 2 * sum(products[lag] for lag in lags if lag < overlap)
    kernel = own + 2 * sum(v * (1 - lag / (4 * overlap + 1)) for lag, v in products.items())
    return math.sqrt(max(truncated, kernel, 0.0)) / n


def too_little(name: str, text: Mapping[str, str], **values: Any) -> Check:
    """Return a check that had too little to judge, with the reason by language."""
    return Check(name, INSUFFICIENT, dict(text), None, values)
