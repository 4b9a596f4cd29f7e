"""The one clock: everything that asks for the time asks here."""

from __future__ import annotations

import os
import time

from bot_cripto.errors import ConfigError
from bot_cripto.timeframes import parse_iso

AS_OF_VARIABLE = "BOT_CRIPTO_NOW"
TOLERANCE_MS = 60_000
"""How far `as_of` may lie ahead of the system's time, for clocks that differ."""


def as_of_ms() -> int | None:
    """Return the moment that ``BOT_CRIPTO_NOW`` sets, or None when the clock runs free.

    Raises
    ------
    ConfigError
        The variable holds no ISO 8601 time, or one of the future.
    """
    text = os.environ.get(AS_OF_VARIABLE, "").strip()
    if not text:
        return None
    try:
        moment = parse_iso(text)
    except ValueError:
        raise ConfigError(
            f"{AS_OF_VARIABLE}={text!r} is no ISO 8601 time; write it like 2024-09-06T04:45:00Z"
        ) from None
    if moment > system_ms() + TOLERANCE_MS:
        raise ConfigError(
            f"{AS_OF_VARIABLE}={text} lies in the future: a moment of the past can be run again, "
            "one to come cannot"
        )
    return moment


def system_ms() -> int:
    """Return the system's time in milliseconds since the epoch, UTC, whatever `as_of` says."""
    return time.time_ns() // 1_000_000


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, UTC: `as_of` if set, else the system's."""
    pinned = as_of_ms()
    return system_ms() if pinned is None else pinned
