"""Forecast, decide and write the stamped signal of the last closed candle, for all symbols."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot_cripto import atomic, clock
from bot_cripto.decision.gates import Context
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import BotCriptoError, DataError, LedgerError, ModelError
from bot_cripto.execution.desk import (
    REGIME_FEATURES,
    Case,
    Ruling,
    decide_all,
    document_of,
    model_age_days,
    regime_of,
)
from bot_cripto.execution.state import outlook
from bot_cripto.forecast import Forecast
from bot_cripto.frames import read_columns
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Subject, forecast_row
from bot_cripto.signals.document import Facts, Provenance
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.workflow.jobs import job, provenance

log = logging.getLogger("bot_cripto")


def read_features(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the status of a symbol's features and their row, empty where it failed."""
    try:
        status = json.loads((folder / "features" / f"{name}.json").read_bytes())
        columns = read_columns(folder / "features" / f"{name}.parquet")
    except FileNotFoundError as error:
        raise DataError(
            f"Feature dataset not found: {error.filename}; run: bot-cripto fetch --days 30, then "
            "bot-cripto features"
        ) from error
    del columns["open_time"]
    return status, {key: column[0] for key, column in columns.items() if len(column)}


@dataclass(frozen=True)
class Seen:
    """What was found of one symbol; `failed` names the step that failed, if one did."""

    case: Case
    hashes: dict[str, str | None]
    failed: str | None = None


def look_at(layout: Layout, settings: dict[str, Any], folder: Path, symbol: str) -> Seen:
    """Return what is known of a symbol at the candle: its forecast, regime and soundness."""
    status, row = read_features(folder, symbol_to_path(symbol))
    hashes = {name: status[name] for name in ("candles_sha256", "features_sha256")}
    if status["error"] is not None:
        step, _, problem = status["error"].partition(": ")
        if step != "build_features":
            step, problem = "fetch_candles", status["error"]
        return Seen(failed_case(step, problem), hashes, status["error"])
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
                np.array(list(row.values()), dtype=np.float32),
                vol_ref=settings["model_risk_vol_ref"],
            )
    except (ModelError, DataError) as error:
        problems = (str(error),)
    context = Context(
        stale_candles=status["stale_candles"],
        last_candle=status["last_candle"],
        quality_problems=tuple(status["problems"]),
        missing_features=tuple(status["missing"] or ()),
        model_problems=problems,
        model_provisional=provisional,
        model_age_days=model_age_days(forecast, parse_candle_id(folder.name)),
    )
    regime = regime_of([float(row[name]) for name in REGIME_FEATURES], settings)
    return Seen(Case(forecast, regime, context), hashes)


def failed_case(step: str, problem: str) -> Case:
    """Return the case of a symbol for which a step failed: it is never traded."""
    return Case(None, None, Context(failure=f"{step}: {problem}"))


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


def make_signals(layout: Layout, settings: dict[str, Any], candle: str) -> None:
    """Make the signal of one candle, for every symbol."""
    folder, close_ms = layout.live(candle), parse_candle_id(candle)
    seen: dict[str, Seen] = {}
    for symbol in settings["symbols"]:
        try:
            seen[symbol] = look_at(layout, settings, folder, symbol)
        except (BotCriptoError, OSError, ValueError) as error:
            failed = f"make_signals: {error}"
            seen[symbol] = Seen(failed_case("make_signals", str(error)), {}, failed)
    view = outlook(layout, settings, close_ms)
    cases = {symbol: found.case for symbol, found in seen.items()}
    rulings = decide_all(cases, view.risks, view.correlated, policy_of(settings))
    failures = {symbol: found.failed for symbol, found in seen.items() if found.failed}
    with open_journal(layout) as journal:
        for symbol, ruling in rulings.items():
            facts = Facts(
                made_ms=clock.now_ms(),
                candle_close_ms=close_ms,
                source=settings["source_name"],
                symbol=symbol,
                timeframe=settings["timeframe"],
                horizon_steps=settings["horizon_steps"],
                equity=settings["initial_equity"],
                provenance=Provenance(**provenance(), **seen[symbol].hashes),
                live=settings["live_mode"],
            )
            document = write_signal(folder, ruling, facts, view.problem, journal)
            log.info("%s: %s. %s", symbol, document["decision"], document["reason"])
    summary = "; ".join(f"{symbol}: {text}" for symbol, text in failures.items())
    atomic.write_json(folder / "signals.status.json", {"error": summary or None})


@contextmanager
def open_journal(layout: Layout) -> Iterator[Journal | None]:
    """Open the journal for reading; None where there is none yet or it is damaged.

    A damaged one is no reason to stay silent here: publishing, which writes it, says so.
    """
    try:
        journal = Journal.open(layout.journal, readonly=True)
    except (FileNotFoundError, LedgerError):
        yield None
        return
    with journal:
        yield journal


if __name__ == "__main__":
    job(make_signals, "candle")
