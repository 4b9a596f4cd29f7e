"""One cell of a scan: a timeframe and a horizon, measured out of sample at every cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto import metrics
from bot_cripto.backtest import alarms
from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.scan.grid import FULL
from bot_cripto.backtest.statistics import deflation
from bot_cripto.backtest.statistics.forecast_intervals import forecast_intervals, mean_interval
from bot_cripto.backtest.statistics.returns import daily_returns, period_sharpe, total_return
from bot_cripto.backtest.statistics.trade_statistics import trade_statistics
from bot_cripto.backtest.track import Track
from bot_cripto.backtest.walk import Walk
from bot_cripto.decision.thresholds import policy_of, round_trip_cost
from bot_cripto.errors import DataError, ModelError
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.features.context import HigherBars
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.simulated_process import BLOCK
from bot_cripto.metrics import Floats
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, build_snapshot, training_data
from bot_cripto.models.walk_forward import join, walk_forward
from bot_cripto.timeframes import iso, timeframe_ms

SUREST = 0.1
"""Share of the forecasts, those furthest from one half, whose earnings are measured."""

FIRST_TRAIN_FRACTION = 0.4
"""Share of the rows before the first forecast one, as in every walk-forward here."""

COSTS = ("fees_bps", "spread_bps", "slippage_bps", "funding_bps")

BPS = 10_000.0

Json = dict[str, Any]


def cell_settings(
    settings: Mapping[str, Any], symbol: str, timeframe: str, horizon: int, share: float = FULL
) -> Json:
    """Return the effective settings of a cell: all as configured but what is scanned.

    Parameters
    ----------
    settings : mapping
        The effective settings.
    symbol, timeframe : str
    horizon : int
        Candles ahead.
    share : float
        Of the configured costs.
    """
    changed: Json = {"symbols": [symbol], "live_mode": False}
    changed |= {"timeframe": timeframe, "horizon_steps": horizon}
    if share != FULL:
        changed |= {name: settings[name] * share for name in COSTS}
    return {**settings, **changed}


def resampled(base: Snapshot, timeframe: str, fill_candles: int) -> Candles:
    """Return the candles of a longer timeframe, as they would have been fetched.

    Parameters
    ----------
    base : Snapshot
    timeframe : str
        A multiple of the snapshot's.
    fill_candles : int
        How many missing candles in a row are filled.

    Returns
    -------
    Candles
        On the full grid of the epoch, closed at the cutoff. One of which a part is missing, or
        stands in for a missing one, is missing itself.
    """
    candles = base.candles
    size = timeframe_ms(timeframe) // timeframe_ms(base.timeframe)
    if size == 1:
        return candles
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    real = make(candles.open_time, *(np.where(candles.filled, np.nan, one) for one in columns))
    bars = HigherBars(real, base.timeframe, size).context.candles
    # a candle that has not closed at the cutoff is cut off by the snapshot
    since = int(candles.open_time[0]) if len(candles) else base.cutoff_ms
    return to_grid(bars, timeframe, since, base.cutoff_ms, fill_candles)


def surest(open_ms: NDArray[np.int64], prob_up: Floats, forward: Floats) -> Json:
    """Return what the surest forecasts earn before costs, as if each was traded on its side.

    Parameters
    ----------
    open_ms : ndarray of shape (n,), int64
        Open times of the candles that were forecast, milliseconds since the epoch, UTC.
    prob_up, forward : ndarray of shape (n,)
        Probability of a rise, and the forward return that came (decimal); finite.

    Returns
    -------
    dict
        ``forecasts`` (how many: `SUREST` of all, and those that are as sure as the last of
        them), ``hit_rate`` (share that was right), ``earns_bps`` (their mean return in the
        direction of the forecast, basis points) and ``interval_bps`` (95 %, by days; None for too
        few of them). All None where no forecast leans to a side.
    """
    lean = prob_up - 0.5
    count = max(1, round(SUREST * len(lean)))
    sure = (np.abs(lean) >= np.sort(np.abs(lean))[-count]) & (lean != 0)
    if not sure.any():
        return {"forecasts": 0, "hit_rate": None, "earns_bps": None, "interval_bps": None}
    earned = np.sign(lean[sure]) * forward[sure] * BPS
    return {
        "forecasts": int(sure.sum()),
        "hit_rate": float(np.mean(earned > 0)),
        "earns_bps": float(np.mean(earned)),
        "interval_bps": mean_interval(open_ms[sure], earned),
    }


def ceiling(auc: float, settings: Mapping[str, Any], base: str, error: float = 0.0) -> alarms.Alarm:
    """Return whether an AUC can be reached without knowing the future.

    Parameters
    ----------
    auc : float
    settings : mapping
        Of the cell.
    base : str
        Timeframe of the candles that it was made of: on a made-up market nothing that is made of
        them can know more than they do.
    error : float
        Standard error of the AUC.
    """
    steps = settings["horizon_steps"] * timeframe_ms(settings["timeframe"]) // timeframe_ms(base)
    known = {**settings, "timeframe": base, "horizon_steps": min(steps, BLOCK)}
    return alarms.ceiling(auc, known, error)


def measure(
    symbol: str,
    base: Snapshot,
    settings: Mapping[str, Any],
    timeframe: str,
    horizon: int,
    cost_shares: Sequence[float],
) -> Json:
    """Measure a cell: models of every fold, forecasts out of sample, a walk at each cost.

    Parameters
    ----------
    symbol : str
    base : Snapshot
        Of the configured timeframe; its candles are used.
    settings : mapping
        The effective settings.
    timeframe : str
        A multiple of the snapshot's.
    horizon : int
        Candles of it ahead.
    cost_shares : sequence of float

    Returns
    -------
    dict
        A cell as `scan.schema.json` describes it, without the deflated Sharpe ratios. Where
        there is too little data ``measured`` is False and ``reason`` says why.
    """
    own = cell_settings(settings, symbol, timeframe, horizon)
    training = TrainingSettings(**settings["training"], horizon_steps=horizon)
    gap = horizon + training.embargo_steps
    cell: Json = {
        "timeframe": timeframe,
        "horizon_steps": horizon,
        "measured": False,
        "reason": None,
        "cutoff": iso(base.cutoff_ms),
        "rows": 0,
        "rows_needed": math.ceil((training.min_rows + gap) / FIRST_TRAIN_FRACTION),
    }
    try:
        candles = resampled(base, timeframe, settings["fill_candles"])
        known = base.features if timeframe == base.timeframe else None
        snapshot = build_snapshot(candles, timeframe, training, base.cutoff_ms, known)
        data = training_data(snapshot)
        cell["rows"] = len(data)
        results = walk_forward(
            data,
            training,
            settings["folds"],
            window=settings["fold_window"],
            first_train_fraction=FIRST_TRAIN_FRACTION,
        )
    except (DataError, ModelError) as too_little:
        return cell | {"reason": str(too_little)}
    index, columns = join(results)
    opened, forward = snapshot.candles.open_time[index], snapshot.forward_return[index]
    up = (forward > 0).astype(np.float64)
    auc = metrics.auc(columns["prob_up"], up)
    if not math.isfinite(auc):
        return cell | {"reason": "all candles that were forecast had the same outcome"}
    error = alarms.standard_error(columns["prob_up"], up, horizon)
    alarm = ceiling(auc, own, base.timeframe, error)
    track = fold_track(symbol, snapshot, results, own)
    since = int(snapshot.candles.open_time[fold_bounds(results)[0][0]])
    until = since + len(track.cases) * timeframe_ms(timeframe)
    return cell | {
        "measured": True,
        "first_candle": iso(since),
        "last_candle": iso(until - timeframe_ms(timeframe)),
        "candles": len(index),
        "independent_horizons": len(index) // horizon,
        "auc": auc,
        "auc_interval": forecast_intervals(opened, columns, forward)["auc"],
        "ceiling": {"passed": alarm.passed, "text": alarm.text},
        "surest": surest(opened, columns["prob_up"], forward),
        "costs": [
            walked(track, cell_settings(settings, symbol, timeframe, horizon, share), since)
            | {"share": share}
            for share in cost_shares
        ],
    }


def walked(track: Track, settings: Mapping[str, Any], since_ms: int) -> Json:
    """Return what the deployed decision and fills come to over a track at some costs.

    Parameters
    ----------
    track : Track
    settings : mapping
        The effective settings, with those costs.
    since_ms : int
        Open time of the first candle, milliseconds since the epoch, UTC.

    Returns
    -------
    dict
        ``round_trip_bps`` (costs), ``exceeding`` (share of the forecasts whose expected move is
        above them), ``net_return`` (decimal), ``trades``, ``break_even_fee_bps`` (fee of one
        side at which the trades would have earned nothing; None without trades), ``day_sharpe``,
        ``psr`` (None where equity never moved), ``days``, ``skewness`` and ``kurtosis`` of daily
        returns.
    """
    step, initial = timeframe_ms(settings["timeframe"]), float(settings["initial_equity"])
    cost = round_trip_cost(policy_of(settings))
    expected = np.abs(track.screen.expected_return)
    expected = expected[np.isfinite(expected)]
    book = MemoryBook(settings)
    walk = Walk([track], book, settings, since_ms, documents=False, sparse=True)
    walk.run()
    times = since_ms + step * np.arange(1, len(walk.equity) + 1)
    daily = daily_returns(times, walk.equity, initial)
    ratio = period_sharpe(daily)
    skewness, kurtosis = deflation.shape(daily)
    psr = None
    if ratio is not None:
        psr = deflation.probabilistic_sharpe(ratio, len(daily), skewness, kurtosis)
    trades = trade_statistics(book.account.trades, walk.equity, walk.exposure > 0, step)
    return {
        "round_trip_bps": cost * BPS,
        "exceeding": float(np.mean(expected > cost)) if len(expected) else 0.0,
        "net_return": total_return(daily),
        "trades": trades.trades,
        "break_even_fee_bps": trades.break_even_bps,
        "day_sharpe": ratio,
        "days": len(daily),
        "skewness": skewness,
        "kurtosis": kurtosis,
        "psr": psr,
    }
