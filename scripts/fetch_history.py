"""Download the history that training needs into the candle store, and report what is there."""

from __future__ import annotations

from typing import Any

from bot_cripto import atomic
from bot_cripto.layout import Layout
from bot_cripto.market.download import download
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import TIMEFRAMES, parse_candle_id
from bot_cripto.workflow.jobs import job


def fetch_history(layout: Layout, settings: dict[str, Any], cutoff: str) -> None:
    """Fetch HISTORY_DAYS of candles up to a cutoff, for every symbol."""
    until = parse_candle_id(cutoff)
    since = until - settings["history_days"] * TIMEFRAMES["1d"]
    for symbol, found in download(layout, settings, since, until).items():
        atomic.write_json(layout.history(cutoff, symbol_to_path(symbol)), found.report)


if __name__ == "__main__":
    job(fetch_history, "cutoff")
