"""One account of Binance spot: balances, orders, matching, in the exchange's own words.

It outlives the HTTP server in front of it. Nothing here knows of sockets. Prices are what a test
says: `set_price` moves one and triggers what it crosses. Where a market order (or a stop that
triggered) shall not simply fill in one trade, `plans` holds for each next match a dict:

shares    fractions of the quantity, a trade each; their sum may be below 1
rest      "work": the rest stays an open order until `continue_fills`; "expire": it ends
slip_bps  how much worse each trade is than the one before
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation

UNIT = Decimal("1e-8")
FEE = Decimal("0.001")
OPEN_STATES = ("NEW", "PARTIALLY_FILLED")
CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")


class Rejected(Exception):
    """The exchange says no, with its code and message."""

    def __init__(self, code, msg, status=400):
        super().__init__(f"{code}: {msg}")
        self.code, self.msg, self.status = code, msg, status


@dataclass(frozen=True)
class Market:
    """Filters of a market."""

    base: str
    quote: str
    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00001")
    min_quantity: Decimal = Decimal("0.00001")
    max_quantity: Decimal = Decimal("9000")
    min_notional: Decimal = Decimal("5")


def text(value):
    return f"{value:.8f}"


def floor(value, step):
    return (value / step).to_integral_value(ROUND_DOWN) * step


class SpotAccount:
    """Balances and orders of one person.

    ``own`` is what the person had before any bot came; `violations` lists every moment at which
    less than that was left of a coin other than the quote currency.
    """

    def __init__(self, markets, balances, prices, *, now_ms, fee_asset=None):
        self.markets: dict[str, Market] = dict(markets)
        self.now_ms = now_ms
        self.fee_asset = fee_asset
        self.free = {asset: Decimal(amount) for asset, amount in balances.items()}
        self.locked = dict.fromkeys(self.free, Decimal(0))
        self.own = dict(self.free)
        self.quotes = {market.quote for market in self.markets.values()}
        self.prices = {name: Decimal(price) for name, price in prices.items()}
        self.orders: list[dict] = []
        self.trades: list[dict] = []
        self.accepted: list[dict] = []
        self.violations: list[str] = []
        self.plans: deque[dict] = deque()
        self.trade_lag_ms = 0  # queries show a trade that much later than its order

    # ---- what a test does -----------------------------------------------------------------

    def set_price(self, symbol, price):
        """Move the price of a market id; stops that it crosses trigger, limits may fill."""
        self.prices[symbol] = Decimal(price)
        for order in [o for o in self.orders if o["symbol"] == symbol]:
            if order["status"] in OPEN_STATES:
                self._look_at(order)

    def continue_fills(self, shares=(1,)):
        """Fill what is left of market orders that were filled in part only."""
        for order in self.orders:
            working = order["status"] in OPEN_STATES and order["working"]
            if working and order["type"] in ("MARKET", "STOP_LOSS"):
                self._fill(order, {"shares": shares, "rest": "work"})
            elif working:
                self._look_at(order)

    def total(self, asset):
        return self.free.get(asset, Decimal(0)) + self.locked.get(asset, Decimal(0))

    def deposit(self, asset, amount):
        """Give the person more, or less, of their own."""
        self.free[asset] = self.free.get(asset, Decimal(0)) + Decimal(amount)
        self.locked.setdefault(asset, Decimal(0))
        self.own[asset] = self.own.get(asset, Decimal(0)) + Decimal(amount)

    def person_trades(self, symbol, side, quantity):
        """Let the person trade at market by hand, with coins that are the person's own."""
        before = {asset: self.total(asset) for asset in self.free}
        plans, self.plans = self.plans, deque()
        p = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": text(Decimal(quantity))}
        self.place(p | {"newClientOrderId": f"web_{len(self.orders)}"})
        self.plans = plans
        for asset in self.free:
            self.own[asset] = self.own.get(asset, 0) + self.total(asset) - before.get(asset, 0)

    def open_orders(self, symbol=None):
        return [
            o for o in self.orders
            if o["status"] in OPEN_STATES and symbol in (None, o["symbol"])
        ]  # fmt: skip

    def of_client(self, prefix):
        """Return the orders whose client id begins so."""
        return [order for order in self.orders if order["clientOrderId"].startswith(prefix)]

    # ---- endpoints ------------------------------------------------------------------------

    def place(self, p, *, test=False):
        """Answer POST order; `p` holds the parameters as texts."""
        market, order = self._checked(p)
        self._check_filters(market, order)
        self._check_balance(market, order, lock=not test)
        if test:
            return {}
        if any(
            o["clientOrderId"] == order["clientOrderId"] and o["symbol"] == order["symbol"]
            for o in self.open_orders()
        ):
            self._unlock(order)
            raise Rejected(-2010, "Duplicate order sent.")
        # numbers are unique within a market only, as on the real exchange
        order["orderId"] = 10_001 + sum(o["symbol"] == order["symbol"] for o in self.orders)
        self.orders.append(order)
        self.accepted.append(
            {"client_id": order["clientOrderId"], "time": self.now_ms()}
            | {key: order[key] for key in ("symbol", "side", "type", "quantity", "orderId")}
        )
        first_trade = len(self.trades)
        if order["type"] == "MARKET":
            order["working"] = True
            self._fill(order, self._plan())
        else:
            self._look_at(order)
        fills = [
            {
                "price": trade["price"],
                "qty": trade["qty"],
                "commission": trade["commission"],
                "commissionAsset": trade["commissionAsset"],
                "tradeId": trade["id"],
            }
            for trade in self.trades[first_trade:]
        ]
        return self._wire(order, "transactTime") | {"fills": fills}

    def find(self, p):
        """Answer GET order."""
        order = self._find(p)
        if order is None:
            raise Rejected(-2013, "Order does not exist.")
        return self.wire(order)

    def cancel(self, p):
        """Answer DELETE order."""
        order = self._find(p, open_first=True)
        if order is None or order["status"] not in OPEN_STATES:
            raise Rejected(-2011, "Unknown order sent.")
        self._end(order, "CANCELED")
        ids = {"origClientOrderId": order["clientOrderId"], "clientOrderId": f"c{len(self.trades)}"}
        return self._wire(order, "transactTime") | ids

    def hidden(self, order):
        """Return whether queries do not see the order yet; counts as one look at it."""
        if order["hidden_asks"] > 0:
            order["hidden_asks"] -= 1
            return True
        return self.now_ms() < order["hidden_until"]

    def all_orders(self, p, *, only_open=False):
        """Answer GET openOrders and allOrders."""
        if not only_open or "symbol" in p:
            self._market(p)
        since, until = int(p.get("startTime", 0)), int(p.get("endTime", 2**62))
        found = [
            self.wire(o)
            for o in self.orders
            if p.get("symbol") in (None, o["symbol"])
            and since <= o["time"] <= until
            and o["orderId"] >= int(p.get("orderId", 0))
            and (not only_open or o["status"] in OPEN_STATES)
            and not self.hidden(o)
        ]
        return found if only_open else found[: int(p.get("limit", 500))]

    def my_trades(self, p):
        """Answer GET myTrades: the oldest of the time asked for; without one the newest."""
        self._market(p)
        if "fromId" in p and ("startTime" in p or "endTime" in p):
            raise Rejected(-1128, "Combination of optional parameters invalid.")
        since, until = int(p.get("startTime", 0)), int(p.get("endTime", 2**62))
        if "startTime" in p and "endTime" in p and until - since > 86_400_000:
            raise Rejected(-1127, "More than 24 hours between startTime and endTime.")
        unseen = {
            o["orderId"]
            for o in self.orders
            if o["symbol"] == p["symbol"] and self.now_ms() < o["hidden_until"]
        }
        found = [
            trade
            for trade in self.trades
            if trade["symbol"] == p["symbol"]
            and since <= trade["time"] <= until
            and trade["time"] + self.trade_lag_ms <= self.now_ms()
            and str(trade["orderId"]) == p.get("orderId", str(trade["orderId"]))
            and trade["id"] >= int(p.get("fromId", 0))
            and trade["orderId"] not in unseen
        ]
        limit = min(int(p.get("limit", 500)), 1000)
        return found[:limit] if {"startTime", "fromId"} & set(p) else found[-limit:]

    def balances(self):
        """Answer GET account."""
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "updateTime": self.now_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": text(self.free[asset]), "locked": text(self.locked[asset])}
                for asset in sorted(self.free)
            ],
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def wire(self, order):
        """Return an order as GET order sends it."""
        return self._wire(order, "updateTime") | {
            "stopPrice": text(order["stop"]),
            "icebergQty": text(Decimal(0)),
            "time": order["time"],
            "isWorking": order["working"],
            "workingTime": order["time"] if order["working"] else -1,
            "origQuoteOrderQty": text(Decimal(0)),
        }

    # ---- inside ---------------------------------------------------------------------------

    def _wire(self, order, time_key):
        return {
            "symbol": order["symbol"],
            "orderId": order["orderId"],
            "orderListId": -1,
            "clientOrderId": order["clientOrderId"],
            time_key: order["updated"],
            "price": text(order["price"]),
            "origQty": text(order["quantity"]),
            "executedQty": text(order["filled"]),
            "cummulativeQuoteQty": text(order["paid"]),
            "status": order["status"],
            "timeInForce": order["tif"],
            "type": order["type"],
            "side": order["side"],
            "selfTradePreventionMode": "EXPIRE_MAKER",
        }

    def _market(self, p):
        if not p.get("symbol"):
            raise Rejected(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")  # noqa: E501  # fmt: skip
        if p["symbol"] not in self.markets:
            raise Rejected(-1121, "Invalid symbol.")
        return self.markets[p["symbol"]]

    def _checked(self, p):
        market = self._market(p)
        kind = p.get("type", "")
        needs = {
            "MARKET": ["quantity"],
            "LIMIT": ["quantity", "price", "timeInForce"],
            "STOP_LOSS": ["quantity", "stopPrice"],
            "STOP_LOSS_LIMIT": ["quantity", "price", "stopPrice", "timeInForce"],
        }
        if kind not in needs:
            raise Rejected(-1116, "Invalid orderType.")
        if p.get("side") not in ("BUY", "SELL"):
            raise Rejected(-1117, "Invalid side.")
        for name in needs[kind]:
            if not p.get(name):
                raise Rejected(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")  # noqa: E501  # fmt: skip
        for name in {"price", "stopPrice", "timeInForce"} - set(needs[kind]):
            if name in p:
                raise Rejected(-1106, f"Parameter '{name}' sent when not required.")
        client_id = p.get("newClientOrderId") or f"auto{len(self.orders)}"
        if not CLIENT_ID.match(client_id):
            raise Rejected(-1100, "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.")  # noqa: E501  # fmt: skip
        now = self.now_ms()
        return market, {
            "symbol": p["symbol"],
            "clientOrderId": client_id,
            "side": p["side"],
            "type": kind,
            "tif": p.get("timeInForce", "GTC"),
            "quantity": self._number(p, "quantity"),
            "price": self._number(p, "price"),
            "stop": self._number(p, "stopPrice"),
            "filled": Decimal(0),
            "paid": Decimal(0),
            "status": "NEW",
            "working": kind not in ("STOP_LOSS", "STOP_LOSS_LIMIT"),
            "time": now,
            "updated": now,
            "locked": Decimal(0),
            "hidden_asks": 0,
            "hidden_until": 0,
        }

    def _number(self, p, name):
        try:
            value = Decimal(p.get(name, "0"))
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or value < 0 or "e" in p.get(name, "").lower():
            raise Rejected(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.")  # noqa: E501  # fmt: skip
        if -value.as_tuple().exponent > 8:
            raise Rejected(-1111, f"Parameter '{name}' has too much precision.")
        return value

    def _check_filters(self, market, order):
        quantity, price = order["quantity"], order["price"]
        if not market.min_quantity <= quantity <= market.max_quantity or quantity % market.step:
            raise Rejected(-1013, "Filter failure: LOT_SIZE")
        if price % market.tick or order["stop"] % market.tick:
            raise Rejected(-1013, "Filter failure: PRICE_FILTER")
        if (
            quantity * (price or order["stop"] or self.prices[order["symbol"]])
            < market.min_notional
        ):
            raise Rejected(-1013, "Filter failure: NOTIONAL")
        if order["stop"] and self._crossed(order):
            raise Rejected(-2010, "Stop price would trigger immediately.")

    def _check_balance(self, market, order, *, lock):
        asset, amount = market.base, order["quantity"]
        if order["side"] == "BUY":
            price = order["price"] or order["stop"] or self._worst(order)
            asset, amount = market.quote, order["quantity"] * price
        if amount > self.free.get(asset, Decimal(0)):
            raise Rejected(-2010, "Account has insufficient balance for requested action.")
        if lock:
            self.free[asset] -= amount
            self.locked[asset] += amount
            order["locked"] = amount

    def _worst(self, order):
        plan = self.plans[0] if self.plans else {"shares": [1]}
        slip = Decimal(plan.get("slip_bps", 0)) * (len(plan["shares"]) - 1) / 10_000
        tick = self.markets[order["symbol"]].tick
        return floor(self.prices[order["symbol"]] * (1 + slip), tick)

    def _plan(self):
        return self.plans.popleft() if self.plans else {"shares": [1]}

    def _crossed(self, order):
        price = self.prices[order["symbol"]]
        return price <= order["stop"] if order["side"] == "SELL" else price >= order["stop"]

    def _look_at(self, order):
        """Trigger and fill a limit or stop order where the price allows it."""
        if not order["working"]:
            if not self._crossed(order):
                return
            order["working"], order["updated"] = True, self.now_ms()
        price = self.prices[order["symbol"]]
        limit = order["price"]
        if limit and (price < limit if order["side"] == "SELL" else price > limit):
            return
        if order["type"] == "LIMIT" or order["filled"]:
            self._fill(order, {"shares": [1], "rest": "work"})
        else:
            self._fill(order, self._plan() | {"rest": "work"})

    def _fill(self, order, plan):
        market = self.markets[order["symbol"]]
        left = order["quantity"] - order["filled"]
        whole = sum(Decimal(str(share)) for share in plan["shares"]) >= 1
        quantities = [floor(left * Decimal(str(share)), market.step) for share in plan["shares"]]
        if whole and quantities:
            quantities[-1] = left - sum(quantities[:-1])
        sign = 1 if order["side"] == "BUY" else -1
        for k, quantity in enumerate(quantities):
            if quantity <= 0:
                continue
            slip = sign * Decimal(plan.get("slip_bps", 0)) * k / 10_000
            price = floor(self.prices[order["symbol"]] * (1 + slip), market.tick)
            if order["side"] == "BUY" and order["quantity"] > order["filled"]:
                # what was locked pays for it
                price = min(price, floor(
                    order["locked"] / (order["quantity"] - order["filled"]), market.tick
                ))  # fmt: skip
            elif order["price"]:
                price = max(price, order["price"])
            self._trade(market, order, quantity, price)
        if order["filled"] == order["quantity"]:
            self._end(order, "FILLED")
        elif plan.get("rest", "work") == "expire":
            self._end(order, "EXPIRED")
        elif order["filled"]:
            order["status"] = "PARTIALLY_FILLED"

    def _trade(self, market, order, quantity, price):
        now, cost = self.now_ms(), quantity * price
        buys = order["side"] == "BUY"
        got, gave = (market.base, market.quote) if buys else (market.quote, market.base)
        gets, gives = (quantity, cost) if buys else (cost, quantity)
        self.locked[gave] -= gives
        order["locked"] -= gives
        fee, fee_asset = floor(gets * FEE, UNIT), got
        if self.fee_asset and self.fee_asset != got:
            # a token of the exchange, worth 500 of the quote currency
            fee, fee_asset = floor(cost * FEE / 500, UNIT), self.fee_asset
        self.free[got] = self.free.get(got, Decimal(0)) + gets
        self.locked.setdefault(got, Decimal(0))
        self.free[fee_asset] -= fee
        order["filled"] += quantity
        order["paid"] += cost
        order["updated"] = now
        self.trades.append(
            {
                "symbol": order["symbol"],
                "id": 5001 + sum(t["symbol"] == order["symbol"] for t in self.trades),
                "orderId": order["orderId"],
                "orderListId": -1,
                "price": text(price),
                "qty": text(quantity),
                "quoteQty": text(cost),
                "commission": text(fee),
                "commissionAsset": fee_asset,
                "time": now,
                "isBuyer": buys,
                "isMaker": False,
                "isBestMatch": True,
            }
        )
        if order["clientOrderId"].startswith("web_"):
            return  # people may sell what is theirs
        for asset, amount in self.own.items():
            if asset not in self.quotes and asset != self.fee_asset and self.total(asset) < amount:
                self.violations.append(
                    f"{self.total(asset)} {asset} left of {amount} after {order}"
                )

    def _unlock(self, order):
        market = self.markets[order["symbol"]]
        asset = market.quote if order["side"] == "BUY" else market.base
        self.locked[asset] -= order["locked"]
        self.free[asset] += order["locked"]
        order["locked"] = Decimal(0)

    def _end(self, order, status):
        order["status"], order["updated"] = status, self.now_ms()
        self._unlock(order)

    def _find(self, p, *, open_first=False):
        self._market(p)
        if not p.get("orderId") and not p.get("origClientOrderId"):
            raise Rejected(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")  # noqa: E501  # fmt: skip
        found = [
            o for o in self.orders
            if o["symbol"] == p["symbol"]
            and p.get("orderId") in (None, "", str(o["orderId"]))
            and p.get("origClientOrderId") in (None, "", o["clientOrderId"])
        ]  # fmt: skip
        if open_first:
            found = [o for o in found if o["status"] in OPEN_STATES] or found
        if not found or self.hidden(found[-1]):
            return None
        return found[-1]
