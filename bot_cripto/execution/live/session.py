"""Commands on the live account: first what the exchange says, then the wishes, then the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from bot_cripto import clock
from bot_cripto.errors import EXIT_FAILED, EXIT_OK, ConfigError
from bot_cripto.execution import session
from bot_cripto.execution.book import Book
from bot_cripto.execution.live import check as checks
from bot_cripto.execution.live import flatten as flattening
from bot_cripto.execution.live.exchange_account import ExchangeAccount
from bot_cripto.execution.live.permission import require_live
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.live.reconcile import accept_exchange
from bot_cripto.execution.live.run import Run
from bot_cripto.execution.live.setup import make_executor
from bot_cripto.execution.live.trading import trade
from bot_cripto.execution.session import Outcome, Settings
from bot_cripto.layout import Layout

Environment = Mapping[str, str]


def execute(layout: Layout, settings: Settings, environment: Environment) -> Outcome:
    """Act on the last signals with real orders; see `bot_cripto.execution.session.execute`."""
    require_live(settings, environment)
    with _book(layout, settings) as book:
        run = Run(layout, settings, book)
        run.with_exchange(partial(make, layout, settings, book, environment), partial(trade, run))
        return run.finish()


def flatten(layout: Layout, settings: Settings, environment: Environment, who: str) -> Outcome:
    """Cancel our open orders and sell what the ledger holds; report what remains."""
    require_live(settings, environment)
    with _book(layout, settings) as book:
        run = Run(layout, settings, book)

        def work(executor: Executor) -> None:
            said = flattening.flatten(executor, who=who, reason="asked for")
            run.say(said or ["nothing was held and nothing was open"])
            if executor.failures or not flattening.is_finished(executor):
                run.failed(EXIT_FAILED)

        run.with_exchange(partial(make, layout, settings, book, environment), work)
        if not session.entries_barred(layout):
            run.say(["entries stay allowed; `bot-cripto kill` stops them"])
        return run.finish()


def check(layout: Layout, settings: Settings, environment: Environment, who: str) -> Outcome:
    """Look at everything that live trading needs, without placing an order."""
    with _book(layout, settings) as book:
        account = partial(
            ExchangeAccount.of_environment,
            settings,
            environment=lambda: environment,
            markets_dir=layout.store / layout.key,
        )
        findings = checks.live_check(
            book,
            account,
            settings,
            who=who,
            now_ms=clock.system_ms(),
            environment=environment,
        )
    lines = [f"{'ok  ' if ok else 'FAIL'} {text}" for ok, text in findings]
    well = all(ok for ok, _ in findings)
    lines.append("live trading may enter" if well else "live trading enters nothing until it is ok")
    return Outcome(lines, EXIT_OK if well else EXIT_FAILED)


def accept(
    layout: Layout,
    settings: Settings,
    environment: Environment,
    symbol: str,
    who: str,
    reason: str,
) -> Outcome:
    """Let the ledger follow what a person did on the exchange."""
    require_live(settings, environment)
    with _book(layout, settings) as book:
        if symbol not in {*settings["symbols"], *book.account.positions}:
            raise ConfigError(f"{symbol} is not one of SYMBOLS: {', '.join(settings['symbols'])}")
        run = Run(layout, settings, book)

        def work(executor: Executor) -> None:
            said = accept_exchange(executor, symbol, who, reason)
            run.say(said or ["there was nothing to accept"])

        run.with_exchange(partial(make, layout, settings, book, environment), work)
        return run.finish()


def make(layout: Layout, settings: Settings, book: Book, environment: Environment) -> Executor:
    """Return the executor of a run."""
    return make_executor(
        book,
        settings,
        markets_dir=layout.store / layout.key,
        environment=lambda: environment,
        barred=partial(session.entries_barred, layout),
    )


@contextmanager
def _book(layout: Layout, settings: Settings) -> Iterator[Book]:
    with session.one_at_a_time(layout), Book.open(layout.ledger("live"), settings) as book:
        yield book
