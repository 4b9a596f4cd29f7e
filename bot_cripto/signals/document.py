"""The signal document: built from a decision, checked before anybody reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bot_cripto.decision.gates import Context
from bot_cripto.decision.policy import Decision, Policy, decide
from bot_cripto.decision.regime import Regime
from bot_cripto.decision.soundness import forecast_problems
from bot_cripto.errors import DataError
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.signals.contradictions import FORECAST_FIELDS, SIMULATED_SOURCE, contradiction
from bot_cripto.timeframes import iso, timeframe_ms

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("signal.schema.json")

VALID_TIMEFRAMES = 2
"""A signal is valid until the next close plus one timeframe, in which its successor is made."""

KINDS = ("trend", "return", "risk")
BASELINE = "baseline"


@dataclass(frozen=True)
class Provenance:
    """What the signal was made with; None where it is not known.

    Attributes
    ----------
    git_commit : str or None
        Commit of the code; None outside a checkout.
    code_sha256, config_sha256, candles_sha256, features_sha256 : str or None
        Content hashes; a position needs all four.
    risk_state_sha256 : str or None
        Hash of the state of the portfolio, which a position needs too.
    """

    git_commit: str | None = None
    code_sha256: str | None = None
    config_sha256: str | None = None
    candles_sha256: str | None = None
    features_sha256: str | None = None
    risk_state_sha256: str | None = None


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
    live : bool
        Whether orders are sent for it; made-up prices are SIMULATED all the same.
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
    live: bool = False


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
        **{
            name: None if sound is None else float(getattr(sound, name)) for name in FORECAST_FIELDS
        },
        "decision": decision.side,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "regime": regime.name if regime else None,
        "regime_reason": regime.reason if regime else None,
        "risk_allowed": decision.risk_allowed,
        "risk_reason": decision.risk_reason,
        "position_size": decision.position_size,
        "equity": None if facts.equity is None else float(facts.equity),
        "sizing": [dict(vars(factor)) for factor in decision.factors],
        "gates": [dict(vars(gate)) for gate in decision.gates],
        "mode": _mode(facts),
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
    document = build(decide(None, None, context, None, policy or Policy()), None, None, facts)
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
    found = _schema_problem(document) or _order_problem(document) or contradiction(document)
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


def _mode(facts: Facts) -> str:
    if facts.source == SIMULATED_SOURCE:
        return "SIMULATED"
    return "LIVE" if facts.live else "PAPER"


def _models(forecast: Forecast | None) -> dict[str, Any]:
    uses: dict[str, ModelUse] = forecast.models if forecast else {}
    stand_in = uses.get(BASELINE)
    chosen = {kind: uses.get(kind, stand_in) for kind in KINDS}
    return {kind: asdict(use) if use else None for kind, use in chosen.items()}


def _order_problem(document: dict[str, Any]) -> str | None:
    if list(document) != load_schema()["required"]:
        return "its keys are not in the order of the schema"
    return None
