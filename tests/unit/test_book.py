from dataclasses import replace
from decimal import Decimal

import pytest
from paper_market import BTC, SETTINGS, START, document

from bot_cripto.errors import LedgerError
from bot_cripto.execution.book import Book
from bot_cripto.execution.market_rules import DEFAULT
from bot_cripto.execution.plan import plan
from bot_cripto.ledger.events import Fill, Mark

D = Decimal


def entry(book):
    book.account.last_price[BTC] = D(100)
    made = plan(document(), book.account, DEFAULT, SETTINGS, now_ms=START + 3_000, can_open=None)
    return made.intents[0]


def bought(intent):
    return Fill("f", intent.intent_id, BTC, "buy", D(1), D(100), D("0.1"), "USDT", START, "signal")


def test_what_is_written_is_applied_once():
    with Book.in_memory(SETTINGS) as book:
        intent = entry(book)
        assert book.add(intent)
        assert not book.add(intent)
        assert book.add(bought(intent))
        assert not book.add(bought(intent))
        assert book.account.positions[BTC].quantity == 1
        assert book.account.cash == D("9899.9")


def test_a_book_opened_again_is_the_same(tmp_path):
    path = tmp_path / "ledger" / "paper.db"
    with Book.open(path, SETTINGS) as book:
        intent = entry(book)
        book.add(intent)
        book.add(bought(intent))
        book.add(Mark(START, D(10_000), D(10_000), D(0)))
        state = book.account.state()
    for readonly in (False, True):
        with Book.open(path, SETTINGS, readonly=readonly) as book:
            assert book.account.state() == state


def test_a_missing_ledger_is_not_made_for_reading(tmp_path):
    with pytest.raises(FileNotFoundError):
        Book.open(tmp_path / "paper.db", SETTINGS, readonly=True)


def test_what_the_ledger_refuses_is_not_applied():
    with Book.in_memory(SETTINGS) as book:
        intent = entry(book)
        with pytest.raises(LedgerError):
            book.add(bought(intent))
        book.add(intent)
        with pytest.raises(LedgerError):
            book.add(replace(intent, quantity=D(7)))
        assert book.account.intents == {intent.intent_id: intent}
        assert book.account.cash == 10_000


def test_a_failed_transaction_leaves_neither_ledger_nor_account_changed():
    with Book.in_memory(SETTINGS) as book:
        intent = entry(book)
        before = book.account.state()
        with pytest.raises(ZeroDivisionError), book.transaction():
            book.add(intent)
            with book.transaction():
                book.add(bought(intent))
            raise ZeroDivisionError
        assert book.account.state() == before
        assert book.account.last_price == {BTC: D(100)}
        assert book.ledger.intents() == []
        assert book.add(intent)
