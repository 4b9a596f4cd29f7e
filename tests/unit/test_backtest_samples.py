"""What the page draws of candles and forecasts: the right ones, few enough, unchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.report_html import html
from bot_cripto.backtest.samples import AFTER, MOST_IN_ONE, candles_of_trades, interval_sample
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import iso, parse_iso

STEP = 300_000
START = 1_735_689_600_000


@dataclass
class Closed:
    entry_ms: int
    exit_ms: int


def market(n: int, seed: int = 3) -> Candles:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.001, n)))
    opened = np.r_[100.0, close[:-1]]
    high, low = np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995
    times = START + STEP * np.arange(n, dtype=np.int64)
    return Candles(times, opened, high, low, close, np.ones(n), np.zeros(n, dtype=bool))


def at(place: int, held: int = 5) -> Closed:
    return Closed(START + place * STEP, START + (place + held) * STEP)


def test_without_trades_it_is_the_end_of_the_test():
    candles = market(1000)
    found = candles_of_trades(candles, [], STEP)
    assert found["t"] == [iso(int(t)) for t in candles.open_time[-240:]]
    assert found["minutes"] == 5
    assert found["close"] == pytest.approx(candles.close[-240:].tolist(), rel=1e-9)


def test_trades_near_each_other_keep_every_candle():
    found = candles_of_trades(market(1000), [at(place) for place in range(400, 560, 16)], STEP)
    assert found["minutes"] == 5 and len(found["t"]) == 240
    assert parse_iso(found["t"][-1]) == START + (544 + 5 + AFTER) * STEP


def test_trades_far_apart_are_shown_on_longer_candles():
    candles = market(3000)
    trades = [at(place) for place in range(100, 2100, 200)]
    found = candles_of_trades(candles, trades, STEP)
    assert found["minutes"] == 40
    assert parse_iso(found["t"][0]) <= trades[0].entry_ms
    assert parse_iso(found["t"][-1]) >= trades[-1].exit_ms
    first = parse_iso(found["t"][5])
    inside = candles.between(first, first + 8 * STEP)
    assert len(inside) == 8
    assert found["open"][5] == pytest.approx(inside.open[0])
    assert found["high"][5] == pytest.approx(inside.high.max())
    assert found["low"][5] == pytest.approx(inside.low.min())
    assert found["close"][5] == pytest.approx(inside.close[-1])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 900),
    st.lists(st.tuples(st.integers(0, 899), st.integers(1, 40)), max_size=30),
    st.sets(st.integers(0, 899), max_size=200),
    st.integers(20, 300),
)
def test_candles_are_few_ordered_and_whole(n, places, gaps, count):
    candles = market(n)
    for gap in gaps:
        for column in (candles.open, candles.high, candles.low, candles.close):
            column[gap % n] = np.nan
    trades = [at(place % n, held) for place, held in places]
    found = candles_of_trades(candles, trades, STEP, count)
    lengths = {len(found[name]) for name in ("t", "open", "high", "low", "close")}
    assert len(lengths) == 1 and lengths.pop() <= count
    assert found["minutes"] // 5 <= MOST_IN_ONE
    assert found["t"] == sorted(set(found["t"]))
    for one, high, low, other in zip(
        *(found[name] for name in ("open", "high", "low", "close")), strict=True
    ):
        assert low <= min(one, other) <= max(one, other) <= high
    assert html({"candles": found})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.integers(1, 320), st.integers(0, 5))
def test_the_sample_is_spread_over_all_rows_that_are_known(n, count, every):
    random = np.random.default_rng(n)
    columns = {name: random.normal(0, 0.01, n) for name in ("p10", "p50", "p90", "prob_up")}
    realised = random.normal(0, 0.01, n)
    if every:
        realised[::every] = np.nan
    times = START + STEP * np.arange(n, dtype=np.int64)
    found = interval_sample(times, columns, realised, count)
    known = np.flatnonzero(np.isfinite(realised))
    assert len(found["t"]) == min(len(known), count)
    rows = [(parse_iso(t) - START) // STEP for t in found["t"]]
    assert rows == sorted(set(rows)) and set(rows) <= set(known.tolist())
    if count > 1 and len(known):
        assert (rows[0], rows[-1]) == (known[0], known[-1])
    for name in ("p10", "p50", "p90"):
        assert found[name] == pytest.approx(columns[name][rows].tolist(), abs=1e-7)
    assert found["realised"] == pytest.approx(realised[rows].tolist(), abs=1e-7)
