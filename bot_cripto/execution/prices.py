"""Closes of the candle store, as execution asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.execution.correlation import RETURNS, correlations
from bot_cripto.execution.drawdown import DAY_MS
from bot_cripto.execution.market_rules import exact

if TYPE_CHECKING:
    from bot_cripto.layout import Layout

ReadCloses = Callable[[str, int, int], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""``read_closes(symbol, since_ms, until_ms)``: open times in [since, until) and their closes."""

_LOOK_BACK = (DAY_MS, 30 * DAY_MS)


def store_closes(layout: Layout, settings: Mapping[str, Any]) -> ReadCloses:
    """Return a reader of the closes that the candle store holds; gaps are left out.

    Raises
    ------
    DataError
        When called: a month file of the store is damaged.
    """
    # here, because it brings pyarrow with it
    from bot_cripto.market.store import CandleStore

    store = CandleStore(layout.store, settings["market"], settings["timeframe"])

    def read(
        symbol: str, since_ms: int, until_ms: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        candles = store.read(symbol, since_ms, until_ms)
        return candles.open_time, candles.close

    return read


def last_closes(
    read_closes: ReadCloses, symbols: Iterable[str], close_ms: int, step_ms: int
) -> dict[str, Decimal]:
    """Return by symbol the last known close at a candle's close; without one it is left out.

    Parameters
    ----------
    read_closes : callable
    symbols : iterable of str
    close_ms : int
        Close time of the candle, milliseconds since the epoch, UTC.
    step_ms : int
        Length of a candle in milliseconds.
    """
    found = {}
    for symbol in symbols:
        for since in (*(close_ms - back for back in _LOOK_BACK), 0):
            _, closes = read_closes(symbol, max(0, since), close_ms - step_ms + 1)
            closes = closes[np.isfinite(closes)]
            if len(closes):
                found[symbol] = exact(closes[-1])
                break
    return found


def correlated_symbols(
    read_closes: ReadCloses,
    symbols: Iterable[str],
    close_ms: int,
    step_ms: int,
    minimum: float,
) -> dict[str, frozenset[str]]:
    """Return which symbols count together at a candle's close, by their last `RETURNS` candles.

    Parameters
    ----------
    read_closes : callable
    symbols : iterable of str
    close_ms, step_ms : int
        Close time of the candle and length of one, milliseconds.
    minimum : float
        The setting ``correlation_min``; see `correlations`.
    """
    closes = {}
    since = close_ms - (RETURNS + 1) * step_ms
    for symbol in symbols:
        times, values = read_closes(symbol, since, close_ms)
        grid = np.full(RETURNS + 1, np.nan)
        grid[(times - since) // step_ms] = values
        closes[symbol] = grid
    return correlations(closes, minimum)
