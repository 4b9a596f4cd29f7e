"""Asking one exchange through ccxt: setting it up, and checking every reply."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bot_cripto import clock
from bot_cripto.errors import ConfigError
from bot_cripto.market.exchange_errors import (
    NotMarketDataError,
    Reply,
    ReplyError,
    date_ms,
    header,
    translate,
)

T = TypeVar("T")

# Times outside 2010 to 2100 are no times of an exchange but another unit or an error.
_EARLIEST_MS, _LATEST_MS = 1_262_304_000_000, 4_102_444_800_000

# What parsing an unexpected reply raises inside ccxt.
_PARSING = (TypeError, KeyError, IndexError, AttributeError, ValueError, ArithmeticError)


def check_base_url(base_url: str) -> str:
    """Return the base URL without a trailing slash, or an empty string for none.

    Raises
    ------
    ConfigError
        It is no ``http://`` or ``https://`` address with a host.
    """
    url = base_url.strip().rstrip("/")
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            f"exchange_base_url {parts.scheme}://{parts.hostname or ''} is no usable address; "
            "write it like https://data-api.binance.vision"
        )
    return url


def rewritten(urls: Any, base_url: str) -> Any:
    """Return ccxt's nested API addresses with another scheme and host, their paths kept."""
    if isinstance(urls, dict):
        return {name: rewritten(url, base_url) for name, url in urls.items()}
    if isinstance(urls, list):
        return [rewritten(url, base_url) for url in urls]
    return base_url + urlsplit(urls).path if isinstance(urls, str) else urls


class Client:
    """One ccxt exchange without a key, for the use of one thread.

    Parameters
    ----------
    exchange_class : type
        From `exchange_loader.load_exchange_class`.
    base_url : str
        From `check_base_url`.
    timeout_s : float
        Seconds for each reply, from request to last byte.
    throttle : callable
        Called with the cost of each request in seconds; returns when it may be sent.
    """

    def __init__(
        self,
        exchange_class: type[Any],
        base_url: str,
        timeout_s: float,
        throttle: Callable[[float], object],
    ) -> None:
        from bot_cripto.market.http_deadline import deadline_session

        self._timeout_s = timeout_s
        self._reply = Reply()
        self._last_headers: Any = None
        self._content: Any = None
        self.exchange = exchange = exchange_class(
            {
                "enableRateLimit": True,
                "timeout": math.ceil(timeout_s * 1000),
                "session": deadline_session(),
            }
        )
        _spot_only(exchange.options)
        # currencies are no part of candles, and on some exchanges need a key
        exchange.has["fetchCurrencies"] = False
        if base_url:
            exchange.urls["api"] = rewritten(exchange.urls["api"], base_url)
        self._url = base_url or _first_url(exchange.urls["api"], exchange.hostname)
        self.who = f"{exchange.id} ({urlsplit(self._url).hostname})"
        self._fetch, self._parse = exchange.fetch, exchange.parse_ohlcv
        exchange.fetch = self._fetch_json
        exchange.on_rest_response = self._on_reply
        exchange.parse_ohlcvs = self._parse_rows
        exchange.throttle = lambda cost=None: throttle(
            exchange.rateLimit / 1000 * (1 if cost is None else cost)
        )

    def ask(self, call: Callable[[], T]) -> T:
        """Return what a call of `exchange` returns.

        Raises
        ------
        ReplyError
            Whatever went wrong with the request or its reply.
        """
        self._reply = Reply()
        base_error = sys.modules["ccxt.base.errors"].BaseError
        try:
            return call()
        except ReplyError:
            raise
        except (base_error, NotMarketDataError, OSError, *_PARSING) as error:
            # the exception of ccxt holds whole URLs and pages: it ends here
            raise translate(error, self._reply, self.who, self._timeout_s, clock.now_ms()) from None

    def rows(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[list[float]]:
        """Return candles as ``[open_time, open, high, low, close, volume]``, sorted by time.

        Parameters
        ----------
        symbol, timeframe : str
            The market's description must have been given to `exchange.set_markets`.
        since_ms : int
            First open time asked for; rows before it are left out.
        limit : int
            Most rows wanted.

        Returns
        -------
        list
            Times are int milliseconds, other values float, NaN where the reply has no number.

        Raises
        ------
        ReplyError
            No usable reply.
        """

        def load() -> list[list[Any]]:
            rows: list[list[Any]] = self.exchange.fetch_ohlcv(symbol, timeframe, since_ms, limit)
            if not rows and not _holds_list(self._content):
                raise NotMarketDataError("no list of candles")
            return rows

        reply = self.ask(load)
        return [[int(row[0]), *(_number(value) for value in row[1:6])] for row in reply]

    def markets(self) -> dict[str, dict[str, Any]]:
        """Return the descriptions of all markets by symbol (megabytes on a large exchange).

        Raises
        ------
        ReplyError
            No usable reply, among them one without a single market.
        """

        def load() -> dict[str, dict[str, Any]]:
            markets = self.exchange.load_markets(True)
            if not markets:
                raise NotMarketDataError("no markets in it")
            return dict(markets)

        return self.ask(load)

    def server_ms(self) -> int | None:
        """Return the exchange's time in milliseconds since the epoch, or None if it tells none.

        Raises
        ------
        ReplyError
            No usable reply.
        """
        if self.exchange.has.get("fetchTime") is True:
            return self.ask(self._fetch_time)
        if self._last_headers is None:
            self.ask(self._knock)
        return date_ms(header(self._last_headers, "Date"))

    def _fetch_time(self) -> int:
        moment = self.exchange.fetch_time()
        if not isinstance(moment, int) or not _EARLIEST_MS <= moment < _LATEST_MS:
            raise NotMarketDataError(f"{moment!r} is no time in milliseconds")
        return moment

    def _knock(self) -> None:
        # any answer will do, for its Date
        reply = self.exchange.session.head(self._url, timeout=self._timeout_s)
        self._last_headers = reply.headers

    def _fetch_json(self, *args: Any, **kwargs: Any) -> Any:
        # an HTML page with status 200 comes through ccxt as a text, and raises nothing
        content = self._fetch(*args, **kwargs)
        if not isinstance(content, dict | list):
            raise NotMarketDataError("no JSON")
        self._content = content
        return content

    def _on_reply(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *_: Any
    ) -> str:
        self._reply = Reply(code, reason, headers, body[:2000])
        self._last_headers = headers
        return body.strip()

    def _parse_rows(
        self,
        rows: Any,
        market: Any = None,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        tail: bool = False,
    ) -> list[list[Any]]:
        # ccxt's own version leaves out rows without a time, as if they had never been sent
        if not isinstance(rows, list):
            raise NotMarketDataError("no list of candles")
        parsed = []
        for raw in rows:
            if isinstance(raw, list) and len(raw) < 6:
                raise NotMarketDataError(f"a candle of {len(raw)} values")
            row = self._parse(raw, market)
            time = row[0]
            if isinstance(time, bool) or not isinstance(time, int | float):
                raise NotMarketDataError("a candle without a time")
            if not _EARLIEST_MS <= time < _LATEST_MS:
                raise NotMarketDataError(f"a candle at {time!r}, which is no time")
            if all(value is None for value in row[1:6]):
                raise NotMarketDataError("a candle without a number")
            parsed.append(row)
        parsed.sort(key=lambda row: row[0])
        kept = parsed if since is None else [row for row in parsed if row[0] >= since]
        return kept if limit is None else (kept[-limit:] if tail else kept[:limit])


def _spot_only(options: dict[str, Any]) -> None:
    """Change ccxt's options to spot markets without private endpoints."""
    options.update(defaultType="spot", fetchMargins=False, fetchCurrencies=False)
    markets = options.get("fetchMarkets")
    if isinstance(markets, dict) and isinstance(markets.get("types"), list):
        options["fetchMarkets"] = {"types": ["spot"]}


def _holds_list(content: Any) -> bool:
    """Return whether there is a list anywhere in decoded JSON."""
    if isinstance(content, dict):
        return any(_holds_list(value) for value in content.values())
    return isinstance(content, list)


def _first_url(urls: Any, hostname: str | None) -> str:
    """Return the public address among ccxt's nested ones, or the first."""
    while isinstance(urls, dict):
        urls = urls.get("public") or urls.get("rest") or next(iter(urls.values()))
    return str(urls).replace("{hostname}", hostname or "")


def _number(value: Any) -> float:
    """Return a float, NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
