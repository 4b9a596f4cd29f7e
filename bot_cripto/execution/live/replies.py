"""Orders, trades and balances as an exchange tells them, checked and exact."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from bot_cripto.execution.live.errors import Unknown
from bot_cripto.ledger.events import CANCELLED, EXPIRED, FILLED, REJECTED, WORKING

MARKET, STOP_LIMIT, STOP_MARKET = "market", "stop_limit", "stop_market"

_STATES = {
    "open": WORKING,
    "canceling": WORKING,
    "closed": FILLED,
    "canceled": CANCELLED,
    "expired": EXPIRED,
    "rejected": REJECTED,
}

PAGE = 1000


@dataclass(frozen=True)
class Order:
    """An order as the exchange tells it.

    Attributes
    ----------
    exchange_id, client_id, symbol, side : str
    state : str
        WORKING, FILLED, CANCELLED, EXPIRED or REJECTED.
    quantity, filled : Decimal
        Base currency: asked for, and filled so far.
    time_ms : int
        When it was placed.
    """

    exchange_id: str
    client_id: str
    symbol: str
    side: str
    state: str
    quantity: Decimal
    filled: Decimal
    time_ms: int


@dataclass(frozen=True)
class OwnTrade:
    """A trade of the account; `fee` is at least 0 and in `fee_currency`."""

    trade_id: str
    order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    time_ms: int


@dataclass(frozen=True)
class Balance:
    """What the account has of a currency: free, and with what is locked in orders."""

    free: Decimal
    total: Decimal


Row = TypeVar("Row", Order, OwnTrade)


def order_of(reply: Any, symbol: str, what: str) -> Order:
    """Return a checked order of ccxt's reply.

    Raises
    ------
    Unknown
        The reply is none: what it was about may have happened.
    """
    row = dict_of(reply)
    info = dict_of(row.get("info"))
    exchange_id, client_id, state = row.get("id"), row.get("clientOrderId"), row.get("status")
    if not exchange_id or not client_id or not state:
        raise Unknown(f"{what}: the reply is no order")
    # the exchange's own text is exact, ccxt's float is not
    filled = info.get("executedQty", row.get("filled"))
    quantity = info.get("origQty", row.get("amount"))
    return Order(
        str(exchange_id),
        str(client_id),
        symbol,
        str(row.get("side")),
        _STATES.get(state, WORKING),
        number_of(quantity),
        number_of(filled),
        int(row.get("timestamp") or 0),
    )


def trade_of(reply: Any, symbol: str, what: str) -> OwnTrade:
    """Return a checked trade of ccxt's reply.

    Raises
    ------
    Unknown
        The reply is none.
    """
    row = dict_of(reply)
    info, fee = dict_of(row.get("info")), dict_of(row.get("fee"))
    if not row.get("id") or not row.get("order") or row.get("side") not in ("buy", "sell"):
        raise Unknown(f"{what}: the reply holds what is no trade")
    cost = number_of(info.get("commission", fee.get("cost") or 0))
    return OwnTrade(
        str(row["id"]),
        str(row["order"]),
        symbol,
        row["side"],
        number_of(info.get("qty", row.get("amount"))),
        number_of(info.get("price", row.get("price"))),
        max(cost, Decimal(0)),
        str(fee.get("currency") or ""),
        int(row.get("timestamp") or 0),
    )


def all_pages(
    page: Callable[[int], list[Row]], since_ms: int, key: Callable[[Row], str]
) -> list[Row]:
    """Return the rows of all pages, each once; a page begins at a time."""
    found: dict[str, Row] = {}
    while True:
        rows = page(since_ms)
        fresh = [row for row in rows if key(row) not in found]
        found.update((key(row), row) for row in fresh)
        if len(rows) < PAGE or not fresh:
            return list(found.values())
        since_ms = max(row.time_ms for row in rows)


def dict_of(value: Any) -> dict[str, Any]:
    """Return the value where it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def number_of(value: Any) -> Decimal:
    """Return an exact number of a text, or of the float that ccxt made of one."""
    try:
        number = Decimal(str(value))
    except decimal.InvalidOperation:
        raise Unknown(f"{value!r} in the reply is no number") from None
    if not number.is_finite():
        raise Unknown(f"{value!r} in the reply is no number")
    return number
