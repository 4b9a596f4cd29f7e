"""Closing everything that the ledger holds, at once and on a person's word."""

from __future__ import annotations

from bot_cripto.execution.live.errors import LiveError
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.ledger.events import (
    CLIENT_ID_PREFIX,
    CLOSE,
    FILLED,
    SELL,
    Action,
    Intent,
    action_id,
    intent_id,
)
from bot_cripto.timeframes import last_close


def flatten(executor: Executor, who: str, reason: str = "") -> list[str]:
    """Cancel the open orders of this program and sell what its ledger holds.

    Calling it again, also after the process died in it, goes on where it stopped; with nothing
    to do it does nothing.

    Parameters
    ----------
    executor : Executor
    who, reason : str
        For the record.

    Returns
    -------
    list of str
        What was done, and then what remains (dust, refused orders, what is not known yet), each
        of the latter beginning with ``remains:``.

    Raises
    ------
    ConfigError
        Something is to be sold and real orders are not allowed.
    """
    book, now = executor.book, executor.now_ms()
    book.add(Action(action_id("flatten", now, who, reason), "flatten", now, who, reason))
    said = executor.settle()
    symbols = sorted({*executor.settings["symbols"], *executor.symbols()} & set(executor.rules))
    for symbol in symbols:
        try:
            for event, intent in executor.orders.pending(symbol):
                if intent.kind != CLOSE:
                    executor.cancel(event, intent)
            if executor.held(symbol) > 0:
                said.append(executor.carry_out(_wish(executor, symbol)))
            said += _cancel_unknown(executor, symbol)
        except LiveError as error:
            said.append(f"{symbol}: {error}; call it again")
            executor.failures.append(said[-1])
    return said + _remains(executor, symbols)


def is_finished(executor: Executor) -> bool:
    """Return whether nothing is held that can be sold, and no order is open."""
    positions = executor.book.account.positions
    held = any(
        executor.rules[symbol].too_small(position.quantity, executor.price(symbol)) is None
        for symbol, position in positions.items()
    )
    return not held and not executor.orders.pending()


def _wish(executor: Executor, symbol: str) -> Intent:
    """Return the CLOSE intent to carry out: the same one again until it has been filled."""
    now = executor.now_ms()
    candle_ms = last_close(now, executor.settings["timeframe"])
    position = executor.book.account.positions[symbol]
    first = intent_id(symbol, candle_ms, CLOSE, "flatten")
    identity, number = first, 1
    while True:
        known = executor.book.ledger.intent(identity)
        if known is None:
            break
        attempts = executor.orders.attempts(identity)
        if not attempts or attempts[-1].state != FILLED:
            return known
        number += 1
        identity = f"{first}-{number}"
    return Intent(
        identity,
        symbol,
        candle_ms,
        0,
        CLOSE,
        SELL,
        position.quantity,
        "flatten",
        now,
        now,
        executor.price(symbol),
    )


def _cancel_unknown(executor: Executor, symbol: str) -> list[str]:
    """Cancel open orders with our prefix that the ledger does not know."""
    said = []
    known = executor.orders.last_event
    for order in executor.exchange.open_orders(symbol):
        if order.client_id.startswith(CLIENT_ID_PREFIX) and known(order.client_id) is None:
            executor.exchange.cancel(order.client_id, symbol)
            said.append(f"{symbol}: cancelled order {order.client_id}, which the ledger lacks")
    return said


def _remains(executor: Executor, symbols: list[str]) -> list[str]:
    said = []
    for symbol in symbols:
        position = executor.book.account.positions.get(symbol)
        if position is not None:
            small = executor.rules[symbol].too_small(position.quantity, executor.price(symbol))
            base = symbol.split("/")[0]
            why = f"too small to be sold: {small}" if small else "not sold yet, call it again"
            said.append(f"remains: {position.quantity.normalize():f} {base}, {why}")
    for event, intent in executor.orders.pending():
        said.append(f"remains: {intent.symbol}: order {event.client_id} is {event.state}")
    return said
