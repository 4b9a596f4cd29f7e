"""What an account holds and has held: positions, and the trades that they became."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

LONG, SHORT = "LONG", "SHORT"


@dataclass(frozen=True)
class Position:
    """What is held of one symbol.

    Attributes
    ----------
    symbol : str
    side : str
        LONG or SHORT.
    quantity : Decimal
        Base currency, above 0; after fees that were taken in it.
    entry_price : Decimal
        Average price of the fills, quote currency.
    entry_ms : int
        Time of the first fill.
    entry_candle_ms : int
        Close time of the candle whose signal opened it.
    stop_price : Decimal or None
        Where its protective stop triggers; None: it has none (yet).
    target_price : Decimal or None
        Price at which its profit is taken, before rounding to the tick; None: there is none.
    exit_ms : int or None
        Close time of the candle at which it ends, as far as extended; None: never by itself.
    fees : Decimal
        Entry fees that no trade has been charged with yet, quote currency.
    intent_id : str
        The intent that opened it.
    funding : Decimal
        What was paid for holding it and no trade has been charged with yet, quote currency.
    """

    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    entry_ms: int
    entry_candle_ms: int
    stop_price: Decimal | None
    target_price: Decimal | None
    exit_ms: int | None
    fees: Decimal
    intent_id: str
    funding: Decimal = Decimal(0)

    @property
    def signed_quantity(self) -> Decimal:
        """The quantity, below 0 for SHORT."""
        return self.quantity if self.side == LONG else -self.quantity


@dataclass(frozen=True)
class Trade:
    """A position, or a part of one, that was closed.

    Attributes
    ----------
    symbol, side : str
        Side LONG or SHORT.
    quantity : Decimal
        What was closed, base currency.
    entry_price, exit_price : Decimal
        Quote currency for one unit.
    entry_ms, exit_ms : int
        Times of the position's first fill and of the closing fill.
    gross, fees, net : Decimal
        Quote currency; fees are the share of the entry's and the exit's,
        ``net = gross - fees - funding``.
    net_fraction : float
        `net` as a fraction of the equity at the last mark before the entry.
    reason : str
        ``horizon``, ``opposite``, ``flatten``, ``stop`` or ``target``.
    intent_id : str
        The intent that opened the position.
    funding : Decimal
        The share of what was paid for holding the position, quote currency.
    """

    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_ms: int
    exit_ms: int
    gross: Decimal
    fees: Decimal
    net: Decimal
    net_fraction: float
    reason: str
    intent_id: str
    funding: Decimal = Decimal(0)
