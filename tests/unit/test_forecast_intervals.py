"""Intervals of forecast metrics: they hold the measure, and cover what is true."""

from __future__ import annotations

import numpy as np
import pytest

from bot_cripto import metrics
from bot_cripto.backtest.forecast_intervals import forecast_intervals

STEP = 300_000


def sample(days, seed, per_day=48):
    """Return calibrated forecasts and what came, `per_day` a day."""
    random = np.random.default_rng(seed)
    n = days * per_day
    p = random.uniform(0.3, 0.7, n)
    up = random.random(n) < p
    forward = np.where(up, 1.0, -1.0) * random.exponential(0.01, n)
    bound = np.full(n, 0.01 * np.log(5))  # of the size of a return, 80 % lie below
    opened = np.arange(n) * (86_400_000 // per_day)
    return opened, {"prob_up": p, "p10": -bound, "p90": bound}, forward


def test_each_interval_is_near_its_measure_and_the_same_again():
    opened, forecasts, forward = sample(60, 1)
    found = forecast_intervals(opened, forecasts, forward)
    up = (forward > 0).astype(float)
    measured = {
        "brier": metrics.brier(forecasts["prob_up"], up),
        "log_loss": metrics.log_loss(forecasts["prob_up"], up),
        "coverage80": metrics.coverage(forecasts["p10"], forecasts["p90"], forward),
    }
    for name, value in measured.items():
        low, high = found[name]
        assert low < value < high, name
        assert high - low < 0.1
    low, high = found["ece"]
    assert 0 <= low <= high
    assert forecast_intervals(opened, forecasts, forward) == found


def test_few_days_have_no_interval():
    assert set(forecast_intervals(*sample(5, 1)).values()) == {None}
    nothing = np.empty(0)
    empty = {"prob_up": nothing, "p10": nothing, "p90": nothing}
    assert forecast_intervals(nothing.astype(np.int64), empty, nothing)["brier"] is None


def test_the_coverage_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        low, high = forecast_intervals(*sample(40, seed), resamples=300)["coverage80"]
        hits += low <= 0.8 <= high
    assert 50 <= hits <= 60


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_bad_calibration_shows(shift):
    opened, forecasts, forward = sample(60, 3)
    forecasts = forecasts | {"prob_up": np.clip(forecasts["prob_up"] + shift, 0, 1)}
    low, _ = forecast_intervals(opened, forecasts, forward)["ece"]
    assert (low > 0.1) == (shift > 0)
