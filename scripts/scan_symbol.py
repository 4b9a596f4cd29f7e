"""Gather the scan of one symbol, count its trials, and recommend (rule scan_symbol)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.backtest.scan.cell import cell_settings
from bot_cripto.backtest.scan.grid import scan_grid
from bot_cripto.backtest.scan.html import html
from bot_cripto.backtest.scan.result import scan, validate
from bot_cripto.layout import Layout
from bot_cripto.symbols import symbol_from_path
from bot_cripto.tracking.trial import Trial, trial_params, trial_sha256
from bot_cripto.tracking.trials import known_trials, record_trials
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")

RECORDED = ("net_return", "trades", "psr", "dsr", "round_trip_bps", "exceeding")
"""Numbers of a cell at one cost that are recorded."""


def trials_of(cells: list[dict[str, Any]], settings: dict[str, Any], symbol: str) -> list[Trial]:
    """Return every measured cell at every cost as a trial."""
    found = []
    for cell in cells:
        for row in cell["costs"] if cell["measured"] else ():
            timeframe, horizon = cell["timeframe"], cell["horizon_steps"]
            own = cell_settings(settings, symbol, timeframe, horizon, row["share"])
            numbers = {name: row.get(name) for name in RECORDED} | {
                "auc": cell["auc"],
                "surest_earns_bps": cell["surest"]["earns_bps"],
            }
            found.append(
                Trial(
                    trial_sha256(own),
                    "scan",
                    timeframe,
                    horizon,
                    row["day_sharpe"],
                    trial_params(own),
                    numbers,
                )
            )
    return found


def scan_symbol(
    layout: Layout, settings: dict[str, Any], symbol: str, cells: list[str], output: str
) -> None:
    """Gather one symbol."""
    name, market = symbol_from_path(symbol), settings["market"]
    measured = [json.loads(Path(cell).read_bytes()) for cell in cells]
    known = known_trials(layout.mlflow_db, name, market)
    known |= {t.config_sha256: t.day_sharpe for t in trials_of(measured, settings, name)}
    result = scan(name, measured, scan_grid(settings), known, settings, clock.now_ms())
    validate(result)
    record_trials(
        layout.mlflow_db,
        layout.mlflow_artifacts,
        name,
        market,
        trials_of(result["cells"], settings, name),
        measured[0]["cutoff"],
    )
    for sentence in result["recommendation"]["en"]:
        log.info("%s: %s", name, sentence)
    atomic.write_text(Path(output).with_suffix(".html"), html(result, settings["language"]))
    atomic.write_json(output, result)


if __name__ == "__main__":
    job(scan_symbol, "symbol", "cells+", "output")
