"""A small market and what is trained on it, shared by the tests of models."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from bot_cripto.market.candles import Candles, make
from bot_cripto.models.reference import make_reference
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, TrainingData, build_snapshot, training_data
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.training import TRAINERS, prepare, train
from bot_cripto.models.version_writer import Origin

TIMEFRAME, STEP_MS = "5m", 300_000
START_MS = 1_704_067_200_000
SETTINGS = TrainingSettings(
    horizon_steps=3,
    rounds=12,
    early_stopping_rounds=6,
    learning_rate=0.1,
    num_leaves=7,
    min_leaf_fraction=0.015,
    min_rows=1000,
)


def random_candles(n: int, seed: int = 0, momentum: float = 0.0) -> Candles:
    """Return a random walk with changing volatility; momentum makes returns predictable."""
    random = np.random.Generator(np.random.PCG64(seed))
    volatility = 0.001 * np.exp(0.5 * np.sin(np.arange(n) / 300))
    # Drift that turns every hundred candles or so: what trend features can find.
    drift = momentum * np.sign(np.sin(np.arange(n) / 30))
    returns = volatility * (random.standard_normal(n) + drift)
    close = 100.0 * np.exp(np.cumsum(returns))
    opened = np.r_[100.0, close[:-1]]
    spread = 1.0 + 0.5 * volatility * random.random((2, n))
    return make(
        START_MS + STEP_MS * np.arange(n, dtype=np.int64),
        opened,
        np.maximum(opened, close) * spread[0],
        np.minimum(opened, close) / spread[1],
        close,
        10.0 + random.random(n),
    )


@functools.cache
def snapshot() -> Snapshot:
    candles = random_candles(5000, momentum=0.5)
    return build_snapshot(candles, TIMEFRAME, SETTINGS, cutoff())


@functools.cache
def data() -> TrainingData:
    return training_data(snapshot())


def cutoff(n: int = 5000) -> int:
    return START_MS + n * STEP_MS


@functools.cache
def trained(kind: str) -> TrainedModel:
    if kind == "baseline":
        return train("baseline", data(), SETTINGS)
    return TRAINERS[kind](_prepared())


@functools.cache
def _prepared():
    return prepare(data(), SETTINGS)


@functools.cache
def reference_rows() -> bytes:
    return make_reference(snapshot().candles, TIMEFRAME)


def origin(**changes) -> Origin:
    base = Origin("BTC/USDT", "simulated", TIMEFRAME, cutoff(), "d" * 64, "c" * 64, "f" * 64, {})
    return replace(base, **changes)
