"""Measure one timeframe and horizon of a scan (rule scan_cell).

Too little data is no failure: the output then says that the cell is not measured, and why.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.backtest.scan.cell import measure
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.models.snapshot import read_snapshot
from bot_cripto.symbols import symbol_from_path
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def scan_cell(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    timeframe: str,
    horizon: str,
    cost_shares: list[str],
    snapshot: str,
    output: str,
) -> None:
    """Measure one cell of one symbol."""
    name = symbol_from_path(symbol)
    if not Path(snapshot).stat().st_size:
        raise DataError(f"{name}: its history could not be fetched; see the log of fetch_history")
    shares, steps = [float(share) for share in cost_shares], int(horizon)
    cell = measure(name, read_snapshot(snapshot), settings, timeframe, steps, shares)
    if cell["measured"]:
        log.info("%s: %s x %s: AUC %.4f", name, timeframe, horizon, cell["auc"])
    else:
        log.warning("%s: %s x %s: not measured: %s", name, timeframe, horizon, cell["reason"])
    atomic.write_json(output, cell)


if __name__ == "__main__":
    job(scan_cell, "symbol", "timeframe", "horizon", "cost_shares+", "snapshot", "output")
