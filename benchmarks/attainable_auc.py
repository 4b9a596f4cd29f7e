"""Measure what the simulated market holds: the tables of docs/simulated-market.md.

Run from the project's root, with the development packages: python benchmarks/attainable_auc.py
It takes about a quarter of an hour on one core.
"""

from __future__ import annotations

import time
from math import erf

import numpy as np
import talib

from bot_cripto.market.candles import concat
from bot_cripto.market.oracle import Forecast, oracle
from bot_cripto.market.simulated import DEFAULT_EDGE, DEFAULT_SEED, SimulatedSource
from bot_cripto.market.simulated_process import BLOCK, EPOCH_MS, SIGMA_5M
from bot_cripto.metrics import auc
from bot_cripto.timeframes import timeframe_ms

SYMBOL = "BTC/USDT"
TIMEFRAME = "5m"
SEEDS = range(1000, 1128)
BLOCKS = 50
EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, DEFAULT_EDGE)
HORIZONS = (1, 5, 12)
PROB_MIN, RETURN_MIN, VOLATILITY_MAX, ADX_MIN, ATR_MAX, COST = 0.60, 0.0028, 0.006, 20, 0.02, 0.0028


def attainable() -> None:
    """Print the best attainable AUC by edge and horizon: mean over the seeds, standard error."""
    until = EPOCH_MS + BLOCKS * BLOCK * timeframe_ms(TIMEFRAME)
    print("| edge | " + " | ".join(f"horizon {steps}" for steps in HORIZONS) + " |")
    print("|---|" + "---|" * len(HORIZONS))
    for edge in EDGES:
        row = [f"{edge:g}"]
        for steps in HORIZONS:
            known = (oracle(s, edge, SYMBOL, TIMEFRAME, EPOCH_MS, until, steps) for s in SEEDS)
            found = np.array([auc(k.score, (k.forward_return > 0).astype(float)) for k in known])
            error = found.std(ddof=1) / np.sqrt(len(found))
            row.append(f"{found.mean():.4f} ± {error:.4f}")
        print("| " + " | ".join(row) + " |", flush=True)


def qualifying(seed: int, edge: float, days: int = 2400, steps: int = 5) -> None:
    """Print how many candles the thresholds let through when the oracle forecasts; edge > 0."""
    until = EPOCH_MS + days * 86_400_000
    known = oracle(seed, edge, SYMBOL, TIMEFRAME, EPOCH_MS, until, steps)
    candles = concat(list(SimulatedSource(seed, edge).candles(SYMBOL, TIMEFRAME, EPOCH_MS, until)))
    known = Forecast(*(column[: len(candles)] for column in vars(known).values()))
    ohlc = candles.high, candles.low, candles.close
    trend = (talib.ADX(*ohlc, 14) >= ADX_MIN) & (talib.ATR(*ohlc, 14) / candles.close < ATR_MAX)
    # forecast of the realised volatility: squared candle returns do not see the drift persist
    scale = known.expected_return / (known.score * edge)
    calm = np.sqrt(steps) * scale <= VOLATILITY_MAX
    ratio = known.expected_return / known.volatility
    prob_up = np.array([0.5 * (1 + erf(z / np.sqrt(2))) for z in ratio])
    able = trend & calm
    long = able & (prob_up >= PROB_MIN) & (known.expected_return >= RETURN_MIN)
    short = able & (1 - prob_up >= PROB_MIN) & (known.expected_return <= -RETURN_MIN)
    gain = np.concatenate([known.forward_return[long], -known.forward_return[short]])
    print(
        f"seed {seed}, edge {edge:g}: ADX14 >= {ADX_MIN}: {trend.mean():.1%} of candles,"
        f" volatility <= {VOLATILITY_MAX:.1%}: {calm.mean():.1%},"
        f" LONG {long.mean():.1%}, SHORT {short.mean():.1%};"
        f" right {(gain > 0).mean():.1%}, mean after {COST * 1e4:.0f} bp"
        f" {(gain.mean() - COST) * 1e4:+.1f} bp; price {candles.low.min():,.0f} to"
        f" {candles.high.max():,.0f}",
        flush=True,
    )


def facts(seed: int, edge: float, days: int = 2400) -> None:
    """Print the stylised facts of one market."""
    until = EPOCH_MS + days * 86_400_000
    close = concat(
        list(SimulatedSource(seed, edge).candles(SYMBOL, TIMEFRAME, EPOCH_MS, until))
    ).close
    r = np.diff(np.log(close))
    size = np.abs(r)
    lags = (1, 12, 100, 288)
    clustering = ", ".join(f"{np.corrcoef(size[:-k], size[k:])[0, 1]:.3f}" for k in lags)
    momentum = ", ".join(f"{np.corrcoef(r[:-k], r[k:])[0, 1]:+.3f}" for k in lags)
    five = np.log(close[5:] / close[:-5]).std()
    print(
        f"edge {edge:g}: sigma {r.std():.5f} a candle, {five:.5f} over 5; kurtosis"
        f" {((r / r.std()) ** 4).mean():.1f}; autocorrelation at lags {lags}: |r| {clustering};"
        f" r {momentum}"
    )


def speed() -> None:
    """Print the CPU time of a steady fetch and of everything."""
    source = SimulatedSource(DEFAULT_SEED, DEFAULT_EDGE)
    now = source.now_ms()
    for days in (10, 10, 200, (now - EPOCH_MS) // 86_400_000):
        start = time.process_time()
        n = sum(map(len, source.candles(SYMBOL, TIMEFRAME, now - days * 86_400_000, now)))
        print(f"{days} days ({n:,} candles): {time.process_time() - start:.3f} s of CPU")


if __name__ == "__main__":
    print(f"numpy {np.__version__}, {SYMBOL} {TIMEFRAME}, sigma {SIGMA_5M}\n")
    speed()
    print()
    attainable()
    print()
    for each in (DEFAULT_SEED, *SEEDS[:3]):
        qualifying(each, DEFAULT_EDGE)
    print()
    for each_edge in (0.0, DEFAULT_EDGE):
        facts(DEFAULT_SEED, each_edge)
