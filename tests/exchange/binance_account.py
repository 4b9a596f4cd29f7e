"""The account side of Binance spot on loopback: signed endpoints in front of a `SpotAccount`.

``AccountServer(account, key=…, secret=…, now_ms=…)`` is a `BinanceServer` that knows orders too.
The account lives through `stop` and `start` (the same port again), `restart` is both. Endpoints
of the account are named with their method in faults and in `asked`: ``POST order``,
``GET order``, ``DELETE order``, ``POST order/test``, ``GET openOrders``, ``GET allOrders``,
``GET myTrades``, ``GET account``, ``GET apiRestrictions``. Beside the kinds of `BinanceServer`:

when: "before" (default) or "after"   whether the request is processed before the fault shows
hide_ms, hide_asks                    an order placed by this request is not seen by queries for
                                      that long, and for so many looks
none: -                               the right reply (to hide an order alone)
late: ms                              no reply; the request is processed that much later, if it
                                      is still valid then
timeout: -                            what `TimeoutAdapter` turns into a read timeout at once
error: code                           Binance's error of that code, as `ERRORS` words it
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import threading
from urllib.parse import parse_qsl, urlsplit

import requests
import requests.adapters
from binance_server import BinanceServer, Handler
from spot_account import Rejected, text

KEY, SECRET = "k" * 64, "s" * 64
TIMEOUT_HEADER = "X-Loopback-Timeout"
ERRORS = {
    -1000: (500, "An unknown error occurred while processing the request."),
    -1001: (500, "Internal error; unable to process your request. Please try again."),
    -1003: (429, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."),  # noqa: E501
    -1006: (500, "An unexpected response was received from the message bus. Execution status unknown."),  # noqa: E501
    -1007: (504, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),  # noqa: E501
    -1013: (400, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    -1021: (400, "Timestamp for this request is outside of the recvWindow."),
    -2010: (400, "Account has insufficient balance for requested action."),
}  # fmt: skip


class AccountServer(BinanceServer):
    """A loopback exchange with one account; a context manager."""

    def __init__(self, account, *, key=KEY, secret=SECRET, restrictions=None, **options):
        self.account, self.key, self.secret = account, key, secret
        self.restrictions = dict(restrictions or {})
        self.processing = threading.RLock()
        self.later: list[tuple] = []
        self.connections: set[socket.socket] = set()
        symbols = [f"{market.base}/{market.quote}" for market in account.markets.values()]
        super().__init__(symbols, **options)

    def handler(self):
        return _AccountHandler

    def start(self):
        """Serve again, on the same port."""
        self.listen(self.port)
        self.thread.start()

    def stop(self):
        """Close the port and every connection."""
        self.__exit__()
        for connection in list(self.connections):
            _close(connection)

    def restart(self):
        self.stop()
        self.start()

    def advance(self, ms):
        """Move the clock; requests that were late arrive."""
        with self.processing:
            end = self.fixed_now_ms + round(ms)
            while True:
                due = min((entry for entry in self.later), key=lambda e: e[0], default=None)
                if due is None or due[0] > end:
                    break
                self.later.remove(due)
                self.fixed_now_ms = max(self.fixed_now_ms, due[0])
                self.answer(*due[1:])
            self.fixed_now_ms = end

    def exchange_info(self):
        content = super().exchange_info()
        for entry in content["symbols"]:
            market = self.account.markets[entry["symbol"]]
            entry["orderTypes"] = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"]
            low, high = text(market.min_quantity), text(market.max_quantity)
            entry["filters"] = [
                {"filterType": "PRICE_FILTER", "minPrice": text(market.tick),
                 "maxPrice": "1000000.00000000", "tickSize": text(market.tick)},
                {"filterType": "LOT_SIZE", "minQty": low, "maxQty": high,
                 "stepSize": text(market.step)},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120.00000000",
                 "stepSize": "0.00000000"},
                {"filterType": "NOTIONAL", "minNotional": text(market.min_notional),
                 "applyMinToMarket": True, "maxNotional": "9000000.00000000",
                 "applyMaxToMarket": False, "avgPriceMins": 5},
            ]  # fmt: skip
        return content

    def answer(self, name, key, payload, hide_ms=0, hide_asks=0):
        """Return (status, content) of a signed request, processing it.

        `payload` is the query string and the body as they came, one behind the other.
        """
        with self.processing:
            before = len(self.account.orders)
            try:
                content = self._dispatch(name, self._verified(key, payload))
            except Rejected as error:
                return error.status, {"code": error.code, "msg": error.msg}
            for order in self.account.orders[before:]:
                order["hidden_asks"] = hide_asks
                order["hidden_until"] = self.now_ms() + hide_ms if hide_ms else 0
            return 200, content

    def _verified(self, key, payload):
        if not key or not re.fullmatch(r"[A-Za-z0-9]{64}", key):
            raise Rejected(-2014, "API-key format invalid.", 401)
        if key != self.key:
            raise Rejected(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        signed, _, signature = payload.rpartition("signature=")
        right = hmac.new(self.secret.encode(), signed.rstrip("&").encode(), hashlib.sha256)
        if not hmac.compare_digest(right.hexdigest(), signature):
            raise Rejected(-1022, "Signature for this request is not valid.")
        p = dict(parse_qsl(signed, keep_blank_values=True))
        window = int(p.get("recvWindow", 5000))
        if window > 60_000:
            raise Rejected(-1131, "recvWindow must be less than 60000.")
        if not p.get("timestamp", "").isdigit():
            raise Rejected(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")  # noqa: E501  # fmt: skip
        sent, now = int(p["timestamp"]), self.now_ms()
        if sent >= now + 1000:
            raise Rejected(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")  # noqa: E501  # fmt: skip
        if now - sent > window:
            raise Rejected(-1021, "Timestamp for this request is outside of the recvWindow.")
        return p

    def _dispatch(self, name, p):
        account = self.account
        answers = {
            "POST order": lambda: account.place(p),
            "POST order/test": lambda: account.place(p, test=True),
            "GET order": lambda: account.find(p),
            "DELETE order": lambda: account.cancel(p),
            "GET openOrders": lambda: account.all_orders(p, only_open=True),
            "GET allOrders": lambda: account.all_orders(p),
            "GET myTrades": lambda: account.my_trades(p),
            "GET account": account.balances,
            "GET apiRestrictions": self._restrictions,
        }
        return answers[name]()

    def _restrictions(self):
        return {
            "ipRestrict": False,
            "createTime": 1_698_645_219_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableMargin": False,
            "enableFutures": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enablePortfolioMarginTrading": False,
        } | self.restrictions

    def ticker(self, name, query):
        """Return (status, content) of a public price."""
        with self.processing:
            symbol = query.get("symbol")
            if symbol not in self.account.prices:
                return 400, {"code": -1121, "msg": "Invalid symbol."}
            price, tick = self.account.prices[symbol], self.account.markets[symbol].tick
        last = text(price)
        if name == "bookTicker":
            return 200, {
                "symbol": symbol, "bidPrice": text(price - tick), "bidQty": "9.0",
                "askPrice": last, "askQty": "9.0",
            }  # fmt: skip
        if name in ("price", "avgPrice"):
            return 200, {"symbol": symbol, "price": last, "mins": 5, "closeTime": self.now_ms()}
        return 200, {
            "symbol": symbol, "lastPrice": last, "openPrice": last, "highPrice": last,
            "lowPrice": last, "weightedAvgPrice": last, "bidPrice": text(price - tick),
            "askPrice": last, "volume": "1.0", "quoteVolume": last,
            "openTime": self.now_ms() - 86_400_000, "closeTime": self.now_ms(), "count": 1,
        }  # fmt: skip


ENDPOINTS = {
    ("POST", "/api/v3/order"): "POST order",
    ("POST", "/api/v3/order/test"): "POST order/test",
    ("GET", "/api/v3/order"): "GET order",
    ("DELETE", "/api/v3/order"): "DELETE order",
    ("GET", "/api/v3/openOrders"): "GET openOrders",
    ("GET", "/api/v3/allOrders"): "GET allOrders",
    ("GET", "/api/v3/myTrades"): "GET myTrades",
    ("GET", "/api/v3/account"): "GET account",
    ("GET", "/sapi/v1/account/apiRestrictions"): "GET apiRestrictions",
}
TICKERS = {
    "/api/v3/ticker/price": "price",
    "/api/v3/ticker/bookTicker": "bookTicker",
    "/api/v3/ticker/24hr": "24hr",
    "/api/v3/avgPrice": "avgPrice",
}


class _AccountHandler(Handler):
    def setup(self):
        super().setup()
        self.server.binance.connections.add(self.connection)

    def finish(self):
        self.server.binance.connections.discard(self.connection)
        super().finish()

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path in TICKERS:
            server, query = self.server.binance, dict(parse_qsl(parts.query))
            name = TICKERS[parts.path]
            fault = server.fault_for(name, query)
            self._send(fault, *server.ticker(name, query))
        elif ("GET", parts.path) in ENDPOINTS:
            self._signed("GET", parts)
        else:
            super().do_GET()

    def do_POST(self):
        parts = urlsplit(self.path)
        if parts.path == "/clock":
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.binance.advance(order["advance_ms"])
            now = {"now_ms": self.server.binance.now_ms()}
            self._reply(200, json.dumps(now).encode())
        elif ("POST", parts.path) in ENDPOINTS:
            self._signed("POST", parts)
        else:
            super().do_POST()

    def do_DELETE(self):
        self._signed("DELETE", urlsplit(self.path))

    def _signed(self, method, parts):
        server = self.server.binance
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        name = ENDPOINTS.get((method, parts.path))
        if name is None:
            self._reply(404, b"<html>not found</html>", "text/html")
            return
        payload = parts.query + body
        p = dict(parse_qsl(payload))
        fault = server.fault_for(name, p)
        request = (name, self.headers.get("X-MBX-APIKEY"), payload)
        if fault is None:
            self._send(None, *server.answer(*request))
            return
        hide = fault.get("hide_ms", 0), fault.get("hide_asks", 0)
        if fault["kind"] == "late":
            with server.processing:
                server.later.append((server.now_ms() + fault["ms"], *request, *hide))
            self._send({"kind": fault.get("shown", "drop")}, 200, {})
        elif fault.get("when", "before") == "after" or fault["kind"] == "none":
            self._send(fault, *server.answer(*request, *hide))
        else:
            self._send(fault, 200, {})

    def _send(self, fault, status, content):
        kind = "none" if fault is None else fault["kind"]
        if kind == "none":
            self._reply(status, json.dumps(content).encode())
        elif kind == "timeout":
            self._reply(200, b"", headers={TIMEOUT_HEADER: "1"})
        elif kind == "error":
            http_status, message = ERRORS[fault["code"]]
            reply = {"code": fault["code"], "msg": message}
            self._reply(http_status, json.dumps(reply).encode(), headers=fault.get("headers"))
        else:
            self._fail(fault, status, content)


class TimeoutAdapter(requests.adapters.HTTPAdapter):
    """Turns replies of the fault ``timeout`` into read timeouts that take no real time.

    ``inner`` really sends; ``waited(seconds)`` is told how long the client would have waited.
    """

    def __init__(self, inner, waited):
        super().__init__()
        self.inner, self.waited = inner, waited

    def send(self, request, timeout=None, **options):
        reply = self.inner.send(request, timeout=timeout, **options)
        if TIMEOUT_HEADER in reply.headers:
            seconds = timeout[1] if isinstance(timeout, tuple) else timeout
            self.waited(float(seconds or 10))
            raise requests.exceptions.ReadTimeout("read timed out", request=request)
        return reply

    def close(self):
        self.inner.close()


def _close(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
