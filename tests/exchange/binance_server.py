"""A loopback server that speaks the REST format of Binance spot, with faults on request.

In a test: ``with BinanceServer(now_ms=...) as server: ExchangeSource("binance", server.url, ...)``.
As a process: ``python tests/exchange/binance_server.py --port 0 --now 2024-09-06T04:45:00Z
--faults '[{"kind": "status", "status": 503, "times": 2}]'`` prints its port and serves until it
is ended. ``POST /control`` with ``{"now_ms": …, "faults": […]}`` changes it while it runs,
``GET /control`` tells the requests so far.

The candles are a pure function of symbol, timeframe and open time. A fault is a dict:

path     endpoint it applies to: klines (default), time, exchangeInfo, or * for all
symbol   only requests of that market id, e.g. BTCUSDT
skip     matching requests that pass unharmed first (default 0)
times    matching requests it hits after that (default 1; null for all)
kind     what happens, and its parameters; see `KINDS`
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import math
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KINDS = """
status: status, code, msg, html, headers      an error reply; JSON of Binance unless html is true
html: -                                       status 200 with a web page
body: text                                    status 200 with that text as JSON
truncated: -                                  a body shorter than its Content-Length, then closed
cut_json: -                                   a well-framed reply whose JSON ends in the middle
drop: -                                       closed without a byte
drop_headers: -                               closed in the middle of the headers
slow: seconds                                 nothing for that long, then the right reply
trickle: seconds, bytes                       the right reply, some bytes at a time
empty: -                                      no candles
short_rows, null_rows, bad_time: -            rows of 4 values; of nothing; with a text as time
nan, string: row                              a row whose close is NaN; is a text (default row 1)
duplicates, unsorted, off_grid: row           that row twice; rows reversed; a row beside the grid
missing: row, rows                            rows left out
changed: row, factor                          a row with prices times factor (default row 0, 1.5)
broken: row                                   a row whose high is below its low
"""

STEPS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000,
    "1h": 3_600_000, "2h": 7_200_000, "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000,
    "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
PAGE, DEFAULT_PAGE = 1000, 500
HTML = (
    "<html><head><title>{title}</title></head><body><h1>{title}</h1>"
    "<p>The page you asked for is not available.</p></body></html>"
)


def price(symbol: str, t_ms: float) -> float:
    """Return the price of a market id at a time: waves of several lengths, above 0."""
    phase = sum(ord(letter) * (k + 1) for k, letter in enumerate(symbol)) % 97
    days = t_ms / 86_400_000
    wave = 0.3 * math.sin(days / 9 + phase) + 0.05 * math.sin(days * 2.7 + 2 * phase)
    wave += 0.008 * math.sin(days * 71 + phase) + 0.003 * math.sin(days * 613 + 3 * phase)
    return 100 * (1 + phase / 10) * math.exp(wave)


def candle(symbol: str, step: int, open_ms: int, now_ms: int) -> list[float]:
    """Return ``[open_time, open, high, low, close, volume]``; unfinished if still open at now."""
    return list(_candle(symbol, step, open_ms, min(1.0, max(0.0, (now_ms - open_ms) / step))))


@functools.lru_cache(100_000)
def _candle(symbol, step, open_ms, share):
    first, last = price(symbol, open_ms), price(symbol, open_ms + share * step)
    noise = abs(math.sin(open_ms / 7919.0)) * 1e-3 * share
    high, low = max(first, last) * (1 + noise), min(first, last) * (1 - noise)
    volume = (10 + 9 * math.sin(open_ms / 3e6)) * share
    return open_ms, *(round(value, 8) for value in (first, high, low, last, volume))


def wire_row(row: list[float], step: int) -> list:
    """Return a candle as Binance sends it."""
    open_ms, *values = row
    texts = [f"{value:.8f}" for value in values]
    half = f"{values[4] / 2:.8f}"
    return [open_ms, *texts, open_ms + step - 1, f"{values[4] * values[3]:.8f}", 7, half, half, "0"]


class BinanceServer:
    """The server and what it serves; a context manager.

    ``gaps`` are lists of ``[since_ms, until_ms]`` by market id; ``first_ms`` is the listing of
    all markets. The clock is ``now_ms`` where given, and stands still; else the system's plus
    ``offset_ms``.
    """

    def __init__(
        self, symbols=("BTC/USDT", "ETH/USDT"), *, now_ms=None, offset_ms=0, first_ms=0, gaps=None,
        faults=(), port=0,
    ):  # fmt: skip
        self.markets = {symbol.replace("/", ""): symbol.split("/") for symbol in symbols}
        self.fixed_now_ms, self.offset_ms, self.first_ms = now_ms, offset_ms, first_ms
        self.gaps = dict(gaps or {})
        self.lock = threading.Lock()
        self.requests: list[dict] = []
        self.faults: list[dict] = []
        self.set_faults(*faults)
        self.listen(port)

    def listen(self, port):
        """Take the port; `__enter__` begins to serve."""
        self.ending = threading.Event()
        self.http = _Server(("127.0.0.1", port), self.handler())
        self.http.binance = self
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def handler(self):
        """Return the class that answers requests; a subclass may answer more."""
        return Handler

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)

    def set_faults(self, *faults):
        with self.lock:
            self.faults = [{"path": "klines", "skip": 0, "times": 1} | fault for fault in faults]

    def now_ms(self):
        if self.fixed_now_ms is not None:
            return self.fixed_now_ms
        return time.time_ns() // 1_000_000 + self.offset_ms

    def asked(self, path="klines", symbol=None):
        """Return the requests so far of an endpoint, as dicts with path and query."""
        with self.lock:
            return [
                r
                for r in self.requests
                if path in ("*", r["path"]) and symbol in (None, r["query"].get("symbol"))
            ]

    def forget(self):
        with self.lock:
            self.requests.clear()

    def fault_for(self, path, query):
        """Note the request; return the fault that hits it, or None."""
        with self.lock:
            self.requests.append({"path": path, "query": query, "fault": None})
            for fault in self.faults:
                if fault["path"] not in ("*", path):
                    continue
                if fault.get("symbol", query.get("symbol")) != query.get("symbol"):
                    continue
                if fault["skip"] > 0:
                    fault["skip"] -= 1
                    continue
                if fault["times"] is not None:
                    if fault["times"] <= 0:
                        continue
                    fault["times"] -= 1
                self.requests[-1]["fault"] = fault["kind"]
                return fault
        return None

    def series(self, symbol, timeframe, since_ms, until_ms, now_ms=None):
        """Return the candles of a market id with ``since_ms <= open_time < until_ms``."""
        step = STEPS_MS[timeframe]
        now_ms = self.now_ms() if now_ms is None else now_ms
        first = -(-max(since_ms, self.first_ms) // step) * step
        holes = self.gaps.get(symbol, [])
        return [
            candle(symbol, step, t, now_ms)
            for t in range(first, min(until_ms, now_ms), step)
            if not any(a <= t < b for a, b in holes)
        ]

    def klines(self, query):
        symbol, step = query.get("symbol"), STEPS_MS.get(query.get("interval"))
        if symbol not in self.markets:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        if step is None:
            return 400, {"code": -1120, "msg": "Invalid interval."}
        limit = min(int(query.get("limit", DEFAULT_PAGE)), PAGE)
        now = self.now_ms()
        last = min(int(query.get("endTime", now)), now)
        rows: list[list[float]] = []
        if "startTime" not in query:
            rows = self.series(symbol, query["interval"], last - (limit + 1) * step, last + 1, now)
            return 200, [wire_row(row, step) for row in rows[-limit:]]
        since = max(int(query["startTime"]), self.first_ms)
        # behind a gap there may be more: until the page is full or the present is reached
        while len(rows) < limit and since <= last:
            until = min(since + limit * step, last + 1)
            rows += self.series(symbol, query["interval"], since, until, now)
            since = until
        return 200, [wire_row(row, step) for row in rows[:limit]]

    def exchange_info(self):
        tick = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00"}
        lot = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0"}
        return {
            "timezone": "UTC",
            "serverTime": self.now_ms(),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": name,
                    "status": "TRADING",
                    "baseAsset": base,
                    "baseAssetPrecision": 8,
                    "quoteAsset": quote,
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                    "orderTypes": ["LIMIT", "MARKET"],
                    "icebergAllowed": True,
                    "isSpotTradingAllowed": True,
                    "isMarginTradingAllowed": False,
                    "permissions": ["SPOT"],
                    "filters": [
                        tick | {"tickSize": "0.01"},
                        lot | {"stepSize": "0.00001"},
                        {"filterType": "NOTIONAL", "minNotional": "5.0"},
                    ],
                }
                for name, (base, quote) in self.markets.items()
            ],
        }


def spoil(rows, fault):
    """Return rows of the wire format as that fault makes them."""
    kind, n = fault["kind"], fault.get("row", 0 if fault["kind"] == "changed" else 1)
    rows = [list(row) for row in rows]
    if kind == "empty":
        return []
    if kind == "short_rows":
        return [row[:4] for row in rows]
    if kind == "null_rows":
        return [[None] * 12 for _ in rows]
    if kind == "bad_time":
        return [["noon", *row[1:]] for row in rows]
    if kind == "unsorted":
        return rows[::-1]
    if kind == "missing":
        return rows[:n] + rows[n + fault.get("rows", 1) :]
    if not -len(rows) <= n < len(rows):
        return rows
    if kind == "nan":
        rows[n][4] = "NaN"
    elif kind == "string":
        rows[n][4] = "much"
    elif kind == "duplicates":
        rows.insert(n, list(rows[n]))
    elif kind == "off_grid":
        rows.insert(n, [rows[n][0] + 1234, *rows[n][1:]])
    elif kind == "changed":
        factor = fault.get("factor", 1.5)
        rows[n][1:5] = [f"{float(text) * factor:.8f}" for text in rows[n][1:5]]
    elif kind == "broken":
        rows[n][2], rows[n][3] = rows[n][3], f"{float(rows[n][2]) * 1.01:.8f}"
    else:
        raise ValueError(f"unknown kind of fault: {kind}")
    return rows


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    binance: BinanceServer

    def handle_error(self, request, client_address):
        # a client that hangs up is what many of these tests are about
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._reply(200, b"", head=True)

    def do_POST(self):
        server = self.server.binance
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if "now_ms" in order:
            server.fixed_now_ms = order["now_ms"]
        if "faults" in order:
            server.set_faults(*order["faults"])
        if order.get("forget"):
            server.forget()
        self._reply(200, b"{}")

    def do_GET(self):
        server, parts = self.server.binance, urlsplit(self.path)
        path = parts.path.rsplit("/", 1)[-1]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/control":
            self._reply(200, json.dumps(server.asked("*")).encode())
            return
        fault = server.fault_for(path, query)
        status, content = 200, None
        if parts.path == "/api/v3/klines":
            status, content = server.klines(query)
        elif parts.path == "/api/v3/time":
            content = {"serverTime": server.now_ms()}
        elif parts.path == "/api/v3/exchangeInfo":
            content = server.exchange_info()
        elif parts.path == "/api/v3/ping":
            content = {}
        else:
            self._reply(404, HTML.format(title="404 Not Found").encode(), kind="text/html")
            return
        if fault is None:
            self._reply(status, json.dumps(content).encode())
        else:
            self._fail(fault, status, content)

    def _fail(self, fault, status, content):
        kind = fault["kind"]
        if kind == "status":
            code = fault["status"]
            if fault.get("html"):
                title = f"{code} {self.responses.get(code, ('Error', ''))[0]}"
                self._reply(
                    code, HTML.format(title=title).encode(), "text/html", fault.get("headers")
                )
            else:
                reply = {"code": fault.get("code", 0), "msg": fault.get("msg", "trouble")}
                self._reply(code, json.dumps(reply).encode(), headers=fault.get("headers"))
        elif kind == "html":
            self._reply(200, HTML.format(title="Welcome").encode(), "text/html")
        elif kind == "body":
            self._reply(200, fault["text"].encode())
        elif kind == "drop":
            self._hang_up()
        elif kind == "drop_headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
            self._hang_up()
        elif kind in ("truncated", "cut_json", "slow", "trickle"):
            self._deliver_badly(fault, json.dumps(content).encode(), status)
        else:
            self._reply(status, json.dumps(spoil(content, fault)).encode())

    def _deliver_badly(self, fault, body, status):
        kind = fault["kind"]
        if kind == "cut_json":
            self._reply(status, body[: max(1, len(body) // 2)])
        elif kind == "truncated":
            self._head(status, len(body), "application/json", None)
            self.wfile.write(body[: len(body) // 2])
            self._hang_up()
        elif kind == "slow":
            self.server.binance.ending.wait(fault.get("seconds", 1))
            self._reply(status, body)
        else:
            self._head(status, len(body), "application/json", None)
            size = fault.get("bytes", 1)
            # at most ten thousand pieces, and none after the server has ended
            for start in range(0, min(len(body), 10_000 * size), size):
                self.wfile.write(body[start : start + size])
                if self.server.binance.ending.wait(fault.get("seconds", 0.05)):
                    break
            self.close_connection = True

    def _head(self, status, length, kind, headers):
        self.send_response_only(status)
        moment = self.server.binance.now_ms() / 1000
        for name, value in {
            "Date": formatdate(moment, usegmt=True),
            "Content-Type": kind,
            "Content-Length": str(length),
            **(headers or {}),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _reply(self, status, body, kind="application/json", headers=None, head=False):
        self._head(status, len(body), kind, headers)
        if not head:
            self.wfile.write(body)

    def _hang_up(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def main():
    parser = argparse.ArgumentParser(description="Binance spot on loopback")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--faults", default="[]", help="JSON list of faults")
    parser.add_argument("--symbols", default="BTC/USDT,ETH/USDT")
    parser.add_argument("--now", default="", help="ISO time at which the clock stands still")
    parser.add_argument("--offset-ms", type=int, default=0, help="clock ahead of the system's")
    parser.add_argument("--first", default="", help="ISO time of the first candle")
    parser.add_argument("--gaps", default="{}", help='JSON: {"BTCUSDT": [[since_ms, until_ms]]}')
    options = parser.parse_args()
    server = BinanceServer(
        options.symbols.split(","),
        now_ms=_ms(options.now) if options.now else None,
        offset_ms=options.offset_ms,
        first_ms=_ms(options.first) if options.first else 0,
        gaps=json.loads(options.gaps),
        faults=json.loads(options.faults),
        port=options.port,
    )
    with server, contextlib.suppress(KeyboardInterrupt):
        print(server.port, flush=True)
        server.thread.join()


def _ms(text):
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


if __name__ == "__main__":
    main()
