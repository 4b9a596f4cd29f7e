"""Numbers of a backtest, read with care and written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot_cripto.backtest.report_parts.markup import text
from bot_cripto.backtest.report_parts.texts import MONTHS, TEXTS
from bot_cripto.timeframes import parse_iso


def finite(value: object) -> float | None:
    """Return a number, or None where it is absent, no number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the largest float
        return None
    return number if math.isfinite(number) else None


def interval(value: object) -> tuple[float, float] | None:
    """Return the two ends of an interval, or None where one is absent."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        return None
    low, high = finite(value[0]), finite(value[1])
    return None if low is None or high is None else (low, high)


def part(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping within the result, empty where it is absent."""
    found = result.get(name)
    return found if isinstance(found, Mapping) else {}


def rows(result: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the mappings of a list within the result, empty where it is absent."""
    found = result.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def time_ms(value: object) -> int | None:
    """Return milliseconds since the epoch (UTC) of an ISO 8601 time, or None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        return parse_iso(value)
    except (ValueError, OverflowError):
        return None


def series(holder: Mapping[str, Any], *names: str) -> tuple[list[int], list[list[float]]]:
    """Return times and columns of equal length, without rows where one is absent.

    Parameters
    ----------
    holder : mapping
        Lists under ``t`` (ISO 8601) and under each name.
    *names : str

    Returns
    -------
    times : list of int, n of them
        Milliseconds since the epoch, UTC.
    columns : list of list of float, n in each
    """
    lists = [holder.get(name) for name in ("t", *names)]
    times: list[int] = []
    columns: list[list[float]] = [[] for _ in names]
    if not all(isinstance(one, (list, tuple)) for one in lists):
        return times, columns
    for when, *values in zip(*[one or () for one in lists], strict=False):
        moment = time_ms(when)
        numbers = [finite(value) for value in values]
        if moment is None or any(number is None for number in numbers):
            continue
        times.append(moment)
        for column, number in zip(columns, numbers, strict=True):
            column.append(number if number is not None else 0.0)
    return times, columns


@dataclass(frozen=True)
class Speech:
    """The words and the way to write numbers of one language.

    Attributes
    ----------
    lang : str
        A key of `TEXTS`.
    """

    lang: str

    def __call__(self, name: str, /, **values: object) -> str:
        """Return the words of that name, filled in."""
        return TEXTS[self.lang][name].format(**values)

    def given(self, value: object) -> str:
        """Return a text of the result, or the words for one that is absent."""
        return value if isinstance(value, str) and value else self("absent")

    def number(self, value: object, decimals: int = 2, *, sign: bool = False) -> str:
        """Return a number with that many decimals, or the words for one that is not measured."""
        number = finite(value)
        if number is None:
            return self("absent")
        written = f"{number:{'+' if sign else ''},.{decimals}f}"
        if not any(digit in written for digit in "123456789"):
            written = written.lstrip("+-")  # no -0.00
        if self.lang == "es":
            written = written.translate(str.maketrans(",.", ".,"))
        return written.replace("-", "\u2212")

    def percent(self, value: object, decimals: int = 1, *, sign: bool = False) -> str:
        """Return a decimal ratio as per cent."""
        number = finite(value)
        if number is None:
            return self("absent")
        return f"{self.number(number * 100, decimals, sign=sign)}\u00a0%"

    def change(self, value: object, decimals: int = 2) -> str:
        """Return a decimal return as per cent with its sign."""
        return self.percent(value, decimals, sign=True)

    def price(self, value: object) -> str:
        """Return a price with more decimals where it is small."""
        size = abs(finite(value) or 0.0)
        return self.number(value, 2 if size >= 100 or size == 0 else 4 if size >= 1 else 8)

    def day(self, value: object) -> str:
        """Return the date of an ISO 8601 time or of milliseconds, e.g. ``3 Jan 2025``."""
        moment = self._moment(value)
        if moment is None:
            return self("absent")
        return f"{moment.day} {self.month(moment.month)} {moment.year}"

    def moment(self, value: object) -> str:
        """Return date and time of an ISO 8601 time or of milliseconds, in UTC."""
        moment = self._moment(value)
        return self("absent") if moment is None else f"{self.day(value)}, {moment:%H:%M} UTC"

    def lines(self, *values: str) -> str:
        """Return texts one below the other, as markup that does not break within them."""
        return "".join(text("span", value, class_="line") for value in values)

    def month(self, number: int) -> str:
        """Return the short name of a month, 1 to 12."""
        return MONTHS[self.lang][number - 1]

    def _moment(self, value: object) -> datetime | None:
        ms = value if isinstance(value, int) else time_ms(value)
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
