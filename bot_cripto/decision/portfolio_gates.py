"""The gates that look at the portfolio, the operator's switches and the size; none may guess."""

from __future__ import annotations

from collections.abc import Callable

from bot_cripto.decision.gates import Case, Gate, Measured, compared, numbers
from bot_cripto.decision.risk_state import RiskState

Sentence = Callable[[Case, Gate], str]
OfKnown = Callable[[Case, Gate, RiskState], str]

GROWTH = 1.25
"""A position is never added to; by gains alone it may grow to so many times its greatest size."""


def _known(case: Case, of: Callable[[RiskState], float | None]) -> float | None:
    return None if case.risk is None else of(case.risk)


def _unless_unknown(what: str, sentence: OfKnown) -> Sentence:
    """Return the sentence, or that nothing is known where there is no state of the portfolio."""

    def said(case: Case, gate: Gate) -> str:
        if case.risk is not None:
            return sentence(case, gate, case.risk)
        why = ", ".join(case.risk_problems)
        return f"{what} is not known: " + (
            f"the state of the portfolio may not be used ({why}): it would take a sound one"
            if why
            else "it would take the state of the portfolio, which the ledger did not give"
        )

    return said


def killed(case: Case) -> Measured:
    """Measure whether the operator has killed trading (1) or not (0)."""
    return _known(case, lambda risk: risk.killed is not None), 0


def paused(case: Case) -> Measured:
    """Measure whether the operator has paused entries (1) or not (0)."""
    return _known(case, lambda risk: risk.paused is not None), 0


def drift(case: Case) -> Measured:
    """Measure whether drift was found (1) or not (0); 1 is allowed where drift does not block."""
    return _known(case, lambda risk: risk.drift is not None), 0 if case.policy.block_on_drift else 1


def cooldown(case: Case) -> Measured:
    """Measure the minutes that the symbol must still rest."""
    return _known(case, lambda risk: risk.cooldown_minutes), 0


def daily_drawdown(case: Case) -> Measured:
    """Measure the deepest drawdown of the day."""
    return _known(case, lambda risk: risk.daily_drawdown), case.policy.max_daily_drawdown


def weekly_drawdown(case: Case) -> Measured:
    """Measure the deepest drawdown of the week."""
    return _known(case, lambda risk: risk.weekly_drawdown), case.policy.max_weekly_drawdown


def tail_loss(case: Case) -> Measured:
    """Measure the mean of the worst twentieth of the trades (expected shortfall), as a loss."""
    return _known(case, lambda risk: risk.tail_loss), case.policy.max_tail_loss


def consecutive_losses(case: Case) -> Measured:
    """Measure the losing trades in a row."""
    return _known(case, lambda risk: risk.consecutive_losses), case.policy.max_consecutive_losses


def symbol_exposure(case: Case) -> Measured:
    """Measure the exposure of a position of the same side; one of the other side is closed."""
    return _known(
        case, lambda risk: risk.symbol_exposure if risk.position == case.side else 0.0
    ), GROWTH * case.policy.max_position_size


def correlated_exposure(case: Case) -> Measured:
    """Measure what the correlated other symbols hold; room for the least position must remain."""
    limit = case.policy.max_correlated_exposure - case.policy.min_position_size
    return _known(case, lambda risk: risk.correlated_exposure), limit


def total_exposure(case: Case) -> Measured:
    """Measure what all other symbols hold; room for the least position must remain."""
    limit = case.policy.max_total_exposure - case.policy.min_position_size
    return _known(case, lambda risk: risk.total_exposure), limit


def ledger(case: Case) -> Measured:
    """Measure whether the exchange matches the ledger (1)."""
    return _known(case, lambda risk: risk.mismatch is None), 1


def size(case: Case) -> Measured:
    """Measure the position that the sizing allows; what a spot market makes of it is no matter."""
    limit = case.policy.min_position_size
    if case.risk is None or case.sizing is None or not case.sizing.factors:
        return None, limit
    return case.sizing.position_size, limit


killed_short = _unless_unknown(
    "whether trading is killed",
    lambda case, gate, risk: (
        f"trading is killed: {risk.killed}: it would take the operator to release it"
    ),
)
paused_short = _unless_unknown(
    "whether entries are paused",
    lambda case, gate, risk: (
        f"entries are paused: {risk.paused}: it would take the operator to resume them"
    ),
)
drift_short = _unless_unknown(
    "whether performance has drifted",
    lambda case, gate, risk: (
        f"performance has drifted: {risk.drift}: "
        "it would take a recovery or other models, or BLOCK_ON_DRIFT=false"
    ),
)
cooldown_short = _unless_unknown(
    "whether the symbol must rest",
    lambda case, gate, risk: (
        f"the symbol rests after a loss: it would take {gate.value:.4g} more minutes"
    ),
)
consecutive_losses_short = _unless_unknown(
    "how many trades were lost in a row",
    lambda case, gate, risk: (
        f"{gate.value:.0f} trades in a row were lost within 24 hours, MAX_CONSECUTIVE_LOSSES "
        f"{gate.threshold:.0f} stops entries: it would take time, until the first of them is older"
    ),
)
tail_loss_short = _unless_unknown(
    "the tail loss",
    lambda case, gate, risk: (
        compared(gate, "mean loss of the worst twentieth of trades", "MAX_TAIL_LOSS")
        + ", as trades grow older than 30 days"
    ),
)
symbol_exposure_short = _unless_unknown(
    "what the symbol holds",
    lambda case, gate, risk: (
        f"the {case.side} position is kept but not renewed: "
        + compared(gate, "its exposure", f"{GROWTH:g} x MAX_POSITION_SIZE, that is")
    ),
)
ledger_short = _unless_unknown(
    "whether the exchange matches the ledger",
    lambda case, gate, risk: (
        "the exchange does not match the ledger: "
        f"{risk.mismatch}: it would take this to be resolved"
    ),
)


def drawdown_short(period: str, limit: str, end: str) -> Sentence:
    """Return the sentence of a drawdown that reached its limit."""

    def sentence(case: Case, gate: Gate, risk: RiskState) -> str:
        value, threshold = numbers(gate.value or 0.0, gate.threshold)
        return (
            f"drawdown of the {period} {value} has reached {limit} {threshold}: "
            f"it would take {end} (UTC)"
        )

    return _unless_unknown(f"the drawdown of the {period}", sentence)


def exposure_short(whose: str, limit: str) -> Sentence:
    """Return the sentence of an exposure that leaves too little room."""

    def sentence(case: Case, gate: Gate, risk: RiskState) -> str:
        return compared(
            gate, f"exposure of the {whose}", f"{limit} less MIN_POSITION_SIZE, that is"
        )

    return _unless_unknown(f"the exposure of the {whose}", sentence)


def _size_short(case: Case, gate: Gate, risk: RiskState) -> str:
    if case.sizing is None:
        return "there is no forecast to size a position by"
    if gate.value is None:
        return (
            f"a forecast volatility of {case.sizing.volatility:.4g} gives a position no stop: "
            "it would take one above 0 by which a stop can be set"
        )
    return compared(gate, f"position size (bound by {case.sizing.binding})", "MIN_POSITION_SIZE")


size_short = _unless_unknown("the room for a position", _size_short)
