"""The signal document: built from a decision, checked before anybody reads it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bot_cripto.decision.gates import LONG, SHORT, Context, forecast_problems
from bot_cripto.decision.policy import NO_TRADE, Decision, Policy, decide
from bot_cripto.decision.regime import Regime
from bot_cripto.errors import DataError
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.timeframes import iso, parse_iso, timeframe_ms

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("signal.schema.json")

VALID_TIMEFRAMES = 2
"""A signal is valid until the next close plus one timeframe, in which its successor is made."""

SIMULATED_SOURCE = "simulated"
KINDS = ("trend", "return", "risk")
BASELINE = "baseline"

_FORECAST = ("prob_up", "expected_return", "p10", "p50", "p90", "risk_score", "risk_rank")


@dataclass(frozen=True)
class Provenance:
    """What the signal was made with; None where it is not known.

    Attributes
    ----------
    git_commit : str or None
        Commit of the code; None outside a checkout.
    code_sha256, config_sha256, candles_sha256, features_sha256 : str or None
        Content hashes; a position needs all four.
    """

    git_commit: str | None = None
    code_sha256: str | None = None
    config_sha256: str | None = None
    candles_sha256: str | None = None
    features_sha256: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a document says beside the decision; None (only with NO_TRADE) where not known.

    Attributes
    ----------
    made_ms : int
        When it was made, milliseconds since the epoch, UTC.
    candle_close_ms : int or None
        Close time of the candle that the run is for, milliseconds since the epoch, UTC; also
        when the candles do not reach it, else the NO_TRADE would not replace a newer signal.
    source, symbol, timeframe : str or None
        As configured.
    horizon_steps : int or None
        How many candles ahead the forecast looks.
    equity : float or None
        In the quote currency.
    revision : int
        0 for the first decision of a candle, counted up when it is decided again.
    provenance : Provenance
        Hashes of code, configuration and data.
    """

    made_ms: int
    candle_close_ms: int | None = None
    source: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    horizon_steps: int | None = None
    equity: float | None = None
    revision: int = 0
    provenance: Provenance = field(default_factory=Provenance)


def build(
    decision: Decision, forecast: Forecast | None, regime: Regime | None, facts: Facts
) -> dict[str, Any]:
    """Return the signal document of a decision, keys in the order of the schema, validated.

    Parameters
    ----------
    decision : Decision
        As `decide` returned it for this forecast and regime.
    forecast : Forecast or None
        Its fields are null without one, and where it has NaN or crossing quantiles.
    regime : Regime or None
        Its fields are null without one.
    facts : Facts
        Times, names, equity and hashes.

    Raises
    ------
    DataError
        The document would break the schema, e.g. a position without a model version.
    """
    sound = None if forecast_problems(forecast) else forecast
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "ts": iso(facts.made_ms),
        "candle_close_time": None,
        "valid_until": None,
        "source": facts.source,
        "symbol": facts.symbol,
        "timeframe": facts.timeframe,
        "horizon_steps": facts.horizon_steps,
        **{name: None if sound is None else float(getattr(sound, name)) for name in _FORECAST},
        "decision": decision.side,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "regime": regime.name if regime else None,
        "regime_reason": regime.reason if regime else None,
        "risk_allowed": decision.risk_allowed,
        "risk_reason": decision.risk_reason,
        "position_size": decision.position_size,
        "equity": None if facts.equity is None else float(facts.equity),
        "gates": [asdict(gate) for gate in decision.gates],
        "mode": "SIMULATED" if facts.source == SIMULATED_SOURCE else "PAPER",
        "revision": facts.revision,
        "version": {**asdict(facts.provenance), "models": _models(forecast)},
    }
    if facts.candle_close_ms is not None:
        document["candle_close_time"] = iso(facts.candle_close_ms)
        if facts.timeframe is not None:
            length = timeframe_ms(facts.timeframe)
            document["valid_until"] = iso(facts.candle_close_ms + VALID_TIMEFRAMES * length)
    validate(document)
    return document


def failure(step: str, problem: str, facts: Facts, policy: Policy | None = None) -> dict[str, Any]:
    """Return the NO_TRADE document of a step that failed, validated.

    Parameters
    ----------
    step : str
        The step that failed, e.g. ``fetch``.
    problem : str
        What went wrong, free of secrets; line breaks become spaces.
    facts : Facts
        Whatever is known.
    policy : Policy or None
        Thresholds to show with the gates; None, when the configuration could not be read, leaves
        them null.

    Raises
    ------
    DataError
        A fact given breaks the schema.
    """
    context = Context(failure=f"{step}: {problem}")
    document = build(decide(None, None, context, policy or Policy()), None, None, facts)
    if policy is None:
        for gate in document["gates"]:
            gate["threshold"] = None
    return document


def validate(document: Any) -> None:
    """Check a document against the shipped schema and for what a schema cannot say.

    Raises
    ------
    DataError
        Something is missing, superfluous, out of range or contradicts itself; names the field.
    """
    found = _schema_problem(document) or _contradiction(document)
    if found:
        symbol = document.get("symbol") if isinstance(document, dict) else None
        of = f" of {symbol}" if isinstance(symbol, str) else ""
        raise DataError(f"signal{of} is not valid: {found}")


@cache
def load_schema() -> dict[str, Any]:
    """Return the JSON Schema that ships in the package."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


@cache
def _checker() -> Any:
    """Return the compiled schema; imported here because not every process validates."""
    import fastjsonschema

    return fastjsonschema.compile(load_schema(), use_default=False, use_formats=False)


def _schema_problem(document: Any) -> str | None:
    from fastjsonschema import JsonSchemaValueException

    try:
        json.dumps(document, allow_nan=False)
        _checker()(document)
    except JsonSchemaValueException as error:
        name, rule = error.name, error.message.removeprefix(error.name).strip()
        if name == "data":
            return rule
        return f"{name.removeprefix('data.')} is {repr(error.value)[:200]}: it {rule}"
    except ValueError as error:
        return f"it is no JSON: {error}"
    return None


def _models(forecast: Forecast | None) -> dict[str, Any]:
    uses: dict[str, ModelUse] = forecast.models if forecast else {}
    stand_in = uses.get(BASELINE)
    chosen = {kind: uses.get(kind, stand_in) for kind in KINDS}
    return {kind: asdict(use) if use else None for kind, use in chosen.items()}


def _contradiction(document: dict[str, Any]) -> str | None:
    if list(document) != load_schema()["required"]:
        return "its keys are not in the order of the schema"
    return (
        _time_problem(document)
        or _forecast_problem(document)
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
    missing = [name for name in _FORECAST if document[name] is None]
    if missing and len(missing) < len(_FORECAST):
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
