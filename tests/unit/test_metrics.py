import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import metrics

pairs = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.9]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_auc_is_the_share_of_pairs_in_order(rows):
    score, outcome = (np.array(c) for c in zip(*rows, strict=True))
    wins = [(a > b) + 0.5 * (a == b) for a in score[outcome == 1] for b in score[outcome == 0]]
    result = metrics.auc(score, outcome)
    if wins:
        assert result == pytest.approx(np.mean(wins))
    else:
        assert np.isnan(result)


def test_metrics_agree_with_scikit_learn():
    from sklearn import metrics as oracle

    random = np.random.default_rng(0)
    p = np.round(random.random(2000), 2).clip(0.01, 0.99)
    up = (random.random(2000) < p).astype(float)
    assert metrics.auc(p, up) == pytest.approx(oracle.roc_auc_score(up, p))
    weight = random.integers(0, 4, 2000).astype(float)
    weighted = oracle.roc_auc_score(up, p, sample_weight=weight)
    assert metrics.auc(p, up, weight) == pytest.approx(weighted)
    assert metrics.brier(p, up) == pytest.approx(oracle.brier_score_loss(up, p))
    assert metrics.log_loss(p, up) == pytest.approx(oracle.log_loss(up, p))
    y, q = random.normal(size=500), random.normal(size=500)
    expected = oracle.mean_pinball_loss(y, q, alpha=0.1)
    assert metrics.pinball(q, y, 0.1) == pytest.approx(expected)


def test_the_bootstrap_interval_of_independent_rows_is_that_of_theory():
    random = np.random.default_rng(1)
    n = 4000
    score, up = random.random(n), (random.random(n) < 0.5).astype(float)
    low, high = metrics.auc_interval(score, up, block=1, resamples=400)
    assert low < metrics.auc(score, up) < high
    # Standard error of an AUC of 0.5 with n/2 of each outcome (Hanley, McNeil 1982).
    error = np.sqrt((n + 1) / (12 * (n / 2) ** 2))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_dependent_rows_have_a_wider_interval_and_the_seed_fixes_it():
    random = np.random.default_rng(2)
    score = np.repeat(random.random(200), 20)
    up = np.repeat((random.random(200) < 0.5).astype(float), 20)
    widths = [
        np.diff(metrics.auc_interval(score, up, block=block, resamples=200))[0] for block in (1, 60)
    ]
    assert widths[1] > 2 * widths[0]
    first = metrics.auc_interval(score, up, block=60, resamples=50, seed=4)
    assert first == metrics.auc_interval(score, up, block=60, resamples=50, seed=4)
    assert first != metrics.auc_interval(score, up, block=60, resamples=50, seed=5)


def test_ece_of_right_and_wrong_probabilities():
    random = np.random.default_rng(3)
    p = random.random(50_000)
    up = (random.random(50_000) < p).astype(float)
    assert metrics.ece(p, up) < 0.01
    assert metrics.ece(np.clip(p + 0.2, 0, 1), up) == pytest.approx(0.18, abs=0.02)
    assert metrics.ece(np.full(10, 0.5), np.r_[np.ones(10)]) == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80, unique=True), st.integers(1, 12))
def test_bins_hold_equally_many_rows(values, bins):
    p = np.array(values)
    place = metrics.equal_mass_bins(p, bins)
    for number, rows in enumerate(np.array_split(np.argsort(p), bins)):
        assert set(place[rows]) <= {number}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.6]), min_size=1, max_size=60))
def test_equal_forecasts_share_a_bin(values):
    p = np.array(values)
    place = metrics.equal_mass_bins(p, 4)
    assert len(set(zip(values, place, strict=True))) == len(set(values))
    assert np.all(np.diff(place[np.argsort(p)]) >= 0)


def test_the_calibration_error_of_a_constant_forecast_is_one_gap():
    # by time, its bins would be months with other outcomes each
    up = np.repeat([0.0, 1.0], 50)
    assert metrics.ece(np.full(100, 0.6), up) == pytest.approx(0.1)


def test_coverage_counts_the_bounds():
    low, high = np.zeros(4), np.ones(4)
    assert metrics.coverage(low, high, np.array([0.0, 1.0, 1.1, -0.1])) == 0.5


def test_evaluate_gives_what_the_columns_allow():
    random = np.random.default_rng(4)
    forward, volatility = 0.01 * random.normal(size=300), 0.01 * random.random(300) + 0.001
    trend = metrics.evaluate({"prob_up": random.random(300)}, forward, volatility)
    assert set(trend) == {"rows", "auc", "brier", "log_loss", "ece"}
    perfect = {"volatility": volatility}
    risk = metrics.evaluate(perfect, forward, volatility)
    assert risk["volatility_r2_log"] == 1
    assert risk["volatility_mae"] == 0
    assert risk["volatility_bias"] == 1
    zero = np.zeros(300)
    columns = {"p10": zero - 0.0128, "p50": zero, "p90": zero + 0.0128, "expected_return": zero}
    result = metrics.evaluate(columns, forward, volatility)
    assert result["coverage80"] == pytest.approx(0.8, abs=0.06)
    assert result["mean_r2"] == 0


def test_a_metric_without_a_value_is_left_out():
    values = metrics.evaluate({"prob_up": np.full(5, 0.5)}, np.ones(5), np.ones(5))
    assert "auc" not in values
    assert values["brier"] == 0.25


def test_reliability_is_a_table_of_forecast_and_observed():
    p = np.array([0.0, 0.45, 0.5, 0.5, 0.599, 0.6, 1.0])
    up = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    table = metrics.reliability(p, up, (0.0, 0.4, 0.45, 0.5, 0.6, 1.0))
    assert table == [
        {"from": 0.0, "to": 0.4, "n": 1, "forecast": 0.0, "observed": 0.0},
        {"from": 0.45, "to": 0.5, "n": 1, "forecast": 0.45, "observed": 1.0},
        {"from": 0.5, "to": 0.6, "n": 3, "forecast": pytest.approx(1.599 / 3), "observed": 2 / 3},
        {"from": 0.6, "to": 1.0, "n": 2, "forecast": 0.8, "observed": 0.5},
    ]
    assert sum(row["n"] for row in metrics.reliability(p, up)) == 7
    assert metrics.reliability(p[:0], up[:0]) == []
