"""The training snapshot of a symbol, from the candles that the store holds."""

from __future__ import annotations

from bot_cripto.market.gaps import to_grid
from bot_cripto.market.store import CandleStore
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, build_snapshot
from bot_cripto.timeframes import TIMEFRAMES, timeframe_ms


def stored_snapshot(
    store: CandleStore,
    symbol: str,
    cutoff_ms: int,
    settings: TrainingSettings,
    *,
    history_days: int,
    fill_candles: int,
) -> Snapshot:
    """Return the snapshot of the stored candles of the days up to a cutoff.

    A market younger than the asked history begins with its first candle.

    Parameters
    ----------
    store : CandleStore
        Of the source and timeframe.
    symbol : str
    cutoff_ms : int
        Milliseconds since the epoch, UTC.
    settings : TrainingSettings
    history_days : int
        How many days before the cutoff.
    fill_candles : int
        How many candles of a gap are filled in; see `bot_cripto.market.gaps.to_grid`.

    Raises
    ------
    DataError
        No candle of that time is there, or a month of the store is damaged.
    """
    since = cutoff_ms - history_days * TIMEFRAMES["1d"]
    margin = fill_candles * timeframe_ms(store.timeframe)
    stored = store.read(symbol, since - margin, cutoff_ms)
    since = max(since, int(stored.open_time[0])) if len(stored) else since
    candles = to_grid(stored, store.timeframe, since, cutoff_ms, fill_candles)
    return build_snapshot(candles, store.timeframe, settings, cutoff_ms)
