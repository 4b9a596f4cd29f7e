"""The list of features, and the one function that computes them, live and for training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import DataError
from bot_cripto.features import (
    bands,
    higher_timeframes,
    momentum,
    returns,
    time_of_day,
    trend,
    volatility,
    volume,
)
from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import iso, timeframe_ms

FEATURES: tuple[Feature, ...] = (
    *returns.FEATURES,
    *volatility.FEATURES,
    *trend.FEATURES,
    *momentum.FEATURES,
    *bands.FEATURES,
    *volume.FEATURES,
    *time_of_day.FEATURES,
    *higher_timeframes.FEATURES,
)
"""Every feature, in the order of the columns."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
"""Names of the columns."""


def feature_window(timeframe: str) -> int:
    """Return W, the number of candles that the longest feature depends on at that timeframe.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    timeframe_ms(timeframe)
    return max(feature.window_at(timeframe) for feature in FEATURES)


def compute(candles: Candles, timeframe: str, last: int | None = None) -> NDArray[np.float32]:
    """Return the features of candles, one row a candle.

    A value depends on the last `window` candles of its feature alone, to the bit: computed over a
    year, over a month or for one new candle it is the same number.

    Parameters
    ----------
    candles : Candles of n rows
        Closed candles on the full grid: gaps are rows of NaN, or filled rows, which count as they
        stand. A candle with a NaN or infinite number, a price that is not positive or a negative
        volume counts as a gap.
    timeframe : str
        Their timeframe.
    last : int, optional
        Only the rows of the last that many candles, computed from no more candles than they need.

    Returns
    -------
    ndarray of shape (n or min(last, n), n_features), float32
        Columns as in `FEATURE_NAMES`. NaN where the feature's window holds a gap or reaches
        before the first candle; never infinite.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    DataError
        The candles are not on the full grid.
    ValueError
        `last` is negative.
    """
    rows = len(candles)
    if last is not None:
        if last < 0:
            raise ValueError(f"last={last} is negative; give the number of rows, or None for all")
        rows = min(last, rows)
        candles = candles[max(len(candles) - rows - feature_window(timeframe) + 1, 0) :]
    _check_grid(candles, timeframe)
    age = _whole_candles(candles)[len(candles) - rows :]
    context = Context(candles, timeframe)
    result = np.empty((rows, len(FEATURES)), dtype=np.float32)
    with np.errstate(all="ignore"):
        for column, feature in enumerate(FEATURES):
            values = feature.function(context)[len(candles) - rows :]
            # + 0.0 turns -0.0 into 0.0: which zero a maximum returns depends on its position
            result[:, column] = values + 0.0
            result[age < feature.window_at(timeframe), column] = np.nan
    return result


def _check_grid(candles: Candles, timeframe: str) -> None:
    step = timeframe_ms(timeframe)
    times = candles.open_time
    if len(times) and times[0] % step:
        raise DataError(
            f"the candle of {iso(int(times[0]))} is not on the {timeframe} grid; "
            "features need candles of that timeframe"
        )
    wrong = np.flatnonzero(np.diff(times) != step)
    if len(wrong):
        raise DataError(
            f"the candle after {iso(int(times[wrong[0]]))} is that of "
            f"{iso(int(times[wrong[0] + 1]))}, not the next on the {timeframe} grid; "
            "put gaps on the grid as rows of NaN, or fill them, before computing features"
        )


def _whole_candles(candles: Candles) -> NDArray[np.int64]:
    """Return how many usable candles in a row end at each row; none come before the first."""
    usable = np.isfinite(candles.volume) & (candles.volume >= 0.0)
    for price in (candles.open, candles.high, candles.low, candles.close):
        usable &= np.isfinite(price) & (price > 0.0)
    index = np.arange(len(candles))
    return index - np.maximum.accumulate(np.where(usable, -1, index))
