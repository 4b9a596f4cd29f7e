"""Where in an array of candles a stop or a target is reached, and how far it is away."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from bot_cripto.execution.holdings import LONG, Position
from bot_cripto.execution.market_rules import exact

_CHUNK = 512


def first_touch(
    position: Position,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    start: int,
    stop: int,
) -> int:
    """Return the first candle in [start, stop) that may fill a position's stop or target.

    Parameters
    ----------
    position : Position
    low, high : ndarray of shape (n,)
        Prices of candles, without NaN.
    start, stop : int
        Places in them.

    Returns
    -------
    int
        `stop` where none does; `start` where it is not before `stop`. What is left out surely
        fills neither. The converse is not certain: levels are compared as floats.
    """
    # rounding keeps order: a decimal at or below the level is a float at or below its float
    long = position.side == LONG
    under = position.stop_price if long else position.target_price
    over = position.target_price if long else position.stop_price
    floor = -math.inf if under is None else float(under)
    ceiling = math.inf if over is None else float(over)
    for begin in range(start, stop, _CHUNK):
        end = min(begin + _CHUNK, stop)
        reached = (low[begin:end] <= floor) | (high[begin:end] >= ceiling)
        place = int(reached.argmax())
        if reached[place]:
            return begin + place
    return max(start, stop)


def distance_to(price: Decimal, entry: Decimal, *, above: bool) -> float | None:
    """Return the distance from an entry at which a stop or target has a given price.

    Parameters
    ----------
    price, entry : Decimal
        Quote currency, above 0.
    above : bool
        On which side of the entry the price must lie.

    Returns
    -------
    float or None
        Decimal return. The level that follows from it is never beyond `price` and rounds on the
        tick, away from the entry, to what `price` rounds to. None: `price` is not on that side.
    """
    sign = 1 if above else -1
    if (price - entry) * sign <= 0:
        return None
    distance = float(abs(price / entry - 1))
    while (entry * (1 + sign * exact(distance)) - price) * sign > 0:
        distance = math.nextafter(distance, 0.0)
    return distance or None
