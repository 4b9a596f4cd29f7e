"""From settings to candles in the store: the source, the fetch, and a report for each symbol."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bot_cripto import clock
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.market import quality
from bot_cripto.market.candles import Candles, empty
from bot_cripto.market.fetch import FetchResult, fetch
from bot_cripto.market.source import make_source
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import timeframe_ms

LATE_PAUSE_S = 2.0
"""Between two looks for a candle that has closed and is not shown yet."""

log = logging.getLogger("bot_cripto")


@dataclass(frozen=True, eq=False)
class Download:
    """What the store holds of one symbol after a fetch.

    Attributes
    ----------
    candles : Candles
        Stored candles of the range and of as many before it as a gap may be filled from.
    report : dict
        The quality report, with ``error`` (None or a sentence) and ``sha256`` of the range.
    """

    candles: Candles
    report: dict[str, Any]


def download(
    layout: Layout, settings: dict[str, Any], since_ms: int, until_ms: int
) -> dict[str, Download]:
    """Fetch what the store lacks of ``[since_ms, until_ms)`` for every symbol, and read it back.

    A symbol that fails is isolated: its error stands in its report.
    """
    timeframe = settings["timeframe"]
    store = CandleStore(layout.store, settings["market"], timeframe)
    source = make_source(settings, cache_dir=store.folder)
    found: dict[str, Download] = {}
    waiting = list(settings["symbols"])
    deadline = time.monotonic() + _patience(settings)
    while True:
        results = fetch(
            source,
            store,
            waiting,
            timeframe,
            since_ms,
            until_ms,
            workers=settings["fetch_workers"],
            progress=sys.stderr,
        )
        for symbol, result in results.items():
            found[symbol] = read_back(store, symbol, settings, since_ms, until_ms, result)
        waiting = [symbol for symbol in waiting if _is_late(found[symbol].report)]
        if not waiting or time.monotonic() >= deadline:
            break
        time.sleep(LATE_PAUSE_S)
    for symbol in settings["symbols"]:
        _say(symbol, found[symbol].report)
    return {symbol: found[symbol] for symbol in settings["symbols"]}


def _patience(settings: dict[str, Any]) -> float:
    """Return how many seconds a candle may come late; only an exchange, now, can be late."""
    if settings["source"] != "exchange" or clock.as_of_ms() is not None:
        return 0.0
    return float(settings["fetch_late_s"])


def _is_late(report: dict[str, Any]) -> bool:
    """Whether the last closed candle alone is missing: the exchange shows it in a moment."""
    return report["error"] is None and report["stale_candles"] == 1


def _say(symbol: str, report: dict[str, Any]) -> None:
    if report["error"] is not None:
        log.error("%s: %s", symbol, report["error"])
    for sentence in [*report["problems"], *report["notes"]]:
        log.info("%s: %s", symbol, sentence)


def read_back(
    store: CandleStore,
    symbol: str,
    settings: dict[str, Any],
    since_ms: int,
    until_ms: int,
    result: FetchResult,
) -> Download:
    """Return what the store holds of ``[since_ms, until_ms)`` after a fetch.

    Candles and report are those of the store alone; of `result` come its error and the counts
    of what was refused. A damaged month is an error in the report.
    """
    margin = settings["fill_candles"] * timeframe_ms(settings["timeframe"])
    candles, error, digest = empty(), result.error, None
    try:
        candles = store.read(symbol, since_ms - margin, until_ms)
        digest = store.digest(symbol, since_ms, until_ms)
    except DataError as damage:
        error = error or str(damage)
    report = describe(candles, symbol, settings, since_ms, until_ms, result)
    return Download(candles, report | {"error": error, "sha256": digest})


def describe(
    candles: Candles,
    symbol: str,
    settings: dict[str, Any],
    since_ms: int,
    until_ms: int,
    result: FetchResult,
) -> dict[str, Any]:
    """Return the quality report of stored candles of ``[since_ms, until_ms)``.

    See `bot_cripto.market.quality.report`; of `result` come the counts of what was refused.
    """
    return quality.report(
        candles,
        symbol=symbol,
        source=settings["source_name"],
        timeframe=settings["timeframe"],
        since_ms=since_ms,
        until_ms=until_ms,
        max_fill=settings["fill_candles"],
        quarantined=Counter(result.quarantined),
        conflicts=result.conflicts,
    )
