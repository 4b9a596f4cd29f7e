"""The order protocol: persisted first, asked for when in doubt, never twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from live_fake import (
    CANDLE,
    SETTINGS,
    STEP,
    SYMBOL,
    Death,
    FakeExchange,
    a_book,
    an_executor,
    close,
    entry,
    lost,
)

from bot_cripto.errors import ConfigError
from bot_cripto.execution.book import Book
from bot_cripto.execution.live.errors import (
    CLOCK,
    KEY,
    REJECTED,
    Busy,
    LiveError,
    Refused,
    Unresolved,
)
from bot_cripto.execution.live.flatten import flatten
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.live.reconcile import accept_exchange, reconcile
from bot_cripto.execution.live.replies import OwnTrade
from bot_cripto.ledger.events import Action, Intent, action_id, client_order_id
from bot_cripto.ledger.store import Ledger

UNTIL = CANDLE + 2 * STEP


def states(book, intent, attempt=0):
    client_id = client_order_id(intent.intent_id, attempt)
    return [event.state for event in book.ledger.order_events(client_id)]


def sides(exchange):
    return [(order.side, order.state) for order in exchange.placed]


@pytest.fixture
def exchange():
    return FakeExchange()


@pytest.fixture
def executor(exchange):
    return an_executor(exchange)


def enter(executor, intent=None):
    return executor.carry_out(intent or entry(), valid_until_ms=UNTIL)


class TestEntry:
    def test_each_step_is_in_the_ledger_before_the_next(self, exchange, executor):
        seen = []
        send = exchange.send_order

        def spy(*args, **options):
            book = executor.book
            seen.append([event.state for event in book.ledger.order_events(args[3])])
            assert not book.ledger._records._connection.in_transaction
            return send(*args, **options)

        exchange.send_order = spy
        enter(executor)
        assert seen == [["planned", "sending"], ["planned", "sending"]]

    def test_a_position_gets_its_stop_at_once(self, exchange, executor):
        said = enter(executor)
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]
        # 1 bought, a thousandth of it taken as fee
        assert exchange.placed[1].quantity == Decimal("0.999")
        assert executor.book.account.positions[SYMBOL].stop_price == 98
        assert "bought 1" in said
        assert "a stop for 0.999" in said

    def test_the_same_intent_is_carried_out_once(self, exchange, executor):
        enter(executor)
        assert "dealt with before" in enter(executor)
        assert len(exchange.placed) == 2

    def test_an_entry_whose_signal_is_over_is_not_sent(self, exchange, executor):
        exchange.now = UNTIL
        assert "no longer valid" in enter(executor)
        assert exchange.placed == []
        exchange.now = CANDLE
        assert "dealt with before" in enter(executor)

    def test_a_refusal_is_final(self, exchange, executor):
        exchange.faults["send_order"] = [Refused("-2010: insufficient balance", REJECTED, -2010)]
        assert "insufficient balance" in enter(executor)
        assert states(executor.book, entry()) == ["planned", "sending", "rejected"]
        assert "dealt with before" in enter(executor)
        assert exchange.placed == []

    def test_outside_of_its_window_it_is_sent_again_under_another_id(self, exchange, executor):
        exchange.faults["send_order"] = [Refused("-1021", CLOCK, -1021)]
        enter(executor)
        assert states(executor.book, entry(), 0)[-1] == "rejected"
        assert states(executor.book, entry(), 1)[-1] == "filled"
        assert ("server_ms", "before") in exchange.calls

    def test_a_clock_that_is_never_right_ends(self, exchange, executor):
        exchange.faults["send_order"] = [Refused("-1021", CLOCK, -1021)] * 9
        enter(executor)
        assert len([c for c in exchange.calls if c[0] == "send_order"]) == 3

    def test_too_busy_for_long_gives_up(self, exchange, executor):
        exchange.faults["send_order"] = [Busy("429", 600.0)]
        assert "rejected" in enter(executor)
        assert exchange.placed == []

    def test_busy_for_a_moment_waits(self, exchange, executor):
        exchange.faults["send_order"] = [Busy("429", 3.0)]
        enter(executor)
        assert exchange.placed[0].time_ms == CANDLE + 1000 + 3000

    def test_permission_withdrawn_in_between_sends_nothing(self, exchange, executor):
        exchange.faults["send_order"] = [ConfigError("live trading is off")]
        with pytest.raises(ConfigError):
            enter(executor)
        assert states(executor.book, entry())[-1] == "rejected"
        assert executor.resume() == []
        assert exchange.placed == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"live_max_orders_per_day": 2}, "LIVE_MAX_ORDERS_PER_DAY"),
            ({"live_max_notional_per_day": 50}, "LIVE_MAX_NOTIONAL_PER_DAY"),
            ({"exchange_base_url": "https://elsewhere.example"}, "live check"),
        ],
    )
    def test_limits_and_the_check_block_entries(self, exchange, change, words):
        assert words in enter(an_executor(exchange, **change))
        assert exchange.placed == []

    def test_without_a_check_nothing_is_entered(self, exchange):
        executor = an_executor(exchange, Book.in_memory(SETTINGS))
        assert "live check" in enter(executor)
        assert exchange.placed == []

    def test_a_restored_ledger_needs_another_check(self, exchange):
        book = a_book()
        book.add(Action(action_id("restored", 1, "x", ""), "restored", 1, "x", ""))
        assert "live check" in enter(an_executor(exchange, book))

    def test_a_stop_that_would_be_too_small_prevents_the_entry(self, exchange, executor):
        assert "protective stop would be too small" in enter(executor, entry("0.05005"))
        assert exchange.placed == []

    def test_no_short_on_spot(self, exchange, executor):
        assert "short" in enter(executor, entry(side="sell"))
        assert exchange.placed == []

    def test_it_buys_no_more_than_the_ledgers_cash_pays(self, exchange, executor):
        enter(executor, entry("500"))
        bought = exchange.placed[0].quantity
        assert Decimal("99.8") < bought < 100
        assert executor.book.account.cash >= 0

    def test_the_rest_of_a_partial_fill_is_cancelled_and_the_part_protected(
        self, exchange, executor
    ):
        exchange.share = Decimal("0.4")
        enter(executor)
        assert sides(exchange) == [("buy", "cancelled"), ("sell", "working")]
        assert exchange.placed[1].quantity == Decimal("0.3996")


class TestLostReplies:
    @pytest.mark.parametrize("error", [lost(), OSError("gone"), RuntimeError("?"), KeyError("x")])
    def test_an_order_that_was_placed_is_found(self, exchange, executor, error):
        exchange.faults["send_order"] = [("after", error)]
        enter(executor)
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]
        assert states(executor.book, entry()) == ["planned", "sending", "unknown", "filled"]

    def test_one_that_was_not_is_sent_again_only_after_its_window(self, exchange, executor):
        exchange.faults["send_order"] = [lost()]
        enter(executor)
        first, second = (client_order_id(entry().intent_id, n) for n in (0, 1))
        assert exchange.known(first) is None
        order = exchange.known(second)
        assert order.time_ms > CANDLE + 1000 + exchange.recv_window_ms
        assert states(executor.book, entry(), 0)[-1] == "rejected"

    def test_twice_lost_is_enough(self, exchange, executor):
        exchange.faults["send_order"] = [lost(), lost(), lost()]
        enter(executor)
        assert exchange.placed == []
        assert len([c for c in exchange.calls if c[0] == "send_order"]) == 2

    def test_it_is_not_sent_again_when_the_signal_is_over_by_then(self, exchange, executor):
        exchange.faults["send_order"] = [lost()]
        executor.carry_out(entry(), valid_until_ms=exchange.now + 3000)
        assert exchange.placed == []

    def test_nothing_is_sent_while_the_exchanges_clock_has_not_passed(self, exchange, executor):
        exchange.faults["send_order"] = [lost()]
        exchange.server_ms = lambda: CANDLE
        with pytest.raises(Unresolved, match="clock"):
            enter(executor)
        assert states(executor.book, entry())[-1] == "unknown"
        assert exchange.placed == []

    def test_a_trade_of_an_order_that_is_not_shown_keeps_it_open(self, exchange, executor):
        client_id = client_order_id(entry().intent_id)
        exchange.faults["send_order"] = [("after", lost())]
        exchange.hidden.add(client_id)
        with pytest.raises(Unresolved, match="does not show"):
            enter(executor)
        exchange.hidden.clear()
        executor.resume()
        assert states(executor.book, entry())[-1] == "filled"
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]

    def test_a_persons_trade_does_not_keep_it_open(self, exchange, executor):
        exchange.now -= 100_000
        exchange.send_order(SYMBOL, "buy", Decimal(1), "web_1", timestamp_ms=0)
        exchange.now += 100_000
        # an old order of the person's that trades just now
        late = vars(exchange.own_trades[0]) | {"time_ms": exchange.now}
        exchange.own_trades[0] = OwnTrade(**late)
        exchange.faults["send_order"] = [lost()]
        enter(executor)
        assert states(executor.book, entry(), 1)[-1] == "filled"

    def test_trades_that_show_late_keep_an_order_open_until_they_do(self, exchange, executor):
        trades, exchange.order_trades = exchange.order_trades, lambda *_: []
        with pytest.raises(LiveError):
            enter(executor)
        assert states(executor.book, entry())[-1] == "working"
        exchange.order_trades = trades
        executor.resume()
        assert executor.book.account.positions[SYMBOL].quantity == Decimal("0.999")
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]

    def test_a_refusal_to_tell_is_no_refusal_of_the_order(self, exchange, executor):
        exchange.faults["order_trades"] = [Refused("-2015", KEY, -2015)]
        with pytest.raises(Refused):
            enter(executor)
        assert states(executor.book, entry()) == ["planned", "sending"]
        executor.resume()
        assert states(executor.book, entry())[-1] == "filled"


class TestStops:
    def test_a_stop_that_triggered_before_the_close_sells_once(self, exchange, executor):
        enter(executor)
        exchange.fill(exchange.placed[1].client_id)
        assert "nothing left to close" in executor.carry_out(close())
        assert [order.side for order in exchange.placed] == ["buy", "sell"]
        assert executor.book.account.trades[-1].reason == "stop"

    def test_a_close_cancels_the_stop_first(self, exchange, executor):
        enter(executor)
        assert "closed" in executor.carry_out(close())
        assert sides(exchange) == [("buy", "filled"), ("sell", "cancelled"), ("sell", "filled")]
        assert executor.book.account.positions == {}
        # the person's own coin is there, and the fee of the bot's is gone
        assert exchange.base == 1

    def test_a_stop_that_a_person_cancelled_comes_back(self, exchange, executor):
        enter(executor)
        exchange.cancel(exchange.placed[1].client_id, SYMBOL)
        executor.resume()
        assert sides(exchange)[1:] == [("sell", "cancelled"), ("sell", "working")]

    def test_a_stop_that_filled_in_part_stands_for_the_rest(self, exchange, executor):
        enter(executor)
        exchange.fill(exchange.placed[1].client_id, Decimal("0.5"))
        executor.resume()
        assert len(exchange.placed) == 2
        held = executor.book.account.positions[SYMBOL].quantity
        assert held == exchange.placed[1].quantity - exchange.placed[1].filled

    def test_a_price_below_the_stop_closes(self, exchange, executor):
        exchange.faults["send_order"] = [None, Refused("would trigger", REJECTED, -2010)]
        assert "so it is closed" in enter(executor)
        assert executor.book.account.positions == {}
        assert executor.book.account.trades[-1].reason == "stop"

    def test_a_key_that_may_do_nothing_closes_nothing(self, exchange, executor):
        exchange.faults["send_order"] = [None, Refused("-2015", KEY, -2015)]
        with pytest.raises(Unresolved, match="no protective stop yet"):
            enter(executor)
        executor.resume()
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]

    def test_a_price_below_the_limit_of_a_stop_that_did_not_fill_closes(self, exchange, executor):
        enter(executor)
        executor.book.account.last_price[SYMBOL] = Decimal(97)
        assert "below the limit" in executor.resume()[0]
        assert executor.book.account.positions == {}

    def test_what_cannot_be_closed_keeps_a_stop_and_ends(self, exchange, executor):
        enter(executor)
        exchange.faults["send_order"] = [Refused("market closed", REJECTED, -2010)]
        assert "refused" in executor.carry_out(close())
        assert exchange.placed[-1].state == "working"
        # the next run goes on with the close
        executor.resume()
        assert executor.book.account.positions == {}

    def test_nothing_is_sold_while_the_end_of_the_stop_is_not_known(self, exchange, executor):
        enter(executor)
        exchange.cancel = lambda *_: None
        with pytest.raises(Unresolved, match="not cancelled"):
            executor.carry_out(close())
        assert [order.side for order in exchange.placed] == ["buy", "sell"]

    def test_it_sells_no_more_than_is_free(self, exchange, executor):
        enter(executor)
        # the person has sold the own coin, and half of what is the bot's
        exchange.base = exchange.locked = Decimal("0.5")
        exchange.placed[1] = type(exchange.placed[1])(
            **vars(exchange.placed[1]) | {"quantity": Decimal("0.5")}
        )
        executor.carry_out(close())
        assert exchange.placed[2].quantity == Decimal("0.5")


class TestReconcile:
    def test_all_well(self, exchange, executor):
        enter(executor)
        assert reconcile(executor) == []

    def test_coins_that_are_gone_block_entries_until_accepted(self, exchange, executor):
        enter(executor)
        exchange.base = Decimal("0.5")
        exchange.locked = Decimal(0)
        exchange.change(exchange.placed[1].client_id, "cancelled", Decimal(0))
        (sentence,) = reconcile(executor)
        assert "the account has 0.5" in sentence
        assert open_mismatches(executor.book.ledger)
        later = entry(candle_ms=CANDLE + STEP)
        executor.carry_out(close())
        assert "do not match" in executor.carry_out(later, valid_until_ms=UNTIL + STEP)
        (said,) = accept_exchange(executor, SYMBOL, "ana", "sold by hand")
        assert "written off" in said
        assert reconcile(executor) == []
        assert executor.book.account.positions == {}
        assert executor.book.ledger.check() == []

    def test_a_mismatch_that_goes_away_is_resolved(self, exchange, executor):
        enter(executor)
        exchange.base, whole = Decimal("0.9"), exchange.base
        assert reconcile(executor)
        exchange.base = whole
        assert reconcile(executor) == []
        kinds = [action.kind for action in executor.book.ledger.actions()]
        assert kinds == ["live_check", "mismatch", "resolved"]

    def test_more_than_the_ledger_holds_is_the_persons_own(self, exchange, executor):
        enter(executor)
        exchange.base += 7
        assert reconcile(executor) == []
        executor.carry_out(close())
        assert exchange.base == 8

    def test_an_order_of_ours_that_the_ledger_lacks(self, exchange, executor):
        exchange.send_order(SYMBOL, "buy", Decimal(1), "bc-not-known", timestamp_ms=0)
        (sentence,) = reconcile(executor)
        assert "not in the ledger" in sentence
        assert "do not match" in enter(executor)
        accept_exchange(executor, SYMBOL, "ana", "another bot's")
        assert reconcile(executor) == []

    def test_an_order_that_a_restored_ledger_has_forgotten_is_taken_in(self, exchange):
        book = a_book()
        book.add(entry())
        executor = an_executor(exchange, book)
        exchange.send_order(
            SYMBOL, "buy", Decimal(1), client_order_id(entry().intent_id), timestamp_ms=0
        )
        assert reconcile(executor) == []
        assert book.account.positions[SYMBOL].quantity == Decimal("0.999")
        assert sides(exchange) == [("buy", "filled"), ("sell", "working")]


class TestFlatten:
    def test_it_closes_and_is_idempotent(self, exchange, executor):
        enter(executor)
        assert [text for text in flatten(executor, "ana") if text.startswith("remains")] == []
        assert executor.book.account.trades[-1].reason == "flatten"
        placed = len(exchange.placed)
        flatten(executor, "ana")
        assert len(exchange.placed) == placed
        assert exchange.base == 1

    def test_it_cancels_orders_that_the_ledger_lacks_and_no_others(self, exchange, executor):
        exchange.share = Decimal(0)
        exchange.send_order(SYMBOL, "buy", Decimal(1), "bc-not-known", timestamp_ms=0)
        exchange.send_order(SYMBOL, "buy", Decimal(1), "web_1", timestamp_ms=0)
        flatten(executor, "ana")
        assert [order.state for order in exchange.placed] == ["cancelled", "working"]

    def test_what_remains_is_said(self, exchange, executor):
        enter(executor)
        exchange.faults["send_order"] = [Refused("market closed", REJECTED, -2010)] * 2
        said = flatten(executor, "ana")
        assert any(text.startswith("remains: 0.999 BTC") for text in said)


def kill_points():
    """Return how many side effects a whole life of a position has."""
    exchange = FakeExchange()
    mortal = Mortal(exchange, None)
    whole_life(mortal, a_book())
    return mortal.count


class Mortal:
    """An exchange and a disk; the process dies at the n-th side effect."""

    def __init__(self, exchange, at):
        self.exchange, self.at, self.count = exchange, at, 0

    def step(self):
        self.count += 1
        if self.count == self.at:
            raise Death

    def __getattr__(self, name):
        value = getattr(self.exchange, name)
        if not callable(value) or name == "known":
            return value

        def call(*args, **options):
            self.step()
            result = value(*args, **options)
            self.step()
            return result

        return call


def whole_life(exchange, book):
    """Run as three runs would: enter, hold, close."""
    add = book.add

    def mortal_add(item):
        exchange.step()
        new = add(item)
        exchange.step()
        return new

    book.add = mortal_add
    executor = an_executor(exchange, book)
    reconcile(executor)
    enter(executor)
    reconcile(executor)
    executor.carry_out(close())


@pytest.mark.parametrize("lose", [False, True])
def test_a_process_may_die_at_every_side_effect(tmp_path, lose):
    count = kill_points()
    assert count > 60
    for at in range(1, count + 1):
        inner = FakeExchange()
        if lose:
            inner.faults["send_order"] = [("after", lost()), None, lost()]
        book = a_book()
        with pytest.raises(Death):
            whole_life(Mortal(inner, at), book)
            raise Death
        del book.add
        # the next process knows nothing but the ledger
        again = Book(book.ledger, type(book.account).load(book.ledger, SETTINGS), SETTINGS)
        inner.faults.clear()
        executor = an_executor(inner, again)
        assert reconcile(executor) == []
        position = again.account.positions.get(SYMBOL)
        held = Decimal(0) if position is None else position.quantity
        assert inner.base == 1 + held
        stops = inner.open_orders(SYMBOL)
        assert [order.quantity for order in stops] == ([held] if held else [])
        buys = [order for order in inner.placed if order.side == "buy"]
        assert len(buys) <= 1
        assert flatten(executor, "test")[-1:] != ["remains"]
        assert again.account.positions == {}
        assert inner.base == 1
        ids = [order.client_id for order in inner.placed]
        assert len(ids) == len(set(ids))


def test_the_ledger_on_disk_is_enough(tmp_path):
    path, exchange = tmp_path / "live.db", FakeExchange()
    with Book.open(path, SETTINGS) as book:
        action = a_book().ledger.actions()[0]
        book.add(action)
        enter(an_executor(exchange, book))
    with Ledger.open(path) as ledger:
        assert ledger.check() == []
    with Book.open(path, SETTINGS) as book:
        executor = an_executor(exchange, book)
        assert reconcile(executor) == []
        assert executor.notes == []
        executor.carry_out(close())
    assert exchange.base == 1


def test_an_intent_that_the_ledger_holds_counts(exchange, executor):
    enter(executor)
    other = Intent(**vars(entry()) | {"quantity": Decimal(9)})
    assert "dealt with before" in executor.carry_out(other, valid_until_ms=UNTIL)
