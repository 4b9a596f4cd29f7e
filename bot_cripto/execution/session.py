"""`bot-cripto execute`: what is done about the last signals, on paper or live.

One run at a time. On paper: the candles since the last run, then the signals. Live: what the
exchange says first, then the signals, then the protective stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot_cripto import clock
from bot_cripto.errors import EXIT_FAILED, EXIT_OK, BotCriptoError
from bot_cripto.execution import derived
from bot_cripto.execution.account import Position
from bot_cripto.execution.book import Book
from bot_cripto.execution.exits import closing, waiting_close
from bot_cripto.execution.market_rules import load_rules
from bot_cripto.execution.paper_run import to_the_last_candle
from bot_cripto.execution.plan import plan
from bot_cripto.execution.risk_tracker import RiskTracker, recent_marks
from bot_cripto.execution.state import account_name
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.events import (
    CANCELLED,
    OPEN,
    Action,
    OrderEvent,
    action_id,
    client_order_id,
    event_id,
)
from bot_cripto.ledger.journal import Journal
from bot_cripto.locks import lock_run
from bot_cripto.timeframes import iso, last_close

Settings = dict[str, Any]
Environment = Mapping[str, str]


@dataclass
class Outcome:
    """What a command of the trading room did: lines for people and the exit code."""

    lines: list[str] = field(default_factory=list)
    code: int = EXIT_OK


def execute(layout: Layout, settings: Settings, environment: Environment) -> Outcome:
    """Act on the last signals; safe to repeat, and to kill at any point.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        The effective settings.
    environment : mapping
        The environment variables, for the live switches and the key.

    Returns
    -------
    Outcome
        1 where something could not be done, 3 where the ledger does not match the exchange.

    Raises
    ------
    ConfigError
        Live trading is set and not allowed; nothing was touched.
    BusyError
        Another run is at work.
    LedgerError
        Ledger or journal are damaged: nothing is traded.
    """
    if settings["live_mode"]:
        from bot_cripto.execution.live import session as live

        return live.execute(layout, settings, environment)
    now = clock.now_ms()
    with one_at_a_time(layout), Book.open(layout.ledger("paper"), settings) as book:
        close = last_close(now, settings["timeframe"])
        last = book.account.last_mark
        newest = last.candle_ms if last else 0
        if clock.as_of_ms() is not None:
            newest = max(newest, _newest_journalled(layout))
        if newest > close:
            return _too_late(now, newest)
        outcome = Outcome(_begin(book, now))
        until = _caught_up(layout, settings, book, close, outcome)
        barred = entries_barred(layout)
        if until < close:
            barred = barred or f"the account has reached {iso(until)} only"
        outcome.lines += act(layout, settings, book, now, lambda symbol: barred)
        return finish(layout, settings, book, now, outcome)


def flatten(layout: Layout, settings: Settings, environment: Environment, who: str) -> Outcome:
    """Close every position, cancel every open order, and report what remains.

    On paper positions close at the next open: the next `execute` fills them.

    Raises
    ------
    ConfigError, BusyError, LedgerError
        As for `execute`.
    """
    if settings["live_mode"]:
        from bot_cripto.execution.live import session as live

        return live.flatten(layout, settings, environment, who)
    now = clock.now_ms()
    with one_at_a_time(layout), Book.open(layout.ledger("paper"), settings) as book:
        close = last_close(now, settings["timeframe"])
        outcome = Outcome(_begin(book, now))
        lines = outcome.lines
        _caught_up(layout, settings, book, close, outcome)
        book.add(Action(action_id("flatten", now, who, ""), "flatten", now, who, ""))
        with book.transaction():
            lines += _take_back_entries(book, now)
            for position in list(book.account.positions.values()):
                lines.append(_close_at_next_open(book, position, close, now))
        if not book.account.positions:
            lines.append("nothing is held")
        if not entries_barred(layout):
            lines.append("entries stay allowed; `bot-cripto kill` stops them")
        return finish(layout, settings, book, now, outcome)


def live_check(layout: Layout, settings: Settings, environment: Environment, who: str) -> Outcome:
    """Look at everything that live trading needs; see `live.check.live_check`."""
    from bot_cripto.execution.live import session as live

    return live.check(layout, settings, environment, who)


def live_accept(
    layout: Layout,
    settings: Settings,
    environment: Environment,
    symbol: str,
    who: str,
    reason: str,
) -> Outcome:
    """Let the ledger follow the exchange; see `live.reconcile.accept_exchange`."""
    from bot_cripto.execution.live import session as live

    return live.accept(layout, settings, environment, symbol, who, reason)


@contextmanager
def one_at_a_time(layout: Layout) -> Iterator[None]:
    """Hold the lock of the role ``execute``."""
    with lock_run(layout.locks, "execute"):
        yield


def entries_barred(layout: Layout) -> str | None:
    """Return who stopped entries, by kill or pause, as of this moment."""
    return control.killed(layout.control) or control.paused(layout.control)


def act(
    layout: Layout,
    settings: Settings,
    book: Book,
    now_ms: int,
    barred: Callable[[str], str | None],
) -> list[str]:
    """Add the intents that the newest journalled signals ask for; return what was decided.

    Parameters
    ----------
    layout, settings, book
    now_ms : int
        Milliseconds since the epoch, UTC.
    barred : callable
        From a symbol to why entries are refused now, or None.
    """
    lines: list[str] = []
    documents = newest_signals(layout, settings)
    if not documents:
        lines.append("no signal has been published yet: run snakemake signal")
    for document in documents:
        symbol = document["symbol"]
        rules = load_rules(layout.store, settings, symbol)
        planned = plan(
            document,
            book.account,
            rules,
            settings,
            now_ms=now_ms,
            can_open=barred(symbol),
        )
        with book.transaction():
            for intent in planned.intents:
                book.add(intent)
        lines += planned.notes
    return lines


def newest_signals(layout: Layout, settings: Settings) -> list[dict[str, Any]]:
    """Return the newest journalled signal of each configured symbol, in their order."""
    try:
        journal = Journal.open(layout.journal, readonly=True)
    except FileNotFoundError:
        return []
    with journal:
        # what a clock that was ahead has journalled is none of today's
        until = last_close(clock.now_ms(), settings["timeframe"])
        found = [journal.latest(symbol, until) for symbol in settings["symbols"]]
    return [document for document in found if document is not None]


def _newest_journalled(layout: Layout) -> int:
    """Return the close of the newest journalled candle, 0 without one."""
    try:
        with Journal.open(layout.journal, readonly=True) as journal:
            return journal.newest_candle_ms() or 0
    except FileNotFoundError:
        return 0


def finish(
    layout: Layout,
    settings: Settings,
    book: Book,
    now_ms: int,
    outcome: Outcome,
    mismatch: str | None = None,
) -> Outcome:
    """Write what people read of the state; a failure there is told and undoes nothing."""
    account = book.account
    tracker = RiskTracker.of(account.initial_equity, recent_marks(book.ledger), account.trades)
    try:
        journal = None
        if layout.journal.exists():
            journal = Journal.open(layout.journal, readonly=True)
        try:
            outcome.lines += derived.update(
                layout,
                settings,
                account,
                tracker,
                journal,
                account_name=account_name(settings),
                now_ms=now_ms,
                mismatch=mismatch,
            )
        finally:
            if journal is not None:
                journal.close()
    except (BotCriptoError, OSError) as error:
        outcome.lines.append(f"the derived files could not be written: {error}")
        outcome.code = outcome.code or EXIT_FAILED
    return outcome


def _begin(book: Book, now_ms: int) -> list[str]:
    said = book.begin(now_ms)
    return [said] if said else []


def _caught_up(
    layout: Layout, settings: Settings, book: Book, close_ms: int, outcome: Outcome
) -> int:
    """Take the paper account through the candles that are there; return how far that was."""
    reached = to_the_last_candle(layout, settings, book, close_ms)
    outcome.lines += reached.lines
    if reached.stuck:
        outcome.code = EXIT_FAILED
    return reached.until_ms


def _too_late(now_ms: int, marked_ms: int) -> Outcome:
    """Say that the account is ahead of the clock, which is a failure unless it was asked for."""
    text = f"nothing is done as of {iso(now_ms)}: the ledger is at a later candle, {iso(marked_ms)}"
    if clock.as_of_ms() is not None:
        return Outcome([text])
    advice = "if the clock was wrong then, bot-cripto rebuild-state takes its marks back"
    return Outcome([f"{text}; {advice}"], EXIT_FAILED)


def _take_back_entries(book: Book, now_ms: int) -> list[str]:
    """Cancel the entries that have not filled yet."""
    lines = []
    for intent in list(book.account.waiting.values()):
        if intent.kind == OPEN:
            client = client_order_id(intent.intent_id)
            identity = event_id(client, CANCELLED, Decimal(0), None)
            book.add(
                OrderEvent(identity, client, intent.intent_id, CANCELLED, now_ms, detail="flatten")
            )
            lines.append(f"{intent.symbol}: the entry of {intent.quantity:f} is taken back")
    return lines


def _close_at_next_open(book: Book, position: Position, close_ms: int, now_ms: int) -> str:
    symbol = position.symbol
    if waiting_close(book.account, symbol) is None:
        price = book.account.last_price.get(symbol, position.entry_price)
        intent = closing(
            position,
            "flatten",
            candle_ms=close_ms,
            created_ms=now_ms,
            fill_from_ms=close_ms,
            price=price,
        )
        book.add(intent)
    return f"{symbol}: {position.quantity:f} closes at the open of the candle of {iso(close_ms)}"
