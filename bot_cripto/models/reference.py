"""Rows of features that a version carries, so that today's code can be held against them."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError
from bot_cripto.features import catalogue
from bot_cripto.market.candles import Candles, make
from bot_cripto.timeframes import timeframe_ms

ROWS = 8
"""How many of the last candles of a training window a version keeps the features of."""

_PRICES = ("open", "high", "low", "close", "volume")


def make_reference(candles: Candles, timeframe: str) -> bytes:
    """Return the reference of a training window: its last candles and their features.

    Parameters
    ----------
    candles : Candles
        The training window on the full grid, NaN in gaps.
    timeframe : str

    Returns
    -------
    bytes
        JSON: names, window, the candles that the last `ROWS` features depend on (float64) and
        those features (float32), little-endian in base64, so that they are exact.

    Raises
    ------
    ModelError
        The candles are fewer than the features' window and `ROWS` need.
    """
    window = catalogue.feature_window(timeframe)
    needed = window + ROWS - 1
    if len(candles) < needed:
        raise ModelError(
            f"{len(candles)} {timeframe} candles are too few for a model version: its features "
            f"look back {window} candles; fetch at least {needed}"
        )
    tail = candles[len(candles) - needed :]
    features = catalogue.compute(tail, timeframe, last=ROWS)
    value = {
        "timeframe": timeframe,
        "window": window,
        "names": list(catalogue.FEATURE_NAMES),
        "first_open_time": int(tail.open_time[0]),
        "candles": {name: _encode(getattr(tail, name), "<f8") for name in _PRICES},
        "filled": _encode(tail.filled, "|u1"),
        "features": _encode(features, "<f4"),
    }
    return (json.dumps(value, indent=1) + "\n").encode()


@functools.lru_cache(maxsize=256)
def incompatibility(reference: bytes) -> str | None:
    """Return why today's features are not those of a reference, or None where they are.

    Names, order and window must be equal, and the rows recomputed from the stored candles
    equal to the bit. Versions that share a reference are checked once in a process.
    """
    try:
        value: dict[str, Any] = json.loads(reference)
        timeframe, names = value["timeframe"], tuple(value["names"])
        candles = _candles(value, timeframe_ms(timeframe))
        stored = _decode(value["features"], "<f4").reshape(-1, len(names))
    except (ValueError, KeyError, TypeError) as error:
        return f"its reference.json cannot be read ({error})"
    if names != tuple(catalogue.FEATURE_NAMES):
        return _name_difference(names, tuple(catalogue.FEATURE_NAMES))
    window = catalogue.feature_window(timeframe)
    if value["window"] != window:
        return f"its features look back {value['window']} candles, today's {window}"
    today = catalogue.compute(candles, timeframe, last=len(stored))
    same = (today == stored) | (np.isnan(today) & np.isnan(stored))
    if not same.all():
        changed = [names[i] for i in np.flatnonzero(~same.all(axis=0))]
        return "today's code computes other values of " + _some(changed)
    return None


def _name_difference(stored: tuple[str, ...], today: tuple[str, ...]) -> str:
    """Return in words how two tuples of names differ."""
    gone = [n for n in stored if n not in today]
    new = [n for n in today if n not in stored]
    if not gone and not new:
        return "the order of the features has changed"
    return f"the features have changed (gone: {_some(gone)}; new: {_some(new)})"


def _some(names: list[str]) -> str:
    """Return up to five names and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "none") + more


def _encode(column: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(column, dtype=dtype).tobytes()).decode()


def _decode(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype)


def _candles(value: dict[str, Any], step: int) -> Candles:
    """Return the candles of a reference."""
    columns = {name: _decode(value["candles"][name], "<f8") for name in _PRICES}
    n = len(columns["close"])
    open_time = value["first_open_time"] + step * np.arange(n, dtype=np.int64)
    return make(open_time, **columns, filled=_decode(value["filled"], "|u1").astype(bool))
