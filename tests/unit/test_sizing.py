import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.decision import volatility_size

share = st.floats(0, 1)
volatility = st.floats(0, 1e6)


def test_the_budget_over_the_volatility_within_the_limit():
    assert volatility_size(0.05, 0.01, 1.0).position_size == pytest.approx(0.2)
    assert volatility_size(0.001, 0.01, 0.5).position_size == 0.5
    assert volatility_size(0.0, 0.01, 0.5).position_size == 0.5


def test_the_factors_say_what_it_was_made_from():
    factors = {factor.name: factor.value for factor in volatility_size(0.05, 0.01, 1.0).factors}
    assert factors == {"risk_per_trade": 0.01, "volatility": 0.05, "max_position_size": 1.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.01])
def test_an_unknown_volatility_is_not_traded(bad):
    assert volatility_size(bad, 0.01, 1.0).position_size == 0


@given(volatility, volatility, share, share)
@settings(max_examples=300, deadline=None)
def test_the_size_is_bounded_and_falls_as_volatility_rises(one, other, risk, limit):
    calm, wild = sorted((one, other))
    small = volatility_size(wild, risk, limit).position_size
    large = volatility_size(calm, risk, limit).position_size
    assert 0 <= small <= large <= limit
