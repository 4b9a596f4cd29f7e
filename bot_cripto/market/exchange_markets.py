"""Descriptions of markets by symbol, kept on disk: an exchange's whole list is megabytes."""

from __future__ import annotations

import difflib
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.errors import SourceError
from bot_cripto.symbols import symbol_to_path

log = logging.getLogger(__name__)

Market = dict[str, Any]

MAX_AGE_MS = 86_400_000
"""A description older than a day is downloaded again."""


class Markets:
    """The markets of one exchange, each from its file or else from one download for all threads.

    Parameters
    ----------
    folder : Path or None
        Descriptions are kept in ``FOLDER/markets-EXCHANGE/SYMBOL.json``; None keeps none.
    exchange_id, base_url : str
        Whose they are; a description from another address does not count.
    """

    def __init__(self, folder: Path | None, exchange_id: str, base_url: str) -> None:
        self._folder = None if folder is None else Path(folder) / f"markets-{exchange_id}"
        self._exchange_id, self._base_url = exchange_id, base_url
        self._lock = threading.Lock()
        self._downloads = 0
        self._failure: SourceError | None = None
        self._all: dict[str, Market] = {}

    def describe(
        self, symbol: str, download: Callable[[], dict[str, Market]], *, renew: bool = False
    ) -> Market:
        """Return the description of a spot market as ccxt gives it.

        Parameters
        ----------
        symbol : str
            Like ``BTC/USDT``.
        download : callable
            Returns all markets by symbol, or raises SourceError.
        renew : bool
            Whether what is kept on disk has proved wrong.

        Raises
        ------
        SourceError
            The exchange has no such market (similar ones are named), or the download failed and
            no description is kept, not even an old one.
        """
        kept, fresh = (None, False) if renew else self._read(symbol)
        if kept is not None and fresh:
            return kept
        before = self._downloads
        with self._lock:
            # a download that another thread made meanwhile answers for this one too
            if self._downloads == before and (renew or not self._all):
                self._download(download)
            failure, markets = self._failure, self._all
        if failure is not None:
            if kept is None:
                raise failure
            log.warning("%s; the description of %s from before is used", failure, symbol)
            return kept
        if symbol not in markets:
            near = difflib.get_close_matches(symbol, markets, n=5, cutoff=0.6)
            raise SourceError(
                f"{self._exchange_id} has no spot market {symbol}; "
                + (f"similar: {', '.join(near)}" if near else "nothing is similar")
                + "; change SYMBOLS or EXCHANGE"
            )
        self._write(symbol, markets[symbol])
        return markets[symbol]

    def _download(self, download: Callable[[], dict[str, Market]]) -> None:
        try:
            markets = download()
            self._all = {name: m for name, m in markets.items() if m.get("spot") is not False}
            self._failure = None
        except SourceError as error:
            self._failure = error
        self._downloads += 1

    def _path(self, folder: Path, symbol: str) -> Path:
        return folder / f"{symbol_to_path(symbol)}.json"

    def _read(self, symbol: str) -> tuple[Market | None, bool]:
        """Return what is kept of the symbol, and whether it is fresh."""
        if self._folder is None:
            return None, False
        path = self._path(self._folder, symbol)
        try:
            content = json.loads(path.read_bytes())
            market, made = content["market"], int(content["made_ms"])
            if content["base_url"] != self._base_url or market["symbol"] != symbol:
                return None, False
        except FileNotFoundError:
            return None, False
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: not readable (%r), the exchange is asked again", path, error)
            return None, False
        return market, abs(clock.now_ms() - made) < MAX_AGE_MS

    def _write(self, symbol: str, market: Market) -> None:
        if self._folder is None:
            return
        path = self._path(self._folder, symbol)
        content = {"made_ms": clock.now_ms(), "base_url": self._base_url, "market": market}
        try:
            atomic.write_json(path, content)
        except (OSError, TypeError, ValueError) as error:
            # the next run can do without
            log.warning("%s: not written (%r)", path, error)
