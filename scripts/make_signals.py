"""Forecast, decide and write the stamped signal of the last closed candle, for all symbols."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bot_cripto import atomic, clock
from bot_cripto.decision.policy import Context, Policy, decide
from bot_cripto.decision.regime import Regime, classify
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import BotCriptoError, DataError, ModelError
from bot_cripto.forecast import Forecast
from bot_cripto.frames import read_columns
from bot_cripto.jobs import job, provenance
from bot_cripto.layout import Layout
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Subject, forecast_row
from bot_cripto.signals.document import Facts, Provenance, build, failure
from bot_cripto.signals.publish import revised
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_candle_id

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


def regime_of(row: dict[str, float], settings: dict[str, Any]) -> Regime | None:
    """Return the regime of a row of features, None where what it needs is missing."""
    values = [float(row[n]) for n in ("atr14_pct", "adx14", "plus_di14", "minus_di14")]
    if not np.isfinite(values).all():
        return None
    return classify(
        *values,
        adx_trend_min=settings["regime_adx_trend_min"],
        atr_high_vol_pct=settings["regime_atr_high_vol_pct"],
    )


def signal_of(
    layout: Layout, settings: dict[str, Any], folder: Path, facts: Facts, policy: Policy
) -> tuple[dict[str, Any], str | None]:
    """Return the signal of one symbol and, where a step before failed, that failure."""
    symbol = facts.symbol or ""
    status, row = read_features(folder, symbol_to_path(symbol))
    hashes = {name: status[name] for name in ("candles_sha256", "features_sha256")}
    facts = replace(facts, provenance=replace(facts.provenance, **hashes))
    if status["error"] is not None:
        step, _, problem = status["error"].partition(": ")
        if step != "build_features":
            step, problem = "fetch_candles", status["error"]
        return failure(step, problem, facts, policy), status["error"]
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
    )
    regime = regime_of(row, settings)
    return build(decide(forecast, regime, context, policy), forecast, regime, facts), None


def make_signals(layout: Layout, settings: dict[str, Any], candle: str) -> None:
    """Make the signal of one candle, for every symbol."""
    folder = layout.live(candle)
    policy = policy_of(settings)
    failures = {}
    for symbol in settings["symbols"]:
        facts = Facts(
            made_ms=clock.now_ms(),
            candle_close_ms=parse_candle_id(candle),
            source=settings["source_name"],
            symbol=symbol,
            timeframe=settings["timeframe"],
            horizon_steps=settings["horizon_steps"],
            equity=settings["initial_equity"],
            provenance=Provenance(**provenance()),
        )
        try:
            document, failed = signal_of(layout, settings, folder, facts, policy)
        except (BotCriptoError, OSError, ValueError) as error:
            failed = f"make_signals: {error}"
            document = failure("make_signals", str(error), facts, policy)
        if failed is not None:
            failures[symbol] = failed
        document = revised(document, layout.logs)
        atomic.write_json(folder / "signals" / f"{symbol_to_path(symbol)}.json", document)
        log.info("%s: %s. %s", symbol, document["decision"], document["reason"])
    summary = "; ".join(f"{symbol}: {text}" for symbol, text in failures.items())
    atomic.write_json(folder / "signals.status.json", {"error": summary or None})


if __name__ == "__main__":
    job(make_signals, "candle")
