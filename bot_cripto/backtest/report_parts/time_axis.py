"""Where an axis of time is labelled, and how."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot_cripto.backtest.report_parts.values import Speech
from bot_cripto.timeframes import MINUTE_MS

_DAY = 1440
_MINUTES = (5, 10, 15, 30, 60, 120, 180, 360, 720, _DAY, 2 * _DAY, 5 * _DAY, 10 * _DAY)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def time_marks(low: float, high: float, count: int, say: Speech) -> list[tuple[float, str]]:
    """Return round times within a range with their labels, at most about `count`.

    Parameters
    ----------
    low, high : float
        Milliseconds since the epoch, UTC.
    count : int
    say : Speech

    Returns
    -------
    list of (float, str)
        Hours, days, months or years, by what the range spans.
    """
    if not high > low:
        return []
    minutes = (high - low) / MINUTE_MS / max(count, 1)
    short = next((step for step in _MINUTES if step >= minutes), None)
    return _long(low, high, minutes, say) if short is None else _short(low, high, short, say)


def _short(low: float, high: float, step: int, say: Speech) -> list[tuple[float, str]]:
    size = step * MINUTE_MS
    found = []
    # whole days, so that the labels do not wander through the month from plot to plot
    at = -(-low // size) * size
    while at <= high:
        moment = datetime.fromtimestamp(at / 1000, UTC)
        day = f"{moment.day} {say.month(moment.month)}"
        whole = moment.hour == 0 and moment.minute == 0
        found.append((at, day if whole or step >= _DAY else f"{moment:%H:%M}"))
        at += size
    return found


def _long(low: float, high: float, minutes: float, say: Speech) -> list[tuple[float, str]]:
    wanted = minutes / (30.4 * _DAY)
    step = next((number for number in _MONTHS if number >= wanted), _MONTHS[-1])
    first = datetime.fromtimestamp(low / 1000, UTC)
    last = datetime.fromtimestamp(high / 1000, UTC) + timedelta(days=1)
    found = []
    for month in range(0, 12 * (last.year - first.year + 1), step):
        year = first.year + month // 12
        if step >= 12 and year % (step // 12):
            continue
        moment = datetime(year, month % 12 + 1, 1, tzinfo=UTC)
        at = moment.timestamp() * 1000
        if low <= at <= high:
            name = f"{say.month(moment.month)} {year}"
            found.append((at, str(year) if step >= 12 else name))
    return found
