"""Replay the list of make_entries.py by nautilus_trader: its venue, matching and accounts.

    PYTHON benchmarks/engines/run_nautilus.py FOLDER --out trades.csv [--costs plain]

where PYTHON has `pip install nautilus_trader pyarrow`. docs/engines.md tells what had to be
adapted.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from decimal import Decimal
from typing import Any

import nautilus_trader
import numpy as np
from files import (
    CASH,
    CROSSING,
    FEE,
    Entry,
    Trade,
    arguments,
    read_candles,
    read_entries,
    write_trades,
)
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import FillModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, QuoteTick, TradeTick
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide, OrderType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SPOT")
NAME = InstrumentId(Symbol("BTCUSDT"), VENUE)
DIGITS = 8
HAIR = 1e-8
"""A target is this much higher, the least that a price may differ: it has to be exceeded."""
NS = 1_000_000
KEPT = 50
"""Closed positions are dropped after so many: the engine goes through all of them at each fill."""
REASONS = {OrderType.MARKET: "horizon", OrderType.STOP_MARKET: "stop", OrderType.LIMIT: "target"}


class Crossing(FillModel):
    """Fills at the open or the trigger, whichever is worse, less half spread and slippage.

    The quotes inside a candle have a spread, so that its open is known by having none.
    """

    share = 0.0

    def get_orderbook_for_fill_simulation(
        self, instrument: Any, order: Any, best_bid: Price, best_ask: Price
    ) -> OrderBook:
        bid, at_open = best_bid.as_double(), best_bid == best_ask
        if order.order_type == OrderType.LIMIT:
            limit = order.price.as_double()
            price = max(limit, bid) if at_open else limit
        else:
            price = best_ask.as_double() if order.side == OrderSide.BUY else bid
            if order.order_type == OrderType.STOP_MARKET:
                price = bid if at_open else order.trigger_price.as_double()
            price *= 1 + self.share if order.side == OrderSide.BUY else 1 - self.share
        book = OrderBook(instrument.id, BookType.L2_MBP)
        side = OrderSide.SELL if order.side == OrderSide.BUY else OrderSide.BUY
        book.add(BookOrder(side, Price(price, DIGITS), Quantity(1e6, DIGITS), 1), 0, 0)
        return book


class Replay(Strategy):
    """Sends market orders as it sees an open, and a stop and a limit order once they are filled."""

    def prepare(self, entries: list[Entry], times: np.ndarray) -> Replay:
        """Give the list, and the opening times of the candles, milliseconds."""
        self.times = (times * NS).tolist()
        self.list = {self.times[entry.index + 1]: entry for entry in entries}
        self.held: Entry | None = None
        self.coming: Entry | None = None
        self.leaves = self.freed = 0
        self.alert = ""
        self.purge_at = KEPT
        self.exits: list[Any] = []
        self.fills: list[Any] = []
        self.done: list[Trade] = []
        return self

    def on_start(self) -> None:
        self.subscribe_trade_ticks(NAME)

    def on_trade_tick(self, tick: TradeTick) -> None:
        now = tick.ts_init
        if self.held is not None:
            if now < self.leaves:
                return
            self._order(OrderSide.SELL, self.held.quantity, self.position)
        entry = self.list.get(now)
        if entry is not None and self.held is None and len(self.done) >= self.purge_at:
            self.cache.purge_closed_orders(now)
            self.cache.purge_closed_positions(now)
            self.purge_at += KEPT
        # what was hit at this very open counts as hit after it, inside the candle
        if entry is None or self.freed == now:
            return
        self.coming = entry
        self.leaves = self.times[entry.index + 1 + entry.horizon]
        # what waits is taken back before the open of the candle that it would not see any more
        self.clock.set_time_alert_ns(f"{now}", self.leaves - 1, self._take_back)
        self.alert = f"{now}"
        self._order(OrderSide.BUY, entry.quantity)

    def on_order_filled(self, event: Any) -> None:
        self.fills.append(event)
        if event.order_side == OrderSide.BUY:
            entry = self.held = self.coming
            self.position = event.position_id
            sell = OrderSide.SELL
            quantity = Quantity(entry.quantity, DIGITS)
            if not math.isnan(entry.stop):
                stop = Price(entry.stop, DIGITS)
                self.exits.append(self.order_factory.stop_market(NAME, sell, quantity, stop))
            if not math.isnan(entry.target):
                limit = Price(entry.target + HAIR, DIGITS)
                self.exits.append(self.order_factory.limit(NAME, sell, quantity, limit))
            for order in list(self.exits):
                self.submit_order(order, position_id=event.position_id)
        else:
            if self.exits:
                # it would take back what waits for the next position
                self.clock.cancel_timer(self.alert)
            self._take_back()

    def on_position_closed(self, event: Any) -> None:
        bought, sold = self.fills[-2:]
        self.done.append(
            Trade(
                bisect_right(self.times, bought.ts_event) - 1,
                bisect_right(self.times, sold.ts_event) - 1,
                event.peak_qty.as_double(),
                event.avg_px_open,
                event.avg_px_close,
                bought.commission.as_double() + sold.commission.as_double(),
                event.realized_pnl.as_double(),
                REASONS[sold.order_type],
            )
        )
        self.held = None
        if sold.order_type != OrderType.MARKET:
            self.freed = event.ts_event

    def _order(self, side: OrderSide, quantity: float, position: Any = None) -> None:
        order = self.order_factory.market(NAME, side, Quantity(quantity, DIGITS))
        self.submit_order(order, position_id=position)

    def _take_back(self, _: Any = None) -> None:
        for order in self.exits:
            if order.is_open:
                self.cancel_order(order)
        self.exits.clear()


def instrument() -> CurrencyPair:
    least = Price(10.0**-DIGITS, DIGITS)
    fee = Decimal(str(FEE))
    return CurrencyPair(
        instrument_id=NAME,
        raw_symbol=NAME.symbol,
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=DIGITS,
        size_precision=DIGITS,
        price_increment=least,
        size_increment=Quantity(10.0**-DIGITS, DIGITS),
        maker_fee=fee,
        taker_fee=fee,
        ts_event=0,
        ts_init=0,
    )


def opens(candles: dict[str, np.ndarray]) -> list[TradeTick]:
    """Return a trade at each open."""
    n, times = len(candles["open"]), (candles["time"] * NS).astype(np.uint64)
    size, side = np.full(n, 1e6), np.ones(n, dtype=np.uint8)
    names = [str(k) for k in range(n)]
    return TradeTick.from_raw_arrays_to_list(
        NAME, DIGITS, DIGITS, candles["open"], size, side, names, times, times
    )


def inside(candles: dict[str, np.ndarray]) -> list[QuoteTick]:
    """Return two quotes inside each candle, its low and then its high: the worse comes first."""
    n = len(candles["open"])
    times = np.repeat(candles["time"] * NS, 2).astype(np.uint64)
    times += np.tile(np.array([NS, 2 * NS], dtype=np.uint64), n)
    bid = np.column_stack([candles["low"], candles["high"]]).ravel()
    size = np.full(2 * n, 1e6)
    return QuoteTick.from_raw_arrays_to_list(
        NAME, DIGITS, DIGITS, bid, bid + 0.01, size, size, times, times
    )


def main() -> None:
    given = arguments()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    # its analysis of results costs more than its simulation, and nothing of it is compared
    quiet = LoggingConfig(bypass_logging=True)
    unchecked = RiskEngineConfig(bypass=True)
    engine = BacktestEngine(
        BacktestEngineConfig(logging=quiet, run_analysis=False, risk_engine=unchecked)
    )
    fills = Crossing()
    fills.share = CROSSING[given.costs]
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.HEDGING,
        account_type=AccountType.CASH,
        starting_balances=[Money(CASH, USDT)],
        fill_model=fills,
    )
    engine.add_instrument(instrument())
    engine.add_data(opens(candles), sort=False)
    engine.add_data(inside(candles))
    strategy = Replay().prepare(entries, candles["time"])
    engine.add_strategy(strategy)
    engine.run()
    name = f"nautilus_trader {nautilus_trader.__version__}"
    write_trades(given.out, strategy.done, candles["time"], name)
    engine.dispose()


if __name__ == "__main__":
    main()
