"""Limits of live trading that block entries, and nothing else: orders, notional and loss a day."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot_cripto.execution.market_rules import exact
from bot_cripto.ledger.events import SENDING, STOP
from bot_cripto.timeframes import DAY_MS


def orders_of_day(ledger: Any, now_ms: int) -> tuple[int, Decimal]:
    """Return how many orders were sent since 00:00 UTC, and their notional.

    Returns
    -------
    tuple of int and Decimal
        Every request counts, protective stops too; the notional (quote currency, at the prices
        that the quantities were computed with) is of entries and closes, as a stop trades only
        when it triggers.
    """
    start = now_ms // DAY_MS * DAY_MS
    count, notional = 0, Decimal(0)
    for event in ledger.order_events():
        if event.state == SENDING and start <= event.time_ms < start + DAY_MS:
            intent = ledger.intent(event.intent_id)
            count += 1
            if intent is not None and intent.kind != STOP:
                notional += intent.quantity * intent.reference_price
    return count, notional


def day_start_equity(ledger: Any, initial_equity: Decimal, now_ms: int) -> Decimal:
    """Return the equity at the last mark up to 00:00 UTC; without one what it began with."""
    start, equity = now_ms // DAY_MS * DAY_MS, initial_equity
    for mark in ledger.marks():
        if mark.candle_ms > start:
            break
        equity = mark.equity
    return equity


def entry_refusal(
    ledger: Any,
    account: Any,
    settings: Mapping[str, Any],
    *,
    now_ms: int,
    notional: Decimal,
    prices: Mapping[str, Decimal] | None = None,
) -> str | None:
    """Return why the limits allow no entry of that notional now, or None.

    Parameters
    ----------
    ledger : Ledger
    account : Account
    settings : mapping
        ``live_max_orders_per_day``, ``live_max_notional_per_day``, ``live_max_daily_loss``.
    now_ms : int
    notional : Decimal
        Of the entry, in the quote currency.
    prices : mapping of str to Decimal, optional
        Last prices; a position whose price is missing counts at its entry price.
    """
    count, spent = orders_of_day(ledger, now_ms)
    # an entry needs its protective stop and its close as well
    most = settings["live_max_orders_per_day"]
    if count + 3 > most:
        return (
            f"{count} orders were sent today; with the entry, its stop and its close it would be "
            f"more than LIVE_MAX_ORDERS_PER_DAY={most}"
        )
    greatest = exact(settings["live_max_notional_per_day"])
    if spent + notional > greatest:
        return (
            f"orders of {spent:.2f} were sent today; with {notional:.2f} more it would be above "
            f"LIVE_MAX_NOTIONAL_PER_DAY={greatest:f}"
        )
    start = day_start_equity(ledger, account.initial_equity, now_ms)
    known = dict(account.last_price if prices is None else prices)
    for symbol, position in account.positions.items():
        known.setdefault(symbol, position.entry_price)
    loss = (start - account.equity(known)) / start if start > 0 else Decimal(1)
    worst = exact(settings["live_max_daily_loss"])
    if loss >= worst:
        return f"today's loss of {loss:.2%} has reached LIVE_MAX_DAILY_LOSS={worst:.2%}"
    return None
