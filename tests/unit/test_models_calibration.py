import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.models.calibration import (
    conformal_shift,
    platt,
    quantile_grid,
    rank_in,
    rises,
    shrunk_slope,
    sigmoid,
)

BOUNDS = (0.05, 2.0)


def outcomes(probability, seed=0):
    return (np.random.default_rng(seed).random(len(probability)) < probability).astype(float)


def test_sigmoid_is_finite_and_right():
    x = np.array([-1e308, -800.0, 0.0, 2.0, 800.0])
    assert sigmoid(x)[1:4] == pytest.approx([0, 0.5, 1 / (1 + np.exp(-2.0))], abs=1e-15)
    assert sigmoid(x)[[0, 4]].tolist() == [0, 1]


@pytest.mark.parametrize("true_slope", [0.3, 1.0, 1.6])
def test_platt_finds_the_slope_of_many_independent_rows(true_slope):
    score = np.random.default_rng(1).normal(0, 1, 60_000)
    up = outcomes(sigmoid(true_slope * score))
    slope, intercept = platt(score, up, independent=len(score), slope_bounds=BOUNDS)
    assert slope == pytest.approx(true_slope, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.03)


def test_platt_agrees_with_scikit_learn_where_the_prior_does_not_matter():
    from sklearn.linear_model import LogisticRegression

    score = np.random.default_rng(2).normal(0, 1, 400_000)
    up = outcomes(sigmoid(0.8 * score + 0.1))
    slope, intercept = platt(score, up, independent=len(score), slope_bounds=BOUNDS)
    oracle = LogisticRegression(C=np.inf).fit(score[:, None], up)
    assert slope == pytest.approx(oracle.coef_[0, 0], abs=1e-3)
    assert intercept == pytest.approx(oracle.intercept_[0], abs=3e-3)


def test_few_rows_leave_the_slope_a_little_below_the_trees_and_the_intercept_near_0():
    score = np.random.default_rng(3).normal(0, 0.1, 200)
    up = np.ones(200)
    slope, intercept = platt(score, up, independent=20, slope_bounds=BOUNDS)
    assert slope == pytest.approx(0.8, abs=0.1)
    assert 0 < intercept < 0.1


def test_a_tie_speaks_for_neither_side():
    assert rises(np.array([0.01, 0.0, -0.0, -1e-9])).tolist() == [1, 0.5, 0.5, 0]
    score = np.random.default_rng(9).normal(0, 1, 20_000)
    up = outcomes(sigmoid(score))
    up[score > 1.5] = 0.5
    mirrored = [
        platt(sign * score, y, independent=20_000, slope_bounds=BOUNDS)
        for sign, y in ((1, up), (-1, 1 - up))
    ]
    assert mirrored[0][0] == pytest.approx(mirrored[1][0])
    assert mirrored[0][1] == pytest.approx(-mirrored[1][1])


def test_an_inverted_score_gets_the_least_slope():
    score = np.random.default_rng(4).normal(0, 1, 20_000)
    up = outcomes(sigmoid(-score))
    slope, intercept = platt(score, up, independent=20_000, slope_bounds=BOUNDS)
    assert slope == 0.05
    assert intercept == pytest.approx(0, abs=0.05)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=60), st.floats(0.05, 0.95), st.floats(0.5, 60)
)
def test_the_shift_covers_at_least_the_level(excess, level, independent):
    excess = np.array(excess)
    shift = conformal_shift(excess, level, independent=independent)
    assert np.mean(excess <= shift) >= level
    assert shift in excess


def test_the_shift_makes_a_wrong_quantile_cover_new_rows():
    random = np.random.default_rng(5)
    shift = conformal_shift(random.normal(size=20_000) - 0.3, 0.9, independent=20_000)
    assert np.mean(random.normal(size=20_000) <= 0.3 + shift) == pytest.approx(0.9, abs=0.01)


def test_the_fewer_the_independent_rows_the_wider_the_shift():
    excess = np.arange(1.0, 1001.0)
    shifts = [conformal_shift(excess, 0.9, independent=m) for m in (1000, 100, 40, 12, 8, 1)]
    assert shifts == [901, 910, 925, 1000, 1000, 1000]


def test_rows_that_repeat_each_other_cover_as_often_as_the_level_says():
    random = np.random.default_rng(10)
    inside = []
    for _ in range(400):
        excess = np.repeat(random.normal(size=30), 10)
        inside.append(random.normal(size=50) <= conformal_shift(excess, 0.9, independent=30))
    # As if all rows were independent it would be 0.87.
    assert np.mean(inside) == pytest.approx(0.905, abs=0.012)


def test_the_slope_of_a_mean_is_shrunk():
    random = np.random.default_rng(6)
    forecast = random.normal(size=20_000)
    noise = random.normal(size=20_000)
    assert shrunk_slope(forecast, noise, independent=4000) < 0.02
    assert shrunk_slope(forecast, -forecast, independent=4000) == 0
    assert shrunk_slope(forecast, 3 * forecast + noise, independent=4000) == pytest.approx(
        1, abs=0.01
    )
    half = shrunk_slope(forecast, 0.5 * forecast + noise, independent=4000)
    assert half == pytest.approx(0.5, abs=0.03)
    assert shrunk_slope(np.zeros(5), np.ones(5), independent=1) == 0
    assert shrunk_slope(forecast, 0.5 * forecast, independent=10) == 0.5


def test_the_fewer_the_independent_rows_the_smaller_the_slope():
    random = np.random.default_rng(7)
    forecast = random.normal(size=2000)
    outcome = 0.1 * forecast + random.normal(size=2000)
    slopes = [shrunk_slope(forecast, outcome, independent=n) for n in (2000, 400, 20)]
    assert slopes[0] > slopes[1] > slopes[2] == 0


def test_ranks_in_the_grid_of_quantiles():
    values = np.random.default_rng(8).lognormal(size=5000)
    grid = quantile_grid(values)
    assert len(grid) == 101
    assert grid == sorted(grid)
    assert rank_in(grid, np.array([0.0, 1e9])).tolist() == [0, 1]
    assert rank_in(grid, np.quantile(values, [0.1, 0.5, 0.9])) == pytest.approx([0.1, 0.5, 0.9])
