"""The candle window of one moment: what the live features are computed from, as a file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bot_cripto.frames import columns_sha256, read_columns, write_columns
from bot_cripto.market.candles import Candles
from bot_cripto.market.gaps import to_grid
from bot_cripto.reach import REACH
from bot_cripto.timeframes import timeframe_ms

MARGIN = 8
"""Candles beyond the reach of the features, for people who look at the file."""


def window_start(close_ms: int, timeframe: str) -> int:
    """Return the open time of the first candle of the window that ends at `close_ms`."""
    return close_ms - (REACH + MARGIN) * timeframe_ms(timeframe)


def window_of(stored: Candles, timeframe: str, close_ms: int, max_fill: int) -> Candles:
    """Return the window that ends at a close, from candles of the store.

    Parameters
    ----------
    stored : Candles
        Those of the window and of `max_fill` candles before it.
    timeframe : str
    close_ms : int
        Milliseconds since the epoch, UTC.
    max_fill : int
        How many candles of a gap are filled in; see `bot_cripto.market.gaps.to_grid`.
    """
    return to_grid(stored, timeframe, window_start(close_ms, timeframe), close_ms, max_fill)


def window_sha256(candles: Candles) -> str:
    """Return the hash that `read_window` gives of the file of these candles."""
    return columns_sha256(_columns(candles))


def write_window(path: Path | str, candles: Candles) -> None:
    """Write candles on the full grid (filled rows flagged, gaps NaN), atomically."""
    write_columns(path, _columns(candles))


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


def _columns(candles: Candles) -> dict[str, NDArray[Any]]:
    columns = {field.name: getattr(candles, field.name) for field in fields(Candles)}
    return columns | {"filled": candles.filled.astype("uint8")}
