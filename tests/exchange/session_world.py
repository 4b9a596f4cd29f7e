"""Runs of `bot-cripto execute` with real orders: a loopback exchange, a state, a clock by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
from binance_account import KEY, SECRET
from live_world import IDS, MARKETS, OWN, PRICES, START
from spot_account import SpotAccount

from bot_cripto import clock
from bot_cripto.checkout import ROOT
from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.execution import session
from bot_cripto.execution.book import Book
from bot_cripto.execution.derived import rebuild
from bot_cripto.execution.live import session as live_session
from bot_cripto.execution.live.setup import make_executor
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.market.candles import make
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion_change import promote
from bot_cripto.timeframes import iso, last_close, timeframe_ms

BTC, ETH = "BTC/USDT", "ETH/USDT"
LIVE = {"LIVE_MODE": "true", "LIVE_CONFIRM_TOKEN": "I_UNDERSTAND_LIVE_TRADING"}
KEYS = {"EXCHANGE_API_KEY": KEY, "EXCHANGE_API_SECRET": SECRET}


def promote_models(layout, symbol, *, provisional=False):
    promote(
        layout.models, symbol, {"trend": ModelUse("20240901T000000Z-trend", "ab" * 32, None)},
        source="binance", timeframe="5m", horizon_steps=3, provisional=provisional,
        reason="judged better" if not provisional else "the first", promoted_at_ms=START,
    )  # fmt: skip


class SessionWorld:
    """One state folder and one account; time and candles go on as told.

    With ``real`` the clock is the system's, for programs that run as processes; candles are then
    a day long, so that none closes meanwhile.
    """

    def __init__(self, server, folder, monkeypatch, symbols=(BTC,), *, real=False, **changes):
        self.server, self.folder = server, folder
        timeframe = "1d" if real else "5m"
        self.step = timeframe_ms(timeframe)
        self.close_ms = last_close(clock.system_ms(), timeframe) if real else START
        server.set_faults()
        server.forget()
        server.restrictions = {}
        server.fixed_now_ms = None if real else START + 2000
        server.account = self.account = SpotAccount(MARKETS, OWN, PRICES, now_ms=server.now_ms)
        values = {
            "symbols": list(symbols), "source": "exchange", "exchange_base_url": server.url,
            "live_mode": True, "state_dir": str(folder), "fetch_budget_s": 20,
            "fetch_timeout_s": 5, "fetch_attempts": 3, "horizon_steps": 3,
            "timeframe": timeframe,
        }  # fmt: skip
        self.settings = effective(Settings(**values | changes), folder)
        self.layout = Layout.of(self.settings).below(folder)
        self.store = CandleStore(self.layout.store, "binance", timeframe)
        self.environment = LIVE | KEYS
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(clock.AS_OF_VARIABLE, raising=False)
        if not real:
            self.hold_the_clock(monkeypatch)
        for symbol in self.settings["symbols"]:
            price = float(PRICES[IDS[symbol]])
            n = 300
            wiggle = price * (1 + 1e-4 * np.sin(np.arange(n)))
            wiggle[-1] = price
            times = self.close_ms + (np.arange(n) - n) * self.step
            self.put(symbol, times, wiggle)
            promote_models(self.layout, symbol)

    # time and prices

    def hold_the_clock(self, monkeypatch):
        """Make the clock of the exchange the only one there is."""
        only = SimpleNamespace(time_ns=lambda: self.server.now_ms() * 1_000_000)
        monkeypatch.setattr(clock, "time", only)
        patient = partial(make_executor, sleep=self.wait)
        monkeypatch.setattr(live_session, "make_executor", patient)

    def wait(self, seconds):
        self.server.advance(max(1, seconds * 1000))

    def put(self, symbol, times, closes, highs=None, lows=None):
        closes = np.asarray(closes, float)
        highs = closes * 1.0001 if highs is None else np.asarray(highs, float)
        lows = closes * 0.9999 if lows is None else np.asarray(lows, float)
        self.store.append(symbol, make(times, closes, highs, lows, closes, np.ones(len(closes))))

    def candle(self, count=1, late_ms=2000, highs=None, **prices):
        """Let candles close, at the given prices (``BTC="61000"``) or as before."""
        for base, price in prices.items():
            self.account.set_price(f"{base}USDT", price)
        for _ in range(count):
            for symbol in self.settings["symbols"]:
                price = float(self.account.prices[IDS[symbol]])
                high = [highs[symbol]] if highs and symbol in highs else None
                self.put(symbol, np.array([self.close_ms]), [price], high)
            self.close_ms += self.step
        self.server.advance(self.close_ms + late_ms - self.server.now_ms())

    # signals and runs

    def signal(self, decision="LONG", symbol=BTC, **fields):
        """Journal the signal of the last closed candle."""
        size = {"LONG": 0.2, "SHORT": 0.0, "NO_TRADE": 0.0}[decision]
        allowed = decision != "NO_TRADE"
        document = {
            "ts": iso(self.server.now_ms()), "symbol": symbol, "decision": decision,
            "timeframe": self.settings["timeframe"], "source": "binance",
            "candle_close_time": iso(self.close_ms),
            "valid_until": iso(self.close_ms + self.step), "revision": 0, "horizon_steps": 3,
            "prob_up": {"LONG": 0.7, "SHORT": 0.3, "NO_TRADE": 0.5}[decision],
            "expected_return": 0.004, "position_size": size, "equity": 10_000.0,
            "risk_allowed": allowed, "reason": "every gate passes", "mode": "LIVE",
            "gates": [{"name": "probability", "passed": allowed}],
            "sizing": [{"name": "stop_distance", "value": 0.02},
                       {"name": "target_distance", "value": None}],
        }  # fmt: skip
        with Journal.open(self.layout.journal) as journal:
            assert journal.append(document | fields)

    def check(self):
        outcome = session.live_check(self.layout, self.settings, self.environment, "ana")
        return outcome

    def execute(self, **changes):
        outcome = session.execute(self.layout, self.settings | changes, self.environment)
        if self.server.fixed_now_ms is not None:
            self.server.advance(500)
        return outcome

    def flatten(self):
        return session.flatten(self.layout, self.settings, self.environment, "ana")

    def enter(self, *symbols):
        """Check, signal LONG, execute: a position with its stop."""
        assert self.check().code == 0
        for symbol in symbols or (BTC,):
            self.signal("LONG", symbol)
        outcome = self.execute()
        assert outcome.code == 0, outcome.lines
        return outcome

    def variables(self, **changes):
        """Return the environment of a process of this world, with the live gates closed."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BOT_CRIPTO", "LIVE_", "EXCHANGE_", "TELEGRAM_", "PYTEST"))
        }
        names = ("exchange_base_url", "state_dir", "timeframe", "source", "horizon_steps")
        ours = {name.upper(): str(self.settings[name]) for name in names}
        ours["PRED_HORIZON_STEPS"] = ours.pop("HORIZON_STEPS")
        ours["SYMBOLS"] = ",".join(self.settings["symbols"])
        return inherited | ours | KEYS | {"PYTHONPATH": str(ROOT)} | changes

    def process(self, *words, input_text="", **changes):
        """Run the command line as a process; return it when it has ended."""
        return subprocess.run(
            [sys.executable, "-m", "bot_cripto.cli", *words],
            env=self.variables(**changes), input=input_text, capture_output=True, text=True,
            timeout=120, check=False, cwd=self.folder,
        )  # fmt: skip

    # what is there

    def orders(self, symbol=None):
        """Return the orders that the bot has placed, as (type, side, status)."""
        return [
            (order["type"], order["side"], order["status"])
            for order in self.account.of_client("bc-")
            if symbol is None or order["symbol"] == IDS[symbol]
        ]

    def sent(self):
        """Return how many orders have reached the server, taken or not."""
        return self.server.asked("POST order")

    def positions(self):
        """Return what is held, without what is too small to be sold."""
        with Book.open(self.layout.ledger("live"), self.settings, readonly=True) as book:
            held = book.account.positions
            return {name: p for name, p in held.items() if p.quantity * p.entry_price > 5}

    def ledger(self):
        return Ledger.open(self.layout.ledger("live"))

    def risk_state(self, symbol=BTC):
        return json.loads(self.layout.risk_state(symbol).read_text())

    def assert_clean(self):
        """The derived state is what ledger, journal and candles say; the person lost nothing."""
        assert rebuild(self.layout, self.settings, check=True) == []
        assert self.account.violations == []
