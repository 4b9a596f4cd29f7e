"""Compute the features of the last closed candle from its frozen window (one job, all symbols)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import BotCriptoError
from bot_cripto.frames import write_columns
from bot_cripto.inference.features import no_row, row_of
from bot_cripto.layout import Layout
from bot_cripto.market.live_window import read_window
from bot_cripto.symbols import symbol_to_path
from bot_cripto.workflow.jobs import job


def build_symbol(folder: Path, name: str, timeframe: str) -> None:
    """Write the features of one symbol, and a status that says what is wrong with them."""
    status: dict[str, Any] = {
        "error": None,
        "problems": [],
        "stale_candles": None,
        "last_candle": None,
        "missing": None,
        "candles_sha256": None,
        "features_sha256": None,
    }
    columns = no_row()
    try:
        quality = json.loads((folder / "candles" / f"{name}.quality.json").read_bytes())
        status |= {key: quality[key] for key in ("error", "problems", "stale_candles")}
        if status["error"] is None:
            candles, status["candles_sha256"] = read_window(folder / "candles" / f"{name}.parquet")
            columns, found = row_of(candles, timeframe)
            status |= found
    except (BotCriptoError, OSError, ValueError, KeyError) as error:
        status["error"] = f"build_features: {error}"
    write_columns(folder / "features" / f"{name}.parquet", columns)
    atomic.write_json(folder / "features" / f"{name}.json", status)


def build_features(layout: Layout, settings: dict[str, Any], candle: str) -> None:
    """Compute the features of one candle, for every symbol."""
    for symbol in settings["symbols"]:
        build_symbol(layout.live(candle), symbol_to_path(symbol), settings["timeframe"])


if __name__ == "__main__":
    job(build_features, "candle")
