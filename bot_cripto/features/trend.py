"""Trend: direction, strength and steadiness of the move."""

from __future__ import annotations

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.volatility import ATR14_WINDOW, realised_volatility
from bot_cripto.features.windows import (
    FloatArray,
    ema,
    ema_window,
    lag,
    ratio,
    rolling_mean,
    rolling_slope,
    wilder,
    wilder_window,
)

_WILDER = "Wilder (1978), New Concepts in Technical Trading Systems"
_APPEL = "Appel (2005), Technical Analysis; EMA as in TA-Lib"


def _directional_indicators(c: Context) -> tuple[FloatArray, FloatArray]:
    """Return +DI14 and -DI14 (0 to 100)."""
    up = c.high - lag(c.high, 1)
    down = lag(c.low, 1) - c.low
    # products, not `where`, so that NaN stays NaN
    plus = np.maximum(up, 0.0) * (up > down)
    minus = np.maximum(down, 0.0) * (down > up)
    return (
        100.0 * ratio(wilder(plus, 14), c.atr14, at_zero=0.0),
        100.0 * ratio(wilder(minus, 14), c.atr14, at_zero=0.0),
    )


def _plus_di14(c: Context) -> FloatArray:
    return c.keep("directional_indicators", _directional_indicators)[0]


def _minus_di14(c: Context) -> FloatArray:
    return c.keep("directional_indicators", _directional_indicators)[1]


def _adx14(c: Context) -> FloatArray:
    plus, minus = _plus_di14(c), _minus_di14(c)
    return wilder(100.0 * ratio(np.abs(plus - minus), plus + minus, at_zero=0.0), 14)


def _ema_distance(span: int) -> Feature:
    def function(c: Context) -> FloatArray:
        return ratio(c.close - c.ema_close(span), c.atr14, at_zero=0.0)

    return Feature(
        f"ema_distance_{span}",
        "trend",
        f"(close - EMA{span}) / ATR14; 0 when ATR14 is 0",
        "ATR",
        "EMA as in TA-Lib; ATR: " + _WILDER,
        max(ema_window(span), ATR14_WINDOW),
        function,
    )


def _ema_slope(c: Context) -> FloatArray:
    average = c.ema_close(50)
    return ratio(average - lag(average, 12), c.atr14, at_zero=0.0)


def _macd(c: Context) -> FloatArray:
    """Return the MACD line in price."""
    return c.ema_close(12) - c.ema_close(26)


def _macd_line(c: Context) -> FloatArray:
    return ratio(c.keep("macd", _macd), c.atr14, at_zero=0.0)


def _macd_histogram(c: Context) -> FloatArray:
    line = c.keep("macd", _macd)
    return ratio(line - ema(line, 9), c.atr14, at_zero=0.0)


def efficiency_ratio(c: Context, window: int) -> FloatArray:
    """Return |net change| / sum of |changes| of the close over `window` candles; 0 when flat."""
    path = rolling_mean(np.abs(c.close - c.previous_close), window) * window
    return ratio(np.abs(c.close - lag(c.close, window)), path, at_zero=0.0)


def _efficiency_ratio(c: Context) -> FloatArray:
    return efficiency_ratio(c, 48)


def _regression_slope(c: Context) -> FloatArray:
    return ratio(rolling_slope(c.log_close, 48), realised_volatility(c, 48), at_zero=0.0)


FEATURES = (
    Feature(
        "adx14",
        "trend",
        "Wilder average over 14 of 100 |+DI - -DI| / (+DI + -DI), that being 0 when both are 0",
        "0 to 100",
        _WILDER,
        ATR14_WINDOW + wilder_window(14) - 1,
        _adx14,
    ),
    Feature(
        "plus_di14",
        "trend",
        "100 Wilder average over 14 of +DM / ATR14; 0 when ATR14 is 0",
        "0 to 100",
        _WILDER,
        ATR14_WINDOW,
        _plus_di14,
    ),
    Feature(
        "minus_di14",
        "trend",
        "100 Wilder average over 14 of -DM / ATR14; 0 when ATR14 is 0",
        "0 to 100",
        _WILDER,
        ATR14_WINDOW,
        _minus_di14,
    ),
    _ema_distance(12),
    _ema_distance(50),
    Feature(
        "ema_slope_50_12",
        "trend",
        "(EMA50 - EMA50 of 12 candles ago) / ATR14; 0 when ATR14 is 0",
        "ATR per 12 candles",
        "EMA as in TA-Lib; ATR: " + _WILDER,
        ema_window(50) + 12,
        _ema_slope,
    ),
    Feature(
        "macd_atr",
        "trend",
        "(EMA12 - EMA26) / ATR14; 0 when ATR14 is 0",
        "ATR",
        _APPEL,
        max(ema_window(26), ATR14_WINDOW),
        _macd_line,
    ),
    Feature(
        "macd_histogram_atr",
        "trend",
        "(MACD - EMA9 of MACD) / ATR14, MACD = EMA12 - EMA26; 0 when ATR14 is 0",
        "ATR",
        _APPEL,
        max(ema_window(26) + ema_window(9) - 1, ATR14_WINDOW),
        _macd_histogram,
    ),
    Feature(
        "efficiency_ratio_48",
        "trend",
        "|close - close 48 ago| / sum over 48 of |close - previous close|; 0 when no price moved",
        "0 to 1",
        "Kaufman (1995), Smarter Trading",
        49,
        _efficiency_ratio,
    ),
    Feature(
        "regression_slope_48",
        "trend",
        "least-squares slope of ln close over 48 / realised_volatility_48; 0 when that is 0",
        "volatilities per candle",
        "least squares; as TA-Lib's LINEARREG_SLOPE",
        49,
        _regression_slope,
    ),
)
