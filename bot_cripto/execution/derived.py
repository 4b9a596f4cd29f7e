"""What people and drift read of the past: functions of ledger, journal and candles, as files.

``performance_history_<SYMBOL>.json`` and ``risk_state_<SYMBOL>.json`` are written after every
candle; edited ones are noticed, kept aside and made again. Marks in the ledger are derived too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot_cripto import clock
from bot_cripto.atomic import json_text
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.errors import LedgerError
from bot_cripto.execution.derived_files import DerivedFiles
from bot_cripto.execution.differences import (
    mark_differences,
    row_difference,
    state_difference,
)
from bot_cripto.execution.outcomes import history, history_facts, history_text, whole_history
from bot_cripto.execution.performance import History, drift_reason
from bot_cripto.execution.prices import ReadCloses, correlated_symbols, store_closes
from bot_cripto.execution.replay import replay
from bot_cripto.execution.risk import risk_state
from bot_cripto.execution.state import account_name, open_mismatch
from bot_cripto.execution.switches import ACCOUNTS
from bot_cripto.ledger import control
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import timeframe_ms

if TYPE_CHECKING:
    from bot_cripto.execution.account import Account
    from bot_cripto.execution.risk_tracker import RiskTracker
    from bot_cripto.layout import Layout

__all__ = ["history", "rebuild", "update"]


@dataclass(frozen=True)
class _Portfolio:
    """An account with its state of risk, at the last mark."""

    name: str
    account: Account
    tracker: RiskTracker
    mismatch: str | None = None


def update(
    layout: Layout,
    settings: Mapping[str, Any],
    account: Account,
    tracker: RiskTracker,
    journal: Journal | None,
    *,
    account_name: str,
    now_ms: int,
    mismatch: str | None = None,
    read_closes: ReadCloses | None = None,
) -> list[str]:
    """Write the performance history and the risk state of every symbol, as of the last mark.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : mapping
        The effective settings.
    account : Account
        With its `last_price` at the last mark.
    tracker : RiskTracker
        With the same marks and trades.
    journal : Journal or None
        None: no signal was published yet.
    account_name : str
        ``paper`` or ``live``.
    now_ms : int
        Milliseconds since the epoch, UTC.
    mismatch : str or None
        What of the exchange does not match the ledger.
    read_closes : callable, optional
        Closes; those of the candle store by default.

    Returns
    -------
    list of str
        A sentence for each file that was edited or damaged and was made again; the operator is
        to be told.

    Raises
    ------
    DataError
        Journal or candle store are damaged.
    OSError
        A file could not be written; it is as it was before.
    """
    closes = read_closes or store_closes(layout, settings)
    files = DerivedFiles(layout.logs)
    histories = {
        symbol: history(layout, settings, symbol, journal, closes, now_ms, files)
        for symbol in settings["symbols"]
    }
    portfolio = _Portfolio(account_name, account, tracker, mismatch)
    _put(files, layout, settings, histories, portfolio, closes, now_ms)
    return files.commit(now_ms)


def rebuild(
    layout: Layout,
    settings: Mapping[str, Any],
    check: bool = False,
    *,
    now_ms: int | None = None,
) -> list[str]:
    """Make marks, performance histories and risk states again from ledger, journal and candles.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : mapping
        The effective settings.
    check : bool
        Compare with what is stored, and write nothing.
    now_ms : int, optional
        Milliseconds since the epoch, UTC; by the clock otherwise.

    Returns
    -------
    list of str
        A sentence for each difference between what was stored and what was made again; empty
        when there is none.

    Raises
    ------
    LedgerError
        A ledger or the journal is damaged: what is derived from it cannot be made.
    DataError
        The candle store is damaged, or lacks the price of a position.
    """
    now = clock.now_ms() if now_ms is None else now_ms
    closes = store_closes(layout, settings)
    files = DerivedFiles(layout.logs)
    told: list[str] = []
    portfolios: dict[str, _Portfolio] = {}
    for name in ACCOUNTS:
        if layout.ledger(name).exists():
            portfolios[name], found = _rebuilt(layout, settings, name, closes, now, check)
            told += found
    with ExitStack() as stack:
        journal = None
        if layout.journal.exists():
            journal = stack.enter_context(Journal.open(layout.journal, readonly=True))
        told += _file_differences(files, layout, settings, journal, portfolios, closes)
        if check:
            return told + _file_problems(files, layout, settings, journal, portfolios)
        histories = {
            symbol: whole_history(settings, symbol, journal, closes, now)
            for symbol in settings["symbols"]
        }
    own = portfolios.get(account_name(settings))
    _put(files, layout, settings, histories, own, closes, now)
    return told + files.commit(now)


def _put(
    files: DerivedFiles,
    layout: Layout,
    settings: Mapping[str, Any],
    histories: Mapping[str, History],
    portfolio: _Portfolio | None,
    closes: ReadCloses,
    now_ms: int,
) -> None:
    for symbol, found in histories.items():
        facts = history_facts(layout, settings, found, now_ms)
        files.put(layout.performance(symbol).name, history_text(found), facts)
    for symbol, state in _states(layout, settings, histories, portfolio, closes).items():
        facts = {"key": layout.key, "account": state.account, "made_ms": now_ms}
        files.put(layout.risk_state(symbol).name, json_text(state.to_json()), facts)


def _states(
    layout: Layout,
    settings: Mapping[str, Any],
    histories: Mapping[str, History],
    portfolio: _Portfolio | None,
    closes: ReadCloses,
) -> dict[str, RiskState]:
    """Return the risk states of traded symbols with a history at the last mark, if there is one."""
    if portfolio is None or portfolio.tracker.last_mark is None:
        return {}
    account, tracker, at = portfolio.account, portfolio.tracker, portfolio.tracker.last_mark
    names = dict.fromkeys([*account.symbols, *account.positions])
    step = timeframe_ms(settings["timeframe"])
    minimum = settings["correlation_min"]
    correlated = correlated_symbols(closes, names, at.candle_ms, step, minimum)
    paused, killed = control.paused(layout.control), control.killed(layout.control)
    return {
        symbol: risk_state(
            account,
            tracker,
            symbol,
            at.candle_ms,
            account_name=portfolio.name,
            correlated=correlated,
            settings=settings,
            paused=paused,
            killed=killed,
            mismatch=portfolio.mismatch,
            drift=drift_reason(histories[symbol].rows),
        )
        for symbol in account.symbols
        if symbol in histories
    }


def _rebuilt(
    layout: Layout,
    settings: Mapping[str, Any],
    name: str,
    closes: ReadCloses,
    now_ms: int,
    check: bool,
) -> tuple[_Portfolio, list[str]]:
    """Return the portfolio that a ledger leads to, and how its stored marks differ from it."""
    with Ledger.open(layout.ledger(name), readonly=check) as ledger:
        damage = ledger.check()
        if damage:
            raise LedgerError(
                f"{layout.ledger(name)}: nothing was rebuilt, for the ledger itself is damaged: "
                + "; ".join(damage)
            )
        account, marks, tracker = replay(ledger, settings, closes, now_ms)
        told = mark_differences(name, ledger.marks(), marks)
        if told and not check:
            ledger.replace_marks(marks)
        return _Portfolio(name, account, tracker, open_mismatch(ledger)), told


def _file_differences(
    files: DerivedFiles,
    layout: Layout,
    settings: Mapping[str, Any],
    journal: Journal | None,
    portfolios: Mapping[str, _Portfolio],
    closes: ReadCloses,
) -> list[str]:
    """Return how sound files of this market differ from what they are made again as."""
    told = []
    for symbol in settings["symbols"]:
        made: dict[int, History] = {}
        path = layout.performance(symbol)
        facts, content = files.facts(path.name), files.read(path.name)
        if content is not None and facts["key"] == layout.key:
            at = facts["made_ms"]
            made[at] = whole_history(settings, symbol, journal, closes, at)
            if history_text(made[at]).encode() != content:
                told.append(f"{path}: {row_difference(json.loads(content), made[at].rows)}")
        path = layout.risk_state(symbol)
        facts, content = files.facts(path.name), files.read(path.name)
        if content is None or facts["key"] != layout.key:
            continue
        at, name = facts["made_ms"], facts["account"]
        found = made.get(at) or whole_history(settings, symbol, journal, closes, at)
        states = _states(layout, settings, {symbol: found}, portfolios.get(name), closes)
        if symbol not in states:
            told.append(f"{path}: the {name} ledger that it was made from has no such state")
            continue
        differing = state_difference(json.loads(content), states[symbol].to_json())
        told += [f"{path}: {differing}"] if differing else []
    return told


def _file_problems(
    files: DerivedFiles,
    layout: Layout,
    settings: Mapping[str, Any],
    journal: Journal | None,
    portfolios: Mapping[str, _Portfolio],
) -> list[str]:
    """Return which files are missing or not as they were written."""
    wanted = []
    if journal is not None:
        wanted += [layout.performance(symbol) for symbol in settings["symbols"]]
    own = portfolios.get(account_name(settings))
    if own is not None and own.tracker.last_mark is not None:
        wanted += [layout.risk_state(symbol) for symbol in own.account.symbols]
    names = dict.fromkeys([*files.names(), *(path.name for path in wanted)])
    told = [files.record_problem(), *map(files.problem, names)]
    told += [f"{path} is missing" for path in wanted if files.is_new(path.name)]
    return [text for text in told if text]
