"""Ask the leak alarms about one symbol (rule audit_symbol)."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.backtest import alarms
from bot_cripto.backtest.audit import audit
from bot_cripto.errors import ModelError
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import read_folds
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import iso
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def audit_symbol(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    snapshot: str,
    folds: list[str],
    output: str,
) -> None:
    """Audit one symbol; without a history every alarm is not measured."""
    name = symbol_from_path(symbol)
    cutoff = None
    if not Path(snapshot).stat().st_size:
        why = "its history could not be fetched; see the log of fetch_history"
        unknown = [asdict(alarms.not_measured(alarm, why)) for alarm in alarms.NAMES]
        found: dict[str, Any] = {"auc": None, "alarms": unknown, "suspect": False}
    else:
        frozen = read_snapshot(snapshot)
        cutoff = iso(frozen.cutoff_ms)
        no_folds = ""
        try:
            results = read_folds(folds, training_data(frozen))
        except ModelError as why:
            results, no_folds = [], str(why)
        found = audit(frozen, results, no_folds, settings)
    for alarm in found["alarms"]:
        level = logging.ERROR if alarm["passed"] is False else logging.INFO
        log.log(level, "%s: %s: %s", name, alarm["name"], alarm["text"])
    about = {"cutoff": cutoff, "timeframe": settings["timeframe"]}
    about["horizon_steps"] = settings["horizon_steps"]
    atomic.write_json(output, {"symbol": name, **about, **found})


if __name__ == "__main__":
    job(audit_symbol, "symbol", "snapshot", "folds+", "output")
