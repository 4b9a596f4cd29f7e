"""Names of trading pairs: ``BTC/USDT`` for people and exchanges, ``BTC_USDT`` in paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot_cripto.errors import ConfigError

_FORM = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?")


def check_symbol(symbol: str) -> str:
    """Return the symbol if it has the form ``BASE/QUOTE`` (``BASE/QUOTE:SETTLE`` for futures).

    Raises
    ------
    ConfigError
        It has another form.
    """
    if not _FORM.fullmatch(symbol):
        raise ConfigError(f"symbol {symbol!r} has not the form BASE/QUOTE, like BTC/USDT")
    return symbol


def symbol_to_path(symbol: str) -> str:
    """Return the symbol as a part of a path: ``BTC/USDT`` becomes ``BTC_USDT``."""
    return symbol.replace("/", "_").replace(":", "-")


def symbol_from_path(name: str) -> str:
    """Return the symbol of a part of a path; the inverse of `symbol_to_path`."""
    return name.replace("_", "/").replace("-", ":")


def base_of(symbol: str) -> str:
    """Return the base currency: BTC of BTC/USDT."""
    return symbol.split("/", 1)[0]


def quote_of(symbol: str) -> str:
    """Return the quote currency: USDT of BTC/USDT and of BTC/USDT:USDT."""
    return symbol.split("/", 1)[1].split(":", 1)[0]


def portfolio_of(settings: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the quote currency of the portfolio and the symbols that are traded in it.

    It is that of the first symbol; a symbol of another quote currency has signals and no orders.
    """
    quote = quote_of(settings["symbols"][0])
    return quote, [symbol for symbol in settings["symbols"] if quote_of(symbol) == quote]
