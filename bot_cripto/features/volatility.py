"""Volatility: how large the moves are, whatever their direction."""

from __future__ import annotations

import math

import numpy as np

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.logarithm import log
from bot_cripto.features.windows import FloatArray, lag, ratio, rolling_mean, wilder_window

ATR14_WINDOW = 1 + wilder_window(14)
"""Candles that ATR14 depends on: each true range also needs the close before."""

_LN2 = 0.6931471805599453
_PER_CANDLE = "decimal, per candle"


def realised_volatility(c: Context, window: int) -> FloatArray:
    """Return sqrt(mean squared log return) over `window` candles (decimal, per candle)."""
    return np.sqrt(c.mean_square_return(window))


def _realised(window: int) -> Feature:
    def function(c: Context) -> FloatArray:
        return realised_volatility(c, window)

    return Feature(
        f"realised_volatility_{window}",
        "volatility",
        f"sqrt(mean over {window} of r²), r = ln(close / previous close)",
        _PER_CANDLE,
        "Andersen, Bollerslev, Diebold, Labys (2003), Econometrica 71",
        window + 1,
        function,
    )


def _volatility_ratio(c: Context) -> FloatArray:
    return ratio(realised_volatility(c, 12), realised_volatility(c, 288), at_zero=1.0)


def _atr14_pct(c: Context) -> FloatArray:
    return c.atr14 / c.close


def _parkinson(c: Context) -> FloatArray:
    spread = log(c.high / c.low)
    return np.sqrt(rolling_mean(spread * spread, 48) / (4.0 * _LN2))


def _garman_klass(c: Context) -> FloatArray:
    spread, body = log(c.high / c.low), log(c.close / c.open)
    variance = 0.5 * (spread * spread) - (2.0 * _LN2 - 1.0) * (body * body)
    return np.sqrt(rolling_mean(np.maximum(variance, 0.0), 48))


def _downside_share(c: Context) -> FloatArray:
    loss = np.minimum(c.log_return, 0.0)
    return ratio(rolling_mean(loss * loss, 48), c.mean_square_return(48), at_zero=0.5)


def _jump_share(c: Context) -> FloatArray:
    size = np.abs(c.log_return)
    bipower = rolling_mean(size * lag(size, 1), 48) * (math.pi / 2.0)
    variance = c.mean_square_return(48)
    return ratio(np.maximum(variance - bipower, 0.0), variance, at_zero=0.0)


FEATURES = (
    _realised(12),
    _realised(48),
    _realised(288),
    Feature(
        "volatility_ratio_12_288",
        "volatility",
        "realised_volatility_12 / realised_volatility_288; 1 when both are 0",
        "ratio",
        "Corsi (2009), Journal of Financial Econometrics 7: volatility over several horizons",
        289,
        _volatility_ratio,
    ),
    Feature(
        "atr14_pct",
        "volatility",
        "Wilder average over 14 of the true range / close",
        "decimal of the close",
        "Wilder (1978), New Concepts in Technical Trading Systems",
        ATR14_WINDOW,
        _atr14_pct,
    ),
    Feature(
        "parkinson_volatility_48",
        "volatility",
        "sqrt(mean over 48 of ln(high / low)² / (4 ln 2))",
        _PER_CANDLE,
        "Parkinson (1980), Journal of Business 53",
        48,
        _parkinson,
    ),
    Feature(
        "garman_klass_volatility_48",
        "volatility",
        "sqrt(mean over 48 of ½ ln(high / low)² - (2 ln 2 - 1) ln(close / open)²)",
        _PER_CANDLE,
        "Garman, Klass (1980), Journal of Business 53",
        48,
        _garman_klass,
    ),
    Feature(
        "downside_share_48",
        "volatility",
        "mean over 48 of min(r, 0)² / mean of r²; ½ when no price moved",
        "share, 0 to 1",
        "Barndorff-Nielsen, Kinnebrock, Shephard (2010), realised semivariance",
        49,
        _downside_share,
    ),
    Feature(
        "jump_share_48",
        "volatility",
        "max(0, 1 - (π/2) mean over 48 of |r| |previous r| / mean of r²); 0 when no price moved",
        "share, 0 to 1",
        "Barndorff-Nielsen, Shephard (2004), Journal of Financial Econometrics 2",
        50,
        _jump_share,
    ),
)
