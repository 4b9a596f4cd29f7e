"""What a feature is: a named finite-window function of candles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot_cripto.features.context import Context
from bot_cripto.features.windows import FloatArray


@dataclass(frozen=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    name : str
        Name of the column.
    group : str
        Group that it belongs to, as in docs/features.md.
    formula : str
        Formula in words and symbols, with the value that it takes where it would divide by 0.
    unit : str
        Unit of the value.
    source : str
        Paper, book or library that defines it.
    window : int or callable
        Number of candles that the value depends on, the current one included; a callable takes
        the timeframe.
    function : callable
        Takes a `Context` of n candles, returns float64 values of shape (n,). Rows whose window is
        not complete hold no promise: `compute` sets them to NaN.
    """

    name: str
    group: str
    formula: str
    unit: str
    source: str
    window: int | Callable[[str], int]
    function: Callable[[Context], FloatArray]

    def window_at(self, timeframe: str) -> int:
        """Return the window in candles of that timeframe."""
        return self.window if isinstance(self.window, int) else self.window(timeframe)
