"""What a market accepts as prices and amounts, and rounding to it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any

from bot_cripto.errors import DataError
from bot_cripto.ledger.events import BUY
from bot_cripto.symbols import symbol_to_path

ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""Everything that adds up money computes in this context, whatever the caller's own is."""


def exact(value: Decimal | float | int) -> Decimal:
    """Return a number as the shortest decimal that reads back as the same float.

    Raises
    ------
    DataError
        It is NaN or infinite.
    """
    # float() because the repr of numpy's floats names their type
    number = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    if not number.is_finite():
        raise DataError(f"{value} is no price, amount or ratio: it must be a finite number")
    return number


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Return the greatest multiple of `step` that is not above `value`, both at least 0."""
    return (value // step) * step


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """Return the least multiple of `step` that is not below `value`, both at least 0."""
    down = round_down(value, step)
    return down if down == value else down + step


@dataclass(frozen=True)
class MarketRules:
    """The grid and the limits of one market.

    Attributes
    ----------
    price_tick, amount_step : Decimal
        Prices (quote currency) and amounts (base currency) are multiples of these, above 0.
    min_amount : Decimal
        Least amount of an order, base currency.
    min_notional : Decimal
        Least amount times price, quote currency.
    max_amount : Decimal or None
        Greatest amount of a market order, base currency; None: there is no limit.
    """

    price_tick: Decimal
    amount_step: Decimal
    min_amount: Decimal
    min_notional: Decimal
    max_amount: Decimal | None = None

    def floor_amount(self, quantity: Decimal) -> Decimal:
        """Return the amount rounded down to the step; one below 0 becomes 0."""
        return round_down(quantity, self.amount_step) if quantity > 0 else Decimal(0)

    def round_price(self, price: Decimal, side: str) -> Decimal:
        """Return the price on the tick, rounded against us: up for BUY, down for SELL.

        It is at least one tick.
        """
        rounded = (round_up if side == BUY else round_down)(price, self.price_tick)
        return max(rounded, self.price_tick)

    def too_small(self, quantity: Decimal, price: Decimal) -> str | None:
        """Return why the market would refuse an order as too small, or None when it would not.

        Parameters
        ----------
        quantity : Decimal
            Base currency; judged as rounded down to the step.
        price : Decimal
            Quote currency for one unit of base.
        """
        amount = self.floor_amount(quantity)
        if amount <= 0 or amount < self.min_amount:
            least = max(self.min_amount, self.amount_step)
            return f"the amount {quantity.normalize():f} is below the market's least, {least:f}"
        notional = amount * price
        if notional < self.min_notional:
            return (
                f"{amount:f} is worth {notional.normalize():f}, below the market's least order "
                f"of {self.min_notional:f}"
            )
        return None


DEFAULT = MarketRules(
    price_tick=Decimal("1E-8"),
    amount_step=Decimal("1E-8"),
    min_amount=Decimal("1E-8"),
    min_notional=Decimal(0),
)
"""For markets without an exchange: the finest grid that exchanges use, no least notional."""


def of_ccxt(market: Mapping[str, Any]) -> MarketRules:
    """Return the rules of a market as ccxt describes it, precision as tick sizes.

    What the description leaves open is as in `DEFAULT`. The greatest amount is the lesser one of
    those for limit and market orders; Binance gives 0 where a limit does not apply.

    Parameters
    ----------
    market : mapping
        With ``precision: {price, amount}`` and ``limits: {amount, cost, market}``.

    Raises
    ------
    DataError
        A value is no number of at least 0; names the market and the value.

    References
    ----------
    ccxt manual, "Precision and limits"; mode TICK_SIZE.
    """
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}

    def limit(kind: str, end: str) -> Decimal | None:
        return _positive(market, f"limits.{kind}.{end}", (limits.get(kind) or {}).get(end))

    def step(name: str) -> Decimal | None:
        return _positive(market, f"precision.{name}", precision.get(name))

    largest = [size for size in (limit("amount", "max"), limit("market", "max")) if size]
    return MarketRules(
        price_tick=step("price") or DEFAULT.price_tick,
        amount_step=step("amount") or DEFAULT.amount_step,
        min_amount=limit("amount", "min") or DEFAULT.min_amount,
        min_notional=limit("cost", "min") or DEFAULT.min_notional,
        max_amount=min(largest) if largest else None,
    )


def _positive(market: Mapping[str, Any], key: str, value: Any) -> Decimal | None:
    """Return a number above 0 as a decimal; None where there is none or it is 0."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise DataError(
            f"the description of {market.get('symbol')}: {key} is {value!r}, no number of at "
            "least 0; delete the kept description to have it downloaded again"
        )
    return exact(number) if number else None


def description_file(store: Path, settings: Mapping[str, Any], symbol: str) -> Path:
    """Return where the download of candles keeps the exchange's description of a market."""
    folder = Path(store) / f"{settings['market']}-{settings['timeframe']}"
    return folder / f"markets-{settings['exchange']}" / f"{symbol_to_path(symbol)}.json"


def load_rules(store: Path, settings: Mapping[str, Any], symbol: str) -> MarketRules:
    """Return the rules of a symbol's market.

    Parameters
    ----------
    store : Path
        The folder of all candle stores (`Layout.store`); the description that the download keeps
        lies beside the candles.
    settings : mapping
        The effective settings.
    symbol : str

    Raises
    ------
    DataError
        The source is an exchange and the description is missing or damaged; names the file.
    """
    if settings["source"] != "exchange":
        return DEFAULT
    path = description_file(store, settings, symbol)
    try:
        market = json.loads(path.read_bytes())["market"]
        if market["symbol"] != symbol:
            raise ValueError(f"it describes {market['symbol']}")
        return of_ccxt(market)
    except FileNotFoundError:
        raise DataError(
            f"{symbol}: what {settings['exchange']} accepts as prices and amounts is not known, "
            f"{path} is missing; `bot-cripto fetch` downloads it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{symbol}: {path} does not tell what {settings['exchange']} accepts ({error!r}); "
            "delete it and run `bot-cripto fetch`"
        ) from None
