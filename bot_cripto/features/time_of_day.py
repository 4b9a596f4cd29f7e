"""Time of day: where on the daily and weekly circle the candle closes."""

from __future__ import annotations

import math

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.windows import FloatArray
from bot_cripto.timeframes import MINUTE_MS, timeframe_ms

_DAY = 1440
_GROUP = "time of day"
_SOURCE = "cyclic coding; Fisher (1993), Statistical Analysis of Circular Data"
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0


def _circle(function: str, steps: int) -> FloatArray:
    """Return sine or cosine at each step of the circle, rounded so that no last bit matters."""
    wave = getattr(math, function)
    return np.array([round(wave(2.0 * math.pi * i / steps), 6) for i in range(steps)]) + 0.0


_MINUTES = {name: _circle(name, _DAY) for name in ("sin", "cos")}
_WEEKDAYS = {name: _circle(name, 7) for name in ("sin", "cos")}


def _closing_minute(c: Context) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the minutes from the epoch to each candle's close."""
    return (c.candles.open_time + timeframe_ms(c.timeframe)) // MINUTE_MS


def _hour(name: str) -> Feature:
    def function(c: Context) -> FloatArray:
        return _MINUTES[name][_closing_minute(c) % _DAY]

    return Feature(
        f"hour_{name}",
        _GROUP,
        f"{name}(2π minute of the day / 1440) at the close, UTC, to 6 decimals",
        "-1 to 1",
        _SOURCE,
        1,
        function,
    )


def _weekday(name: str) -> Feature:
    def function(c: Context) -> FloatArray:
        return _WEEKDAYS[name][(_closing_minute(c) // _DAY + _EPOCH_WEEKDAY) % 7]

    return Feature(
        f"weekday_{name}",
        _GROUP,
        f"{name}(2π weekday / 7) at the close, UTC, Monday = 0, to 6 decimals",
        "-1 to 1",
        _SOURCE,
        1,
        function,
    )


FEATURES = (_hour("sin"), _hour("cos"), _weekday("sin"), _weekday("cos"))
