"""The time that one run of the notifier may take, and how it waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The system's time and the budget of one run.

    Attributes
    ----------
    start_ms : int
        The system's time when the run began, milliseconds since the epoch, UTC.
    budget_s : float
    monotonic, sleep, rng : callable
        A clock in seconds, waiting, and draws from [0, 1).
    start_s : float
        Reading of `monotonic` when the run began.
    """

    start_ms: int
    budget_s: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], object]
    rng: Callable[[], float]
    start_s: float

    def now_ms(self) -> int:
        """Return the time, milliseconds since the epoch, UTC."""
        return self.start_ms + math.floor((self.monotonic() - self.start_s) * 1000)

    def left_s(self) -> float:
        """Return the seconds that are left of the budget."""
        return self.budget_s - (self.monotonic() - self.start_s)
