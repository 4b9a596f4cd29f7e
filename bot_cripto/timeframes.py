"""Timeframes and the grid of candle times: all times are int milliseconds since the epoch, UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from bot_cripto.errors import ConfigError

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS

FUNDING_MS = 480 * MINUTE_MS
"""Time between two funding times, which are counted from midnight UTC."""

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}
"""Length of a candle in milliseconds by the name that exchanges give it."""


def timeframe_ms(timeframe: str) -> int:
    """Return the length of one candle in milliseconds.

    Raises
    ------
    ConfigError
        The timeframe is not one of `TIMEFRAMES`.
    """
    try:
        return TIMEFRAMES[timeframe]
    except KeyError:
        raise ConfigError(
            f"timeframe {timeframe!r} is unknown; allowed: {', '.join(TIMEFRAMES)}"
        ) from None


def last_close(now_ms: int, timeframe: str) -> int:
    """Return the close time of the last candle that has closed at `now_ms`.

    A candle counts as closed when ``open_time + timeframe <= now``.
    """
    step = timeframe_ms(timeframe)
    return now_ms // step * step


def iso(time_ms: int) -> str:
    """Return a time as ISO 8601 in UTC, e.g. ``2024-09-06T04:45:00Z`` (milliseconds if any)."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    spec = "milliseconds" if time_ms % 1000 else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def parse_iso(text: str) -> int:
    """Return milliseconds since the epoch of an ISO 8601 time; one without an offset is UTC.

    Raises
    ------
    ValueError
        The text is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


@lru_cache(maxsize=1024)
def candle_id(close_ms: int) -> str:
    """Return the name of a candle by its close time, as used in paths: ``20240906T044500Z``."""
    return datetime.fromtimestamp(close_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_candle_id(name: str) -> int:
    """Return the close time of the candle with that name; the inverse of `candle_id`."""
    return round(datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() * 1000)
