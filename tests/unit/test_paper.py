from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_market import (
    BTC,
    ETH,
    FINE,
    SETTINGS,
    START,
    STEP,
    SWAP,
    follow,
    random_candles,
    random_signals,
)
from paper_oracle import trade_by_floats

from bot_cripto.errors import DataError
from bot_cripto.execution.account import LONG, Account
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.market_rules import MarketRules
from bot_cripto.execution.paper import advance, catch_up
from bot_cripto.ledger.events import (
    BUY,
    CANCELLED,
    CLOSE,
    EXPIRED,
    FILLED,
    OPEN,
    REJECTED,
    SELL,
    STOP,
    Intent,
    Mark,
    client_order_id,
    intent_id,
)
from bot_cripto.market import candles as columns

D = Decimal
FREE = Costs(D(0), D(0), D(0))
COSTS = Costs.of(SETTINGS)
CENTS = {BTC: MarketRules(D("0.01"), D("0.001"), D("0.001"), D(5))}
RULES = {BTC: FINE, ETH: FINE}
seeds = st.integers(0, 2**32 - 1)


def wish(side=BUY, *, kind=OPEN, symbol=BTC, candle=START, quantity="10", exit_steps=5,
         stop=None, target=None, after=3_000, reason="signal"):  # fmt: skip
    return Intent(
        intent_id=intent_id(symbol, candle, kind, reason),
        symbol=symbol,
        candle_ms=candle,
        revision=0,
        kind=kind,
        side=side,
        quantity=D(quantity),
        reason=reason,
        created_ms=candle + after,
        fill_from_ms=candle,
        reference_price=D(100),
        stop_distance=stop,
        target_distance=target,
        exit_ms=candle + exit_steps * STEP if kind == OPEN else None,
    )


def begun(configured=SETTINGS, *intents):
    """Return a book that is marked at START and waits to carry the intents out."""
    book = Book.in_memory(configured)
    book.add(Mark(START, D(10_000), D(10_000), D(0)))
    for intent in intents:
        book.add(intent)
    return book


def run(book, *rows, costs=FREE, rules=CENTS, symbol=BTC):
    """Take a book through candles of one symbol, and return what was filled."""
    fills = []
    for row in rows:
        close = book.account.last_mark.candle_ms + STEP
        fills += advance(book, {symbol: row}, close, STEP, rules, costs)
    return fills


def last_order(book, intent):
    return book.ledger.orders()[client_order_id(intent.intent_id)]


FLAT = (100.0, 100.0, 100.0, 100.0)


def test_an_entry_fills_at_the_next_open_with_costs_and_ends_at_its_time():
    book = begun(SETTINGS, wish())
    entry, leave = run(book, *[FLAT] * 6, costs=COSTS)
    assert (entry.price, entry.quantity, entry.fee) == (D("100.04"), 10, D("1.0004"))
    assert (entry.time_ms, entry.side, entry.reason) == (START, BUY, "signal")
    assert (leave.price, leave.fee) == (D("99.96"), D("0.9996"))
    assert (leave.time_ms, leave.reason) == (START + 5 * STEP, "horizon")
    assert book.account.cash == book.account.equity() == 10_000 - D("0.8") - 2
    assert last_order(book, wish()).state == FILLED
    assert last_order(book, wish()).filled == 10
    assert book.account.waiting == {}
    assert [mark.candle_ms for mark in book.ledger.marks()] == [START + k * STEP for k in range(7)]


def test_the_mark_holds_equity_cash_and_exposure():
    book = begun(SETTINGS, wish())
    run(book, (100.0, 103.0, 99.0, 102.5))
    assert book.account.last_mark == Mark(START + STEP, D(10_025), D(9_000), D(1_025))


def test_a_stop_in_the_candle_of_entry():
    book = begun(SETTINGS, wish(stop=0.02))
    _, stop = run(book, (100.0, 101.0, 98.0, 99.0))
    assert (stop.price, stop.reason, stop.time_ms) == (98, "stop", START + STEP)
    assert book.account.intents[stop.intent_id].kind == STOP
    assert last_order(book, book.account.intents[stop.intent_id]).state == FILLED
    assert book.account.positions == {}
    assert book.account.trades[0].reason == "stop"
    assert book.account.trades[0].net == -20


def test_a_stop_one_tick_away_is_not_hit():
    book = begun(SETTINGS, wish(stop=0.02))
    assert len(run(book, (100.0, 101.0, 98.01, 99.0))) == 1
    assert book.account.positions[BTC].stop_price == 98
    assert [intent.kind for intent in book.account.waiting.values()] == [STOP]


def test_a_gap_through_the_stop_fills_at_the_open():
    book = begun(SETTINGS, wish(stop=0.02))
    _, stop = run(book, FLAT, (95.0, 97.0, 94.0, 96.0), costs=FREE)
    assert stop.price == 95
    book = begun(SETTINGS, wish(stop=0.02))
    _, stop = run(book, FLAT, (95.0, 99.0, 94.0, 96.0), costs=COSTS)
    assert stop.price == D("94.96")


def test_the_target_is_a_limit_that_must_be_traded_through():
    book = begun(SETTINGS, wish(target=0.02))
    assert len(run(book, (100.0, 102.0, 99.0, 101.0))) == 1
    (leave,) = run(book, (101.0, 102.01, 100.0, 101.0), costs=COSTS)
    assert (leave.price, leave.reason) == (102, "target")
    assert leave.fee == D("1.02")
    assert book.account.intents[leave.intent_id].reason == "target"


def test_an_open_beyond_the_target_fills_better():
    book = begun(SETTINGS, wish(target=0.02))
    run(book, FLAT)
    (leave,) = run(book, (103.0, 104.0, 102.5, 103.5))
    assert leave.price == 103


def test_both_in_one_candle_is_the_stop():
    book = begun(SETTINGS, wish(stop=0.02, target=0.02))
    _, leave = run(book, (100.0, 110.0, 90.0, 105.0))
    assert (leave.price, leave.reason) == (98, "stop")


def test_a_stop_of_a_position_that_ended_otherwise_is_cancelled():
    book = begun(SETTINGS, wish(stop=0.02, target=0.01))
    run(book, (100.0, 102.0, 99.0, 101.0))
    stop = next(i for i in book.account.intents.values() if i.kind == STOP)
    assert last_order(book, stop).state == CANCELLED
    assert book.account.waiting == {}


def test_a_missing_candle_fills_nothing_and_stops_nothing():
    book = begun(SETTINGS, wish(stop=0.02))
    assert run(book, None, None) == []
    assert book.account.last_mark.equity == 10_000
    (entry,) = run(book, (101.0, 101.0, 101.0, 101.0))
    assert (entry.time_ms, entry.price) == (START + 2 * STEP, 101)
    assert run(book, None, None) == []
    assert book.account.last_mark.equity == 10_000
    # its time is up at START + 5 steps; the candle there is the next one that exists
    assert run(book, None) != [] or book.account.positions
    (leave,) = run(book, (90.0, 99.0, 89.0, 95.0))
    assert (leave.reason, leave.price, leave.time_ms) == ("horizon", 90, START + 6 * STEP)


def test_an_entry_whose_horizon_passes_in_a_gap_expires():
    entry = wish(exit_steps=2)
    book = begun(SETTINGS, entry)
    assert run(book, None, None, FLAT) == []
    assert last_order(book, entry).state == EXPIRED
    assert book.account.waiting == {}


def test_a_later_close_takes_back_an_entry_that_could_not_fill():
    entry = wish()
    book = begun(SETTINGS, entry)
    run(book, None)
    close = wish(SELL, kind=CLOSE, candle=START + STEP, reason="opposite")
    book.add(close)
    assert run(book, FLAT) == []
    assert last_order(book, entry).state == CANCELLED
    assert last_order(book, close).state == EXPIRED


def test_an_opposite_signal_turns_around_at_one_open():
    book = begun(SWAP, wish())
    run(book, FLAT)
    book.add(wish(SELL, kind=CLOSE, candle=START + STEP, reason="opposite"))
    book.add(wish(SELL, candle=START + STEP, quantity="5"))
    leave, entry = run(book, (102.0, 103.0, 101.0, 102.0))
    assert (leave.reason, entry.reason) == ("opposite", "signal")
    assert leave.price == entry.price == 102
    assert book.account.positions[BTC].signed_quantity == -5


def test_cash_of_a_close_is_there_for_another_symbols_entry_but_not_that_of_a_stop():
    def candle(price, low):
        return {BTC: FLAT, ETH: (price, price, low, price)}

    for stop, cut in ((None, False), (0.02, True)):
        book = begun(SETTINGS, wish(symbol=ETH, quantity="100", exit_steps=1 if not stop else 5,
                                    stop=stop))  # fmt: skip
        advance(book, candle(100.0, 100.0), START + STEP, STEP, CENTS, FREE)
        entry = wish(candle=START + STEP, quantity="90")
        book.add(entry)
        low = 90.0 if stop else 100.0
        advance(book, candle(100.0, low), START + 2 * STEP, STEP, CENTS, FREE)
        assert (BTC in book.account.positions) is not cut
        assert last_order(book, entry).state == (REJECTED if cut else FILLED)


def test_a_buy_is_cut_to_what_cash_affords():
    entry = wish(quantity="150")
    book = begun(SETTINGS, entry)
    (fill,) = run(book, FLAT, costs=COSTS)
    assert fill.quantity == D("99.860")
    assert 0 <= book.account.cash < D("100.04") * D("0.001") * 2
    assert "cut from 150" in last_order(book, entry).detail


def test_what_is_below_the_minimum_at_the_fill_is_rejected():
    entry = wish(quantity="0.05")
    book = begun(SETTINGS, entry)
    assert run(book, (99.0, 99.0, 99.0, 99.0)) == []
    assert last_order(book, entry).state == REJECTED
    assert "least order of 5" in last_order(book, entry).detail


def test_no_second_position_and_no_short_on_spot():
    again = wish(candle=START + STEP)
    book = begun(SETTINGS, wish())
    run(book, FLAT)
    book.add(again)
    assert run(book, FLAT) == []
    assert "held already" in last_order(book, again).detail
    short = wish(SELL)
    book = begun(SETTINGS, short)
    assert run(book, FLAT) == []
    assert "no SHORT" in last_order(book, short).detail


def test_exposure_is_bounded_where_cash_may_be_borrowed():
    entry = wish(SELL, quantity="150")
    book = begun(SWAP, entry)
    (fill,) = run(book, FLAT)
    assert fill.quantity == 100
    assert "total exposure" in last_order(book, entry).detail
    book = begun({**SWAP, "max_total_exposure": 2.0}, wish(quantity="150"))
    (fill,) = run(book, FLAT)
    assert fill.quantity == 150
    assert book.account.cash == -5_000


def test_nothing_happens_twice():
    book = begun(SETTINGS, wish(stop=0.02))
    run(book, FLAT)
    before, entries = book.account.state(), book.ledger.entries_after()
    assert advance(book, {BTC: (1.0, 1.0, 1.0, 1.0)}, START + STEP, STEP, CENTS, FREE) == []
    assert advance(book, {BTC: (1.0, 1.0, 1.0, 1.0)}, START, STEP, CENTS, FREE) == []
    assert book.account.state() == before
    assert book.ledger.entries_after() == entries


def test_no_candle_may_be_left_out():
    book = begun()
    with pytest.raises(DataError, match="04:55:00Z without the candles between"):
        advance(book, {BTC: FLAT}, START + 2 * STEP, STEP, CENTS, FREE)


@pytest.mark.parametrize(
    "bad", [(100.0, 99.0, 98.0, 100.0), (0.0, 1.0, 0.0, 1.0), (100.0, float("nan"), 98.0, 99.0)]
)
def test_a_candle_that_is_none_changes_nothing(bad):
    book = begun(SETTINGS, wish())
    before = book.account.state()
    with pytest.raises(DataError, match=BTC):
        run(book, bad)
    assert book.account.state() == before
    assert len(book.ledger.marks()) == 1


def test_a_failure_in_the_middle_leaves_the_candle_undone(monkeypatch):
    book = begun(SETTINGS, wish(stop=0.02))
    before, entries = book.account.state(), book.ledger.entries_after()
    add = book.ledger.add

    def full(entry):
        if isinstance(entry, Mark):
            raise OSError("the disk is full")
        return add(entry)

    monkeypatch.setattr(book.ledger, "add", full)
    with pytest.raises(OSError, match="full"):
        run(book, (100.0, 101.0, 90.0, 95.0))
    monkeypatch.undo()
    assert book.account.state() == before
    assert book.ledger.entries_after() == entries
    assert len(run(book, (100.0, 101.0, 90.0, 95.0))) == 2


def made_of(rows, since=START):
    """Return a reader of candles whose first one opens at `since`."""

    def read(symbol, since_ms, until_ms):
        present = [(since + k * STEP, *row) for k, row in enumerate(rows[symbol]) if row]
        table = np.array(present, dtype=float).reshape(-1, 5).T
        volume = np.ones(table.shape[1])
        return columns.make(*table, volume).between(since_ms, until_ms)

    return read


def test_catching_up_begins_at_the_first_call():
    book = Book.in_memory(SETTINGS)
    read = made_of({BTC: [FLAT] * 3, ETH: [None] * 3})
    until = START + 3 * STEP
    assert catch_up(book, read, until, STEP, CENTS, FREE) == []
    assert book.ledger.marks() == [Mark(until, D(10_000), D(10_000), D(0))]
    assert book.account.last_price == {BTC: 100}
    assert catch_up(book, read, until, STEP, CENTS, FREE) == []
    assert len(book.ledger.marks()) == 1


def test_catching_up_begins_with_the_first_intent_that_waits():
    book = Book.in_memory(SETTINGS)
    book.add(wish())
    read = made_of({BTC: [FLAT] * 3, ETH: [None] * 3})
    assert len(catch_up(book, read, START + 2 * STEP, STEP, CENTS, FREE)) == 1
    assert len(book.ledger.marks()) == 2


def test_candles_that_stand_in_for_missing_ones_are_missing():
    def read(symbol, since_ms, until_ms):
        times = START + STEP * np.arange(3)
        price = np.array([100.0, 100.0, np.nan])
        filled = np.array([False, True, False])
        made = columns.make(times, price, price, price, price, np.ones(3), filled)
        return made.between(since_ms, until_ms)

    book = begun(SETTINGS, wish(candle=START + STEP))
    assert catch_up(book, read, START + 3 * STEP, STEP, CENTS, FREE) == []
    assert book.account.waiting


def test_a_price_is_found_again_however_long_the_gap(tmp_path):
    rows = {BTC: [(100.0, 120.0, 90.0, 110.0)] + [None] * 400, ETH: [None] * 401}
    with Book.open(tmp_path / "paper.db", SETTINGS) as book:
        book.add(Mark(START, D(10_000), D(10_000), D(0)))
        book.add(wish(exit_steps=500))
        catch_up(book, made_of(rows), START + 400 * STEP, STEP, CENTS, FREE)
    with Book.open(tmp_path / "paper.db", SETTINGS) as book:
        catch_up(book, made_of(rows), START + 401 * STEP, STEP, CENTS, FREE)
        assert book.account.last_mark.equity == 10_100


def market(seed, steps, share=0.35):
    rng = np.random.default_rng(seed)
    candles = {s: random_candles(rng, steps, price=p) for s, p in ((BTC, 100.0), (ETH, 20.0))}
    candles[BTC][0] = candles[BTC][0] or FLAT
    candles[ETH][0] = candles[ETH][0] or (20.0, 20.0, 20.0, 20.0)
    return candles, {s: random_signals(rng, steps, share=share) for s in (BTC, ETH)}


def play(configured, candles, signals, *, twice=False, end=True):
    """Go through candles one by one, acting on every signal at once."""
    book, costs = begun(configured), Costs.of(configured)
    for k in range(len(candles[BTC])):
        close = START + (k + 1) * STEP
        now = {symbol: rows[k] for symbol, rows in candles.items()}
        for _ in range(2 if twice else 1):
            advance(book, now, close, STEP, RULES, costs)
        account = book.account
        if configured["market_type"] == "spot":
            assert account.cash >= 0
            assert all(p.side == LONG for p in account.positions.values())
        assert all(p.quantity > 0 for p in account.positions.values())
        known = {s: signals[s][k] if s in account.last_price else None for s in signals}
        follow(book, known, close, configured, end=end)
        kinds = [(intent.symbol, intent.kind) for intent in account.waiting.values()]
        assert kinds.count((BTC, STOP)) <= 1
    return book


@pytest.mark.parametrize("configured", [SETTINGS, SWAP, {**SWAP, "max_total_exposure": 1.7}])
@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_it_equals_a_naive_simulation_in_floats(configured, seed):
    candles, signals = market(seed, 120)
    book = play(configured, candles, signals)
    equities, fills = trade_by_floats(configured, candles, signals, START)
    mine = [
        (f.time_ms, f.symbol, float(f.quantity) * (1 if f.side == BUY else -1), float(f.price))
        for f in book.ledger.fills()
    ]
    assert len(mine) > 10
    for one, other in zip(sorted(mine), sorted(fills), strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx(other[2:], rel=1e-6, abs=1e-6)
    marks = [float(mark.equity) for mark in book.ledger.marks()[1:]]
    assert marks == pytest.approx(equities, rel=1e-7)


@pytest.mark.parametrize("configured", [SETTINGS, SWAP])
@given(seed=seeds)
@settings(max_examples=6, deadline=None)
def test_the_books_add_up(configured, seed):
    candles, signals = market(seed, 120)
    book = play(configured, candles, signals)
    account, ledger = book.account, book.ledger
    # twice in a row, and loaded anew
    assert play(configured, candles, signals, twice=True).account.state() == account.state()
    assert Account.load(ledger, configured).state() == account.state()
    assert ledger.check() == []
    assert account.problems == account.notes == []
    # what was made is what trades and open positions say
    open_ = sum(
        p.signed_quantity * (account.last_price[s] - p.entry_price) - p.fees - p.funding
        for s, p in account.positions.items()
    )
    made = sum(trade.net for trade in account.trades) + open_
    assert float(account.equity() - 10_000 - made) == pytest.approx(0, abs=1e-12)
    # a revision never opened anything, and every order is where it ends or waits
    opened = {account.intents[f.intent_id] for f in ledger.fills()}
    assert all(i.revision == 0 for i in opened if i.kind == OPEN)
    ended = {event.intent_id for event in ledger.orders().values()}
    orders = {i.intent_id for i in account.intents.values() if i.kind != "extend"}
    assert orders == ended | set(account.waiting)
    for trade in account.trades:
        assert trade.exit_ms > trade.entry_ms or trade.reason == "horizon"


@given(seed=seeds, every=st.integers(2, 17))
@settings(max_examples=10, deadline=None)
def test_candle_by_candle_equals_catching_up_now_and_then(seed, every):
    candles, signals = market(seed, 120)
    for symbol in (BTC, ETH):
        signals[symbol] = [
            wished if k % every == 0 else None for k, wished in enumerate(signals[symbol])
        ]
    one = play(SETTINGS, candles, signals)
    ledger = begun().ledger
    for k in [*range(0, 120, every), 119]:
        close = START + (k + 1) * STEP
        # as a new process: nothing but the ledger is known
        book = Book(ledger, Account.load(ledger, SETTINGS), SETTINGS)
        catch_up(book, made_of(candles), close, STEP, RULES, COSTS)
        follow(book, {s: signals[s][k] for s in signals}, close, SETTINGS, end=k % 2 == 0)
    assert ledger.fills() == one.ledger.fills()
    assert ledger.marks() == one.ledger.marks()
    assert book.account.trades == one.account.trades
    assert book.account.positions == one.account.positions
    assert book.account.cash == one.account.cash


@given(
    seed=seeds,
    distance=st.sampled_from([None, 0.002, 0.01]),
    target=st.sampled_from([None, 0.004, 0.02]),
)
@settings(max_examples=25, deadline=None)
def test_a_short_is_a_long_in_the_mirror(seed, distance, target):
    rng = np.random.default_rng(seed)
    rows = random_candles(rng, 40, gaps=0.1)
    rows[0] = FLAT
    mirrored = [row and tuple(round(200 - row[at], 2) for at in (0, 2, 1, 3)) for row in rows]
    books = []
    for side, candles in ((BUY, rows), (SELL, mirrored)):
        entry = wish(side, quantity="50", exit_steps=30, stop=distance, target=target)
        books.append(begun(SWAP, entry))
        run(books[-1], *candles)
    one, other = books
    assert [m.equity for m in one.ledger.marks()] == [m.equity for m in other.ledger.marks()]
    assert [t.reason for t in one.account.trades] == [t.reason for t in other.account.trades]
    assert one.account.trades


def test_loading_reads_the_marks_that_trades_need_and_no_others(monkeypatch):
    candles, signals = market(3, 200)
    book = play(SETTINGS, candles, signals)
    monkeypatch.setattr("bot_cripto.execution.account._RECENT_MS", 0)
    assert len(book.account.trades) > 20
    assert len(book.ledger.marks_before_entries()) < len(book.ledger.marks()) / 1.5
    assert Account.load(book.ledger, SETTINGS).state() == book.account.state()


def test_what_is_computed_does_not_depend_on_the_callers_decimal_context():
    from decimal import localcontext

    candles, signals = market(7, 60)
    state = play(SETTINGS, candles, signals).account.state()
    with localcontext() as context:
        context.prec, context.rounding = 9, "ROUND_UP"
        assert play(SETTINGS, candles, signals).account.state() == state
