"""The decision, as pure functions: no files, no network, no clock, no numpy."""

from bot_cripto.decision.gate_table import GATES, RISK_GATES
from bot_cripto.decision.gates import FILLED, MISSING, TRADED, Context, Gate
from bot_cripto.decision.policy import NO_TRADE, Decision, decide
from bot_cripto.decision.regime import HIGH_VOL, RANGE, TREND_DOWN, TREND_UP, Regime, classify
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.sizing import LIMITS, Factor, Sizing, kelly, size_position
from bot_cripto.decision.soundness import LONG, SHORT, forecast_problems, risk_problems
from bot_cripto.decision.thresholds import Policy, policy_of, round_trip_cost

__all__ = [
    "FILLED",
    "GATES",
    "HIGH_VOL",
    "LIMITS",
    "LONG",
    "MISSING",
    "NO_TRADE",
    "RANGE",
    "RISK_GATES",
    "SHORT",
    "TRADED",
    "TREND_DOWN",
    "TREND_UP",
    "Context",
    "Decision",
    "Factor",
    "Gate",
    "Policy",
    "Regime",
    "RiskState",
    "Sizing",
    "classify",
    "decide",
    "forecast_problems",
    "kelly",
    "policy_of",
    "risk_problems",
    "round_trip_cost",
    "size_position",
]
