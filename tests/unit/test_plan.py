from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_market import BTC, ETH, SETTINGS, START, STEP, SWAP, document

from bot_cripto.execution.account import LONG, SHORT, Account
from bot_cripto.execution.market_rules import MarketRules
from bot_cripto.execution.plan import closing, expiries, plan, protective_stop
from bot_cripto.ledger.events import (
    BUY,
    CANCELLED,
    CLOSE,
    EXTEND,
    OPEN,
    SELL,
    STOP,
    Fill,
    OrderEvent,
    intent_id,
)

D = Decimal
RULES = MarketRules(D("0.01"), D("0.001"), D("0.001"), D(5))
NOW = START + 3_000


def flat(configured=SETTINGS):
    account = Account.of(configured)
    account.last_price[BTC] = D(100)
    return account


def ask(account, side="LONG", close_ms=START, *, settings=SETTINGS, rules=RULES, can_open=None,
        now_ms=None, **changes):  # fmt: skip
    made = plan(
        document(side, close_ms, **changes),
        account,
        rules,
        settings,
        now_ms=close_ms + 3_000 if now_ms is None else now_ms,
        can_open=can_open,
    )
    assert made.notes
    assert all(note.startswith(f"{changes.get('symbol', BTC)}: ") for note in made.notes)
    return made


def filled(account, intent, quantity=None):
    account.apply(intent)
    amount = intent.quantity if quantity is None else D(quantity)
    account.apply(
        Fill(intent.intent_id, intent.intent_id, intent.symbol, intent.side, amount, D(100),
             D(0), "USDT", intent.fill_from_ms, "signal")
    )  # fmt: skip
    account.apply(OrderEvent(intent.intent_id, "c", intent.intent_id, "filled", START))
    return account


def holding(side="LONG", settings=SETTINGS, **changes):
    account = flat(settings)
    (intent,) = ask(account, side, settings=settings, **changes).intents
    return filled(account, intent)


def test_a_signal_opens_the_share_of_equity_at_the_close():
    made = ask(flat(), size=0.33333, stop=0.02, target=0.01)
    (intent,) = made.intents
    assert intent.quantity == D("33.333")
    assert (intent.kind, intent.side, intent.reason) == (OPEN, BUY, "signal")
    assert intent.intent_id == intent_id(BTC, START, OPEN)
    assert (intent.created_ms, intent.fill_from_ms) == (NOW, START)
    assert intent.exit_ms == START + 5 * STEP
    assert (intent.stop_distance, intent.target_distance) == (0.02, 0.01)
    assert intent.reference_price == 100
    assert "buy 33.333" in made.notes[0]


def test_the_price_may_be_given():
    made = plan(document(), flat(), RULES, SETTINGS, now_ms=NOW, can_open=None, price=D(200))
    assert made.intents[0].quantity == 25
    account = flat()
    del account.last_price[BTC]
    assert "price is not known" in ask(account).notes[0]


def test_without_stop_or_target_there_is_none():
    (intent,) = ask(flat()).intents
    assert intent.stop_distance is intent.target_distance is None
    (intent,) = ask(flat(), stop=0.0, target=0.0).intents
    assert intent.stop_distance is intent.target_distance is None


def test_one_executed_late_fills_in_the_candle_of_its_making():
    (intent,) = ask(flat(), now_ms=START + STEP + 5).intents
    assert intent.fill_from_ms == START + STEP
    made = ask(flat(), now_ms=START + STEP + 5, horizon_steps=1)
    assert made.intents == ()
    assert "horizon is over" in made.notes[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timeframe": "1h"}, "timeframe"),
        ({"source": "binance"}, "source"),
        ({"symbol": "SOL/USDT"}, "not one of SYMBOLS"),
        ({"now_ms": START + 2 * STEP + 1}, "expired at 2024-09-06T04:55:00Z"),
        ({"now_ms": START - 1}, "none that has closed"),
        ({"candle_close_time": None}, "names no candle"),
        ({"valid_until": "soon"}, "names no candle"),
        ({"candle_close_time": "2024-09-06T04:44:00Z"}, "none that has closed"),
        ({"revision": -1}, "revision"),
        ({"revision": True}, "revision"),
        ({"horizon_steps": 0}, "horizon"),
        ({"decision": "BUY"}, "decision is 'BUY'"),
        ({"position_size": None}, "position_size is None"),
        ({"position_size": float("nan")}, "position_size is nan"),
        ({"position_size": -0.1}, "position_size"),
        ({"size": 0.0}, "LONG with position_size 0"),
        ({"size": 1.01}, "LONG with position_size 1.01"),
        ({"equity": None}, "equity None"),
        ({"equity": 0.0}, "equity 0.0"),
        ({"equity": 10**400}, "equity 1000"),
        ({"gates": []}, "lists no gate"),
        ({"gates": [7]}, "gate None has not passed"),
        ({"stop": float("nan")}, "stop_distance is nan"),
        ({"stop": -0.01}, "stop_distance is -0.01"),
        ({"target": "far"}, "target_distance is 'far'"),
        ({"horizon_steps": 10**12}, "horizon"),
        ({"gates": [{"name": "risk", "passed": False}]}, "gate risk has not passed"),
        ({"gates": [{"name": "risk", "passed": None}]}, "gate risk has not passed"),
        ({"risk_allowed": False}, "risk_allowed"),
        ({"decision": "NO_TRADE", "position_size": 0.5}, "NO_TRADE with position_size 0.5"),
    ],
)
def test_what_is_not_sound_is_refused_whatever_is_held(changes, said):
    for account in (flat(), holding("LONG")):
        made = ask(account, **changes)
        assert made.intents == ()
        assert said in made.notes[0]


def test_a_symbol_of_another_quote_currency_is_not_traded():
    settings = {**SETTINGS, "symbols": [BTC, "ETH/BTC"]}
    made = ask(flat(settings), settings=settings, symbol="ETH/BTC")
    assert made.intents == ()
    assert "quoted in BTC, the portfolio in USDT" in made.notes[0]


def test_no_trade_asks_for_nothing():
    assert ask(flat(), "NO_TRADE").intents == ()
    made = ask(holding(), "NO_TRADE", START + STEP)
    assert made.intents == ()
    assert "LONG is held until 2024-09-06T05:10:00Z" in made.notes[0]


def test_short_on_a_spot_market_stays_flat_and_says_so():
    made = ask(flat(), "SHORT", size=0.0)
    assert made.intents == ()
    assert made.notes == (f"{BTC}: SHORT on a spot market: nothing to close, stays flat",)


def test_short_on_a_spot_market_closes_a_long():
    account = holding()
    (intent,) = ask(account, "SHORT", START + STEP, size=0.0).intents
    assert (intent.kind, intent.side, intent.reason) == (CLOSE, SELL, "opposite")
    assert intent.quantity == account.positions[BTC].quantity
    assert intent.fill_from_ms == START + STEP


@pytest.mark.parametrize(("held", "side"), [("LONG", "SHORT"), ("SHORT", "LONG")])
def test_an_opposite_signal_turns_around_where_shorts_are_possible(held, side):
    account = holding(held, SWAP)
    close, entry = ask(account, side, START + STEP, settings=SWAP).intents
    assert (close.kind, entry.kind) == (CLOSE, OPEN)
    assert close.side == entry.side == (SELL if held == "LONG" else BUY)
    assert close.fill_from_ms == entry.fill_from_ms == START + STEP


def test_a_signal_of_the_same_side_renews_the_end_and_adds_nothing():
    account = holding()
    (intent,) = ask(account, "LONG", START + 2 * STEP).intents
    assert (intent.kind, intent.side) == (EXTEND, BUY)
    assert intent.exit_ms == START + 7 * STEP
    assert intent.quantity == account.positions[BTC].quantity
    account.apply(intent)
    assert account.positions[BTC].exit_ms == START + 7 * STEP
    assert "already" in ask(account, "LONG", START + 3 * STEP, horizon_steps=4).notes[0]


def test_a_position_whose_time_was_up_before_the_candle_is_not_renewed():
    account = holding()
    assert ask(account, "LONG", START + 5 * STEP).intents[0].kind == EXTEND
    made = ask(account, "LONG", START + 6 * STEP)
    assert made.intents == ()
    assert "was up before" in made.notes[0]


@pytest.mark.parametrize("barred", [{"revision": 1}, {"can_open": "the kill switch is on"}])
def test_what_may_only_reduce_closes_and_nothing_else(barred):
    said = barred.get("can_open", "may only reduce")
    for made in (
        ask(flat(), **barred),
        ask(holding(), "LONG", START + STEP, **barred),
        ask(flat(SWAP), "SHORT", settings=SWAP, **barred),
    ):
        assert made.intents == ()
        assert said in made.notes[0]
    made = ask(holding(settings=SWAP), "SHORT", START + STEP, settings=SWAP, **barred)
    assert [intent.kind for intent in made.intents] == [CLOSE]
    assert said in made.notes[1]
    made = ask(holding(), "SHORT", START + STEP, **barred)
    assert [intent.kind for intent in made.intents] == [CLOSE]


def test_the_same_signal_is_acted_on_once():
    account = flat()
    (intent,) = ask(account).intents
    account.apply(intent)
    assert "still waiting" in ask(account, now_ms=NOW + 60_000).notes[0]
    account.apply(OrderEvent("e", "c", intent.intent_id, CANCELLED, NOW))
    assert account.waiting == {}
    made = ask(account, now_ms=NOW + 60_000)
    assert made.intents == ()
    assert "acted on before" in made.notes[0]


def test_a_closing_under_way_is_left_alone():
    account = holding()
    account.apply(ask(account, "SHORT", START + STEP, size=0.0).intents[0])
    for side in ("LONG", "SHORT"):
        made = ask(account, side, START + STEP)
        assert made.intents == ()
        assert "under way" in made.notes[0]


def test_an_entry_that_has_not_filled_is_closed_at_the_open_after_it():
    account = flat()
    (entry,) = ask(account).intents
    account.apply(entry)
    (close,) = ask(account, "SHORT", size=0.0, revision=1, now_ms=NOW + 60_000).intents
    assert (close.kind, close.side, close.quantity) == (CLOSE, SELL, entry.quantity)
    assert close.fill_from_ms == START + STEP


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules": replace(RULES, min_notional=D(6000))}, "least order of 6000"),
        ({"rules": replace(RULES, min_amount=D(51))}, "least, 51"),
        ({"size": 1e-6}, "below the market's least"),
    ],
)
def test_too_small_an_order_is_not_made(changes, said):
    made = ask(flat(), **changes)
    assert made.intents == ()
    assert said in made.notes[0]


def test_no_order_is_larger_than_the_market_takes():
    (intent,) = ask(flat(), rules=replace(RULES, max_amount=D("7.0005"))).intents
    assert intent.quantity == 7


def test_dust_counts_as_nothing_held():
    account = flat()
    (entry,) = ask(account).intents
    filled(account, entry, "0.01")
    made = ask(account, "LONG", START + STEP)
    assert [intent.kind for intent in made.intents] == [OPEN]
    assert "stays flat" in ask(account, "SHORT", START + STEP, size=0.0).notes[0]


def test_positions_end_at_their_time_and_once():
    account = holding()
    assert expiries(account, START + 4 * STEP) == ()
    end = START + 5 * STEP
    (intent,) = expiries(account, end, now_ms=end + 9)
    assert (intent.kind, intent.side, intent.reason) == (CLOSE, SELL, "horizon")
    assert (intent.created_ms, intent.fill_from_ms, intent.candle_ms) == (end + 9, end, end)
    assert intent.quantity == account.positions[BTC].quantity
    account.apply(intent)
    assert expiries(account, end) == expiries(account, end + STEP) == ()


def test_a_renewed_position_does_not_end():
    account = holding()
    account.apply(ask(account, "LONG", START + 5 * STEP).intents[0])
    assert expiries(account, START + 5 * STEP) == ()


def test_dust_is_left_alone_by_expiries_where_rules_are_given():
    account = flat()
    (entry,) = ask(account).intents
    filled(account, entry, "0.01")
    assert expiries(account, START + 5 * STEP, rules={BTC: RULES, ETH: RULES}) == ()
    assert len(expiries(account, START + 5 * STEP)) == 1


@pytest.mark.parametrize(
    ("side", "entry", "distance", "trigger"),
    [
        (LONG, "100", 0.02, "98"),
        (LONG, "100.03", 0.0201, "98.01"),
        (SHORT, "100", 0.02, "102"),
        (SHORT, "100.03", 0.0201, "102.05"),
        (LONG, "100", 1.5, "0.01"),
    ],
)
def test_a_stop_is_rounded_to_the_tick_against_us(side, entry, distance, trigger):
    settings = SETTINGS if side == LONG else SWAP
    account = holding(side, settings, stop=distance)
    position = replace(account.positions[BTC], entry_price=D(entry))
    stop = protective_stop(position, account.intents[position.intent_id], RULES, NOW)
    assert stop.trigger_price == D(trigger)
    assert (stop.kind, stop.side) == (STOP, SELL if side == LONG else BUY)
    assert (stop.reason, stop.quantity) == ("protection", position.quantity)
    assert stop.candle_ms == START


def test_an_entry_without_stop_distance_has_no_stop():
    account = holding()
    position = account.positions[BTC]
    assert protective_stop(position, account.intents[position.intent_id], RULES, NOW) is None


def test_a_persons_wish_is_another_intent_than_the_signals():
    account = holding()
    close = closing(account.positions[BTC], "flatten", candle_ms=START, created_ms=NOW,
                    fill_from_ms=START, price=D(100))  # fmt: skip
    assert close.intent_id == intent_id(BTC, START, CLOSE, "flatten")
    assert close.intent_id != intent_id(BTC, START, CLOSE)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(document())), junk, min_size=1, max_size=3), junk)
@settings(max_examples=400, deadline=None)
def test_no_document_however_damaged_breaks_the_planning_or_grows_beyond_equity(changes, side):
    for account in (flat(SWAP), holding("SHORT", SWAP)):
        damaged = document() | ({"decision": side} if side in (SHORT, "NO_TRADE") else {}) | changes
        made = plan(damaged, account, RULES, SWAP, now_ms=NOW, can_open=None)
        assert made.notes
        for intent in made.intents:
            assert intent.quantity > 0
            assert intent.kind != OPEN or intent.quantity * 100 <= damaged["equity"]
