"""A book in memory answers as one with a ledger."""

from dataclasses import replace
from decimal import Decimal

import pytest
from paper_market import BTC, SETTINGS, START, STEP

from bot_cripto.errors import LedgerError
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.execution.paper import advance
from bot_cripto.ledger.events import BUY, OPEN, Intent, Mark, intent_id

COSTS = Costs(Decimal(10), Decimal(2), Decimal(3))
ENTRY = Intent(
    intent_id=intent_id(BTC, START, OPEN),
    symbol=BTC,
    candle_ms=START,
    revision=0,
    kind=OPEN,
    side=BUY,
    quantity=Decimal(2),
    reason="signal",
    created_ms=START,
    fill_from_ms=START,
    reference_price=Decimal(100),
    stop_distance=0.01,
    exit_ms=START + 3 * STEP,
)


def test_it_comes_to_the_same_as_a_ledger():
    candles = [(100.0, 101.0, 99.5, 100.5), (100.5, 100.6, 98.0, 98.5), (98.5, 99.0, 98.0, 98.8)]
    memory = MemoryBook(SETTINGS)
    with Book.in_memory(SETTINGS) as kept:
        for book in (memory, kept):
            assert book.add(ENTRY)
            assert not book.add(ENTRY)
            for i, candle in enumerate(candles, start=1):
                advance(book, {BTC: candle}, START + i * STEP, STEP, {}, COSTS)
        assert memory.fills == kept.ledger.fills()
        assert memory.account.state() == kept.account.state()
        assert [trade.reason for trade in memory.account.trades] == ["stop"]


def test_another_entry_of_the_same_id_is_refused():
    book = MemoryBook(SETTINGS)
    book.add(ENTRY)
    with pytest.raises(LedgerError, match="another entry has this id"):
        book.add(replace(ENTRY, quantity=Decimal(3)))
    assert book.account.intents == {ENTRY.intent_id: ENTRY}


def test_it_takes_nothing_more_after_an_error():
    book = MemoryBook(SETTINGS)
    zero = Decimal(0)
    with pytest.raises(ZeroDivisionError), book.transaction():
        book.add(Mark(START, Decimal(1), Decimal(1), zero))
        _ = 1 / 0
    with pytest.raises(LedgerError, match="begin a new one"):
        book.add(Mark(START + STEP, Decimal(1), Decimal(1), zero))
