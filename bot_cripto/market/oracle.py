"""What can be known of the simulated market's future: the yardstick for any model on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ConfigError, SourceError
from bot_cripto.market.simulated_process import (
    BLOCK,
    EPOCH_MS,
    FIRST_BLOCK,
    Array,
    Block,
    Market,
    filtered,
    impact_kernel,
)
from bot_cripto.metrics import auc
from bot_cripto.timeframes import iso

SAMPLE_BLOCKS = 100
"""Blocks over which `attainable_auc` measures: about 410,000 candles."""
SAMPLE_SEED = 2020


@dataclass(frozen=True, eq=False)
class Forecast:
    """The best forecast at each close, and what came; log returns over the horizon.

    Attributes
    ----------
    open_time : ndarray of shape (n,), int64
        Open times in milliseconds since the epoch, UTC.
    score : ndarray of shape (n,)
        Forecast per unit of edge and of volatility: what `attainable_auc` ranks by.
    expected_return : ndarray of shape (n,)
        Conditional mean of the log return, decimal.
    volatility : ndarray of shape (n,)
        Its conditional standard deviation, decimal, were the scale to stay as it is.
    forward_return : ndarray of shape (n,)
        Log return from this close to the close `horizon_steps` later, decimal.
    """

    open_time: NDArray[np.int64]
    score: Array
    expected_return: Array
    volatility: Array
    forward_return: Array


def oracle(
    seed: int,
    edge: float,
    symbol: str,
    timeframe: str,
    since_ms: int,
    until_ms: int,
    horizon_steps: int,
) -> Forecast:
    """Return the forecast of one who knows the hidden process up to each close, and no further.

    With the shocks x[s] to the order flow known for s <= t, the mean of the log return from
    close t to close t + h is exactly ``edge * S[t]``, with
    ``S[t] = sum_i (H[i + h] - H[i]) * x[t - i]`` and H the impact of a shock on the log price
    as many closes later; shocks to come have mean 0. Given the scales, its variance is
    ``scale^2 * ((1 - edge^2) * h + edge^2 * (H[1]^2 + ... + H[h-1]^2))``, and as noise is
    symmetric the probability of a rise grows with ``S / scale``, which is the score. The scale
    to come is not known at t; the scale at t stands for it.

    Parameters
    ----------
    seed, edge, symbol, timeframe
        The market, as in `SimulatedSource`.
    since_ms, until_ms : int
        Milliseconds since the epoch, UTC: candles with ``since_ms <= open_time < until_ms``,
        outages and the clock left aside.
    horizon_steps : int
        Candles ahead, 1 to `BLOCK`.

    Returns
    -------
    Forecast of length n
        Without NaN. At ``edge = 0`` the score is the same flow, which then drives nothing.

    Raises
    ------
    ConfigError
        The horizon is out of range or the timeframe unknown.
    SourceError
        `since_ms` lies before the market begins.
    """
    if not 1 <= horizon_steps <= BLOCK:
        raise ConfigError(f"horizon_steps is {horizon_steps}; allowed: 1 to {BLOCK}")
    if since_ms < EPOCH_MS:
        raise SourceError(
            f"{symbol} {timeframe}: the simulated market begins at {iso(EPOCH_MS)}, asked for"
            f" {iso(since_ms)}"
        )
    market = Market(seed, edge, symbol, timeframe)
    until_ms = max(since_ms, until_ms)
    first, last = market.block_of(since_ms), market.block_of(max(since_ms, until_ms - 1))
    blocks = list(market.blocks(first, last + 1))
    everything = _join(blocks, edge, horizon_steps)
    start, stop = np.searchsorted(everything.open_time, [since_ms, until_ms])
    return Forecast(*(column[start:stop] for column in vars(everything).values()))


def _join(blocks: list[Block], edge: float, steps: int) -> Forecast:
    """Return the forecasts of all blocks but the last, whose prices the ends of others need."""
    impact = impact_kernel()
    # a shock's impact has faded at the end of the kernel
    later = np.concatenate([impact[steps:], np.zeros(min(steps, len(impact)))])
    ahead = later - impact
    variance = (1 - edge**2) * steps + edge**2 * (impact[:steps] ** 2).sum()
    closes = np.concatenate([block.log_price[1:] for block in blocks])
    n = len(closes) - BLOCK
    drift = np.concatenate([filtered(block.shocks, ahead) for block in blocks[:-1]])
    scale = np.concatenate([block.scale for block in blocks[:-1]])
    return Forecast(
        np.concatenate([block.open_time for block in blocks[:-1]]),
        drift / scale,
        edge * drift,
        np.sqrt(variance) * scale,
        closes[steps : n + steps] - closes[:n],
    )


def oracle_score(
    seed: int,
    edge: float,
    symbol: str,
    timeframe: str,
    since_ms: int,
    until_ms: int,
    horizon_steps: int,
) -> Array:
    """Return the score whose AUC for the sign of the forward return is the attainable one.

    See `oracle` for parameters and errors.

    Returns
    -------
    ndarray of shape (n,)
        One score for each candle of the grid with ``since_ms <= open_time < until_ms``.
    """
    return oracle(seed, edge, symbol, timeframe, since_ms, until_ms, horizon_steps).score


@lru_cache
def attainable_auc(edge: float, horizon_steps: int, timeframe: str = "5m") -> float:
    """Return the best attainable AUC for the sign of the forward return.

    Parameters
    ----------
    edge : float
        Planted predictability in [0, 1).
    horizon_steps : int
        Candles ahead, 1 to `BLOCK`.
    timeframe : str, default="5m"
        The law is the same in every timeframe but for the season of volatility.

    Returns
    -------
    float
        AUC of `oracle_score`, measured on `SAMPLE_BLOCKS` blocks of one fixed seed; its standard
        error is about 0.002 (docs/simulated-market.md). 0.5 at ``edge = 0``, by symmetry. On a
        stretch of candles a model may exceed it by luck, within that stretch's standard error.

    Raises
    ------
    ConfigError
        The horizon is out of range or the timeframe unknown.
    """
    if edge == 0:
        return 0.5
    market = Market(SAMPLE_SEED, edge, "BTC/USDT", timeframe)
    since = EPOCH_MS
    until = market.origin_ms + (FIRST_BLOCK + SAMPLE_BLOCKS) * BLOCK * market.step_ms
    known = oracle(SAMPLE_SEED, edge, "BTC/USDT", timeframe, since, until, horizon_steps)
    return auc(known.score, (known.forward_return > 0).astype(np.float64))
