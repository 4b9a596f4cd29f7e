"""Importing one exchange of ccxt, and none of the hundred others.

This is the only market-data module that imports ccxt, and only when its function is called.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import threading
import types
from pathlib import Path
from typing import Any

from bot_cripto.errors import ConfigError

_import_lock = threading.Lock()


def _ccxt_folder() -> Path:
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("ccxt is not installed; install requirements.lock, or use another source")
    return Path(spec.submodule_search_locations[0])


def exchange_ids() -> list[str]:
    """Return the ids of all exchanges that ccxt knows, sorted, without importing any of them."""
    return sorted(path.stem for path in _ccxt_folder().glob("[a-z]*.py"))


def check_exchange_id(exchange_id: str) -> None:
    """Raise ConfigError, naming the nearest ids, where ccxt has no exchange of that id."""
    ids = exchange_ids()
    if exchange_id not in ids:
        near = ", ".join(difflib.get_close_matches(exchange_id, ids)) or "binance, kraken, okx"
        raise ConfigError(f"exchange {exchange_id!r} is unknown to ccxt; did you mean: {near}?")


def load_exchange_class(exchange_id: str) -> type[Any]:
    """Import one exchange of ccxt and return its class.

    ``import ccxt`` imports a hundred exchanges. A stand-in for the package, there only during the
    import, leaves all but the one out; an ``import ccxt`` elsewhere, before or after, gets the
    real package and the same classes.

    Raises
    ------
    ConfigError
        ccxt has no exchange of that id; the nearest ids are named.
    """
    check_exchange_id(exchange_id)
    with _import_lock:
        stand_in = None
        if "ccxt" not in sys.modules:
            stand_in = types.ModuleType("ccxt")
            stand_in.__path__ = [str(_ccxt_folder())]
            sys.modules["ccxt"] = stand_in
        try:
            module = importlib.import_module(f"ccxt.{exchange_id}")
        finally:
            if stand_in is not None:
                del sys.modules["ccxt"]
    exchange_class: type[Any] = getattr(module, exchange_id)
    return exchange_class
