"""The market regime of a closed candle, from trend strength and volatility."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot_cripto.errors import DataError

TREND_UP = "TREND_UP"
TREND_DOWN = "TREND_DOWN"
RANGE = "RANGE"
HIGH_VOL = "HIGH_VOL"


@dataclass(frozen=True)
class Regime:
    """A regime and the comparison that led to it.

    Attributes
    ----------
    name : str
        TREND_UP, TREND_DOWN, RANGE or HIGH_VOL.
    reason : str
        The comparison in words, with its numbers.
    """

    name: str
    reason: str


def classify(
    atr_pct: float,
    adx: float,
    plus_di: float,
    minus_di: float,
    adx_trend_min: float,
    atr_high_vol_pct: float,
) -> Regime:
    """Tell the regime of one closed candle.

    HIGH_VOL goes first; then a trend, in the direction of the greater directional indicator;
    else RANGE. A trend whose two indicators are equal has no direction and counts as RANGE.

    Parameters
    ----------
    atr_pct : float
        ATR14 / close (decimal).
    adx, plus_di, minus_di : float
        ADX14, +DI14 and -DI14, each in [0, 100].
    adx_trend_min : float
        REGIME_ADX_TREND_MIN, in the unit of `adx`.
    atr_high_vol_pct : float
        REGIME_ATR_HIGH_VOL_PCT, in the unit of `atr_pct`.

    Raises
    ------
    DataError
        A number is NaN or infinite; there is no regime then.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    numbers = (atr_pct, adx, plus_di, minus_di, adx_trend_min, atr_high_vol_pct)
    if not all(map(math.isfinite, numbers)):
        raise DataError(
            f"no regime: ATR14/close is {atr_pct}, ADX14 {adx}, +DI {plus_di}, -DI {minus_di}, "
            f"thresholds {adx_trend_min} and {atr_high_vol_pct}; each must be a finite number"
        )
    limit = f"REGIME_ATR_HIGH_VOL_PCT {atr_high_vol_pct:.6g}"
    if atr_pct >= atr_high_vol_pct:
        return Regime(HIGH_VOL, f"ATR14/close {atr_pct:.6g} is at least {limit}")
    calm = f"ATR14/close {atr_pct:.6g} is below {limit}"
    trend = f"REGIME_ADX_TREND_MIN {adx_trend_min:.6g}"
    if adx < adx_trend_min:
        return Regime(RANGE, f"{calm} and ADX14 {adx:.6g} is below {trend}")
    strong = f"{calm}, ADX14 {adx:.6g} is at least {trend}"
    if plus_di > minus_di:
        return Regime(TREND_UP, f"{strong} and +DI {plus_di:.6g} is above -DI {minus_di:.6g}")
    if plus_di < minus_di:
        return Regime(TREND_DOWN, f"{strong} and +DI {plus_di:.6g} is below -DI {minus_di:.6g}")
    return Regime(RANGE, f"{strong} but +DI and -DI are both {plus_di:.6g}: no direction")
