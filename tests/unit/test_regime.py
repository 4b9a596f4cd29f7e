import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.decision import HIGH_VOL, RANGE, TREND_DOWN, TREND_UP, classify
from bot_cripto.errors import DataError

LIMITS = {"adx_trend_min": 20.0, "atr_high_vol_pct": 0.02}


@pytest.mark.parametrize(
    ("atr_pct", "adx", "plus_di", "minus_di", "name"),
    [
        (0.019, 20.0, 30.0, 10.0, TREND_UP),
        (0.019, 20.0, 10.0, 30.0, TREND_DOWN),
        (0.019, 19.999, 30.0, 10.0, RANGE),
        (0.02, 50.0, 30.0, 10.0, HIGH_VOL),
        (0.03, 5.0, 30.0, 10.0, HIGH_VOL),
        (0.001, 40.0, 25.0, 25.0, RANGE),
    ],
)
def test_the_rules_at_their_edges(atr_pct, adx, plus_di, minus_di, name):
    assert classify(atr_pct, adx, plus_di, minus_di, **LIMITS).name == name


def test_the_reason_is_the_comparison_with_its_numbers():
    reason = classify(0.004, 27.3, 25.1, 14.2, **LIMITS).reason
    for part in ("ATR14/close 0.004", "0.02", "ADX14 27.3", "20", "+DI 25.1", "-DI 14.2"):
        assert part in reason
    assert "at least REGIME_ATR_HIGH_VOL_PCT 0.02" in classify(0.05, 1, 1, 1, **LIMITS).reason


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_has_no_regime(position, bad):
    numbers = [0.004, 27.3, 25.1, 14.2, 20.0, 0.02]
    numbers[position] = bad
    with pytest.raises(DataError, match="finite"):
        classify(*numbers)


percent = st.floats(0, 100)


@given(st.floats(0, 0.1), percent, percent, percent)
@settings(max_examples=200, deadline=None)
def test_swapping_the_directional_indicators_turns_the_trend(atr_pct, adx, plus_di, minus_di):
    turned = {TREND_UP: TREND_DOWN, TREND_DOWN: TREND_UP}
    name = classify(atr_pct, adx, plus_di, minus_di, **LIMITS).name
    assert classify(atr_pct, adx, minus_di, plus_di, **LIMITS).name == turned.get(name, name)
