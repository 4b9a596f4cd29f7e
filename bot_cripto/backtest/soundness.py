"""How late and how whole the window of candles behind each close was, as the live signal had it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot_cripto.market.candles import Candles
from bot_cripto.market.live_window import MARGIN
from bot_cripto.reach import REACH
from bot_cripto.timeframes import iso

WINDOW = REACH + MARGIN
"""So many candles, the last one included, a live signal is made from."""


def window_quality(
    candles: Candles, first: int, step_ms: int, max_fill: int
) -> list[tuple[int, tuple[str, ...]]]:
    """Return what `market.quality` would have said at the close of each candle from `first` on.

    Parameters
    ----------
    candles : Candles of shape (n,)
        On the full grid, gaps filled in up to `max_fill`; with fewer than `WINDOW` before
        `first`, windows are shorter.
    first : int
        Place of the first candle that is asked for.
    step_ms : int
        Length of a candle in milliseconds.
    max_fill : int
        Candles that are filled in at the beginning of a gap.

    Returns
    -------
    list of (int, tuple of str), n - first of them
        Candles missing at the end, and what makes the window unfit to be computed on.
    """
    n = len(candles.open_time)
    places = np.arange(n)
    filled = np.asarray(candles.filled)
    there = np.isfinite(candles.close) & ~filled
    last = np.maximum.accumulate(np.where(there, places, -1))
    # the first candle that is there at or after each place; n where none is
    following = np.minimum.accumulate(np.where(there, places, n)[::-1])[::-1]
    missing_to, filled_to = _sums(~there), _sums(filled)
    begin = np.maximum(0, places + 1 - WINDOW)
    # a gap that reaches over the beginning of a window has nothing to be filled in from
    known = np.minimum(following[begin], places + 1)
    missing = missing_to[places + 1] - missing_to[begin]
    stale = places - np.maximum(last, begin - 1)
    inside = missing - (filled_to[places + 1] - filled_to[known]) - np.maximum(stale - max_fill, 0)
    found = []
    for i in range(first, n):
        expected = int(places[i] + 1 - begin[i])
        problems: list[str] = []
        if last[i] < begin[i]:
            problems.append(f"No candle of the window is there (expected: {expected}).")
        else:
            if stale[i]:
                ended = iso(int(candles.open_time[last[i]]) + step_ms)
                problems.append(
                    f"The data ends at {ended}; closed candles missing since: {stale[i]}."
                )
            if inside[i]:
                problems.append(
                    f"Gaps of more than {max_fill} candles leave {inside[i]} of {expected} missing."
                )
        found.append((int(stale[i]), tuple(problems)))
    return found


def _sums(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many are true before each place, of shape (n + 1,)."""
    return np.concatenate(([0], np.cumsum(mask)))
