"""Momentum: oscillators that compare the close with its recent past."""

from __future__ import annotations

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.volatility import ATR14_WINDOW
from bot_cripto.features.windows import (
    FloatArray,
    ratio,
    rolling_deviation,
    rolling_max,
    rolling_mean,
    rolling_min,
    wilder,
)

_STANDSTILL = 0.01
"""Range of the RSI, in its points, below which it counts as unchanged."""


def _rsi14(c: Context) -> FloatArray:
    change = c.close - c.previous_close
    gain, loss = wilder(np.maximum(change, 0.0), 14), wilder(np.maximum(-change, 0.0), 14)
    return 100.0 * ratio(gain, gain + loss, at_zero=0.5)


def _stochastic_k14(c: Context) -> FloatArray:
    low = rolling_min(c.low, 14)
    return 100.0 * ratio(c.close - low, rolling_max(c.high, 14) - low, at_zero=0.5)


def _stochastic_rsi14(c: Context) -> FloatArray:
    rsi = c.keep("rsi14", _rsi14)
    low = rolling_min(rsi, 14)
    spread = rolling_max(rsi, 14) - low
    # while no price moves the RSI stands still but for the oldest candle that leaves its window
    spread *= spread >= _STANDSTILL
    return 100.0 * ratio(rsi - low, spread, at_zero=0.5)


def _williams_r48(c: Context) -> FloatArray:
    high = rolling_max(c.high, 48)
    return -100.0 * ratio(high - c.close, high - rolling_min(c.low, 48), at_zero=0.5)


def _cci20(c: Context) -> FloatArray:
    distance, deviation = rolling_deviation(c.typical_price, 20)
    return ratio(distance, 0.015 * deviation, at_zero=0.0)


def _ultimate_oscillator(c: Context) -> FloatArray:
    pressure = c.close - np.minimum(c.low, c.previous_close)
    short, middle, long = (
        ratio(rolling_mean(pressure, w), rolling_mean(c.true_range, w), at_zero=0.5)
        for w in (7, 14, 28)
    )
    return 100.0 * (4.0 * short + 2.0 * middle + long) / 7.0


FEATURES = (
    Feature(
        "rsi14",
        "momentum",
        "100 G / (G + L), Wilder averages over 14 of gains and losses; 50 when no price moved",
        "0 to 100",
        "Wilder (1978), New Concepts in Technical Trading Systems",
        ATR14_WINDOW,
        lambda c: c.keep("rsi14", _rsi14),
    ),
    Feature(
        "stochastic_k14",
        "momentum",
        "100 (close - lowest low of 14) / (highest high - lowest low); 50 when these are equal",
        "0 to 100",
        "Lane (1984), Technical Analysis of Stocks & Commodities 2; TA-Lib's fast %K",
        14,
        _stochastic_k14,
    ),
    Feature(
        "stochastic_rsi14",
        "momentum",
        "100 (rsi14 - its lowest of 14) / (its highest - its lowest); "
        f"50 when these differ by less than {_STANDSTILL}",
        "0 to 100",
        "Chande, Kroll (1994), The New Technical Trader",
        ATR14_WINDOW + 13,
        _stochastic_rsi14,
    ),
    Feature(
        "williams_r48",
        "momentum",
        "-100 (highest high of 48 - close) / (highest high - lowest low); -50 when these are equal",
        "-100 to 0",
        "Williams (1979), How I Made One Million Dollars; TA-Lib's WILLR",
        48,
        _williams_r48,
    ),
    Feature(
        "cci20",
        "momentum",
        "(tp - mean of 20) / (0.015 mean absolute deviation), tp = (high + low + close) / 3; "
        "0 when there is no deviation",
        "index, about -300 to 300",
        "Lambert (1980), Commodities: Commodity Channel Index",
        20,
        _cci20,
    ),
    Feature(
        "ultimate_oscillator",
        "momentum",
        "100 (4 A7 + 2 A14 + A28) / 7, An = sum over n of close - min(low, previous close) / "
        "sum of the true range, that being ½ when no price moved",
        "0 to 100",
        "Williams (1985), Technical Analysis of Stocks & Commodities 3",
        29,
        _ultimate_oscillator,
    ),
)
