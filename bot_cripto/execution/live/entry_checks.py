"""What has to hold at the moment in which an entry is sent, beside the signal's own gates."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from bot_cripto.execution.live import limits
from bot_cripto.execution.live.check_record import needs_check
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.market_rules import exact
from bot_cripto.ledger.events import BUY, Intent

if TYPE_CHECKING:
    from bot_cripto.execution.live.protocol import Executor


def affordable(executor: Executor, intent: Intent) -> Decimal:
    """Return the quantity of an entry in base currency, cut to what the ledger's cash pays for."""
    rules, settings = executor.rules[intent.symbol], executor.settings
    names = ("fees_bps", "spread_bps", "slippage_bps")
    costs = sum((exact(settings[name]) for name in names), Decimal(0))
    cash = max(executor.book.account.cash, Decimal(0))
    wanted = min(intent.quantity, cash / (intent.reference_price * (1 + costs / 10_000)))
    if rules.max_amount is not None:
        wanted = min(wanted, rules.max_amount)
    return rules.floor_amount(wanted)


def entry_refusal(
    executor: Executor, intent: Intent, quantity: Decimal, valid_until_ms: int | None
) -> str | None:
    """Return why an entry is not sent, or None.

    Parameters
    ----------
    executor : Executor
    intent : Intent
        OPEN.
    quantity : Decimal
        What would be bought, base currency.
    valid_until_ms : int or None
        End of the signal's validity, milliseconds since the epoch, UTC.
    """
    symbol, account, ledger = intent.symbol, executor.book.account, executor.book.ledger
    rules, price, now = executor.rules[symbol], intent.reference_price, executor.now_ms()
    if intent.side != BUY:
        return "a spot market cannot be sold short"
    if valid_until_ms is not None and now >= valid_until_ms:
        return "its signal is no longer valid"
    unchecked = needs_check(ledger, executor.settings)
    if unchecked is not None:
        return unchecked
    mismatches = open_mismatches(ledger)
    if mismatches:
        return f"exchange and ledger do not match: {'; '.join(mismatches.values())}"
    held = account.positions.get(symbol)
    if held is not None and rules.too_small(held.quantity, price) is None:
        return "the symbol is held already"
    if executor.orders.pending(symbol):
        return "an order of the symbol is not settled yet"
    small = rules.too_small(quantity, price)
    if small is None and intent.stop_distance:
        limit = executor.protection.limit(symbol, price * (1 - exact(intent.stop_distance)))
        # the fee may be taken from what is bought
        fee = exact(executor.settings["fees_bps"]) / 10_000
        small = rules.too_small(quantity * (1 - 2 * fee), limit)
        small = None if small is None else f"its protective stop would be too small: {small}"
        if executor.exchange.stop_kind(symbol) is None:
            return "the exchange offers no protective stop for this market"
    if small is not None:
        return small
    return limits.entry_refusal(
        ledger, account, executor.settings, now_ms=now, notional=quantity * price
    )
