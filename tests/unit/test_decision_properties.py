"""What holds of every decision, whatever is known, missing or broken."""

import math
from collections import Counter
from dataclasses import fields, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from signal_examples import GOOD

from bot_cripto.decision import (
    FILLED,
    GATES,
    HIGH_VOL,
    LIMITS,
    LONG,
    MISSING,
    NO_TRADE,
    RANGE,
    RISK_GATES,
    SHORT,
    TRADED,
    TREND_DOWN,
    TREND_UP,
    Context,
    Policy,
    Regime,
    RiskState,
    decide,
    forecast_problems,
    round_trip_cost,
)
from bot_cripto.forecast import Forecast

NAMES = [rule.name for rule in GATES]
MARKETS = st.sampled_from(["spot", "margin", "swap"])
NO_NUMBER = [math.nan, math.inf, -math.inf]

number = st.one_of(st.floats(-0.05, 0.05), st.floats(0, 1), st.sampled_from([*NO_NUMBER, 0.6]))


def forecast_of(up, gain, spread, volatility, score, outside=(), unlike=0.5):
    return Forecast(
        *(
            up,
            gain,
            gain - spread,
            gain,
            gain + spread,
            volatility,
            score,
            0.5,
            {},
            (),
            outside,
            60,
        ),
        dissimilarity=unlike,
    )


sound_forecasts = st.builds(
    forecast_of,
    st.one_of(st.floats(0.55, 1), st.floats(0, 0.45), st.floats(0, 1)),
    st.floats(-0.02, 0.02),
    st.floats(0, 0.02),
    st.floats(1e-4, 0.05),
    st.one_of(st.floats(0, 0.3), st.floats(0, 1)),
    st.sampled_from([(), (), ("rsi14",), tuple("abcdefghijk")]),
    st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.5, None, *NO_NUMBER, -0.1]),
)
forecasts = st.one_of(
    st.none(),
    sound_forecasts,
    sound_forecasts,
    st.builds(Forecast, *(number for _ in range(8)), features=st.sampled_from([0, 60, math.nan])),
)
# forecasts that pay, so that most of them are traded
paying = st.builds(
    lambda sign, up, gain, volatility, score: forecast_of(
        up if sign > 0 else 1 - up, sign * gain, 0.01, volatility, score
    ),
    st.sampled_from([1, -1]),
    st.floats(0.6, 1, exclude_min=True),
    st.floats(0.004, 0.02),
    st.floats(1e-4, 0.02),
    st.floats(0, 0.3),
)
regimes = st.one_of(
    st.none(),
    st.sampled_from([TREND_UP, TREND_DOWN, TREND_UP, RANGE, HIGH_VOL, "?"]).map(
        lambda name: Regime(name, "x")
    ),
)
contexts = st.one_of(
    st.just(GOOD),
    st.builds(
        Context,
        stale_candles=st.sampled_from([None, 0, 0, 0, 1, -1, math.nan, math.inf]),
        last_candle=st.sampled_from([None, TRADED, TRADED, TRADED, FILLED, MISSING]),
        quality_problems=st.sampled_from([(), (), ("a gap",)]),
        missing_features=st.sampled_from([None, (), (), ("rsi_14",)]),
        model_problems=st.sampled_from([(), (), ("of 1h",)]),
        model_provisional=st.booleans(),
        model_age_days=st.one_of(st.none(), st.floats(0, 40), st.sampled_from([*NO_NUMBER, -1.0])),
        failure=st.sampled_from([None, None, None, "fetch: x"]),
    ),
)
sides = st.sampled_from([None, LONG, SHORT])
texts = st.sampled_from([None, None, None, None, "anna: why"])
# within most limits
calm_risks = st.builds(
    RiskState,
    candle_close_time=st.just("2024-09-06T04:45:00Z"),
    account=st.just("paper"),
    equity=st.floats(1, 1e6),
    position=sides,
    symbol_exposure=st.floats(0, 1),
    correlated_exposure=st.floats(0, 0.9),
    total_exposure=st.floats(0, 0.9),
    daily_drawdown=st.floats(0, 0.029),
    weekly_drawdown=st.floats(0, 0.069),
    consecutive_losses=st.integers(0, 5),
    tail_loss=st.floats(-0.01, 0.02),
)
risks = st.one_of(
    st.none(),
    calm_risks,
    st.builds(
        RiskState,
        candle_close_time=st.just("2024-09-06T04:45:00Z"),
        account=st.sampled_from(["paper", "live"]),
        equity=st.one_of(st.floats(1, 1e6), st.floats(-1, 1), st.sampled_from(NO_NUMBER)),
        position=st.one_of(sides, st.just("BOTH")),
        symbol_exposure=st.one_of(st.floats(0, 1.6), number),
        correlated_exposure=st.one_of(st.floats(0, 1.2), number),
        total_exposure=st.one_of(st.floats(0, 1.2), number),
        daily_drawdown=st.one_of(st.floats(0, 0.04), number),
        weekly_drawdown=st.one_of(st.floats(0, 0.08), number),
        cooldown_minutes=st.sampled_from([0.0, 0.0, 3.0, math.nan]),
        consecutive_losses=st.integers(0, 9),
        tail_loss=st.one_of(st.floats(0, 0.03), number),
        drift=texts,
        paused=texts,
        killed=texts,
        mismatch=texts,
    ),
)
policies = st.builds(
    Policy,
    prob_min=st.floats(0.5, 0.7),
    min_expected_return=st.floats(0, 0.01),
    risk_max=st.floats(0, 1),
    fees_bps=st.floats(0, 20),
    allow_range=st.booleans(),
    allow_high_vol=st.booleans(),
    block_on_drift=st.booleans(),
    max_position_size=st.floats(0, 1),
    max_total_exposure=st.floats(0, 2),
    max_correlated_exposure=st.floats(0, 2),
    risk_per_trade=st.floats(0, 0.1),
    target_volatility=st.floats(0, 0.1),
    kelly_fraction=st.floats(0, 1),
    min_position_size=st.floats(1e-6, 0.02),
    stop_volatilities=st.floats(0, 20),
    target_volatilities=st.floats(0, 50),
    market_type=MARKETS,
)
trend = Regime(TREND_UP, "x")
GOOD_PARTS = {
    "forecast": paying,
    "regime": st.just(trend),
    "context": st.just(GOOD),
    "risk": calm_risks,
    "policy": st.builds(Policy, market_type=MARKETS, kelly_fraction=st.floats(0.5, 1)),
}
WILD_PARTS = {
    "forecast": forecasts,
    "regime": regimes,
    "context": contexts,
    "risk": risks,
    "policy": policies,
}


@st.composite
def cases(draw):
    """Return the arguments of a decision, of which at most two parts may be anything."""
    wild = draw(st.sets(st.sampled_from(list(WILD_PARTS)), max_size=2))
    parts = {name: WILD_PARTS[name] if name in wild else GOOD_PARTS[name] for name in GOOD_PARTS}
    return tuple(draw(part) for part in parts.values())


def is_finite(value):
    return value is None or math.isfinite(value)


def check_bounds(decision, forecast, risk, policy):
    """Check what must hold of a position's size."""
    found = {factor.name: factor.value for factor in decision.factors}
    size = min(found[name] for name in LIMITS)
    assert decision.position_size in (0, size)
    assert (decision.position_size == 0) == (
        decision.side == SHORT and policy.market_type == "spot"
    )
    assert policy.min_position_size <= size <= policy.max_position_size
    slack = 1 + 1e-12
    assert size + risk.total_exposure <= policy.max_total_exposure * slack
    assert size + risk.correlated_exposure <= policy.max_correlated_exposure * slack
    loss = size * (decision.stop_distance + round_trip_cost(policy))
    assert loss <= policy.risk_per_trade * slack
    assert size * forecast.volatility <= policy.target_volatility * slack
    assert 0 < decision.stop_distance < 1
    assert decision.target_distance is None or decision.target_distance > 0


@given(cases())
@settings(max_examples=500, deadline=None)
def test_never_a_position_unless_every_gate_passes(case):
    forecast, regime, context, risk, policy = case
    decision = decide(forecast, regime, context, risk, policy)
    assert [gate.name for gate in decision.gates] == NAMES
    for gate in decision.gates:
        assert gate.passed == (gate.margin is not None and gate.margin >= 0)
        assert (gate.value is None) == (gate.margin is None)
        assert is_finite(gate.value) and is_finite(gate.margin) and is_finite(gate.threshold)
    assert all(math.isfinite(factor.value) for factor in decision.factors)
    passed = all(gate.passed for gate in decision.gates) and context.failure is None
    assert (decision.side != NO_TRADE) == passed
    allowed = all(gate.passed for gate in decision.gates if gate.name in RISK_GATES)
    assert decision.risk_allowed == allowed
    assert len(decision.reason.splitlines()) == len(decision.risk_reason.splitlines()) == 1
    if passed:
        check_bounds(decision, forecast, risk, policy)
    else:
        assert decision.position_size == 0 and decision.confidence == 0


@given(paying, st.sampled_from([TREND_UP, TREND_DOWN]), calm_risks, MARKETS)
@settings(max_examples=300, deadline=None)
def test_what_pays_is_traded_within_its_bounds(forecast, regime, risk, market):
    policy = Policy(market_type=market, kelly_fraction=1.0, max_position_size=1.0)
    decision = decide(forecast, Regime(regime, "x"), GOOD, risk, policy)
    up, gain = forecast.prob_up, forecast.expected_return
    assert decision.side == (LONG if up > 0.5 else SHORT)
    assert decision.confidence == (up if up > 0.5 else 1 - up) >= policy.prob_min
    assert abs(gain) > round_trip_cost(policy) and (gain > 0) == (decision.side == LONG)
    check_bounds(decision, forecast, risk, policy)


def test_the_examples_reach_both_sides_and_every_gate():
    seen = Counter()

    @given(cases())
    @settings(max_examples=900, deadline=None, database=None, derandomize=True)
    def count(case):
        decision = decide(*case)
        seen[decision.side] += 1
        seen.update(gate.name for gate in decision.gates if not gate.passed)

    count()
    # so that the properties above say something
    assert min(seen[LONG], seen[SHORT], seen[NO_TRADE]) > 45, seen
    assert set(NAMES) <= set(seen), set(NAMES) - set(seen)


def mirrored(forecast):
    """Return the forecast of the same moves the other way; 1 - p must be exact for equal sizes."""
    return replace(
        forecast,
        prob_up=1 - forecast.prob_up,
        expected_return=-forecast.expected_return,
        p10=-forecast.p90,
        p50=-forecast.p50,
        p90=-forecast.p10,
    )


def test_the_mirror_image_is_the_mirrored_decision():
    seen = Counter()
    turned = {LONG: SHORT, SHORT: LONG, NO_TRADE: NO_TRADE}

    @given(cases())
    @settings(max_examples=300, deadline=None)
    def compare(case):
        forecast, regime, context, risk, policy = case
        # without a forecast there is no side; at one half the sign of the return decides
        assume(forecast is not None and not forecast_problems(forecast))
        assume(forecast.prob_up >= 0.5 and forecast.expected_return != 0)
        policy = replace(policy, market_type="swap")
        image = mirrored(forecast)
        other_risk = risk and replace(risk, position=turned.get(risk.position, risk.position))
        one = decide(forecast, regime, context, risk, policy)
        other = decide(image, regime, context, other_risk, policy)
        seen[one.side] += 1
        assert other.side == turned[one.side]
        assert other.gates == one.gates and other.factors == one.factors
        assert (other.position_size, other.confidence) == (one.position_size, one.confidence)
        assert (other.stop_distance, other.binding) == (one.stop_distance, one.binding)
        assert other.target_distance == one.target_distance

    compare()
    assert seen[LONG] > 30 and seen[NO_TRADE] > 30


@given(paying, calm_risks, MARKETS, st.data())
@settings(max_examples=300, deadline=None)
def test_no_number_anywhere_is_no_position(forecast, risk, market, data):
    case = {"forecast": forecast, "context": GOOD, "risk": risk}
    policy = Policy(market_type=market, kelly_fraction=1.0)
    assert decide(forecast, trend, GOOD, risk, policy).side != NO_TRADE
    numbers = [
        (part, field.name)
        for part, whole in case.items()
        for field in fields(whole)
        if isinstance(getattr(whole, field.name), int | float)
        and field.name not in ("model_provisional", "trained_until_ms")
    ]
    assert len(numbers) == 10 + 2 + 9
    part, name = data.draw(st.sampled_from(numbers))
    case[part] = replace(case[part], **{name: data.draw(st.sampled_from(NO_NUMBER))})
    decision = decide(case["forecast"], trend, case["context"], case["risk"], policy)
    assert (decision.side, decision.position_size) == (NO_TRADE, 0)


@given(paying, calm_risks, st.sampled_from(["forecast", "regime", "context", "risk"]))
@settings(max_examples=50, deadline=None)
def test_a_part_that_is_missing_is_no_position(forecast, risk, missing):
    case = {"forecast": forecast, "regime": trend, "context": GOOD, "risk": risk}
    case[missing] = Context() if missing == "context" else None
    decision = decide(*case.values(), Policy())
    assert decision.side == NO_TRADE and decision.position_size == 0
    assert [gate.name for gate in decision.gates] == NAMES


def no_more(small, large):
    # rounding of the quotients, no more
    assert small <= large * (1 + 1e-12)


def size_of(forecast, risk, **policy):
    policy = {"market_type": "swap", "kelly_fraction": 0.01, **policy}
    return decide(forecast, trend, GOOD, risk, Policy(**policy)).position_size


@given(paying, calm_risks, st.floats(1, 3), st.floats(0, 0.5))
@settings(max_examples=300, deadline=None)
def test_the_position_never_grows_with_what_is_worse(forecast, risk, times, more):
    size = size_of(forecast, risk)
    worse = [
        (replace(forecast, volatility=forecast.volatility * times), risk, {}),
        (replace(forecast, risk_score=min(1, forecast.risk_score + more)), risk, {}),
        (forecast, replace(risk, total_exposure=risk.total_exposure + more), {}),
        (forecast, replace(risk, correlated_exposure=risk.correlated_exposure + more), {}),
        (forecast, replace(risk, daily_drawdown=risk.daily_drawdown + more), {}),
        (forecast, risk, {"fees_bps": 10 * times}),
        (forecast, risk, {"stop_volatilities": 2 * times}),
    ]
    for other_forecast, other_risk, policy in worse:
        no_more(size_of(other_forecast, other_risk, **policy), size)


@given(paying, calm_risks, st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_the_position_never_shrinks_with_the_probability(forecast, risk, share):
    up = forecast.prob_up
    surer = up + share * ((1 if up > 0.5 else 0) - up)
    no_more(size_of(forecast, risk), size_of(replace(forecast, prob_up=surer), risk))


FIRST = {
    "killed": ("trading is killed",),
    "paused": ("paused",),
    "data_fresh": ("behind the last", "not known which candle", "has not closed"),
    "data_sound": ("not sound", "not looked at"),
    "inputs_complete": ("no value at this candle", "not computed"),
    "model_valid": ("forecast may not be used", "there is no forecast"),
    "model_age": ("MAX_MODEL_AGE_DAYS", "until when the models", "until after this candle"),
    "in_distribution": ("outside the range",),
    "dissimilarity": ("unlike the training data", "unlike its training data"),
    "regime": ("regime",),
    "probability": ("probability of",),
    "expected_return": ("expected return of a",),
    "cost": ("expected move",),
    "risk": ("risk score",),
    "drift": ("has drifted",),
    "cooldown": ("rests after a loss",),
    "daily_drawdown": ("drawdown of the day",),
    "weekly_drawdown": ("drawdown of the week",),
    "tail_loss": ("worst twentieth",),
    "consecutive_losses": ("trades in a row",),
    "symbol_exposure": ("kept but not renewed",),
    "correlated_exposure": ("symbols that move together",),
    "total_exposure": ("other symbols",),
    "ledger": ("does not match the ledger",),
    "size": ("position size", "no stop"),
}


@given(cases())
@settings(max_examples=250, deadline=None)
def test_no_trade_names_the_first_gate_that_failed(case):
    _, _, context, _, _ = case
    decision = decide(*case)
    failed = [gate.name for gate in decision.gates if not gate.passed]
    if context.failure is not None:
        assert decision.reason.startswith("a step failed: fetch: x")
    elif failed:
        assert any(words in decision.reason for words in FIRST[failed[0]]), decision.reason
