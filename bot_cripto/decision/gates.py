"""The gates: each asks one question of a forecast, and all of them are always answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot_cripto.decision.regime import HIGH_VOL, RANGE, Regime
from bot_cripto.decision.thresholds import Policy, round_trip_cost
from bot_cripto.forecast import Forecast

LONG = "LONG"
SHORT = "SHORT"

TRADED = "traded"
FILLED = "filled"
MISSING = "missing"


@dataclass(frozen=True)
class Context:
    """What is known of the candle and the models beside the forecast; unknown means not passed.

    Attributes
    ----------
    stale_candles : int or None
        How many candles have closed after the one that was judged; None: not known.
    last_candle : str or None
        TRADED, FILLED (it stands in for a missing one) or MISSING; None: not looked at.
    quality_problems : tuple of str
        What is wrong with the candles that the features stand on.
    missing_features : tuple of str or None
        Features without a value at this candle; None: features were not computed.
    model_problems : tuple of str
        Why the models may not be used, e.g. that they are of another timeframe.
    model_notes : tuple of str
        What an operator must know of the models, without it standing in the way.
    model_provisional : bool
        The models have not been judged by a retrain: paper only.
    failure : str or None
        The step that failed and why, e.g. ``fetch: binance answered 451``.
    """

    stale_candles: int | None = None
    last_candle: str | None = None
    quality_problems: tuple[str, ...] = ()
    missing_features: tuple[str, ...] | None = None
    model_problems: tuple[str, ...] = ()
    model_notes: tuple[str, ...] = ()
    model_provisional: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class Gate:
    """The answer of one gate.

    Attributes
    ----------
    name : str
        Stable name in snake_case.
    value : float or None
        What was measured; None: there was nothing to measure. Yes or no is 1 or 0.
    threshold : float
        What it was measured against, in the unit of `value`.
    margin : float or None
        Distance to the threshold in the unit of `value`; at least 0 exactly when passed.
    passed : bool
        False too when nothing could be measured.
    """

    name: str
    value: float | None
    threshold: float
    margin: float | None
    passed: bool


@dataclass(frozen=True)
class Case:
    """All that a gate may look at; `forecast` is None when there is none or it is not sound."""

    side: str
    forecast: Forecast | None
    forecast_problems: tuple[str, ...]
    regime: Regime | None
    context: Context
    policy: Policy

    @property
    def sign(self) -> float:
        """Return 1 for LONG and -1 for SHORT."""
        return 1.0 if self.side == LONG else -1.0


@dataclass(frozen=True)
class Rule:
    """How a gate measures, and how it tells people what it would take.

    Attributes
    ----------
    name : str
        Stable name in snake_case.
    measure : callable
        From a `Case` to (value or None, threshold, sign): sign 1 when the value must be at least
        the threshold, -1 when at most, 0 when strictly above.
    shortfall : callable
        From a `Case` and its `Gate` that failed to the sentence that says why.
    """

    name: str
    measure: Callable[[Case], tuple[float | None, float, int]]
    shortfall: Callable[[Case, Gate], str]


def forecast_problems(forecast: Forecast | None) -> tuple[str, ...]:
    """Return what makes a forecast unusable: numbers not finite, out of range or out of order."""
    if forecast is None:
        return ()
    found = []
    for name in ("prob_up", "risk_score", "risk_rank"):
        value = getattr(forecast, name)
        if not 0 <= value <= 1:
            found.append(f"{name} is {value}, not between 0 and 1")
    for name in ("expected_return", "p10", "p50", "p90", "volatility"):
        value = getattr(forecast, name)
        if not math.isfinite(value):
            found.append(f"{name} is {value}")
    if not found and forecast.volatility < 0:
        found.append(f"volatility is {forecast.volatility}, below 0")
    if not found and not forecast.p10 <= forecast.p50 <= forecast.p90:
        found.append(f"quantiles cross: {forecast.p10}, {forecast.p50}, {forecast.p90}")
    return tuple(found)


def better_side(forecast: Forecast | None) -> str:
    """Return the side to judge: the more probable one; at one half the expected return decides."""
    if forecast is None:
        return LONG
    if forecast.prob_up != 0.5:
        return LONG if forecast.prob_up > 0.5 else SHORT
    return LONG if forecast.expected_return >= 0 else SHORT


def evaluate(case: Case) -> tuple[Gate, ...]:
    """Return the answers of all `GATES`, in their order, whatever the answers are."""
    return tuple(_answer(rule, case) for rule in GATES)


def shortfall(case: Case, gate: Gate) -> str:
    """Return why a gate failed and what it would take, as a sentence without a full stop."""
    rule = next(rule for rule in GATES if rule.name == gate.name)
    return rule.shortfall(case, gate)


def _answer(rule: Rule, case: Case) -> Gate:
    value, threshold, sign = rule.measure(case)
    if value is None or not math.isfinite(value):
        return Gate(rule.name, None, threshold, None, False)
    margin = float(threshold - value if sign < 0 else value - threshold)
    if sign == 0 and margin == 0:
        # strictly above: equality is short by the smallest step there is
        margin = -math.ulp(threshold)
    return Gate(rule.name, float(value), float(threshold), margin, margin >= 0)


def numbers(value: float, threshold: float) -> tuple[str, str]:
    """Return both numbers in the fewest digits (at least four) that tell them apart."""
    for digits in range(4, 17):
        pair = f"{value:.{digits}g}", f"{threshold:.{digits}g}"
        if pair[0] != pair[1] or value == threshold:
            return pair
    return repr(value), repr(threshold)


def _fresh(case: Case) -> tuple[float | None, float, int]:
    stale = case.context.stale_candles
    # a candle after the last closed one is no closed candle
    return None if stale is not None and stale < 0 else stale, case.policy.max_data_age_candles, -1


def _fresh_short(case: Case, gate: Gate) -> str:
    if gate.value is None:
        known = case.context.stale_candles is not None
        return "the candle has not closed" if known else "it is not known which candle closed last"
    return (
        f"the candles are {gate.value:.0f} behind the last closed one, "
        f"{gate.threshold:.0f} are allowed: it would take newer candles"
    )


def _sound(case: Case) -> tuple[float | None, float, int]:
    if case.context.last_candle is None:
        return None, 1, 1
    return case.context.last_candle == TRADED and not case.context.quality_problems, 1, 1


def _sound_short(case: Case, gate: Gate) -> str:
    if gate.value is None:
        return "the last candle was not looked at"
    found = list(case.context.quality_problems)
    if case.context.last_candle != TRADED:
        found.insert(0, f"the last candle is {case.context.last_candle}")
    return "the candles are not sound: " + ", ".join(found)


def _complete(case: Case) -> tuple[float | None, float, int]:
    missing = case.context.missing_features
    return None if missing is None else not missing, 1, 1


def _complete_short(case: Case, gate: Gate) -> str:
    missing = case.context.missing_features
    if missing is None:
        return "the features were not computed"
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return f"features have no value at this candle: {', '.join(missing[:5])}{more}"


def _valid(case: Case) -> tuple[float | None, float, int]:
    if case.context.model_problems or case.forecast_problems:
        return 0, 1, 1
    return None if case.forecast is None else 1, 1, 1


def _valid_short(case: Case, gate: Gate) -> str:
    found = case.context.model_problems + case.forecast_problems
    return "the forecast may not be used: " + ", ".join(found) if found else "there is no forecast"


def _regime(case: Case) -> tuple[float | None, float, int]:
    if case.regime is None:
        return None, 1, 1
    blocked = (case.regime.name == RANGE and not case.policy.allow_range) or (
        case.regime.name == HIGH_VOL and not case.policy.allow_high_vol
    )
    return not blocked, 1, 1


def _regime_short(case: Case, gate: Gate) -> str:
    if case.regime is None:
        return "there is no regime"
    return (
        f"the regime {case.regime.name} blocks entries: it would take a trend, "
        f"or ALLOW_{case.regime.name}"
    )


def _probability(case: Case) -> tuple[float | None, float, int]:
    if case.forecast is None:
        return None, case.policy.prob_min, 1
    up = case.forecast.prob_up
    return up if case.side == LONG else 1 - up, case.policy.prob_min, 1


def _expected(case: Case) -> tuple[float | None, float, int]:
    gain = None if case.forecast is None else case.sign * case.forecast.expected_return
    return gain, case.policy.min_expected_return, 1


def _cost(case: Case) -> tuple[float | None, float, int]:
    move = None if case.forecast is None else abs(case.forecast.expected_return)
    return move, round_trip_cost(case.policy), 0


def _risk(case: Case) -> tuple[float | None, float, int]:
    return None if case.forecast is None else case.forecast.risk_score, case.policy.risk_max, -1


def _below(what: Callable[[Case], str], threshold: str) -> Callable[[Case, Gate], str]:
    def sentence(case: Case, gate: Gate) -> str:
        if gate.value is None or gate.margin is None:
            return f"there is no forecast to tell the {what(case)}"
        value, limit = numbers(gate.value, gate.threshold)
        side, way = ("above", "less") if gate.value > gate.threshold else ("below", "more")
        if gate.value == gate.threshold:
            return f"{what(case)} {value} is no more than {threshold} {limit}"
        return (
            f"{what(case)} {value} is {side} {threshold} {limit}: "
            f"it would take {-gate.margin:.4g} {way}"
        )

    return sentence


def _direction(case: Case) -> str:
    return "probability of up" if case.side == LONG else "probability of down"


GATES: tuple[Rule, ...] = (
    Rule("data_fresh", _fresh, _fresh_short),
    Rule("data_sound", _sound, _sound_short),
    Rule("inputs_complete", _complete, _complete_short),
    Rule("model_valid", _valid, _valid_short),
    Rule("regime", _regime, _regime_short),
    Rule("probability", _probability, _below(_direction, "PROB_MIN")),
    Rule(
        "expected_return",
        _expected,
        _below(lambda case: f"expected return of a {case.side}", "MIN_EXPECTED_RETURN"),
    ),
    Rule("cost", _cost, _below(lambda case: "expected move", "the cost of the round trip")),
    Rule("risk", _risk, _below(lambda case: "risk score", "RISK_MAX")),
)
"""Every gate in its fixed order; a new one is one more `Rule`."""
