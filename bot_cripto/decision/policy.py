"""The decision: a pure function of forecast, regime, context, risk state and policy."""

from __future__ import annotations

from dataclasses import dataclass

from bot_cripto.decision.gate_table import RISK_GATES, evaluate, shortfall
from bot_cripto.decision.gates import Case, Context, Gate, numbers
from bot_cripto.decision.regime import Regime
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.sizing import Factor, Sizing, size_position
from bot_cripto.decision.soundness import LONG, SHORT, forecast_problems, risk_problems
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
        Whether the gates of risk passed: switches, risk score and portfolio.
    risk_reason : str
        The first of them that failed, in words, or that none did.
    position_size : float
        Fraction of equity; 0 for NO_TRADE and for SHORT on a spot market.
    factors : tuple of Factor
        What a position of the better side would be sized by, also for NO_TRADE; empty without a
        sound forecast, or where its volatility gives no stop.
    stop_distance, target_distance : float or None
        Distance of stop and target from the entry, as fractions of its price; None: none.
    binding : str or None
        Which limit of the size is the least.
    """

    side: str
    confidence: float
    reason: str
    gates: tuple[Gate, ...]
    risk_allowed: bool
    risk_reason: str
    position_size: float
    factors: tuple[Factor, ...]
    stop_distance: float | None
    target_distance: float | None
    binding: str | None


def decide(
    forecast: Forecast | None,
    regime: Regime | None,
    context: Context,
    risk: RiskState | None,
    policy: Policy,
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
    risk : RiskState or None
        The portfolio at the close of the candle; None where the ledger cannot tell, which fails
        every gate that needs it. One with NaN or out of range is treated likewise.
    policy : Policy
        Thresholds, costs and limits.

    Notes
    -----
    SHORT is a direction. On a spot market it has the size 0 and closes a long or stays flat; the
    gate ``size`` is judged there on the size that it would have.
    """
    problems, risk_found = forecast_problems(forecast), risk_problems(risk)
    sound = None if problems else forecast
    known = None if risk_found else risk
    side = better_side(sound)
    sizing = None if sound is None else size_position(sound, side, known, policy)
    case = Case(side, sound, problems, regime, context, known, risk_found, sizing, policy)
    answers = evaluate(case)
    failed = next((gate for gate in answers if not gate.passed), None)
    if context.failure is not None or failed is not None or sound is None or sizing is None:
        chosen, confidence, size = NO_TRADE, 0.0, 0.0
        reason = _why_not(case, failed)
    else:
        up = float(sound.prob_up)
        chosen, confidence, size = side, up if side == LONG else 1 - up, sizing.position_size
        reason = _why(side, sound, sizing)
        if side == SHORT and policy.market_type == "spot":
            size = 0.0
            reason += "; on a spot market SHORT closes a long or stays flat"
    risk_failed = [gate for gate in answers if gate.name in RISK_GATES and not gate.passed]
    return Decision(
        side=chosen,
        confidence=confidence,
        reason=_one_line(reason + _notes(forecast, context)),
        gates=answers,
        risk_allowed=not risk_failed,
        risk_reason=_one_line(_risk_reason(case, answers, risk_failed)),
        position_size=size,
        factors=sizing.factors if sizing else (),
        stop_distance=sizing.stop_distance if sizing else None,
        target_distance=sizing.target_distance if sizing else None,
        binding=sizing.binding if sizing else None,
    )


def better_side(forecast: Forecast | None) -> str:
    """Return the side to judge: the more probable one; at one half the expected return decides."""
    if forecast is None:
        return LONG
    if forecast.prob_up != 0.5:
        return LONG if forecast.prob_up > 0.5 else SHORT
    return LONG if forecast.expected_return >= 0 else SHORT


def _why(side: str, forecast: Forecast, sizing: Sizing) -> str:
    up = forecast.prob_up
    direction, probability = ("up", up) if side == LONG else ("down", 1 - up)
    return (
        f"every gate passes: probability of {direction} {probability:.4g}, "
        f"expected return {forecast.expected_return:.4g}, risk score {forecast.risk_score:.4g}, "
        f"size {sizing.position_size:.4g} of equity bound by {sizing.binding}"
    )


def _why_not(case: Case, failed: Gate | None) -> str:
    if case.context.failure is not None:
        return f"a step failed: {case.context.failure}"
    return "there is no forecast" if failed is None else shortfall(case, failed)


def _risk_reason(case: Case, answers: tuple[Gate, ...], failed: list[Gate]) -> str:
    if failed:
        return shortfall(case, failed[0])
    score = next(gate for gate in answers if gate.name == "risk")
    value, limit = numbers(score.value or 0.0, score.threshold)
    return f"risk score {value} is at most RISK_MAX {limit} and the portfolio allows an entry"


def _notes(forecast: Forecast | None, context: Context) -> str:
    notes = [*(forecast.notes if forecast else ()), *context.model_notes]
    if context.model_provisional:
        notes.append("the models are provisional, for paper only")
    return "".join(f"; {note}" for note in dict.fromkeys(notes))


def _one_line(text: str) -> str:
    # a file name that is no UTF-8 must not keep its own failure from being told
    return " ".join(text.encode(errors="replace").decode().split())
