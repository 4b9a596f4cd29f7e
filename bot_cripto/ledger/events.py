"""What a ledger is made of: immutable entries, each with an id that says what it is.

Quantities, prices and money are `decimal.Decimal`; times are milliseconds since the epoch, UTC.
The same entry has the same id whenever it is made, so that writing it again changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import candle_id

OPEN, CLOSE, STOP, EXTEND = "open", "close", "stop", "extend"
INTENT_KINDS = (OPEN, CLOSE, STOP, EXTEND)

BUY, SELL = "buy", "sell"

PLANNED, SENDING, UNKNOWN, WORKING = "planned", "sending", "unknown", "working"
FILLED, CANCELLED, REJECTED, EXPIRED = "filled", "cancelled", "rejected", "expired"
ORDER_STATES = (PLANNED, SENDING, UNKNOWN, WORKING, FILLED, CANCELLED, REJECTED, EXPIRED)
FINAL_STATES = frozenset({FILLED, CANCELLED, REJECTED, EXPIRED})

CLIENT_ID_PREFIX = "bc-"
"""Begins every client order id of this program, so that its orders are told from a person's."""


@dataclass(frozen=True)
class Intent:
    """What the bot wants done, persisted before anything is done about it.

    Attributes
    ----------
    intent_id : str
        From `intent_id`.
    symbol : str
    candle_ms : int
        Close time of the candle whose signal asked for it; for a protective stop the one of the
        entry that it protects.
    revision : int
        Revision of that signal.
    kind : str
        OPEN, CLOSE, STOP (protective, stays with the exchange) or EXTEND (no order: the position
        is held until the new `exit_ms`).
    side : str
        BUY or SELL; for EXTEND the side of the position's entry.
    quantity : Decimal
        In the base currency, above 0.
    reason : str
        Why: ``signal``, ``horizon``, ``opposite``, ``flatten``, ``target`` or ``protection``.
    created_ms : int
        When it was made.
    fill_from_ms : int
        Open time of the first candle at whose open paper may fill it.
    reference_price : Decimal
        Price that the quantity was computed with: the close of the candle.
    stop_distance, target_distance : float or None
        Distance of stop and target from the entry price (decimal return); OPEN only. None: none.
    exit_ms : int or None
        Close time of the candle at which the position ends; OPEN and EXTEND only.
    trigger_price : Decimal or None
        Where a protective stop triggers; STOP only.
    """

    intent_id: str
    symbol: str
    candle_ms: int
    revision: int
    kind: str
    side: str
    quantity: Decimal
    reason: str
    created_ms: int
    fill_from_ms: int
    reference_price: Decimal
    stop_distance: float | None = None
    target_distance: float | None = None
    exit_ms: int | None = None
    trigger_price: Decimal | None = None


@dataclass(frozen=True)
class OrderEvent:
    """One step in the life of an order; the last one is its present state.

    Attributes
    ----------
    event_id : str
        From `event_id`.
    client_id : str
        The client order id, from `client_order_id`.
    intent_id : str
    state : str
        One of `ORDER_STATES`.
    time_ms : int
        When this became known.
    exchange_id : str or None
        The exchange's own id, once it is known.
    filled : Decimal
        Quantity filled so far, in the base currency.
    detail : str
        What the exchange said, free of secrets; empty when nothing.
    """

    event_id: str
    client_id: str
    intent_id: str
    state: str
    time_ms: int
    exchange_id: str | None = None
    filled: Decimal = Decimal(0)
    detail: str = ""


@dataclass(frozen=True)
class Fill:
    """A trade that happened.

    Attributes
    ----------
    fill_id : str
        The exchange's trade id with its name and symbol, or from `paper_fill_id`.
    intent_id : str
    symbol, side : str
    quantity, price : Decimal
        Base currency; quote currency for one unit of base.
    fee : Decimal
        At least 0, in `fee_currency`.
    fee_currency : str
    time_ms : int
        When it happened: on paper the open time of the candle, or its close time for a stop or
        target that was hit inside it.
    reason : str
        ``signal``, ``horizon``, ``opposite``, ``flatten``, ``stop`` or ``target``.
    """

    fill_id: str
    intent_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    time_ms: int
    reason: str


@dataclass(frozen=True)
class Funding:
    """What a position paid for being held at a funding time.

    Attributes
    ----------
    funding_id : str
        From `funding_id`.
    symbol : str
    time_ms : int
        The funding time.
    quantity : Decimal
        What was held, base currency, above 0.
    price : Decimal
        Last known price at that time, quote currency for one unit of base.
    amount : Decimal
        What was taken from cash, quote currency, at least 0.
    """

    funding_id: str
    symbol: str
    time_ms: int
    quantity: Decimal
    price: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Action:
    """Something that a person or the bot did beside trading, e.g. kill, pause, live check.

    Attributes
    ----------
    action_id : str
        From `action_id`.
    kind : str
        e.g. ``kill``, ``release``, ``pause``, ``resume``, ``flatten``, ``live_check``,
        ``mismatch``, ``resolved``, ``blocked``, ``restored``.
    time_ms : int
    who : str
        Login name, ``telegram:CHAT`` or ``bot-cripto``.
    reason : str
        One line, free of secrets.
    data : dict
        JSON values.
    """

    action_id: str
    kind: str
    time_ms: int
    who: str
    reason: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """Equity marked to market at the close of a candle.

    Attributes
    ----------
    candle_ms : int
        Close time of the candle.
    equity, cash : Decimal
        In the quote currency.
    exposure : Decimal
        Sum of the absolute notional of the positions, in the quote currency.
    """

    candle_ms: int
    equity: Decimal
    cash: Decimal
    exposure: Decimal


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def intent_id(symbol: str, candle_ms: int, kind: str, reason: str = "") -> str:
    """Return the id of an intent: one for each symbol, candle and kind, whatever the revision.

    `reason` is part of it for CLOSE alone, and only ``flatten``: a person's wish is another
    intent than the signal's.
    """
    apart = "-flatten" if reason == "flatten" else ""
    return f"{symbol_to_path(symbol)}-{candle_id(candle_ms)}-{kind}{apart}"


def client_order_id(intent: str, attempt: int = 0) -> str:
    """Return the client order id of an intent's order: 29 characters that exchanges accept.

    Another attempt (after the exchange has finally refused one) is another order.
    """
    return CLIENT_ID_PREFIX + _digest("order", intent, attempt)[:26]


def event_id(client_id: str, state: str, filled: Decimal, exchange_id: str | None) -> str:
    """Return the id of an order event: the same news is written once."""
    return _digest("event", client_id, state, f"{filled.normalize():f}", exchange_id)[:32]


def paper_fill_id(intent: str, open_ms: int, reason: str) -> str:
    """Return the id of a fill on paper."""
    return f"paper-{_digest('fill', intent, open_ms, reason)[:26]}"


def funding_id(symbol: str, time_ms: int) -> str:
    """Return the id of a funding payment: one for each symbol and funding time."""
    return f"{symbol_to_path(symbol)}-{candle_id(time_ms)}-funding"


def action_id(kind: str, time_ms: int, who: str, reason: str) -> str:
    """Return the id of an action."""
    return _digest("action", kind, time_ms, who, reason)[:32]
