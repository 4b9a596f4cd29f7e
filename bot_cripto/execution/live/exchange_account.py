"""One account of an exchange through ccxt: the only place that knows a key, and sends orders."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bot_cripto import clock
from bot_cripto.errors import ConfigError
from bot_cripto.execution.live.errors import CLOCK, NOT_FOUND, Busy, Refused, Unknown
from bot_cripto.execution.live.permission import require_live
from bot_cripto.execution.live.replies import (
    MARKET,
    PAGE,
    STOP_LIMIT,
    STOP_MARKET,
    Balance,
    Order,
    OwnTrade,
    all_pages,
    dict_of,
    number_of,
    order_of,
    trade_of,
)
from bot_cripto.execution.live.signed_client import SignedClient
from bot_cripto.market.exchange_client import check_base_url
from bot_cripto.market.exchange_loader import load_exchange_class
from bot_cripto.market.exchange_markets import Markets
from bot_cripto.market.retry import RetryPolicy, call
from bot_cripto.secrets import Secret, read_secret

T = TypeVar("T")


class ExchangeAccount:
    """The account that a key opens, on spot markets.

    Parameters
    ----------
    settings : mapping
        Effective settings: ``exchange``, ``exchange_base_url``, ``fetch_timeout_s``,
        ``fetch_budget_s``, ``fetch_attempts``, ``live_recv_window_ms``, and what `require_live`
        asks for.
    key, secret, password : Secret
        The password is empty where the exchange has none.
    environment : callable, optional
        Returns the environment variables of that moment, for `require_live` before each order;
        default: those of the process.
    markets_dir : Path, optional
        Folder where market descriptions are kept; None keeps none.
    sleep, monotonic, rng : callable
        Waiting in seconds, its clock, and draws from [0, 1) for the jitter.
    now_ms : callable
        This machine's time in milliseconds since the epoch.

    Raises
    ------
    ConfigError
        The exchange or its address is unusable, or the key is missing.

    Notes
    -----
    Reading is tried again within ``fetch_attempts`` and ``fetch_budget_s``; sending and
    cancelling never are. Every method but `send_order` may be called without permission.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        key: Secret,
        secret: Secret,
        password: Secret,
        *,
        environment: Callable[[], Mapping[str, str]] | None = None,
        markets_dir: Path | None = None,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        now_ms: Callable[[], int] = clock.system_ms,
    ) -> None:
        if not key or not secret:
            raise ConfigError("EXCHANGE_API_KEY and EXCHANGE_API_SECRET are not both set")
        # their DEBUG records hold whole requests with key and signature
        for name in ("ccxt", "urllib3"):
            if logging.getLogger(name).level < logging.INFO:
                logging.getLogger(name).setLevel(logging.INFO)
        self.name: str = settings["exchange"]
        self.base_url = check_base_url(settings["exchange_base_url"])
        self.recv_window_ms = int(settings["live_recv_window_ms"])
        self._settings = settings
        self._environment = environment if environment is not None else lambda: os.environ
        self._sleep, self._monotonic, self._rng, self._now_ms = sleep, monotonic, rng, now_ms
        self._policy = RetryPolicy(
            settings["fetch_attempts"], 0.5, 8.0, float(settings["fetch_budget_s"])
        )
        self._markets = Markets(markets_dir, self.name, self.base_url)
        self._descriptions: dict[str, dict[str, Any]] = {}
        self._turn = self._quiet_until = -float("inf")
        self._offset_ms: int | None = None
        self._client = client = SignedClient(
            load_exchange_class(self.name),
            self.base_url,
            float(settings["fetch_timeout_s"]),
            self._throttle,
        )
        client.now_ms = now_ms
        self._ccxt = ccxt = client.exchange
        ccxt.apiKey, ccxt.secret, ccxt.password = key.reveal(), secret.reveal(), password.reveal()
        ccxt.options.update(
            recvWindow=self.recv_window_ms,
            timeDifference=0,
            adjustForTimeDifference=False,
            maxRetriesOnFailure=0,
            warnOnFetchOpenOrdersWithoutSymbol=False,
        )
        self.session = ccxt.session
        # the exchange's clock, as far as this machine knows it
        ccxt.milliseconds = self._exchange_now

    @classmethod
    def of_environment(cls, settings: Mapping[str, Any], **options: Any) -> ExchangeAccount:
        """Return the account whose key the environment or the credentials folder holds.

        Raises
        ------
        ConfigError
            As for the class.
        """
        names = ("EXCHANGE_API_KEY", "EXCHANGE_API_SECRET", "EXCHANGE_API_PASSWORD")
        environment = options.get("environment")
        given = os.environ if environment is None else environment()
        return cls(settings, *(read_secret(name, given) for name in names), **options)

    def __repr__(self) -> str:
        return f"ExchangeAccount({self.name})"

    # --- sending ---------------------------------------------------------------------------

    def send_order(
        self,
        symbol: str,
        side: str,
        quantity: Decimal,
        client_id: str,
        *,
        timestamp_ms: int,
        kind: str = MARKET,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        test: bool = False,
    ) -> Order | None:
        """Send one order, once; every order of this program goes through here.

        Parameters
        ----------
        symbol, side : str
        quantity : Decimal
            Base currency, already in the market's steps.
        client_id : str
            From `events.client_order_id`, persisted before.
        timestamp_ms : int
            From `stamp`: after ``timestamp_ms + recv_window_ms`` by its own clock the exchange
            refuses this request, however late it arrives.
        kind : str
            MARKET, STOP_LIMIT or STOP_MARKET.
        price, trigger : Decimal, optional
            Limit of a STOP_LIMIT, and where a stop triggers.
        test : bool
            Let the exchange check the order without placing it; returns None.

        Raises
        ------
        ConfigError
            Real orders are not allowed at this moment; nothing was sent.
        Refused, Busy
            Certainly not placed.
        Unknown
            It may have been placed.
        """
        require_live(self._settings, self._environment())
        params: dict[str, Any] = {"clientOrderId": client_id, "timestamp": timestamp_ms}
        if trigger is not None:
            params["stopLossPrice"] = f"{trigger:f}"
        if test:
            params["test"] = True
        what = f"{kind} {side} of {quantity:f} {symbol}"
        ccxt_kind = "limit" if kind == STOP_LIMIT else "market"
        limit = None if price is None else f"{price:f}"

        def send() -> Any:
            return self._ccxt.create_order(symbol, ccxt_kind, side, f"{quantity:f}", limit, params)

        reply = self._signed(what, send)
        return None if test else order_of(reply, symbol, what)

    def cancel(self, client_id: str, symbol: str) -> None:
        """Ask for the cancellation of an order, once.

        Raises
        ------
        Refused
            With kind ``not_found`` where no such order is open.
        Busy, Unknown
        """

        def cancel() -> Any:
            return self._ccxt.cancel_order(None, symbol, {"clientOrderId": client_id})

        self._signed(f"cancel {client_id} ({symbol})", cancel)

    # --- asking ----------------------------------------------------------------------------

    def find_order(self, client_id: str, symbol: str) -> Order | None:
        """Return the order of that client id, or None where the exchange knows none now.

        Raises
        ------
        Refused, Busy, Unknown
            The exchange could not be asked.
        """
        return self._find(f"order {client_id}", symbol, None, {"clientOrderId": client_id})

    def find_by_id(self, exchange_id: str, symbol: str) -> Order | None:
        """Return the order of that id of the exchange's own; otherwise like `find_order`."""
        return self._find(f"order {exchange_id}", symbol, exchange_id, {})

    def open_orders(self, symbol: str) -> list[Order]:
        """Return all open orders of the symbol, a person's among them."""
        what = f"open orders of {symbol}"
        return self._rows(what, symbol, order_of, lambda: self._ccxt.fetch_open_orders(symbol))

    def orders(self, symbol: str, since_ms: int) -> list[Order]:
        """Return all orders of the symbol placed since that time, finished ones too."""

        def page(since: int) -> list[Order]:
            what = f"orders of {symbol}"
            call = partial(self._ccxt.fetch_orders, symbol, since, PAGE)
            return self._rows(what, symbol, order_of, call)

        return all_pages(page, since_ms, lambda order: order.exchange_id)

    def trades(self, symbol: str, since_ms: int) -> list[OwnTrade]:
        """Return the account's trades of the symbol since that time, a person's among them."""

        def page(since: int) -> list[OwnTrade]:
            what = f"own trades of {symbol}"
            call = partial(self._ccxt.fetch_my_trades, symbol, since, PAGE)
            return self._rows(what, symbol, trade_of, call)

        return all_pages(page, since_ms, lambda trade: trade.trade_id)

    def order_trades(self, exchange_id: str, symbol: str) -> list[OwnTrade]:
        """Return the trades of one order (its first thousand)."""
        what = f"trades of order {exchange_id} ({symbol})"
        call = partial(self._ccxt.fetch_order_trades, exchange_id, symbol, None, PAGE)
        trades = self._rows(what, symbol, trade_of, call)
        return [trade for trade in trades if trade.order_id == exchange_id]

    def balances(self) -> dict[str, Balance]:
        """Return what the account has, by currency; currencies without any may be missing."""

        def ask() -> dict[str, Balance]:
            reply = dict_of(self._ccxt.fetch_balance())
            # ccxt makes an empty account of whatever it does not understand
            if not isinstance(dict_of(reply.get("info")).get("balances"), list):
                raise Unknown("balances: the reply holds none")
            free, total = dict_of(reply.get("free")), dict_of(reply.get("total"))
            return {
                currency: Balance(number_of(free.get(currency, 0)), number_of(value))
                for currency, value in total.items()
                if value is not None
            }

        return self._read("balances", ask)

    def last_price(self, symbol: str) -> Decimal:
        """Return the price of the last trade of the market, quote currency, above 0."""
        what = f"price of {symbol}"

        def ask() -> Decimal:
            price = number_of(dict_of(self._ccxt.fetch_ticker(symbol)).get("last"))
            if price <= 0:
                raise Unknown(f"{what}: {price} is none")
            return price

        return self._read(what, ask)

    def key_permissions(self) -> dict[str, bool] | None:
        """Return what the key may do (``withdraw``, ``trade``), or None where it is not told.

        Raises
        ------
        Refused, Busy, Unknown
        """
        ask = getattr(self._ccxt, "sapiGetAccountApiRestrictions", None)
        if self.name != "binance" or ask is None:
            return None
        reply = self._read("the key's permissions", ask)
        names = {"withdraw": "enableWithdrawals", "trade": "enableSpotAndMarginTrading"}
        if not isinstance(reply, dict) or not all(
            isinstance(reply.get(name), bool) for name in names.values()
        ):
            raise Unknown(f"{self.name}: the reply does not tell what the key may do")
        return {ours: reply[theirs] for ours, theirs in names.items()}

    def may_trade(self) -> bool | None:
        """Return whether the account may trade, or None where it is not told."""
        reply = self._read("the account", lambda: self._ccxt.fetch_balance())
        info = reply.get("info") if isinstance(reply, dict) else None
        told = info.get("canTrade") if isinstance(info, dict) else None
        return told if isinstance(told, bool) else None

    # --- markets and time ------------------------------------------------------------------

    def describe(self, symbols: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the descriptions of these markets as ccxt gives them; needed before all else.

        Raises
        ------
        SourceError
            The exchange has no such market, or cannot be asked.
        """
        for symbol in symbols:
            if symbol not in self._descriptions:
                self._descriptions[symbol] = self._markets.describe(symbol, self._client.markets)
        self._ccxt.set_markets(list(self._descriptions.values()))
        return {symbol: self._descriptions[symbol] for symbol in symbols}

    def stop_kind(self, symbol: str) -> str | None:
        """Return STOP_LIMIT or STOP_MARKET, as the market offers, or None for neither."""
        info = self._descriptions[symbol].get("info") or {}
        offered = info.get("orderTypes") or []
        if "STOP_LOSS_LIMIT" in offered:
            return STOP_LIMIT
        return STOP_MARKET if "STOP_LOSS" in offered else None

    def server_ms(self) -> int:
        """Return the exchange's time, asked for now; also sets the clock of later requests."""
        before = self._now_ms()

        def ask() -> int:
            moment = self._ccxt.fetch_time()
            if isinstance(moment, bool) or not isinstance(moment, int) or moment <= 0:
                raise Unknown(f"{self.name}: {moment!r} is no time")
            return moment

        moment = self._read("the time", ask)
        # never ahead of the exchange: it refuses a request from the future
        self._offset_ms = moment - max(self._now_ms(), before)
        return moment

    def skew_ms(self) -> int:
        """Return how far this machine's clock is ahead of the exchange's, as last asked."""
        return -(self._offset_ms or 0)

    def stamp(self) -> int:
        """Return the timestamp for the next order, by the exchange's clock."""
        if self._offset_ms is None:
            self.server_ms()
        return self._exchange_now()

    def _exchange_now(self) -> int:
        return self._now_ms() + (self._offset_ms or 0)

    # --- inside ----------------------------------------------------------------------------

    def _find(
        self, name: str, symbol: str, exchange_id: str | None, params: dict[str, Any]
    ) -> Order | None:
        what = f"{name} ({symbol})"

        def find() -> Order:
            return order_of(self._ccxt.fetch_order(exchange_id, symbol, params), symbol, what)

        try:
            return self._read(what, find)
        except Refused as error:
            if error.kind != NOT_FOUND:
                raise
            return None

    def _rows(
        self, what: str, symbol: str, parse: Callable[[Any, str, str], T], call: Callable[[], Any]
    ) -> list[T]:
        def ask() -> list[T]:
            rows = call()
            # ccxt makes an empty list of whatever it does not understand
            if not isinstance(self._client.content, list) or not isinstance(rows, list):
                raise Unknown(f"{what}: the reply is no list")
            return [parse(row, symbol, what) for row in rows]

        return self._read(what, ask)

    def _signed(self, what: str, function: Callable[[], T]) -> T:
        left = self._quiet_until - self._monotonic()
        if left > 0.01:
            # to knock during a ban prolongs it
            raise Busy(f"{self.name}: {what}: not asked, it wants to be left alone", left)
        try:
            return self._client.signed(what, function)
        except Busy as error:
            self._quiet_until = self._monotonic() + (error.retry_after_s or 0.0)
            raise

    def _throttle(self, cost_s: float) -> None:
        now = self._monotonic()
        wait = max(0.0, self._turn - now)
        self._turn = max(now, self._turn) + cost_s
        if wait:
            self._sleep(wait)

    def _read(self, what: str, function: Callable[[], T]) -> T:
        """Return the reply of a request that changes nothing, tried again as settings allow."""
        synced = False

        def ask() -> T:
            nonlocal synced
            try:
                return self._signed(what, function)
            except Refused as error:
                if error.kind != CLOCK or synced:
                    raise
            synced = True
            self.server_ms()
            return self._signed(what, function)

        def again(error: Exception) -> bool:
            return isinstance(error, Unknown | Busy)

        return call(
            self._policy,
            ask,
            is_retryable=again,
            retry_after=lambda error: getattr(error, "retry_after_s", None),
            sleep=self._sleep,
            monotonic=self._monotonic,
            rng=self._rng,
        )
