"""The decision: a pure function of forecast, regime, context and policy."""

from __future__ import annotations

from dataclasses import dataclass

from bot_cripto.decision import gates
from bot_cripto.decision.gates import LONG, Case, Context, Gate
from bot_cripto.decision.regime import Regime
from bot_cripto.decision.sizing import Factor, volatility_size
from bot_cripto.decision.thresholds import Policy, round_trip_cost
from bot_cripto.forecast import Forecast

__all__ = ["NO_TRADE", "Context", "Decision", "Policy", "decide", "round_trip_cost"]

NO_TRADE = "NO_TRADE"


@dataclass(frozen=True)
class Decision:
    """What to do at one candle, and everything that led to it.

    Attributes
    ----------
    side : str
        LONG, SHORT or NO_TRADE.
    confidence : float
        Probability of the side's direction, in [0, 1]; 0 for NO_TRADE.
    reason : str
        One sentence; for NO_TRADE the first gate that failed and what it would take.
    gates : tuple of Gate
        Every gate, also those that passed, in their fixed order.
    risk_allowed : bool
        Whether the risk gate passed.
    risk_reason : str
        The risk gate in words.
    position_size : float
        Fraction of equity, 0 for NO_TRADE.
    factors : tuple of Factor
        What the size was made from; empty for NO_TRADE.
    """

    side: str
    confidence: float
    reason: str
    gates: tuple[Gate, ...]
    risk_allowed: bool
    risk_reason: str
    position_size: float
    factors: tuple[Factor, ...]


def decide(
    forecast: Forecast | None, regime: Regime | None, context: Context, policy: Policy
) -> Decision:
    """Decide at one closed candle.

    LONG or SHORT when every gate passes for the better side, else NO_TRADE: what is missing,
    NaN, out of range or failed never ends in a position.

    Parameters
    ----------
    forecast : Forecast or None
        None when there is none; one with NaN or crossing quantiles is treated likewise.
    regime : Regime or None
        None when it could not be told.
    context : Context
        Facts of the candle and the models.
    policy : Policy
        Thresholds, costs and limits.

    Notes
    -----
    SHORT is a direction; what it means on a spot market is for the execution to say.
    """
    problems = gates.forecast_problems(forecast)
    sound = None if problems else forecast
    side = gates.better_side(sound)
    case = Case(side, sound, problems, regime, context, policy)
    answers = gates.evaluate(case)
    risk = next(gate for gate in answers if gate.name == "risk")
    notes = _notes(forecast, context)
    failed = next((gate for gate in answers if not gate.passed), None)
    if context.failure is not None or failed is not None or sound is None:
        return Decision(
            NO_TRADE,
            0.0,
            _one_line(_why_not(case, failed) + notes),
            answers,
            risk.passed,
            _risk_reason(case, risk),
            0.0,
            (),
        )
    up = float(sound.prob_up)
    sizing = volatility_size(sound.volatility, policy.risk_per_trade, policy.max_position_size)
    return Decision(
        side,
        up if side == LONG else 1 - up,
        _one_line(_why(side, sound) + notes),
        answers,
        risk.passed,
        _risk_reason(case, risk),
        sizing.position_size,
        sizing.factors,
    )


def _why(side: str, forecast: Forecast) -> str:
    up = forecast.prob_up
    direction, probability = ("up", up) if side == LONG else ("down", 1 - up)
    return (
        f"every gate passes: probability of {direction} {probability:.4g}, "
        f"expected return {forecast.expected_return:.4g}, risk score {forecast.risk_score:.4g}"
    )


def _why_not(case: Case, failed: Gate | None) -> str:
    if case.context.failure is not None:
        return f"a step failed: {case.context.failure}"
    return "there is no forecast" if failed is None else gates.shortfall(case, failed)


def _risk_reason(case: Case, risk: Gate) -> str:
    if not risk.passed or risk.value is None:
        return gates.shortfall(case, risk)
    value, limit = gates.numbers(risk.value, risk.threshold)
    return f"risk score {value} is at most RISK_MAX {limit}"


def _notes(forecast: Forecast | None, context: Context) -> str:
    notes = [*(forecast.notes if forecast else ()), *context.model_notes]
    if context.model_provisional:
        notes.append("the models are provisional, for paper only")
    return "".join(f"; {note}" for note in dict.fromkeys(notes))


def _one_line(text: str) -> str:
    # a file name that is no UTF-8 must not keep its own failure from being told
    return " ".join(text.encode(errors="replace").decode().split())
