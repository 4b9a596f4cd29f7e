"""Marks made again from the fills of a ledger and the closes of candles."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from bot_cripto.execution.account import Account, Entry
from bot_cripto.execution.market_rules import ARITHMETIC, exact
from bot_cripto.execution.prices import ReadCloses, last_closes
from bot_cripto.execution.risk_tracker import RiskTracker
from bot_cripto.ledger.events import Fill, Funding, Mark
from bot_cripto.timeframes import timeframe_ms

if TYPE_CHECKING:
    from bot_cripto.ledger.store import Ledger

_INSIDE = ("stop", "target")


def known_from(entry: Fill | Funding, step_ms: int) -> int:
    """Return the close of the candle that an entry is of, milliseconds since the epoch, UTC.

    A fill at the very moment of a close is of the next candle, whose open it is, unless it was
    a stop or a target inside the candle. Funding at that moment is of the candle that closes.
    """
    edge = entry.time_ms // step_ms * step_ms
    inside = entry.time_ms == edge and (isinstance(entry, Funding) or entry.reason in _INSIDE)
    return edge if inside else edge + step_ms


def replay(
    ledger: Ledger, settings: Mapping[str, Any], read_closes: ReadCloses, now_ms: int
) -> tuple[Account, list[Mark], RiskTracker]:
    """Return the account, the mark of every candle and the state of risk that a ledger leads to.

    Nothing is taken from the stored marks but when the first and the last were made.

    Parameters
    ----------
    ledger : Ledger
        Open, for reading at least.
    settings : mapping
        The effective settings.
    read_closes : callable
        Closes of the candle store; where a candle is missing, the last one before it counts.
    now_ms : int
        No mark is later, milliseconds since the epoch, UTC.

    Returns
    -------
    account : Account
        With all entries of the ledger, its `last_price` at the last mark.
    marks : list of Mark
        One for each candle from the first mark to the last.
    tracker : RiskTracker

    Raises
    ------
    LedgerError
        The ledger is damaged.
    DataError
        A symbol is held whose price is not known, or the candle store is damaged.
    """
    step = timeframe_ms(settings["timeframe"])
    with ledger.transaction():
        stored = [mark.candle_ms for mark in ledger.marks()]
        intents, events, payments = ledger.intents(), ledger.order_events(), ledger.payments()
    account = Account.begun(ledger, settings)
    asked: list[Entry] = [*intents, *events]
    for entry in asked:
        account.apply(entry)
    tracker = RiskTracker(account.initial_equity)
    marks: list[Mark] = []
    waiting = sorted(payments, key=lambda payment: known_from(payment, step))
    span = _span(stored, [known_from(payment, step) for payment in waiting], step, now_ms)
    names = dict.fromkeys([*account.symbols, *(payment.symbol for payment in waiting)])
    place = 0
    if span:
        closes = closes_by_candle(read_closes, names, span, step)
        account.last_price.update(last_closes(read_closes, names, span[0] - step, step))
        for candle_ms in range(span[0], span[1] + step, step):
            while place < len(waiting) and known_from(waiting[place], step) <= candle_ms:
                account.apply(waiting[place])
                place += 1
            account.last_price.update(closes.get(candle_ms, {}))
            mark = mark_of(account, candle_ms)
            account.apply(mark)
            tracker.mark(mark)
            marks.append(mark)
    for payment in waiting[place:]:
        account.apply(payment)
    for trade in account.trades:
        tracker.trade(trade)
    return account, marks, tracker


def mark_of(account: Account, candle_ms: int) -> Mark:
    """Return the mark of an account at a candle's close, with its last prices."""
    with localcontext(ARITHMETIC):
        exposure = sum((account.exposure(symbol) for symbol in account.positions), Decimal(0))
    return Mark(candle_ms, account.equity(), account.cash, exposure)


def _span(stored: list[int], filled: list[int], step: int, now_ms: int) -> tuple[int, int] | None:
    """Return the first and the last candle to mark; a mark of the future or off the grid is none.

    Parameters
    ----------
    stored : list of int
        Times of the stored marks.
    filled : list of int
        Closes of the candles that fills happened in: these have marks, whatever is stored.
    """
    newest = now_ms // step * step
    sound = [time for time in stored if time % step == 0 and time <= newest]
    begins = [time for time in (*sound, *filled) if time <= newest]
    if not begins:
        return None
    # with no mark left, up to now
    return min(begins), max(sound) if sound else newest


def closes_by_candle(
    read_closes: ReadCloses, symbols: Mapping[str, Any], span: tuple[int, int], step: int
) -> dict[int, dict[str, Decimal]]:
    """Return finite closes by close time and symbol."""
    found: dict[int, dict[str, Decimal]] = {}
    for symbol in symbols:
        times, closes = read_closes(symbol, span[0] - step, span[1])
        sound = np.isfinite(closes)
        for time, close in zip(times[sound].tolist(), closes[sound].tolist(), strict=True):
            found.setdefault(time + step, {})[symbol] = exact(close)
    return found
