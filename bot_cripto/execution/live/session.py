"""A run on the live account: first what the exchange says, then the signals, then the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from bot_cripto import clock
from bot_cripto.decision.gate_table import portfolio_refusal
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import EXIT_ALARM, EXIT_FAILED, EXIT_OK, BotCriptoError, ConfigError
from bot_cripto.execution import session
from bot_cripto.execution.account import LONG, Position
from bot_cripto.execution.book import Book
from bot_cripto.execution.exits import TARGET, closing, expiries, waiting_close
from bot_cripto.execution.live import check as checks
from bot_cripto.execution.live import flatten as flattening
from bot_cripto.execution.live.check_record import needs_check
from bot_cripto.execution.live.errors import LiveError
from bot_cripto.execution.live.exchange_account import ExchangeAccount
from bot_cripto.execution.live.marks import bring_up
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.live.permission import require_live
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.live.reconcile import accept_exchange, reconcile
from bot_cripto.execution.live.setup import make_executor
from bot_cripto.execution.plan import plan
from bot_cripto.execution.prices import last_closes, store_closes
from bot_cripto.execution.session import Outcome, Settings
from bot_cripto.execution.state import outlook
from bot_cripto.layout import Layout
from bot_cripto.ledger.events import OPEN
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion import read_champion
from bot_cripto.timeframes import last_close, parse_iso, timeframe_ms

Environment = Mapping[str, str]


def execute(layout: Layout, settings: Settings, environment: Environment) -> Outcome:
    """Act on the last signals with real orders; see `bot_cripto.execution.session.execute`."""
    require_live(settings, environment)
    with _book(layout, settings) as book:
        outcome = Outcome()
        try:
            _trade(layout, settings, make(layout, settings, book, environment), outcome)
        except LiveError as error:
            outcome.lines.append(f"not finished, the next run goes on: {error}")
            outcome.code = EXIT_FAILED
        return _finish(layout, settings, book, outcome)


def flatten(layout: Layout, settings: Settings, environment: Environment, who: str) -> Outcome:
    """Cancel our open orders and sell what the ledger holds; report what remains."""
    require_live(settings, environment)
    with _book(layout, settings) as book:
        executor = make(layout, settings, book, environment)
        said = flattening.flatten(executor, who=who, reason="asked for")
        outcome = Outcome(said or ["nothing was held and nothing was open"])
        if any(text.startswith("remains:") for text in said):
            outcome.code = EXIT_FAILED
        if not session.entries_barred(layout):
            outcome.lines.append("entries stay allowed; `bot-cripto kill` stops them")
        return _finish(layout, settings, book, outcome)


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
    if symbol not in settings["symbols"]:
        raise ConfigError(f"{symbol} is not one of SYMBOLS: {', '.join(settings['symbols'])}")
    with _book(layout, settings) as book:
        executor = make(layout, settings, book, environment)
        step = timeframe_ms(settings["timeframe"])
        close = last_close(clock.now_ms(), settings["timeframe"])
        closes = store_closes(layout, settings)
        book.account.last_price.update(last_closes(closes, [symbol], close, step))
        said = accept_exchange(executor, symbol, who, reason)
        return _finish(layout, settings, book, Outcome(said or ["there was nothing to accept"]))


@contextmanager
def _book(layout: Layout, settings: Settings) -> Iterator[Book]:
    with session.one_at_a_time(layout), Book.open(layout.ledger("live"), settings) as book:
        yield book


def make(layout: Layout, settings: Settings, book: Book, environment: Environment) -> Executor:
    """Return the executor of a run."""
    return make_executor(
        book, settings, markets_dir=layout.store / layout.key, environment=lambda: environment
    )


def _trade(layout: Layout, settings: Settings, executor: Executor, outcome: Outcome) -> None:
    book, now = executor.book, clock.now_ms()
    step, close = timeframe_ms(settings["timeframe"]), last_close(now, settings["timeframe"])
    mismatches = reconcile(executor)
    outcome.lines += executor.notes
    names = dict.fromkeys([*settings["symbols"], *book.account.positions])
    closes = store_closes(layout, settings)
    book.account.last_price.update(last_closes(closes, names, close, step))
    bring_up(book, settings, closes, close)
    for position in list(book.account.positions.values()):
        if waiting_close(book.account, position.symbol) is None and _target_hit(
            layout, settings, position, close
        ):
            price = book.account.last_price[position.symbol]
            wish = closing(
                position,
                TARGET,
                candle_ms=close,
                created_ms=now,
                fill_from_ms=close,
                price=price,
            )
            outcome.lines.append(executor.carry_out(wish))
    for document in session.newest_signals(layout, settings):
        outcome.lines += _follow(layout, settings, executor, document, now)
    for wish in expiries(book.account, close, now_ms=now, rules=executor.rules):
        outcome.lines.append(executor.carry_out(wish))
    if mismatches:
        outcome.lines += [f"mismatch: {text}" for text in mismatches]
        outcome.code = EXIT_ALARM


def _follow(
    layout: Layout, settings: Settings, executor: Executor, document: dict[str, Any], now_ms: int
) -> list[str]:
    """Do what one signal asks for; a symbol that fails does not keep the others from theirs."""
    symbol = document["symbol"]
    if symbol not in executor.rules:
        return [f"{symbol}: not traded, its market is not known"]
    barred = _barred(layout, settings, executor, document)
    planned = plan(
        document,
        executor.book.account,
        executor.rules[symbol],
        settings,
        now_ms=now_ms,
        can_open=barred,
    )
    lines = list(planned.notes)
    for wish in planned.intents:
        # the switches may have been turned since
        stopped = session.entries_barred(layout) if wish.kind == OPEN else None
        if stopped:
            lines.append(f"{symbol}: not entered: {stopped}")
            continue
        until = parse_iso(document["valid_until"])
        lines.append(executor.carry_out(wish, valid_until_ms=until))
    return lines


def _barred(
    layout: Layout, settings: Settings, executor: Executor, document: dict[str, Any]
) -> str | None:
    """Return why real money enters nothing now, beside the limits that the executor looks at."""
    ledger = executor.book.ledger
    found = session.entries_barred(layout) or needs_check(ledger, settings)
    mismatches = open_mismatches(ledger)
    if found is None and mismatches:
        found = f"exchange and ledger do not match: {'; '.join(mismatches.values())}"
    if found is None:
        found = _unproven(layout, document["symbol"])
    if found is None:
        # what the exchange said since the signal was made: a stop that was hit, a loss
        view = outlook(layout, settings, parse_iso(document["candle_close_time"]))
        risk = view.risks.get(document["symbol"])
        found = view.problem or portfolio_refusal(document["decision"], risk, policy_of(settings))
    return found


def _unproven(layout: Layout, symbol: str) -> str | None:
    """Return why the models are not for real money, or None."""
    try:
        champion = read_champion(layout.models, symbol)
    except BotCriptoError as error:
        return str(error)
    if champion is None:
        return "it has no champion"
    return "its models are provisional, for paper only" if champion.provisional else None


def _target_hit(layout: Layout, settings: Settings, position: Position, close_ms: int) -> bool:
    """Whether the last candle traded through a position's target, which no order waits at."""
    if position.target_price is None:
        return False
    step = timeframe_ms(settings["timeframe"])
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    candles = store.read(position.symbol, max(close_ms - step, position.entry_ms), close_ms)
    target = float(position.target_price)
    reached = candles.high > target if position.side == LONG else candles.low < target
    return bool(reached.any())


def _finish(layout: Layout, settings: Settings, book: Book, outcome: Outcome) -> Outcome:
    mismatch = "; ".join(open_mismatches(book.ledger).values()) or None
    return session.finish(layout, settings, book, clock.now_ms(), outcome, mismatch)
