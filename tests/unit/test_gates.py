import math
from dataclasses import fields, replace

import pytest
from signal_examples import BEAR, BULL, GOOD, RISK, UP

from bot_cripto.decision import (
    GATES,
    LONG,
    NO_TRADE,
    RISK_GATES,
    SHORT,
    Context,
    Policy,
    Regime,
    RiskState,
    decide,
    risk_problems,
)
from bot_cripto.decision.gate_table import evaluate, shortfall
from bot_cripto.decision.gates import Case

NEED_PORTFOLIO = [
    "killed",
    "paused",
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


def judge(risk=RISK, forecast=BULL, context=GOOD, policy=Policy(), regime=UP):  # noqa: B008
    return decide(forecast, regime, context, risk, policy)


def gates(decision):
    return {gate.name: gate for gate in decision.gates}


def failed(decision):
    return [gate.name for gate in decision.gates if not gate.passed]


@pytest.mark.parametrize(
    ("change", "first", "says"),
    [
        ({"killed": "anna at noon: looks odd"}, "killed", "killed: anna at noon: looks odd"),
        ({"killed": ""}, "killed", "it would take the operator to release it"),
        ({"paused": "anna: lunch"}, "paused", "paused: anna: lunch: it would take the operator"),
        ({"drift": "accuracy fell by 20 %"}, "drift", "accuracy fell by 20 %: it would take"),
        ({"cooldown_minutes": 12.5}, "cooldown", "it would take 12.5 more minutes"),
        (
            {"daily_drawdown": 0.031},
            "daily_drawdown",
            "drawdown of the day 0.031 has reached MAX_DAILY_DRAWDOWN 0.03: "
            "it would take the next day (UTC)",
        ),
        ({"weekly_drawdown": 0.08}, "weekly_drawdown", "it would take the next Monday (UTC)"),
        ({"tail_loss": 0.025}, "tail_loss", "MAX_TAIL_LOSS 0.02: it would take 0.005 less"),
        ({"consecutive_losses": 7}, "consecutive_losses", "7 trades in a row were lost"),
        (
            {"position": LONG, "symbol_exposure": 1.27},
            "symbol_exposure",
            "the LONG position is kept but not renewed: its exposure 1.27 is above "
            "1.25 x MAX_POSITION_SIZE, that is 1.25: it would take 0.02 less",
        ),
        (
            {"correlated_exposure": 0.999},
            "correlated_exposure",
            "MAX_CORRELATED_EXPOSURE less MIN_POSITION_SIZE, that is 0.995: "
            "it would take 0.004 less",
        ),
        ({"total_exposure": 0.999}, "total_exposure", "exposure of the other symbols 0.999"),
        ({"mismatch": "an order is unknown"}, "ledger", "an order is unknown: it would take"),
    ],
)
def test_each_gate_of_the_portfolio_stops_entries_and_says_what_it_would_take(change, first, says):
    decision = judge(replace(RISK, **change))
    assert (decision.side, decision.position_size) == (NO_TRADE, 0)
    assert failed(decision)[0] == first and says in decision.reason
    # room that is too small makes a size that is too small
    assert set(failed(decision)) <= {first, "size"}
    assert not decision.risk_allowed and decision.risk_reason in decision.reason


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"daily_drawdown": 0.03}, "daily_drawdown"),
        ({"weekly_drawdown": 0.07}, "weekly_drawdown"),
        ({"consecutive_losses": 6}, "consecutive_losses"),
    ],
)
def test_at_these_limits_entries_end(change, gate):
    answer = gates(judge(replace(RISK, **change)))[gate]
    assert not answer.passed and answer.value == answer.threshold and answer.margin < 0
    [(name, value)] = change.items()
    below = value - 1 if isinstance(value, int) else math.nextafter(value, 0)
    assert judge(replace(RISK, **{name: below})).side == LONG


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"tail_loss": 0.02}, "tail_loss"),
        ({"position": LONG, "symbol_exposure": 1.25}, "symbol_exposure"),
        ({"cooldown_minutes": 0.0}, "cooldown"),
        ({"total_exposure": 0.995}, "total_exposure"),
        ({"correlated_exposure": 0.995}, "correlated_exposure"),
    ],
)
def test_these_limits_may_be_reached(change, gate):
    answer = gates(judge(replace(RISK, **change)))[gate]
    assert answer.passed and answer.margin == 0


def test_a_position_of_the_other_side_does_not_keep_from_leaving_it():
    grown = replace(RISK, position=LONG, symbol_exposure=1.5)
    assert judge(grown).side == NO_TRADE
    assert judge(grown, forecast=BEAR).side == SHORT
    assert judge(replace(grown, position=SHORT)).side == LONG


def test_drift_may_be_allowed_and_is_listed_all_the_same():
    drifted = replace(RISK, drift="accuracy fell")
    decision = judge(drifted, policy=Policy(block_on_drift=False))
    assert decision.side == LONG and gates(decision)["drift"].value == 1


def test_without_a_state_of_the_portfolio_every_gate_that_needs_it_fails_with_a_sentence():
    decision = judge(None)
    assert failed(decision) == NEED_PORTFOLIO
    assert all(gates(decision)[name].value is None for name in NEED_PORTFOLIO)
    assert "whether trading is killed is not known: it would take the state" in decision.reason
    assert "killed is not known" in decision.risk_reason
    room = {factor.name: factor.value for factor in decision.factors}
    assert room["total_room"] == room["correlated_room"] == 0 and room["kelly"] > 0


NUMBERS = [f.name for f in fields(RiskState) if f.type in ("float", "int")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "0", None])
def test_a_state_with_a_number_that_is_none_is_no_state(name, bad):
    decision = judge(replace(RISK, **{name: bad}))
    assert failed(decision) == NEED_PORTFOLIO
    assert f"may not be used ({name} is {bad})" in decision.reason


@pytest.mark.parametrize(
    "change",
    [
        {"equity": 0.0},
        {"equity": -5.0},
        {"total_exposure": -0.1},
        {"daily_drawdown": -0.1},
        {"cooldown_minutes": -1.0},
        {"position": "BOTH"},
    ],
)
def test_a_state_out_of_range_is_no_state(change):
    assert len(risk_problems(replace(RISK, **change))) == 1
    assert failed(judge(replace(RISK, **change))) == NEED_PORTFOLIO


def test_a_tail_that_gains_is_no_loss():
    assert judge(replace(RISK, tail_loss=-0.01)).side == LONG


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (40.0, "40 days ago, MAX_MODEL_AGE_DAYS 30 are allowed: it would take a retrain"),
        (None, "not known until when the models were trained"),
        (math.nan, "not known until when the models were trained"),
        (-0.1, "trained until after this candle"),
    ],
)
def test_models_that_are_too_old_or_saw_the_candle_do_not_trade(age, says):
    decision = judge(context=replace(GOOD, model_age_days=age))
    assert failed(decision) == ["model_age"] and says in decision.reason


@pytest.mark.parametrize("age", [0.0, 30.0])
def test_the_age_may_be_the_limit(age):
    assert judge(context=replace(GOOD, model_age_days=age)).side == LONG


def test_features_outside_the_training_range_are_counted_and_named():
    names = tuple("abcdefg")
    decision = judge(forecast=replace(BULL, outside=names, features=60))
    assert failed(decision) == ["in_distribution"]
    assert "7 of 60 features lie outside" in decision.reason
    assert "(a, b, c, d, e and 2 more)" in decision.reason
    few = judge(forecast=replace(BULL, outside=names[:6], features=60))
    assert few.side == LONG and gates(few)["in_distribution"].margin == 0


def test_a_candle_unlike_the_training_data_is_not_traded():
    decision = judge(forecast=replace(BULL, dissimilarity=1.25))
    assert failed(decision) == ["dissimilarity"]
    assert decision.reason.startswith(
        "the candle is unlike the training data: dissimilarity 1.25 is above MAX_DISSIMILARITY 1: "
        "it would take 0.25 less"
    )
    assert judge(forecast=replace(BULL, dissimilarity=1.0)).side == LONG
    wider = Policy(max_dissimilarity=1.3)
    assert judge(forecast=replace(BULL, dissimilarity=1.25), policy=wider).side == LONG


@pytest.mark.parametrize("apart", [None, math.nan, math.inf, -0.1])
def test_a_dissimilarity_that_is_not_known_is_not_passed(apart):
    decision = judge(forecast=replace(BULL, dissimilarity=apart))
    assert failed(decision) == ["dissimilarity"]
    assert gates(decision)["dissimilarity"].value is None
    assert "it would take a retrain" in decision.reason


@pytest.mark.parametrize(
    ("outside", "features"), [(("a", "b"), 1), (("a",), 0), ((), -1), ((), math.nan)]
)
def test_a_count_of_features_that_cannot_be_makes_the_forecast_unusable(outside, features):
    decision = judge(forecast=replace(BULL, outside=outside, features=features))
    assert failed(decision)[0] == "model_valid"


def test_a_regime_that_is_none_blocks():
    decision = judge(regime=Regime("SIDEWAYS", "?"))
    assert failed(decision) == ["regime"]


@pytest.mark.parametrize("volatility", [0.0, 0.5, 1e300])
def test_a_volatility_that_gives_no_stop_gives_no_position(volatility):
    decision = judge(forecast=replace(BULL, volatility=volatility))
    assert failed(decision) == ["size"] and "no stop" in decision.reason
    assert decision.factors == () and decision.stop_distance is None


def test_a_size_that_is_not_worth_an_order_is_none():
    decision = judge(policy=Policy(min_position_size=0.9))
    assert failed(decision) == ["size"]
    assert "position size (bound by risk_budget) 0.7812 is below MIN_POSITION_SIZE 0.9" in (
        decision.reason
    )
    assert decision.position_size == 0 and decision.factors


def test_the_gates_of_risk_are_the_score_the_switches_and_the_portfolio():
    assert set(NEED_PORTFOLIO) - {"size"} | {"risk"} == RISK_GATES
    decision = judge(forecast=replace(BULL, prob_up=0.54))
    assert decision.side == NO_TRADE and decision.risk_allowed
    assert "the portfolio allows an entry" in decision.risk_reason


def test_every_gate_that_has_nothing_to_measure_says_so_in_a_sentence_of_its_own():
    case = Case(LONG, None, (), None, Context(), None, (), None, Policy())
    said = {shortfall(case, gate) for gate in evaluate(case)}
    assert len(said) == len(GATES)
    assert all(text and not text.endswith(".") and "None" not in text for text in said)
