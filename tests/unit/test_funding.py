"""What a position pays for being held where it may be short."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_market import (
    BTC,
    ETH,
    FINE,
    LEAST,
    SETTINGS,
    STEP,
    SWAP,
    follow,
    random_candles,
    random_signals,
)
from paper_oracle import trade_by_floats

from bot_cripto.execution.account import LONG, SHORT, Account
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs, funding_times
from bot_cripto.execution.paper import advance
from bot_cripto.execution.replay import known_from, replay
from bot_cripto.execution.state import _account_at
from bot_cripto.ledger.events import (
    BUY,
    CLOSE,
    OPEN,
    SELL,
    Fill,
    Funding,
    Intent,
    Mark,
    funding_id,
    intent_id,
)
from bot_cripto.timeframes import DAY_MS, FUNDING_MS, parse_iso

D = Decimal
EIGHT = parse_iso("2024-09-06T08:00Z")
DUE = Costs(D(0), D(0), D(0), D(10))
FLAT = (100.0, 100.0, 100.0, 100.0)
RULES = {BTC: FINE, ETH: FINE}
DEAR = {**SWAP, "funding_bps": 20.0}
seeds = st.integers(0, 2**32 - 1)


def wish(candle, side=BUY, *, steps=5, stop=None, symbol=BTC, step=STEP):
    return Intent(
        intent_id=intent_id(symbol, candle, OPEN),
        symbol=symbol,
        candle_ms=candle,
        revision=0,
        kind=OPEN,
        side=side,
        quantity=D(10),
        reason="signal",
        created_ms=candle + 1,
        fill_from_ms=candle,
        reference_price=D(100),
        stop_distance=stop,
        exit_ms=candle + steps * step,
    )


def held(entry_ms, steps, *rows, side=BUY, stop=None, configured=SWAP, step=STEP, costs=DUE):
    """Return the book that entered at a moment and was taken through these candles from there."""
    book = Book.in_memory(configured)
    book.add(Mark(entry_ms, D(10_000), D(10_000), D(0)))
    book.add(wish(entry_ms, side, steps=steps, stop=stop, step=step))
    for number, row in enumerate(rows, 1):
        advance(book, {BTC: row}, entry_ms + number * step, step, RULES, costs)
    return book


@pytest.mark.parametrize(
    ("entered", "steps", "due"),
    [
        (EIGHT - 2 * STEP, 1, 0),  # left before it
        (EIGHT - STEP, 1, 1),  # left at the open that is the funding time
        (EIGHT - STEP, 2, 1),
        (EIGHT, 2, 0),  # entered at that open
        (EIGHT, 95, 0),
        (EIGHT, 96, 1),
        (EIGHT - STEP, 97, 2),
    ],
)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_each_funding_time_after_the_entry_and_up_to_the_exit_is_paid(entered, steps, due, side):
    book = held(entered, steps, *[FLAT] * (steps + 1), side=side)
    (trade,) = book.account.trades
    assert (trade.entry_ms, trade.exit_ms) == (entered, entered + steps * STEP)
    assert (trade.gross, trade.fees, trade.funding, trade.net) == (0, 0, due, -due)
    assert trade.net_fraction == -due / 10_000
    assert book.account.cash == book.account.equity() == book.account.last_mark.equity
    assert book.account.cash == 10_000 - due
    assert len(book.ledger.funding()) == due


def test_what_is_paid_is_of_the_price_at_that_time_and_taken_before_the_mark():
    book = held(EIGHT - STEP, 9, (100.0, 104.0, 99.0, 102.0))
    name = funding_id(BTC, EIGHT)
    assert book.ledger.funding() == [Funding(name, BTC, EIGHT, D(10), D(102), D("1.02"))]
    assert book.account.positions[BTC].funding == D("1.02")
    assert book.account.last_mark == Mark(EIGHT, D(10_018) + D("0.98"), D("8998.98"), D(1_020))


def test_a_missing_candle_is_paid_for_at_the_last_known_price():
    book = held(EIGHT - 2 * STEP, 9, (100.0, 104.0, 99.0, 103.0), None)
    assert [(paid.price, paid.amount) for paid in book.ledger.funding()] == [(103, D("1.03"))]


def test_who_is_stopped_in_the_candle_that_ends_then_pays():
    book = held(EIGHT - STEP, 9, (100.0, 101.0, 97.0, 98.0), stop=0.02)
    (trade,) = book.account.trades
    assert (trade.reason, trade.exit_ms, trade.gross) == ("stop", EIGHT, -20)
    assert (trade.funding, trade.net) == (D("0.98"), D("-20.98"))
    assert book.account.positions == {}


def test_who_waits_or_has_left_pays_nothing():
    book = held(EIGHT - STEP, 9, None)
    assert book.account.waiting and book.ledger.funding() == []
    book = held(EIGHT - 3 * STEP, 1, FLAT, FLAT, FLAT)
    assert book.account.trades and book.ledger.funding() == []


def test_a_candle_of_a_day_holds_three_funding_times():
    day = EIGHT // DAY_MS * DAY_MS
    rows = (100.0, 130.0, 90.0, 120.0), (121.0, 130.0, 90.0, 125.0)
    book = held(day, 1, *rows, configured={**SWAP, "timeframe": "1d"}, step=DAY_MS)
    paid = [(one.time_ms - day, one.price) for one in book.ledger.funding()]
    # inside the candle nothing is known but its open
    assert paid == [(FUNDING_MS, 100), (2 * FUNDING_MS, 100), (DAY_MS, 120)]
    assert book.account.trades[0].funding == D("3.2")


def test_spot_pays_nothing():
    assert Costs.of(SETTINGS).funding_bps == 0 < Costs.of(SWAP).funding_bps
    book = held(EIGHT - STEP, 3, *[FLAT] * 4, configured=SETTINGS, costs=Costs.of(SETTINGS))
    assert book.account.trades[0].funding == 0 and book.ledger.funding() == []


def test_it_is_taken_once():
    book = held(EIGHT - STEP, 9, FLAT)
    before, entries = book.account.state(), book.ledger.entries_after()
    assert advance(book, {BTC: FLAT}, EIGHT, STEP, RULES, DUE) == []
    (paid,) = book.ledger.funding()
    assert not book.add(paid)
    assert book.account.state() == before and book.ledger.entries_after() == entries
    assert Account.load(book.ledger, SWAP).state() == before


def test_parts_of_a_position_share_what_was_paid():
    book = held(EIGHT - STEP, 9, FLAT)
    account = book.account
    leave = Intent(
        **{**vars(wish(EIGHT + STEP, SELL)), "intent_id": "part", "kind": CLOSE, "exit_ms": None}
    )
    for part, quantity in enumerate((D(4), D(6))):
        account.apply(leave)
        account.apply(
            Fill(f"f{part}", "part", BTC, SELL, quantity, D(100), D(0), "USDT", EIGHT + STEP, "")
        )
    assert [trade.funding for trade in account.trades] == [D("0.4"), D("0.6")]
    assert [trade.net for trade in account.trades] == [D("-0.4"), D("-0.6")]


def test_funding_of_what_is_not_held_is_a_problem():
    account = Account.of(SWAP)
    account.apply(Funding(funding_id(BTC, EIGHT), BTC, EIGHT, D(1), D(100), D("0.1")))
    assert account.cash == 10_000
    assert "nothing is held" in account.problems[0]


def test_it_is_of_the_candle_that_ends_then():
    paid = Funding("id", BTC, EIGHT, D(1), D(100), D(1))
    assert known_from(paid, STEP) == EIGHT
    assert known_from(paid, DAY_MS) == EIGHT // DAY_MS * DAY_MS + DAY_MS


def market(seed, steps):
    rng = np.random.default_rng(seed)
    candles = {s: random_candles(rng, steps, price=p) for s, p in ((BTC, 100.0), (ETH, 20.0))}
    for symbol, price in ((BTC, 100.0), (ETH, 20.0)):
        candles[symbol][0] = candles[symbol][0] or (price,) * 4
    return candles, {s: random_signals(rng, steps, share=0.7) for s in (BTC, ETH)}


START = EIGHT - 40 * STEP
"""150 candles from here reach over two funding times."""


def play(configured, candles, signals):
    book = Book.in_memory(configured)
    book.add(Mark(START, D(10_000), D(10_000), D(0)))
    for k in range(len(candles[BTC])):
        close = START + (k + 1) * STEP
        now = {symbol: rows[k] for symbol, rows in candles.items()}
        advance(book, now, close, STEP, RULES, Costs.of(configured))
        known = {s: signals[s][k] if s in book.account.last_price else None for s in signals}
        follow(book, known, close, configured)
    return book


@pytest.mark.parametrize("configured", [DEAR, {**DEAR, "max_total_exposure": 2.5}])
@given(seed=seeds)
@settings(max_examples=6, deadline=None)
def test_it_equals_a_naive_simulation_in_floats(configured, seed):
    candles, signals = market(seed, 150)
    book = play(configured, candles, signals)
    equities, fills = trade_by_floats(configured, candles, signals, START)
    assert len(book.ledger.fills()) == len(fills) > 10
    marks = [float(mark.equity) for mark in book.ledger.marks()[1:]]
    assert marks == pytest.approx(equities, rel=1e-7)
    free, _ = trade_by_floats({**configured, "funding_bps": 0.0}, candles, signals, START)
    # so much that a missing payment would show
    assert not book.ledger.funding() or free[-1] - equities[-1] > LEAST / 1000


@given(seed=seeds)
@settings(max_examples=6, deadline=None)
def test_the_books_add_up(seed):
    candles, signals = market(seed, 150)
    book = play(DEAR, candles, signals)
    account, ledger = book.account, book.ledger
    paid = ledger.funding()
    assert Account.load(ledger, DEAR).state() == account.state()
    assert ledger.check() == account.problems == []
    open_ = account.positions.values()
    of_trades = sum(trade.funding for trade in account.trades)
    assert of_trades + sum(p.funding for p in open_) == sum(one.amount for one in paid)
    for trade in account.trades:
        times = funding_times(trade.entry_ms, trade.exit_ms)
        mine = [one for one in paid if one.symbol == trade.symbol and one.time_ms in times]
        assert [one.time_ms for one in mine] == list(times)
        assert trade.funding == sum(one.amount for one in mine)
        assert trade.net == trade.gross - trade.fees - trade.funding
        assert trade.side in (LONG, SHORT)
    for one in paid:
        assert float(one.amount) == pytest.approx(float(one.quantity * one.price) * 20e-4)


@given(seed=seeds)
@settings(max_examples=4, deadline=None)
def test_marks_are_made_again_with_it(seed):
    candles, signals = market(seed, 150)
    book = play(DEAR, candles, signals)

    def closes(symbol, since_ms, until_ms):
        rows = [(START + k * STEP, row[3]) for k, row in enumerate(candles[symbol]) if row]
        rows = [row for row in rows if since_ms <= row[0] < until_ms]
        times = np.array([row[0] for row in rows], dtype=np.int64)
        return times, np.array([row[1] for row in rows], dtype=float)

    end = START + 150 * STEP
    account, marks, tracker = replay(book.ledger, DEAR, closes, end)
    assert marks == book.ledger.marks()
    assert tracker.equity == book.account.equity() == account.equity()
    assert account.trades == book.account.trades
    # the state of risk of an earlier candle knows what had been paid by then
    for close in (EIGHT - STEP, EIGHT, EIGHT + STEP):
        then, _ = _account_at(book.ledger, DEAR, close)
        (mark,) = book.ledger.marks(close, close)
        assert then.cash == mark.cash
