"""The simulated market as a source of candles: deterministic, endless and made up."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bot_cripto import clock
from bot_cripto.errors import ConfigError, SourceError
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.simulated_process import (
    BLOCK,
    DETAIL,
    EPOCH_MS,
    OUTAGE,
    SEGMENT,
    Block,
    Market,
)
from bot_cripto.symbols import check_symbol
from bot_cripto.timeframes import MINUTE_MS, iso

DEFAULT_SEED = 19
DEFAULT_EDGE = 0.35
"""Edge of the embedded default market; docs/simulated-market.md says what it amounts to."""
MAX_OUTAGES = 0.5
SHORT_OUTAGE = 12
"""Mean length of an outage in candles, unless the fraction asked needs longer ones."""


class SimulatedSource:
    """A made-up market that is a pure function of (seed, symbol, timeframe, time).

    Fetching in pieces equals fetching at once, to the bit, for one version of numpy on one
    kind of processor; elsewhere the last digits may differ.

    Parameters
    ----------
    seed : int
        Any whole number; another seed is another market.
    edge : float
        Planted predictability in [0, 1), see `bot_cripto.market.oracle.attainable_auc`.
    outages : float, default=0.0
        Fraction of the candles that are missing, in whole stretches, in [0, 0.5].

    Raises
    ------
    ConfigError
        `edge` or `outages` is out of its range.
    """

    name = "simulated"

    def __init__(self, seed: int, edge: float, outages: float = 0.0):
        # written so that NaN is refused too
        if not 0 <= edge < 1:
            raise ConfigError(f"edge of the simulated market is {edge}; allowed: 0 <= edge < 1")
        if not 0 <= outages <= MAX_OUTAGES:
            raise ConfigError(
                f"outages of the simulated market is {outages}; allowed: 0 to {MAX_OUTAGES}"
            )
        self.seed = seed
        self.edge = edge
        self.outages = outages

    def now_ms(self) -> int:
        """Return the time in milliseconds since the epoch, UTC."""
        return clock.now_ms()

    def candles(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int
    ) -> Iterator[Candles]:
        """Yield closed candles with ``since_ms <= open_time < until_ms``, in batches.

        Parameters
        ----------
        symbol : str
            ``BASE/QUOTE``; every symbol exists, independent of the others.
        timeframe : str
            One of `bot_cripto.timeframes.TIMEFRAMES`.
        since_ms, until_ms : int
            Milliseconds since the epoch, UTC; candles that have not closed yet are left out.

        Raises
        ------
        ConfigError
            The symbol has another form or the timeframe is unknown.
        SourceError
            `since_ms` lies before the market begins.
        """
        market = Market(self.seed, self.edge, check_symbol(symbol), timeframe)
        if since_ms < EPOCH_MS:
            raise SourceError(
                f"{symbol} {timeframe}: the simulated market begins at {iso(EPOCH_MS)}, asked for"
                f" {iso(since_ms)}; ask for a later time or a shorter history"
            )
        until_ms = min(until_ms, self.now_ms() - market.step_ms + 1)
        if since_ms >= until_ms:
            return
        first, last = market.block_of(since_ms), market.block_of(until_ms - 1)
        for block in market.blocks(first, last):
            batch = publish(market, block)
            if self.outages > 0:
                batch = batch[~missing(market, block.index, self.outages)]
            yield batch.between(since_ms, until_ms)


def publish(market: Market, block: Block) -> Candles:
    """Return the candles of a block: what the market shows of its hidden process.

    Parameters
    ----------
    market : Market
    block : Block
        One of its blocks.

    Returns
    -------
    Candles of length BLOCK
        Prices in the quote currency, volume in the base currency, no NaN. The share of the
        lower shadow in both shadows rises with the order flow at the close (which moves the
        next candle, never this one), volume with its size.
    """
    generator = market.generator(block.index, DETAIL)
    length, noise = generator.standard_exponential(BLOCK), generator.standard_normal(BLOCK)
    price = np.exp(block.log_price)
    start, close = price[:-1], price[1:]
    flow = block.flow / block.scale
    shadows = block.scale * (0.40 + 0.45 * length)
    lower = 1 / (1 + np.exp(-1.5 * flow))
    high = np.maximum(start, close) * np.exp(shadows * (1 - lower))
    low = np.minimum(start, close) * np.exp(-shadows * lower)

    move = np.abs(np.diff(block.log_price)) / block.scale
    # shape of the log of volume; its level is only meant to look like a market's
    busy = 0.35 * np.log1p(move) + 0.30 * np.abs(flow) + 0.35 * noise - 0.5
    turnover = market.turnover_5m * (market.step_ms / (5 * MINUTE_MS))
    volume = turnover * (block.scale / market.sigma) ** 1.5 * np.exp(busy) / close
    return make(block.open_time, start, high, low, close, volume)


def missing(market: Market, index: int, fraction: float) -> NDArray[np.bool_]:
    """Return which candles of a block are lost in outages, shape (BLOCK,).

    Parameters
    ----------
    market : Market
    index : int
        Number of the block.
    fraction : float
        Share of all candles lost in the long run, in (0, 0.5]. Every `SEGMENT` candles have at
        most one outage, whose length is uniform from 1 to twice its mean.
    """
    mean = max(SHORT_OUTAGE, math.ceil(fraction * SEGMENT))
    happens, length, place = market.generator(index, OUTAGE).random((3, BLOCK // SEGMENT))
    size = 1 + np.floor(length * (2 * mean - 1))
    start = np.floor(place * (SEGMENT - size + 1))
    size[happens >= fraction * SEGMENT / mean] = 0
    offset = np.arange(SEGMENT)
    lost = (offset >= start[:, None]) & (offset < (start + size)[:, None])
    return lost.ravel()
