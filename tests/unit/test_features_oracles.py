"""Every feature against an independent one: TA-Lib, polars, or a plain loop.

TA-Lib's exponential averages remember the whole history; the finite windows leave out less than
1e-8 of the weight. Everything agrees within 1e-6, relative to the value or to its usual size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import talib
from feature_samples import random_candles

from bot_cripto.features import FEATURE_NAMES, FEATURES, compute

TOLERANCE = 1e-6
HISTORY = 1500  # rows after which the recursive libraries have forgotten their start

C = random_candles(4000, seed=11)
OPEN, H, L, K, V = C.open, C.high, C.low, C.close, C.volume
TYPICAL = talib.TYPPRICE(H, L, K)
ATR = talib.ATR(H, L, K, 14)
RETURN = np.concatenate(([np.nan], np.log(K[1:] / K[:-1])))
LAST = range(3800, 4000)  # where plain loops are run


def rolling(x: np.ndarray, window: int, how: str = "mean") -> np.ndarray:
    """Return a rolling statistic by polars; NaN rows count as missing."""
    series = pl.Series(np.asarray(x, dtype=float), nan_to_null=True)
    arguments = {"ddof": 0} if how == "std" else {}
    return getattr(series, f"rolling_{how}")(window, **arguments).to_numpy()


def looped(of_row: Callable[[int], float]) -> np.ndarray:
    """Return a plain function of the row, for the last rows."""
    values = np.full(len(C), np.nan)
    for t in LAST:
        values[t] = of_row(t)
    return values


def log_return(lag: int) -> np.ndarray:
    return np.log1p(talib.ROCP(K, lag))


def volatility(window: int) -> np.ndarray:
    return np.sqrt(rolling(RETURN**2, window))


def garman_klass(t: int) -> float:
    total = 0.0
    for i in range(t - 47, t + 1):
        total += 0.5 * math.log(H[i] / L[i]) ** 2
        total -= (2 * math.log(2) - 1) * math.log(K[i] / OPEN[i]) ** 2
    return math.sqrt(total / 48)


def jump_share(t: int) -> float:
    r = RETURN
    variance = sum(r[i] ** 2 for i in range(t - 47, t + 1))
    bipower = math.pi / 2 * sum(abs(r[i] * r[i - 1]) for i in range(t - 47, t + 1))
    return max(0.0, 1 - bipower / variance)


def macd(part: int) -> np.ndarray:
    return talib.MACD(K, 12, 26, 9)[part]


def efficiency(closes: np.ndarray) -> float:
    return abs(closes[-1] - closes[0]) / sum(abs(b - a) for a, b in pairwise(closes))


def close_location(t: int) -> float:
    return ((K[t] - L[t]) - (H[t] - K[t])) / (H[t] - L[t])


def percent_b(closes: np.ndarray) -> np.ndarray:
    upper, _, lower = talib.BBANDS(closes, 20, 2.0, 2.0)
    return (closes - lower) / (upper - lower)


def volume_zscore(t: int) -> float:
    levels = [math.log(V[i] / np.mean(V[i - 47 : i + 1]) + 0.01) for i in range(t - 47, t + 1)]
    return (levels[-1] - np.mean(levels)) / np.std(levels)


def money_flow_index() -> np.ndarray:
    """Return TA-Lib's index where no typical price was repeated: there it goes by rounding."""
    change = np.abs(talib.ROCP(TYPICAL, 1))
    return np.where(rolling(change, 14, "min") > 1e-9, talib.MFI(H, L, K, V, 14), np.nan)


def vwap_distance(window: int) -> np.ndarray:
    value, volume = rolling(TYPICAL * V, window, "sum"), rolling(V, window, "sum")
    return (K - value / volume) / K


def closing(t: int) -> datetime:
    return datetime.fromtimestamp(C.open_time[t] / 1000, UTC) + timedelta(minutes=5)


def hour_angle(t: int) -> float:
    moment = closing(t)
    return 2 * math.pi * (moment.hour * 60 + moment.minute) / 1440


def weekday_angle(t: int) -> float:
    return 2 * math.pi * closing(t).weekday() / 7


def of_bars(every: str, of_closes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a function of bar closes, made by polars, as known at each candle's close."""
    candles = pl.DataFrame({"time": C.open_time, "close": K}).with_columns(
        pl.from_epoch("time", time_unit="ms"), pl.from_epoch("time", time_unit="ms").alias("start")
    )
    bars = candles.group_by_dynamic("start", every=every).agg(
        pl.col("close").last(), pl.len().alias("candles")
    )
    bars = bars.filter(pl.col("candles") == {"1h": 12, "4h": 48}[every])
    bars = bars.with_columns(
        pl.col("start").dt.offset_by(every).alias("known"),
        pl.Series("value", of_closes(bars["close"].to_numpy())),
    )
    known = candles.select(pl.col("time").dt.offset_by("5m").alias("known"))
    return known.join_asof(bars, on="known").get_column("value").to_numpy()


def bar_return(closes: np.ndarray) -> np.ndarray:
    return np.log1p(talib.ROCP(closes, 1))


def bar_volatility(closes: np.ndarray) -> np.ndarray:
    return np.sqrt(rolling(bar_return(closes) ** 2, 20))


def bar_efficiency(closes: np.ndarray) -> np.ndarray:
    values = [efficiency(closes[t - 10 : t + 1]) for t in range(10, len(closes))]
    return np.concatenate((np.full(10, np.nan), values))


ORACLES: dict[str, Callable[[], np.ndarray]] = {
    "log_return_1": lambda: log_return(1),
    "log_return_3": lambda: log_return(3),
    "log_return_6": lambda: log_return(6),
    "log_return_12": lambda: log_return(12),
    "log_return_24": lambda: log_return(24),
    "log_return_48": lambda: log_return(48),
    "log_return_288": lambda: log_return(288),
    "realised_volatility_12": lambda: volatility(12),
    "realised_volatility_48": lambda: volatility(48),
    "realised_volatility_288": lambda: volatility(288),
    "volatility_ratio_12_288": lambda: volatility(12) / volatility(288),
    "atr14_pct": lambda: talib.NATR(H, L, K, 14) / 100,
    "parkinson_volatility_48": lambda: np.sqrt(rolling(np.log(H / L) ** 2, 48) / (4 * np.log(2))),
    "garman_klass_volatility_48": lambda: looped(garman_klass),
    "downside_share_48": lambda: rolling(np.minimum(RETURN, 0) ** 2, 48) / rolling(RETURN**2, 48),
    "jump_share_48": lambda: looped(jump_share),
    "adx14": lambda: talib.ADX(H, L, K, 14),
    "plus_di14": lambda: talib.PLUS_DI(H, L, K, 14),
    "minus_di14": lambda: talib.MINUS_DI(H, L, K, 14),
    "ema_distance_12": lambda: (K - talib.EMA(K, 12)) / ATR,
    "ema_distance_50": lambda: (K - talib.EMA(K, 50)) / ATR,
    "ema_slope_50_12": lambda: talib.MOM(talib.EMA(K, 50), 12) / ATR,
    "macd_atr": lambda: macd(0) / ATR,
    "macd_histogram_atr": lambda: macd(2) / ATR,
    "efficiency_ratio_48": lambda: looped(lambda t: efficiency(K[t - 48 : t + 1])),
    "regression_slope_48": lambda: talib.LINEARREG_SLOPE(np.log(K), 48) / volatility(48),
    "rsi14": lambda: talib.RSI(K, 14),
    "stochastic_k14": lambda: talib.STOCHF(H, L, K, 14, 3)[0],
    "stochastic_rsi14": lambda: talib.STOCHRSI(K, 14, 14, 3)[0],
    "williams_r48": lambda: talib.WILLR(H, L, K, 48),
    "cci20": lambda: talib.CCI(H, L, K, 20),
    "ultimate_oscillator": lambda: talib.ULTOSC(H, L, K, 7, 14, 28),
    "close_location_value": lambda: looped(close_location),
    "close_location_value_mean_12": lambda: looped(
        lambda t: math.fsum(close_location(i) for i in range(t - 11, t + 1)) / 12
    ),
    "close_location_value_mean_48": lambda: looped(
        lambda t: math.fsum(close_location(i) for i in range(t - 47, t + 1)) / 48
    ),
    "upper_shadow": lambda: looped(lambda t: (H[t] - max(OPEN[t], K[t])) / (H[t] - L[t])),
    "lower_shadow": lambda: looped(lambda t: (min(OPEN[t], K[t]) - L[t]) / (H[t] - L[t])),
    "true_range_atr": lambda: talib.TRANGE(H, L, K) / ATR,
    "bollinger_percent_b_20": lambda: percent_b(K),
    "bollinger_width_20": lambda: 4 * talib.STDDEV(K, 20) / talib.SMA(K, 20),
    "donchian_position_288": lambda: (
        (K - talib.MIN(L, 288)) / (talib.MAX(H, 288) - talib.MIN(L, 288))
    ),
    "volume_zscore_48": lambda: looped(volume_zscore),
    "volume_ratio_12_288": lambda: talib.SMA(V, 12) / talib.SMA(V, 288),
    "mfi14": money_flow_index,
    "obv_change_48": lambda: talib.MOM(talib.OBV(K, V), 48) / talib.SUM(V, 48),
    "chaikin_money_flow_20": lambda: talib.MOM(talib.AD(H, L, K, V), 20) / talib.SUM(V, 20),
    "vwap_distance_48": lambda: vwap_distance(48),
    "vwap_distance_288": lambda: vwap_distance(288),
    "hour_sin": lambda: looped(lambda t: math.sin(hour_angle(t))),
    "hour_cos": lambda: looped(lambda t: math.cos(hour_angle(t))),
    "weekday_sin": lambda: np.array([math.sin(weekday_angle(t)) for t in range(len(C))]),
    "weekday_cos": lambda: np.array([math.cos(weekday_angle(t)) for t in range(len(C))]),
    "higher1_log_return_1": lambda: of_bars("1h", bar_return),
    "higher1_realised_volatility_20": lambda: of_bars("1h", bar_volatility),
    "higher1_bollinger_percent_b_20": lambda: of_bars("1h", percent_b),
    "higher1_efficiency_ratio_10": lambda: of_bars("1h", bar_efficiency),
    "higher2_log_return_1": lambda: of_bars("4h", bar_return),
    "higher2_realised_volatility_20": lambda: of_bars("4h", bar_volatility),
    "higher2_bollinger_percent_b_20": lambda: of_bars("4h", percent_b),
    "higher2_efficiency_ratio_10": lambda: of_bars("4h", bar_efficiency),
}


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return compute(C, "5m")


def test_every_feature_has_an_oracle_and_every_oracle_a_feature() -> None:
    assert sorted(ORACLES) == sorted(FEATURE_NAMES)


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_feature_equals_its_oracle(name: str, matrix: np.ndarray) -> None:
    column = FEATURE_NAMES.index(name)
    expected, value = ORACLES[name](), matrix[:, column].astype(float)
    rows = np.arange(len(C)) >= max(HISTORY, FEATURES[column].window_at("5m"))
    rows &= ~np.isnan(expected)
    assert rows.sum() >= len(LAST)
    size = np.std(expected[rows])
    assert size > 0
    np.testing.assert_allclose(
        value[rows], expected[rows], rtol=TOLERANCE, atol=TOLERANCE * max(size, 1e-12)
    )
