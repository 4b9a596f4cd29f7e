"""Paper execution: candle by candle, the fills that intents, stops and targets would have had."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import localcontext
from typing import TYPE_CHECKING

from bot_cripto.errors import DataError
from bot_cripto.execution.account import Account
from bot_cripto.execution.candle_fills import Bar, CandleFills
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.market_rules import ARITHMETIC, MarketRules, exact
from bot_cripto.ledger.events import Fill
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import iso

if TYPE_CHECKING:
    from bot_cripto.execution.book import Book, Bookkeeping

Prices = tuple[float, float, float, float]
"""Open, high, low and close of a candle."""

ReadCandles = Callable[[str, int, int], Candles]
"""Returns a symbol's candles with ``since_ms <= open_time < until_ms``, sorted."""

_LOOK_BACK = 300


def advance(
    book: Bookkeeping,
    candles: Mapping[str, Prices | None],
    close_ms: int,
    step_ms: int,
    rules: Mapping[str, MarketRules],
    costs: Costs,
) -> list[Fill]:
    """Take the account through one candle; nothing happens for one that it has been through.

    First, at the open, everything that is to be closed there closes, then what waits opens, both
    in the order of the symbols. Then what is held pays at the funding times after the open, the
    close included. Then stops and targets are looked at inside the candle, also for what was just
    opened, the stop first. Last the account is marked at the closes. All of it is written at once.

    Parameters
    ----------
    book : Bookkeeping
    candles : mapping of str to (open, high, low, close) or None
        By symbol, quote currency; a symbol that is None or left out has no candle there: it
        fills nothing, stops nothing, and is worth its last close.
    close_ms : int
        Close of the candle, milliseconds since the epoch, UTC; one step after the last mark.
    step_ms : int
        Length of the candle.
    rules : mapping of str to MarketRules
        By symbol; `DEFAULT` for one that is left out.
    costs : Costs

    Returns
    -------
    list of Fill
        What was filled, in order.

    Raises
    ------
    DataError
        Candles between the last mark and this one were left out, a price is no number above 0,
        or a held symbol has neither a candle nor a last price.
    LedgerError
        The ledger refused an entry; nothing was written.
    """
    last = book.account.last_mark
    if last is not None:
        if close_ms <= last.candle_ms:
            return []
        if close_ms != last.candle_ms + step_ms:
            raise DataError(
                f"the account is at {iso(last.candle_ms)}: it cannot go to {iso(close_ms)} without "
                "the candles between"
            )
    return through(book, candles, close_ms, step_ms, rules, costs)


def through(
    book: Bookkeeping,
    candles: Mapping[str, Prices | None],
    close_ms: int,
    step_ms: int,
    rules: Mapping[str, MarketRules],
    costs: Costs,
) -> list[Fill]:
    """Take the account through one candle, whichever it has been through before; see `advance`.

    For callers that know that nothing could happen in the candles which they leave out, and that
    have brought `Account.last_price` up to date.
    """
    with book.transaction(), localcontext(ARITHMETIC):
        bars = {symbol: _bar(symbol, c) for symbol, c in candles.items() if c is not None}
        fills = CandleFills(book, bars, close_ms - step_ms, close_ms, rules, costs, [])
        fills.at_the_open()
        fills.charge()
        fills.inside()
        fills.mark()
        return fills.fills


def catch_up(
    book: Book,
    read_candles: ReadCandles,
    until_ms: int,
    step_ms: int,
    rules: Mapping[str, MarketRules],
    costs: Costs,
) -> list[Fill]:
    """Take the account through all candles since its last mark, up to the close at `until_ms`.

    An account without a mark begins at `until_ms`, or with the first candle that an intent of
    its may fill in. `Account.last_price` is known afterwards for every symbol whose candles are.

    Parameters
    ----------
    book : Book
    read_candles : callable
        Called with symbol, since_ms and until_ms; see `ReadCandles`. Candles that stand in for
        missing ones (`Candles.filled`, NaN) count as missing.
    until_ms : int
        Close of the last candle, milliseconds since the epoch, UTC.
    step_ms, rules, costs
        As for `advance`.

    Returns
    -------
    list of Fill
        What was filled, in order.

    Raises
    ------
    DataError, LedgerError
        As `advance`; the candles before stay as they were taken.
    """
    since = _begin(book.account, until_ms, step_ms)
    symbols = _all_symbols(book.account)
    for symbol in symbols:
        _recall(book.account, read_candles, symbol, since, step_ms)
    found = {symbol: _by_open(read_candles(symbol, since, until_ms)) for symbol in symbols}
    fills: list[Fill] = []
    for open_ms in range(since, until_ms, step_ms):
        candles = {symbol: by_open.get(open_ms) for symbol, by_open in found.items()}
        fills += advance(book, candles, open_ms + step_ms, step_ms, rules, costs)
    if book.account.last_mark is None:
        with book.transaction():
            CandleFills(book, {}, until_ms, until_ms, rules, costs, []).mark()
    return fills


def _bar(symbol: str, candle: Prices) -> Bar:
    try:
        bar = Bar(*(exact(price) for price in candle))
    except DataError as error:
        raise DataError(f"{symbol}: {error}; validate its candles") from None
    if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        raise DataError(
            f"{symbol}: a candle has open {bar.open}, high {bar.high}, low {bar.low}, close "
            f"{bar.close}, which no candle has; validate its candles"
        )
    return bar


def _all_symbols(account: Account) -> list[str]:
    """Return the configured symbols and those that are held or waited for besides."""
    beside = {*account.positions, *(intent.symbol for intent in account.waiting.values())}
    return [*account.symbols, *sorted(beside - set(account.symbols))]


def _begin(account: Account, until_ms: int, step_ms: int) -> int:
    """Return the open time of the first candle that the account has not been through."""
    if account.last_mark is not None:
        return account.last_mark.candle_ms
    starts = [intent.fill_from_ms for intent in account.waiting.values()]
    return min([*starts, until_ms]) // step_ms * step_ms


def _recall(
    account: Account, read_candles: ReadCandles, symbol: str, before_ms: int, step_ms: int
) -> None:
    """Find the last close before a moment again, which no ledger holds."""
    if symbol in account.last_price:
        return
    starts = [before_ms - _LOOK_BACK * step_ms]
    if symbol in account.positions:
        # the candle that it was entered in is there, or nothing would have filled on paper
        starts += [account.positions[symbol].entry_ms // step_ms * step_ms, 0]
    for since in starts:
        rows = _by_open(read_candles(symbol, min(since, before_ms), before_ms))
        if rows:
            account.last_price[symbol] = exact(rows[max(rows)][3])
            return


def _by_open(candles: Candles) -> dict[int, Prices]:
    """Return prices by open time, of candles that were really there."""
    columns = (candles.open_time, candles.open, candles.high, candles.low, candles.close)
    rows = zip(*(column.tolist() for column in columns), candles.filled.tolist(), strict=True)
    return {
        time: (open_, high, low, close)
        for time, open_, high, low, close, filled in rows
        if not filled and math.isfinite(open_ + high + low + close)
    }
