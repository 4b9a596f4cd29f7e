"""What makes a forecast or a state of the portfolio unusable: nothing is decided on it then."""

from __future__ import annotations

import math
from dataclasses import fields

from bot_cripto.decision.risk_state import RiskState
from bot_cripto.forecast import Forecast

LONG = "LONG"
SHORT = "SHORT"

_TEXTS = {"candle_close_time", "account", "position", "drift", "paused", "killed", "mismatch"}
_NUMBERS = tuple(field.name for field in fields(RiskState) if field.name not in _TEXTS)
# a loss in the tail is negative where even the worst trades gained
_SIGNED = {"equity", "tail_loss"}


def forecast_problems(forecast: Forecast | None) -> tuple[str, ...]:
    """Return what makes a forecast unusable: numbers not finite, out of range or out of order."""
    if forecast is None:
        return ()
    found = []
    for name in ("prob_up", "risk_score", "risk_rank"):
        value = getattr(forecast, name)
        if not 0 <= value <= 1:
            found.append(f"{name} is {value}, not between 0 and 1")
    for name in ("expected_return", "p10", "p50", "p90", "volatility", "features"):
        value = getattr(forecast, name)
        if not math.isfinite(value):
            found.append(f"{name} is {value}")
    if not found and forecast.volatility < 0:
        found.append(f"volatility is {forecast.volatility}, below 0")
    if not found and not forecast.p10 <= forecast.p50 <= forecast.p90:
        found.append(f"quantiles cross: {forecast.p10}, {forecast.p50}, {forecast.p90}")
    if not found and not len(forecast.outside) <= forecast.features:
        found.append(
            f"{len(forecast.outside)} features are outside the training range, "
            f"of {forecast.features} that were judged"
        )
    return tuple(found)


def risk_problems(risk: RiskState | None) -> tuple[str, ...]:
    """Return what makes a state of the portfolio unusable: no number, not finite, out of range."""
    if risk is None:
        return ()
    found = []
    for name in _NUMBERS:
        value = getattr(risk, name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            found.append(f"{name} is {value}")
        elif value < 0 and name not in _SIGNED:
            found.append(f"{name} is {value}, below 0")
    if not found and risk.equity <= 0:
        found.append(f"equity is {risk.equity}: there is nothing to trade with")
    if risk.position not in (None, LONG, SHORT):
        found.append(f"position is {risk.position!r}")
    return tuple(found)
