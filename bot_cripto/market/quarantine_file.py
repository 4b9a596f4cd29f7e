"""The file of a symbol's refused candles: JSON lines, bounded, each candle once."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.errors import DataError
from bot_cripto.market.candles import PRICES, Candles
from bot_cripto.market.validate import LATEST_MS, Quarantine
from bot_cripto.timeframes import iso

NAME = "quarantine.jsonl"
MAX_LINES = 5000


def add(path: Path, quarantine: Quarantine) -> int:
    """Add refused candles to the file and return how many were new to it.

    Beyond `MAX_LINES` the oldest lines give way to a first line that counts them by reason, so
    that the counts stay complete. A candle whose line has given way counts again if it comes
    again. The file is replaced atomically; the caller holds the symbol's lock.

    Raises
    ------
    DataError
        The file holds a line that this module did not write.
    OSError
        The file could not be written; it is as it was before.
    """
    dropped, lines = _load(path)
    known = set(lines)
    new = []
    for row, reason in enumerate(quarantine.reasons):
        line = _line(quarantine.candles, row, reason)
        if line not in known:
            known.add(line)
            new.append(line)
    if not new:
        return 0
    lines += new
    for line in lines[:-MAX_LINES]:
        dropped[json.loads(line)["reason"]] += 1
    head = [json.dumps({"dropped": dict(dropped)})] if dropped else []
    atomic.write_text(path, "\n".join([*head, *lines[-MAX_LINES:]]) + "\n")
    return len(new)


def counts(path: Path) -> dict[str, int]:
    """Return how many candles the file has counted, by reason; most frequent first.

    Raises
    ------
    DataError
        The file holds a line that this module did not write.
    """
    total, lines = _load(path)
    total.update(json.loads(line)["reason"] for line in lines)
    return dict(total.most_common())


def _load(path: Path) -> tuple[Counter[str], list[str]]:
    """Return the counts of the lines that gave way, and the lines."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return Counter(), []
    try:
        records = [json.loads(line) for line in lines]
        dropped = Counter(records[0]["dropped"]) if records and "dropped" in records[0] else None
        if not all("reason" in r for r in records[dropped is not None :]):
            raise ValueError("a line has no reason")
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a list of quarantined candles ({error}); move the file away, it is only "
            "a record of what was refused"
        ) from error
    return (Counter(), lines) if dropped is None else (dropped, lines[1:])


def _line(candles: Candles, row: int, reason: str) -> str:
    time = int(candles.open_time[row])
    record: dict[str, object] = {"open_time": time}
    if 0 <= time < LATEST_MS:
        record["time"] = iso(time)
    for name in (*PRICES, "volume"):
        value = float(getattr(candles, name)[row])
        # JSON has no word for NaN and the infinities
        record[name] = value if math.isfinite(value) else str(value)
    record["reason"] = reason
    return json.dumps(record)
