"""Limits a day: what counts, when the day ends, and what a loss is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from live_fake import CANDLE, SETTINGS, STEP, SYMBOL, FakeExchange, an_executor, close, entry

from bot_cripto.execution.live.limits import DAY_MS, day_start_equity, entry_refusal, orders_of_day
from bot_cripto.ledger.events import Mark


@pytest.fixture
def executor():
    made = an_executor(FakeExchange())
    made.carry_out(entry(), valid_until_ms=CANDLE + STEP)
    made.carry_out(close())
    return made


def refusal(executor, *, now_ms=CANDLE + STEP, notional=100, prices=None, **settings):
    book = executor.book
    return entry_refusal(
        book.ledger, book.account, SETTINGS | settings, now_ms=now_ms,
        notional=Decimal(notional), prices=prices,
    )  # fmt: skip


def test_every_request_counts_and_stops_have_no_notional(executor):
    count, notional = orders_of_day(executor.book.ledger, CANDLE)
    assert (count, notional) == (3, Decimal(200))


def test_the_day_ends_at_midnight_utc(executor):
    midnight = CANDLE // DAY_MS * DAY_MS + DAY_MS
    assert orders_of_day(executor.book.ledger, midnight - 1)[0] == 3
    assert orders_of_day(executor.book.ledger, midnight) == (0, 0)


def test_an_entry_needs_room_for_its_stop_and_its_close(executor):
    assert "6 orders" not in (refusal(executor, live_max_orders_per_day=6) or "")
    assert "LIVE_MAX_ORDERS_PER_DAY=5" in refusal(executor, live_max_orders_per_day=5)


def test_the_notional_of_the_day(executor):
    assert refusal(executor, live_max_notional_per_day=300) is None
    assert "LIVE_MAX_NOTIONAL_PER_DAY=299" in refusal(executor, live_max_notional_per_day=299)


def test_the_loss_counts_from_the_last_mark_before_midnight(executor):
    book, start = executor.book, CANDLE // DAY_MS * DAY_MS
    assert day_start_equity(book.ledger, Decimal(10_000), CANDLE) == 10_000
    for candle_ms, equity in ((start - STEP, 20_000), (start, 10_300), (start + STEP, 9000)):
        value = Decimal(equity)
        book.add(Mark(candle_ms, value, value, Decimal(0)))
    assert day_start_equity(book.ledger, Decimal(10_000), CANDLE) == 10_300
    # 10 300 to about 9 999.7: a loss of 2.9 percent
    assert refusal(executor) is None
    assert "LIVE_MAX_DAILY_LOSS=2.50%" in refusal(executor, live_max_daily_loss=0.025)


def test_open_positions_count_at_the_last_price():
    executor = an_executor(FakeExchange())
    executor.carry_out(entry("90"), valid_until_ms=CANDLE + STEP)
    assert refusal(executor) is None
    assert "today's loss" in refusal(executor, prices={SYMBOL: Decimal(96)})
