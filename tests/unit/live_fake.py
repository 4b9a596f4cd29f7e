"""A small exchange in memory for the live room's unit tests: what it shall say is told to it."""

from __future__ import annotations

from decimal import Decimal

from bot_cripto.execution.book import Book
from bot_cripto.execution.live.check_record import LIVE_CHECK, account_of
from bot_cripto.execution.live.errors import REJECTED, Refused, Unknown
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.live.replies import (
    MARKET,
    STOP_LIMIT,
    Balance,
    Order,
    OwnTrade,
)
from bot_cripto.execution.market_rules import MarketRules
from bot_cripto.ledger.events import Action, Intent, action_id, intent_id

SYMBOL = "BTC/USDT"
STEP = 300_000
CANDLE = 1_725_597_900_000
RULES = MarketRules(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(5))
SETTINGS = {
    "symbols": [SYMBOL],
    "source": "exchange",
    "timeframe": "5m",
    "exchange": "binance",
    "exchange_base_url": "",
    "market_type": "spot",
    "initial_equity": 10_000,
    "max_total_exposure": 1,
    "fees_bps": 10,
    "spread_bps": 2,
    "slippage_bps": 3,
    "live_stop_limit_bps": 50,
    "live_max_orders_per_day": 100,
    "live_max_notional_per_day": 100_000,
    "live_max_daily_loss": 0.03,
}


class Death(BaseException):
    """The process was killed here."""


class FakeExchange:
    """Fills market orders at once, at 100, and takes a fee of a thousandth in base from a buyer.

    ``faults`` maps a method's name to a list; each call takes the first: None is no fault, an
    exception is raised, ``("after", exception)`` is raised when the order has been placed.
    """

    name, recv_window_ms = "binance", 5000

    def __init__(self, own="1"):
        self.now, self.price = CANDLE + 1000, Decimal(100)
        self.faults: dict[str, list] = {}
        self.calls: list[tuple] = []
        self.placed: list[Order] = []
        self.own_trades: list[OwnTrade] = []
        self.base, self.locked = Decimal(own), Decimal(0)
        self.hidden: set[str] = set()
        self.share = Decimal(1)

    def _fault(self, name, when="before"):
        if when == "before":
            self.calls.append((name, when))
        faults = self.faults.get(name, [])
        if not faults or isinstance(faults[0], tuple) != (when == "after"):
            return
        fault = faults.pop(0)
        if fault is not None:
            raise fault[1] if when == "after" else fault

    def stamp(self):
        return self.now

    def server_ms(self):
        self._fault("server_ms")
        return self.now

    def stop_kind(self, symbol):
        return STOP_LIMIT

    def send_order(
        self, symbol, side, quantity, client_id, *, timestamp_ms, kind=MARKET, price=None,
        trigger=None, test=False,
    ):  # fmt: skip
        self._fault("send_order")
        if kind != MARKET and trigger >= self.price:
            raise Refused("-2010: Stop price would trigger immediately.", REJECTED, -2010)
        if side == "sell" and quantity > self.base - self.locked:
            raise Refused("-2010: insufficient balance", REJECTED, -2010)
        order = Order(
            str(len(self.placed) + 1), client_id, symbol, side, "working", quantity, Decimal(0),
            self.now,
        )  # fmt: skip
        self.placed.append(order)
        if kind == MARKET:
            order = self.fill(client_id, self.share)
        else:
            self.locked += quantity
        self._fault("send_order", "after")
        return order

    def fill(self, client_id, share=Decimal(1)):
        order = self.known(client_id)
        quantity = (order.quantity * share).quantize(Decimal("0.00001"))
        done = order.filled + quantity
        state = "filled" if done == order.quantity else "working"
        self.change(client_id, state, done)
        fee = quantity / 1000
        if order.side == "buy":
            self.base += quantity - fee
        else:
            self.base -= quantity
        if quantity:
            self.own_trades.append(
                OwnTrade(
                    str(len(self.own_trades) + 1), order.exchange_id, order.symbol, order.side,
                    quantity, self.price, fee if order.side == "buy" else fee * self.price,
                    "BTC" if order.side == "buy" else "USDT", self.now,
                )
            )  # fmt: skip
        return self.known(client_id)

    def change(self, client_id, state, filled):
        k = next(k for k, o in enumerate(self.placed) if o.client_id == client_id)
        o = self.placed[k]
        self.placed[k] = Order(
            o.exchange_id, o.client_id, o.symbol, o.side, state, o.quantity, filled, o.time_ms
        )

    def known(self, client_id):
        return next((o for o in self.placed if o.client_id == client_id), None)

    def find_order(self, client_id, symbol):
        self._fault("find_order")
        return None if client_id in self.hidden else self.known(client_id)

    def find_by_id(self, exchange_id, symbol):
        found = [o for o in self.placed if o.exchange_id == exchange_id]
        return found[0] if found and found[0].client_id not in self.hidden else None

    def orders(self, symbol, since_ms):
        self._fault("orders")
        return [o for o in self.placed if o.client_id not in self.hidden and o.time_ms >= since_ms]

    def open_orders(self, symbol):
        return [o for o in self.placed if o.state == "working"]

    def trades(self, symbol, since_ms):
        return [t for t in self.own_trades if t.time_ms >= since_ms]

    def order_trades(self, exchange_id, symbol):
        self._fault("order_trades")
        return [t for t in self.own_trades if t.order_id == exchange_id]

    def cancel(self, client_id, symbol):
        self._fault("cancel")
        order = self.known(client_id)
        if order is None or order.state != "working":
            raise Refused("-2011", "not_found", -2011)
        self.locked -= order.quantity - order.filled
        self.change(client_id, "cancelled", order.filled)
        self._fault("cancel", "after")

    def balances(self):
        self._fault("balances")
        return {"BTC": Balance(self.base - self.locked, self.base)}


def a_book():
    """Return an empty book in memory whose live check has passed."""
    book = Book.in_memory(SETTINGS)
    identity = action_id(LIVE_CHECK, 0, "test", "")
    book.add(Action(identity, LIVE_CHECK, 0, "test", "", account_of(SETTINGS)))
    return book


def an_executor(exchange, book=None, **settings):
    """Return an executor whose waits move the exchange's clock."""

    def sleep(seconds):
        exchange.now += round(seconds * 1000)

    return Executor(
        a_book() if book is None else book,
        exchange,
        SETTINGS | settings,
        {SYMBOL: RULES},
        sleep=sleep,
        now_ms=lambda: exchange.now,
    )


def entry(quantity="1", candle_ms=CANDLE, **changes):
    """Return an OPEN intent."""
    values = {
        "intent_id": intent_id(SYMBOL, candle_ms, "open"),
        "symbol": SYMBOL,
        "candle_ms": candle_ms,
        "revision": 0,
        "kind": "open",
        "side": "buy",
        "quantity": Decimal(quantity),
        "reason": "signal",
        "created_ms": candle_ms + 500,
        "fill_from_ms": candle_ms,
        "reference_price": Decimal(100),
        "stop_distance": 0.02,
        "exit_ms": candle_ms + 5 * STEP,
    }
    return Intent(**values | changes)


def close(candle_ms=CANDLE + STEP, reason="horizon"):
    """Return a CLOSE intent."""
    return entry(
        candle_ms=candle_ms,
        intent_id=intent_id(SYMBOL, candle_ms, "close", reason),
        kind="close",
        side="sell",
        reason=reason,
        stop_distance=None,
        exit_ms=None,
    )


def lost(text="lost"):
    """Return what a lost reply raises."""
    return Unknown(text)
