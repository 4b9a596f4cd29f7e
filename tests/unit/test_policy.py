import math
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from signal_examples import BEAR, BULL, GOOD, RISK, UP

from bot_cripto.config.schema import Settings
from bot_cripto.decision import (
    FILLED,
    GATES,
    HIGH_VOL,
    LONG,
    MISSING,
    NO_TRADE,
    RANGE,
    SHORT,
    Context,
    Policy,
    Regime,
    decide,
    policy_of,
    round_trip_cost,
)
from bot_cripto.decision.thresholds import POLICY_KEYS
from bot_cripto.errors import ConfigError
from bot_cripto.forecast import Forecast

NAMES = [
    "killed",
    "paused",
    "data_fresh",
    "data_sound",
    "inputs_complete",
    "model_valid",
    "model_age",
    "in_distribution",
    "dissimilarity",
    "regime",
    "probability",
    "expected_return",
    "cost",
    "risk",
    "drift",
    "cooldown",
    "daily_drawdown",
    "weekly_drawdown",
    "tail_loss",
    "consecutive_losses",
    "symbol_exposure",
    "correlated_exposure",
    "total_exposure",
    "ledger",
    "size",
]
SWAP = Policy(market_type="swap", funding_bps=0)


def gates(decision):
    return {gate.name: gate for gate in decision.gates}


def test_a_good_forecast_is_a_position_of_its_side():
    long = decide(BULL, UP, GOOD, RISK, Policy())
    assert (long.side, long.confidence) == (LONG, 0.64)
    # a stop at two volatilities of 0.005 and a round trip of 0.0028 may cost 0.01
    assert long.position_size == pytest.approx(0.01 / 0.0128)
    assert (long.binding, long.stop_distance, long.target_distance) == ("risk_budget", 0.01, None)
    assert "size 0.7812 of equity bound by risk_budget" in long.reason
    assert long.risk_allowed and "RISK_MAX" in long.risk_reason
    short = decide(BEAR, UP, GOOD, RISK, SWAP)
    assert (short.side, short.confidence, short.position_size) == (
        SHORT,
        1 - 0.36,
        long.position_size,
    )
    assert short.factors == long.factors


def test_short_on_a_spot_market_has_no_size_and_says_what_it_means():
    short = decide(BEAR, UP, GOOD, RISK, Policy())
    assert (short.side, short.position_size) == (SHORT, 0)
    assert "SHORT closes a long or stays flat" in short.reason
    # what the gate judges is the size that it would have
    assert gates(short)["size"].value == decide(BEAR, UP, GOOD, RISK, SWAP).position_size
    for kind in ("margin", "swap"):
        other = decide(BEAR, UP, GOOD, RISK, Policy(market_type=kind))
        assert other.position_size > 0 and "spot" not in other.reason
    assert decide(BULL, UP, GOOD, RISK, Policy()).position_size > 0


def test_the_round_trip_costs_28_basis_points_by_default():
    assert round_trip_cost(Policy()) == 0.0028
    assert round_trip_cost(Policy(fees_bps=0, spread_bps=4, slippage_bps=0)) == 0.0004


@pytest.mark.parametrize("kind", ["margin", "swap"])
@pytest.mark.parametrize(
    ("timeframe", "steps", "due"),
    [("5m", 5, 1), ("5m", 96, 1), ("5m", 97, 2), ("1h", 8, 1), ("1h", 24, 3), ("1d", 2, 6)],
)
def test_the_round_trip_holds_the_funding_of_the_horizon_where_it_may_be_short(
    kind, timeframe, steps, due
):
    given = {"funding_bps": 5, "timeframe": timeframe, "horizon_steps": steps}
    assert round_trip_cost(Policy(market_type="spot", **given)) == 0.0028
    policy = Policy(market_type=kind, **given)
    assert round_trip_cost(policy) == pytest.approx(0.0028 + due * 5e-4)
    # what the gate compares with, and what a stop that is hit is taken to cost
    decision = decide(BULL, UP, GOOD, RISK, policy)
    assert gates(decision)["cost"].threshold == round_trip_cost(policy)
    assert {f.name: f.value for f in decision.factors}["round_trip_cost"] == round_trip_cost(policy)


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
    decision = decide(forecast, regime, context, RISK, Policy())
    assert (decision.side, decision.confidence, decision.position_size) == (NO_TRADE, 0, 0)
    assert next(gate.name for gate in decision.gates if not gate.passed) == first
    assert says in decision.reason


def test_values_at_the_thresholds_pass_but_the_cost_must_be_exceeded():
    policy = Policy()
    edge = replace(BULL, prob_up=0.6, expected_return=0.002, risk_score=0.3)
    answers = gates(decide(edge, UP, GOOD, RISK, policy))
    for name in ("probability", "expected_return", "risk"):
        assert answers[name].passed and answers[name].margin == 0
    free = replace(policy, fees_bps=0, spread_bps=0, slippage_bps=20 / 2)
    assert round_trip_cost(free) == 0.002
    assert not gates(decide(edge, UP, GOOD, RISK, free))["cost"].passed
    above = replace(edge, expected_return=math.nextafter(0.002, 1))
    answers = gates(decide(above, UP, GOOD, RISK, free))
    assert answers["cost"].passed
    # a gain of next to nothing is worth a position of next to nothing
    assert [name for name, gate in answers.items() if not gate.passed] == ["size"]


def test_blocked_regimes_can_be_allowed():
    for name, policy in (
        (RANGE, Policy(allow_range=True)),
        (HIGH_VOL, Policy(allow_high_vol=True)),
    ):
        assert decide(BULL, Regime(name, ""), GOOD, RISK, policy).side == LONG
    assert decide(BULL, Regime(RANGE, ""), GOOD, RISK, Policy(allow_high_vol=True)).side == NO_TRADE


def test_older_candles_can_be_allowed():
    old = replace(GOOD, stale_candles=2)
    assert decide(BULL, UP, old, RISK, Policy(max_data_age_candles=2)).side == LONG
    assert decide(BULL, UP, old, RISK, Policy(max_data_age_candles=1)).side == NO_TRADE


def test_every_gate_is_listed_in_order_whatever_is_known():
    assert [rule.name for rule in GATES] == NAMES
    for decision in (
        decide(BULL, UP, GOOD, RISK, Policy()),
        decide(None, None, Context(), None, Policy()),
        decide(None, None, Context(failure="fetch: no answer"), None, Policy()),
    ):
        assert [gate.name for gate in decision.gates] == NAMES
    unknown = decide(None, None, Context(), None, Policy()).gates
    assert all(gate.value is None and gate.margin is None and not gate.passed for gate in unknown)


def test_a_failure_forbids_what_the_gates_would_allow_and_is_one_line():
    decision = decide(BULL, UP, replace(GOOD, failure="fetch:\n no answer"), RISK, Policy())
    assert decision.side == NO_TRADE and decision.position_size == 0
    assert decision.reason == "a step failed: fetch: no answer"


def test_notes_of_the_models_are_told_once():
    forecast = replace(BULL, notes=("the baseline stands in",))
    context = replace(GOOD, model_notes=("the baseline stands in",), model_provisional=True)
    reason = decide(forecast, UP, context, RISK, Policy()).reason
    assert reason.count("the baseline stands in") == 1
    assert "provisional" in reason


def test_at_one_half_the_expected_return_tells_the_side():
    policy = Policy(prob_min=0.5)
    for forecast in (BULL, BEAR):
        decision = decide(replace(forecast, prob_up=0.5), UP, GOOD, RISK, policy)
        assert gates(decision)["expected_return"].value == 0.004
        # of a coin nothing is staked
        assert decision.side == NO_TRADE and "bound by kelly" in decision.reason


@pytest.mark.parametrize("name", [f.name for f in fields(Forecast)][:8])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_trade_and_named(name, bad):
    decision = decide(replace(BULL, **{name: bad}), UP, GOOD, RISK, Policy())
    assert decision.side == NO_TRADE and decision.position_size == 0
    assert f"{name} is {bad}" in decision.reason
    for gate in decision.gates:
        assert gate.value is None or math.isfinite(gate.value)


@pytest.mark.parametrize(
    "change", [{"prob_up": 1.2}, {"volatility": -0.1}, {"p10": 0.5}, {"risk_rank": -0.1}]
)
def test_a_forecast_out_of_range_or_order_is_not_used(change):
    decision = decide(replace(BULL, **change), UP, GOOD, RISK, Policy())
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
        {"min_position_size": 0.0},
        {"kelly_fraction": 1.1},
        {"max_daily_drawdown": -0.1},
        {"stop_volatilities": math.nan},
        {"market_type": "options"},
        {"funding_bps": -1.0},
        {"timeframe": "7m"},
    ],
)
def test_a_policy_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Policy(**wrong)


def test_the_policy_has_the_names_and_defaults_of_the_configuration():
    configured = Settings().model_dump()
    assert set(POLICY_KEYS) - set(configured) == {"max_data_age_candles"}
    for name in POLICY_KEYS & set(configured):
        assert getattr(Policy(), name) == configured[name], name
    wished = configured | {"market_type": "swap", "kelly_fraction": 0.5}
    assert policy_of(wished) == Policy(market_type="swap", kelly_fraction=0.5)


def test_the_decision_imports_neither_numpy_nor_clock_nor_files():
    code = (
        "import sys; before = set(sys.modules); import bot_cripto.decision; "
        "print(sorted({'numpy', 'socket', 'pathlib', 'time', 'bot_cripto.clock', "
        "'bot_cripto.atomic'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
