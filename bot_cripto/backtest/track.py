"""What the signal of each candle of a stretch would have seen of one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.backtest.screen import Screen
from bot_cripto.backtest.soundness import window_quality
from bot_cripto.decision.gates import FILLED, MISSING, TRADED, Context
from bot_cripto.execution.correlation import RETURNS
from bot_cripto.execution.desk import REGIME_FEATURES, Case, model_age_days, regime_of
from bot_cripto.execution.paper import Prices
from bot_cripto.features import catalogue
from bot_cripto.forecast import Forecast
from bot_cripto.market.candles import Candles
from bot_cripto.models.forecast import Loaded, forecasts
from bot_cripto.timeframes import timeframe_ms


@dataclass(frozen=True)
class Track:
    """One symbol over a stretch of candles: prices, and the case of each close.

    Attributes
    ----------
    symbol : str
    prices : list of (open, high, low, close) or None
        One for each candle; None where it is missing or stands in for a missing one.
    cases : list of Case
        One for each close.
    closes : ndarray of shape (n,)
        NaN where the candle is missing or stands in for a missing one.
    earlier : ndarray of shape (m,)
        The same of the candles before the first, as many as correlations look back on; the last
        one is that right before.
    """

    symbol: str
    prices: list[Prices | None]
    cases: list[Case]
    closes: np.ndarray
    earlier: np.ndarray = field(default_factory=lambda: np.empty(0))

    @cached_property
    def screen(self) -> Screen:
        """What tells at once which of the cases may lead to a trade."""
        return Screen.of(self.cases)


def make_track(
    symbol: str, candles: Candles, settings: Mapping[str, Any], loaded: Loaded, since_ms: int
) -> Track:
    """Return the track of a symbol from the first candle that closes after `since_ms`.

    Parameters
    ----------
    symbol : str
    candles : Candles
        On the full grid, with what features and correlations look back on before `since_ms`.
    settings : mapping
        The effective settings.
    loaded : Loaded
        The models that speak, trained on nothing after `since_ms`.
    since_ms : int
        Milliseconds since the epoch, UTC.
    """
    first = int(np.searchsorted(candles.open_time, since_ms))
    matrix = catalogue.compute(candles, settings["timeframe"])[first:]
    vol_ref = settings["model_risk_vol_ref"]
    return assemble(symbol, candles, first, matrix, settings, forecasts_of(loaded, matrix, vol_ref))


def forecasts_of(
    loaded: Loaded, matrix: NDArray[np.float32], vol_ref: float
) -> list[Forecast | None]:
    """Return the forecast of each row; None where a feature has no value."""
    complete = np.asarray(np.isfinite(matrix).all(axis=1))
    made = iter(forecasts(loaded, catalogue.FEATURE_NAMES, matrix[complete], vol_ref=vol_ref))
    return [next(made) if whole else None for whole in complete.tolist()]


def assemble(
    symbol: str,
    candles: Candles,
    first: int,
    matrix: NDArray[np.float32],
    settings: Mapping[str, Any],
    made: list[Forecast | None],
) -> Track:
    """Return the track from the candle at place `first` on.

    Parameters
    ----------
    symbol : str
    candles : Candles
        On the full grid, with what windows and correlations look back on before `first`.
    first : int
    matrix : ndarray of shape (n, n_features), float32
        Features of the candles from `first` on.
    settings : mapping
        The effective settings.
    made : list of Forecast or None, of length n
    """
    step = timeframe_ms(settings["timeframe"])
    names = catalogue.FEATURE_NAMES
    quality = window_quality(candles, first, step, settings["fill_candles"])
    earlier = _closes(candles[max(0, first - RETURNS) : first])
    candles = candles[first:]
    columns = [matrix[:, names.index(name)].astype(np.float64) for name in REGIME_FEATURES]
    regimes = [regime_of(row, settings) for row in np.column_stack(columns).tolist()]
    closes = _closes(candles)
    is_there = np.isfinite(closes).tolist()
    rows = zip(candles.open, candles.high, candles.low, candles.close, strict=True)
    filled = candles.filled.tolist()
    prices = [
        (float(o), float(h), float(low), float(c)) if real else None
        for (o, h, low, c), real in zip(rows, is_there, strict=True)
    ]
    cases = []
    for i, close_ms in enumerate((candles.open_time + step).tolist()):
        forecast = made[i]
        missing = () if forecast is not None else _without_value(names, matrix[i])
        kind = TRADED if is_there[i] else FILLED if filled[i] else MISSING
        context = Context(
            stale_candles=quality[i][0],
            last_candle=kind,
            quality_problems=quality[i][1],
            missing_features=missing,
            model_age_days=model_age_days(forecast, close_ms),
        )
        cases.append(Case(forecast, regimes[i], context))
    return Track(symbol, prices, cases, closes, earlier)


def _closes(candles: Candles) -> np.ndarray:
    """Return closes of shape (n,); NaN where a candle stands in for a missing one."""
    return np.where(candles.filled, np.nan, candles.close)


def _without_value(names: tuple[str, ...], row: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, value in zip(names, row, strict=True) if not np.isfinite(value))
