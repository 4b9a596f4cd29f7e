import re
from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_examples import CLOSE_MS, STEP

from bot_cripto.ledger import events
from bot_cripto.ledger.rows import CLASSES


def test_an_intent_is_named_by_symbol_candle_and_kind():
    assert events.intent_id("BTC/USDT", CLOSE_MS, events.OPEN) == "BTC_USDT-20240906T044500Z-open"
    assert (
        events.intent_id("BTC/USDT:USDT", CLOSE_MS, events.CLOSE)
        == "BTC_USDT-USDT-20240906T044500Z-close"
    )


def test_a_persons_wish_is_another_intent_than_the_signals():
    names = {
        events.intent_id("BTC/USDT", CLOSE_MS, events.CLOSE, reason)
        for reason in ("", "signal", "horizon", "opposite")
    }
    assert len(names) == 1
    assert events.intent_id("BTC/USDT", CLOSE_MS, events.CLOSE, "flatten") not in names


def test_ids_stay_the_same_for_ever():
    """Another id for the same thing would place its order twice after an update."""
    intent = events.intent_id("BTC/USDT", CLOSE_MS, events.OPEN)
    client = events.client_order_id(intent)
    assert client == "bc-d5a39b60206f71ec12069f6fd9"
    assert events.client_order_id(intent, 1) == "bc-a0b44c828ffc1a452571c321a8"
    assert (
        events.event_id(client, events.FILLED, Decimal("1.50"), "7")
        == "b7d9e6c8e68550c51436727aaaa3af14"
    )
    assert events.paper_fill_id(intent, CLOSE_MS, "signal") == "paper-c70a13699004827a5382e173cf"
    assert events.action_id("kill", CLOSE_MS, "ana", "why") == "ea585811c8c76bfefb5ebd3604f8cff9"
    assert events.funding_id("BTC/USDT", CLOSE_MS) == "BTC_USDT-20240906T044500Z-funding"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.integers(0, 99))
def test_exchanges_accept_every_client_order_id(intent, attempt):
    name = events.client_order_id(intent, attempt)
    assert re.fullmatch(r"bc-[0-9a-f]{26}", name) and len(name) == 29


def test_ids_differ_where_the_things_do():
    intents = {
        events.intent_id(symbol, CLOSE_MS + number * STEP, kind)
        for symbol in ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT")
        for number in range(5)
        for kind in events.INTENT_KINDS
    }
    assert len(intents) == 3 * 5 * len(events.INTENT_KINDS)
    clients = {events.client_order_id(intent, attempt) for intent in intents for attempt in (0, 1)}
    assert len(clients) == 2 * len(intents)
    news = {
        events.event_id("c", state, Decimal(filled), exchange_id)
        for state in events.ORDER_STATES
        for filled in ("0", "0.5", "5")
        for exchange_id in (None, "1", "2")
    }
    assert len(news) == len(events.ORDER_STATES) * 9


@pytest.mark.parametrize("same", ["0.5", "0.50", "5E-1", "0.500000000000"])
def test_the_same_quantity_in_another_writing_is_the_same_news(same):
    plain = events.event_id("c", events.WORKING, Decimal("0.5"), None)
    assert events.event_id("c", events.WORKING, Decimal(same), None) == plain


def test_a_final_state_is_a_state():
    assert set(events.ORDER_STATES) > events.FINAL_STATES
    unfinished = {events.PLANNED, events.SENDING, events.UNKNOWN, events.WORKING}
    assert set(events.ORDER_STATES) - events.FINAL_STATES == unfinished


@pytest.mark.parametrize("entry_class", CLASSES.values())
def test_every_entry_begins_with_its_id(entry_class):
    assert fields(entry_class)[0].name in (
        "intent_id",
        "event_id",
        "fill_id",
        "funding_id",
        "action_id",
        "candle_ms",
    )
