"""The state that the notifier reads, written as the bot writes it, in made-up time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from bot_server import CHAT, TOKEN

from bot_cripto.layout import Layout
from bot_cripto.ledger.events import (
    BUY,
    CLOSE,
    OPEN,
    REJECTED,
    SELL,
    STOP,
    Action,
    Fill,
    Intent,
    Mark,
    OrderEvent,
    action_id,
    client_order_id,
    event_id,
    intent_id,
    paper_fill_id,
)
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.models.champion import history_path
from bot_cripto.notify.deliver import notify
from bot_cripto.timeframes import iso

STEP = 300_000
START = 1_725_597_900_000  # 2024-09-06T04:45:00Z
SECRETS = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT}
SETTINGS = {
    "symbols": ["BTC/USDT"],
    "timeframe": "5m",
    "source": "simulated",
    "source_name": "simulated",
    "market": "simulated-19-0.35-0",
    "market_type": "spot",
    "max_total_exposure": 1.0,
    "initial_equity": 10000.0,
    "fees_bps": 10.0,
    "live_mode": False,
    "telegram_base_url": "",
    "language": "en",
    "summary_hour": 0,
    "notify_retry_hours": 48.0,
    "data_dir": "",
    "models_dir": "",
    "logs_dir": "",
}
GATES = ("probability", "killed", "paused", "drift", "daily_drawdown", "consecutive_losses")


class World:
    """One state folder, and the time in it."""

    def __init__(self, folder: Path, **settings):
        self.folder = folder
        self.settings = SETTINGS | settings
        self.layout = Layout.of(self.settings).below(folder)
        self.slept: list[float] = []
        self.began = time.monotonic()
        self.passed = 0.0
        self.rng = lambda: 0.5

    # time

    def monotonic(self):
        return time.monotonic() - self.began + self.passed

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.passed += seconds

    def now(self):
        return START + int(self.monotonic() * 1000)

    def run(self, environment=SECRETS, **options):
        """Run the notifier once."""
        known = {"now": self.now(), "timeout_s": 0.3, "monotonic": self.monotonic}
        known |= {"sleep": self.sleep, "rng": self.rng}
        return notify(self.layout, self.settings, environment, **(known | options))

    # facts

    def signal(self, decision="NO_TRADE", symbol="BTC/USDT", *, failed=(), close=None, **fields):
        """Journal a signal of the next candle."""
        close = close or self.now() // 1000 * 1000
        document = {
            "ts": iso(self.now()),
            "candle_close_time": iso(close),
            "symbol": symbol,
            "prob_up": 0.64,
            "expected_return": 0.004,
            "risk_score": 0.2,
            "decision": decision,
            "reason": "every gate passes",
            "regime": "TREND_UP",
            "position_size": 0.1 if decision != "NO_TRADE" else 0.0,
            "gates": [
                {"name": name, "value": float(name in failed), "threshold": 0.0}
                | {"margin": -float(name in failed), "passed": name not in failed}
                for name in GATES
            ],
            "mode": "SIMULATED",
            "revision": 0,
        }
        with Journal.open(self.layout.journal) as journal:
            assert journal.append(document | fields)
        self.passed += 1.0
        return document | fields

    def failure(self, problem="fetch: no answer", symbol="BTC/USDT", **fields):
        gates = [{"name": name, "value": None, "threshold": 0.0, "margin": None, "passed": False}
                 for name in GATES]  # fmt: skip
        empty = dict.fromkeys(("prob_up", "expected_return", "risk_score", "regime"))
        reason = f"a step failed: {problem}"
        return self.signal(symbol=symbol, reason=reason, gates=gates, **empty, **fields)

    def write(self, *entries, account="paper"):
        with Ledger.open(self.layout.ledger(account)) as ledger:
            for entry in entries:
                assert ledger.add(entry)

    def enter(self, symbol="BTC/USDT", price="50000", quantity="0.02", account="paper", at=None):
        at = at or self.now() // STEP * STEP
        opened = self._intent(symbol, at, OPEN, BUY, quantity)
        stop = replace(self._intent(symbol, at, STOP, SELL, quantity),
                       trigger_price=Decimal(price) * Decimal("0.98"))  # fmt: skip
        self.write(opened, self._fill(opened, at, price, quantity, "signal"), stop, account=account)
        return opened

    def leave(self, opened, price="50500", account="paper", at=None, quantity=None, reason="stop"):
        at = at or opened.fill_from_ms + STEP
        size = quantity or str(opened.quantity)
        close = self._intent(opened.symbol, at, CLOSE, SELL, size)
        self.write(close, self._fill(close, at, price, size, reason), account=account)

    def refuse(self, symbol="BTC/USDT", detail="below the least notional", account="paper"):
        self.passed += 1
        intent = self._intent(symbol, self.now(), OPEN, BUY, "0.00001")
        client = client_order_id(intent.intent_id)
        name = event_id(client, REJECTED, Decimal(0), None)
        event = OrderEvent(name, client, intent.intent_id, REJECTED, self.now(), detail=detail)
        self.write(intent, event, account=account)

    def act(self, kind, reason="because", account="paper", who="ana"):
        self.passed += 0.01
        now = self.now()
        action = Action(action_id(kind, now, who, reason), kind, now, who, reason)
        self.write(action, account=account)

    def mark(self, *equities, since=None, account="paper"):
        since = since if since is not None else self.now() // STEP * STEP
        self.write(
            *(
                Mark(since + index * STEP, Decimal(str(equity)), Decimal(0), Decimal(0))
                for index, equity in enumerate(equities)
            ),
            account=account,
        )

    def promote(self, version, symbol="BTC/USDT", reason="better", provisional=False):
        path = history_path(self.layout.models, symbol)
        path.parent.mkdir(parents=True, exist_ok=True)
        champion = {
            "symbol": symbol,
            "provisional": provisional,
            "kinds": {"trend": {"version": version, "sha256": "ab"}},
            "promoted_at": iso(self.now()),
            "reason": reason,
        }
        with path.open("a") as file:
            file.write(json.dumps(champion) + "\n")
        self.passed += 0.01

    def _intent(self, symbol, at, kind, side, quantity):
        return Intent(
            intent_id(symbol, at, kind), symbol, at, 0, kind, side, Decimal(quantity), "signal",
            self.now(), at, Decimal(50000), 0.02, None, at + 5 * STEP,
        )  # fmt: skip

    def _fill(self, intent, at, price, quantity, reason):
        name = paper_fill_id(intent.intent_id, at, reason)
        fee = Decimal(price) * Decimal(quantity) / 1000
        return Fill(name, intent.intent_id, intent.symbol, intent.side, Decimal(quantity),
                    Decimal(price), fee, "USDT", at, reason)  # fmt: skip
