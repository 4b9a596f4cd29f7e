"""The state of risk at the close of a candle, read from the ledger; nothing is written.

On paper the fills up to that close follow from the ledger and the candles: they are taken in
memory, and `bot-cripto execute` makes the same ones when it comes to write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bot_cripto.decision.risk_state import RiskState
from bot_cripto.errors import DataError, LedgerError
from bot_cripto.execution.account import Account, Entry
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.market_rules import MarketRules, load_rules
from bot_cripto.execution.outcomes import history
from bot_cripto.execution.paper import catch_up
from bot_cripto.execution.performance import drift_reason
from bot_cripto.execution.prices import correlated_symbols, last_closes, store_closes
from bot_cripto.execution.replay import known_from, mark_of
from bot_cripto.execution.risk import risk_state
from bot_cripto.execution.risk_tracker import RiskTracker, recent_marks
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.events import STOP, Mark
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import timeframe_ms


@dataclass(frozen=True)
class Outlook:
    """What every symbol sees of the portfolio.

    Attributes
    ----------
    risks : dict of str to RiskState or None
        By symbol; None where it is not traded in this portfolio, or where nothing is known.
    correlated : dict of str to frozenset of str
        Which symbols count together.
    problem : str or None
        Why nothing is known.
    """

    risks: dict[str, RiskState | None]
    correlated: dict[str, frozenset[str]]
    problem: str | None = None


def account_name(settings: Mapping[str, Any]) -> str:
    """Return ``live`` or ``paper``: which account the settings trade on."""
    return "live" if settings["live_mode"] else "paper"


def outlook(layout: Layout, settings: Mapping[str, Any], close_ms: int) -> Outlook:
    """Return the risk state of every symbol at the close of a candle.

    Parameters
    ----------
    layout : Layout
    settings : mapping
        The effective settings, at least those of `desk.STATE_KEYS`.
    close_ms : int
        Close of the candle, milliseconds since the epoch, UTC. One before the newest mark is
        answered from the entries that were there by then.

    Notes
    -----
    A damaged ledger or journal is told in `problem`, with every state None: no entry is allowed.
    """
    try:
        return _outlook(layout, settings, close_ms)
    except (LedgerError, DataError) as error:
        return Outlook(dict.fromkeys(settings["symbols"]), {}, str(error))


def _outlook(layout: Layout, settings: Mapping[str, Any], close_ms: int) -> Outlook:
    name, step = account_name(settings), timeframe_ms(settings["timeframe"])
    closes = store_closes(layout, settings)
    with ExitStack() as stack:
        path = layout.ledger(name)
        ledger = stack.enter_context(Ledger.open(path, readonly=True)) if path.exists() else None
        account, marks = _account_at(ledger, settings, close_ms)
        mismatch = None if ledger is None else open_mismatch(ledger)
        journal = None
        if layout.journal.exists():
            journal = stack.enter_context(Journal.open(layout.journal, readonly=True))
        drifts = {
            symbol: drift_reason(history(layout, settings, symbol, journal, closes, close_ms).rows)
            for symbol in account.symbols
        }
    if account.last_mark is None or account.last_mark.candle_ms < close_ms:
        marks += _carried_on(layout, settings, account, close_ms)
    else:
        account.last_price.update(last_closes(closes, _names(account), close_ms, step))
    tracker = RiskTracker.of(account.initial_equity, marks, account.trades, close_ms)
    correlated: dict[str, frozenset[str]] = {}
    if len(_names(account)) > 1:
        minimum = settings["correlation_min"]
        correlated = correlated_symbols(closes, _names(account), close_ms, step, minimum)
    paused, killed = control.paused(layout.control), control.killed(layout.control)
    risks: dict[str, RiskState | None] = dict.fromkeys(settings["symbols"])
    for symbol in account.symbols:
        risks[symbol] = risk_state(
            account,
            tracker,
            symbol,
            close_ms,
            account_name=name,
            correlated=correlated,
            settings=settings,
            paused=paused,
            killed=killed,
            mismatch=mismatch,
            drift=drifts[symbol],
        )
    return Outlook(risks, correlated)


def open_mismatch(ledger: Ledger) -> str | None:
    """Return what of the exchange does not match the ledger, as last recorded; else None."""
    return "; ".join(open_mismatches(ledger).values()) or None


def _names(account: Account) -> list[str]:
    return list(dict.fromkeys([*account.symbols, *account.positions]))


def _account_at(
    ledger: Ledger | None, settings: Mapping[str, Any], close_ms: int
) -> tuple[Account, list[Mark]]:
    """Return the account as it was known at a candle's close, and the marks of its week."""
    if ledger is None:
        return Account.of(settings), []
    last = ledger.last_mark()
    if last is None or last.candle_ms <= close_ms:
        with ledger.transaction():
            return Account.load(ledger, settings), recent_marks(ledger)
    step = timeframe_ms(settings["timeframe"])
    account = Account.begun(ledger, settings)
    with ledger.transaction():
        marks = ledger.marks(until_ms=close_ms)
        # the intent of a target that was hit inside the candle is of its very close
        intents = [i for i in ledger.intents() if min(i.candle_ms, i.fill_from_ms) < close_ms]
        inside = {i.intent_id for i in intents if i.kind == STOP or i.reason == "target"}
        known = {i.intent_id for i in intents}
        events = [
            event
            for event in ledger.order_events()
            if event.intent_id in known and event.time_ms < close_ms + (event.intent_id in inside)
        ]
        payments = [entry for entry in ledger.payments() if known_from(entry, step) <= close_ms]
    entries: list[Entry] = [*marks, *intents, *events, *payments]
    for entry in entries:
        account.apply(entry)
    return account, marks


def _carried_on(
    layout: Layout, settings: Mapping[str, Any], account: Account, close_ms: int
) -> list[Mark]:
    """Take an account on to a candle's close in memory; return the marks on the way."""
    step = timeframe_ms(settings["timeframe"])
    if settings["live_mode"]:
        # what the exchange filled since is learnt by the next reconciliation
        closes = store_closes(layout, settings)
        account.last_price.update(last_closes(closes, _names(account), close_ms, step))
        mark = mark_of(account, close_ms)
        account.apply(mark)
        return [mark]
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    nowhere = Nowhere()
    book = Book(nowhere, account, settings)  # type: ignore[arg-type]
    rules = rules_in_use(layout, settings, account)
    catch_up(book, store.read, close_ms, step, rules, Costs.of(settings))
    return nowhere.marks


def rules_in_use(
    layout: Layout, settings: Mapping[str, Any], account: Account
) -> dict[str, MarketRules]:
    """Return the rules of the markets in which the account holds or waits for something.

    Raises
    ------
    DataError
        The description of one of them is missing or damaged.
    """
    busy = {*account.positions, *(intent.symbol for intent in account.waiting.values())}
    return {symbol: load_rules(layout.store, settings, symbol) for symbol in sorted(busy)}


class Nowhere:
    """Stands in for a ledger where nothing is to be written; keeps the marks."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def add(self, entry: Entry) -> bool:
        """Take every entry for new."""
        if isinstance(entry, Mark):
            self.marks.append(entry)
        return True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do what is inside."""
        yield
