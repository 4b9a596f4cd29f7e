"""A portfolio that traded on paper for some days: ledger, journal and candles on disk."""

import numpy as np

from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.market_rules import DEFAULT, exact
from bot_cripto.execution.paper import catch_up
from bot_cripto.execution.risk import RiskTracker
from bot_cripto.layout import Layout
from bot_cripto.ledger.events import BUY, CLOSE, OPEN, SELL, Intent, intent_id
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.candles import make
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import iso, parse_iso

STEP = 300_000
START = parse_iso("2024-09-05T12:00:00Z")  # a Thursday noon
SYMBOLS = ["BTC/USDT", "ETH/USDT"]


def settings_of(tmp_path, **other):
    values = {"symbols": SYMBOLS, "state_dir": "", "logs_dir": str(tmp_path / "logs"), **other}
    values["data_dir"] = str(tmp_path / "data")
    return effective(Settings(**values), tmp_path)


class Scenario:
    """Candle after candle: prices walk, now and then something is bought and sold.

    The candles 0 … are traded; 200 before them are there too. `gaps` holds (place of the symbol,
    candle) of those that are missing.
    """

    def __init__(self, tmp_path, candles=100, seed=1, gaps=(), stored=True, **other):
        self.settings = settings_of(tmp_path, **other)
        self.layout = Layout.of(self.settings).below(tmp_path)
        self.candles = candles
        self.market = {}
        self.random = random = np.random.default_rng(seed)
        for place, symbol in enumerate(SYMBOLS):
            n = candles + 200
            close = 100 * (place + 1) * np.cumprod(1 + random.normal(0, 0.003, n)).round(6)
            open_ = np.r_[close[0], close[:-1]]
            wick = np.abs(random.normal(0, 0.001, n))
            rows = np.array([i for i in range(n) if (place, i - 200) not in gaps])
            self.market[symbol] = make(
                START + (np.arange(n) - 200) * STEP,
                open_,
                np.maximum(open_, close) * (1 + wick),
                np.minimum(open_, close) * (1 - wick),
                close,
                np.ones(n),
            )[rows]
        if stored:
            store = CandleStore(
                self.layout.store, self.settings["market"], self.settings["timeframe"]
            )
            for symbol, candles_of in self.market.items():
                store.append(symbol, candles_of)

    def read(self, symbol, since_ms, until_ms):
        return self.market[symbol].between(since_ms, until_ms)

    def read_closes(self, symbol, since_ms, until_ms):
        found = self.read(symbol, since_ms, until_ms)
        return found.open_time, found.close

    def close_ms(self, n):
        """Return the close time of candle n."""
        return START + n * STEP

    def run(self, first=0, last=None, each=None):
        """Trade on disk from candle to candle; `each` is called after every one."""
        with (
            Book.open(self.layout.ledger("paper"), self.settings) as book,
            Journal.open(self.layout.journal) as journal,
            book.transaction(),
        ):
            for n in range(first, self.candles if last is None else last):
                self.candle(book, n)
                for symbol in SYMBOLS:
                    journal.append(self.document(symbol, n))
                if each is not None:
                    each(book, journal, n)

    def candle(self, book, n):
        """Take a book through candle n, then wish for something."""
        costs, rules = Costs.of(self.settings), dict.fromkeys(SYMBOLS, DEFAULT)
        catch_up(book, self.read, self.close_ms(n), STEP, rules, costs)
        for symbol in SYMBOLS:
            self.wish(book, symbol, self.close_ms(n), n)

    def document(self, symbol, n, **other):
        draw = np.random.default_rng([n, len(symbol), SYMBOLS.index(symbol)])
        return {
            "symbol": symbol,
            "source": "simulated",
            "timeframe": "5m",
            "candle_close_time": iso(self.close_ms(n)),
            "ts": iso(self.close_ms(n) + 1500),
            "horizon_steps": 5,
            "prob_up": float(draw.uniform(0.2, 0.8)),
            "expected_return": float(draw.normal(0, 0.002)),
            "decision": ["NO_TRADE", "LONG"][int(draw.integers(2))],
            "revision": 0,
            **other,
        }

    def wish(self, book, symbol, at, n):
        """Every now and then ask for an entry, or for the end of one."""
        held = book.account.positions.get(symbol)
        kind = OPEN if held is None else CLOSE
        if self.random.random() > (0.2 if kind == OPEN else 0.05):
            return
        price = book.account.last_price[symbol]
        side = BUY if kind == OPEN else SELL if held.side == "LONG" else BUY
        if kind == OPEN and book.account.market_type != "spot" and self.random.random() < 0.5:
            side = SELL
        book.add(
            Intent(
                intent_id=intent_id(symbol, at, kind),
                symbol=symbol,
                candle_ms=at,
                revision=0,
                kind=kind,
                side=side,
                quantity=held.quantity if held else DEFAULT.floor_amount(exact(3000) / price),
                reason="signal",
                created_ms=at + 1500,
                fill_from_ms=at,
                reference_price=price,
                stop_distance=0.006 if kind == OPEN else None,
                target_distance=0.01 if kind == OPEN else None,
                exit_ms=at + 5 * STEP if kind == OPEN else None,
            )
        )


def tracker_of(book):
    return RiskTracker.of(book.account.initial_equity, book.ledger.marks(), book.account.trades)
