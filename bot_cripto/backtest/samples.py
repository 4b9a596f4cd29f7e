"""What the page of a backtest draws of the candles and of single forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.execution.holdings import Trade
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import MINUTE_MS, iso

Floats = NDArray[np.float64]

CANDLES = 240
AFTER = 6
"""Candles that are kept after the last trade was left."""

TRADES = 10
"""So many of the last trades should lie within the candles."""

MOST_IN_ONE = 12
"""At most so many candles are drawn as one: a trade must stay wider than a point."""

DIGITS = 10
"""Significant digits of a price; more would only make the file longer."""


def candles_of_trades(
    candles: Candles, trades: Sequence[Trade], step_ms: int, count: int = CANDLES
) -> dict[str, Any]:
    """Return the candles around the last trades, joined where those lie far apart.

    Parameters
    ----------
    candles : Candles
        Of the whole test; NaN in a gap that was not filled.
    trades : sequence of Trade
        Closed ones, in any order.
    step_ms : int
        Length of a candle.
    count : int
        At most so many candles are returned.

    Returns
    -------
    dict
        ``minutes`` (length of each candle), ``t`` (open times, ISO 8601), ``open``, ``high``,
        ``low``, ``close``; gaps are left out. The end of the test where there is no trade.
    """
    last = int(candles.open_time[-1])
    joined = 1
    if trades:
        exits = sorted(trade.exit_ms for trade in trades)
        entries = sorted(trade.entry_ms for trade in trades)
        span = (exits[-1] - entries[-TRADES:][0]) // step_ms + 1
        joined = int(np.clip(-(-span // max(count - 2 * AFTER, 1)), 1, MOST_IN_ONE))
        last = min(last, exits[-1] + AFTER * joined * step_ms)
    wide = joined * step_ms
    first = (last // wide - (count - 1)) * wide
    there = (candles.open_time >= first) & (candles.open_time <= last) & np.isfinite(candles.close)
    kept = candles[there]
    bins = kept.open_time // wide
    starts = np.flatnonzero(np.r_[True, bins[1:] != bins[:-1]]) if len(kept) else np.array([], int)
    ends = np.r_[starts[1:], len(kept)] - 1
    return {
        "minutes": wide // MINUTE_MS,
        "t": [iso(int(number) * wide) for number in bins[starts]],
        "open": _short(kept.open[starts]),
        "high": _short(np.maximum.reduceat(kept.high, starts) if len(starts) else kept.high),
        "low": _short(np.minimum.reduceat(kept.low, starts) if len(starts) else kept.low),
        "close": _short(kept.close[ends] if len(starts) else kept.close),
    }


def interval_sample(
    open_time: NDArray[np.int64],
    columns: Mapping[str, Floats],
    realised: Floats,
    count: int = 300,
) -> dict[str, list[Any]]:
    """Return forecast quantiles and the returns that came, evenly over the test.

    Parameters
    ----------
    open_time : ndarray of shape (n,), int64
        Of the candles that were forecast, milliseconds since the epoch, UTC.
    columns : mapping of str to ndarray of shape (n,)
        ``p10``, ``p50``, ``p90``: decimal returns.
    realised : ndarray of shape (n,)
        Decimal; rows where one of the four is NaN are left out.
    count : int
        At most so many rows are returned.

    Returns
    -------
    dict of str to list
        ``t`` (ISO 8601), ``p10``, ``p50``, ``p90``, ``realised``.
    """
    values = {name: columns[name] for name in ("p10", "p50", "p90")} | {"realised": realised}
    known = np.flatnonzero(np.isfinite(np.column_stack(list(values.values()))).all(axis=1))
    places = np.linspace(0, len(known) - 1, min(len(known), count)).round().astype(int)
    rows = known[places]
    drawn = {name: [round(float(v), 7) for v in value[rows]] for name, value in values.items()}
    return {"t": [iso(int(time)) for time in open_time[rows]], **drawn}


def _short(prices: Floats) -> list[float]:
    return [float(f"{price:.{DIGITS}g}") for price in prices]
