"""The file of a symbol's refused candles: JSON lines, bounded, each candle once."""

from __future__ import annotations

import json
import logging
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

log = logging.getLogger("bot_cripto")


def add(path: Path, quarantine: Quarantine) -> int:
    """Add refused candles to the file and return how many were new to it.

    Beyond `MAX_LINES` the oldest lines give way to a first line that counts them by reason, so
    that the counts stay complete. A candle whose line has given way counts again if it comes
    again. The file is replaced atomically; the caller holds the symbol's lock.

    A file that cannot be read, or holds a line that this module did not write, is set aside as
    ``quarantine.jsonl.damaged`` (an earlier one gives way), with a warning: it is only a record,
    and must not stand in the way of sound candles.

    Raises
    ------
    OSError
        The file could not be written; it is as it was before.
    """
    try:
        dropped, lines = _load(path)
    except (DataError, OSError) as error:
        aside = path.replace(path.with_name(path.name + ".damaged"))
        log.warning("%s; the next fetches count anew, what it held is in %s", error, aside)
        dropped, lines = Counter(), []
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
        records = [json.loads(line) for line in lines]
        dropped = Counter(records[0]["dropped"]) if records and "dropped" in records[0] else None
        if not all(isinstance(r["reason"], str) for r in records[dropped is not None :]):
            raise ValueError("a line has no reason")
        if dropped is not None and not all(isinstance(n, int) for n in dropped.values()):
            raise ValueError("the first line counts nothing")
    except FileNotFoundError:
        return Counter(), []
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: not a list of quarantined candles ({error}); it is only a record of what "
            "was refused"
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
