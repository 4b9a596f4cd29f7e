"""Putting an executor together from settings, the environment and a book."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot_cripto import clock
from bot_cripto.execution.live.exchange_account import ExchangeAccount
from bot_cripto.execution.live.permission import require_live
from bot_cripto.execution.live.protocol import Executor
from bot_cripto.execution.market_rules import of_ccxt
from bot_cripto.ledger.events import FINAL_STATES


def make_executor(
    book: Any,
    settings: Mapping[str, Any],
    *,
    markets_dir: Path | None,
    exchange: ExchangeAccount | None = None,
    environment: Callable[[], Mapping[str, str]] | None = None,
    barred: Callable[[], str | None] = lambda: None,
    sleep: Callable[[float], object] = time.sleep,
    now_ms: Callable[[], int] = clock.system_ms,
) -> Executor:
    """Return an executor for the live account, with the rules of every market it may touch.

    Parameters
    ----------
    book : Book
        Of the live ledger.
    settings : mapping
        Effective settings.
    markets_dir : Path or None
        Folder where market descriptions are kept (the candle store's own).
    exchange : ExchangeAccount, optional
        Default: the one whose key the environment holds.
    environment : callable, optional
        Returns the environment variables of that moment; default: the process's.
    barred, sleep, now_ms : callable
        As for `Executor`.

    Raises
    ------
    ConfigError
        Real orders are not allowed, or the key is missing.
    SourceError
        A market's description could not be had.
    """
    require_live(settings, os.environ if environment is None else environment())
    if exchange is None:
        exchange = ExchangeAccount.of_environment(
            settings, environment=environment, markets_dir=markets_dir, sleep=sleep, now_ms=now_ms
        )
    ordered = {
        book.ledger.intent(event.intent_id).symbol
        for event in book.ledger.orders().values()
        if event.state not in FINAL_STATES
    }
    symbols = sorted({*settings["symbols"], *book.account.positions, *ordered})
    rules = {name: of_ccxt(market) for name, market in exchange.describe(symbols).items()}
    return Executor(book, exchange, settings, rules, barred=barred, sleep=sleep, now_ms=now_ms)
