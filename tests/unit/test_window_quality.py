"""A walk judges the window behind each close as the live signal does."""

import numpy as np
import pytest

from bot_cripto.backtest import soundness
from bot_cripto.backtest.soundness import window_quality
from bot_cripto.market import quality
from bot_cripto.market.candles import make
from bot_cripto.market.gaps import to_grid

STEP = 300_000
START = 1_717_416_000_000


@pytest.mark.parametrize("seed", range(12))
def test_it_says_what_the_report_of_each_window_says(seed, monkeypatch):
    monkeypatch.setattr(soundness, "WINDOW", 40)
    random = np.random.default_rng(seed)
    n, max_fill = 160, int(random.integers(0, 6))
    there = np.ones(n, bool)
    for _ in range(6):
        start = random.integers(0, n)
        there[start : start + random.integers(1, 14 if seed % 3 else 50)] = False
    times = START + np.arange(n)[there] * STEP
    price = np.full(len(times), 100.0)
    real = make(times, price, price, price, price, price)
    candles = to_grid(real, "5m", START, START + n * STEP, max_fill)
    found = window_quality(candles, 50, STEP, max_fill)
    assert len(found) == n - 50
    seen = set()
    for i, (stale, problems) in enumerate(found, 50):
        until = START + (i + 1) * STEP
        report = quality.report(
            real.between(0, until),
            symbol="BTC/USDT",
            source="simulated",
            timeframe="5m",
            since_ms=until - 40 * STEP,
            until_ms=until,
            max_fill=max_fill,
        )
        assert (stale, list(problems)) == (report["stale_candles"], report["problems"]), i
        seen.update(text.split()[0] for text in problems)
    assert seen, "no window had a problem: the test shows nothing"
