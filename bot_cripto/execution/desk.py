"""The desk: what every symbol's forecast becomes, decided one after the other on one portfolio.

The live signal and the backtest decide here. Symbols are decided in their configured order; what
an earlier one is going to take counts as taken for the later ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot_cripto.decision.gates import LONG, SHORT, Context
from bot_cripto.decision.policy import Decision, Policy, decide
from bot_cripto.decision.regime import Regime, classify
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.forecast import Forecast
from bot_cripto.provenance import sha256_json
from bot_cripto.signals.document import Facts, Provenance, build
from bot_cripto.timeframes import DAY_MS

STATE_KEYS = (
    "symbols",
    "source",
    "source_name",
    "market",
    "timeframe",
    "live_mode",
    "market_type",
    "initial_equity",
    "max_total_exposure",
    "correlation_min",
    "risk_cooldown_minutes",
    "fees_bps",
    "spread_bps",
    "slippage_bps",
    "funding_bps",
    "exchange",
    "exchange_base_url",
)
"""Settings that a risk state follows from, beside what is in ledger, journal and candles."""


@dataclass(frozen=True)
class Case:
    """What is known of one symbol at a candle, beside the portfolio."""

    forecast: Forecast | None
    regime: Regime | None
    context: Context


REGIME_FEATURES = ("atr14_pct", "adx14", "plus_di14", "minus_di14")
"""Features that the regime is told from, in the order of `regime_of`."""


def regime_of(values: Sequence[float], settings: Mapping[str, Any]) -> Regime | None:
    """Return the regime of one candle; None where one of the values is missing.

    Parameters
    ----------
    values : sequence of float
        Of `REGIME_FEATURES`, in their order.
    settings : mapping
        ``regime_adx_trend_min`` and ``regime_atr_high_vol_pct``.
    """
    if not all(math.isfinite(value) for value in values):
        return None
    atr_pct, adx, plus_di, minus_di = values
    return classify(
        atr_pct,
        adx,
        plus_di,
        minus_di,
        adx_trend_min=settings["regime_adx_trend_min"],
        atr_high_vol_pct=settings["regime_atr_high_vol_pct"],
    )


def model_age_days(forecast: Forecast | None, close_ms: int) -> float | None:
    """Return the days from the training cutoff of the oldest model in use to a candle's close."""
    if forecast is None or forecast.trained_until_ms is None:
        return None
    return (close_ms - forecast.trained_until_ms) / DAY_MS


@dataclass(frozen=True)
class Ruling:
    """A decision and the risk state that it was made in."""

    case: Case
    risk: RiskState | None
    decision: Decision


def decide_all(
    cases: Mapping[str, Case],
    risks: Mapping[str, RiskState | None],
    correlated: Mapping[str, frozenset[str]],
    policy: Policy,
) -> dict[str, Ruling]:
    """Decide every symbol at one candle.

    Parameters
    ----------
    cases : mapping of str to Case
        By symbol, in the order of the configuration.
    risks : mapping of str to RiskState or None
        The state of the portfolio as each symbol sees it before anything of this candle; None
        where it is not known, which allows no entry.
    correlated : mapping of str to frozenset of str
        Which symbols move together; one that it does not hold counts as moving with all.
    policy : Policy

    Returns
    -------
    dict of str to Ruling
        By symbol, in the order of `cases`.
    """
    rulings: dict[str, Ruling] = {}
    planned: dict[str, float] = {}
    for symbol, case in cases.items():
        risk = risks.get(symbol)
        if risk is not None:
            risk = _with_planned(risk, symbol, planned, correlated)
        decision = decide(case.forecast, case.regime, case.context, risk, policy)
        rulings[symbol] = Ruling(case, risk, decision)
        if decision.side in (LONG, SHORT) and not _holds(risk, decision.side, policy):
            planned[symbol] = decision.position_size
    return rulings


def _holds(risk: RiskState | None, side: str, policy: Policy) -> bool:
    """Whether the side is held already, by more than what fees left behind."""
    if risk is None or risk.position != side:
        return False
    return risk.symbol_exposure >= policy.min_position_size


def _with_planned(
    risk: RiskState,
    symbol: str,
    planned: Mapping[str, float],
    correlated: Mapping[str, frozenset[str]],
) -> RiskState:
    """Return the state with what the symbols before are going to take."""
    if not planned:
        return risk
    together = sum(
        size for other, size in planned.items() if move_together(symbol, other, correlated)
    )
    return replace(
        risk,
        total_exposure=risk.total_exposure + sum(planned.values()),
        correlated_exposure=risk.correlated_exposure + together,
    )


def move_together(one: str, other: str, correlated: Mapping[str, frozenset[str]]) -> bool:
    """Return whether two symbols count together; what is not known counts as yes."""
    return one not in correlated or other not in correlated or other in correlated[one]


def facts_of(
    settings: Mapping[str, Any],
    symbol: str,
    close_ms: int,
    made_ms: int,
    provenance: Provenance,
    revision: int = 0,
    *,
    live: bool,
) -> Facts:
    """Return what a signal says beside its decision.

    Parameters
    ----------
    settings : mapping
        The effective settings.
    symbol : str
    close_ms, made_ms : int
        Close of the candle and the moment of the decision, milliseconds since the epoch, UTC.
    provenance : Provenance
    revision : int
    live : bool
        Whether it is of the account with real money; a walk over the past never is.
    """
    return Facts(
        made_ms=made_ms,
        candle_close_ms=close_ms,
        source=settings["source_name"],
        symbol=symbol,
        timeframe=settings["timeframe"],
        horizon_steps=settings["horizon_steps"],
        equity=settings["initial_equity"],
        revision=revision,
        provenance=provenance,
        live=live,
    )


def document_of(ruling: Ruling, facts: Facts, problem: str | None = None) -> dict[str, Any]:
    """Return the signal document of a ruling, which names the hash of its risk state.

    Parameters
    ----------
    ruling : Ruling
    facts : Facts
        Its equity is that of the risk state, where there is one.
    problem : str, optional
        Why there is no risk state; it is added to the reason.

    Raises
    ------
    DataError
        The document would break the schema.
    """
    if ruling.risk is not None:
        digest = sha256_json(ruling.risk.to_json())
        provenance = replace(facts.provenance, risk_state_sha256=digest)
        facts = replace(facts, equity=ruling.risk.equity, provenance=provenance)
    document = build(ruling.decision, ruling.case.forecast, ruling.case.regime, facts)
    if problem is not None and ruling.case.context.failure is None:
        document["reason"] += f"; the risk state is not known: {' '.join(problem.split())}"
    return document
