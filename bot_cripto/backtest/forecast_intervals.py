"""Confidence intervals of what forecasts are worth, by resampling whole days."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bot_cripto import metrics
from bot_cripto.backtest.bootstrap import MIN_DAYS, automatic_block, stationary_resamples
from bot_cripto.metrics import Floats
from bot_cripto.timeframes import DAY_MS

BINS = 10
"""Of equally many forecasts, for the calibration error; as `metrics.ece` has them."""


def forecast_intervals(
    open_ms: NDArray[np.int64],
    forecasts: Mapping[str, Floats],
    forward: Floats,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, list[float] | None]:
    """Return intervals of ``brier``, ``log_loss``, ``ece`` and ``coverage80``.

    Parameters
    ----------
    open_ms : ndarray of shape (n,)
        Open times of the candles that were forecast, milliseconds since the epoch, UTC.
    forecasts : mapping of str to ndarray of shape (n,)
        ``prob_up``, ``p10`` and ``p90``.
    forward : ndarray of shape (n,)
        Forward returns (decimal), finite.
    level : float
        Coverage of each interval.
    resamples, seed : int
        The same seed gives the same intervals.

    Returns
    -------
    dict of str to [low, high] or None
        None for fewer than `MIN_DAYS` days. Days are the unit that is drawn (stationary
        bootstrap), because horizons of neighbouring candles overlap. The calibration error, whose
        resamples lie too high, has the basic interval, kept at or above 0; the others have the
        percentile interval.

    References
    ----------
    Politis, Romano (1994), The stationary bootstrap; Davison, Hinkley (1997), Bootstrap methods
    and their application, section 5.2.
    """
    names = ("brier", "log_loss", "ece", "coverage80")
    _, day = np.unique(open_ms // DAY_MS, return_inverse=True)
    days = int(day.max()) + 1 if len(day) else 0
    if days < MIN_DAYS:
        return dict.fromkeys(names)
    p, up = forecasts["prob_up"], (forward > 0).astype(np.float64)
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    rows = np.column_stack(
        [
            np.ones(len(p)),
            (p - up) ** 2,
            -(up * np.log(clipped) + (1 - up) * np.log1p(-clipped)),
            ((forward >= forecasts["p10"]) & (forward <= forecasts["p90"])).astype(np.float64),
        ]
    )
    place = np.empty(len(p), dtype=np.int64)
    for number, part in enumerate(np.array_split(np.argsort(p, kind="stable"), BINS)):
        place[part] = number
    sums = np.zeros((days, rows.shape[1] + BINS))
    for column in range(rows.shape[1]):
        sums[:, column] = np.bincount(day, rows[:, column], days)
    gaps = np.bincount(day * BINS + place, p - up, days * BINS).reshape(days, BINS)
    sums[:, rows.shape[1] :] = gaps
    random = np.random.Generator(np.random.PCG64(seed))
    block = automatic_block(sums[:, 1] / np.maximum(sums[:, 0], 1))
    drawn = sums[stationary_resamples(days, block, resamples, random)].sum(axis=1)
    total = drawn[:, 0]
    values = {
        "brier": drawn[:, 1] / total,
        "log_loss": drawn[:, 2] / total,
        "coverage80": drawn[:, 3] / total,
        "ece": np.abs(drawn[:, 4:]).sum(axis=1) / total,
    }
    tail = (1.0 - level) / 2.0
    found: dict[str, list[float] | None] = {}
    for name in names:
        low, high = (float(x) for x in np.quantile(values[name], [tail, 1.0 - tail]))
        if name == "ece":
            measured = metrics.ece(p, up, BINS)
            low, high = max(0.0, 2 * measured - high), max(0.0, 2 * measured - low)
        found[name] = [low, high]
    return found
