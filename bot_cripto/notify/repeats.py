"""Trouble that repeats with each candle is told once, then every six hours with a count."""

from __future__ import annotations

from typing import Any

REPEAT_MS = 6 * 3_600_000

Memory = dict[str, Any]
"""JSON values: ``{what: {"count": int, "since_ms": int, "told_ms": int}}``."""


def happened(memory: Memory, what: str, time_ms: int) -> dict[str, int] | None:
    """Note that something happened again; return what is known of it when it is to be told.

    Parameters
    ----------
    memory : dict
        Changed in place.
    what : str
    time_ms : int
        When, milliseconds since the epoch, UTC.

    Returns
    -------
    dict or None
        ``count`` and ``since_ms``, 1 the first time; None: it has been told lately.
    """
    known = memory.setdefault(what, {"count": 0, "since_ms": time_ms, "told_ms": None})
    known["count"] += 1
    # one told in the future was told by a wrong clock
    if known["told_ms"] is not None and 0 <= time_ms - known["told_ms"] < REPEAT_MS:
        return None
    known["told_ms"] = time_ms
    return {"count": known["count"], "since_ms": known["since_ms"]}


def ended(memory: Memory, what: str) -> dict[str, int] | None:
    """Note that it is over; return what was known of it, None where it had not happened."""
    known: dict[str, int] | None = memory.pop(what, None)
    return known


def forget_old(memory: Memory, now_ms: int, after_ms: int) -> None:
    """Forget what was told longer than that ago: should it come again, it is new."""
    for what in [w for w, known in memory.items() if now_ms - (known["told_ms"] or 0) > after_ms]:
        del memory[what]
