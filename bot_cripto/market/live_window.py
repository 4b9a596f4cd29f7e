"""The candle window of one moment: what the live features are computed from, as a file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from bot_cripto.frames import columns_sha256, read_columns, write_columns
from bot_cripto.market.candles import Candles
from bot_cripto.reach import REACH
from bot_cripto.timeframes import timeframe_ms

MARGIN = 8
"""Candles beyond the reach of the features, for people who look at the file."""


def window_start(close_ms: int, timeframe: str) -> int:
    """Return the open time of the first candle of the window that ends at `close_ms`."""
    return close_ms - (REACH + MARGIN) * timeframe_ms(timeframe)


def write_window(path: Path | str, candles: Candles) -> None:
    """Write candles on the full grid (filled rows flagged, gaps NaN), atomically."""
    write_columns(path, {f.name: getattr(candles, f.name) for f in fields(Candles)})


def read_window(path: Path | str) -> tuple[Candles, str]:
    """Return the candles of `write_window` and the SHA-256 of their content.

    Raises
    ------
    FileNotFoundError, DataError
        The file is missing or damaged.
    """
    columns = read_columns(path)
    digest = columns_sha256(columns)
    columns["filled"] = columns["filled"].astype(bool)
    return Candles(**columns), digest
