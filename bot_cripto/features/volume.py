"""Volume: how much is traded and on which side."""

from __future__ import annotations

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.logarithm import log
from bot_cripto.features.windows import FloatArray, lag, ratio, rolling_mean, rolling_moments

_SMALLEST = 0.01
"""Added to relative volume before its logarithm, so that a candle without trades has one."""

_ROUNDING = 1e-12
"""Relative change of a mean of three prices below which it is rounding."""


def _zscore(c: Context) -> FloatArray:
    level = log(ratio(c.volume, c.mean_volume(48), at_zero=1.0) + _SMALLEST)
    mean, deviation = rolling_moments(level, 48)
    return ratio(level - mean, deviation, at_zero=0.0)


def _volume_ratio(c: Context) -> FloatArray:
    return ratio(c.mean_volume(12), c.mean_volume(288), at_zero=1.0)


def _mfi14(c: Context) -> FloatArray:
    change = c.typical_price - lag(c.typical_price, 1)
    # sums of three prices that are equal on paper may differ in their last bit
    change *= np.abs(change) > _ROUNDING * c.typical_price
    flow = c.typical_price * c.volume
    inflow = rolling_mean(flow * np.maximum(np.sign(change), 0.0), 14)
    outflow = rolling_mean(flow * np.maximum(np.sign(-change), 0.0), 14)
    return 100.0 * ratio(inflow, inflow + outflow, at_zero=0.5)


def _obv_change(c: Context) -> FloatArray:
    signed = rolling_mean(np.sign(c.close - c.previous_close) * c.volume, 48)
    return ratio(signed, c.mean_volume(48), at_zero=0.0)


def _chaikin_money_flow(c: Context) -> FloatArray:
    flow = rolling_mean(c.close_location_value * c.volume, 20)
    return ratio(flow, c.mean_volume(20), at_zero=0.0)


def _vwap_distance(window: int) -> Feature:
    def function(c: Context) -> FloatArray:
        value = rolling_mean(c.typical_price * c.volume, window)
        return 1.0 - ratio(value, c.mean_volume(window) * c.close, at_zero=1.0)

    return Feature(
        f"vwap_distance_{window}",
        "volume",
        f"(close - VWAP) / close, VWAP = sum over {window} of tp volume / sum of volume, "
        "tp = (high + low + close) / 3; 0 without volume",
        "decimal of the close",
        "Berkowitz, Logue, Noser (1988), Journal of Finance 43",
        window,
        function,
    )


FEATURES = (
    Feature(
        "volume_zscore_48",
        "volume",
        "(v - mean of 48) / deviation of 48, v = ln(volume / mean volume of 48 + 0.01); "
        "0 when there is no deviation",
        "standard deviations",
        "standard score; deviation divided by 48",
        95,
        _zscore,
    ),
    Feature(
        "volume_ratio_12_288",
        "volume",
        "mean volume of 12 / mean volume of 288; 1 without volume",
        "ratio",
        "Murphy (1999), Technical Analysis of the Financial Markets, ch. 7",
        288,
        _volume_ratio,
    ),
    Feature(
        "mfi14",
        "volume",
        "100 P / (P + N), sums over 14 of tp volume where tp rose and where it fell, "
        "tp = (high + low + close) / 3; 50 when both are 0",
        "0 to 100",
        "Quong, Soudack (1989), Technical Analysis of Stocks & Commodities 7",
        15,
        _mfi14,
    ),
    Feature(
        "obv_change_48",
        "volume",
        "change of on-balance volume over 48 / volume of 48; 0 without volume",
        "-1 to 1",
        "Granville (1963), Granville's New Key to Stock Market Profits",
        49,
        _obv_change,
    ),
    Feature(
        "chaikin_money_flow_20",
        "volume",
        "sum over 20 of close_location_value volume / sum of volume; 0 without volume",
        "-1 to 1",
        "Chaikin; as in TA-Lib's AD line",
        20,
        _chaikin_money_flow,
    ),
    _vwap_distance(48),
    _vwap_distance(288),
)
