"""Range and bands: the shape of the candle and the place of the close among recent prices."""

from __future__ import annotations

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.volatility import ATR14_WINDOW
from bot_cripto.features.windows import (
    FloatArray,
    ratio,
    rolling_max,
    rolling_mean,
    rolling_min,
)

_GROUP = "range and bands"
_CHAIKIN = "Chaikin: the multiplier of the accumulation/distribution line"
_NISON = "Nison (1991), Japanese Candlestick Charting Techniques"
_BOLLINGER = "Bollinger (2001), Bollinger on Bollinger Bands"


def _close_location(window: int) -> Feature:
    def function(c: Context) -> FloatArray:
        return rolling_mean(c.close_location_value, window)

    return Feature(
        f"close_location_value_mean_{window}",
        _GROUP,
        f"mean over {window} of close_location_value",
        "-1 to 1",
        _CHAIKIN,
        window,
        function,
    )


def _upper_shadow(c: Context) -> FloatArray:
    return ratio(c.high - np.maximum(c.open, c.close), c.range, at_zero=0.0)


def _lower_shadow(c: Context) -> FloatArray:
    return ratio(np.minimum(c.open, c.close) - c.low, c.range, at_zero=0.0)


def _true_range_atr(c: Context) -> FloatArray:
    return ratio(c.true_range, c.atr14, at_zero=1.0)


def bollinger_percent_b(c: Context, window: int) -> FloatArray:
    """Return the place of the close between the bands (mean ± 2 deviations): 0 low, 1 high."""
    mean, deviation = c.moments_of_close(window)
    return 0.5 + ratio(c.close - mean, 4.0 * deviation, at_zero=0.0)


def _percent_b(c: Context) -> FloatArray:
    return bollinger_percent_b(c, 20)


def _bollinger_width(c: Context) -> FloatArray:
    mean, deviation = c.moments_of_close(20)
    return 4.0 * deviation / mean


def _donchian_position(c: Context) -> FloatArray:
    low = rolling_min(c.low, 288)
    return ratio(c.close - low, rolling_max(c.high, 288) - low, at_zero=0.5)


FEATURES = (
    Feature(
        "close_location_value",
        _GROUP,
        "((close - low) - (high - close)) / (high - low); 0 when high = low",
        "-1 to 1",
        _CHAIKIN,
        1,
        lambda c: c.close_location_value,
    ),
    _close_location(12),
    _close_location(48),
    Feature(
        "upper_shadow",
        _GROUP,
        "(high - max(open, close)) / (high - low); 0 when high = low",
        "share, 0 to 1",
        _NISON,
        1,
        _upper_shadow,
    ),
    Feature(
        "lower_shadow",
        _GROUP,
        "(min(open, close) - low) / (high - low); 0 when high = low",
        "share, 0 to 1",
        _NISON,
        1,
        _lower_shadow,
    ),
    Feature(
        "true_range_atr",
        _GROUP,
        "true range / ATR14; 1 when ATR14 is 0",
        "ATR",
        "Wilder (1978), New Concepts in Technical Trading Systems",
        ATR14_WINDOW,
        _true_range_atr,
    ),
    Feature(
        "bollinger_percent_b_20",
        _GROUP,
        "(close - lower) / (upper - lower), bands: mean of 20 ± 2 deviations; ½ when they are 0",
        "0 at the lower band, 1 at the upper",
        _BOLLINGER,
        20,
        _percent_b,
    ),
    Feature(
        "bollinger_width_20",
        _GROUP,
        "(upper - lower) / mean, bands: mean of 20 ± 2 deviations",
        "decimal of the mean",
        _BOLLINGER,
        20,
        _bollinger_width,
    ),
    Feature(
        "donchian_position_288",
        _GROUP,
        "(close - lowest low of 288) / (highest high - lowest low); ½ when these are equal",
        "0 to 1",
        "Donchian channel; as TA-Lib's MAX and MIN",
        288,
        _donchian_position,
    ),
)
