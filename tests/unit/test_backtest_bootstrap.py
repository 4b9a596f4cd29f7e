import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.bootstrap import (
    MIN_DAYS,
    automatic_block,
    intervals,
    stationary_resamples,
)
from bot_cripto.backtest.statistics.returns import sharpe, sortino, total_return


def autoregressive(n, rho, seed):
    random = np.random.default_rng(seed)
    values = np.zeros(n)
    noise = random.normal(size=n)
    for i in range(1, n):
        values[i] = rho * values[i - 1] + noise[i]
    return values


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(1.0, 30.0), st.integers(0, 1000))
def test_resamples_stay_within_the_series(n, block, seed):
    places = stationary_resamples(n, block, 20, np.random.default_rng(seed))
    assert places.shape == (20, n)
    assert places.min() >= 0
    assert places.max() < n


def test_blocks_have_the_mean_length_and_every_place_is_as_likely():
    places = stationary_resamples(200, 8.0, 2000, np.random.default_rng(1))
    goes_on = (places[:, 1:] == (places[:, :-1] + 1) % 200).mean()
    # a new block goes on by chance once in 200
    assert goes_on == pytest.approx(7 / 8 + 1 / 8 / 200, abs=0.002)
    counts = np.bincount(places.ravel(), minlength=200)
    assert counts.min() > 1600
    assert counts.max() < 2400


def test_a_block_of_one_is_the_plain_bootstrap():
    places = stationary_resamples(50, 1.0, 4000, np.random.default_rng(2))
    assert (places[:, 1:] == (places[:, :-1] + 1) % 50).mean() == pytest.approx(0.02, abs=0.002)


def test_a_block_shorter_than_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        stationary_resamples(5, 0.5, 1, np.random.default_rng(0))


def test_the_automatic_block_grows_with_dependence():
    def mean_block(rho):
        return np.mean([automatic_block(autoregressive(1000, rho, seed)) for seed in range(20)])

    independent, weak, strong = mean_block(0.0), mean_block(0.5), mean_block(0.9)
    assert independent < 5 < weak < strong


def test_the_automatic_block_of_an_autoregression_is_near_the_best_one():
    rho, n = 0.5, 5000
    # of an AR(1): G = 2 rho / ((1 - rho)^2 (1 - rho^2)), g(0) = 1 / (1 - rho)^2, D = 2 g(0)^2
    slope, spectrum = 2 * rho / ((1 - rho) ** 2 * (1 - rho**2)), 1 / (1 - rho) ** 2
    best = (2 * slope**2 / (2 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    found = [automatic_block(autoregressive(n, rho, seed)) for seed in range(20)]
    assert np.median(found) == pytest.approx(best, rel=0.15)


def test_a_lone_correlation_after_silence_is_taken_for_chance():
    noise = np.random.default_rng(12).normal(size=(20, 520))
    found = [automatic_block(row[20:] + row[:-20]) for row in noise]
    assert np.median(found) < 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=80).map(np.array), st.floats(0.1, 10))
def test_the_automatic_block_is_bounded(series, scale):
    n = len(series)
    block = automatic_block(series * scale)
    assert 1.0 <= block <= max(1.0, math.ceil(min(3 * math.sqrt(n), n / 3)))


def test_intervals_hold_the_estimate_and_repeat():
    daily = np.random.default_rng(3).normal(0.001, 0.02, 300)
    found = intervals(daily, seed=5)
    assert found == intervals(daily, seed=5)
    assert found != intervals(daily, seed=6)
    values = (sharpe(daily), sortino(daily), total_return(daily))
    for interval, value in zip(
        (found.sharpe, found.sortino, found.total_return), values, strict=True
    ):
        assert interval[0] < value < interval[1]


def test_wider_where_more_is_asked():
    daily = np.random.default_rng(4).normal(0.0, 0.02, 200)
    narrow, wide = intervals(daily, level=0.8).sharpe, intervals(daily, level=0.99).sharpe
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_no_interval_of_a_few_days_or_without_losses():
    assert intervals(np.full(MIN_DAYS - 1, 0.01)).sharpe is None
    gains = np.abs(np.random.default_rng(5).normal(size=50)) / 100
    found = intervals(gains)
    assert found.sortino is None
    assert found.sharpe[0] > 0
    assert intervals(np.zeros(30)).sharpe == (0.0, 0.0)


@pytest.mark.parametrize("mean", [0.0, 0.1])
def test_the_interval_of_the_sharpe_ratio_covers_the_truth(mean):
    runs, random = 400, np.random.default_rng(11)
    truth = mean * math.sqrt(365)
    covered = 0
    for seed in range(runs):
        low, high = intervals(random.normal(mean, 1.0, 250) / 50, resamples=300, seed=seed).sharpe
        covered += low <= truth <= high
    # three standard errors of a share of 0.95
    assert covered / runs == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / runs))


def test_few_days_are_not_taken_for_many():
    # plain percentile intervals of twelve days cover 87 %
    runs, random = 250, np.random.default_rng(12)
    covered = 0
    for seed in range(runs):
        low, high = intervals(random.normal(0.0, 0.02, 12), resamples=300, seed=seed).sharpe
        covered += low <= 0.0 <= high
    assert covered / runs > 0.91


def test_dependence_widens_the_interval():
    daily = autoregressive(600, 0.6, 1) / 100
    kept, shuffled = intervals(daily).sharpe, intervals(daily, block=1.0).sharpe
    assert kept[1] - kept[0] > 1.4 * (shuffled[1] - shuffled[0])
