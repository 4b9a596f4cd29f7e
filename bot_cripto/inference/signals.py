"""The case of a symbol at a closed candle, and the stamped signal that its ruling becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot_cripto import atomic
from bot_cripto.decision.gates import Context
from bot_cripto.errors import DataError, ModelError
from bot_cripto.execution.desk import (
    REGIME_FEATURES,
    Case,
    Ruling,
    document_of,
    model_age_days,
    regime_of,
)
from bot_cripto.forecast import Forecast
from bot_cripto.frames import read_columns
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Subject, forecast_row
from bot_cripto.signals.document import Facts
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_candle_id


@dataclass(frozen=True)
class Seen:
    """What was found of one symbol; `failed` names the step that failed, if one did."""

    case: Case
    hashes: dict[str, str | None]
    failed: str | None = None


def read_features(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the status of a symbol's features and their row, empty where it failed.

    Raises
    ------
    DataError
        There are none, or the file is damaged.
    """
    try:
        status = json.loads((folder / "features" / f"{name}.json").read_bytes())
        columns = read_columns(folder / "features" / f"{name}.parquet")
    except FileNotFoundError as error:
        raise DataError(
            f"Feature dataset not found: {error.filename}; run: bot-cripto fetch --days 30, then "
            "bot-cripto features"
        ) from error
    return status, plain_row(columns)


def plain_row(columns: Mapping[str, Any]) -> dict[str, float]:
    """Return the features of `inference.features.row_of` by name; empty where there is no row."""
    return {k: column[0] for k, column in columns.items() if k != "open_time" and len(column)}


def look_at(layout: Layout, settings: dict[str, Any], folder: Path, symbol: str) -> Seen:
    """Return what is known of a symbol at the candle: its forecast, regime and soundness."""
    status, row = read_features(folder, symbol_to_path(symbol))
    hashes = {name: status[name] for name in ("candles_sha256", "features_sha256")}
    if status["error"] is not None:
        step, _, problem = status["error"].partition(": ")
        if step != "build_features":
            step, problem = "fetch_candles", status["error"]
        return Seen(failed_case(f"{step}: {problem}"), hashes, status["error"])
    forecast: Forecast | None = None
    problems: tuple[str, ...] = ()
    provisional = False
    try:
        champion = read_champion(layout.models, symbol)
        provisional = champion is not None and champion.provisional
        if not status["missing"]:
            forecast = forecast_row(
                layout.models,
                champion,
                Subject.of(settings, symbol),
                tuple(row),
                as_row(row),
                vol_ref=settings["model_risk_vol_ref"],
            )
    except (ModelError, DataError) as error:
        problems = (str(error),)
    close_ms = parse_candle_id(folder.name)
    return Seen(case_of(status, row, settings, close_ms, forecast, provisional, problems), hashes)


def as_row(row: Mapping[str, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the values of a row of features, in its order."""
    return np.array(list(row.values()), dtype=np.float32)


def case_of(
    status: Mapping[str, Any],
    row: Mapping[str, float],
    settings: Mapping[str, Any],
    close_ms: int,
    forecast: Forecast | None,
    provisional: bool,
    problems: tuple[str, ...] = (),
) -> Case:
    """Return all that a decision may know of one symbol beside the portfolio.

    Parameters
    ----------
    status : mapping
        ``stale_candles`` and ``problems`` of the quality report, ``missing`` and
        ``last_candle`` of `inference.features.row_of`.
    row : mapping of str to float
        Features by name; NaN where there is no value.
    settings : mapping
        The thresholds of the regime.
    close_ms : int
        Close of the candle, milliseconds since the epoch, UTC.
    forecast : Forecast or None
    provisional : bool
        Whether the models in use are.
    problems : tuple of str
        Why there is no forecast although every feature has a value.
    """
    context = Context(
        stale_candles=status["stale_candles"],
        last_candle=status["last_candle"],
        quality_problems=tuple(status["problems"]),
        missing_features=tuple(status["missing"] or ()),
        model_problems=problems,
        model_provisional=provisional,
        model_age_days=model_age_days(forecast, close_ms),
    )
    regime = regime_of([float(row[name]) for name in REGIME_FEATURES], settings)
    return Case(forecast, regime, context)


def failed_case(failure: str) -> Case:
    """Return the case of a symbol for which a step failed (``step: why``): it is never traded."""
    return Case(None, None, Context(failure=failure))


def write_signal(
    folder: Path, ruling: Ruling, facts: Facts, problem: str | None, journal: Journal | None
) -> dict[str, Any]:
    """Write the stamped signal of a symbol, and the risk state that it was decided in."""
    name = symbol_to_path(facts.symbol or "")
    path = folder / "signals" / f"{name}.risk.json"
    path.unlink(missing_ok=True)
    if ruling.risk is not None:
        atomic.write_json(path, ruling.risk.to_json())
    document = document_of(ruling, facts, problem)
    if journal is not None:
        document = journal.revised(document)
    atomic.write_json(folder / "signals" / f"{name}.json", document)
    return document
