import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.deflation import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    shape,
    sharpe_variance,
    variance_of_trials,
)
from bot_cripto.backtest.statistics.returns import period_sharpe

ratios = st.floats(-0.5, 0.5)
skews = st.floats(-2.0, 2.0)
fat = st.floats(6.0, 30.0)


@pytest.mark.parametrize(
    ("n", "skewness", "kurtosis", "expected"),
    [(24, 0.0, 3.0, 0.982), (24, -2.448, 10.164, 0.913), (36, -2.448, 10.164, 0.953)],
)
def test_probabilistic_sharpe_of_the_paper(n, skewness, kurtosis, expected):
    # Bailey, Lopez de Prado (2012): monthly ratio of 0.458, two and three years
    value = probabilistic_sharpe(0.458, n, skewness, kurtosis)
    assert value == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("periods", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_minimum_track_record_of_the_paper(periods, years):
    # Bailey, Lopez de Prado (2012): annual ratio of 2 against 1, normal returns
    root = math.sqrt(periods)
    found = minimum_track_record(2 / root, benchmark=1 / root)
    assert found / periods == pytest.approx(years, abs=0.005)


def test_minimum_track_record_of_the_papers_hedge_funds():
    root = math.sqrt(12)
    found = minimum_track_record(2 / root, -0.72, 5.78, benchmark=1 / root)
    assert found / 12 == pytest.approx(4.99, abs=0.005)


def test_deflated_sharpe_of_the_paper():
    # Bailey, Lopez de Prado (2014): annual ratio of 2.5 over five years of 250 days
    ratio, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert expected_maximum_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(ratio, 1250, -3, 10, 100, variance) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(ratio, 1250, -3, 10, 46, variance) == pytest.approx(0.9505, abs=5e-5)
    assert deflated_sharpe(ratio, 1250, 0, 3, 88, variance) == pytest.approx(0.9505, abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(ratios, ratios, st.integers(2, 2000), skews, fat)
def test_probabilistic_sharpe_falls_with_the_benchmark(ratio, benchmark, n, skewness, kurtosis):
    value = probabilistic_sharpe(ratio, n, skewness, kurtosis, benchmark)
    assert 0 <= value <= 1
    assert probabilistic_sharpe(ratio, n, skewness, kurtosis, benchmark + 0.1) <= value
    if ratio > benchmark:
        assert probabilistic_sharpe(ratio, n + 10, skewness, kurtosis, benchmark) >= value
        assert value >= 0.5


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 0.4), st.integers(2, 2000), skews, fat)
def test_bad_shapes_make_less_sure(ratio, n, skewness, kurtosis):
    value = probabilistic_sharpe(ratio, n, skewness, kurtosis)
    assert probabilistic_sharpe(ratio, n, skewness, kurtosis + 5) <= value
    assert probabilistic_sharpe(ratio, n, skewness - 0.1, kurtosis) <= value


@settings(max_examples=100, deadline=None)
@given(ratios, st.integers(2, 2000), skews, fat, st.integers(1, 10_000), st.floats(0, 0.01))
def test_deflation_only_takes_away(ratio, n, skewness, kurtosis, trials, variance):
    value = deflated_sharpe(ratio, n, skewness, kurtosis, trials, variance)
    assert value <= probabilistic_sharpe(ratio, n, skewness, kurtosis)
    assert deflated_sharpe(ratio, n, skewness, kurtosis, trials + 1, variance) <= value


def test_one_trial_is_not_deflated():
    assert expected_maximum_sharpe(1, 0.5) == 0.0
    assert deflated_sharpe(0.1, 100, 0, 3, 1, 0.5) == probabilistic_sharpe(0.1, 100)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.02, 0.5), skews, fat, st.floats(0.6, 0.99))
def test_a_record_of_the_minimum_length_just_shows_it(ratio, skewness, kurtosis, level):
    n = minimum_track_record(ratio, skewness, kurtosis, level=level)
    above, below = math.ceil(n) + 1, max(2, math.floor(n) - 1)
    assert probabilistic_sharpe(ratio, above, skewness, kurtosis) >= level
    if below < n - 1:
        assert probabilistic_sharpe(ratio, below, skewness, kurtosis) <= level


@pytest.mark.parametrize("ratio", [0.0, -0.1])
def test_no_length_shows_what_is_not_there(ratio):
    assert minimum_track_record(ratio) is None


@pytest.mark.parametrize(("trials", "maximum"), [(5, 1.16296), (10, 1.53875), (100, 2.50759)])
def test_the_expected_maximum_is_near_that_of_normal_ratios(trials, maximum):
    # the exact ones are tabulated, e.g. Harter (1961), Expected values of normal order statistics
    assert expected_maximum_sharpe(trials, 0.01) == pytest.approx(0.1 * maximum, rel=0.03)


def test_the_best_of_many_trials_without_skill_is_seldom_called_skill():
    random, shown, runs, trials, n = np.random.default_rng(8), 0, 200, 50, 250
    for _ in range(runs):
        returns = random.normal(0, 0.01, (trials, n))
        found = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        best = returns[np.argmax(found)]
        variance = variance_of_trials(found.tolist(), n)
        shown += deflated_sharpe(period_sharpe(best), n, *shape(best), trials, variance) >= 0.95
    assert shown / runs <= 0.05


def test_a_probability_under_no_skill_is_uniform():
    random = np.random.default_rng(9)
    values = []
    for _ in range(1000):
        returns = random.standard_t(6, 300) / 100
        values.append(probabilistic_sharpe(period_sharpe(returns), 300, *shape(returns)))
    for level in (0.05, 0.5, 0.95):
        assert np.mean(np.array(values) <= level) == pytest.approx(level, abs=0.04)


def test_shape_agrees_with_scipy():
    from scipy import stats

    returns = np.random.default_rng(10).gamma(2.0, 0.01, 500)
    expected = (stats.skew(returns), stats.kurtosis(returns, fisher=False))
    assert shape(returns) == pytest.approx(expected)
    assert shape(np.full(5, 0.001)) == (0.0, 3.0)
    assert shape(np.empty(0)) == (0.0, 3.0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=20))
def test_any_returns_have_a_shape_that_can_be(values):
    returns = np.array(values) / 100
    assert sharpe_variance(period_sharpe(returns) or 0.0, *shape(returns)) > 0


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="kurtosis"):
        sharpe_variance(0.1, 2.0, 3.0)
    with pytest.raises(ValueError, match="kurtosis"):
        sharpe_variance(0.1, 0.0, math.nan)
    with pytest.raises(ValueError, match="two returns"):
        probabilistic_sharpe(0.1, 1)
    with pytest.raises(ValueError, match="at least 1"):
        expected_maximum_sharpe(0, 0.1)


def test_unknown_trials_vary_as_chance_does():
    assert variance_of_trials([], 101) == variance_of_trials([0.3], 101) == 0.01
    assert variance_of_trials([0.1, 0.3], 101) == pytest.approx(0.02)
