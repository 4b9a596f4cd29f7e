"""Entries that are wished for, one by one, and the intents that they become."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot_cripto.backtest.grid import Grid
from bot_cripto.backtest.levels import distance_to
from bot_cripto.errors import DataError
from bot_cripto.execution.account import Account
from bot_cripto.execution.costs import Costs, market_price
from bot_cripto.execution.holdings import LONG, SHORT
from bot_cripto.execution.market_rules import MarketRules, exact
from bot_cripto.ledger.events import BUY, OPEN, SELL, Intent, intent_id


@dataclass(frozen=True)
class Entry:
    """One entry that is wished for.

    Attributes
    ----------
    index : int
        Row of the candle at whose close it is decided; it fills at the open of the next one.
    side : str
        LONG or SHORT.
    quantity : Decimal or None
        Base currency, above 0; either this or `fraction`.
    fraction : float or None
        Of the equity at the close of the candle, above 0.
    stop, target : Decimal or None
        Fixed prices, quote currency; None: none, or given as a distance.
    stop_distance, target_distance : float or None
        From the price that the entry fills at (decimal), as signals have them.
    horizon : int or None
        It is closed at the open after so many candles; None: only by stop or target.
    """

    index: int
    side: str
    quantity: Decimal | None = None
    fraction: float | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_distance: float | None = None
    target_distance: float | None = None
    horizon: int | None = None


def intent_of(
    entry: Entry,
    symbol: str,
    grid: Grid,
    row: int,
    account: Account,
    rules: MarketRules,
    costs: Costs,
) -> Intent | str:
    """Return the OPEN intent of an entry, or why there is none.

    Parameters
    ----------
    entry : Entry
    symbol : str
    grid : Grid
    row : int
        Row of the entry's candle.
    account : Account
        At the close of it, which is the symbol's last price there.
    rules : MarketRules
    costs : Costs

    Raises
    ------
    DataError
        It has neither a quantity nor a fraction.
    """
    close_ms, last = grid.close_ms(row), account.last_price[symbol]
    if entry.quantity is not None:
        quantity = rules.floor_amount(entry.quantity)
    elif entry.fraction is not None:
        worth = exact(entry.fraction) * exact(float(account.equity()))
        quantity = rules.floor_amount(worth / last)
    else:
        raise DataError(f"the entry at {entry.index} has neither a quantity nor a fraction")
    small = rules.too_small(quantity, last)
    if small:
        return small
    side = BUY if entry.side == LONG else SELL
    stop, target = entry.stop_distance, entry.target_distance
    open_ = grid.next_open(row + 1)
    if open_ is None:
        return "there is no candle after it"
    fills_at = market_price(exact(open_), side, costs, rules)
    if entry.stop is not None:
        stop = distance_to(entry.stop, fills_at, above=entry.side == SHORT)
        if stop is None:
            return f"its stop {entry.stop} lies beyond the price that it fills at, {fills_at}"
    if entry.target is not None:
        target = distance_to(entry.target, fills_at, above=entry.side == LONG)
        if target is None:
            return f"its target {entry.target} is no gain from {fills_at}, where it fills"
    return Intent(
        intent_id=intent_id(symbol, close_ms, OPEN),
        symbol=symbol,
        candle_ms=close_ms,
        revision=0,
        kind=OPEN,
        side=side,
        quantity=quantity,
        reason="signal",
        created_ms=close_ms,
        fill_from_ms=close_ms,
        reference_price=last,
        stop_distance=stop,
        target_distance=target,
        exit_ms=None if entry.horizon is None else close_ms + entry.horizon * grid.step_ms,
    )
