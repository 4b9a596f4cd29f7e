import math
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.decision import (
    FILLED,
    GATES,
    HIGH_VOL,
    LONG,
    MISSING,
    NO_TRADE,
    RANGE,
    SHORT,
    TRADED,
    TREND_DOWN,
    TREND_UP,
    Context,
    Policy,
    Regime,
    decide,
    round_trip_cost,
)
from bot_cripto.errors import ConfigError
from bot_cripto.forecast import Forecast

UP = Regime(TREND_UP, "a trend")
GOOD = Context(stale_candles=0, last_candle=TRADED, missing_features=())
BULL = Forecast(0.64, 0.004, -0.003, 0.003, 0.008, 0.005, 0.2, 0.5)
BEAR = Forecast(0.36, -0.004, -0.008, -0.003, 0.003, 0.005, 0.2, 0.5)
NAMES = [
    "data_fresh",
    "data_sound",
    "inputs_complete",
    "model_valid",
    "regime",
    "probability",
    "expected_return",
    "cost",
    "risk",
]


def gates(decision):
    return {gate.name: gate for gate in decision.gates}


def test_a_good_forecast_is_a_position_of_its_side():
    long = decide(BULL, UP, GOOD, Policy())
    assert (long.side, long.confidence, long.position_size) == (LONG, 0.64, 1.0)
    assert long.risk_allowed and "RISK_MAX" in long.risk_reason
    short = decide(BEAR, UP, GOOD, Policy())
    assert (short.side, short.confidence, short.position_size) == (SHORT, 1 - 0.36, 1.0)
    assert [factor.name for factor in short.factors]


def test_the_round_trip_costs_28_basis_points_by_default():
    assert round_trip_cost(Policy()) == 0.0028
    assert round_trip_cost(Policy(fees_bps=0, spread_bps=4, slippage_bps=0)) == 0.0004


@pytest.mark.parametrize(
    ("forecast", "context", "regime", "first", "says"),
    [
        (BULL, replace(GOOD, stale_candles=3), UP, "data_fresh", "3 behind"),
        (BULL, replace(GOOD, stale_candles=-1), UP, "data_fresh", "not closed"),
        (BULL, replace(GOOD, stale_candles=None), UP, "data_fresh", "not known"),
        (BULL, replace(GOOD, last_candle=FILLED), UP, "data_sound", "filled"),
        (BULL, replace(GOOD, last_candle=MISSING), UP, "data_sound", "missing"),
        (BULL, replace(GOOD, quality_problems=("a gap",)), UP, "data_sound", "a gap"),
        (BULL, replace(GOOD, missing_features=("rsi_14",)), UP, "inputs_complete", "rsi_14"),
        (BULL, replace(GOOD, missing_features=None), UP, "inputs_complete", "not computed"),
        (BULL, replace(GOOD, model_problems=("made for 1h",)), UP, "model_valid", "made for 1h"),
        (None, GOOD, UP, "model_valid", "no forecast"),
        (BULL, GOOD, None, "regime", "no regime"),
        (BULL, GOOD, Regime(RANGE, ""), "regime", "ALLOW_RANGE"),
        (BULL, GOOD, Regime(HIGH_VOL, ""), "regime", "ALLOW_HIGH_VOL"),
        (
            replace(BULL, prob_up=0.54),
            GOOD,
            UP,
            "probability",
            "probability of up 0.54 is below PROB_MIN 0.6: it would take 0.06 more",
        ),
        (replace(BEAR, prob_up=0.46), GOOD, UP, "probability", "probability of down 0.54"),
        (replace(BULL, expected_return=0.001), GOOD, UP, "expected_return", "0.001 more"),
        (replace(BULL, expected_return=-0.004), GOOD, UP, "expected_return", "of a LONG -0.004"),
        (replace(BULL, expected_return=0.0025), GOOD, UP, "cost", "0.0003 more"),
        (replace(BULL, expected_return=0.0028), GOOD, UP, "cost", "no more than"),
        (replace(BULL, risk_score=0.45), GOOD, UP, "risk", "0.15 less"),
    ],
)
def test_no_trade_names_the_first_gate_that_failed(forecast, context, regime, first, says):
    decision = decide(forecast, regime, context, Policy())
    assert (decision.side, decision.confidence, decision.position_size) == (NO_TRADE, 0, 0)
    assert next(gate.name for gate in decision.gates if not gate.passed) == first
    assert says in decision.reason


def test_values_at_the_thresholds_pass_but_the_cost_must_be_exceeded():
    policy = Policy()
    edge = replace(BULL, prob_up=0.6, expected_return=0.002, risk_score=0.3)
    answers = gates(decide(edge, UP, GOOD, policy))
    for name in ("probability", "expected_return", "risk"):
        assert answers[name].passed and answers[name].margin == 0
    free = replace(policy, fees_bps=0, spread_bps=0, slippage_bps=20 / 2)
    assert round_trip_cost(free) == 0.002
    assert not gates(decide(edge, UP, GOOD, free))["cost"].passed
    above = replace(edge, expected_return=math.nextafter(0.002, 1))
    assert decide(above, UP, GOOD, free).side == LONG


def test_blocked_regimes_can_be_allowed():
    for name, policy in (
        (RANGE, Policy(allow_range=True)),
        (HIGH_VOL, Policy(allow_high_vol=True)),
    ):
        assert decide(BULL, Regime(name, ""), GOOD, policy).side == LONG
    assert decide(BULL, Regime(RANGE, ""), GOOD, Policy(allow_high_vol=True)).side == NO_TRADE


def test_older_candles_can_be_allowed():
    old = replace(GOOD, stale_candles=2)
    assert decide(BULL, UP, old, Policy(max_data_age_candles=2)).side == LONG
    assert decide(BULL, UP, old, Policy(max_data_age_candles=1)).side == NO_TRADE


def test_every_gate_is_listed_in_order_whatever_is_known():
    assert [rule.name for rule in GATES] == NAMES
    for decision in (
        decide(BULL, UP, GOOD, Policy()),
        decide(None, None, Context(), Policy()),
        decide(None, None, Context(failure="fetch: no answer"), Policy()),
    ):
        assert [gate.name for gate in decision.gates] == NAMES
    unknown = decide(None, None, Context(), Policy()).gates
    assert all(gate.value is None and gate.margin is None and not gate.passed for gate in unknown)


def test_a_failure_forbids_what_the_gates_would_allow_and_is_one_line():
    decision = decide(BULL, UP, replace(GOOD, failure="fetch:\n no answer"), Policy())
    assert decision.side == NO_TRADE and decision.position_size == 0
    assert decision.reason == "a step failed: fetch: no answer"


def test_notes_of_the_models_are_told_once():
    forecast = replace(BULL, notes=("the baseline stands in",))
    context = replace(GOOD, model_notes=("the baseline stands in",), model_provisional=True)
    reason = decide(forecast, UP, context, Policy()).reason
    assert reason.count("the baseline stands in") == 1
    assert "provisional" in reason


def test_at_one_half_the_expected_return_tells_the_side():
    policy = Policy(prob_min=0.5)
    assert decide(replace(BULL, prob_up=0.5), UP, GOOD, policy).side == LONG
    assert decide(replace(BEAR, prob_up=0.5), UP, GOOD, policy).side == SHORT


@pytest.mark.parametrize("name", [f.name for f in fields(Forecast)][:8])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_trade_and_named(name, bad):
    decision = decide(replace(BULL, **{name: bad}), UP, GOOD, Policy())
    assert decision.side == NO_TRADE and decision.position_size == 0
    assert f"{name} is {bad}" in decision.reason
    for gate in decision.gates:
        assert gate.value is None or math.isfinite(gate.value)


@pytest.mark.parametrize(
    "change", [{"prob_up": 1.2}, {"volatility": -0.1}, {"p10": 0.5}, {"risk_rank": -0.1}]
)
def test_a_forecast_out_of_range_or_order_is_not_used(change):
    decision = decide(replace(BULL, **change), UP, GOOD, Policy())
    assert decision.side == NO_TRADE
    assert not gates(decision)["model_valid"].passed


@pytest.mark.parametrize(
    "wrong",
    [
        {"prob_min": 1.1},
        {"prob_min": 0.49},
        {"prob_min": math.nan},
        {"fees_bps": -1.0},
        {"risk_max": math.inf},
        {"max_position_size": 1.5},
    ],
)
def test_a_policy_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Policy(**wrong)


number = st.one_of(
    st.floats(-0.05, 0.05), st.floats(0, 1), st.sampled_from([math.nan, math.inf, 0.6, 0.0028])
)
forecasts = st.one_of(
    st.none(),
    st.builds(Forecast, *(number for _ in range(8))),
    st.builds(
        lambda p, r, v, s: Forecast(p, r, r - v, r, r + v, v, s, 0.5),
        st.floats(0, 1),
        st.floats(-0.05, 0.05),
        st.floats(0, 0.1),
        st.floats(0, 1),
    ),
)
regimes = st.one_of(
    st.none(),
    st.sampled_from([TREND_UP, TREND_DOWN, RANGE, HIGH_VOL]).map(lambda name: Regime(name, "x")),
)
contexts = st.one_of(
    st.just(GOOD),
    st.builds(
        Context,
        stale_candles=st.sampled_from([None, 0, 0, 1, -1, math.nan]),
        last_candle=st.sampled_from([None, TRADED, TRADED, FILLED, MISSING]),
        quality_problems=st.sampled_from([(), ("a gap",)]),
        missing_features=st.sampled_from([None, (), ("rsi_14",)]),
        model_problems=st.sampled_from([(), ("of 1h",)]),
        model_provisional=st.booleans(),
        failure=st.sampled_from([None, None, "fetch: x"]),
    ),
)
policies = st.builds(
    Policy,
    prob_min=st.floats(0.5, 1),
    min_expected_return=st.floats(0, 0.02),
    risk_max=st.floats(0, 1),
    fees_bps=st.floats(0, 20),
    allow_range=st.booleans(),
    allow_high_vol=st.booleans(),
    max_position_size=st.floats(0, 1),
    risk_per_trade=st.floats(0, 1),
)


@given(forecasts, regimes, contexts, policies)
@settings(max_examples=500, deadline=None)
def test_never_a_position_unless_every_gate_passes(forecast, regime, context, policy):
    decision = decide(forecast, regime, context, policy)
    assert [gate.name for gate in decision.gates] == NAMES
    for gate in decision.gates:
        assert gate.passed == (gate.margin is not None and gate.margin >= 0)
    passed = all(gate.passed for gate in decision.gates) and context.failure is None
    assert (decision.side != NO_TRADE) == passed
    assert 0 <= decision.position_size <= policy.max_position_size
    if not passed:
        assert decision.position_size == 0 and decision.confidence == 0
        return
    up, gain = forecast.prob_up, forecast.expected_return
    assert abs(gain) > round_trip_cost(policy) and forecast.risk_score <= policy.risk_max
    if decision.side == LONG:
        assert up >= policy.prob_min and gain >= policy.min_expected_return
        assert decision.confidence == up
    else:
        assert 1 - up >= policy.prob_min and gain <= -policy.min_expected_return
        assert decision.confidence == 1 - up


@given(
    st.floats(0.5, 1, exclude_min=True),
    st.floats(-0.02, 0.02).filter(bool),
    st.floats(0, 0.05),
    st.floats(0, 1),
    contexts,
    policies,
)
@settings(max_examples=500, deadline=None)
def test_the_mirror_image_is_the_mirrored_decision(up, gain, spread, score, context, policy):
    bull = Forecast(up, gain, gain - spread, gain, gain + spread, spread, score, 0.5)
    bear = Forecast(1 - up, -gain, -gain - spread, -gain, -gain + spread, spread, score, 0.5)
    one = decide(bull, Regime(TREND_UP, "x"), context, policy)
    other = decide(bear, Regime(TREND_DOWN, "x"), context, policy)
    turned = {LONG: SHORT, SHORT: LONG, NO_TRADE: NO_TRADE}
    assert other.side == turned[one.side]
    assert other.gates == one.gates
    assert (other.position_size, other.confidence) == (one.position_size, one.confidence)


def test_the_decision_imports_neither_numpy_nor_clock_nor_files():
    code = (
        "import sys; before = set(sys.modules); import bot_cripto.decision; "
        "print(sorted({'numpy', 'socket', 'pathlib', 'time', 'bot_cripto.clock', "
        "'bot_cripto.atomic'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
