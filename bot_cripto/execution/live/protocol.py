"""Carrying out intents on an exchange so that none is carried out twice and none is forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bot_cripto import clock
from bot_cripto.execution.live.entry_checks import affordable, entry_refusal
from bot_cripto.execution.live.errors import CLOCK, Busy, LiveError, Refused
from bot_cripto.execution.live.orders import Orders, Sent
from bot_cripto.execution.live.protection import Protection
from bot_cripto.execution.market_rules import MarketRules
from bot_cripto.ledger.events import (
    CLOSE,
    EXPIRED,
    EXTEND,
    FINAL_STATES,
    OPEN,
    PLANNED,
    REJECTED,
    Intent,
    OrderEvent,
)

ATTEMPTS = 3
"""Orders that one run sends at most for one intent; the next run goes on with a close."""

POLLS = 3
"""How often an order that is not finished is asked for within a run."""

BUSY_BUDGET_S = 20.0
"""Longest wait that the exchange may ask for within a run."""


class Executor:
    """Carries out intents, and finishes what an earlier process left.

    Every step between two side effects is committed to the ledger first; whatever moment the
    process dies at, `resume` of the next one finds out what happened and goes on.

    Parameters
    ----------
    book : Book
        Of the live ledger.
    exchange : ExchangeAccount
    settings : mapping
        Effective settings.
    rules : mapping of str to MarketRules
        Of every symbol that is traded or held.
    barred : callable
        Returns why no entry may be sent at this moment, or None; asked right before each.
    sleep : callable
        Waiting, in seconds.
    now_ms : callable
        This machine's time in milliseconds.

    Attributes
    ----------
    orders : Orders
        The life of single orders.
    protection : Protection
        The stops of the positions.
    notes : list of str
        What `reconcile` found to be done and did.
    failures : list of str
        What `settle` and `resume` could not do, and left to the next run.
    """

    def __init__(
        self,
        book: Any,
        exchange: Any,
        settings: Mapping[str, Any],
        rules: Mapping[str, MarketRules],
        *,
        barred: Callable[[], str | None] = lambda: None,
        sleep: Callable[[float], object] = time.sleep,
        now_ms: Callable[[], int] = clock.system_ms,
    ) -> None:
        self.book, self.exchange, self.settings, self.rules = book, exchange, settings, rules
        self.sleep, self.now_ms = sleep, now_ms
        self.barred = barred
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.orders = Orders(book, exchange, sleep=sleep, now_ms=now_ms)
        self.protection = Protection(self)

    # --- what a session calls --------------------------------------------------------------

    def carry_out(self, intent: Intent, *, valid_until_ms: int | None = None) -> str:
        """Do what an intent asks for, as far as it is not done yet; return what became of it.

        Parameters
        ----------
        intent : Intent
            It is persisted here, before anything else. Where the ledger holds one of that id,
            that one counts.
        valid_until_ms : int, optional
            End of the signal's validity, for OPEN: after it no entry is sent.

        Returns
        -------
        str
            One sentence.

        Raises
        ------
        ConfigError
            Real orders are not allowed; nothing was sent.
        LiveError
            What became of an order could not be found out, or the exchange could not be asked;
            the next run goes on from here.
        """
        known = self.book.ledger.intent(intent.intent_id)
        if known is None:
            self.book.add(intent)
        else:
            intent = known
        if intent.kind == OPEN:
            return self._enter(intent, valid_until_ms)
        if intent.kind == CLOSE:
            return self.close(intent)
        if intent.kind == EXTEND:
            return f"{intent.symbol}: held until its new end"
        return self.protect(intent.symbol) or f"{intent.symbol}: its stop stands"

    def resume(self) -> list[str]:
        """Finish whatever an earlier process left: orders, closes, protective stops.

        An entry that was never sent expires; the rest of one that filled in part is cancelled.

        Returns
        -------
        list of str
            What was done, and what has to wait for the next run; empty when there was nothing.

        Raises
        ------
        ConfigError
            An order is needed and real orders are not allowed.
        """
        said = self.settle()
        for symbol in self.symbols():
            try:
                for intent in self._unfinished_closes(symbol):
                    said.append(self.close(intent))
                text = self.protect(symbol)
                if text:
                    said.append(text)
            except LiveError as error:
                said.append(f"{symbol}: goes on in the next run: {error}")
                self.failures.append(said[-1])
        return said

    def settle(self) -> list[str]:
        """Ask for every order that is not final; what cannot be told is said."""
        said: list[str] = []
        for intent in self.book.account.waiting.values():
            if intent.kind == OPEN and not self.orders.attempts(intent.intent_id):
                self.orders.give_up(intent, EXPIRED, "not sent before the process ended")
        for event, intent in self.orders.pending():
            try:
                said += self._settle_one(event, intent)
            except LiveError as error:
                said.append(f"{intent.symbol}: order {event.client_id}: {error}")
                self.failures.append(said[-1])
        return said

    def protect(self, symbol: str) -> str | None:
        """Make the exchange hold a stop for what is held, and for no more; what was done, if any.

        Raises
        ------
        ConfigError, LiveError
            As for `carry_out`.
        """
        return self.protection.protect(symbol)

    def close(self, intent: Intent) -> str:
        """Cancel the symbol's orders, then sell what the ledger still holds; see `carry_out`."""
        symbol = intent.symbol
        for event, other in self.orders.pending(symbol):
            if other.kind != CLOSE or event.state == PLANNED:
                self.cancel(event, other)
                continue
            after = self._poll(event, other)
            if after.state not in FINAL_STATES:
                return f"{symbol}: a sell order is still working; the next run asks again"
        said = self._sell(intent)
        left = self.protection.protect(symbol, may_close=False)
        return f"{said}; {left}" if left else said

    # --- shared with the parts --------------------------------------------------------------

    def symbols(self) -> list[str]:
        """Return the symbols that are held or have orders, in a fixed order."""
        held = set(self.book.account.positions)
        return sorted(held | {intent.symbol for _, intent in self.orders.pending()})

    def held(self, symbol: str) -> Decimal:
        """Return what the ledger holds of a symbol, in the market's steps."""
        position = self.book.account.positions.get(symbol)
        return (
            Decimal(0) if position is None else self.rules[symbol].floor_amount(position.quantity)
        )

    def price(self, symbol: str) -> Decimal:
        """Return the last known price, or else that of the entry; only for rough checks."""
        position = self.book.account.positions.get(symbol)
        known: Decimal | None = self.book.account.last_price.get(symbol)
        if known is None and position is not None:
            known = position.entry_price
        return Decimal(0) if known is None else known

    def free(self, symbol: str, wanted: Decimal) -> Decimal:
        """Return the free balance of the base currency; one that lags is asked for again."""
        base = symbol.split("/")[0]
        free = Decimal(0)
        for look in range(POLLS):
            if look:
                self.sleep(0.5)
            balance = self.exchange.balances().get(base)
            free = Decimal(0) if balance is None else balance.free
            if free >= wanted:
                break
        return free

    def send(
        self, intent: Intent, quantity: Decimal, until_ms: int | None = None, **order: Any
    ) -> Sent:
        """Send an order, and again where it was certainly not placed and may be next time.

        `until_ms` is the moment after which nothing more is sent.
        """
        unknown = 0
        barred = self.barred if intent.kind == OPEN else None
        for attempt in range(ATTEMPTS):
            sent = self.orders.place(intent, quantity, barred=barred, **order)
            if sent.event.state != REJECTED or attempt + 1 == ATTEMPTS:
                break
            cause, wait = sent.cause, 0.0
            if isinstance(cause, Busy):
                wait = 1.0 if cause.retry_after_s is None else cause.retry_after_s
                if wait > BUSY_BUDGET_S:
                    break
            elif isinstance(cause, Refused):
                if cause.kind != CLOCK:
                    break
            elif cause is None:
                break
            else:
                unknown += 1
                if unknown > 1:
                    break
            if until_ms is not None and self.now_ms() + wait * 1000 >= until_ms:
                break
            self.sleep(wait)
        return sent

    def cancel(self, event: OrderEvent, intent: Intent) -> OrderEvent:
        """End an order; one that was planned and never sent needs no asking."""
        if event.state == PLANNED:
            detail = "not sent before the process ended"
            return self.orders.note(event.client_id, intent, EXPIRED, detail=detail)
        return self.orders.cancel(event.client_id, intent)

    # --- inside ----------------------------------------------------------------------------

    def _enter(self, intent: Intent, valid_until_ms: int | None) -> str:
        symbol, orders = intent.symbol, self.orders
        attempts = orders.attempts(intent.intent_id)
        if attempts and attempts[-1].state in FINAL_STATES:
            return f"{symbol}: this entry was dealt with before ({attempts[-1].state})"
        if attempts and attempts[-1].state != PLANNED:
            event = self._poll(attempts[-1], intent)
        else:
            # the clock is asked for first: nothing slow may come between the checks and the order
            self.exchange.stamp()
            quantity = affordable(self, intent)
            reason = entry_refusal(self, intent, quantity, valid_until_ms)
            if reason is not None:
                orders.give_up(intent, REJECTED, reason)
                return f"{symbol}: no entry: {reason}"
            event = self._poll(self.send(intent, quantity, valid_until_ms).event, intent)
        try:
            if event.state not in FINAL_STATES:
                event = self.cancel(event, intent)
        finally:
            # whatever part was bought needs its stop, also where the rest is not cancelled
            stop = self.protect(symbol)
        if not event.filled:
            return f"{symbol}: no entry: {event.state}, {event.detail or 'nothing was filled'}"
        return f"{symbol}: bought {event.filled:f}" + (f"; {stop}" if stop else "")

    def _sell(self, intent: Intent) -> str:
        symbol = intent.symbol
        for attempt in range(ATTEMPTS):
            held = self.held(symbol)
            if held <= 0:
                self.orders.give_up(intent, EXPIRED, "nothing is held any more")
                return f"{symbol}: nothing left to close" if not attempt else f"{symbol}: closed"
            quantity = min(held, self.rules[symbol].floor_amount(self.free(symbol, held)))
            most = self.rules[symbol].max_amount
            quantity = quantity if most is None else min(quantity, most)
            small = self.rules[symbol].too_small(quantity, self.price(symbol))
            if small is not None:
                self.orders.give_up(intent, EXPIRED, small)
                return f"{symbol}: cannot be sold: {small}" if not attempt else f"{symbol}: closed"
            event = self._poll(self.send(intent, quantity).event, intent)
            if event.state not in FINAL_STATES:
                return f"{symbol}: sold {event.filled:f}, the rest is working"
            if event.state == REJECTED:
                return f"{symbol}: the close was refused, the next run tries again: {event.detail}"
        if self.rules[symbol].too_small(self.held(symbol), self.price(symbol)) is not None:
            return f"{symbol}: closed"
        return f"{symbol}: closed in part, the next run goes on"

    def _poll(self, event: OrderEvent, intent: Intent) -> OrderEvent:
        for look in range(POLLS):
            if event.state in FINAL_STATES:
                break
            if look:
                self.sleep(1.0)
            event = self.orders.resolve(event.client_id, intent)
        return event

    def _settle_one(self, event: OrderEvent, intent: Intent) -> list[str]:
        if event.state == PLANNED:
            self.cancel(event, intent)
            return []
        if intent.kind == OPEN:
            after = self.cancel(event, intent)
        else:
            after = self.orders.resolve(event.client_id, intent)
        if (after.state, after.filled) == (event.state, event.filled):
            return []
        what = f"{intent.symbol}: {intent.kind} order {event.client_id} is {after.state}"
        return [f"{what}, {after.filled:f} filled" if after.filled else what]

    def _unfinished_closes(self, symbol: str) -> list[Intent]:
        """Return the last CLOSE intent of the position, if it has not been carried out."""
        account = self.book.account
        position = account.positions.get(symbol)
        if position is None or self.held(symbol) <= 0:
            return []
        opened = account.intents[position.intent_id]
        found = [
            intent
            for intent in self.book.ledger.intents(symbol)
            if intent.kind == CLOSE
            and (intent.candle_ms, intent.created_ms) >= (opened.candle_ms, opened.created_ms)
        ]
        if not found:
            return []
        small = self.rules[symbol].too_small(self.held(symbol), self.price(symbol))
        return [] if small is not None else found[-1:]
