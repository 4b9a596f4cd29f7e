"""The features of one closed candle, from the window of candles that ends with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.features import catalogue
from bot_cripto.frames import columns_sha256
from bot_cripto.market.candles import Candles


def no_row() -> dict[str, NDArray[Any]]:
    """Return the columns of a candle whose features could not be computed: none."""
    return {"open_time": np.empty(0, dtype=np.int64)}


def row_of(candles: Candles, timeframe: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the features of the last candle of a window, and what is to be known of them.

    Parameters
    ----------
    candles : Candles
        On the full grid, filled rows flagged, gaps NaN; reaching back `bot_cripto.reach.REACH`.
    timeframe : str

    Returns
    -------
    columns : dict of str to ndarray of shape (1,)
        ``open_time`` (int64, milliseconds since the epoch, UTC) and every feature (float32; NaN
        where its window is not whole), in the order of the catalogue.
    status : dict
        ``features_sha256`` of the columns, ``missing`` (names of features without a value) and
        ``last_candle`` (``traded``, ``filled``: it stands in for a missing one, or ``missing``).
    """
    matrix = catalogue.compute(candles, timeframe, last=1)
    columns: dict[str, NDArray[Any]] = {"open_time": candles.open_time[-1:]}
    columns |= {name: matrix[:, i] for i, name in enumerate(catalogue.FEATURE_NAMES)}
    return columns, {
        "features_sha256": columns_sha256(columns),
        "missing": [name for name, column in columns.items() if not np.isfinite(column[0])],
        "last_candle": _kind_of_last(candles),
    }


def _kind_of_last(candles: Candles) -> str:
    if candles.filled[-1]:
        return "filled"
    return "traded" if np.isfinite(candles.close[-1]) else "missing"
