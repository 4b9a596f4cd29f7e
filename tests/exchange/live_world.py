"""A world for live trading: an exchange with faults, a clock that waits move, and sudden death.

All chance comes from one seed. The clock stands still but for what requests and waits take. A
process dies by `Death`, raised at its n-th side effect (before or after a request, before or
after a commit to disk, in a wait); from then on every side effect of it raises `Death` again, so
that nothing it tidies up on the way out reaches the world.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import weakref
from decimal import Decimal
from typing import ClassVar

import requests.adapters
from binance_account import KEY, SECRET, AccountServer, TimeoutAdapter
from spot_account import Market, Rejected, SpotAccount

SYMBOLS = ("BTC/USDT", "ETH/USDT")
IDS = {"BTC/USDT": "BTCUSDT", "ETH/USDT": "ETHUSDT"}
MARKETS = {
    "BTCUSDT": Market("BTC", "USDT"),
    "ETHUSDT": Market("ETH", "USDT", step=Decimal("0.0001"), min_quantity=Decimal("0.0001")),
}
PRICES = {"BTCUSDT": "60000", "ETHUSDT": "2500"}
OWN = {"USDT": "20000", "BTC": "0.5", "ETH": "3", "BNB": "5"}
STEP = 300_000
START = 1_725_597_900_000  # 2024-09-06T04:45:00Z


class Death(BaseException):
    """The process was killed here."""


class Fate:
    """Counts side effects; the one numbered `at` is the last.

    With `since` the counting begins at the first whose name ends so.
    """

    def __init__(self, at=None, since=""):
        self.at, self.since, self.count, self.dead, self.where = at, since, 0, False, ""

    def step(self, what):
        if not self.dead:
            if not self.count and not what.endswith(self.since):
                return
            self.count += 1
            if self.count != self.at:
                return
            self.dead, self.where = True, what
        raise Death(what)


class _MortalConnection(sqlite3.Connection):
    """A connection to disk whose commits are side effects."""

    fate: Fate | None = None
    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.alive.add(self)

    def execute(self, sql, *args):
        fate = type(self).fate
        writes = sql.lstrip()[:6].upper() in ("COMMIT", "INSERT", "UPDATE", "DELETE")
        commits = fate is not None and (sql.lstrip()[:6].upper() == "COMMIT" or (
            writes and not self.in_transaction
        ))  # fmt: skip
        if fate is not None and fate.dead and writes:
            raise Death(sql)
        if commits:
            fate.step(f"before {sql[:30]}")
        if sql.startswith("PRAGMA synchronous"):
            sql = "PRAGMA synchronous = OFF"  # programs die here, machines do not
        cursor = super().execute(sql, *args)
        if commits:
            fate.step(f"after {sql[:30]}")
        return cursor


@contextlib.contextmanager
def mortal_disk(fate):
    """Let commits of this context count for `fate`; nothing uncommitted outlives it."""
    ordinary = sqlite3.connect

    def connect(*args, **options):
        return ordinary(*args, **{"factory": _MortalConnection} | options)

    sqlite3.connect, _MortalConnection.fate = connect, fate
    try:
        yield
    finally:
        sqlite3.connect, _MortalConnection.fate = ordinary, None
        for connection in list(_MortalConnection.alive):
            connection.close()
        _MortalConnection.alive.clear()


class Line(requests.adapters.HTTPAdapter):
    """What lies between the program and the exchange: each request may be the last thing done."""

    def __init__(self, inner, world, fate):
        super().__init__()
        self.inner, self.world, self.fate = TimeoutAdapter(inner, world.wait), world, fate

    def send(self, request, **options):
        what = f"{request.method} {request.url.split('?')[0].rsplit('/', 1)[-1]}"
        self.fate.step(f"before {what}")
        self.world.something_happens()
        try:
            return self.inner.send(request, **options)
        finally:
            self.fate.step(f"after {what}")

    def close(self):
        self.inner.close()


class Machine:
    """Where the program runs: its waits and its line to the exchange, until its fate."""

    def __init__(self, world, fate):
        self.world, self.fate, self.rng = world, fate, world.rng
        self.now_ms, self.monotonic = world.now_ms, world.monotonic

    def sleep(self, seconds):
        self.fate.step(f"in a wait of {seconds:.1f} s")
        self.world.wait(seconds)
        self.world.something_happens()

    def line(self, inner):
        return Line(inner, self.world, self.fate)


class World:
    """The exchange, its account, this machine's clock, and the dice."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.rng = random.Random(seed)
        self.skew_ms = 0
        self.unrest = 0.0
        self.down = 0
        self.log: list[str] = []
        server.set_faults()
        server.forget()
        server.later.clear()
        server.fixed_now_ms = START
        fee_asset = "BNB" if self.rng.random() < 0.15 else None
        server.account = SpotAccount(
            MARKETS, OWN, PRICES, now_ms=server.now_ms, fee_asset=fee_asset
        )
        self.account = server.account
        self.account.trade_lag_ms = self.rng.choice([0, 0, 0, 1500, 9000])
        # an order of the person's own, far from the market, that nobody else may touch
        self.account.place(
            {
                "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
                "quantity": "0.1", "price": "150000", "newClientOrderId": "web_mine",
            }
        )  # fmt: skip

    # ---- time -----------------------------------------------------------------------------

    def now_ms(self):
        """This machine's time."""
        return self.server.now_ms() + self.skew_ms

    def monotonic(self):
        return (self.server.now_ms() - START) / 1000

    def wait(self, seconds):
        self.server.advance(seconds * 1000)

    # ---- chance ---------------------------------------------------------------------------

    def something_happens(self):
        """Let time pass, and now and then more than that."""
        self.server.advance(self.rng.randrange(5, 40))
        if self.down:
            self.down -= 1
            if not self.down:
                self.server.start()
        if self.rng.random() >= self.unrest:
            return
        kind = self.rng.random()
        if kind < 0.85:
            self.market_moves()
        elif kind < 0.9:
            self.server.advance(self.rng.choice([1000, 6000, 40_000]))
        elif kind < 0.95:
            self.skew_ms += self.rng.choice([-7000, -900, 900, 7000])
        elif not self.down:
            self.server.stop()
            self.down = self.rng.choice([1, 2, 6])

    def calm_down(self):
        """End everything that goes wrong; what was late arrives."""
        if self.down:
            self.server.start()
        self.down = 0
        self.server.set_faults()
        self.account.plans.clear()
        self.account.trade_lag_ms = 0
        self.unrest, self.skew_ms = 0, 0
        self.server.advance(30_000)
        self.account.continue_fills()

    def market_moves(self):
        with self.server.processing:
            name = self.rng.choice(list(MARKETS))
            kind = self.rng.random()
            if kind < 0.75:
                percent = self.rng.choice([-7, -4, -2.5, -1.5, -0.3, 0.2, 0.8, 2, 4, 8])
                steps = self.rng.choice([1, 20])  # a gap, or a walk through every price
                for _ in range(steps):
                    price = float(self.account.prices[name]) * (1 + percent / 100 / steps)
                    price = max(price, 0.2 * float(PRICES[name]))
                    self.account.set_price(name, f"{price:.2f}")
            elif kind < 0.88:
                self.account.continue_fills(self.rng.choice([[1], [0.5], [0.3, 0.3]]))
            elif kind < 0.92:
                self.person_cancels()
            else:
                side = self.rng.choice(["BUY", "SELL"])
                with contextlib.suppress(Rejected):
                    self.account.person_trades(name, side, "0.0110")

    def person_cancels(self):
        """Let the person cancel one of the bot's orders by hand."""
        found = [o for o in self.account.open_orders() if o["clientOrderId"].startswith("bc-")]
        if found:
            order = self.rng.choice(found)
            self.account.cancel({"symbol": order["symbol"], "orderId": str(order["orderId"])})

    def next_candle(self):
        """Let time pass until a candle has closed; return when it closed."""
        close = (self.server.now_ms() // STEP + 1) * STEP
        self.server.advance(close - self.server.now_ms() + self.rng.randrange(500, 20_000))
        return close

    def prices(self):
        return {symbol: str(self.account.prices[name]) for symbol, name in IDS.items()}

    def fault(self):
        """Return one fault, as the server takes it."""
        rng = self.rng
        path = rng.choices(
            ["POST order", "GET order", "DELETE order", "GET openOrders", "GET myTrades",
             "GET account", "GET allOrders", "time", "exchangeInfo", "*"],
            [16, 4, 6, 2, 3, 2, 1, 1, 1, 1],
        )[0]  # fmt: skip
        unknown = [
            {"kind": "drop"},
            {"kind": "timeout"},
            {"kind": "timeout"},
            {"kind": "status", "status": rng.choice([500, 502, 503, 504]), "html": True},
            {"kind": "error", "code": rng.choice([-1000, -1001, -1006, -1007])},
        ]
        mangled = [{"kind": kind} for kind in ("html", "truncated", "cut_json", "drop_headers")]
        refused = [
            {"kind": "error", "code": -1021},
            {"kind": "error", "code": -1003, "headers": {"Retry-After": rng.choice([1, 5, 20])}},
            {"kind": "status", "status": 418, "headers": {"Retry-After": rng.choice([2, 30])}},
        ]
        changes = path in ("POST order", "DELETE order")
        if path in ("time", "exchangeInfo", "*"):
            fault = rng.choice([*unknown[:1], *unknown[3:4], *mangled[:1]])
            fault |= {"when": "after"}
        elif not changes:
            fault = rng.choice([*unknown, *mangled, *refused])
        elif path == "POST order" and rng.random() < 0.3:
            fault = {"kind": "late", "ms": rng.choice([300, 2500, 3500, 4500, 4900, 5500])}
            fault |= {"shown": rng.choice(["drop", "drop", "drop", "timeout"])}
        elif path == "POST order" and rng.random() < 0.2:
            fault = {"kind": "error", "code": rng.choice([-2010, -1013])}
        elif rng.random() < 0.2:
            fault = rng.choice(refused)
        else:
            fault = rng.choice([*unknown, *unknown, *mangled, {"kind": "none"}])
            fault |= {"when": "after" if fault in mangled else rng.choice(["before", "after"])}
            if path == "POST order" and fault["when"] == "after" and rng.random() < 0.4:
                fault |= rng.choice([{"hide_ms": 1200}, {"hide_ms": 4000}, {"hide_asks": 1}])
        skip, times = rng.choice([0, 0, 0, 1, 1, 3]), rng.choice([1, 1, 1, 2])
        if path == "DELETE order":
            times = rng.choice([1, 2, 8])
        return {"path": path, "skip": skip, "times": times} | fault

    def plan_of_fills(self):
        """Return how the exchange fills one of the next orders."""
        shares, rest = self.rng.choice(
            [([0.3, 0.4, 0.3], "work"), ([0.5, 0.5], "work"), ([0.5], "work"), ([0.2, 0.3], "work"),
             ([0.6], "expire"), ([0.1, 0.1], "expire"), ([0], "expire"), ([0], "work")]
        )  # fmt: skip
        return {"shares": shares, "rest": rest, "slip_bps": self.rng.choice([0, 1, 5])}

    def say(self, *words):
        self.log.append(" ".join(str(word) for word in words))


@contextlib.contextmanager
def exchange():
    """Serve a loopback exchange for any number of worlds, one after the other."""
    account = SpotAccount(MARKETS, OWN, PRICES, now_ms=lambda: START)
    with AccountServer(account, key=KEY, secret=SECRET, now_ms=START) as server:
        yield server
