"""The fast simulator makes the fills of paper trading, candle by candle."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from paper_market import BTC, SETTINGS, START

from bot_cripto.backtest.grid import Grid
from bot_cripto.backtest.levels import distance_to, first_touch
from bot_cripto.backtest.simulate import Entry, simulate
from bot_cripto.errors import DataError
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.holdings import Position
from bot_cripto.execution.market_rules import DEFAULT, MarketRules, exact, round_down, round_up
from bot_cripto.execution.paper import advance
from bot_cripto.ledger.events import BUY, OPEN, SELL, STOP, Intent, intent_id
from bot_cripto.market.candles import make
from bot_cripto.timeframes import timeframe_ms

HOUR = timeframe_ms("1h")
SINCE = START // HOUR * HOUR
SPOT = {**SETTINGS, "symbols": [BTC], "timeframe": "1h", "funding_bps": 3.0}
SWAP = {**SPOT, "market_type": "swap"}
COARSE = MarketRules(Decimal("0.05"), Decimal("0.001"), Decimal("0.001"), Decimal(5))


def candles_of(rows, keep=None):
    """Return hourly candles of (open, high, low, close) rows; NaN rows stand in for missing."""
    prices = np.array(rows, dtype=float).reshape(-1, 4)
    times = SINCE + HOUR * np.arange(len(prices))
    filled = np.isnan(prices[:, 0])
    found = make(times, *prices.T, np.ones(len(prices)), filled)
    return found if keep is None else found[keep]


def random_rows(rng, n, gaps):
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opens = np.concatenate(([100.0], closes[:-1])) * np.exp(rng.normal(0, 0.004, n))
    highs = np.maximum(opens, closes) * np.exp(np.abs(rng.normal(0, 0.004, n)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(rng.normal(0, 0.004, n)))
    rows = np.round(np.column_stack((opens, highs, lows, closes)), 2)
    rows[rng.random(n) < gaps] = np.nan
    rows[0] = 100.0, 101.0, 99.0, 100.0
    return rows


def step_by_step(rows, entries, settings, rules):
    """Go through every candle with `advance`, on a ledger; entries have distances only."""
    costs, by_index = Costs.of(settings), {entry.index: entry for entry in entries}
    equity, exposure = [], []
    with Book.in_memory(settings) as book:
        for i, row in enumerate(rows.tolist()):
            close = SINCE + (i + 1) * HOUR
            prices = None if row[0] != row[0] else tuple(row)
            advance(book, {BTC: prices}, close, HOUR, {BTC: rules}, costs)
            account = book.account
            equity.append(float(account.last_mark.equity))
            exposure.append(float(account.last_mark.exposure))
            held = account.positions.get(BTC)
            waits = any(intent.kind != STOP for intent in account.waiting.values())
            stays = held is not None and (held.exit_ms is None or held.exit_ms > close)
            entry = by_index.get(i)
            if entry is None or stays or waits or i + 1 == len(rows):
                continue
            last = account.last_price[BTC]
            quantity = entry.quantity
            if quantity is None:
                quantity = exact(entry.fraction) * exact(float(account.equity())) / last
            quantity = rules.floor_amount(quantity)
            if rules.too_small(quantity, last) or np.isnan(rows[i + 1 :, 0]).all():
                continue
            book.add(
                Intent(
                    intent_id=intent_id(BTC, close, OPEN),
                    symbol=BTC,
                    candle_ms=close,
                    revision=0,
                    kind=OPEN,
                    side=BUY if entry.side == "LONG" else SELL,
                    quantity=quantity,
                    reason="signal",
                    created_ms=close,
                    fill_from_ms=close,
                    reference_price=last,
                    stop_distance=entry.stop_distance,
                    target_distance=entry.target_distance,
                    exit_ms=None if entry.horizon is None else close + entry.horizon * HOUR,
                )
            )
        return list(account.trades), book.ledger.fills(), equity, exposure


@examples(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    gaps=st.sampled_from([0.0, 0.1, 0.5]),
    settings=st.sampled_from([SPOT, SWAP]),
    rules=st.sampled_from([DEFAULT, COARSE]),
    leave_out=st.booleans(),
)
def test_it_is_paper_trading_candle_by_candle(seed, gaps, settings, rules, leave_out):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 90, gaps)
    there = np.flatnonzero(~np.isnan(rows[:, 0]))
    away = [None, 0.004, 0.013]
    entries = [
        Entry(
            int(index),
            str(rng.choice(("LONG", "LONG", "SHORT"))),
            quantity=Decimal(str(round(rng.uniform(0, 150), 3))) if rng.random() < 0.5 else None,
            fraction=float(rng.uniform(0.01, 1.2)),
            stop_distance=away[rng.integers(3)],
            target_distance=away[rng.integers(3)],
            horizon=[None, 1, 2, 9][rng.choice(4, p=(0.1, 0.3, 0.3, 0.3))],
        )
        for index in there[rng.random(len(there)) < 0.4]
    ]
    trades, fills, equity, exposure = step_by_step(rows, entries, settings, rules)
    keep = there if leave_out else None
    place = {int(row): i for i, row in enumerate(there)} if leave_out else None
    given = entries if place is None else [replace(e, index=place[e.index]) for e in entries]
    done = simulate(BTC, candles_of(rows, keep), given, settings, rules)
    last = there[-1] if leave_out else len(rows) - 1
    # a position that is up where the candles end may be closed in gaps that were left out
    assert done.fills == [fill for fill in fills if fill.time_ms <= SINCE + (last + 1) * HOUR]
    assert done.trades == trades
    at = slice(None) if keep is None else keep
    np.testing.assert_allclose(done.equity, np.array(equity)[at], rtol=1e-12)
    np.testing.assert_allclose(done.exposure, np.array(exposure)[at], rtol=1e-9, atol=1e-8)


FREE = {**SPOT, "fees_bps": 0.0, "spread_bps": 0.0, "slippage_bps": 0.0}
CALM = (100.0, 100.0, 100.0, 100.0)


def outcome(rows, entry, settings=FREE):
    done = simulate(BTC, candles_of(rows), [entry], settings)
    assert len(done.trades) == 1
    trade = done.trades[0]
    row = (trade.exit_ms - SINCE) / HOUR
    return trade.reason, float(trade.exit_price), row


LONG = Entry(0, "LONG", Decimal(1), stop=Decimal(98), target=Decimal(103), horizon=3)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(100, 104, 97, 100)], ("stop", 98, 2)),  # both touched in the candle of the entry
        ([(100, 103, 98.01, 100), (100, 103.01, 99, 100)], ("target", 103, 3)),  # must pass it
        ([CALM, (96, 105, 95, 100)], ("stop", 96, 3)),  # opens beyond the stop
        ([CALM, (105, 106, 104, 105)], ("target", 105, 3)),
        ([CALM, CALM, (100, 100, 98, 99)], ("stop", 98, 4)),
        ([CALM, CALM, CALM, (101, 104, 90, 95)], ("horizon", 101, 4)),  # at the open: first of all
    ],
)
def test_stop_target_and_horizon(rows, expected):
    assert outcome([CALM, *rows], LONG) == expected


def test_a_short_is_the_mirror():
    short = Entry(0, "SHORT", Decimal(1), stop=Decimal(102), target=Decimal(97), horizon=9)
    margin = {**FREE, "market_type": "margin", "funding_bps": 0.0}
    assert outcome([CALM, (100, 102, 96, 100)], short, margin) == ("stop", 102, 2)
    assert outcome([CALM, CALM, (96.5, 97, 96, 97)], short, margin) == ("target", 96.5, 3)


def test_costs_by_hand():
    """10 bp of each fill; half of 2 bp and 3 bp worse at the open and by the stop."""
    done = simulate(BTC, candles_of([CALM, CALM, (100, 100, 90, 95)]), [LONG], SPOT)
    (trade,) = done.trades
    assert (trade.entry_price, trade.exit_price) == (Decimal("100.04"), Decimal("97.9608"))
    assert trade.fees == Decimal("0.10004") + Decimal("0.0979608")
    assert trade.net == Decimal("97.9608") - Decimal("100.04") - trade.fees
    np.testing.assert_allclose(done.equity, [10_000, 10_000 - 0.14004, 10_000 + float(trade.net)])
    assert done.exposure.tolist() == [0.0, 100.0, 0.0]
    assert done.close_ms.tolist() == [SINCE + (i + 1) * HOUR for i in range(3)]


def test_one_position_at_a_time():
    """One whose time is up at the open of an entry makes room for it, a later one does not."""
    entries = [replace(LONG, index=index, horizon=3) for index in (0, 0, 1, 2, 3, 7)]
    done = simulate(BTC, candles_of([CALM] * 8), entries, FREE)
    assert [(t.entry_ms - SINCE) / HOUR for t in done.trades] == [1, 4]
    # twice the same candle, twice while held, once after the last candle
    assert done.ignored == 4 and not done.refused and done.position is None


def test_what_is_held_at_the_end_is_told():
    done = simulate(BTC, candles_of([CALM] * 4), [replace(LONG, horizon=None)], FREE)
    assert not done.trades and done.position.quantity == 1
    assert done.equity.tolist() == [10_000.0] * 4


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (replace(LONG, stop=Decimal(100)), "stop 100 lies beyond"),
        (replace(LONG, target=Decimal("99.5")), "no gain"),
        (Entry(0, "SHORT", Decimal(1), horizon=1), "no SHORT"),
        (Entry(0, "LONG", Decimal("1E-9"), horizon=1), "below the market's least"),
    ],
)
def test_an_entry_that_cannot_be_filled_is_refused_and_says_why(entry, why):
    done = simulate(BTC, candles_of([CALM] * 5), [entry, replace(LONG, index=2)], FREE)
    ((index, said),) = done.refused
    assert index == 0 and why in said
    assert len(done.fills) == 1


@pytest.mark.parametrize(
    ("entry", "rows", "says"),
    [
        (replace(LONG, index=9), [CALM] * 3, "none of the 3 candles"),
        (replace(LONG, index=-1), [CALM] * 3, "none of the 3 candles"),
        (replace(LONG, side="long"), [CALM] * 3, "side 'long'"),
        (replace(LONG, quantity=None), [CALM] * 3, "neither a quantity nor a fraction"),
        (LONG, [(np.nan,) * 4, CALM, CALM], "is missing"),
        (LONG, [CALM, (100, 99, 100, 100), CALM], "which no candle has"),
    ],
)
def test_errors_name_the_entry_or_the_candle(entry, rows, says):
    with pytest.raises(DataError, match=says):
        simulate(BTC, candles_of(rows), [entry], FREE)


def test_candles_off_the_grid_or_none_are_refused():
    candles = candles_of([CALM] * 3)
    for times in (candles.open_time[::-1], candles.open_time + np.array([0, 7, 0])):
        with pytest.raises(DataError, match="not later by whole candles"):
            simulate(BTC, replace(candles, open_time=times), [], FREE)
    with pytest.raises(DataError, match="no candles"):
        simulate(BTC, candles[:0], [], FREE)


def test_the_grid_holds_what_is_missing():
    rows = [CALM, (np.nan,) * 4, (101, 102, 100, 101), CALM, CALM]
    grid = Grid.of(BTC, candles_of(rows, np.array([0, 1, 2, 4])), HOUR)
    assert (grid.rows, grid.place.tolist()) == (5, [0, 1, 2, 4])
    assert [grid.prices(row) is not None for row in range(5)] == [True, False, True, False, True]
    assert [grid.last_close(row) for row in range(5)] == [None, 100.0, 100.0, 101.0, 101.0]
    assert [grid.next_open(row) for row in range(6)] == [100, 101, 101, 100, 100, None]
    assert grid.row(grid.close_ms(1)) == 2


@given(
    price=st.decimals("0.01", "99999", places=2),
    entry=st.decimals("0.01", "99999", places=6),
    above=st.booleans(),
    tick=st.sampled_from([Decimal("0.01"), Decimal("1E-8"), Decimal("0.05")]),
)
def test_a_distance_has_the_level_that_it_was_made_for(price, entry, above, tick):
    """Also where one step of a float more would round to the next tick."""
    distance = distance_to(price, entry, above=above)
    if distance is None:
        assert price <= entry if above else price >= entry
        return
    level = entry * (1 + (1 if above else -1) * exact(distance))
    rounded = round_up if above else round_down
    assert rounded(level, tick) == rounded(price, tick)
    assert level <= price if above else level >= price
    assert abs(level / price - 1) < Decimal("1E-9")


@given(
    seed=st.integers(0, 10_000),
    side=st.sampled_from(["LONG", "SHORT"]),
    stop=st.one_of(st.none(), st.decimals("90", "110", places=2)),
    target=st.one_of(st.none(), st.decimals("90", "110", places=2)),
    start=st.integers(0, 1200),
    stop_at=st.integers(0, 1200),
)
def test_the_first_touch_is_the_first(seed, side, stop, target, start, stop_at):
    rng = np.random.default_rng(seed)
    middle = np.round(100 + np.cumsum(rng.normal(0, 0.1, 1200)), 2)
    low, high = middle - 0.05, middle + 0.05
    position = Position(
        BTC, side, Decimal(1), Decimal(100), 0, 0, stop, target, None, Decimal(0), "x"
    )
    floor, ceiling = (stop, target) if side == "LONG" else (target, stop)
    expected = max(start, stop_at)
    for i in range(start, stop_at):
        under = floor is not None and exact(low[i]) <= floor
        over = ceiling is not None and exact(high[i]) >= ceiling
        if under or over:
            expected = i
            break
    assert first_touch(position, low, high, start, stop_at) == expected
