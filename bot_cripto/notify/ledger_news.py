"""Messages that a ledger gives: entries, exits, refused orders, what people and the bot did."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot_cripto.execution.account import Account, Position, Trade
from bot_cripto.ledger.events import (
    OPEN,
    REJECTED,
    Action,
    Fill,
    Funding,
    Intent,
    OrderEvent,
)
from bot_cripto.ledger.store import CHAINED, Ledger
from bot_cripto.notify import repeats, texts
from bot_cripto.notify.outbox import Message

TOLD_ACTIONS = {
    "kill": ("killed", True),
    "release": ("killed", False),
    "pause": ("paused", True),
    "resume": ("paused", False),
    "mismatch": ("ledger", True),
    "resolved": ("ledger", False),
}
"""Actions that say of a gate, ahead of the next signal, whether it fails."""

DUST = Decimal("0.02")
"""Part of a position below which what is left counts as nothing: fees in the base currency."""

FORGET_MS = 2 * repeats.REPEAT_MS

State = dict[str, Any]


def read(
    ledger: Ledger,
    state: State | None,
    *,
    key: str,
    mode: str,
    since_ms: int,
    now_ms: int,
    settings: dict[str, Any],
) -> tuple[list[Message], State]:
    """Return the messages of what was written since, and the new state.

    Parameters
    ----------
    ledger : Ledger
        Open for reading.
    state : dict or None
        As returned before, JSON values; None begins with what happened since `since_ms`.
    key : str
        Of the layout and the account: part of the messages' keys.
    mode : str
        What the messages say first.
    since_ms, now_ms : int
        Milliseconds since the epoch, UTC.
    settings : dict
        Effective settings.

    Raises
    ------
    LedgerError
        The ledger is damaged.
    BusyError
        It is being written; the next time will do.
    """
    found = [] if state is None else _after(ledger, state["row"] - 1)
    # a ledger that does not hold the row seen last is another one
    if state is None or (state["row"] and (not found or found[0][0] != state["row"])):
        state, found = _begun(ledger, since_ms if state is None else now_ms)
    state = {
        "row": state["row"],
        "refused": {what: dict(known) for what, known in state["refused"].items()},
        "switched": list(state["switched"]),
    }
    found = [(row, entry) for row, entry in found if row > state["row"]]
    messages: list[Message] = []
    fills = [entry for _, entry in found if isinstance(entry, Fill)]
    if fills:
        account = Account.load(ledger, settings)
        messages += _entries(account, fills, key, mode, settings["language"])
        messages += _exits(account, fills, key, mode, settings["language"])
    repeats.forget_old(state["refused"], now_ms, FORGET_MS)
    for row, entry in found:
        state["row"] = row
        if isinstance(entry, Action):
            _switch(state, entry)
            text = texts.action(mode, entry, settings["language"])
            # one action may stand in several ledgers
            name = f"action:{entry.action_id}"
            messages.append(Message(name, "action", entry.time_ms, text))
        elif isinstance(entry, OrderEvent) and entry.state == REJECTED:
            messages += _refusal(ledger, state, entry, key, mode, settings["language"])
    return sorted(messages, key=lambda message: message.time_ms), state


def _after(ledger: Ledger, row: int) -> list[tuple[int, Any]]:
    seen = dict.fromkeys(CHAINED, row)
    return [(number, entry) for _, number, entry in ledger.entries_after(seen)]


def _begun(ledger: Ledger, since_ms: int) -> tuple[State, list[tuple[int, Any]]]:
    """Return the state before the first entry of `since_ms` or later, and what is there."""
    state: State = {"row": 0, "refused": {}, "switched": []}
    found = _after(ledger, 0)
    for row, entry in found:
        if _time(entry) >= since_ms:
            break
        state["row"] = row
        if isinstance(entry, Action):
            _switch(state, entry)
    return state, found


def _time(entry: Intent | OrderEvent | Fill | Funding | Action) -> int:
    return entry.created_ms if isinstance(entry, Intent) else entry.time_ms


def _switch(state: State, action: Action) -> None:
    gate, on = TOLD_ACTIONS.get(action.kind, ("", False))
    if gate:
        others = [other for other in state["switched"] if other != gate]
        state["switched"] = [*others, gate] if on else others


def _entries(
    account: Account, fills: list[Fill], key: str, mode: str, language: str
) -> list[Message]:
    """Return a message for each intent that opened something, of all its fills so far."""
    last: dict[str, Fill] = {}
    for fill in fills:
        if account.intents[fill.intent_id].kind == OPEN:
            last[fill.intent_id] = fill
    messages = []
    for intent, fill in last.items():
        position = account.positions.get(fill.symbol)
        if position is None or position.intent_id != intent:
            position = _past(account, intent, fills)
        if position is not None:
            text = texts.entry(mode, fill.symbol, position, language)
            name = f"entry:{key}:{fill.fill_id}"
            messages.append(Message(name, "entry", fill.time_ms, text))
    return messages


def _past(account: Account, intent: str, fills: list[Fill]) -> Position | None:
    """Return a position that has been left again, as its trades tell of it."""
    trade = _whole(account, intent)
    if trade is None:
        return None
    return Position(
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        entry_ms=trade.entry_ms,
        entry_candle_ms=account.intents[intent].candle_ms,
        stop_price=None,
        target_price=None,
        exit_ms=None,
        fees=sum((_fee(fill) for fill in fills if fill.intent_id == intent), Decimal(0)),
        intent_id=intent,
    )


def _fee(fill: Fill) -> Decimal:
    """Return the fee of a fill in the quote currency."""
    base, quote = texts.currencies(fill.symbol)
    return {base: fill.fee * fill.price, quote: fill.fee}.get(fill.fee_currency, Decimal(0))


def _exits(
    account: Account, fills: list[Fill], key: str, mode: str, language: str
) -> list[Message]:
    """Return a message for each position that was left, with its whole result, or in part."""
    closing = {
        (fill.symbol, fill.time_ms): fill
        for fill in fills
        if account.intents[fill.intent_id].kind != OPEN
    }
    last: dict[str, Trade] = {}
    for trade in account.trades:
        if (trade.symbol, trade.exit_ms) in closing:
            last[trade.intent_id] = trade
    messages = []
    for intent, trade in last.items():
        fill = closing[trade.symbol, trade.exit_ms]
        if _is_held(account, intent, trade.symbol):
            text = texts.part(mode, trade.symbol, fill.side, fill.price, trade.quantity, language)
        else:
            text = texts.exited(mode, _whole(account, intent) or trade, language)
        name = f"exit:{key}:{fill.fill_id}"
        messages.append(Message(name, "exit", trade.exit_ms, text))
    return messages


def _is_held(account: Account, intent: str, symbol: str) -> bool:
    """Whether more is left of a position than dust, which no market takes."""
    held, whole = account.positions.get(symbol), _whole(account, intent)
    if held is None or held.intent_id != intent:
        return False
    return whole is None or held.quantity > whole.quantity * DUST


def _whole(account: Account, intent: str) -> Trade | None:
    """Return all trades of a position as one, or None without any."""
    trades = [trade for trade in account.trades if trade.intent_id == intent]
    if len(trades) < 2:
        return trades[0] if trades else None
    nothing = Decimal(0)
    quantity = sum((trade.quantity for trade in trades), nothing)
    spent = sum((trade.exit_price * trade.quantity for trade in trades), nothing)
    return replace(
        trades[-1],
        quantity=quantity,
        exit_price=spent / quantity,
        gross=sum((trade.gross for trade in trades), nothing),
        fees=sum((trade.fees for trade in trades), nothing),
        funding=sum((trade.funding for trade in trades), nothing),
        net=sum((trade.net for trade in trades), nothing),
        net_fraction=sum(trade.net_fraction for trade in trades),
    )


def _refusal(
    ledger: Ledger, state: State, event: OrderEvent, key: str, mode: str, language: str
) -> list[Message]:
    intent = ledger.intent(event.intent_id)
    symbol = intent.symbol if intent else "?"
    known = repeats.happened(state["refused"], f"{symbol} {event.detail}", event.time_ms)
    if known is None:
        return []
    first = texts.say(
        language,
        "rejected" if known["count"] == 1 else "still_rejected",
        symbol=symbol,
        detail=event.detail or event.state,
        count=known["count"],
        time=texts.moment(known["since_ms"]),
    )
    name = f"rejected:{key}:{event.event_id}"
    return [Message(name, "rejected", event.time_ms, texts.headed(mode, first))]
