"""Candles of any exchange that ccxt knows, by its public endpoints and its own clock."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bot_cripto import clock
from bot_cripto.errors import SourceError
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.exchange_client import Client, check_base_url
from bot_cripto.market.exchange_errors import ReplyError
from bot_cripto.market.exchange_loader import load_exchange_class
from bot_cripto.market.exchange_markets import Markets
from bot_cripto.market.exchange_pace import Pace
from bot_cripto.market.retry import RetryPolicy
from bot_cripto.timeframes import iso, timeframe_ms

log = logging.getLogger(__name__)

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 8.0

# A page where ccxt does not say how many candles one reply can hold.
_DEFAULT_PAGE = 100

_SKEW_WORTH_SAYING_MS = 30_000


class ExchangeSource:
    """A `CandleSource` over one exchange; symbols may be asked for in several threads.

    Each thread has its own connection, the rate limit is one for all. No key is used.

    Parameters
    ----------
    exchange_id : str
        ccxt's id, e.g. ``binance``; it is the source's `name`.
    base_url : str
        Another host with the same API (a public mirror, a test server), or empty.
    cache_dir : Path, optional
        Folder for the descriptions of the markets in use (see `Markets`); None keeps none.
    timeout_s : float
        Seconds for each reply, from request to last byte.
    budget_s : float
        Seconds of failure without a success between, in all threads together, after which
        nothing is tried again; also the longest wait that the exchange may ask for.
    attempts : int
        Attempts of each request, the first included.
    sleep, monotonic, rng : callable
        Waiting, its clock in seconds, and draws from [0, 1) for the jitter.

    Raises
    ------
    ConfigError
        The exchange id or the base URL is unusable.
    """

    def __init__(
        self,
        exchange_id: str,
        base_url: str = "",
        *,
        cache_dir: Path | None = None,
        timeout_s: float = 10.0,
        budget_s: float = 60.0,
        attempts: int = 6,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.name = exchange_id
        self._base_url = check_base_url(base_url)
        self._class = load_exchange_class(exchange_id)
        self._timeout_s = timeout_s
        policy = RetryPolicy(attempts, BACKOFF_BASE_S, BACKOFF_CAP_S, budget_s)
        self._pace = Pace(policy, sleep, monotonic, rng)
        self._markets = Markets(cache_dir, exchange_id, self._base_url)
        self._threads = threading.local()
        self._clock_lock = threading.Lock()
        self._clock_offset_ms: int | None = None

    def now_ms(self) -> int:
        """Return the exchange's time, asked for once; ``BOT_CRIPTO_NOW`` stands in where set.

        Never ahead of the exchange: the time that the reply took to arrive is not added.

        Raises
        ------
        SourceError
            The exchange cannot be asked.
        """
        pinned = clock.as_of_ms()
        return self._exchange_ms() if pinned is None else pinned

    def candles(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int
    ) -> Iterator[Candles]:
        """Yield batches of raw closed candles; see `CandleSource.candles`.

        A batch is one reply of the exchange, sorted by time; values that are no numbers are NaN.
        Candles that have not closed by the exchange's clock are left out. Where the exchange has
        no candles, the download goes on behind the gap.

        Raises
        ------
        SourceError
            The symbol or timeframe is unknown to the exchange, or no usable reply came within
            the attempts and the budget.
        ConfigError
            The timeframe is unknown to this program.
        """
        step = timeframe_ms(timeframe)
        begin = cursor = -(-since_ms // step) * step
        until = min(until_ms, self._closed_before(step))
        if cursor >= until:
            return
        page = self._prepare(symbol, timeframe)
        was_empty = False
        while cursor < until:
            # two more than needed: an open candle and a repeated one do no harm
            limit = min(page, -(-(until - cursor) // step) + 2)
            rows = self._rows(symbol, timeframe, cursor, limit)
            inside = [row for row in rows if row[0] < until]
            if inside:
                if cursor == begin and inside[0][0] - begin >= step:
                    log.info(
                        "%s has no %s candles of %s from %s to %s",
                        *(self.name, timeframe, symbol, iso(begin), iso(int(inside[0][0]))),
                    )
                was_empty = False
                cursor = int(inside[-1][0]) // step * step + step
                yield _columns(inside)
            elif rows:
                return
            elif was_empty:
                cursor += page * step
            else:
                # one empty reply may be a slip of the exchange: it is asked twice
                was_empty = True

    def _prepare(self, symbol: str, timeframe: str) -> int:
        """Give this thread's client the symbol's market; return how many candles a page holds."""
        client = self._client()
        if symbol not in (client.exchange.markets or {}):
            self._describe(client, symbol, renew=False)
        known = client.exchange.timeframes or {}
        if timeframe not in known:
            raise SourceError(
                f"{self.name} has no {timeframe} candles of {symbol}; it has: {', '.join(known)}"
            )
        limit = client.exchange.feature_value(symbol, "fetchOHLCV", "limit")
        return int(limit) if limit else _DEFAULT_PAGE

    def _describe(self, client: Client, symbol: str, *, renew: bool) -> None:
        def download() -> dict[str, dict]:
            return self._pace.ask(f"the markets of {self.name}", client.markets)

        market = self._markets.describe(symbol, download, renew=renew)
        client.exchange.set_markets([market])

    def _rows(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[list[float]]:
        client = self._client()
        what = f"{timeframe} candles of {symbol} from {iso(since_ms)}"

        def rows() -> list[list[float]]:
            return client.rows(symbol, timeframe, since_ms, limit)

        try:
            return self._pace.ask(what, rows)
        except ReplyError as error:
            if error.kind != "symbol":
                raise
        # renamed or gone since its description was kept
        self._describe(client, symbol, renew=True)
        return self._pace.ask(what, rows)

    def _client(self) -> Client:
        client: Client | None = getattr(self._threads, "client", None)
        if client is None:
            turn = self._pace.wait_for_turn
            client = Client(self._class, self._base_url, self._timeout_s, turn)
            self._threads.client = client
        return client

    def _exchange_ms(self) -> int:
        with self._clock_lock:
            if self._clock_offset_ms is None:
                server = self._pace.ask(f"the time of {self.name}", self._client().server_ms)
                local = clock.now_ms()
                if server is None:
                    log.warning("%s tells no time: the clock of this machine is used", self.name)
                    server = local
                elif clock.as_of_ms() is None and abs(server - local) > _SKEW_WORTH_SAYING_MS:
                    log.warning(
                        "the clock of this machine differs from that of %s by %+.0f s",
                        *(self.name, (local - server) / 1000),
                    )
                self._clock_offset_ms = server - _monotonic_ms()
            return self._clock_offset_ms + _monotonic_ms()

    def _closed_before(self, step: int) -> int:
        """Return the time before which every candle that opens has also closed."""
        pinned = clock.as_of_ms()
        # a moment that the exchange has not reached yet closes no candle
        now = self._exchange_ms() if pinned is None else min(pinned, self._exchange_ms())
        return now // step * step


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _columns(rows: list[list[float]]) -> Candles:
    times = np.array([row[0] for row in rows], dtype=np.int64)
    return make(times, *np.array([row[1:] for row in rows], dtype=np.float64).T)
