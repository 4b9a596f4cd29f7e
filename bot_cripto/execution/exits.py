"""Intents that end positions: at their time, on a wish, or by a protective stop."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext

from bot_cripto.execution.account import LONG, Account, Position
from bot_cripto.execution.market_rules import ARITHMETIC, MarketRules, exact
from bot_cripto.ledger.events import BUY, CLOSE, SELL, STOP, Intent, intent_id

HORIZON, OPPOSITE, TARGET, PROTECTION = "horizon", "opposite", "target", "protection"


def expiries(
    account: Account,
    candle_ms: int,
    *,
    now_ms: int | None = None,
    rules: Mapping[str, MarketRules] | None = None,
) -> tuple[Intent, ...]:
    """Return CLOSE intents of the positions whose time is up at the close of a candle.

    To be asked after the candle's signals have been planned and their intents added: they may
    have renewed a position.

    Parameters
    ----------
    account : Account
    candle_ms : int
        Close of the candle, milliseconds since the epoch, UTC.
    now_ms : int, optional
        When they are made; the close of the candle without it. On paper they fill at the open
        of the candle that opens at `candle_ms`.
    rules : mapping of str to MarketRules, optional
        By symbol: a position too small to be sold there is left alone. Without them, or without
        a price, every position is closed.
    """
    made: list[Intent] = []
    for symbol, position in account.positions.items():
        if position.exit_ms is None or position.exit_ms > candle_ms:
            continue
        name = intent_id(symbol, candle_ms, CLOSE)
        if name in account.intents or waiting_close(account, symbol) is not None:
            continue
        price = account.last_price.get(symbol, position.entry_price)
        if rules is not None and symbol in rules:
            with localcontext(ARITHMETIC):
                if rules[symbol].too_small(position.quantity, price):
                    continue
        made.append(
            closing(
                position,
                HORIZON,
                candle_ms=candle_ms,
                created_ms=candle_ms if now_ms is None else now_ms,
                fill_from_ms=candle_ms,
                price=price,
            )
        )
    return tuple(made)


def closing(
    position: Position,
    reason: str,
    *,
    candle_ms: int,
    created_ms: int,
    fill_from_ms: int,
    price: Decimal,
    revision: int = 0,
) -> Intent:
    """Return the CLOSE intent of a whole position.

    Parameters
    ----------
    reason : str
        ``horizon``, ``opposite``, ``flatten`` or ``target``.
    candle_ms, created_ms, fill_from_ms, price, revision
        As in `Intent`; `price` is its `reference_price`.
    """
    return Intent(
        intent_id=intent_id(position.symbol, candle_ms, CLOSE, reason),
        symbol=position.symbol,
        candle_ms=candle_ms,
        revision=revision,
        kind=CLOSE,
        side=exit_side(position.side),
        quantity=position.quantity,
        reason=reason,
        created_ms=created_ms,
        fill_from_ms=fill_from_ms,
        reference_price=price,
    )


def protective_stop(
    position: Position, opened: Intent, rules: MarketRules, created_ms: int
) -> Intent | None:
    """Return the STOP intent that protects a position, or None when its entry asked for none.

    The trigger is rounded to the tick against us, away from the entry, as `round_price` does.

    Parameters
    ----------
    position : Position
    opened : Intent
        The intent that opened it.
    rules : MarketRules
    created_ms : int
        Time of the fill, milliseconds since the epoch, UTC.
    """
    if not opened.stop_distance:
        return None
    side = exit_side(position.side)
    sign = -1 if position.side == LONG else 1
    with localcontext(ARITHMETIC):
        raw = position.entry_price * (1 + sign * exact(opened.stop_distance))
        trigger = rules.round_price(raw, side)
    return Intent(
        intent_id=intent_id(position.symbol, opened.candle_ms, STOP),
        symbol=position.symbol,
        candle_ms=opened.candle_ms,
        revision=opened.revision,
        kind=STOP,
        side=side,
        quantity=position.quantity,
        reason=PROTECTION,
        created_ms=created_ms,
        fill_from_ms=opened.fill_from_ms,
        reference_price=position.entry_price,
        trigger_price=trigger,
    )


def exit_side(side: str) -> str:
    """Return the side of the order that closes a LONG or SHORT position."""
    return SELL if side == LONG else BUY


def waiting_close(account: Account, symbol: str) -> Intent | None:
    """Return the CLOSE intent that waits for a symbol, if one does."""
    return waiting_intent(account, symbol, CLOSE)


def waiting_intent(account: Account, symbol: str, kind: str) -> Intent | None:
    """Return the first intent of a kind that waits for a symbol, if one does."""
    for intent in account.waiting.values():
        if intent.symbol == symbol and intent.kind == kind:
            return intent
    return None
