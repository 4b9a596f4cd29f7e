"""The hidden process of the simulated market: volatility, order flow and the price path.

The market is cut into blocks of `BLOCK` candles. Every random number comes from a counter-based
generator whose key is (seed, symbol, timeframe) and whose counter is (block, purpose), so that a
block can be made alone, and it is always made whole: the same numbers to the bit whoever asks.

Log price = martingale + transient impact of order flow::

    r[t] = scale[t] * sqrt(1 - edge^2) * sqrt(mix[t]) * z[t]  +  edge * flow[t-1]
    flow[t] = sum_j k[j] * scale[t-j] * gain[t-j] * n[t-j],      sum_j k[j] = 0

z and n are independent standard normal, mix makes z Student-t (5 degrees of freedom), gain is
the regime's persistence. All that scales is independent of both signs, so with ``edge = 0`` the
log return is exactly symmetric about 0 given the whole past: a martingale difference.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bot_cripto.timeframes import MINUTE_MS, timeframe_ms

Array = NDArray[np.float64]

EPOCH_MS = 1_577_836_800_000
"""Open time of the first candle: 2020-01-01T00:00:00Z."""
BLOCK = 4096
SEGMENT = 256
"""Candles between two chances of a change of regime."""
FIRST_BLOCK = 3
"""Number of the block at the epoch; those before it only warm up the moving averages."""

SIGMA_5M = 0.0016
"""Root mean square log return of a 5m candle of a symbol with volatility factor 1."""
FLOW_LENGTH = 1024
FLOW_FAST = 12
FLOW_SLOW = 120
"""Half-lives of order flow and of the price's return from its impact, in candles."""
VOLATILITY_LENGTH = 2048
VOLATILITY_DECAY = 0.7
VOLATILITY_SPREAD = 0.30
"""Standard deviation of the logarithm of the volatility, without season and regime."""
TAIL_DF = 5.0
WEEK_MINUTES = 10_080

REGIMES = np.array(  # probability, variance factor, persistence gain
    [
        [0.30, 0.50, 0.80],  # calm
        [0.35, 0.90, 0.90],  # normal
        [0.25, 1.00, 1.30],  # trending
        [0.10, 2.85, 0.95],  # turbulent
    ]
)
SWITCH = 0.25
"""Probability that the regime is drawn anew at a segment: it lasts 4 segments on average."""

PRICES = {"BTC/USDT": 60_000.0, "ETH/USDT": 3_000.0}

# one independent stream of each block for each purpose; the numbers are part of the market
_REGIME, _LEVEL, _VOLATILITY, _FLOW, _TAIL, _RETURN, DETAIL, OUTAGE = range(8)


@dataclass(frozen=True, eq=False)
class Block:
    """One block of the hidden process.

    Attributes
    ----------
    open_time : ndarray of shape (BLOCK,), int64
        Open times in milliseconds since the epoch, UTC.
    log_price : ndarray of shape (BLOCK + 1,)
        Logarithm of the price at the first open and at each close.
    scale : ndarray of shape (BLOCK,)
        Standard deviation of a log return in each candle, without the fat tail.
    shocks : ndarray of shape (2 * BLOCK,)
        Shocks to the order flow, in log return, of the block before and of this one.
    flow : ndarray of shape (BLOCK,)
        Order flow at each close: at ``edge = 1`` the drift of the next candle, in log return.
    """

    index: int
    open_time: NDArray[np.int64]
    log_price: Array
    scale: Array
    shocks: Array
    flow: Array


class Market:
    """The process of one symbol and timeframe.

    Parameters
    ----------
    seed : int
        Any whole number.
    edge : float
        Planted predictability in [0, 1): share of a candle's standard deviation that order flow
        drives. The same seed gives the same random numbers at every edge.
    symbol, timeframe : str
        Each pair of the two is a market of its own: nothing links a 1h market to a 5m one.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """

    def __init__(self, seed: int, edge: float, symbol: str, timeframe: str):
        self.edge = edge
        self.step_ms = timeframe_ms(timeframe)
        self.origin_ms = EPOCH_MS - FIRST_BLOCK * BLOCK * self.step_ms
        self._key = _words(f"{seed}|{symbol}|{timeframe}")
        # price and volatility belong to the symbol, whatever the seed
        draw = np.random.Generator(np.random.Philox(key=_words(symbol))).random(3)
        known = symbol in PRICES
        self.price = PRICES.get(symbol, 10.0 ** (4 * draw[0] - 1))
        self.turnover_5m = 3e6 if known else 10.0 ** (4 + 2 * draw[2])
        factor = 1.0 if known else 0.9 + 0.4 * draw[1]
        self.sigma = SIGMA_5M * factor * math.sqrt(self.step_ms / (5 * MINUTE_MS))
        self._season = season(timeframe)

    def generator(self, block: int, purpose: int) -> np.random.Generator:
        """Return the random numbers of one block for one purpose, an independent stream."""
        counter = np.array([0, 0, block, purpose], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=self._key, counter=counter))

    def block_of(self, time_ms: int) -> int:
        """Return the number of the block that holds the candle open at that time."""
        return (time_ms - self.origin_ms) // (BLOCK * self.step_ms)

    def week_index(self, open_time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each candle's place in the week, counted in candles from Monday 00:00 UTC."""
        # 1970-01-01 was a Thursday
        week = WEEK_MINUTES * MINUTE_MS
        return (open_time + 3 * 1440 * MINUTE_MS) % week // self.step_ms

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """Yield the blocks of those numbers (``FIRST_BLOCK <= first``), `last` included."""
        regime = self._regimes(last)
        variance, gain = REGIMES[regime, 1] * self.sigma**2, REGIMES[regime, 2]
        # sums by cumsum, in the order of time: a longer market begins as a shorter one
        total = np.cumsum(variance, axis=1)[:, -1] * SEGMENT
        draw = self.generator(0, _LEVEL).standard_normal(len(total))
        change = np.sqrt((1 - self.edge**2) * total) * draw
        change[:FIRST_BLOCK] = 0.0
        level = math.log(self.price) + np.cumsum(change)

        noise, shocks, close = self._normal(first - 3, _VOLATILITY), np.zeros(BLOCK), math.nan
        for block in range(first - 2, last + 1):
            before, noise = noise, self._normal(block, _VOLATILITY)
            open_time = self.origin_ms + (block * BLOCK + np.arange(BLOCK)) * self.step_ms
            scale, sigma = self._volatility(
                block, np.concatenate([before, noise]), variance[block], open_time
            )
            old, shocks = shocks, scale * np.repeat(gain[block], SEGMENT)
            shocks *= self._normal(block, _FLOW)
            if block < first - 1:
                continue
            path = level[block - 1] + np.cumsum(self._martingale(block, sigma, draw[block]))
            path[-1] = level[block]  # the block's own sum, free of rounding
            both = np.concatenate([old, shocks])
            path += self.edge * filtered(both, impact_kernel())
            if block >= first:
                log_price = np.concatenate([[close], path])
                flow = filtered(both, flow_kernel())
                yield Block(block, open_time, log_price, scale, both, flow)
            close = float(path[-1])

    def _normal(self, block: int, purpose: int) -> Array:
        return self.generator(block, purpose).standard_normal(BLOCK)

    def _regimes(self, last: int) -> NDArray[np.int64]:
        """Return the regime of every segment of the blocks up to `last`, one row a block."""
        segments = BLOCK // SEGMENT
        draw = self.generator(0, _REGIME).random(((last + 1) * segments, 2))
        switch = draw[:, 0] < SWITCH
        switch[0] = True
        since = np.maximum.accumulate(np.where(switch, np.arange(len(switch)), 0))
        chance = np.cumsum(REGIMES[:, 0])[:-1]
        return np.searchsorted(chance, draw[since, 1], side="right").reshape(-1, segments)

    def _volatility(
        self, block: int, noise: Array, variance: Array, open_time: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        """Return the scale of each candle and its standard deviation with the fat tail."""
        power = np.exp(2 * VOLATILITY_SPREAD * filtered(noise, volatility_kernel()))
        power *= np.repeat(variance, SEGMENT) * self._season[self.week_index(open_time)]
        mix = (TAIL_DF / 2 - 1) / self.generator(block, _TAIL).standard_gamma(TAIL_DF / 2, BLOCK)
        # the variance of a block is its regimes' alone: its change of price needs no candles
        power *= np.cumsum(variance)[-1] * SEGMENT / np.cumsum(power * mix)[-1]
        return np.sqrt(power), np.sqrt(power * mix)

    def _martingale(self, block: int, sigma: Array, draw: float) -> Array:
        """Return independent N(0, sigma^2) draws, scaled for the edge, whose sum is given."""
        unit = sigma / np.sqrt(np.cumsum(sigma**2)[-1])
        normal = self._normal(block, _RETURN)
        # replacing the component along `unit` by another N(0, 1) leaves the law as it was
        normal += unit * (draw - np.cumsum(unit * normal)[-1])
        return math.sqrt(1 - self.edge**2) * sigma * normal


def filtered(values: Array, kernel: Array) -> Array:
    """Return the causal moving average at the last `BLOCK` of ``2 * BLOCK`` values.

    Parameters
    ----------
    values : ndarray of shape (2 * BLOCK,)
    kernel : ndarray of shape (n,), n <= BLOCK
        Weight of the value 0, 1, ... n - 1 places back.

    Notes
    -----
    By FFT and always of one length: the same bits, and no library that counts threads.
    """
    spectrum = np.fft.rfft(values) * np.fft.rfft(kernel, len(values))
    return np.fft.irfft(spectrum, len(values))[BLOCK:]


@lru_cache
def flow_kernel() -> Array:
    """Return the weights of order flow, of unit norm and sum 0, so that its impact fades."""
    lag = np.arange(FLOW_LENGTH)
    fast, slow = 0.5 ** (lag / FLOW_FAST), 0.5 ** (lag / FLOW_SLOW)
    kernel = fast - slow * (fast.sum() / slow.sum())
    return kernel / np.sqrt((kernel**2).sum())


@lru_cache
def impact_kernel() -> Array:
    """Return the weights of the impact of flow on the log price at each close.

    The flow after a close moves the next one, hence the zero in front.
    """
    return np.concatenate([[0.0], np.cumsum(flow_kernel())[:-1]])


@lru_cache
def volatility_kernel() -> Array:
    """Return the weights of log volatility: a power law, of unit norm."""
    kernel = (1.0 + np.arange(VOLATILITY_LENGTH)) ** -VOLATILITY_DECAY
    return kernel / np.sqrt((kernel**2).sum())


@lru_cache
def season(timeframe: str) -> Array:
    """Return the variance factor of each candle of a week from Monday 00:00 UTC, of mean 1."""
    minute = np.arange(WEEK_MINUTES)
    hour = minute % 1440 / 60
    # busiest when Europe and America both trade, quiet at weekends
    wave = 1 + 0.30 * np.cos((hour - 15) * (np.pi / 12)) + 0.08 * np.cos((hour - 14) * (np.pi / 6))
    wave *= np.where(minute >= 5 * 1440, 0.8, 1.0)
    power = (wave**2).reshape(-1, timeframe_ms(timeframe) // MINUTE_MS).mean(axis=1)
    return power / power.mean()


def _words(text: str) -> NDArray[np.uint64]:
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), dtype="<u8")
