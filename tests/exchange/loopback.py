"""What the tests of this folder share: moments, a clock that sleeps move, candles as rows."""

from __future__ import annotations

import time

STEP = 300_000
CLOSED = 1_725_597_900_000  # 2024-09-06T04:45:00Z
NOW = CLOSED + 61_000  # one candle is open


class Waits:
    """Sleeps that only move the clock."""

    def __init__(self):
        self.slept: list[float] = []

    def sleep(self, seconds):
        self.slept.append(seconds)

    def monotonic(self):
        return time.monotonic() + sum(self.slept)


def rows_of(candles):
    """Return candles as a list of rows, to be compared with those of the server."""
    names = ("open_time", "open", "high", "low", "close", "volume")
    return [list(row) for row in zip(*(getattr(candles, n).tolist() for n in names), strict=True)]
