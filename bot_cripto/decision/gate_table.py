"""Every gate in its fixed order; a new one is one more `Rule`."""

from __future__ import annotations

from bot_cripto.decision import market_gates as market
from bot_cripto.decision import portfolio_gates as portfolio
from bot_cripto.decision.gates import (
    ABOVE,
    AT_LEAST,
    AT_MOST,
    BELOW,
    Case,
    Context,
    Gate,
    Rule,
    answer,
)
from bot_cripto.decision.market_gates import forecast_short
from bot_cripto.decision.portfolio_gates import drawdown_short, exposure_short
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.soundness import risk_problems
from bot_cripto.decision.thresholds import Policy

GATES: tuple[Rule, ...] = (
    Rule("killed", AT_MOST, portfolio.killed, portfolio.killed_short),
    Rule("paused", AT_MOST, portfolio.paused, portfolio.paused_short),
    Rule("data_fresh", AT_MOST, market.data_fresh, market.data_fresh_short),
    Rule("data_sound", AT_LEAST, market.data_sound, market.data_sound_short),
    Rule("inputs_complete", AT_LEAST, market.inputs_complete, market.inputs_complete_short),
    Rule("model_valid", AT_LEAST, market.model_valid, market.model_valid_short),
    Rule("model_age", AT_MOST, market.model_age, market.model_age_short),
    Rule("in_distribution", AT_MOST, market.in_distribution, market.in_distribution_short),
    Rule("dissimilarity", AT_MOST, market.dissimilarity, market.dissimilarity_short),
    Rule("regime", AT_LEAST, market.regime, market.regime_short),
    Rule("probability", AT_LEAST, market.probability, forecast_short(market.direction, "PROB_MIN")),
    Rule(
        "expected_return",
        AT_LEAST,
        market.expected_return,
        forecast_short(lambda case: f"expected return of a {case.side}", "MIN_EXPECTED_RETURN"),
    ),
    Rule(
        "cost",
        ABOVE,
        market.cost,
        forecast_short(lambda case: "expected move", "the cost of the round trip"),
    ),
    Rule("risk", AT_MOST, market.risk, forecast_short(lambda case: "risk score", "RISK_MAX")),
    Rule("drift", AT_MOST, portfolio.drift, portfolio.drift_short),
    Rule("cooldown", AT_MOST, portfolio.cooldown, portfolio.cooldown_short),
    Rule(
        "daily_drawdown",
        BELOW,
        portfolio.daily_drawdown,
        drawdown_short("day", "MAX_DAILY_DRAWDOWN", "the next day"),
    ),
    Rule(
        "weekly_drawdown",
        BELOW,
        portfolio.weekly_drawdown,
        drawdown_short("week", "MAX_WEEKLY_DRAWDOWN", "the next Monday"),
    ),
    Rule("tail_loss", AT_MOST, portfolio.tail_loss, portfolio.tail_loss_short),
    Rule(
        "consecutive_losses",
        BELOW,
        portfolio.consecutive_losses,
        portfolio.consecutive_losses_short,
    ),
    Rule("symbol_exposure", AT_MOST, portfolio.symbol_exposure, portfolio.symbol_exposure_short),
    Rule(
        "correlated_exposure",
        AT_MOST,
        portfolio.correlated_exposure,
        exposure_short("symbols that move together", "MAX_CORRELATED_EXPOSURE"),
    ),
    Rule(
        "total_exposure",
        AT_MOST,
        portfolio.total_exposure,
        exposure_short("other symbols", "MAX_TOTAL_EXPOSURE"),
    ),
    Rule("ledger", AT_LEAST, portfolio.ledger, portfolio.ledger_short),
    Rule("size", AT_LEAST, portfolio.size, portfolio.size_short),
)
"""Every gate in the order in which the first that fails is named."""

RISK_GATES = frozenset(
    {"killed", "paused"}
    | {rule.name for rule in GATES[[rule.name for rule in GATES].index("risk") :]} - {"size"}
)
"""The gates that ask whether risk may be taken at all: switches, risk score and portfolio."""


def evaluate(case: Case) -> tuple[Gate, ...]:
    """Return the answers of all `GATES`, in their order, whatever the answers are."""
    return tuple(answer(rule, case) for rule in GATES)


def shortfall(case: Case, gate: Gate) -> str:
    """Return why a gate failed and what it would take, as a sentence without a full stop."""
    rule = next(rule for rule in GATES if rule.name == gate.name)
    return rule.shortfall(case, gate)


def portfolio_refusal(side: str, risk: RiskState | None, policy: Policy) -> str | None:
    """Return why the portfolio allows no entry of that side, whatever is forecast; else None.

    For the moment before an order, when more may be known than when the signal was made.
    """
    problems = risk_problems(risk)
    known = None if problems else risk
    case = Case(side, None, (), None, Context(), known, problems, None, policy)
    for rule in GATES:
        if rule.name in RISK_GATES and rule.name != "risk":
            gate = answer(rule, case)
            if not gate.passed:
                return rule.shortfall(case, gate)
    return None
