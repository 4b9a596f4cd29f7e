"""The parts of the Brier score: what is calibration, what is skill, and what is neither."""

from __future__ import annotations

import numpy as np

from bot_cripto import metrics
from bot_cripto.metrics import BINS, Floats


def brier_decomposition(probability: Floats, outcome: Floats, bins: int = BINS) -> dict[str, float]:
    """Return the parts of the Brier score, over bins of equally many rows.

    Parameters
    ----------
    probability : ndarray of shape (n,)
        In [0, 1], n at least 1.
    outcome : ndarray of shape (n,)
        1 or 0.
    bins : int
        As `metrics.equal_mass_bins` parts the rows.

    Returns
    -------
    dict of str to float
        ``reliability`` (squared gap of forecast and outcome; 0 is best), ``resolution`` (how far
        the bins' outcomes are from the mean one; more is better), ``uncertainty`` (variance of
        the outcome, no merit of the forecast), and what bins hide: ``within_bin_variance`` of the
        forecasts and ``within_bin_covariance`` (twice that of forecast and outcome). Exactly:
        ``brier = reliability - resolution + uncertainty + within_bin_variance -
        within_bin_covariance``.

    Notes
    -----
    Reliability and resolution of a sample lie too high, each by the noise of the bins' outcomes:
    even a forecast that says nothing has some of both.

    References
    ----------
    Murphy (1973), A new vector partition of the probability score; Stephenson, Coelho, Jolliffe
    (2008), Two extra components in the Brier score decomposition.
    """
    place = metrics.equal_mass_bins(probability, bins)
    columns = brier_columns(probability, outcome)
    parts = brier_parts(np.array([np.bincount(place, each, bins) for each in columns]))
    return {name: float(value) for name, value in parts.items()}


def brier_columns(probability: Floats, outcome: Floats) -> Floats:
    """Return what `brier_parts` takes sums of, of shape (5, n): 1, p, y, p p and p y."""
    return np.array(
        (
            np.ones(len(probability)),
            probability,
            outcome,
            probability * probability,
            probability * outcome,
        )
    )


def brier_parts(sums: Floats) -> dict[str, Floats]:
    """Return the parts of the Brier score from sums by bin; see `brier_decomposition`.

    Parameters
    ----------
    sums : ndarray of shape (..., 5, bins)
        Of `brier_columns`, weighted or not; a bin may be empty, not all of them.

    Returns
    -------
    dict of str to ndarray of shape (...)
    """
    count, forecast, observed, square, product = np.moveaxis(sums, -2, 0)
    total = count.sum(axis=-1)
    base = observed.sum(axis=-1) / total
    rows = np.where(count > 0, count, 1.0)
    p, y = forecast / rows, observed / rows
    spread = {
        "reliability": count * (p - y) ** 2,
        "resolution": count * (y - base[..., None]) ** 2,
        "within_bin_variance": square - forecast * p,
        "within_bin_covariance": 2.0 * (product - forecast * y),
    }
    parts = {name: value.sum(axis=-1) / total for name, value in spread.items()}
    return parts | {"uncertainty": base * (1.0 - base)}
