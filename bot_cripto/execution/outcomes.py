"""The performance history of a symbol, from the journal: all of it, or what has come since."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot_cripto.decision.thresholds import policy_of, round_trip_cost
from bot_cripto.execution.derived_files import DerivedFiles
from bot_cripto.execution.performance import (
    MAX_ROWS,
    History,
    known_closes,
    performance_history,
)
from bot_cripto.execution.prices import ReadCloses
from bot_cripto.timeframes import parse_iso, timeframe_ms

if TYPE_CHECKING:
    from bot_cripto.layout import Layout
    from bot_cripto.ledger.journal import Journal

REACH = 4 * MAX_ROWS
"""Of so many candles the signals are looked at, at most."""


def whole_history(
    settings: Mapping[str, Any],
    symbol: str,
    journal: Journal | None,
    read_closes: ReadCloses,
    now_ms: int,
) -> History:
    """Return the last `MAX_ROWS` outcomes of a symbol's signals, made from the journal alone.

    Signals of more than `REACH` candles ago are not looked at.

    Parameters
    ----------
    settings : mapping
        The effective settings.
    symbol : str
    journal : Journal or None
        None: no signal was published yet.
    read_closes : callable
        Closes of the candle store.
    now_ms : int
        Horizons that close later have no outcome; milliseconds since the epoch, UTC.
    """
    if journal is None:
        return History([])
    step = timeframe_ms(settings["timeframe"])
    oldest = _oldest_ms(now_ms, step)
    found = History([])
    # most often the signals of so many candles are enough
    for since in (max(oldest, now_ms - MAX_ROWS * 5 // 4 * step), oldest):
        documents = journal.since(symbol, since, now_ms + 1)
        found = performance_history(documents, read_closes, symbol, settings, now_ms)
        if len(found.rows) == MAX_ROWS:
            break
    return found


def history(
    layout: Layout,
    settings: Mapping[str, Any],
    symbol: str,
    journal: Journal | None,
    read_closes: ReadCloses,
    now_ms: int,
    files: DerivedFiles | None = None,
) -> History:
    """Return the same rows as `whole_history`, sooner where the written file can be continued.

    The file is believed only where its hash is the recorded one, its costs and market are those
    of the settings, and no candle has come since that was missing when it was written.
    """
    files = files or DerivedFiles(layout.logs)
    name = layout.performance(symbol).name
    facts, content = files.facts(name), files.read(name)
    if (
        journal is None
        or content is None
        or not _continues(facts, layout, settings, now_ms)
        or _have_come(facts["gaps"], settings, symbol, read_closes)
    ):
        return whole_history(settings, symbol, journal, read_closes, now_ms)
    resume = int(facts["resume_ms"])
    oldest = _oldest_ms(now_ms, timeframe_ms(settings["timeframe"]))
    rows = json.loads(content)
    places = (bisect_left(rows, time, key=_candle_ms) for time in (oldest, resume))
    kept = rows[slice(*places)]
    documents = journal.since(symbol, max(oldest, resume), now_ms + 1)
    since = performance_history(documents, read_closes, symbol, settings, now_ms)
    before = tuple((close, end) for close, end in facts["gaps"] if oldest <= close < resume)
    return replace(since, rows=[*kept, *since.rows][-MAX_ROWS:], gaps=before + since.gaps)


def _continues(
    facts: Mapping[str, Any], layout: Layout, settings: Mapping[str, Any], now_ms: int
) -> bool:
    step = timeframe_ms(settings["timeframe"])
    return bool(
        facts["key"] == layout.key
        and facts["costs"] == round_trip_cost(policy_of(settings))
        and facts["resume_ms"] is not None
        # within one candle no outcome comes to be known
        and facts["made_ms"] // step <= now_ms // step
    )


def _have_come(
    gaps: list[list[int]], settings: Mapping[str, Any], symbol: str, read_closes: ReadCloses
) -> bool:
    """Return whether the candles at both ends of a former gap are known by now."""
    if not gaps:
        return False
    step = timeframe_ms(settings["timeframe"])
    since, until = gaps[0][0], max(end for _, end in gaps)
    known = known_closes(read_closes, symbol, since, until, step)
    return any(close in known and end in known for close, end in gaps)


def history_text(found: History) -> str:
    """Return the rows as a JSON list, a row a line."""
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in found.rows)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def history_facts(
    layout: Layout, settings: Mapping[str, Any], found: History, now_ms: int
) -> dict[str, Any]:
    """Return what to remember of how the rows were made, so that they can be continued."""
    open_since = [] if found.open_since_ms is None else [found.open_since_ms]
    # the newest signal may yet be revised, by a run as of its own candle
    newest = [_candle_ms(row) for row in found.rows[-1:]] + [close for close, _ in found.gaps[-1:]]
    resume = min([*open_since, *([max(newest)] if newest else [])], default=None)
    # an outcome older than the oldest row of a full list changes nothing
    full = len(found.rows) == MAX_ROWS
    oldest = _candle_ms(found.rows[0]) if full else 0
    return {
        "key": layout.key,
        "costs": round_trip_cost(policy_of(settings)),
        "made_ms": now_ms,
        "gaps": [list(gap) for gap in found.gaps if gap[0] >= oldest],
        "resume_ms": resume,
    }


def _oldest_ms(now_ms: int, step: int) -> int:
    return (now_ms // step - REACH) * step


def _candle_ms(row: Mapping[str, Any]) -> int:
    return parse_iso(row["candle_close_time"])
