"""The life of one order: planned, sent once, and asked for until it is known what became of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot_cripto.errors import ConfigError
from bot_cripto.execution.live.errors import CLOCK, Busy, LiveError, Refused, Unknown, Unresolved
from bot_cripto.execution.live.replies import MARKET, Order, OwnTrade
from bot_cripto.ledger.events import (
    CLOSE,
    FINAL_STATES,
    OPEN,
    PLANNED,
    REJECTED,
    SENDING,
    STOP,
    UNKNOWN,
    WORKING,
    Fill,
    Intent,
    OrderEvent,
    client_order_id,
    event_id,
)
from bot_cripto.secrets import redact
from bot_cripto.timeframes import iso

SETTLE_MS = 1000
"""Milliseconds after the end of a request's window for which an order may still turn up."""

LOOKS = 4
"""How often something that the exchange shows late is looked for in one run."""

_VALID_UNTIL = re.compile(r"valid until (\d{13})")


@dataclass(frozen=True)
class Sent:
    """What became of one attempt: its last event, and what the exchange raised, if anything."""

    event: OrderEvent
    cause: LiveError | None = None


class Orders:
    """Orders of a book on an exchange; it knows nothing of positions.

    Parameters
    ----------
    book : Book
        Ledger and account; every step is committed to it before the next.
    exchange : ExchangeAccount
    sleep : callable
        Waiting, in seconds.
    now_ms : callable
        This machine's time in milliseconds.

    Attributes
    ----------
    last_ms : int or None
        Time of the newest order event, milliseconds; None: there is none.
    """

    def __init__(
        self,
        book: Any,
        exchange: Any,
        *,
        sleep: Callable[[float], object],
        now_ms: Callable[[], int],
    ) -> None:
        self.book, self.exchange = book, exchange
        self._sleep, self._now_ms = sleep, now_ms
        orders = book.ledger.orders().values()
        # all that may be open: the ledger says which are, but reading all of it takes long
        self._candidates = dict.fromkeys(e.client_id for e in orders if e.state not in FINAL_STATES)
        self.last_ms: int | None = max((event.time_ms for event in orders), default=None)

    # --- what the ledger knows -------------------------------------------------------------

    def attempts(self, intent_id: str) -> list[OrderEvent]:
        """Return the last event of each attempt of an intent, in order."""
        found: list[OrderEvent] = []
        while event := self.last_event(client_order_id(intent_id, len(found))):
            found.append(event)
        return found

    def pending(self, symbol: str | None = None) -> list[tuple[OrderEvent, Intent]]:
        """Return the orders that are not final, with their intents, in order of insertion."""
        found = []
        for client_id in self._candidates:
            event = self.last_event(client_id)
            if event is not None and event.state not in FINAL_STATES:
                intent = self.book.ledger.intent(event.intent_id)
                if symbol is None or intent.symbol == symbol:
                    found.append((event, intent))
        return found

    def last_event(self, client_id: str) -> OrderEvent | None:
        """Return where an order stands; None: the ledger does not know it."""
        events: list[OrderEvent] = self.book.ledger.order_events(client_id)
        return events[-1] if events else None

    def note(
        self,
        client_id: str,
        intent: Intent,
        state: str,
        *,
        exchange_id: str | None = None,
        filled: Decimal = Decimal(0),
        detail: str = "",
    ) -> OrderEvent:
        """Write one step into the ledger, unless the same is there already."""
        identity = event_id(client_id, state, filled, exchange_id)
        for known in self.book.ledger.order_events(client_id):
            if known.event_id == identity:
                return known
        event = OrderEvent(
            identity,
            client_id,
            intent.intent_id,
            state,
            self._now_ms(),
            exchange_id,
            filled,
            redact(detail),
        )
        self.book.add(event)
        self._candidates[client_id] = None
        self.last_ms = max(self.last_ms or 0, event.time_ms)
        return event

    def give_up(self, intent: Intent, state: str, detail: str) -> OrderEvent:
        """End an intent without (another) order; one whose last attempt is final stays so."""
        attempts = self.attempts(intent.intent_id)
        if attempts and attempts[-1].state in FINAL_STATES:
            return attempts[-1]
        client_id = client_order_id(intent.intent_id, max(0, len(attempts) - 1))
        return self.note(client_id, intent, state, detail=detail)

    # --- what is done ----------------------------------------------------------------------

    def place(
        self,
        intent: Intent,
        quantity: Decimal,
        *,
        kind: str = MARKET,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        barred: Callable[[], str | None] | None = None,
    ) -> Sent:
        """Send the next attempt of an intent, once, and find out what became of it.

        Where `barred` gives a reason at the last moment the attempt is REJECTED and not sent.

        Raises
        ------
        ConfigError
            Real orders are not allowed; the attempt is REJECTED.
        Unresolved
            It could not be found out; the order stays UNKNOWN for the next run.
        """
        client_id = client_order_id(intent.intent_id, len(self.attempts(intent.intent_id)))
        timestamp = self.exchange.stamp()
        self.note(client_id, intent, PLANNED, detail=f"{kind} {intent.side} {quantity:f}")
        # after this moment of its own clock the exchange refuses the request
        until = timestamp + self.exchange.recv_window_ms
        reason = None if barred is None else barred()
        if reason is not None:
            return Sent(self.note(client_id, intent, REJECTED, detail=reason))
        self.note(client_id, intent, SENDING, detail=f"valid until {until}")
        try:
            order = self.exchange.send_order(
                intent.symbol,
                intent.side,
                quantity,
                client_id,
                timestamp_ms=timestamp,
                kind=kind,
                price=price,
                trigger=trigger,
            )
        except ConfigError as error:
            self.note(client_id, intent, REJECTED, detail=str(error))
            raise
        except (Refused, Busy) as error:
            event = self.note(client_id, intent, REJECTED, detail=str(error))
            if isinstance(error, Refused) and error.kind == CLOCK:
                self.exchange.server_ms()
            return Sent(event, error)
        except Exception as error:  # noqa: BLE001 - the order may have been placed
            text = str(error) if isinstance(error, LiveError) else type(error).__name__
            cause = Unknown(f"{intent.symbol}: {text}")
        else:
            return Sent(self.record(client_id, intent, order))
        self.note(client_id, intent, UNKNOWN, detail=str(cause))
        return Sent(self.resolve(client_id, intent), cause)

    def resolve(self, client_id: str, intent: Intent) -> OrderEvent:
        """Ask the exchange what became of an order, and write it down.

        An order that it does not know is REJECTED once it can no longer come to be: the window of
        its request is over by the exchange's own clock, and neither the order, nor the list of
        orders, nor the account's trades show it then.

        Raises
        ------
        Unresolved
            It cannot be told yet.
        Refused, Busy, Unknown
            The exchange could not be asked.
        """
        order = self.exchange.find_order(client_id, intent.symbol)
        if order is None:
            order = self._search(client_id, intent)
        if order is None:
            detail = "provably not placed: its time is over and the exchange does not know it"
            return self.note(client_id, intent, REJECTED, detail=detail)
        return self.record(client_id, intent, order)

    def cancel(self, client_id: str, intent: Intent) -> OrderEvent:
        """Cancel an order and return its final event: cancelled, or what it became before that.

        Raises
        ------
        Unresolved
            Its end could not be confirmed.
        """
        said = "the exchange does not confirm it"
        for look in range(LOOKS):
            if look:
                self._sleep(0.5 * look)
            else:
                event = self.resolve(client_id, intent)
                if event.state in FINAL_STATES:
                    return event
            try:
                self.exchange.cancel(client_id, intent.symbol)
            except LiveError as error:
                # gone already, or not known: the order itself tells
                said = str(error)
            event = self.resolve(client_id, intent)
            if event.state in FINAL_STATES:
                return event
        raise Unresolved(f"{intent.symbol}: order {client_id} is not cancelled: {said}")

    def record(self, client_id: str, intent: Intent, order: Order) -> OrderEvent:
        """Write down an order as the exchange tells it, with its trades.

        The state becomes final only when the ledger holds all of its trades.

        Raises
        ------
        Unresolved
            The order is another one than was asked for.
        """
        trades: list[OwnTrade] = []
        for look in range(LOOKS):
            if look:
                self._sleep(0.25 * 2**look)
                order = self.exchange.find_order(client_id, intent.symbol) or order
            if (order.client_id, order.side) != (client_id, intent.side):
                raise Unresolved(f"{intent.symbol}: the exchange tells of another order")
            if order.filled > 0:
                trades = self.exchange.order_trades(order.exchange_id, intent.symbol)
            if sum((trade.quantity for trade in trades), Decimal(0)) == order.filled:
                break
        known = sum((trade.quantity for trade in trades), Decimal(0))
        state = order.state if known == order.filled else WORKING
        with self.book.transaction():
            for trade in trades:
                self.add_trade(trade, intent)
            return self.note(client_id, intent, state, exchange_id=order.exchange_id, filled=known)

    def add_trade(self, trade: OwnTrade, intent: Intent) -> bool:
        """Write a trade of an intent's order as a fill; whether it was new."""
        reason = {STOP: "stop", OPEN: "signal"}.get(intent.kind, intent.reason)
        if intent.kind == CLOSE and reason == "protection":
            reason = "stop"
        return bool(
            self.book.add(
                Fill(
                    f"{self.exchange.name}:{trade.symbol}:{trade.trade_id}",
                    intent.intent_id,
                    trade.symbol,
                    trade.side,
                    trade.quantity,
                    trade.price,
                    trade.fee,
                    trade.fee_currency,
                    trade.time_ms,
                    reason,
                )
            )
        )

    # --- inside ----------------------------------------------------------------------------

    def _has_exchange_id(self, client_id: str) -> bool:
        return any(event.exchange_id for event in self.book.ledger.order_events(client_id))

    def _search(self, client_id: str, intent: Intent) -> Order | None:
        """Return an order that shows late, or None where it can no longer come to be."""
        symbol, window = intent.symbol, self.exchange.recv_window_ms
        until = self._valid_until(client_id)
        for _ in range(LOOKS):
            left = until + SETTLE_MS - self.exchange.server_ms()
            if left < 0:
                break
            self._sleep(left / 1000 + 0.05)
        else:
            raise Unresolved(
                f"{symbol}: order {client_id} is not known to the exchange, whose clock has not "
                f"reached {iso(until)} yet"
            )
        for look in range(LOOKS):
            if look:
                self._sleep(0.5)
            order: Order | None = self.exchange.find_order(client_id, symbol)
            if order is not None:
                return order
            since = until - window - 5000
            listed = self.exchange.orders(symbol, since)
            for order in listed:
                if order.client_id == client_id:
                    return order
            shown = {order.exchange_id for order in listed}
            for trade in self.exchange.trades(symbol, since):
                if trade.side != intent.side or trade.order_id in shown:
                    continue
                order = self.exchange.find_by_id(trade.order_id, symbol)
                if order is None:
                    raise Unresolved(
                        f"{symbol}: trade {trade.trade_id} belongs to an order that the exchange "
                        f"does not show; it may be {client_id}"
                    )
                if order.client_id == client_id:
                    return order
        if self._has_exchange_id(client_id):
            raise Unresolved(f"{symbol}: the exchange no longer knows order {client_id}")
        return None

    def _valid_until(self, client_id: str) -> int:
        """Return the exchange's time after which the order's request is refused."""
        last = 0
        for event in self.book.ledger.order_events(client_id):
            if event.state == SENDING and (found := _VALID_UNTIL.search(event.detail)):
                return int(found[1])
            last = event.time_ms
        # no exchange allows a longer window than a minute
        return last + 120_000
