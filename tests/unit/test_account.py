from dataclasses import replace
from decimal import Decimal

import pytest
from paper_market import BTC, ETH, SETTINGS, START, STEP, SWAP

from bot_cripto.errors import DataError, LedgerError
from bot_cripto.execution.account import LONG, SHORT, Account
from bot_cripto.ledger.events import (
    BUY,
    CLOSE,
    EXTEND,
    FILLED,
    OPEN,
    REJECTED,
    SELL,
    STOP,
    WORKING,
    Action,
    Fill,
    Intent,
    Mark,
    OrderEvent,
    client_order_id,
    event_id,
    intent_id,
)
from bot_cripto.ledger.store import Ledger

D = Decimal


def intent(kind, side=BUY, candle=START, quantity="2", symbol=BTC, **more):
    return Intent(
        intent_id=intent_id(symbol, candle, kind),
        symbol=symbol,
        candle_ms=candle,
        revision=0,
        kind=kind,
        side=side,
        quantity=D(quantity),
        reason="signal",
        created_ms=candle + 2_000,
        fill_from_ms=candle,
        reference_price=D(100),
        **more,
    )


def fill(of, quantity=None, price="100", fee="0", currency="USDT", at=START, reason="signal", n=0):
    return Fill(
        fill_id=f"{of.intent_id}-{at}-{n}",
        intent_id=of.intent_id,
        symbol=of.symbol,
        side=of.side,
        quantity=of.quantity if quantity is None else D(quantity),
        price=D(price),
        fee=D(fee),
        fee_currency=currency,
        time_ms=at,
        reason=reason,
    )


def event(of, state, attempt=0, filled="0"):
    client = client_order_id(of.intent_id, attempt)
    name = event_id(client, state, D(filled), None)
    return OrderEvent(name, client, of.intent_id, state, START, None, D(filled))


def account(settings=SETTINGS, *entries):
    made = Account.of(settings)
    for entry in entries:
        made.apply(entry)
    return made


ENTRY = intent(OPEN, exit_ms=START + 5 * STEP, stop_distance=0.02, target_distance=0.01)
EXIT = intent(CLOSE, SELL, START + 5 * STEP)


def test_an_empty_account_is_its_cash():
    made = account()
    assert made.equity() == made.cash == 10_000
    assert made.quote == "USDT"
    assert made.symbols == (BTC, ETH)
    assert made.exposure(BTC) == 0


def test_only_symbols_of_the_first_ones_quote_are_traded():
    made = Account.of({**SETTINGS, "symbols": [BTC, "ETH/BTC", "SOL/USDT"]})
    assert made.symbols == (BTC, "SOL/USDT")


def test_buying_and_selling_with_fees_in_quote():
    made = account(SETTINGS, ENTRY, fill(ENTRY, fee="0.2"))
    held = made.positions[BTC]
    assert (held.side, held.quantity, held.entry_price) == (LONG, 2, 100)
    assert (held.exit_ms, held.target_price, held.stop_price) == (START + 5 * STEP, 101, None)
    assert held.entry_candle_ms == START
    assert made.cash == D("9799.8")
    assert made.equity({BTC: D(110)}) == D("10019.8")
    assert made.exposure(BTC, {BTC: D(110)}) == 220
    made.apply(EXIT)
    made.apply(fill(EXIT, price="110", fee="0.22", at=START + 5 * STEP, reason="horizon"))
    assert made.positions == {}
    (trade,) = made.trades
    assert (trade.gross, trade.fees, trade.net) == (20, D("0.42"), D("19.58"))
    assert trade.net_fraction == pytest.approx(0.001958)
    assert (trade.reason, trade.entry_ms, trade.exit_ms) == ("horizon", START, START + 5 * STEP)
    assert made.cash == D("10019.58")


def test_a_short_gains_when_the_price_falls():
    entry, leave = intent(OPEN, SELL), intent(CLOSE, BUY, START + STEP)
    made = account(SWAP, entry, fill(entry, fee="0.2"))
    assert made.positions[BTC].side == SHORT
    assert made.equity({BTC: D(90)}) == D("10019.8")
    assert made.exposure(BTC, {BTC: D(90)}) == 180
    made.apply(leave)
    made.apply(fill(leave, price="90", fee="0.18", reason="opposite"))
    assert made.trades[0].net == D("19.62")
    assert made.equity({}) == D("10019.62")


def test_a_fee_in_base_leaves_less_to_hold():
    made = account(SETTINGS, ENTRY, fill(ENTRY, fee="0.002", currency="BTC"))
    assert made.positions[BTC].quantity == D("1.998")
    assert made.equity({BTC: D(100)}) == D("9999.8")
    made.apply(EXIT)
    made.apply(fill(EXIT, "1.998", "110", fee="0.2", reason="horizon"))
    (trade,) = made.trades
    assert trade.net == made.cash - 10_000 == D("19.58")


def test_a_fee_in_a_third_currency_is_estimated_and_noted():
    made = account(SETTINGS, ENTRY, fill(ENTRY, fee="0.001", currency="BNB"))
    assert made.cash == 10_000 - 200 - D("0.2")
    assert made.positions[BTC].fees == D("0.2")
    assert "BNB" in made.notes[0]


def test_partial_fills_average_and_partial_closes_share_the_fees():
    made = account(
        SETTINGS, ENTRY, fill(ENTRY, "1", "100", "0.1"), fill(ENTRY, "1", "110", "0.1", n=1)
    )
    held = made.positions[BTC]
    assert (held.quantity, held.entry_price, held.fees) == (2, 105, D("0.2"))
    made.apply(EXIT)
    made.apply(fill(EXIT, "0.5", "120", "0.06", reason="horizon"))
    assert made.trades[0].net == D("7.5") - D("0.05") - D("0.06")
    assert made.positions[BTC].quantity == D("1.5")
    made.apply(fill(EXIT, "1.5", "120", "0.18", reason="horizon", n=1))
    assert made.positions == {}
    assert sum(trade.net for trade in made.trades) == made.cash - 10_000


def test_what_a_close_left_behind_joins_the_next_entry():
    made = account(SETTINGS, ENTRY, fill(ENTRY, fee="0.001", currency="BTC"))
    made.apply(EXIT)
    made.apply(fill(EXIT, "1.99", "100", reason="horizon"))
    again = intent(OPEN, candle=START + 6 * STEP, exit_ms=START + 11 * STEP)
    made.apply(again)
    made.apply(fill(again, "1", "200", at=START + 6 * STEP))
    held = made.positions[BTC]
    assert held.quantity == D("1.009")
    assert held.entry_price == (D("0.009") * 100 + 200) / D("1.009")
    assert (held.intent_id, held.entry_ms) == (again.intent_id, START + 6 * STEP)
    assert held.exit_ms == START + 11 * STEP


def test_a_stop_waits_for_as_long_as_its_position():
    stop = intent(STOP, SELL, trigger_price=D(98))
    made = account(SETTINGS, ENTRY, fill(ENTRY), event(ENTRY, FILLED, filled="2"), stop)
    assert made.positions[BTC].stop_price == 98
    assert list(made.waiting) == [stop.intent_id]
    made.apply(event(stop, WORKING))
    made.apply(EXIT)
    made.apply(fill(EXIT, reason="horizon"))
    made.apply(event(EXIT, FILLED, filled="2"))
    assert made.waiting == {}
    # its cancelling may become known late
    made.apply(event(stop, "unknown"))
    assert made.waiting == {}


def test_a_stops_fill_closes_the_position():
    stop = intent(STOP, SELL, trigger_price=D(98))
    made = account(SETTINGS, ENTRY, fill(ENTRY), stop, fill(stop, price="98", reason="stop"))
    assert made.positions == {}
    assert (made.trades[0].reason, made.trades[0].net) == ("stop", -4)


def test_another_attempt_waits_again():
    made = account(SETTINGS, ENTRY, event(ENTRY, REJECTED))
    assert made.waiting == {}
    made.apply(event(ENTRY, "sending", attempt=1))
    assert made.waiting == {ENTRY.intent_id: ENTRY}


def test_an_extension_moves_the_end_and_is_never_waiting():
    more = intent(EXTEND, candle=START + 2 * STEP, exit_ms=START + 7 * STEP)
    made = account(SETTINGS, ENTRY, fill(ENTRY), event(ENTRY, FILLED), more)
    assert made.positions[BTC].exit_ms == START + 7 * STEP
    assert made.waiting == {}
    other = intent(EXTEND, SELL, candle=START + 3 * STEP, exit_ms=START + 8 * STEP)
    made.apply(other)
    assert made.positions[BTC].exit_ms == START + 7 * STEP


def test_net_fraction_is_of_the_equity_at_the_last_mark_before_the_entry():
    marks = [Mark(START + k * STEP, D(5_000 + 1_000 * k), D(0), D(0)) for k in range(3)]
    made = account(SETTINGS, ENTRY, EXIT, *marks)
    made.apply(fill(ENTRY, at=START + STEP))
    made.apply(fill(EXIT, price="130", at=START + 2 * STEP, reason="horizon"))
    assert made.trades[0].net_fraction == pytest.approx(60 / 6_000)


def test_closing_more_than_is_held_is_a_problem_and_never_turns_around():
    made = account(SETTINGS, ENTRY, fill(ENTRY), EXIT, fill(EXIT, "3", "100", "0.3"))
    assert made.positions == {}
    assert made.cash == 10_000 - D("0.2")
    assert "holds only 2" in made.problems[0]
    made.apply(fill(EXIT, "1", n=1))
    assert made.positions == {}
    assert len(made.problems) == 2


def test_an_opening_against_a_position_is_a_problem():
    entry = intent(OPEN, SELL, candle=START + STEP)
    made = account(SWAP, ENTRY, fill(ENTRY), entry, fill(entry))
    assert made.positions[BTC].side == LONG
    assert "opens a SHORT while a LONG is held" in made.problems[0]


def test_a_fill_of_nothing_known_is_refused():
    with pytest.raises(LedgerError, match="does not hold"):
        account(SETTINGS, fill(ENTRY))


def test_marks_must_go_forward():
    with pytest.raises(LedgerError, match="not after"):
        account(SETTINGS, Mark(START, D(1), D(1), D(0)), Mark(START, D(2), D(1), D(0)))


def test_a_missing_price_is_named():
    made = account(SETTINGS, ENTRY, fill(ENTRY))
    with pytest.raises(DataError, match=BTC):
        made.equity()
    with pytest.raises(DataError, match=BTC):
        made.exposure(BTC, {})


def test_actions_change_nothing():
    made = account()
    before = made.state()
    made.apply(Action("a", "kill", START, "me", "why"))
    assert made.state() == before


def test_loading_equals_what_was_built_entry_by_entry():
    stop = intent(STOP, SELL, trigger_price=D(98))
    more = intent(EXTEND, candle=START + 2 * STEP, exit_ms=START + 7 * STEP)
    other = intent(OPEN, symbol=ETH, exit_ms=START + 9 * STEP, stop_distance=0.1)
    entries = [
        Mark(START, D(10_000), D(10_000), D(0)),
        ENTRY,
        fill(ENTRY, "1.5", fee="0.001", currency="BTC"),
        event(ENTRY, WORKING),
        stop,
        event(stop, WORKING),
        Mark(START + STEP, D(9_990), D(9_850), D(140)),
        fill(ENTRY, "0.5", "102", n=1),
        event(ENTRY, FILLED, filled="2"),
        more,
        other,
        fill(stop, "1", "98", "0.1", reason="stop", at=START + 3 * STEP),
        event(other, REJECTED),
        EXIT,
    ]
    with Ledger.in_memory() as ledger:
        live = Account.of(SETTINGS)
        for entry in entries:
            assert ledger.add(entry)
            live.apply(entry)
        loaded = Account.load(ledger, SETTINGS)
    assert loaded.state() == live.state()
    assert loaded.positions[BTC].exit_ms == START + 7 * STEP
    assert loaded.waiting.keys() == {stop.intent_id, EXIT.intent_id}


def test_the_callers_decimal_context_changes_nothing():
    from decimal import localcontext

    def build():
        thirds = replace(ENTRY, quantity=D(3))
        return account(
            SETTINGS, thirds, fill(thirds, "1", "100.1"), fill(thirds, "2", "100.2", n=1)
        ).state()

    with localcontext() as context:
        context.prec = 5
        rough = build()
    assert rough == build()
