"""Fetch what is missing up to the last closed candle, and freeze its window (one job, all symbols).

A symbol that fails gets an empty window and its error in its quality report; the others go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.layout import Layout
from bot_cripto.market.candles import empty
from bot_cripto.market.download import download
from bot_cripto.market.live_window import window_of, window_start, write_window
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.workflow.jobs import job


def fetch_candles(layout: Layout, settings: dict[str, Any], candle: str) -> None:
    """Fetch the window of the candle that closed last, for every symbol."""
    close = parse_candle_id(candle)
    since = window_start(close, settings["timeframe"])
    folder = layout.live(candle) / "candles"
    for symbol, found in download(layout, settings, since, close).items():
        name = Path(symbol_to_path(symbol))
        window = empty()
        if found.report["error"] is None:
            window = window_of(
                found.candles, settings["timeframe"], close, settings["fill_candles"]
            )
        write_window(folder / name.with_suffix(".parquet"), window)
        atomic.write_json(folder / name.with_suffix(".quality.json"), found.report)


if __name__ == "__main__":
    job(fetch_candles, "candle")
