"""What one run of the live program does, as far as money is concerned: for the episodes.

The program takes a machine (its time, its waits, its line to the exchange) from outside, so that
the same code runs inside the test, to be ended by an exception, and as a child process, to be
killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

from binance_account import KEY, SECRET, TimeoutAdapter

from bot_cripto.errors import BotCriptoError
from bot_cripto.execution.account import Account
from bot_cripto.execution.book import Book
from bot_cripto.execution.exits import expiries
from bot_cripto.execution.live.check import live_check
from bot_cripto.execution.live.exchange_account import ExchangeAccount
from bot_cripto.execution.live.flatten import flatten
from bot_cripto.execution.live.reconcile import reconcile
from bot_cripto.execution.live.setup import make_executor
from bot_cripto.execution.plan import plan
from bot_cripto.market.exchange_loader import load_exchange_class
from bot_cripto.secrets import Secret
from bot_cripto.timeframes import iso, parse_iso

WINDOW_MS = 5000
STEP = 300_000
ENVIRONMENT = {"LIVE_CONFIRM_TOKEN": "I_UNDERSTAND_LIVE_TRADING", "LIVE_MODE": "true"}


def settings_of(url, symbols):
    """Return the settings that live trading asks for, with limits that are in nobody's way."""
    return {
        "symbols": list(symbols),
        "source": "exchange",
        "source_name": "binance",
        "market": "binance",
        "timeframe": "5m",
        "exchange": "binance",
        "exchange_base_url": url,
        "as_of": "",
        "live_mode": True,
        "market_type": "spot",
        "initial_equity": 10_000,
        "max_position_size": 1,
        "max_total_exposure": 1,
        "fees_bps": 10,
        "spread_bps": 2,
        "slippage_bps": 3,
        "fetch_timeout_s": 5,
        "fetch_budget_s": 30,
        "fetch_attempts": 3,
        "live_recv_window_ms": WINDOW_MS,
        "live_stop_limit_bps": 50,
        "live_max_orders_per_day": 10_000,
        "live_max_notional_per_day": 1e9,
        "live_max_daily_loss": 1,
    }


def document_of(symbol, decision, candle_ms, *, size, stop_distance, horizon=3, revision=0):
    """Return as much of a signal document as a plan reads."""
    return {
        "symbol": symbol,
        "decision": decision,
        "timeframe": "5m",
        "source": "binance",
        "candle_close_time": iso(candle_ms),
        "valid_until": iso(candle_ms + STEP),
        "revision": revision,
        "horizon_steps": horizon,
        "position_size": 0.0 if decision == "NO_TRADE" else size,
        "equity": 10_000.0,
        "risk_allowed": True,
        "gates": [{"name": "probability", "passed": True}],
        "sizing": [{"name": "stop_distance", "value": stop_distance}],
    }


def run(
    machine,
    url,
    symbols,
    ledger,
    markets_dir,
    *,
    documents=(),
    prices=None,
    flat=False,
    check=False,
):
    """Run once: reconcile, carry out what the signals ask for; return what was said.

    An error that the program would report ends it, as it ends the real one.
    """
    settings = settings_of(url, symbols)
    said = []
    with contextlib.ExitStack() as stack:
        exchange = ExchangeAccount(
            settings, Secret(KEY), Secret(SECRET), Secret(""),
            environment=lambda: ENVIRONMENT, markets_dir=Path(markets_dir),
            sleep=machine.sleep, monotonic=machine.monotonic, rng=machine.rng.random,
            now_ms=machine.now_ms,
        )  # fmt: skip
        session = exchange._client.exchange.session
        session.mount("http://", machine.line(session.get_adapter("http://")))
        stack.callback(session.close)
        book = stack.enter_context(Book.open(Path(ledger), settings))
        try:
            executor = make_executor(
                book, settings, markets_dir=None, exchange=exchange,
                environment=lambda: ENVIRONMENT, sleep=machine.sleep, now_ms=machine.now_ms,
            )  # fmt: skip
            for symbol, price in (prices or {}).items():
                book.account.last_price[symbol] = Decimal(price)
            if check:
                said += checked(machine, executor)
            if flat:
                said += flatten(executor, "test")
            else:
                said += reconcile(executor)
                said += executor.notes
                said += follow(machine, executor, documents)
        except BotCriptoError as error:
            said.append(f"{type(error).__name__}: {error}")
        # what was built up step by step is what the file makes
        assert book.account.state() == Account.load(book.ledger, settings).state()
    return said


def checked(machine, executor):
    """Return what the check of live trading finds wrong."""
    findings = live_check(
        executor.book, executor.exchange, executor.settings,
        who="test", now_ms=machine.now_ms(), environment=ENVIRONMENT,
    )  # fmt: skip
    return [text for ok, text in findings if not ok]


def follow(machine, executor, documents):
    """Carry out what signals ask for, and end what has lasted long enough."""
    said = []
    for document in documents:
        said += act(machine, executor, document)
    if documents:
        until = max(parse_iso(d["candle_close_time"]) for d in documents)
        account, now = executor.book.account, machine.now_ms()
        for intent in expiries(account, until, now_ms=now, rules=executor.rules):
            said.append(executor.carry_out(intent))
    return said


def act(machine, executor, document):
    """Plan and carry out one signal."""
    account, symbol = executor.book.account, document["symbol"]
    made = plan(
        document, account, executor.rules[symbol], executor.settings,
        now_ms=machine.now_ms(), can_open=None,
    )  # fmt: skip
    until = parse_iso(document["valid_until"])
    done = [executor.carry_out(intent, valid_until_ms=until) for intent in made.intents]
    return [*made.notes, *done]


class ChildMachine:
    """The machine of a child process: its clock is the exchange's, moved by its waits."""

    def __init__(self, url, seed):
        self.url, self.rng = url, random.Random(seed)
        self.now = self._clock(0)
        self.began = self.now

    def _clock(self, ms):
        body = json.dumps({"advance_ms": ms}).encode()
        with urlopen(Request(self.url + "/clock", data=body), timeout=10) as reply:
            return json.load(reply)["now_ms"]

    def now_ms(self):
        return self.now

    def monotonic(self):
        return (self.now - self.began) / 1000

    def sleep(self, seconds):
        self.now = self._clock(seconds * 1000)

    def line(self, inner):
        return TimeoutAdapter(inner, self.sleep)


def main():
    """Fork a child for each order on standard input, and kill it when the order says so."""
    load_exchange_class("binance")  # once, for all children
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            code = 1
            try:
                run(ChildMachine(order["url"], order["seed"]), order["url"], **order["arguments"])
                code = 0
            except Exception:  # noqa: BLE001 - told to the test by the code
                traceback.print_exc()
            finally:
                os._exit(code)
        if order["killed_after_s"] is not None:
            until = time.monotonic() + order["killed_after_s"]
            ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
            while time.monotonic() < until and not os.waitid(os.P_PID, child, ended):
                time.sleep(0.002)
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
