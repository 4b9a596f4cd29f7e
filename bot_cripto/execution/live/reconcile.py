"""Comparing the ledger with the exchange: orders, trades, balances; what differs blocks entries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot_cripto.errors import ConfigError
from bot_cripto.execution.live import mismatches
from bot_cripto.execution.live.errors import LiveError
from bot_cripto.execution.live.limits import DAY_MS
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.live.replies import Balance, Order
from bot_cripto.ledger.events import (
    CLIENT_ID_PREFIX,
    CLOSE,
    FILLED,
    FINAL_STATES,
    SELL,
    WORKING,
    Action,
    Fill,
    Intent,
    action_id,
    client_order_id,
)
from bot_cripto.symbols import symbol_to_path

OVERLAP_MS = 3_600_000
"""How far before the ledger's last entry the exchange's orders and trades are looked at."""

_ATTEMPTS = 20


def reconcile(executor: Executor) -> list[str]:
    """Bring the ledger up to date with the exchange, and finish what was left half done.

    To be called at the start of every run, before anything else. Every order that is not final is
    asked for; orders and trades of ours since the ledger's last entry are looked at; what a
    symbol holds is compared with the balance; then closes and protective stops are completed.
    More on the exchange than in the ledger is a person's own, and never touched.

    Parameters
    ----------
    executor : Executor

    Returns
    -------
    list of str
        What does not match, a sentence each; the same stand in the ledger as actions `mismatch`
        until they are gone, and no entry is made before that.

    Raises
    ------
    LiveError
        The exchange could not be asked. What fails for one symbol alone is put into the
        executor's `failures`, and keeps no other from its closes and stops.
    ConfigError
        A stop or close is needed and real orders are not allowed.
    """
    # where nothing answers this is known now, and not after every symbol has been tried
    executor.exchange.server_ms()
    executor.notes.extend(executor.settle())
    found: dict[str, str] = {}
    symbols = sorted({*executor.settings["symbols"], *executor.symbols()} & set(executor.rules))
    for symbol in symbols:
        try:
            found |= _orders(executor, symbol)
        except LiveError as error:
            executor.notes.append(f"{symbol}: not compared with the exchange: {error}")
            executor.failures.append(executor.notes[-1])
            found |= _as_before(executor, symbol)
    found |= _balances(executor, symbols)
    for event, intent in executor.orders.pending():
        if not event.exchange_id:
            found[f"order:{event.client_id}"] = (
                f"{intent.symbol}: what became of order {event.client_id} is not known yet"
            )
    for number, problem in enumerate(executor.book.account.problems):
        key = f"account:{number}"
        if key not in mismatches.accepted_keys(executor.book.ledger):
            found[key] = problem
    prefixes = ("order:", "balance:", "account:")
    mismatches.report(executor.book, found, executor.now_ms(), prefixes)
    executor.notes.extend(executor.resume())
    return list(mismatches.open_mismatches(executor.book.ledger).values())


def accept_exchange(executor: Executor, symbol: str, who: str, reason: str) -> list[str]:
    """Make the ledger follow what a person did on the exchange, on that person's word.

    What the ledger holds beyond the balance is written off as sold at the last known price
    without a fee (an adjusting fill of a CLOSE intent), and the mismatches of the symbol's orders
    are taken as they are. Nothing is sent to the exchange.

    Parameters
    ----------
    executor : Executor
    symbol : str
    who, reason : str
        For the record.

    Returns
    -------
    list of str
        What was accepted, a sentence each.

    Raises
    ------
    ConfigError
        An order of the symbol is not final: what is held may still change.
    LiveError
        The exchange could not be asked.
    """
    executor.settle()
    pending = [event for event, intent in executor.orders.pending(symbol) if intent.kind == CLOSE]
    if pending:
        raise ConfigError(f"{symbol}: order {pending[0].client_id} is not final; try again later")
    said, book, now = [], executor.book, executor.now_ms()
    position = book.account.positions.get(symbol)
    total = _total(executor.exchange.balances(), symbol)
    if position is not None and position.quantity > total:
        missing = position.quantity - total
        price = executor.price(symbol)
        identity = f"{symbol_to_path(symbol)}-{now}-accept"
        intent = Intent(
            identity, symbol, now, 0, CLOSE, SELL, missing, "accepted", now, now, price
        )  # fmt: skip
        with book.transaction():
            book.add(intent)
            book.add(
                Fill(identity, identity, symbol, SELL, missing, price, Decimal(0), "", now,
                     "accepted")
            )  # fmt: skip
            executor.orders.note(
                client_order_id(identity), intent, FILLED, filled=missing, detail=reason
            )
            book.add(
                Action(
                    action_id("accepted", now, who, symbol), "accepted", now, who, reason,
                    {"key": f"balance:{symbol}", "quantity": f"{missing:f}"},
                )
            )  # fmt: skip
        said.append(f"{symbol}: {missing:f} written off as sold at {price:f}")
    for key, sentence in mismatches.open_mismatches(book.ledger).items():
        if sentence.startswith(f"{symbol}:") and key.startswith(("order:", "account:")):
            mismatches.accept(book, key, who, reason, now)
            said.append(f"accepted: {sentence}")
    return said


def _orders(executor: Executor, symbol: str) -> dict[str, str]:
    """Take in what the exchange knows of our orders; return what the ledger does not know."""
    found: dict[str, str] = {}
    accepted = mismatches.accepted_keys(executor.book.ledger)
    last = executor.orders.last_ms
    since = (executor.now_ms() - DAY_MS if last is None else last) - OVERLAP_MS
    listed = {order.client_id: order for order in executor.exchange.orders(symbol, since)}
    listed |= {order.client_id: order for order in executor.exchange.open_orders(symbol)}
    for client_id, order in listed.items():
        if not client_id.startswith(CLIENT_ID_PREFIX):
            continue
        event = executor.orders.last_event(client_id)
        if event is None:
            intent = _intent_of(executor, symbol, client_id)
            key = f"order:{client_id}"
            if intent is not None:
                # a ledger from before the order, e.g. restored
                executor.orders.record(client_id, intent, order)
            elif key not in accepted and (order.filled > 0 or order.state not in FINAL_STATES):
                found[key] = (
                    f"{symbol}: order {client_id} ({order.state}, {order.filled:f} filled) is of "
                    "this program, and not in the ledger"
                )
        elif _differs(order, event.filled, event.state):
            intent = executor.book.ledger.intent(event.intent_id)
            executor.orders.record(client_id, intent, order)
    return found


def _as_before(executor: Executor, symbol: str) -> dict[str, str]:
    """Return the mismatches of orders that hold for a symbol which cannot be looked at now."""
    known = mismatches.open_mismatches(executor.book.ledger)
    return {
        key: sentence
        for key, sentence in known.items()
        if key.startswith("order:") and sentence.startswith(f"{symbol}:")
    }


def _differs(order: Order, filled: Decimal, state: str) -> bool:
    """Whether the exchange tells more of an order than the ledger, e.g. after a refusal."""
    return order.filled != filled or (order.state == WORKING) != (state == WORKING)


def _balances(executor: Executor, symbols: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    positions = executor.book.account.positions
    held = [symbol for symbol in symbols if symbol in positions]
    balances = executor.exchange.balances() if held else {}
    for symbol in held:
        quantity, total = positions[symbol].quantity, _total(balances, symbol)
        if quantity > total:
            base = symbol.split("/")[0]
            found[f"balance:{symbol}"] = (
                f"{symbol}: the ledger holds {quantity:f} {base} and the account has {total:f}; "
                "if you sold or moved it, run: "
                f'bot-cripto live accept --symbol {symbol} --reason "..."'
            )
    return found


def _total(balances: Mapping[str, Balance], symbol: str) -> Decimal:
    balance = balances.get(symbol.split("/")[0])
    return Decimal(0) if balance is None else balance.total


def _intent_of(executor: Executor, symbol: str, client_id: str) -> Intent | None:
    """Return the ledger's intent whose order has that client id, if any."""
    for intent in reversed(executor.book.ledger.intents(symbol)[-200:]):
        if any(client_order_id(intent.intent_id, n) == client_id for n in range(_ATTEMPTS)):
            return intent
    return None
