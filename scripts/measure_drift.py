"""Measure the drift of one symbol as of a candle (rule measure_drift)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.drift.measure import measure
from bot_cripto.drift.report.page import html
from bot_cripto.drift.report.result import check_drift
from bot_cripto.errors import BotCriptoError
from bot_cripto.layout import Layout
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.tracking.drift_runs import record_drift
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def measure_drift(
    layout: Layout, settings: dict[str, Any], candle: str, symbol: str, output: str
) -> None:
    """Measure, record in MLflow, write JSON and page."""
    name = symbol_from_path(symbol)
    result = measure(layout, settings, name, parse_candle_id(candle))
    check_drift(result)
    page = html(result, settings["language"])
    for part in result["parts"]:
        for check in part["checks"]:
            log.info("%s: %s: %s: %s", name, check["name"], check["status"], check["text"]["en"])
    try:
        record_drift(layout.mlflow_db, layout.mlflow_artifacts, result, page)
    except (BotCriptoError, OSError) as error:
        # what was found is told all the same
        log.error("%s: not recorded in MLflow: %s", name, error)
    atomic.write_bytes(Path(output).with_suffix(".html"), page.encode())
    atomic.write_json(Path(output), result)


if __name__ == "__main__":
    job(measure_drift, "candle", "symbol", "output")
