"""The protective stop: with the exchange as soon as anything is held, and for exactly that."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from bot_cripto.execution.exits import protective_stop
from bot_cripto.execution.live import errors as kinds
from bot_cripto.execution.live.errors import Refused, Unresolved
from bot_cripto.execution.live.replies import STOP_LIMIT
from bot_cripto.execution.market_rules import exact
from bot_cripto.ledger.events import (
    CLOSE,
    FILLED,
    FINAL_STATES,
    REJECTED,
    SELL,
    STOP,
    WORKING,
    Intent,
    OrderEvent,
    intent_id,
)

if TYPE_CHECKING:
    from bot_cripto.execution.account import Position
    from bot_cripto.execution.live.protocol import Executor


class Protection:
    """Keeps one stop order for each position of an executor's book."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def limit(self, symbol: str, trigger: Decimal) -> Decimal:
        """Return the lowest price at which a stop with that trigger may sell, on the tick."""
        below = exact(self._executor.settings["live_stop_limit_bps"]) / 10_000
        return self._executor.rules[symbol].round_price(trigger * (1 - below), SELL)

    def protect(self, symbol: str, *, may_close: bool = True) -> str | None:
        """Place, replace or cancel the stop as the position asks for; what was done, if any.

        While a close is under way, or what became of one is not known, nothing is done. A position
        whose stop the exchange refuses, or which has fallen below the limit of its stop, is
        closed, unless `may_close` is False.

        Raises
        ------
        ConfigError
            Real orders are not allowed.
        LiveError
            The exchange could not be asked or did not decide.
        """
        executor = self._executor
        pending = executor.orders.pending(symbol)
        if any(intent.kind == CLOSE for _, intent in pending):
            return None
        stops = [(event, intent) for event, intent in pending if intent.kind == STOP]
        position = executor.book.account.positions.get(symbol)
        wanted = self._wanted(symbol, position, stops)
        if wanted is not None and self._stands(stops, wanted):
            last = executor.book.account.last_price.get(symbol)
            if last is None or last >= wanted[2] or position is None or not may_close:
                return None
            said = f"{symbol}: {last:f} is below the limit of its stop, so it is closed"
            closed = executor.carry_out(self._emergency(symbol, position, stops[0][1]))
            return f"{said}; {closed}"
        for event, intent in stops:
            executor.cancel(event, intent)
        position = executor.book.account.positions.get(symbol)
        wanted = self._wanted(symbol, position, [])
        if wanted is None or position is None:
            if position is None or not self._has_stop(position):
                return None
            small = executor.rules[symbol].too_small(position.quantity, executor.price(symbol))
            return None if small is None else f"{symbol}: without a stop, as dust: {small}"
        return self._place(symbol, position, *wanted, may_close=may_close)

    def _has_stop(self, position: Position) -> bool:
        return bool(self._executor.book.account.intents[position.intent_id].stop_distance)

    def _wanted(
        self, symbol: str, position: Position | None, stops: list[tuple[OrderEvent, Intent]]
    ) -> tuple[Decimal, Decimal, Decimal] | None:
        """Return quantity, trigger and limit of the stop that the position needs; None: none."""
        executor = self._executor
        if position is None:
            return None
        rules = executor.rules[symbol]
        opened = executor.book.account.intents[position.intent_id]
        stop = protective_stop(position, opened, rules, executor.now_ms())
        if stop is None or stop.trigger_price is None:
            return None
        trigger, limit = stop.trigger_price, self.limit(symbol, stop.trigger_price)
        quantity = rules.floor_amount(position.quantity)
        if rules.max_amount is not None:
            quantity = min(quantity, rules.max_amount)
        if stops and self._stands(stops, (quantity, trigger, limit)):
            return quantity, trigger, limit
        # of what a person has sold or locked there is nothing to protect
        locked = sum((intent.quantity - event.filled for event, intent in stops), Decimal(0))
        if quantity > locked:
            free = executor.free(symbol, quantity - locked)
            quantity = min(quantity, rules.floor_amount(free + locked))
        if rules.too_small(quantity, limit) is not None:
            return None
        return quantity, trigger, limit

    def _stands(
        self, stops: list[tuple[OrderEvent, Intent]], wanted: tuple[Decimal, Decimal, Decimal]
    ) -> bool:
        if len(stops) != 1:
            return False
        event, intent = stops[0]
        left = intent.quantity - event.filled
        return event.state == WORKING and (left, intent.trigger_price) == wanted[:2]

    def _place(
        self,
        symbol: str,
        position: Position,
        quantity: Decimal,
        trigger: Decimal,
        limit: Decimal,
        *,
        may_close: bool,
    ) -> str:
        executor = self._executor
        kind = executor.exchange.stop_kind(symbol)
        intent = self._intent(symbol, position, quantity, trigger)
        executor.book.add(intent)
        price = limit if kind == STOP_LIMIT else None
        sent = executor.send(intent, quantity, kind=kind, price=price, trigger=trigger)
        if sent.event.state == WORKING:
            return f"{symbol}: a stop for {quantity:f} stands at {trigger:f}"
        if sent.event.state == FILLED:
            return f"{symbol}: its stop sold {quantity:f} at once"
        refused = isinstance(sent.cause, Refused) and sent.cause.kind == kinds.REJECTED
        if sent.event.state != REJECTED or not refused:
            raise Unresolved(f"{symbol}: no protective stop yet: {sent.event.detail}")
        if not may_close:
            return f"{symbol}: without a stop, it was refused: {sent.event.detail}"
        # beyond its trigger already, or never to be had: the position is not left without one
        said = f"{symbol}: its stop was refused ({sent.event.detail}), so it is closed"
        return f"{said}; {executor.carry_out(self._emergency(symbol, position, intent))}"

    def _intent(
        self, symbol: str, position: Position, quantity: Decimal, trigger: Decimal
    ) -> Intent:
        """Return the next STOP intent of a position: the last again where it was never sent."""
        executor = self._executor
        before = [
            intent
            for intent in executor.book.ledger.intents(symbol)
            if intent.kind == STOP and intent.candle_ms == position.entry_candle_ms
        ]
        if before and (before[-1].quantity, before[-1].trigger_price) == (quantity, trigger):
            attempts = executor.orders.attempts(before[-1].intent_id)
            if not attempts or attempts[-1].state in FINAL_STATES:
                return before[-1]
        identity = intent_id(symbol, position.entry_candle_ms, STOP)
        if before:
            identity = f"{identity}-{len(before) + 1}"
        return self._new(identity, symbol, position, STOP, quantity, trigger)

    def _emergency(self, symbol: str, position: Position, stop: Intent) -> Intent:
        return self._new(
            f"{stop.intent_id}-close", symbol, position, CLOSE, position.quantity, None
        )

    def _new(
        self,
        identity: str,
        symbol: str,
        position: Position,
        kind: str,
        quantity: Decimal,
        trigger: Decimal | None,
    ) -> Intent:
        now = self._executor.now_ms()
        opened = self._executor.book.account.intents[position.intent_id]
        return Intent(
            identity,
            symbol,
            position.entry_candle_ms,
            opened.revision,
            kind,
            SELL,
            quantity,
            "protection",
            now,
            now,
            position.entry_price,
            trigger_price=trigger,
        )
