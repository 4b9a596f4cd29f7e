"""Intervals of forecast metrics: they hold the measure, and cover what is true."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import metrics
from bot_cripto.backtest.statistics.bootstrap import MIN_DAYS, expanded_tail
from bot_cripto.backtest.statistics.brier_decomposition import brier_decomposition
from bot_cripto.backtest.statistics.forecast_intervals import (
    NAMES,
    auc_resamples,
    concordant_pairs,
    forecast_intervals,
)


def sample(days, seed, per_day=48):
    """Return calibrated forecasts and what came, `per_day` a day."""
    random = np.random.default_rng(seed)
    n = days * per_day
    p = random.uniform(0.3, 0.7, n)
    up = random.random(n) < p
    forward = np.where(up, 1.0, -1.0) * random.exponential(0.01, n)
    bound = np.full(n, 0.01 * np.log(5))  # of the size of a return, 80 % lie below
    opened = np.arange(n) * (86_400_000 // per_day)
    return opened, {"prob_up": p, "p10": -bound, "p50": 0 * bound, "p90": bound}, forward


def measures(forecasts, forward):
    p, up = forecasts["prob_up"], (forward > 0).astype(float)
    parts = {f"brier_{name}": value for name, value in brier_decomposition(p, up).items()}
    columns = forecasts | {"expected_return": forecasts["p50"]}
    found = metrics.evaluate(columns, forward, np.abs(forward) + 1e-9) | parts
    return {name: found[name] for name in NAMES}


def test_each_interval_is_near_its_measure_and_the_same_again():
    opened, forecasts, forward = sample(60, 1)
    found = forecast_intervals(opened, forecasts, forward)
    assert tuple(found) == NAMES
    for name, value in measures(forecasts, forward).items():
        low, high = found[name]
        if name in ("ece", "brier_reliability"):
            assert 0 <= low <= high < 0.05
        else:
            assert low < value < high, name
        assert high - low < 0.1, name
    assert forecast_intervals(opened, forecasts, forward) == found
    assert forecast_intervals(opened, forecasts, forward, seed=1) != found


def test_the_order_of_the_rows_does_not_matter():
    opened, forecasts, forward = sample(12, 2)
    mixed = np.random.default_rng(1).permutation(len(opened))
    shuffled = {name: column[mixed] for name, column in forecasts.items()}
    found = forecast_intervals(opened[mixed], shuffled, forward[mixed])
    for name, ends in forecast_intervals(opened, forecasts, forward).items():
        assert found[name] == pytest.approx(ends, abs=1e-12), name


def test_few_days_have_no_interval():
    assert forecast_intervals(*sample(MIN_DAYS - 1, 1)) == dict.fromkeys(NAMES)
    assert None not in forecast_intervals(*sample(MIN_DAYS, 1)).values()
    nothing = np.empty(0)
    empty = dict.fromkeys(("prob_up", "p10", "p50", "p90"), nothing)
    assert forecast_intervals(nothing.astype(np.int64), empty, nothing)["brier"] is None


def test_where_one_outcome_occurs_there_is_no_auc():
    opened, forecasts, forward = sample(12, 1)
    found = forecast_intervals(opened, forecasts, np.abs(forward) + 1e-9)
    assert found["auc"] is None
    assert found["brier"] is not None


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    runs = 120
    truth = {
        # of a probability that is uniform from 0.3 to 0.7 and right
        "auc": 0.5 + 0.4 / 3,
        "brier": 0.25 - 0.4**2 / 12,
        "coverage80": 0.8,
        "pinball50": 0.005,
    }
    hits = dict.fromkeys(truth, 0)
    for seed in range(runs):
        found = forecast_intervals(*sample(20, seed, 24), resamples=200)
        for name, value in truth.items():
            hits[name] += found[name][0] <= value <= found[name][1]
    for name, count in hits.items():
        assert count / runs > 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs), name


def test_without_skill_the_auc_is_above_one_half_as_seldom_as_it_should():
    claims = 0
    for seed in range(120):
        opened, forecasts, forward = sample(20, seed, 24)
        noise = np.random.default_rng(10_000 + seed).uniform(0.3, 0.7, len(forward))
        found = forecast_intervals(opened, forecasts | {"prob_up": noise}, forward, resamples=200)
        claims += found["auc"][0] > 0.5
    # 2.5 % are expected; beyond 8 lies less than one in 200 of such shares
    assert claims <= 8


def test_days_that_depend_on_each_other_have_wider_intervals():
    opened, forecasts, forward = sample(120, 4)
    day = opened // 86_400_000
    random = np.random.default_rng(5)
    slow, quick = np.exp(np.repeat(random.normal(size=12), 10)), np.exp(random.normal(size=120))
    widths = []
    for size in (slow, random.permutation(slow), quick):
        scaled = {name: forecasts[name] * size[day] for name in ("p10", "p50", "p90")}
        found = forecast_intervals(opened, forecasts | scaled, forward * size[day])
        widths.append(np.diff(found["pinball10"])[0])
    assert widths[0] > 1.5 * widths[1]


rows = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.sampled_from([0.0, 1.0]), st.integers(0, 4)
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(0, 1000))
def test_the_auc_of_a_draw_is_that_of_the_rows_of_its_days(table, seed):
    score, outcome, day = (np.array(column) for column in zip(*table, strict=True))
    counts = np.random.default_rng(seed).integers(0, 4, (6, 5)).astype(float)
    found = auc_resamples(score, outcome, day, counts)
    for row, value in zip(counts, found, strict=True):
        expected = metrics.auc(score, outcome, row[day])
        assert value == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_pairs_in_order_by_day_are_what_going_through_all_pairs_finds(table):
    expected = np.zeros((5, 5))
    for a, first, d in table:
        for b, second, e in table:
            if first == 1 and second == 0:
                expected[d, e] += (a > b) + 0.5 * (a == b)
    score, outcome, day = (np.array(column) for column in zip(*table, strict=True))
    assert concordant_pairs(score, outcome, day, 5).tolist() == expected.tolist()


def test_rows_and_days_agree_on_the_auc():
    # no dependence beyond a day: blocks of rows and draws of days are two ways to one interval
    opened, forecasts, forward = sample(60, 6)
    up = (forward > 0).astype(float)
    by_rows = np.diff(metrics.auc_interval(forecasts["prob_up"], up, block=10, resamples=400))
    by_days = np.diff(forecast_intervals(opened, forecasts, forward)["auc"])
    assert by_days == pytest.approx(by_rows, rel=0.3)


# 97.5 % quantiles of Student's distribution with 9, 59 and 249 degrees of freedom
@pytest.mark.parametrize(("units", "t"), [(10, 2.262157), (60, 2.000995), (250, 1.969537)])
def test_the_expanded_interval_of_a_mean_is_students(units, t):
    expected = NormalDist().cdf(-t * np.sqrt(units / (units - 1)))
    assert expanded_tail(0.95, units) == pytest.approx(expected, rel=0.002)
    assert expanded_tail(0.95, 1) == expanded_tail(0.95, 3)


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_bad_calibration_shows(shift):
    opened, forecasts, forward = sample(60, 3)
    forecasts = forecasts | {"prob_up": np.clip(forecasts["prob_up"] + shift, 0, 1)}
    low, _ = forecast_intervals(opened, forecasts, forward)["ece"]
    assert (low > 0.1) == (shift > 0)
