"""What a fill costs: prices with spread and slippage, and the fee; and what holding costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from bot_cripto.execution.market_rules import MarketRules, exact
from bot_cripto.ledger.events import BUY
from bot_cripto.timeframes import FUNDING_MS

SPOT = "spot"

BASIS_POINTS = Decimal(10_000)
FEE_STEP = Decimal("1E-8")


@dataclass(frozen=True)
class Costs:
    """Costs of a fill and of holding, in basis points of the notional.

    Attributes
    ----------
    fees_bps : Decimal
        Fee of one side.
    spread_bps : Decimal
        Whole spread; a fill crosses half of it.
    slippage_bps : Decimal
        Slippage of one side.
    funding_bps : Decimal
        What a position pays at each funding time, whichever its side; 0 on spot.
    """

    fees_bps: Decimal
    spread_bps: Decimal
    slippage_bps: Decimal
    funding_bps: Decimal = Decimal(0)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Costs:
        """Return the costs that settings describe."""
        names = ["fees_bps", "spread_bps", "slippage_bps"]
        if settings["market_type"] != SPOT:
            names.append("funding_bps")
        return cls(*(exact(settings[name]) for name in names))

    @property
    def crossing(self) -> Decimal:
        """Half the spread and the slippage, as a decimal return."""
        return (self.spread_bps / 2 + self.slippage_bps) / BASIS_POINTS


def market_price(open_: Decimal, side: str, costs: Costs, rules: MarketRules) -> Decimal:
    """Return what a market order at the open of a candle pays or gets for one unit.

    ``open * (1 + spread / 2 + slippage)`` for BUY, ``open * (1 - …)`` for SELL, rounded to the
    tick against us, and at least one tick.
    """
    sign = 1 if side == BUY else -1
    return rules.round_price(open_ * (1 + sign * costs.crossing), side)


def stop_price_fill(
    open_: Decimal, trigger: Decimal, side: str, costs: Costs, rules: MarketRules
) -> Decimal:
    """Return the price of a protective stop that was hit within a candle.

    Parameters
    ----------
    open_ : Decimal
        Open of the candle; where it lies beyond the trigger already, the stop fills there.
    trigger : Decimal
        Where the stop triggers.
    side : str
        Side of the stop's order: SELL protects a long position.
    costs, rules
        As for `market_price`: a stop is a market order once it is triggered.
    """
    worse = max(open_, trigger) if side == BUY else min(open_, trigger)
    return market_price(worse, side, costs, rules)


def fee(notional: Decimal, costs: Costs) -> Decimal:
    """Return the fee of a fill in the quote currency, rounded up to 1e-8.

    Parameters
    ----------
    notional : Decimal
        Amount times price, in the quote currency, at least 0.
    """
    return _share(notional, costs.fees_bps)


def funding(notional: Decimal, costs: Costs) -> Decimal:
    """Return what a position pays at a funding time in the quote currency, rounded up to 1e-8.

    Parameters
    ----------
    notional : Decimal
        What is held times the last known price, in the quote currency, at least 0.

    Notes
    -----
    Whoever holds pays, long or short: the sign of a swap's funding is not known in advance, and
    the interest on margin is always paid, so the worse of the two is charged.
    """
    return _share(notional, costs.funding_bps)


def funding_times(after_ms: int, until_ms: int) -> range:
    """Return the funding times in ``(after_ms, until_ms]``: 00:00, 08:00 and 16:00 UTC.

    A position entered at `after_ms` and left at `until_ms` pays at each of them: not at the very
    moment of its entry, but at that of its exit.
    """
    return range((after_ms // FUNDING_MS + 1) * FUNDING_MS, until_ms + 1, FUNDING_MS)


def _share(notional: Decimal, bps: Decimal) -> Decimal:
    return (notional * bps / BASIS_POINTS).quantize(FEE_STEP, rounding=ROUND_CEILING)
