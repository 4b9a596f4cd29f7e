"""The walk sees at each close what the live signal sees of the same candles."""

import numpy as np
import pytest

from bot_cripto.backtest.track import Track
from bot_cripto.backtest.walk import Walk
from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.execution.book import Book
from bot_cripto.execution.correlation import RETURNS
from bot_cripto.execution.prices import correlated_symbols

STEP = 300_000
START = 1_717_416_000_000
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def market(candles, seed=3):
    """Closes of three symbols: two move together in the last half, the third on its own."""
    random = np.random.default_rng(seed)
    common, *own = random.normal(0, 0.002, (4, candles))
    steps = [common + 0.1 * own[0], common + 0.1 * own[1], own[2]]
    closes = [100 * np.cumprod(1 + step) for step in steps]
    closes[1][random.random(candles) < 0.05] = np.nan
    return dict(zip(SYMBOLS, closes, strict=True))


@pytest.mark.parametrize("before", [0, 1, 50, 150, RETURNS - 1, RETURNS, RETURNS + 1])
def test_correlations_look_back_beyond_the_first_candle(before, tmp_path):
    """As live, where the candle store knows what came before the bot was started."""
    settings = effective(Settings(symbols=list(SYMBOLS)), tmp_path)
    walked = 160
    closes = market(before + walked)
    tracks = [
        Track(symbol, [], [], values[before:], values[max(0, before - RETURNS) : before])
        for symbol, values in closes.items()
    ]

    def read_closes(symbol, since_ms, until_ms):
        times = START + np.arange(before + walked) * STEP
        kept = np.isfinite(closes[symbol]) & (times >= since_ms) & (times < until_ms)
        return times[kept], closes[symbol][kept]

    with Book.in_memory(settings) as book:
        walk = Walk(tracks, book, settings, START + before * STEP)
        for i in (0, 1, 5, 99, 101, walked - 1):
            close = START + (before + i + 1) * STEP
            live = correlated_symbols(read_closes, SYMBOLS, close, STEP, 0.6)
            assert walk._correlated(i) == live, i
