"""Measure how much of the simulated market's predictability plain features and LightGBM find.

Run from the project's root: python benchmarks/learnable_auc.py (half a minute on one core).
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np

from bot_cripto.market.candles import Candles, concat
from bot_cripto.market.oracle import oracle
from bot_cripto.market.simulated import DEFAULT_EDGE, SimulatedSource
from bot_cripto.market.simulated_process import EPOCH_MS
from bot_cripto.metrics import auc

MARKET = "BTC/USDT", "5m"
SEED, HORIZON, DAY, TEST_DAYS, WARM_UP = 42, 5, 288, 100, 100
PARAMS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "verbosity": -1,
}


def mean(values: np.ndarray, n: int) -> np.ndarray:
    """Return the mean of the last n values, NaN where there are fewer."""
    result = np.full(len(values), np.nan)
    result[n - 1 :] = np.convolve(values, np.ones(n) / n, "valid")
    return result


def deviation(values: np.ndarray, n: int) -> np.ndarray:
    """Return the standard deviation of the last n values."""
    return np.sqrt(np.maximum(mean(values**2, n) - mean(values, n) ** 2, 1e-18))


def features(c: Candles) -> np.ndarray:
    """Return 12 plain features, shape (n, 12)."""
    spread = c.high - c.low
    location = (2 * c.close - c.high - c.low) / spread
    volume = np.log(c.volume)
    r = np.log(c.close / c.open)
    unit = deviation(r, 50)
    columns = [
        location,
        mean(location, 5),
        mean(location, 20),
        (c.high - np.maximum(c.open, c.close)) / spread,
        (np.minimum(c.open, c.close) - c.low) / spread,
        (volume - mean(volume, 50)) / deviation(volume, 50),
        r / unit,
        *(mean(r, n) / unit for n in (5, 20, 100)),
        (c.close - c.open) / spread,
        deviation(r, 20),
    ]
    return np.column_stack(columns)


if __name__ == "__main__":
    print("| edge | trained on | model | attainable on the same candles |\n|---|---|---|---|")
    for edge in (0.0, 0.1, DEFAULT_EDGE):
        for days in (60, 200):
            until = EPOCH_MS + (days + TEST_DAYS) * 86_400_000
            candles = concat(list(SimulatedSource(SEED, edge).candles(*MARKET, EPOCH_MS, until)))
            known = oracle(SEED, edge, *MARKET, EPOCH_MS, until, HORIZON)
            up, n, x = known.forward_return > 0, days * DAY, features(candles)
            # the labels of the last candles before the cut reach beyond it
            rows = slice(WARM_UP, n - HORIZON)
            model = lgb.train(PARAMS, lgb.Dataset(x[rows], up[rows].astype(int)), 200)
            found, best = auc(model.predict(x[n:]), up[n:]), auc(known.score[n:], up[n:])
            print(f"| {edge:g} | {days} days | {found:.3f} | {best:.3f} |")
