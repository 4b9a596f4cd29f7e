"""How far the paper account may go at this moment: as far as the candles that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.paper import catch_up
from bot_cripto.execution.state import rules_in_use
from bot_cripto.layout import Layout
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import iso, timeframe_ms


@dataclass(frozen=True)
class Reached:
    """What became of taking the account on.

    Attributes
    ----------
    until_ms : int
        Close of the candle that it has reached, milliseconds since the epoch, UTC; 0: none.
    lines : list of str
        What was filled, and for what it waits.
    stuck : bool
        Whether it waits for what will not come by itself.
    """

    until_ms: int
    lines: list[str]
    stuck: bool = False


def to_the_last_candle(
    layout: Layout, settings: Mapping[str, Any], book: Book, close_ms: int
) -> Reached:
    """Take the paper account through the candles that are there.

    A candle that is late is no candle that never was: the account waits for those of symbols
    that it holds or waits for, and never goes further than the newest candle of any symbol, as
    a clock that is ahead would have it.

    Parameters
    ----------
    layout, settings, book
    close_ms : int
        Close of the last candle by the clock, milliseconds since the epoch, UTC.

    Raises
    ------
    DataError, LedgerError
        As `paper.catch_up`.
    """
    step = timeframe_ms(settings["timeframe"])
    account = book.account
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    rules = rules_in_use(layout, settings, account)
    reached = dict.fromkeys((*account.symbols, *rules), 0)
    for symbol in reached:
        span = store.span(symbol)
        reached[symbol] = span[1] + step if span else 0
    newest = max(reached.values())
    if not newest and account.last_mark is None:
        return Reached(0, ["there are no candles yet: run snakemake signal"])
    until = min(close_ms, newest, *(reached[symbol] for symbol in rules))
    if account.last_mark is not None:
        until = max(until, account.last_mark.candle_ms)
    late = [symbol for symbol in rules if reached[symbol] < close_ms]
    gone = [symbol for symbol in late if symbol not in settings["symbols"]]
    lines = [_waits(symbol, reached[symbol], symbol in gone) for symbol in late]
    if not late and newest < close_ms:
        lines.append(f"candles reach {iso(newest)} only; the account waits")
    fills = catch_up(book, store.read, until, step, rules, Costs.of(settings))
    lines += [
        f"{fill.symbol}: {fill.side} {fill.quantity:f} at {fill.price:f} ({fill.reason})"
        for fill in fills
    ]
    return Reached(until, lines, stuck=bool(gone))


def _waits(symbol: str, reached_ms: int, gone: bool) -> str:
    there = f"its candles reach {iso(reached_ms)} only" if reached_ms else "it has no candles"
    advice = f": put {symbol} back into SYMBOLS until nothing of it is held" if gone else ""
    return f"{symbol}: {there}; the account waits{advice}"
