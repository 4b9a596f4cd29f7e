"""The decision, as pure functions: no files, no network, no clock, no numpy."""

from bot_cripto.decision.gates import (
    FILLED,
    GATES,
    LONG,
    MISSING,
    SHORT,
    TRADED,
    Context,
    Gate,
    forecast_problems,
)
from bot_cripto.decision.policy import NO_TRADE, Decision, decide
from bot_cripto.decision.regime import HIGH_VOL, RANGE, TREND_DOWN, TREND_UP, Regime, classify
from bot_cripto.decision.sizing import Factor, Sizing, volatility_size
from bot_cripto.decision.thresholds import Policy, round_trip_cost

__all__ = [
    "FILLED",
    "GATES",
    "HIGH_VOL",
    "LONG",
    "MISSING",
    "NO_TRADE",
    "RANGE",
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
    "Sizing",
    "classify",
    "decide",
    "forecast_problems",
    "round_trip_cost",
    "volatility_size",
]
