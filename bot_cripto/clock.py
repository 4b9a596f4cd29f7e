"""The one clock: everything that asks for the time asks here."""

from __future__ import annotations

import os
import time

from bot_cripto.errors import ConfigError
from bot_cripto.timeframes import parse_iso

AS_OF_VARIABLE = "BOT_CRIPTO_NOW"


def as_of_ms() -> int | None:
    """Return the moment that ``BOT_CRIPTO_NOW`` sets, or None when the clock runs free.

    Raises
    ------
    ConfigError
        The variable holds no ISO 8601 time.
    """
    text = os.environ.get(AS_OF_VARIABLE, "").strip()
    if not text:
        return None
    try:
        return parse_iso(text)
    except ValueError:
        raise ConfigError(
            f"{AS_OF_VARIABLE}={text!r} is no ISO 8601 time; write it like 2024-09-06T04:45:00Z"
        ) from None


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, UTC: `as_of` if set, else the system's."""
    pinned = as_of_ms()
    return time.time_ns() // 1_000_000 if pinned is None else pinned
