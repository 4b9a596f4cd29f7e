"""The finite-window primitives against naive loops, and the bits of their values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.features import windows
from bot_cripto.features.logarithm import log

SPAN, PERIOD = 9, 3

# name: (primitive of (x, window), the same of one window's values, oldest first)
NAIVE = {
    "mean": (windows.rolling_mean, np.mean),
    "max": (windows.rolling_max, np.max),
    "min": (windows.rolling_min, np.min),
    "moments mean": (lambda x, w: windows.rolling_moments(x, w)[0], np.mean),
    "moments deviation": (lambda x, w: windows.rolling_moments(x, w)[1], np.std),
    "slope": (windows.rolling_slope, lambda v: np.polyfit(np.arange(len(v)), v, 1)[0]),
    "distance": (lambda x, w: windows.rolling_deviation(x, w)[0], lambda v: v[-1] - np.mean(v)),
    "spread": (
        lambda x, w: windows.rolling_deviation(x, w)[1],
        lambda v: np.mean(np.abs(v - np.mean(v))),
    ),
}


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 90), window=st.integers(2, 70), seed=st.integers(0, 10**6))
def test_primitive_equals_naive_loop(name: str, n: int, window: int, seed: int) -> None:
    primitive, naive = NAIVE[name]
    x = 100.0 + np.random.default_rng(seed).standard_normal(n)
    expected = np.full(n, np.nan)
    for t in range(window - 1, n):
        expected[t] = naive(x[t - window + 1 : t + 1])
    np.testing.assert_allclose(primitive(x, window), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("smooth", "alpha"), [("ema", 2 / (SPAN + 1)), ("wilder", 1 / PERIOD)])
def test_exponential_mean_equals_normalised_weights(smooth: str, alpha: float) -> None:
    x = np.random.default_rng(1).standard_normal(700)
    count = windows.taps(alpha)
    result = windows.ema(x, SPAN) if smooth == "ema" else windows.wilder(x, PERIOD)
    weights = (1 - alpha) ** np.arange(count)
    for t in (count - 1, count, 500, 699):
        expected = np.sum(weights * x[t - count + 1 : t + 1][::-1]) / np.sum(weights)
        assert result[t] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(result[: count - 1]).all()
    assert (1 - alpha) ** count < windows.TAIL_WEIGHT <= (1 - alpha) ** (count / 2)
    assert count == (windows.ema_window(SPAN) if smooth == "ema" else windows.wilder_window(PERIOD))


ALL = {
    **{name: primitive for name, (primitive, _) in NAIVE.items()},
    "ema": lambda x, _: windows.ema(x, SPAN),
    "wilder": lambda x, _: windows.wilder(x, PERIOD),
    "lag": lambda x, w: windows.lag(x, w - 1),
    "log": lambda x, _: log(x),
}
REACH = {"ema": windows.ema_window(SPAN), "wilder": windows.wilder_window(PERIOD), "log": 1}


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(2, 60),
    start=st.integers(0, 300),
    length=st.integers(1, 400),
    seed=st.integers(0, 1000),
)
def test_bits_depend_on_the_window_alone(
    name: str, window: int, start: int, length: int, seed: int
) -> None:
    x = 50.0 + np.random.default_rng(seed).standard_normal(700)
    whole = ALL[name](x, window)
    part = ALL[name](x[start : start + length].copy(), window)
    reach = REACH.get(name, window)
    valid = part[reach - 1 :]
    assert valid.tobytes() == whole[start + reach - 1 : start + len(part)].tobytes()
    assert np.isnan(part[: reach - 1]).all()


@pytest.mark.parametrize("name", sorted(set(ALL) - {"lag", "log"}))
def test_nan_reaches_exactly_the_window(name: str) -> None:
    x = np.random.default_rng(2).standard_normal(400)
    x[100] = np.nan
    reach = REACH.get(name, 13)
    missing = np.flatnonzero(np.isnan(ALL[name](x, 13)))
    assert set(missing) == set(range(reach - 1)) | set(range(100, 100 + reach))


@given(value=st.floats(1e-9, 1e9), window=st.integers(2, 70))
@settings(max_examples=60, deadline=None)
def test_equal_values_are_exact(value: float, window: int) -> None:
    x = np.full(128, value)
    for name in ("mean", "max", "min", "moments mean", "ema", "wilder"):
        result = ALL[name](x, window)
        assert (result[~np.isnan(result)] == value).all(), name
    for name in ("moments deviation", "slope", "distance", "spread"):
        result = ALL[name](x, window)
        assert (result[window - 1 :] == 0.0).all(), name


def test_window_longer_than_the_data_is_nan() -> None:
    x = np.arange(5.0)
    for name, primitive in ALL.items():
        if name != "log":
            assert np.isnan(primitive(x, 9)).all(), name
            assert len(primitive(np.empty(0), 9)) == 0, name


def test_ratio_by_zero_takes_the_value_given_and_keeps_nan() -> None:
    numerator = np.array([1.0, 0.0, np.nan, 6.0, np.nan])
    denominator = np.array([0.0, 0.0, 0.0, 3.0, 2.0])
    with np.errstate(all="ignore"):
        result = windows.ratio(numerator, denominator, at_zero=0.5)
    np.testing.assert_array_equal(result, [0.5, 0.5, np.nan, 2.0, np.nan])


@given(st.floats(min_value=0.0, exclude_min=True, allow_infinity=False))
@settings(max_examples=300, deadline=None)
def test_log_is_within_one_unit_in_the_last_place(x: float) -> None:
    expected = math.log(x)
    assert abs(log(np.array([x]))[0] - expected) <= math.ulp(expected)


def test_log_near_one_and_of_what_has_none() -> None:
    x = 1.0 + np.random.default_rng(0).uniform(-0.4, 0.6, 20_000)
    expected = np.array([math.log(v) for v in x])
    assert (np.abs(log(x) - expected) <= np.spacing(np.abs(expected))).all()
    assert log(np.array([1.0]))[0] == 0.0
    with np.errstate(all="ignore"):
        assert np.isnan(log(np.array([0.0, -1.0, np.nan]))).all()
