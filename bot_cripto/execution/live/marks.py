"""Marks of the live account: equity at each candle's close since the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.execution.account import Account, Entry
from bot_cripto.execution.book import Book
from bot_cripto.execution.prices import ReadCloses, last_closes
from bot_cripto.execution.replay import closes_by_candle, known_from, mark_of, replay
from bot_cripto.timeframes import timeframe_ms


def bring_up(
    book: Book, settings: Mapping[str, Any], read_closes: ReadCloses, close_ms: int
) -> None:
    """Mark the account at every candle since its last mark, with what it held by then.

    A fill that became known late, of a candle that is marked already, changes its mark and those
    after it: all are made again. So they are where they have been lost.

    Parameters
    ----------
    book : Book
        After reconciliation.
    settings : mapping
    read_closes : callable
        Closes of the candle store.
    close_ms : int
        Close of the last candle, milliseconds since the epoch, UTC.

    Raises
    ------
    DataError
        A symbol is held whose price is not known.
    """
    ledger, last = book.ledger, book.account.last_mark
    step = timeframe_ms(settings["timeframe"])
    fills = sorted(ledger.fills(), key=lambda fill: known_from(fill, step))
    if last is None:
        if any(known_from(fill, step) <= close_ms for fill in fills):
            _make_again(book, settings, read_closes, close_ms)
        else:
            book.add(mark_of(Account.of(settings), close_ms))
        return
    account = Account.of(settings)
    entries: list[Entry] = [*ledger.intents(), *ledger.order_events()]
    for entry in entries:
        account.apply(entry)
    known = [fill for fill in fills if known_from(fill, step) <= last.candle_ms]
    for fill in known:
        account.apply(fill)
    names = dict.fromkeys([*account.symbols, *(fill.symbol for fill in fills)])
    account.last_price.update(last_closes(read_closes, names, last.candle_ms, step))
    if mark_of(account, last.candle_ms) != last:
        _make_again(book, settings, read_closes, last.candle_ms)
    if last.candle_ms >= close_ms:
        return
    closes = closes_by_candle(read_closes, names, (last.candle_ms + step, close_ms), step)
    place = len(known)
    with book.transaction():
        for candle_ms in range(last.candle_ms + step, close_ms + step, step):
            while place < len(fills) and known_from(fills[place], step) <= candle_ms:
                account.apply(fills[place])
                place += 1
            account.last_price.update(closes.get(candle_ms, {}))
            book.add(mark_of(account, candle_ms))


def _make_again(
    book: Book, settings: Mapping[str, Any], read_closes: ReadCloses, until_ms: int
) -> None:
    """Replace all marks up to a candle's close by those that the fills lead to."""
    _, marks, _ = replay(book.ledger, settings, read_closes, until_ms)
    book.ledger.replace_marks(marks)
    # what each trade was of equity follows from the marks
    prices = book.account.last_price
    book.account = Account.load(book.ledger, settings)
    book.account.last_price = prices
