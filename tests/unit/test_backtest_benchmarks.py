from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.benchmarks import against_random, buy_and_hold, random_booked
from bot_cripto.errors import DataError
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.holdings import LONG, SHORT, Trade

STEP, SINCE = 300_000, 1_700_000_100_000
FREE = Costs(Decimal(0), Decimal(0), Decimal(0))
COSTS = Costs(Decimal(10), Decimal(2), Decimal(3))
FUNDED = Costs(Decimal(10), Decimal(2), Decimal(3), Decimal(20))
HOUR = 3_600_000


def walk(n, seed, drift=0.0):
    steps = np.random.default_rng(seed).normal(drift, 0.01, n + 1)
    path = 100 * np.exp(np.cumsum(steps))
    return path[:-1], path[1:]


def make(open_, close, entry, candles, side=LONG, costs=FREE, amount=100.0):
    """Return the trade that buys at the open of one candle and leaves at that of another."""
    at = np.append(open_, close[-1])
    sign = 1 if side == LONG else -1
    crossing, fee = float(costs.crossing), float(costs.fees_bps) / 1e4
    paid, got = at[entry] * (1 + sign * crossing), at[entry + candles] * (1 - sign * crossing)
    left = amount * got / paid
    gross, fees = sign * (left - amount), fee * (amount + left)
    money = [Decimal(repr(float(value))) for value in (amount / paid, paid, got)]
    result = [Decimal(repr(float(value))) for value in (gross, fees, gross - fees)]
    return Trade(
        *("BTC/USDT", side, *money, SINCE + entry * STEP, SINCE + (entry + candles) * STEP),
        *(*result, 0.0, "horizon", "intent"),
    )


def nets_of(open_, close, trades, costs=FREE, **kw):
    return random_booked(open_, close, SINCE, STEP, trades, costs, **kw).sum(axis=1)


def net_of(trades):
    return float(sum(trade.net for trade in trades))


def test_buy_and_hold_pays_both_fills():
    open_, close = np.array([100.0, 120.0]), np.array([120.0, 150.0])
    equity = buy_and_hold(open_, close, COSTS, 1000.0)
    quantity = 1000 / (100 * 1.0004 * 1.001)
    assert equity == pytest.approx([quantity * 120, quantity * 150 * 0.9996 * 0.999])
    assert buy_and_hold(open_, close, FREE, 1000.0) == pytest.approx([1200.0, 1500.0])


def test_buy_and_hold_waits_where_candles_are_missing():
    open_ = np.array([np.nan, 100.0, np.nan, 130.0])
    close = np.array([np.nan, 120.0, np.nan, 150.0])
    equity = buy_and_hold(open_, close, FREE, 1000.0)
    assert equity == pytest.approx([1000.0, 1200.0, 1200.0, 1500.0])


def test_without_any_price_there_is_no_benchmark():
    with pytest.raises(DataError, match="no candle"):
        buy_and_hold(np.full(2, np.nan), np.full(2, np.nan), FREE, 1.0)


def test_the_only_possible_place_gives_the_strategys_own_result():
    open_, close = walk(10, 1)
    for side in (LONG, SHORT):
        trades = [make(open_, close, 0, 10, side, COSTS)]
        nets = nets_of(open_, close, trades, COSTS, samples=20)
        assert nets == pytest.approx(np.full(20, net_of(trades)))


def test_random_traders_are_all_arrangements():
    # one candle held out of three, twice: {0, 1}, {0, 2} or {1, 2}
    open_, close = np.array([1.0, 2.0, 8.0]), np.array([2.0, 8.0, 80.0])
    trades = [make(open_, close, i, 1, amount=1.0) for i in (0, 1)]
    nets = nets_of(open_, close, trades, samples=6000)
    values, counts = np.unique(np.round(nets, 9), return_counts=True)
    assert values == pytest.approx([1 + 3, 1 + 9, 3 + 9])
    assert counts / 6000 == pytest.approx(np.full(3, 1 / 3), abs=0.03)


def test_trades_that_overlap_are_placed_one_by_one():
    open_, close = walk(10, 2)
    trades = [make(open_, close, 0, 8), make(open_, close, 2, 8)]
    nets = nets_of(open_, close, trades, samples=500)
    alone = nets_of(open_, close, trades[:1], samples=500)
    assert len(np.unique(np.round(alone, 9))) == 3
    assert 3 < len(np.unique(np.round(nets, 9))) <= 6


def test_costs_are_those_of_the_strategy():
    open_ = close = np.full(100, 50.0)
    trades = [make(open_, close, 3 * i, 2, side, COSTS) for i, side in enumerate([LONG, SHORT])]
    nets = nets_of(open_, close, trades, COSTS, samples=10)
    assert nets == pytest.approx(np.full(10, net_of(trades)))
    assert net_of(trades) == pytest.approx(-4 * 100 * 14e-4, rel=1e-2)


@pytest.mark.parametrize("hours", [0.5, 1, 4, 8, 12, 24])
def test_funding_is_paid_at_the_times_that_are_held_over(hours):
    step, n = round(hours * HOUR), 30
    since = 3 * HOUR if hours < 4 else 0
    open_, close = walk(n, 7)
    sign, amount, first, candles = -1.0, 100.0, 4, 21
    at = np.append(open_, close[-1])
    paid, left = at[first] * (1 - 4e-4), at[first + candles] * (1 + 4e-4)
    # candle by candle: its close at a funding time, its open for those inside it
    due = 0.0
    for k in range(first, first + candles):
        for time in range(since + k * step + 1800_000, since + (k + 1) * step + 1, 1800_000):
            if time % (8 * HOUR) == 0:
                due += close[k] if time == since + (k + 1) * step else open_[k]
    gross = sign * (amount * left / paid - amount) - 1e-3 * (amount + amount * left / paid)
    net = gross - amount / paid * due * 20e-4
    assert due > 0
    moments = since + first * step, since + (first + candles) * step
    money = [Decimal(repr(float(value))) for value in (amount / paid, paid, left)]
    trade = Trade(
        *("BTC/USDT", SHORT, *money, *moments, *[Decimal(0)] * 3, 0.0, "horizon", "intent"),
    )
    # every candle is the trade's: there is one place only
    window = slice(first, first + candles)
    window_of = (open_[window], close[window], moments[0], step, [trade])
    found = random_booked(*window_of, FUNDED, samples=3).sum(axis=1)
    assert found == pytest.approx(np.full(3, net))
    free = random_booked(*window_of, COSTS, samples=3).sum(axis=1)
    assert free == pytest.approx(np.full(3, gross))


def test_the_same_seed_gives_the_same_traders():
    open_, close = walk(200, 3)
    trades = [make(open_, close, 10 * i, 5) for i in range(10)]
    nets = nets_of(open_, close, trades, seed=1)
    assert nets.shape == (1000,)
    assert np.array_equal(nets, nets_of(open_, close, trades, seed=1))
    assert not np.array_equal(nets, nets_of(open_, close, trades, seed=2))


def test_a_trade_that_ends_inside_a_candle_holds_it():
    open_, close = np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 8.0])
    whole = make(open_, close, 0, 2, amount=1.0)
    ends = replace(whole, exit_ms=SINCE + STEP + STEP // 2)
    at_once = replace(whole, exit_ms=whole.entry_ms)
    assert nets_of(open_, close, [ends], samples=50) == pytest.approx(np.full(50, 3.0))
    assert nets_of(open_, close, [at_once], samples=50) == pytest.approx(np.ones(50))


def test_trades_outside_the_candles_are_refused():
    open_, close = walk(10, 4)
    trades = [make(open_, close, 2, 8)]
    with pytest.raises(DataError, match="outside"):
        random_booked(open_[:9], close[:9], SINCE, STEP, trades, FREE)
    with pytest.raises(DataError, match="outside"):
        random_booked(open_, close, SINCE + 3 * STEP, STEP, trades, FREE)


def test_who_does_not_trade_is_no_better_than_others_who_do_not():
    found = against_random(0.0, nets_of(*walk(10, 5), []), 1000.0)
    assert (found.strategy, found.median, found.p_value) == (0.0, 0.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50).map(np.array),
    st.floats(-1e3, 1e3),
    st.floats(0.0, 10.0),
)
def test_the_p_value_is_bounded_and_falls_with_the_result(nets, net, more):
    found = against_random(net, nets, 1000.0)
    assert 1 / (1 + len(nets)) <= found.p_value <= 1
    assert found.low <= found.median <= found.high
    if more > 1e-3:
        assert against_random(net + more, nets, 1000.0).p_value <= found.p_value


def test_foresight_is_told_from_chance():
    open_, close = walk(500, 6)
    entries = np.flatnonzero(close > open_)[::5]
    trades = [make(open_, close, int(i), 1, costs=COSTS) for i in entries]
    found = against_random(net_of(trades), nets_of(open_, close, trades, COSTS), 1000.0)
    assert found.p_value == 1 / 1001
    assert found.strategy > found.high


@pytest.mark.parametrize("drift", [0.0, 0.002])
def test_chance_is_called_skill_as_often_as_agreed(drift):
    runs, values = 250, []
    for seed in range(runs):
        random = np.random.default_rng(1000 + seed)
        open_, close = walk(150, seed, drift)
        trades, at = [], int(random.integers(0, 8))
        while at + 6 < 150:
            held = int(random.integers(1, 7))
            trades.append(make(open_, close, at, held, random.choice([LONG, SHORT])))
            at += held + int(random.integers(0, 15))
        nets = nets_of(open_, close, trades, samples=199, seed=seed)
        values.append(against_random(net_of(trades), nets, 1000.0).p_value)
    for level in (0.05, 0.25, 0.5):
        bound = 3 * np.sqrt(level * (1 - level) / runs)
        assert np.mean(np.array(values) <= level) == pytest.approx(level, abs=bound)
