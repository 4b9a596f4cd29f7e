"""Freeze candles, features and labels of one symbol up to a cutoff (rule build_snapshot).

Where the download of its history failed, the snapshot is an empty file: what follows says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.layout import Layout
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.store import CandleStore
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import build_snapshot as snapshot_of
from bot_cripto.models.snapshot import write_snapshot
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import TIMEFRAMES, parse_candle_id, timeframe_ms
from bot_cripto.workflow.jobs import job


def build_snapshot(
    layout: Layout, settings: dict[str, Any], cutoff: str, symbol: str, history: str, output: str
) -> None:
    """Freeze what models may learn from."""
    if json.loads(Path(history).read_bytes())["error"] is not None:
        atomic.write_bytes(output, b"")
        return
    timeframe, until = settings["timeframe"], parse_candle_id(cutoff)
    since = until - settings["history_days"] * TIMEFRAMES["1d"]
    store = CandleStore(layout.store, settings["market"], timeframe)
    margin = settings["fill_candles"] * timeframe_ms(timeframe)
    stored = store.read(symbol_from_path(symbol), since - margin, until)
    # a market younger than the asked history begins with its first candle
    since = max(since, int(stored.open_time[0])) if len(stored) else since
    candles = to_grid(stored, timeframe, since, until, settings["fill_candles"])
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    write_snapshot(snapshot_of(candles, timeframe, training, until), output)


if __name__ == "__main__":
    job(build_snapshot, "cutoff", "symbol", "history", "output")
