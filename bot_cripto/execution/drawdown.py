"""Drawdown within a day or a week: the deepest fall of equity since the period began."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot_cripto.timeframes import DAY_MS

WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS
"""00:00 UTC of the first Monday after the epoch, which began on a Thursday."""


def day_start(time_ms: int) -> int:
    """Return 00:00 UTC of the day that a moment belongs to, milliseconds since the epoch.

    Midnight itself belongs to the day that begins with it.
    """
    return time_ms // DAY_MS * DAY_MS


def week_start(time_ms: int) -> int:
    """Return Monday 00:00 UTC of the week that a moment belongs to; see `day_start`."""
    return (time_ms - MONDAY_MS) // WEEK_MS * WEEK_MS + MONDAY_MS


@dataclass
class Drawdown:
    """Equity within one period; `begin` opens it, `add` follows it.

    Attributes
    ----------
    start_ms : int
        When the period began, milliseconds since the epoch, UTC.
    start_equity, equity, peak : Decimal
        At the last mark at or before the beginning, at the last mark, and the highest since.
    depth : float
        Deepest fall from the peak so far (decimal, at least 0); it never shrinks again. A peak
        that is not above 0 has nothing left to lose: 1.
    """

    start_ms: int
    start_equity: Decimal
    equity: Decimal
    peak: Decimal
    depth: float

    @classmethod
    def begin(cls, start_ms: int, equity: Decimal) -> Drawdown:
        """Return a period that begins with so much equity."""
        return cls(start_ms, equity, equity, equity, 0.0 if equity > 0 else 1.0)

    def add(self, equity: Decimal) -> None:
        """Take the next mark of the period."""
        self.equity = equity
        if equity > self.peak:
            self.peak = equity
        elif self.peak > 0:
            self.depth = max(self.depth, float((self.peak - equity) / self.peak))
