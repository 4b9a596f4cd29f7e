"""How good forecasts are; numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RELIABILITY_BINS = (0.0, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 1.0)
"""Edges that part the forecasts where decisions are made on them."""

BINS = 10
"""Of equally many forecasts, for the calibration error."""


def auc(score: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """Return the area under the ROC curve; ties count one half.

    Parameters
    ----------
    score : ndarray of shape (n,)
        Higher means more likely 1.
    outcome : ndarray of shape (n,)
        1 or 0.
    weight : ndarray of shape (n,), optional
        Weight of each row, 1 by default.

    Returns
    -------
    float
        NaN where only one outcome occurs.

    References
    ----------
    Hanley, McNeil (1982), The meaning and use of the area under a ROC curve.
    """
    order, group = _groups(score)
    counts = np.ones(len(score)) if weight is None else weight
    return _auc(outcome[order] > 0.5, counts[order], group)


def _groups(score: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the scores and where each group of ties starts in it."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])


def _auc(up: NDArray[np.bool_], weight: Floats, group: NDArray[np.int64]) -> float:
    """Return the AUC of rows that are sorted and grouped by score."""
    positive = np.add.reduceat(np.where(up, weight, 0.0), group)
    negative = np.add.reduceat(np.where(up, 0.0, weight), group)
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - 0.5 * negative
    return float(positive @ below / pairs)


def auc_interval(
    score: Floats,
    outcome: Floats,
    *,
    block: int,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a confidence interval of the AUC by the moving-block bootstrap of rows.

    It takes no times, and so few rows as you like; where there are days enough, that of
    `bot_cripto.backtest.statistics.forecast_intervals` draws whole days.

    Parameters
    ----------
    score, outcome : ndarray of shape (n,)
        In the order of time.
    block : int
        Rows of one block: several horizons, for overlapping labels make neighbours dependent.
    level : float
        Coverage of the interval.
    resamples, seed : int
        Of the bootstrap; the same seed gives the same interval.

    References
    ----------
    Kunsch (1989), The jackknife and the bootstrap for general stationary observations.
    """
    n = len(score)
    block = max(1, min(block, n))
    order, group = _groups(score)
    up = outcome[order] > 0.5
    random = np.random.Generator(np.random.PCG64(seed))
    values = np.empty(resamples)
    for i in range(resamples):
        starts = random.integers(0, n - block + 1, size=-(-n // block))
        change = np.bincount(starts, minlength=n + 1).astype(np.float64)
        change -= np.bincount(starts + block, minlength=n + 1)
        values[i] = _auc(up, np.cumsum(change)[:n][order], group)
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def brier(probability: Floats, outcome: Floats) -> float:
    """Return the mean squared difference of probability and outcome (Brier 1950)."""
    return float(np.mean((probability - outcome) ** 2))


def log_loss(probability: Floats, outcome: Floats) -> float:
    """Return the mean negative log likelihood in nats; probabilities are kept off 0 and 1."""
    return float(np.mean(log_losses(probability, outcome)))


def log_losses(probability: Floats, outcome: Floats) -> Floats:
    """Return the negative log likelihood of each row in nats, of shape (n,); see `log_loss`."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return -(outcome * np.log(p) + (1 - outcome) * np.log1p(-p))


def equal_mass_bins(probability: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin of each row: as many rows in each, but equal forecasts stay together.

    Parameters
    ----------
    probability : ndarray of shape (n,)
        Finite.
    bins : int
        At least 1.

    Returns
    -------
    ndarray of shape (n,)
        In 0 … bins - 1, rising with the forecast. Equal forecasts are where the middle of their
        ranks is, so that a constant forecast has one bin; some bins may be empty.
    """
    n = len(probability)
    order, group = _groups(probability)
    ends = np.append(group[1:], n)
    number = np.arange(1, bins + 1)
    edges = number * (n // bins) + np.minimum(number, n % bins)
    place = np.searchsorted(edges, (group + ends - 1) / 2, side="right")
    found = np.empty(n, dtype=np.int64)
    found[order] = np.repeat(place, ends - group)
    return found


def ece(probability: Floats, outcome: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error over bins of equally many rows.

    References
    ----------
    Naeini, Cooper, Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning; bins of equal mass after Nixon et al. (2019).
    """
    gaps = np.bincount(equal_mass_bins(probability, bins), probability - outcome)
    return float(np.abs(gaps).sum()) / len(probability)


def reliability(
    probability: Floats, outcome: Floats, bins: Sequence[float] = RELIABILITY_BINS
) -> list[dict[str, float]]:
    """Return what was forecast and what came, by ranges of the forecast.

    Parameters
    ----------
    probability : ndarray of shape (n,)
        In [0, 1].
    outcome : ndarray of shape (n,)
        1 or 0.
    bins : sequence of float
        Increasing edges; a bin holds its lower edge, the last one its upper edge too.

    Returns
    -------
    list of dict
        For each bin that is not empty: ``from`` and ``to`` (its edges), ``n``, ``forecast`` (mean
        probability) and ``observed`` (share of outcomes 1).

    References
    ----------
    Murphy, Winkler (1977), Reliability of subjective probability forecasts of precipitation and
    temperature.
    """
    edges = np.asarray(bins, dtype=np.float64)
    place = np.searchsorted(edges, probability, side="right") - 1
    place = np.where(probability == edges[-1], len(edges) - 2, place)
    table: list[dict[str, float]] = []
    for number, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
        rows = place == number
        if rows.any():
            table.append(
                {
                    "from": low,
                    "to": high,
                    "n": int(rows.sum()),
                    "forecast": float(probability[rows].mean()),
                    "observed": float(outcome[rows].mean()),
                }
            )
    return table


def coverage(low: Floats, high: Floats, outcome: Floats) -> float:
    """Return the share of outcomes within the two bounds, bounds included."""
    return float(np.mean((low <= outcome) & (outcome <= high)))


def pinball(quantile: Floats, outcome: Floats, level: float) -> float:
    """Return the mean pinball loss of a quantile forecast (Koenker, Bassett 1978)."""
    error = outcome - quantile
    return float(np.mean(np.maximum(level * error, (level - 1.0) * error)))


def evaluate(
    forecasts: Mapping[str, Floats], forward: Floats, volatility: Floats
) -> dict[str, float]:
    """Return every metric that the forecast columns allow.

    Parameters
    ----------
    forecasts : mapping of str to ndarray of shape (n,)
        Columns as `bot_cripto.models.apply.COLUMNS` names them.
    forward, volatility : ndarray of shape (n,)
        Forward return and realised volatility over the horizon (decimal), all finite.

    Returns
    -------
    dict of str to float
        `auc`, `brier`, `log_loss`, `ece` of prob_up against a higher close; `coverage80`,
        `pinball10`, `pinball50`, `pinball90`, `mean_r2` (against 0) of the return;
        `volatility_mae`, `volatility_r2_log` (against the mean) and `volatility_bias`
        (mean forecast over mean outcome) of the risk. A metric without a value (one outcome
        only) is left out.
    """
    values: dict[str, float] = {"rows": float(len(forward))}
    if "prob_up" in forecasts:
        up = (forward > 0).astype(np.float64)
        p = forecasts["prob_up"]
        values |= {
            "auc": auc(p, up),
            "brier": brier(p, up),
            "log_loss": log_loss(p, up),
            "ece": ece(p, up),
        }
    if "p10" in forecasts:
        values["coverage80"] = coverage(forecasts["p10"], forecasts["p90"], forward)
        for name, level in (("10", 0.1), ("50", 0.5), ("90", 0.9)):
            values[f"pinball{name}"] = pinball(forecasts[f"p{name}"], forward, level)
        power = float(forward @ forward)
        error = forward - forecasts["expected_return"]
        values["mean_r2"] = 1.0 - float(error @ error) / power if power > 0 else float("nan")
    if "volatility" in forecasts:
        forecast = forecasts["volatility"]
        positive = volatility > 0
        log_truth, log_forecast = np.log(volatility[positive]), np.log(forecast[positive])
        spread = float(np.sum((log_truth - log_truth.mean()) ** 2)) if positive.any() else 0.0
        if spread > 0:
            values["volatility_r2_log"] = (
                1.0 - float(np.sum((log_truth - log_forecast) ** 2)) / spread
            )
        values["volatility_mae"] = float(np.mean(np.abs(forecast - volatility)))
        if volatility.mean() > 0:
            values["volatility_bias"] = float(forecast.mean() / volatility.mean())
    return {name: value for name, value in values.items() if np.isfinite(value)}
