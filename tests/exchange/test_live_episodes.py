"""Live trading in hundreds of worlds where everything goes wrong, each from one seed.

An episode is a ledger on disk, an exchange over real sockets with random faults, a market that
moves while orders are under way, and a program that is killed at random side effects. After the
faults have ended, the ledger has to equal the exchange. One alone: ``-k "episode and seed17-"``;
others than the suite's: ``LIVE_EPISODE_SEEDS=1000-1999``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import live_program
import live_world
import pytest
from live_program import document_of, run, settings_of
from live_world import IDS, MARKETS, START, SYMBOLS, Death, Fate, Machine, World, mortal_disk
from spot_account import OPEN_STATES, floor

from bot_cripto.execution.account import Account
from bot_cripto.execution.live.check_record import LIVE_CHECK, account_of
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.ledger.events import CLOSE, FINAL_STATES, STOP, WORKING, Action, client_order_id
from bot_cripto.ledger.store import Ledger

PREFIX = "bc-"
FIRST, LAST = (int(n) for n in os.environ.get("LIVE_EPISODE_SEEDS", "0-299").split("-"))
SEEDS = range(FIRST, LAST + 1)
KILLED_SEEDS = range(12)


@pytest.fixture(scope="module")
def server():
    with live_world.exchange() as running:
        yield running


@pytest.fixture(scope="module")
def nursery():
    """A process that forks the children which are to be killed."""
    with subprocess.Popen(
        [sys.executable, live_program.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.stdin.close()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}-")
def test_episode(server, tmp_path, seed):
    Episode(server, tmp_path, seed).play()


@pytest.mark.parametrize("seed", KILLED_SEEDS, ids=lambda seed: f"seed{seed}-")
def test_episode_of_a_process_that_is_killed(server, nursery, tmp_path, seed):
    KilledEpisode(server, tmp_path, seed, nursery).play()


class Episode:
    """One world from its first signal to the last coin sold."""

    def __init__(self, server, folder, seed):
        self.world = World(server, seed)
        self.server, self.rng, self.folder = server, self.world.rng, folder
        self.ledger = folder / "ledger.db"
        # mostly a folder of all episodes, so that the markets are known
        self.markets_dir = (folder if self.rng.random() < 0.1 else folder.parent) / "markets"
        self.deaths = 0

    def play(self):
        try:
            self.trouble()
            self.calm()
            self.check()
            self.flatten()
        except Exception as error:
            error.add_note("\n".join(self.world.log[-120:]))
            raise
        finally:
            self.world.calm_down()

    def trouble(self):
        """Let some candles pass in which anything may fail, after a check that went well."""
        world, rng = self.world, self.rng
        self.allow()
        for _ in range(rng.randrange(2, 4)):
            self.between_runs()
            candle = world.next_candle()
            documents = self.signals(candle)
            world.unrest = rng.choice([0, 0, 0.03, 0.1])
            faults = [world.fault() for _ in range(rng.choice([0, 1, 2, 3, 4, 5]))]
            self.server.set_faults(*faults)
            world.say("---- candle", candle, world.prices(), "faults", *faults)
            if rng.random() < 0.4:
                world.account.plans.append(world.plan_of_fills())
            while not self.run(documents, mortal=rng.random() < 0.6):
                self.deaths += 1
                if rng.random() < 0.2:
                    break
                if rng.random() < 0.3:
                    world.market_moves()
                if rng.random() < 0.1 and not world.down:
                    self.server.restart()
            self.check_safety()

    def allow(self):
        """Let the check of live trading pass, or have passed."""
        if self.rng.random() < 0.1:
            assert self.run(check=True)
        with Ledger.open(self.ledger) as ledger:
            settings = settings_of(self.server.url, SYMBOLS)
            ledger.add(Action("check", LIVE_CHECK, START, "test", "passed", account_of(settings)))

    def between_runs(self):
        world, rng = self.world, self.rng
        for _ in range(rng.randrange(3)):
            world.market_moves()
        if rng.random() < 0.3:
            world.account.continue_fills()
        if rng.random() < 0.15 and not world.down:
            self.server.restart()
        if rng.random() < 0.1:
            world.skew_ms = rng.choice([0, -30_000, -3000, 900, 7000])

    def signals(self, candle):
        documents = []
        for symbol in SYMBOLS:
            decision = self.rng.choice(
                ["LONG", "LONG", "LONG", "LONG", "SHORT", "SHORT", "NO_TRADE"]
            )
            size = self.rng.choice([0.002, 0.05, 0.2, 0.3, 0.45])
            stop = self.rng.choice([0.005, 0.02, 0.03, 0.03, 0.05, None])
            documents.append(
                document_of(
                    symbol, decision, candle, size=size, stop_distance=stop,
                    horizon=self.rng.choice([1, 3, 12]), revision=int(self.rng.random() < 0.05),
                )
            )  # fmt: skip
        return documents

    def run(self, documents=(), *, mortal=False, flat=False, check=False):
        """Run the program once; return whether it lived."""
        world, rng = self.world, self.rng
        fate = Fate()
        if mortal:
            since = rng.choice(["", "POST order", "POST order", "POST order", "DELETE order"])
            # often right behind a request, else anywhere
            at = rng.choice([2, rng.randrange(1, 5), rng.randrange(1, 15), rng.randrange(1, 40)])
            fate = Fate(at, since)
        try:
            with mortal_disk(fate):
                said = run(
                    Machine(world, fate), self.server.url, documents=documents, flat=flat,
                    check=check, **self.place(),
                )  # fmt: skip
        except Death:
            said = []
        world.say("run:", *said, f"died {fate.where} (step {fate.count})" if fate.dead else "")
        return not fate.dead

    def place(self):
        return {
            "symbols": SYMBOLS,
            "ledger": str(self.ledger),
            "markets_dir": str(self.markets_dir),
            "prices": self.world.prices(),
        }

    def calm(self, runs=2):
        """End all faults; two runs are to put everything right, one of them with signals."""
        world = self.world
        world.calm_down()
        for k in range(runs):
            candle = world.next_candle()
            documents = [] if k else self.signals(candle)
            if documents and self.rng.random() < 0.5:
                world.account.plans.append(world.plan_of_fills())
            world.say("---- calm", world.prices(), *world.account.plans)
            assert self.run(documents)
            world.account.plans.clear()
            # what did not fill of an entry is not left behind
            assert [o for name in MARKETS for o in self.orders_at(name) if o["side"] == "BUY"] == []
            world.account.continue_fills()

    def flatten(self):
        """Sell everything, with faults in the way first; then nothing may be left."""
        world, rng = self.world, self.rng
        if rng.random() < 0.5:
            world.unrest = 0.03
            self.server.set_faults(*[world.fault() for _ in range(rng.randrange(3))])
            while not self.run(mortal=rng.random() < 0.6, flat=True):
                pass
            self.check_safety()
        self.calm(0)
        world.say("---- flatten", world.prices())
        assert self.run(flat=True)
        self.check()
        for name in MARKETS:
            assert self.orders_at(name) == []
            least = MARKETS[name].min_notional / world.account.prices[name]
            assert self.held_at(name) < least + MARKETS[name].step

    # ---- what has to hold -----------------------------------------------------------------

    def ours(self):
        orders = self.world.account.of_client(PREFIX)
        return {(order["symbol"], order["orderId"]): order for order in orders}

    def orders_at(self, name):
        orders = self.ours().values()
        return [o for o in orders if o["symbol"] == name and o["status"] in OPEN_STATES]

    def held_at(self, name):
        """Return bought - sold - fees in base of our orders, as the exchange's trades tell."""
        held, base, ours = Decimal(0), MARKETS[name].base, self.ours()
        for trade in self.world.account.trades:
            if trade["symbol"] == name and (trade["symbol"], trade["orderId"]) in ours:
                quantity = Decimal(trade["qty"])
                held += quantity if trade["isBuyer"] else -quantity
                if trade["commissionAsset"] == base:
                    held -= Decimal(trade["commission"])
        return held

    def check_safety(self):
        """What holds at every moment, in whatever state the program was cut."""
        account = self.world.account
        placed = Counter(a["client_id"] for a in account.accepted)
        assert [c for c, n in placed.items() if n > 1 and c.startswith(PREFIX)] == []
        assert account.violations == []
        (mine,) = account.of_client("web_mine")
        assert mine["status"] == "NEW"
        for name in MARKETS:
            selling = [o for o in self.orders_at(name) if o["side"] == "SELL"]
            offered = sum((o["quantity"] - o["filled"] for o in selling), Decimal(0))
            assert offered <= self.held_at(name)
            assert account.total(MARKETS[name].base) == (
                account.own[MARKETS[name].base] + self.held_at(name)
            )

    def check(self):
        """What holds after the program could do its work."""
        self.check_safety()
        with Ledger.open(self.ledger) as ledger:
            assert ledger.check() == []
            self.check_trades(ledger)
            self.check_orders(ledger)
            book = Account.load(ledger, settings_of("", SYMBOLS))
            assert book.problems == []
            assert open_mismatches(ledger) == {}
            self.check_closes(ledger, book)
        for symbol in SYMBOLS:
            position = book.positions.get(symbol)
            held = Decimal(0) if position is None else position.quantity
            assert held == self.held_at(IDS[symbol])
            self.check_stop(symbol, position, book)
        if self.world.account.fee_asset is None:
            assert book.cash == 10_000 + self.cash_of_trades()

    def check_trades(self, ledger):
        ours = self.ours()
        theirs = Counter(
            (
                t["id"], t["symbol"], "buy" if t["isBuyer"] else "sell", Decimal(t["qty"]),
                Decimal(t["price"]), Decimal(t["commission"]), t["commissionAsset"], t["time"],
            )
            for t in self.world.account.trades
            if (t["symbol"], t["orderId"]) in ours
        )  # fmt: skip
        written = Counter(
            (
                int(f.fill_id.rsplit(":", 1)[1]), IDS[f.symbol], f.side, f.quantity, f.price,
                f.fee, f.fee_currency, f.time_ms,
            )
            for f in ledger.fills()
        )  # fmt: skip
        assert written == theirs

    def check_orders(self, ledger):
        last = ledger.orders()
        ours = {order["clientOrderId"]: order for order in self.ours().values()}
        assert set(ours) <= set(last)
        filled: Counter = Counter()
        for client_id, event in last.items():
            order = ours.get(client_id)
            assert client_id in {client_order_id(event.intent_id, n) for n in range(30)}
            assert event.filled == (order["filled"] if order else 0)
            filled[event.intent_id] += event.filled
            if event.state not in FINAL_STATES:
                # only a stop may wait, and only where it does
                assert event.state == WORKING
                assert ledger.intent(event.intent_id).kind == STOP
                assert order["status"] in OPEN_STATES
            elif order is not None:
                assert order["status"] not in OPEN_STATES
        for intent_id, quantity in filled.items():
            assert quantity <= ledger.intent(intent_id).quantity

    def check_closes(self, ledger, book):
        """What was to be closed is closed, but for what the exchange does not take."""
        for symbol, position in book.positions.items():
            made = ledger.intents(symbol)
            opened = made.index(book.intents[position.intent_id])
            if any(intent.kind == CLOSE for intent in made[opened:]):
                market, name = MARKETS[IDS[symbol]], IDS[symbol]
                worth = floor(position.quantity, market.step) * self.world.account.prices[name]
                assert worth < market.min_notional

    def check_stop(self, symbol, position, book):
        name, waiting = IDS[symbol], self.orders_at(IDS[symbol])
        if position is None or book.intents[position.intent_id].stop_distance is None:
            assert waiting == []
            return
        market = MARKETS[name]
        quantity = floor(position.quantity, market.step)
        stops = [(o["type"], o["side"], o["quantity"] - o["filled"]) for o in waiting]
        if not waiting:
            # too small for the exchange: what a close in parts, or fees, have left
            distance = Decimal(str(book.intents[position.intent_id].stop_distance))
            worth = quantity * position.entry_price * (1 - distance) * Decimal("0.995")
            assert worth < market.min_notional + market.tick
            return
        assert stops == [("STOP_LOSS_LIMIT", "SELL", quantity)]

    def cash_of_trades(self):
        cash, ours = Decimal(0), self.ours()
        for trade in self.world.account.trades:
            if (trade["symbol"], trade["orderId"]) in ours:
                worth = Decimal(trade["qty"]) * Decimal(trade["price"])
                cash += -worth if trade["isBuyer"] else worth
                if trade["commissionAsset"] == "USDT":
                    cash -= Decimal(trade["commission"])
        return cash


class KilledEpisode(Episode):
    """The same with real processes, ended by SIGKILL at any moment."""

    def __init__(self, server, folder, seed, nursery):
        super().__init__(server, folder, seed)
        self.nursery = nursery

    def run(self, documents=(), *, mortal=False, flat=False, check=False):
        arguments = {"documents": documents, "flat": flat, "check": check, **self.place()}
        order = {
            "url": self.server.url,
            "seed": self.rng.randrange(10**6),
            "arguments": arguments,
            "killed_after_s": self.rng.uniform(0, 0.5) if mortal else None,
        }
        self.nursery.stdin.write(json.dumps(order) + "\n")
        self.nursery.stdin.flush()
        code = int(self.nursery.stdout.readline())
        self.world.say("child:", code)
        assert code in (0, -9)
        return code == 0
