import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_examples import BULL, RISK

from bot_cripto.decision import LIMITS, LONG, SHORT, Policy, kelly, round_trip_cost, size_position

PROBABILITY = st.floats(0.5, 1)
MEAN = st.floats(0, 0.05)
COST = st.floats(0, 0.02)


def factors(sizing):
    return {factor.name: factor.value for factor in sizing.factors}


def test_the_size_is_the_least_of_the_limits_and_names_it():
    sizing = size_position(BULL, LONG, replace(RISK, total_exposure=0.4), Policy())
    found = factors(sizing)
    move = 0.004 / 0.28
    assert list(found) == [
        "volatility",
        "stop_distance",
        "target_distance",
        "round_trip_cost",
        *LIMITS,
    ]
    assert found == pytest.approx(
        {
            "volatility": 0.005,
            "stop_distance": 0.01,
            "target_distance": 0,
            "round_trip_cost": 0.0028,
            "volatility_target": 2.0,
            "risk_budget": 0.01 / 0.0128,
            "kelly": 0.25 * 0.0012 / (move**2 - 0.0028**2),
            "max_position_size": 1.0,
            "correlated_room": 1.0,
            "total_room": 0.6,
        }
    )
    assert (sizing.position_size, sizing.binding) == (found["total_room"], "total_room")


@pytest.mark.parametrize(
    ("change", "binding"),
    [
        ({"target_volatility": 0.001}, "volatility_target"),
        ({"risk_per_trade": 0.001}, "risk_budget"),
        ({"kelly_fraction": 0.01}, "kelly"),
        ({"max_position_size": 0.1}, "max_position_size"),
        ({"max_correlated_exposure": 0.1}, "correlated_room"),
        ({"max_total_exposure": 0.1}, "total_room"),
    ],
)
def test_each_limit_can_bind(change, binding):
    sizing = size_position(BULL, LONG, RISK, Policy(**change))
    assert sizing.binding == binding and sizing.position_size == factors(sizing)[binding] > 0


def test_a_target_is_listed_as_a_distance():
    sizing = size_position(BULL, LONG, RISK, Policy(target_volatilities=3))
    assert sizing.target_distance == factors(sizing)["target_distance"] == pytest.approx(0.015)


def test_room_is_never_below_nothing():
    sizing = size_position(BULL, LONG, replace(RISK, total_exposure=3.0), Policy())
    assert sizing.position_size == factors(sizing)["total_room"] == 0


def growth(fraction, probability, move, cost):
    return probability * math.log1p(fraction * (move - cost)) + (1 - probability) * math.log1p(
        -fraction * (move + cost)
    )


@given(st.floats(0.51, 0.99), st.floats(0.001, 0.05), st.floats(0, 0.9))
@settings(max_examples=200, deadline=None)
def test_kelly_makes_the_logarithm_grow_fastest(probability, mean, share):
    cost = share * mean
    best = kelly(probability, mean, cost)
    move = mean / (2 * probability - 1)
    ruin = 1 / (move + cost)
    assert 0 < best < ruin
    for other in (best * 0.9, min(best * 1.1, (best + ruin) / 2)):
        assert growth(best, probability, move, cost) >= growth(other, probability, move, cost)


@pytest.mark.parametrize(
    ("probability", "mean", "cost"),
    [
        (0.5, 0.01, 0.001),
        (0.4, 0.01, 0.001),
        (0.9, 0.001, 0.001),
        (0.9, -0.01, 0.001),
        (math.nan, 0.01, 0.001),
        (0.9, math.nan, 0.001),
        (0.9, math.inf, 0.001),
        (math.nextafter(0.5, 1), 1e300, 0.001),
        (1.0, 5e-324, 0.0),
    ],
)
def test_kelly_stakes_nothing_on_what_does_not_pay_or_cannot_be_told(probability, mean, cost):
    assert kelly(probability, mean, cost) == 0


def size(probability=0.64, mean=0.004, volatility=0.005, risk=RISK, **policy):
    forecast = replace(BULL, prob_up=probability, expected_return=mean, volatility=volatility)
    return size_position(forecast, LONG, risk, Policy(**policy)).position_size


def no_more(small, large):
    # rounding of the quotients, no more
    assert small <= large * (1 + 1e-12)


@given(st.lists(st.floats(1e-6, 0.45), min_size=2, max_size=2), PROBABILITY, MEAN)
@settings(max_examples=200, deadline=None)
def test_the_size_falls_as_volatility_rises(pair, probability, mean):
    calm, wild = sorted(pair)
    no_more(size(probability, mean, wild), size(probability, mean, calm))


@given(st.lists(PROBABILITY, min_size=2, max_size=2), MEAN, st.floats(0, 50))
@settings(max_examples=300, deadline=None)
def test_the_size_rises_with_the_probability_at_an_equal_expected_return(pair, mean, fees):
    less, more = sorted(pair)
    policy = {"kelly_fraction": 0.001, "fees_bps": fees}
    no_more(size(less, mean, **policy), size(more, mean, **policy))


@given(st.lists(st.floats(0, 100), min_size=2, max_size=2), PROBABILITY, MEAN)
@settings(max_examples=300, deadline=None)
def test_the_size_falls_as_costs_rise(pair, probability, mean):
    cheap, dear = sorted(pair)
    for fraction in (0.001, 1.0):
        policy = {"kelly_fraction": fraction}
        no_more(
            size(probability, mean, fees_bps=dear, **policy),
            size(probability, mean, fees_bps=cheap, **policy),
        )


@given(
    st.lists(st.floats(0, 2), min_size=2, max_size=2),
    st.sampled_from(["total_exposure", "correlated_exposure"]),
)
@settings(max_examples=100, deadline=None)
def test_the_size_falls_as_others_hold_more(pair, name):
    little, much = sorted(pair)
    no_more(size(risk=replace(RISK, **{name: much})), size(risk=replace(RISK, **{name: little})))


def test_it_is_not_monotone_in_the_expected_return():
    sizes = [size(mean=mean, kelly_fraction=0.1) for mean in (0.003, 0.004, 0.02)]
    assert sizes[0] < sizes[1] > sizes[2]


@given(PROBABILITY, MEAN, st.floats(0, 1), COST, st.floats(0, 2), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_the_size_keeps_every_limit(probability, mean, volatility, cost, others, limit):
    policy = Policy(max_position_size=limit, fees_bps=cost * 1e4)
    forecast = replace(BULL, prob_up=probability, expected_return=mean, volatility=volatility)
    sizing = size_position(forecast, LONG, replace(RISK, total_exposure=others), policy)
    assert all(math.isfinite(factor.value) for factor in sizing.factors)
    assert 0 <= sizing.position_size <= limit
    if sizing.position_size > 0:
        stop = sizing.stop_distance
        assert 0 < stop < 1
        assert sizing.position_size * (stop + round_trip_cost(policy)) <= 0.01 * (1 + 1e-12)
        assert sizing.position_size + others <= 1 + 1e-12
        assert sizing.position_size * volatility <= 0.01 * (1 + 1e-12)


def test_the_other_side_is_sized_by_its_own_probability():
    assert size_position(BULL, SHORT, RISK, Policy()).position_size == 0
