"""Made-up candles for the tests of features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bot_cripto.market.candles import Candles, make
from bot_cripto.timeframes import timeframe_ms

MONDAY = 1_704_067_200_000  # 2024-01-01T00:00:00Z


def random_candles(
    n: int, timeframe: str = "5m", *, seed: int = 0, start: int = 7, price: float = 100.0
) -> Candles:
    """Return a random walk with fat tails on a grid of cents, `start` candles after Monday."""
    rng = np.random.default_rng(seed)
    step = timeframe_ms(timeframe)
    first = (MONDAY // step + start) * step
    moves = 0.002 * rng.standard_t(4, n) * np.exp(0.5 * np.sin(np.arange(n) / 97.0))
    close = price * np.exp(np.cumsum(moves))
    opening = np.concatenate(([price], close[:-1])) * np.exp(0.0003 * rng.standard_normal(n))
    high = np.maximum(opening, close) * np.exp(np.abs(0.0008 * rng.standard_normal(n)))
    low = np.minimum(opening, close) * np.exp(-np.abs(0.0008 * rng.standard_normal(n)))
    volume = 50.0 * np.exp(rng.standard_normal(n))
    tick = price / 10_000
    opening, high, low, close = (np.round(p / tick) * tick for p in (opening, high, low, close))
    return make(first + step * np.arange(n), opening, high, low, close, volume)


def thin_candles(n: int, timeframe: str = "5m", *, seed: int = 0) -> Candles:
    """Return a market in which most candles are flat and without volume, prices few."""
    rng = np.random.default_rng(seed)
    moved = rng.random(n) < 0.1
    close = 0.5 + 0.125 * np.clip(np.cumsum(moved * rng.integers(-1, 2, n)), -2, 2)
    opening = np.concatenate((close[:1], close[:-1]))
    wick = 0.125 * (moved & (rng.random(n) < 0.5))
    high, low = np.maximum(opening, close) + wick, np.minimum(opening, close)
    step = timeframe_ms(timeframe)
    first = MONDAY // step * step
    volume = moved * rng.exponential(3.0, n)
    return make(first + step * np.arange(n), opening, high, low, close, volume)


def with_gap(candles: Candles, rows: slice | int) -> Candles:
    """Return the candles with those rows as an unfilled gap."""
    columns = {}
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = getattr(candles, name).copy()
        columns[name][rows] = np.nan
    return replace(candles, **columns)


def garbage_outside(candles: Candles, keep: slice) -> Candles:
    """Return the candles with everything outside `keep` replaced by other, wild candles."""
    columns = {}
    wild = random_candles(len(candles), seed=99, price=7.0)
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = getattr(wild, name).copy()
        columns[name][keep] = getattr(candles, name)[keep]
    return replace(candles, **columns)
