"""`bot-cripto execute` with real orders, over real sockets, from one run to the next."""

from __future__ import annotations

import threading
from decimal import Decimal

import live_world
import pytest
from live_world import STEP
from session_world import BTC, ETH, KEYS, SessionWorld, promote_models

from bot_cripto.errors import BusyError, ConfigError
from bot_cripto.execution import session
from bot_cripto.execution.live import trading
from bot_cripto.execution.switches import switch
from bot_cripto.ledger.events import Action, action_id
from bot_cripto.timeframes import iso

BOUGHT = ("MARKET", "BUY", "FILLED")
SOLD = ("MARKET", "SELL", "FILLED")
STANDS = ("STOP_LOSS_LIMIT", "SELL", "NEW")
GONE = ("STOP_LOSS_LIMIT", "SELL", "CANCELED")
HIT = ("STOP_LOSS_LIMIT", "SELL", "FILLED")


@pytest.fixture(scope="module")
def exchange():
    with live_world.exchange() as running:
        yield running


@pytest.fixture
def make_world(exchange, tmp_path, monkeypatch):
    def make(symbols=(BTC,), **changes):
        return SessionWorld(exchange, tmp_path, monkeypatch, symbols, **changes)

    return make


@pytest.fixture
def world(make_world):
    return make_world()


def said(outcome):
    return "\n".join(outcome.lines)


# --- a position's life -------------------------------------------------------------------------


def test_a_long_is_entered_with_its_stop_held_and_ended_by_its_horizon(world):
    outcome = world.enter()
    assert "bought" in said(outcome) and "a stop for" in said(outcome)
    assert world.orders() == [BOUGHT, STANDS]
    world.assert_clean()
    world.candle()
    world.signal("NO_TRADE")
    outcome = world.execute()
    assert outcome.code == 0 and "is held until" in said(outcome)
    assert world.orders() == [BOUGHT, STANDS]
    assert world.risk_state()["position"] == "LONG"
    world.assert_clean()
    world.candle(2)
    world.signal("NO_TRADE")
    assert world.execute().code == 0
    assert world.orders() == [BOUGHT, GONE, SOLD]
    assert world.positions() == {}
    world.candle()
    world.execute()
    world.assert_clean()


def test_a_run_is_repeated_without_effect(world):
    world.enter()
    before = len(world.sent())
    assert world.execute().code == 0
    assert len(world.sent()) == before
    world.assert_clean()


def test_a_signal_of_the_same_side_renews_the_end(world):
    world.enter()
    for _ in range(3):
        world.candle()
        world.signal("LONG")
        assert world.execute().code == 0
    assert world.orders() == [BOUGHT, STANDS]
    world.candle(3)
    world.execute()
    assert world.orders() == [BOUGHT, GONE, SOLD]


def test_an_opposite_signal_closes_and_nothing_is_sold_short(world):
    world.enter()
    world.candle()
    world.signal("SHORT")
    outcome = world.execute()
    assert "SHORT closes the LONG" in said(outcome)
    assert world.orders() == [BOUGHT, GONE, SOLD]
    world.candle()
    world.signal("SHORT")
    assert "stays flat" in said(world.execute())
    assert world.orders() == [BOUGHT, GONE, SOLD]
    world.assert_clean()


def test_horizons_end_without_any_signal(world):
    world.enter()
    world.candle(3)
    outcome = world.execute()
    assert "expired" in said(outcome)
    assert world.orders() == [BOUGHT, GONE, SOLD]


def test_a_stop_that_was_hit_between_two_runs_is_found_and_bars_the_next_entry(make_world):
    world = make_world(risk_cooldown_minutes=15)
    world.enter()
    world.candle(BTC="58700")
    world.signal("LONG")
    outcome = world.execute()
    assert "stop order" in said(outcome) and "is filled" in said(outcome)
    assert "not entered" in said(outcome) and "rest" in said(outcome).lower()
    assert world.orders() == [BOUGHT, HIT]
    assert world.positions() == {}
    world.assert_clean()
    world.candle(4)
    world.signal("LONG")
    world.execute()
    assert world.orders() == [BOUGHT, HIT, BOUGHT, STANDS]
    world.assert_clean()


def test_a_stop_hit_after_the_close_bars_the_entry_of_that_close_too(make_world):
    world = make_world(risk_cooldown_minutes=3)
    world.enter()
    world.candle()
    world.account.set_price("BTCUSDT", "58700")  # two seconds after the close
    world.signal("LONG")
    outcome = world.execute()
    assert "is filled" in said(outcome)
    assert "not entered" in said(outcome)
    assert world.orders() == [BOUGHT, HIT]
    world.assert_clean()


def test_a_loss_since_the_signal_bars_an_entry_that_comes_late(make_world):
    world = make_world((BTC, ETH), max_daily_drawdown=0.002, live_max_daily_loss=0.5)
    world.enter(BTC)
    world.candle()
    world.signal("LONG", ETH, valid_until=iso(world.close_ms + 2 * STEP))
    world.candle(BTC="59160")
    outcome = world.execute()
    assert "ETH/USDT: LONG is not entered" in said(outcome) and "drawdown" in said(outcome)
    assert world.orders(ETH) == []


def test_losses_in_a_row_stop_entries(make_world):
    world = make_world(risk_cooldown_minutes=0, max_consecutive_losses=1)
    world.enter()
    world.candle(BTC="58700")
    world.signal("LONG")
    outcome = world.execute()
    assert "not entered" in said(outcome)
    assert world.orders() == [BOUGHT, HIT]


def test_a_market_that_fell_through_the_limit_of_the_stop_is_left_at_once(world):
    world.enter()
    # below the stop's limit: it was triggered and waits there
    world.candle(BTC="50000")
    outcome = world.execute()
    assert "below the limit of its stop" in said(outcome)
    assert world.positions() == {}
    assert world.orders()[-1] == SOLD
    world.assert_clean()


# --- targets -----------------------------------------------------------------------------------


def with_target(world):
    assert world.check().code == 0
    sizing = [{"name": "stop_distance", "value": 0.02}, {"name": "target_distance", "value": 0.01}]
    world.signal("LONG", sizing=sizing, horizon_steps=12)
    assert world.execute().code == 0


def test_a_target_is_sold_at_the_close_that_reached_it(make_world):
    world = make_world(target_volatilities=2)
    with_target(world)
    world.candle(highs={BTC: 60500})
    assert world.execute().code == 0
    assert world.orders() == [BOUGHT, STANDS]
    world.candle(highs={BTC: 61000})
    assert world.execute().code == 0
    assert world.orders() == [BOUGHT, GONE, SOLD]
    with world.ledger() as ledger:
        assert ledger.fills()[-1].reason == "target"
    world.candle()
    world.execute()
    world.assert_clean()


def test_a_target_that_was_reached_while_no_run_looked_counts(make_world):
    world = make_world(target_volatilities=2)
    with_target(world)
    world.candle()
    world.execute()
    world.candle(highs={BTC: 61000})
    world.candle(2)
    world.execute()
    assert world.orders() == [BOUGHT, GONE, SOLD]


# --- what keeps an entry away --------------------------------------------------------------------


def test_without_a_check_nothing_is_placed(world):
    world.signal("LONG")
    outcome = world.execute()
    assert "live check" in said(outcome)
    assert world.sent() == [] and world.orders() == []


def test_a_key_that_can_withdraw_fails_the_check_and_nothing_is_placed(make_world):
    world = make_world()
    world.server.restrictions = {"enableWithdrawals": True}
    outcome = world.check()
    assert outcome.code == 1 and "can withdraw" in said(outcome)
    world.signal("LONG")
    assert "live check" in said(world.execute())
    assert world.sent() == []


def test_after_a_restore_the_check_is_needed_again(world):
    assert world.check().code == 0
    with world.ledger() as ledger:
        now = world.server.now_ms() + 1
        ledger.add(Action(action_id("restored", now, "x", ""), "restored", now, "x", ""))
    world.signal("LONG")
    assert "live check" in said(world.execute())
    assert world.orders() == []
    world.candle()
    world.enter()
    assert world.orders() == [BOUGHT, STANDS]


def test_an_expired_signal_enters_nothing(world):
    assert world.check().code == 0
    world.signal("LONG")
    world.candle(late_ms=10)
    assert "expired" in said(world.execute())
    assert world.orders() == []


def test_a_signal_that_expires_while_the_exchange_is_slow_enters_nothing(world):
    assert world.check().code == 0
    world.signal("LONG")
    world.server.advance(STEP - 4000)
    world.server.set_faults({"path": "POST order", "kind": "error", "code": -1003,
                             "headers": {"Retry-After": "10"}})  # fmt: skip
    world.execute()
    assert world.orders() == []


@pytest.mark.parametrize("missing", [False, True])
def test_models_that_are_not_proven_are_not_for_real_money(world, missing):
    if missing:
        (world.layout.models / "champion" / "BTC_USDT.json").unlink()
    else:
        promote_models(world.layout, BTC, provisional=True)
    assert world.check().code == 0
    world.signal("LONG")
    outcome = world.execute()
    assert ("no champion" if missing else "provisional") in said(outcome)
    assert world.orders() == []


@pytest.mark.parametrize("kind", ["kill", "pause"])
def test_a_switch_stops_entries_at_once_and_leaves_the_stop(make_world, kind):
    world = make_world((BTC, ETH))
    world.enter()
    switch(world.layout, kind, "ana", "enough")
    world.candle()
    world.signal("LONG")
    world.signal("LONG", ETH)
    outcome = world.execute()
    assert outcome.code == 0
    assert "enough" in said(outcome)
    assert world.orders() == [BOUGHT, STANDS]
    world.candle(2)  # not renewed either: it ends as planned
    assert world.execute().code == 0
    assert world.orders() == [BOUGHT, GONE, SOLD]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "code": -1003, "headers": {"Retry-After": "5"}},
        {"kind": "timeout", "when": "before"},
        {"kind": "error", "code": -1021},
    ],
    ids=["busy", "lost", "clock"],
)
def test_an_entry_that_waits_for_another_try_is_not_sent_after_a_kill(world, fault, monkeypatch):
    assert world.check().code == 0
    world.signal("LONG")
    world.server.set_faults({"path": "POST order"} | fault)

    def killed_meanwhile(*question):
        found = world.server.__class__.fault_for(world.server, *question)
        if found is not None:
            switch(world.layout, "kill", "ana", "now")
        return found

    monkeypatch.setattr(world.server, "fault_for", killed_meanwhile)
    before = len(world.sent())
    outcome = world.execute()
    assert len(world.sent()) == before + 1
    assert world.orders() == []
    assert "killed by ana" in said(outcome)
    world.assert_clean()
    # nor is it after a release
    switch(world.layout, "release", "ana", "well")
    world.execute()
    assert world.orders() == []


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ({"live_max_orders_per_day": 2}, "LIVE_MAX_ORDERS_PER_DAY"),
        ({"live_max_notional_per_day": 1999}, "LIVE_MAX_NOTIONAL_PER_DAY"),
    ],
)
def test_limits_of_a_day_stop_entries(make_world, limit, word):
    world = make_world(**limit)
    assert world.check().code == 0
    world.signal("LONG")
    assert word in said(world.execute())
    assert world.orders() == []


def test_a_daily_loss_stops_entries_and_no_close(make_world):
    world = make_world((BTC, ETH), live_max_daily_loss=0.001)
    world.enter(BTC)
    world.candle(BTC="59200")
    world.signal("LONG", ETH)
    assert "LIVE_MAX_DAILY_LOSS" in said(world.execute())
    assert world.orders() == [BOUGHT, STANDS]
    world.candle(2)
    world.execute()
    assert world.orders() == [BOUGHT, GONE, SOLD]


# --- people ------------------------------------------------------------------------------------


def test_flatten_sells_what_the_ledger_holds_and_nothing_else(world):
    world.enter()
    own = world.account.own["BTC"]
    held = world.positions()[BTC].quantity
    outcome = world.flatten()
    assert outcome.code == 0, outcome.lines
    assert world.orders() == [BOUGHT, GONE, SOLD]
    sold = next(o for o in world.account.of_client("bc-") if o["side"] == "SELL" and o["paid"])
    assert sold["quantity"] <= held
    assert own <= world.account.total("BTC") < own + Decimal("0.00001")
    world.assert_clean()
    assert world.flatten().code == 0
    assert len(world.orders()) == 3


def test_flatten_some_candles_later_leaves_a_clean_state(world):
    world.enter()
    world.candle(2, BTC="60500")
    assert world.flatten().code == 0
    world.assert_clean()
    world.candle()
    world.execute()
    world.assert_clean()


def test_a_person_who_sold_the_coins_is_believed_on_their_word(make_world):
    world = make_world(risk_cooldown_minutes=0)
    world.enter()
    held = world.positions()[BTC].quantity
    stop = world.account.open_orders("BTCUSDT")[0]
    world.account.cancel({"symbol": "BTCUSDT", "orderId": str(stop["orderId"])})
    # everything is sold: the person's own coins, and the bot's
    total = world.account.total("BTC")
    world.account.deposit("BTC", -total)
    world.account.violations.clear()
    world.candle()
    outcome = world.execute()
    assert outcome.code == 3
    assert "mismatch" in said(outcome) and "live accept --symbol BTC/USDT --reason" in said(outcome)
    world.candle()
    world.signal("LONG")
    outcome = world.execute()
    assert outcome.code == 3
    outcome = session.live_accept(
        world.layout, world.settings, world.environment, BTC, "ana", "sold by hand"
    )
    assert outcome.code == 0 and f"{held:f} written off" in said(outcome)
    world.account.violations.clear()
    world.assert_clean()
    assert world.positions() == {}
    world.candle()
    world.signal("LONG")
    outcome = world.execute()
    assert outcome.code == 0
    assert world.orders()[-2:] == [BOUGHT, STANDS], outcome.lines
    world.assert_clean()


def test_accept_wants_a_symbol_that_is_configured(world):
    with pytest.raises(ConfigError, match="SYMBOLS"):
        session.live_accept(world.layout, world.settings, world.environment, ETH, "ana", "x")


def test_a_symbol_that_is_no_longer_configured_ends_as_planned(make_world):
    world = make_world((BTC, ETH))
    world.enter(BTC, ETH)
    world.settings["symbols"] = [BTC]
    world.candle()
    assert world.execute().code == 0
    assert world.orders(ETH) == [BOUGHT, STANDS]
    world.candle(2)
    outcome = world.execute()
    assert outcome.code == 0
    assert world.orders(ETH) == [BOUGHT, GONE, SOLD], outcome.lines


def test_flatten_fails_where_the_exchange_cannot_be_asked(world):
    world.enter()
    world.flatten()
    world.server.stop()
    try:
        outcome = world.flatten()
    finally:
        world.server.start()
    assert outcome.code == 1 and "call it again" in said(outcome)


# --- what fails --------------------------------------------------------------------------------


def test_an_exchange_that_cannot_be_reached_fails_the_run_and_the_files_are_written(world):
    world.enter()
    before = world.layout.risk_state(BTC).read_bytes()
    world.candle()
    world.server.stop()
    try:
        outcome = world.execute()
    finally:
        world.server.start()
    assert outcome.code == 1
    assert world.layout.risk_state(BTC).read_bytes() != before
    world.assert_clean()
    world.execute()
    world.assert_clean()


def test_markets_that_cannot_be_had_fail_the_run_and_the_files_are_written(world):
    world.enter()
    world.candle()
    before = world.layout.risk_state(BTC).read_bytes()
    for path in world.layout.store.rglob("BTC_USDT.json"):
        path.unlink()
    world.server.stop()
    try:
        outcome = world.execute()
    finally:
        world.server.start()
    assert outcome.code == 1
    assert world.layout.risk_state(BTC).read_bytes() != before


def fail_for(world, monkeypatch, market):
    """Let the exchange refuse whatever is asked of a market."""
    answer = world.server.answer

    def refused(name, key, payload, *hide):
        if f"symbol={market}" in payload:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        return answer(name, key, payload, *hide)

    monkeypatch.setattr(world.server, "answer", refused)


@pytest.mark.parametrize("failing", [BTC, ETH])
def test_a_symbol_that_fails_keeps_no_other_from_its_close(make_world, monkeypatch, failing):
    world = make_world((BTC, ETH))
    world.enter(BTC, ETH)
    other = ETH if failing == BTC else BTC
    world.candle(3)
    with monkeypatch.context() as patched:
        fail_for(world, patched, failing.replace("/", ""))
        outcome = world.execute()
    assert outcome.code != 0
    assert world.orders(other) == [BOUGHT, GONE, SOLD], outcome.lines
    assert world.orders(failing) == [BOUGHT, STANDS]
    world.candle()
    assert world.execute().code == 0
    assert world.orders(failing) == [BOUGHT, GONE, SOLD]
    world.assert_clean()


def test_a_symbol_whose_order_is_lost_keeps_no_other_from_its_entry(make_world):
    world = make_world((BTC, ETH))
    assert world.check().code == 0
    world.signal("LONG", BTC)
    world.signal("LONG", ETH)
    world.server.set_faults(
        {"path": "POST order", "symbol": "BTCUSDT", "kind": "drop", "when": "before"},
        {"path": "GET order", "symbol": "BTCUSDT", "kind": "drop", "times": None},
    )
    outcome = world.execute()
    assert outcome.code == 1
    assert world.orders(ETH) == [BOUGHT, STANDS], outcome.lines


def test_a_position_left_without_its_stop_fails_the_run(world):
    assert world.check().code == 0
    world.signal("LONG", horizon_steps=12)
    world.server.set_faults(
        {"path": "POST order", "skip": 1, "kind": "error", "code": -1003, "times": None,
         "headers": {"Retry-After": "600"}},
    )  # fmt: skip
    outcome = world.execute()
    assert world.orders() == [BOUGHT]
    assert outcome.code == 1
    # the next run places it, or says again that it is missing
    world.candle()
    outcome = world.execute()
    assert outcome.code == 1 and "without" in said(outcome)
    world.server.set_faults()
    world.server.advance(600_000)
    assert world.execute().code == 0
    assert world.orders() == [BOUGHT, STANDS]


def test_an_order_of_this_program_that_the_ledger_lacks_is_an_alarm(world):
    assert world.check().code == 0
    with world.server.processing:
        world.account.place(
            {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.01", "price": "90000", "newClientOrderId": "bc-" + "f" * 26}
        )  # fmt: skip
    world.signal("LONG")
    outcome = world.execute()
    assert outcome.code == 3 and "not in the ledger" in said(outcome)
    assert world.orders() == [("LIMIT", "SELL", "NEW")]
    assert world.risk_state()["mismatch"]
    world.assert_clean()


def test_two_mismatches_hold_until_both_are_gone(make_world):
    world = make_world((BTC, ETH))
    assert world.check().code == 0
    for number, market in enumerate(("BTCUSDT", "ETHUSDT")):
        world.account.place(
            {"symbol": market, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.01", "price": "90000", "newClientOrderId": f"bc-{number:026d}"}
        )  # fmt: skip
    assert world.execute().code == 3
    world.account.cancel({"symbol": "ETHUSDT", "origClientOrderId": f"bc-{1:026d}"})
    world.candle()
    world.signal("LONG", ETH)
    outcome = world.execute()
    assert outcome.code == 3
    assert "BTC/USDT" in world.risk_state(ETH)["mismatch"]
    assert world.orders(ETH) == [("LIMIT", "SELL", "CANCELED")]
    world.assert_clean()


def test_a_damaged_signal_keeps_no_position_from_its_end(make_world):
    world = make_world((BTC, ETH))
    world.enter(BTC)
    world.candle(3)
    world.signal("LONG", ETH, valid_until=None, horizon_steps=None, gates=None)
    outcome = world.execute()
    assert world.orders(BTC) == [BOUGHT, GONE, SOLD], outcome.lines
    assert world.orders(ETH) == []


def test_a_damaged_journal_enters_nothing_and_keeps_no_position_from_its_end(world):
    world.enter()
    world.candle(3)
    world.signal("LONG")
    content = bytearray(world.layout.journal.read_bytes())
    content[:100] = b"x" * 100
    world.layout.journal.write_bytes(content)
    outcome = world.execute()
    assert outcome.code == 1
    assert world.orders() == [BOUGHT, GONE, SOLD], outcome.lines


def test_a_store_that_cannot_be_read_enters_nothing_and_ends_what_is_due(world):
    world.enter()
    world.candle(3)
    world.signal("LONG")
    for path in (world.layout.store / "binance-5m").rglob("*.parquet"):
        path.write_bytes(b"no parquet")
    outcome = world.execute()
    assert outcome.code == 1
    assert world.orders() == [BOUGHT, GONE, SOLD], outcome.lines


# --- two at once ---------------------------------------------------------------------------------


def test_two_runs_at_once_make_one_position(world):
    assert world.check().code == 0
    world.signal("LONG")
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(world.execute())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    assert world.orders() == [BOUGHT, STANDS]


def test_flatten_waits_for_a_run_or_says_that_one_is_at_work(world, monkeypatch):
    world.enter()
    began, go_on = threading.Event(), threading.Event()
    newest = session.newest_signals

    def slowly(*arguments):
        began.set()
        go_on.wait(10)
        return newest(*arguments)

    monkeypatch.setattr(session, "newest_signals", slowly)
    run = threading.Thread(target=world.execute)
    run.start()
    assert began.wait(10)
    monkeypatch.setattr("bot_cripto.execution.session.lock_run",
                        lambda folder, role: session_lock(folder, role, 0.05))  # fmt: skip
    with pytest.raises(BusyError, match="another execute run is at work"):
        world.flatten()
    go_on.set()
    run.join()
    assert world.flatten().code == 0
    assert world.orders() == [BOUGHT, GONE, SOLD]


session_lock = session.lock_run


# --- marks -------------------------------------------------------------------------------------


def marks_of(world):
    with world.ledger() as ledger:
        return ledger.marks()


def test_marks_are_made_for_every_candle_between_two_runs(world):
    world.enter()
    with world.ledger() as ledger:
        bought = ledger.fills()[0]
    for price in ("60100", "60300", "60200"):
        world.candle(BTC=price)
    world.signal("NO_TRADE", valid_until=None)
    world.execute()
    marks = marks_of(world)
    assert [mark.candle_ms for mark in marks] == [
        marks[0].candle_ms + number * STEP for number in range(4)
    ]
    held = bought.quantity - bought.fee
    cash = 10_000 - bought.quantity * bought.price
    assert marks[0].equity == 10_000
    assert [mark.equity for mark in marks[1:]] == [cash + held * p for p in (60100, 60300, 60200)]
    world.assert_clean()


def test_a_fill_that_becomes_known_late_corrects_the_marks_since(world):
    world.enter()
    world.candle()
    world.server.set_faults({"path": "*", "kind": "drop", "times": None})
    world.account.set_price("BTCUSDT", "58700")  # the stop is hit; nobody knows
    world.candle(2)
    assert world.execute().code == 1
    world.server.set_faults()
    # within the same candle as the failed run, and later
    world.execute()
    world.assert_clean()
    world.candle()
    world.execute()
    world.assert_clean()
    held = [mark.exposure for mark in marks_of(world)]
    assert held[1] > 1900 and all(exposure < 1 for exposure in held[2:])


def test_marks_that_are_lost_are_made_again(world):
    world.enter()
    world.candle(2)
    world.execute()
    with world.ledger() as ledger:
        marks = ledger.marks()
        ledger.replace_marks([])
    world.execute()
    assert marks_of(world)[-2:] == marks[-2:]
    world.assert_clean()


# --- the gates, at the start and at the send ------------------------------------------------------


def test_a_gate_that_is_closed_between_start_and_send_sends_nothing(world, tmp_path):
    assert world.check().code == 0
    world.signal("LONG")
    tests = len(world.sent())
    file = tmp_path / "env"
    file.write_text("LIVE_MODE=true\nLIVE_CONFIRM_TOKEN=I_UNDERSTAND_LIVE_TRADING\n")
    world.environment = KEYS | {"BOT_CRIPTO_ENV_FILE": str(file)}
    barred = trading.needs_check

    def turned_off(*arguments):
        file.write_text("LIVE_MODE=false\nLIVE_CONFIRM_TOKEN=I_UNDERSTAND_LIVE_TRADING\n")
        return barred(*arguments)

    trading.needs_check = turned_off
    try:
        outcome = world.execute()
    finally:
        trading.needs_check = barred
    assert outcome.code == 2 and "LIVE_MODE" in said(outcome)
    assert len(world.sent()) == tests and world.orders() == []


def test_nothing_is_touched_where_live_is_not_allowed(world):
    world.environment = {"LIVE_MODE": "true"}
    for act in (world.execute, world.flatten):
        with pytest.raises(ConfigError, match="LIVE_CONFIRM_TOKEN"):
            act()
    assert not world.layout.ledger("live").exists()
    assert world.server.requests == []
