"""Which timeframes, horizons and costs a scan tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot_cripto.timeframes import timeframe_ms

FULL = 1.0
"""The share of the configured costs that a recommendation rests on."""


@dataclass(frozen=True)
class ScanGrid:
    """What a scan tries: every timeframe with every horizon, and each of those at every cost.

    Attributes
    ----------
    base : str
        The timeframe of the candles that there are.
    timeframes : tuple of str
        Those that can be made of them, the shortest first; `base` is always among them.
    left_out : tuple of str
        Those that were asked for and cannot.
    horizons : tuple of int
        Candles of the timeframe ahead, the least first.
    cost_shares : tuple of float
        Shares of the configured costs, the least first; `FULL` is always among them.
    """

    base: str
    timeframes: tuple[str, ...]
    left_out: tuple[str, ...]
    horizons: tuple[int, ...]
    cost_shares: tuple[float, ...]

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Every timeframe with every horizon."""
        return [(timeframe, steps) for timeframe in self.timeframes for steps in self.horizons]


def scan_grid(settings: Mapping[str, Any]) -> ScanGrid:
    """Return what the settings ``timeframe`` and ``scan`` ask for.

    Raises
    ------
    ConfigError
        A timeframe is unknown.
    """
    base, asked = settings["timeframe"], settings["scan"]
    step = timeframe_ms(base)
    wanted = sorted({base, *asked["timeframes"]}, key=timeframe_ms)
    made = tuple(name for name in wanted if timeframe_ms(name) % step == 0)
    return ScanGrid(
        base,
        made,
        tuple(name for name in wanted if name not in made),
        tuple(sorted(set(asked["horizons"]))),
        tuple(sorted({FULL, *map(float, asked["cost_shares"])})),
    )


def at_full_cost(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a measured cell comes to at the configured costs."""
    row: dict[str, Any] = next(row for row in cell["costs"] if row["share"] == FULL)
    return row
