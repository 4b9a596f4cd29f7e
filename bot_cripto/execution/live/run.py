"""One run on the live account: its moment, its prices, what it says, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from bot_cripto import clock
from bot_cripto.errors import (
    EXIT_FAILED,
    BotCriptoError,
    ConfigError,
    DataError,
    LedgerError,
    SourceError,
)
from bot_cripto.execution import session
from bot_cripto.execution.book import Book
from bot_cripto.execution.live.errors import LiveError
from bot_cripto.execution.live.marks import bring_up
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.prices import last_closes, store_closes
from bot_cripto.execution.session import Outcome, Settings
from bot_cripto.layout import Layout
from bot_cripto.timeframes import last_close, timeframe_ms


class Run:
    """What every command on the live account does around its own work.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        The effective settings.
    book : Book
        Of the live ledger.

    Attributes
    ----------
    now_ms, close_ms : int
        When it began, and the close of the last candle then; milliseconds since the epoch, UTC.
    marked_ms : int or None
        Close of the candle that was marked last when it began.
    outcome : Outcome
    """

    def __init__(self, layout: Layout, settings: Settings, book: Book) -> None:
        self.layout, self.settings, self.book = layout, settings, book
        self.now_ms = clock.now_ms()
        self.step_ms = timeframe_ms(settings["timeframe"])
        self.close_ms = last_close(self.now_ms, settings["timeframe"])
        last = book.account.last_mark
        self.marked_ms = None if last is None else last.candle_ms
        begun = book.begin(self.now_ms)
        self.outcome = Outcome([begun] if begun else [])
        self._closes = store_closes(layout, settings)
        names = dict.fromkeys([*settings["symbols"], *book.account.positions])
        for symbol in names:
            # a market that fell below the limit of its stop shows in them
            self.guard(symbol, partial(self._price, symbol))

    def say(self, lines: Iterable[str]) -> None:
        """Add lines for people."""
        self.outcome.lines += lines

    def failed(self, code: int) -> None:
        """Let the exit code be at least that."""
        self.outcome.code = max(self.outcome.code, code)

    def guard(self, what: str, work: Callable[[], Iterable[str] | None]) -> bool:
        """Do one thing and say what came of it; what fails keeps the next from nothing.

        Returns
        -------
        bool
            Whether it was done.

        Raises
        ------
        ConfigError
            Real orders are no longer allowed.
        LedgerError
            The ledger is damaged: nothing may go on.
        """
        try:
            self.say(work() or ())
        except (ConfigError, LedgerError):
            raise
        except BotCriptoError as error:
            self.say([f"{what}: not finished, the next run goes on: {error}"])
            self.failed(EXIT_FAILED)
            return False
        return True

    def with_exchange(
        self, make: Callable[[], Executor], work: Callable[[Executor], object]
    ) -> None:
        """Do the work of the command; an exchange that cannot be asked fails the run, no more.

        Raises
        ------
        ConfigError
            Real orders are not allowed, or the key is missing: nothing was touched.
        LedgerError
            The ledger is damaged.
        """
        try:
            executor = make()
        except SourceError as error:
            self.say([f"nothing was done: {error}"])
            self.failed(EXIT_FAILED)
            return
        try:
            work(executor)
        except LiveError as error:
            self.say([f"not finished, the next run goes on: {error}"])
            self.failed(EXIT_FAILED)
        except ConfigError as error:
            # a switch was turned off under way: what was done until then is worth saying
            self.say([str(error)])
            self.failed(error.exit_code)

    def mark(self) -> None:
        """Bring the marks up to the last candle."""
        self.guard("marks", lambda: bring_up(self.book, self.settings, self._closes, self.close_ms))

    def finish(self) -> Outcome:
        """Mark, write what people read of the state, and return what was done."""
        self.mark()
        mismatch = "; ".join(open_mismatches(self.book.ledger).values()) or None
        return session.finish(
            self.layout, self.settings, self.book, clock.now_ms(), self.outcome, mismatch
        )

    def _price(self, symbol: str) -> None:
        try:
            found = last_closes(self._closes, [symbol], self.close_ms, self.step_ms)
        except DataError as error:
            raise BotCriptoError(f"its last price is not known: {error}") from error
        self.book.account.last_price.update(found)
