"""Trading on the live account: reconciliation, targets, signals, ends, and that stops stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from bot_cripto.decision.gate_table import portfolio_refusal
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import EXIT_ALARM, EXIT_FAILED, BotCriptoError, DataError
from bot_cripto.execution import session
from bot_cripto.execution.account import LONG, SHORT, Position
from bot_cripto.execution.exits import TARGET, closing, expiries, waiting_close
from bot_cripto.execution.live.check_record import needs_check
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.live.reconcile import reconcile
from bot_cripto.execution.live.run import Run
from bot_cripto.execution.plan import plan
from bot_cripto.execution.risk_tracker import RiskTracker
from bot_cripto.execution.state import outlook
from bot_cripto.execution.wish import refusal
from bot_cripto.ledger.events import OPEN, STOP, WORKING, Intent
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion import read_champion
from bot_cripto.timeframes import parse_iso


def trade(run: Run, executor: Executor) -> None:
    """Take in what the exchange says, then do what is due; each symbol by itself.

    Parameters
    ----------
    run : Run
    executor : Executor
        Of the run's book.

    Raises
    ------
    LiveError
        The exchange cannot be asked.
    ConfigError
        Real orders are no longer allowed.
    LedgerError
        The ledger is damaged.
    """
    mismatches = reconcile(executor)
    run.say(executor.notes)
    if executor.failures:
        run.failed(EXIT_FAILED)
    if mismatches:
        run.say(f"mismatch: {text}" for text in mismatches)
        run.failed(EXIT_ALARM)
    run.mark()
    for symbol in list(run.book.account.positions):
        run.guard(symbol, partial(_at_target, run, executor, symbol))
    for document in _signals(run):
        run.guard(document["symbol"], partial(_follow, run, executor, document))
    ends = expiries(run.book.account, run.close_ms, now_ms=run.now_ms, rules=executor.rules)
    for wish in ends:
        run.guard(wish.symbol, partial(_carry_out, executor, wish))
    for text in _unprotected(executor):
        run.say([text])
        run.failed(EXIT_FAILED)


def _carry_out(executor: Executor, wish: Intent) -> list[str]:
    return [executor.carry_out(wish)]


def _signals(run: Run) -> list[dict[str, Any]]:
    """Return the newest signals; a journal that is damaged keeps no position from its end."""
    try:
        return session.newest_signals(run.layout, run.settings)
    except DataError as error:
        run.say([f"no signal is followed: {error}"])
        run.failed(EXIT_FAILED)
        return []


def _follow(run: Run, executor: Executor, document: dict[str, Any]) -> list[str]:
    """Do what one signal asks for."""
    symbol, account = document["symbol"], run.book.account
    if symbol not in executor.rules:
        return [f"{symbol}: not traded, its market is not known"]
    barred = None
    if not refusal(document, account, run.settings, run.now_ms):
        barred = _barred(run, document)
    planned = plan(
        document,
        account,
        executor.rules[symbol],
        run.settings,
        now_ms=run.now_ms,
        can_open=barred,
    )
    run.say(planned.notes)
    lines = []
    for wish in planned.intents:
        until = parse_iso(document["valid_until"]) if wish.kind == OPEN else None
        lines.append(executor.carry_out(wish, valid_until_ms=until))
    return lines


def _barred(run: Run, document: dict[str, Any]) -> str | None:
    """Return why real money enters nothing now, beside the limits that the executor looks at."""
    ledger = run.book.ledger
    found = session.entries_barred(run.layout) or needs_check(ledger, run.settings)
    mismatches = open_mismatches(ledger)
    if found is None and mismatches:
        found = f"exchange and ledger do not match: {'; '.join(mismatches.values())}"
    if found is None:
        found = _unproven(run, document["symbol"])
    if found is None and document["decision"] in (LONG, SHORT):
        found = _risked(run, document)
    return found


def _risked(run: Run, document: dict[str, Any]) -> str | None:
    """Return why the portfolio allows no entry, with what is known since the signal was made."""
    symbol, account = document["symbol"], run.book.account
    view = outlook(run.layout, run.settings, run.close_ms)
    risk = view.risks.get(symbol)
    if risk is not None:
        # a stop that was hit after that close counts too
        tracker, now = RiskTracker.of(account.initial_equity, (), account.trades), run.now_ms
        rest = float(run.settings["risk_cooldown_minutes"])
        risk = replace(
            risk,
            cooldown_minutes=max(
                risk.cooldown_minutes, tracker.cooldown_minutes(symbol, now, rest)
            ),
            consecutive_losses=max(risk.consecutive_losses, tracker.consecutive_losses(now)),
            tail_loss=max(risk.tail_loss, tracker.tail_loss(now)),
        )
    return view.problem or portfolio_refusal(document["decision"], risk, policy_of(run.settings))


def _unproven(run: Run, symbol: str) -> str | None:
    """Return why the models are not for real money, or None."""
    try:
        champion = read_champion(run.layout.models, symbol)
    except BotCriptoError as error:
        return str(error)
    if champion is None:
        return "it has no champion"
    return "its models are provisional, for paper only" if champion.provisional else None


def _at_target(run: Run, executor: Executor, symbol: str) -> list[str]:
    """Sell a position whose target, which no order waits at, was traded through."""
    position = run.book.account.positions[symbol]
    if position.target_price is None or waiting_close(run.book.account, symbol) is not None:
        return []
    price = executor.price(symbol)
    if executor.rules[symbol].too_small(position.quantity, price) is not None:
        return []
    if not _was_reached(run, position):
        return []
    wish = closing(
        position,
        TARGET,
        candle_ms=run.close_ms,
        created_ms=run.now_ms,
        fill_from_ms=run.close_ms,
        price=price,
    )
    return [executor.carry_out(wish)]


def _was_reached(run: Run, position: Position) -> bool:
    """Whether a candle since the last run, and after the entry, traded through the target."""
    store = CandleStore(run.layout.store, run.settings["market"], run.settings["timeframe"])
    since = run.close_ms - run.step_ms
    since = since if run.marked_ms is None else min(since, run.marked_ms)
    candles = store.read(position.symbol, max(since, position.entry_ms), run.close_ms)
    target = float(position.target_price or 0)
    reached = candles.high > target if position.side == LONG else candles.low < target
    return bool(reached.any())


def _unprotected(executor: Executor) -> Iterator[str]:
    """Yield a sentence for each position that should have a stop with the exchange, and has none.

    One whose close is under way needs none.
    """
    account, orders = executor.book.account, executor.orders
    for symbol, position in account.positions.items():
        opened = account.intents[position.intent_id]
        rules = executor.rules.get(symbol)
        if not opened.stop_distance or rules is None:
            continue
        pending = orders.pending(symbol)
        stands = any(
            intent.kind == STOP and event.state == WORKING and event.exchange_id
            for event, intent in pending
        )
        closes = any(intent.kind != STOP for _, intent in pending)
        least = executor.price(symbol)
        if not (stands or closes) and rules.too_small(position.quantity, least) is None:
            yield f"{symbol}: {position.quantity:f} is held without a protective stop"
