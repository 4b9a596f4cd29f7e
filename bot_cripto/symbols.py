"""Names of trading pairs: ``BTC/USDT`` for people and exchanges, ``BTC_USDT`` in paths."""

from __future__ import annotations

import re

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
