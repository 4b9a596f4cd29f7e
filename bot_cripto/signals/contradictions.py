"""What a signal document must not say at once, which a schema cannot tell."""

from __future__ import annotations

import math
from typing import Any

from bot_cripto.decision.policy import NO_TRADE
from bot_cripto.decision.sizing import LIMITS
from bot_cripto.decision.soundness import LONG, SHORT
from bot_cripto.timeframes import parse_iso

SIMULATED_SOURCE = "simulated"
FORECAST_FIELDS = ("prob_up", "expected_return", "p10", "p50", "p90", "risk_score", "risk_rank")


def contradiction(document: dict[str, Any]) -> str | None:
    """Return how a document that keeps to the schema contradicts itself, or None."""
    return (
        _time_problem(document)
        or _forecast_problem(document)
        or _size_problem(document)
        or _gate_problem(document["gates"])
        or _mode_problem(document)
    )


def _time_problem(document: dict[str, Any]) -> str | None:
    times = {}
    for name in ("ts", "candle_close_time", "valid_until"):
        if document[name] is not None:
            try:
                times[name] = parse_iso(document[name])
            except ValueError:
                return f"{name} is {document[name]!r}, which is no time"
    if "valid_until" not in times:
        return None
    if times["valid_until"] <= times.get("candle_close_time", math.inf):
        return f"valid_until {document['valid_until']} is not after candle_close_time"
    return None


def _forecast_problem(document: dict[str, Any]) -> str | None:
    missing = [name for name in FORECAST_FIELDS if document[name] is None]
    if missing and len(missing) < len(FORECAST_FIELDS):
        return f"{missing[0]} is null while other forecast fields are not"
    if not missing and not document["p10"] <= document["p50"] <= document["p90"]:
        return f"p10 {document['p10']}, p50 {document['p50']}, p90 {document['p90']} cross"
    if (document["regime"] is None) != (document["regime_reason"] is None):
        return "one of regime and regime_reason is null"
    up = document["prob_up"]
    confidence = {LONG: up, SHORT: None if up is None else 1 - up, NO_TRADE: 0.0}
    if document["confidence"] != confidence[document["decision"]]:
        return f"confidence {document['confidence']} does not fit the decision and prob_up {up}"
    return None


def _size_problem(document: dict[str, Any]) -> str | None:
    factors = {factor["name"]: factor["value"] for factor in document["sizing"]}
    if len(factors) < len(document["sizing"]):
        return f"sizing names one factor twice: {', '.join(f['name'] for f in document['sizing'])}"
    if document["decision"] == NO_TRADE:
        return None
    size = document["position_size"]
    missing = [name for name in ("stop_distance", *LIMITS) if name not in factors]
    if missing:
        return f"sizing has no {missing[0]}, which a position needs"
    if not 0 < factors["stop_distance"] < 1:
        return f"stop_distance {factors['stop_distance']} is no distance of a stop"
    least = min(factors[name] for name in LIMITS)
    if size == 0 and document["decision"] == LONG:
        return "position_size is 0, which only a SHORT on a spot market may have"
    if size not in (0, least):
        return f"position_size {size} is not the least of its limits, {least}"
    return None


def _gate_problem(gates: list[dict[str, Any]]) -> str | None:
    names = [gate["name"] for gate in gates]
    if len(set(names)) < len(names):
        return f"gates name one gate twice: {', '.join(names)}"
    for gate in gates:
        if (gate["value"] is None) != (gate["margin"] is None):
            return f"gate {gate['name']} has only one of value and margin"
        if gate["passed"] != (gate["margin"] is not None and gate["margin"] >= 0):
            return f"gate {gate['name']} has passed {gate['passed']}, margin {gate['margin']}"
    return None


def _mode_problem(document: dict[str, Any]) -> str | None:
    if (document["mode"] == "SIMULATED") != (document["source"] == SIMULATED_SOURCE):
        return f"mode {document['mode']} does not fit the source {document['source']!r}"
    return None
