import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.labels import (
    average_uniqueness,
    direction,
    forward_return,
    realised_volatility,
    triple_barrier,
)

prices = st.lists(st.one_of(st.floats(50, 200), st.just(math.nan)), min_size=0, max_size=40).map(
    np.array
)
horizons = st.integers(1, 8)


@settings(max_examples=60, deadline=None)
@given(prices, horizons)
def test_forward_return_is_that_of_a_loop(close, horizon):
    result = forward_return(close, horizon)
    for t in range(len(close)):
        expected = close[t + horizon] / close[t] - 1 if t + horizon < len(close) else math.nan
        assert result[t] == expected or (math.isnan(result[t]) and math.isnan(expected))


@settings(max_examples=60, deadline=None)
@given(prices, horizons)
def test_realised_volatility_is_that_of_a_loop(close, horizon):
    result = realised_volatility(close, horizon)
    for t in range(len(close)):
        if t + horizon >= len(close) or np.isnan(close[t : t + horizon + 1]).any():
            assert math.isnan(result[t])
            continue
        logs = [math.log(close[i]) for i in range(t, t + horizon + 1)]
        expected = math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(logs)))
        assert result[t] == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_future_beyond_the_horizon_does_not_matter():
    close = np.linspace(100, 120, 30)
    other = close.copy()
    other[20:] = 7.0
    for label in (forward_return, realised_volatility):
        assert np.array_equal(label(close, 4)[:16], label(other, 4)[:16])
        assert label(close, 4)[16] != label(other, 4)[16]


def test_direction_with_a_band_for_all_or_for_each():
    returns = np.array([0.02, 0.01, 0.0, -0.01, -0.02, np.nan])
    nan = math.nan
    assert np.array_equal(direction(returns), [1, 1, nan, 0, 0, nan], equal_nan=True)
    assert np.array_equal(direction(returns, 0.01), [1, nan, nan, nan, 0, nan], equal_nan=True)
    each = np.array([0.03, 0, 0, 0, 0.03, 0])
    assert np.array_equal(direction(returns, each), [nan, 1, nan, 0, nan, nan], equal_nan=True)
    with pytest.raises(ValueError, match="negative"):
        direction(returns, -0.1)


def test_a_horizon_below_one_is_refused():
    for label in (forward_return, realised_volatility):
        with pytest.raises(ValueError, match="at least 1"):
            label(np.ones(5), 0)


def naive_barrier(high, low, close, volatility, up, down, horizon):
    labels, ends = [], []
    for t in range(len(close)):
        window = slice(t + 1, t + horizon + 1)
        known = np.r_[close[t : t + horizon + 1], high[window], low[window], volatility[t]]
        if t + horizon >= len(close) or np.isnan(known).any():
            labels.append(math.nan)
            ends.append(-1)
            continue
        label, end = 0, t + horizon
        for i in range(t + 1, t + horizon + 1):
            above = high[i] >= close[t] * (1 + up * volatility[t])
            below = low[i] <= close[t] * (1 - down * volatility[t])
            if above or below:
                label, end = int(above) - int(below), i
                break
        labels.append(label)
        ends.append(end)
    return labels, ends


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), horizons)
def test_triple_barrier_is_that_of_a_loop(seed, n, horizon):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    high, low = close * (1 + 0.01 * random.random(n)), close * (1 - 0.01 * random.random(n))
    volatility = 0.02 * random.random(n) + 0.005
    for column in (close, high, low, volatility):
        column[random.random(n) < 0.03] = np.nan
    label, end = triple_barrier(high, low, close, volatility, up=1.0, down=0.7, horizon=horizon)
    labels, ends = naive_barrier(high, low, close, volatility, 1.0, 0.7, horizon)
    assert np.array_equal(label, labels, equal_nan=True)
    assert end.tolist() == ends


def test_a_barrier_at_no_distance_is_refused():
    one = np.ones(4)
    with pytest.raises(ValueError, match="positive distance"):
        triple_barrier(one, one, one, one, up=0.0, down=1.0, horizon=2)


def naive_uniqueness(start, end):
    result = []
    for a, b in zip(start, end, strict=True):
        shares = [
            1 / sum(s <= t <= e for s, e in zip(start, end, strict=True)) for t in range(a, b + 1)
        ]
        result.append(sum(shares) / len(shares))
    return result


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=25))
def test_uniqueness_is_that_of_a_loop(labels):
    start = np.array([s for s, _ in labels], dtype=np.int64)
    end = start + np.array([length for _, length in labels], dtype=np.int64)
    weight = average_uniqueness(start, end)
    assert weight == pytest.approx(naive_uniqueness(start, end), rel=1e-12)
    assert ((weight > 0) & (weight <= 1)).all()


def test_uniqueness_of_labels_that_overlap_fully_or_never():
    apart = np.array([0, 10, 20])
    assert average_uniqueness(apart, apart + 4).tolist() == [1, 1, 1]
    dense = np.arange(100)
    assert average_uniqueness(dense, dense + 4)[50] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="end no earlier"):
        average_uniqueness(np.array([5]), np.array([4]))
