"""Freeze candles, features and labels of one symbol up to a cutoff (rule build_snapshot).

Where the download of its history failed, the snapshot is an empty file: what follows says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.layout import Layout
from bot_cripto.market.store import CandleStore
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import write_snapshot
from bot_cripto.models.stored_history import stored_snapshot
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.workflow.jobs import job


def build_snapshot(
    layout: Layout, settings: dict[str, Any], cutoff: str, symbol: str, history: str, output: str
) -> None:
    """Freeze what models may learn from."""
    if json.loads(Path(history).read_bytes())["error"] is not None:
        atomic.write_bytes(output, b"")
        return
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    snapshot = stored_snapshot(
        store,
        symbol_from_path(symbol),
        parse_candle_id(cutoff),
        TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"]),
        history_days=settings["history_days"],
        fill_candles=settings["fill_candles"],
    )
    write_snapshot(snapshot, output)


if __name__ == "__main__":
    job(build_snapshot, "cutoff", "symbol", "history", "output")
