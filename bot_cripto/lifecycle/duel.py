"""Champion and challenger on the same candles, which neither has seen: forecasts and trades."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bot_cripto import metrics
from bot_cripto.backtest.folds import as_if_fresh
from bot_cripto.backtest.statistics.bootstrap import Interval
from bot_cripto.backtest.statistics.paired import return_difference_interval, standard_error
from bot_cripto.backtest.statistics.returns import account_metrics, daily_returns
from bot_cripto.backtest.track import assemble, forecasts_of
from bot_cripto.backtest.walk import Walk
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.metrics import Floats
from bot_cripto.models.forecast import Loaded, forecast_rows
from bot_cripto.models.snapshot import Snapshot, TrainingData
from bot_cripto.timeframes import DAY_MS, timeframe_ms

BLOCK_HORIZONS = 10
"""Horizons of one block, for the standard error of losses whose labels overlap."""

RECENT_HORIZONS = 100
"""Non-overlapping horizons that the last days hold at least; else they begin earlier."""

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Side:
    """What one of the two came to.

    Attributes
    ----------
    trades : int
        Closed over the common candles.
    net_return, max_drawdown : float
        Decimal of equity, after all costs.
    recent_trades : int
        Closed in the last days.
    recent_net_return : float
        Of the last days, decimal of equity.
    losses : dict of str to float
        ``log_loss`` (nats), ``pinball`` (sum over p10, p50, p90) and ``volatility`` (mean absolute
        error); lower is better.
    metrics : dict of str to float or None
        Of the forecasts, as `metrics.evaluate` names them, and ``sharpe`` and ``sortino``.
    row_losses : ndarray of shape (m,)
        Log loss of each forecast, nats.
    daily : ndarray of shape (days,)
        Net returns by UTC day, decimal.
    """

    trades: int
    net_return: float
    max_drawdown: float
    recent_trades: int
    recent_net_return: float
    losses: dict[str, float]
    metrics: dict[str, float | None]
    row_losses: Floats = field(repr=False)
    daily: Floats = field(repr=False)

    def to_json(self) -> Json:
        """Return its numbers by name, without its series; None for what cannot be measured."""
        names = ("trades", "net_return", "max_drawdown", "recent_trades", "recent_net_return")
        known = {n: v for n, v in self.metrics.items() if v is not None and math.isfinite(v)}
        return {
            **{name: getattr(self, name) for name in names},
            **{name: known.get(name) for name in self.metrics if name != "rows"},
            "losses": self.losses,
        }


@dataclass(frozen=True, eq=False)
class Duel:
    """Both sides, and how they differ: challenger less champion.

    Attributes
    ----------
    candles, horizons : int
        Forecasts that were compared, and how many of them do not overlap.
    first_ms, recent_ms, last_ms : int
        Open times of the first common candle, of the first of the last days, and of the last
        candle, milliseconds since the epoch, UTC.
    challenger, champion : Side
    log_loss, log_loss_error : float
        Difference of log loss (nats; below 0 is better) and its standard error.
    recent_log_loss, recent_log_loss_error : float
        The same in the last days.
    net_return_interval : (float, float) or None
        95 % interval of the difference of net returns; None where there are too few days.
    """

    candles: int
    horizons: int
    first_ms: int
    recent_ms: int
    last_ms: int
    challenger: Side
    champion: Side
    log_loss: float
    log_loss_error: float
    recent_log_loss: float
    recent_log_loss_error: float
    net_return_interval: Interval | None

    @property
    def net_return(self) -> float:
        """Difference of net returns, decimal of equity."""
        return self.challenger.net_return - self.champion.net_return

    @property
    def recent_net_return(self) -> float:
        """Difference of the net returns of the last days, decimal of equity."""
        return self.challenger.recent_net_return - self.champion.recent_net_return


def unseen_rows(data: TrainingData, holdout: Mapping[str, Any], champion_cutoff_ms: int) -> slice:
    """Return the rows that neither champion nor challenger learnt from.

    Parameters
    ----------
    data : TrainingData
        Rows of the challenger's snapshot.
    holdout : mapping
        The challenger's holdout part, from its metadata; its ``rows`` are the last ones.
    champion_cutoff_ms : int
        Nothing after it took part in the champion, milliseconds since the epoch, UTC.
    """
    start = len(data) - int(holdout["rows"])
    return slice(max(start, int(np.searchsorted(data.open_time, champion_cutoff_ms))), len(data))


def duel(
    symbol: str,
    snapshot: Snapshot,
    data: TrainingData,
    rows: slice,
    challenger: Loaded,
    champion: Loaded,
    settings: Mapping[str, Any],
) -> Duel:
    """Let both forecast the same candles, and walk both over them by the deployed decision.

    Parameters
    ----------
    symbol : str
    snapshot : Snapshot
    data : TrainingData
        Its rows.
    rows : slice
        Of `data`, m of them, not empty: what neither has seen; see `unseen_rows`.
    challenger, champion : Loaded
    settings : mapping
        The effective settings; ``promotion.recent_days`` says how long the last days are.

    Notes
    -----
    Each begins flat with the initial equity at the first common candle; what it holds at the end
    is worth the last close. The models of both count as trained at each candle anew: the
    question is what they know, and the gate ``model_age`` would silence an old champion.
    """
    step, horizon = timeframe_ms(snapshot.timeframe), data.horizon_steps
    opened = data.open_time[rows]
    first, last_ms = int(data.index[rows.start]), int(snapshot.candles.open_time[-1])
    wanted = last_ms + step - int(settings["promotion"]["recent_days"] * DAY_MS)
    recent = min(
        int(np.searchsorted(opened, wanted)), max(0, len(opened) - RECENT_HORIZONS * horizon)
    )
    recent_place = int(data.index[rows.start + recent]) - first
    theirs, ours = (
        _side(symbol, snapshot, data, rows, first, recent_place, loaded, settings)
        for loaded in (challenger, champion)
    )
    gap = theirs.row_losses - ours.row_losses
    block = BLOCK_HORIZONS * horizon
    return Duel(
        candles=len(opened),
        horizons=len(opened) // horizon,
        first_ms=int(opened[0]),
        recent_ms=int(opened[recent]),
        last_ms=last_ms,
        challenger=theirs,
        champion=ours,
        log_loss=float(gap.mean()),
        log_loss_error=standard_error(gap, block),
        recent_log_loss=float(gap[recent:].mean()),
        recent_log_loss_error=standard_error(gap[recent:], block),
        net_return_interval=return_difference_interval(theirs.daily, ours.daily),
    )


def _side(
    symbol: str,
    snapshot: Snapshot,
    data: TrainingData,
    rows: slice,
    first: int,
    recent: int,
    loaded: Loaded,
    settings: Mapping[str, Any],
) -> Side:
    """Return what one came to from row `first` of the snapshot on; `recent` counts from there."""
    step = timeframe_ms(snapshot.timeframe)
    columns = forecast_rows(loaded, data.features[rows])
    forward = data.forward_return[rows]
    found = metrics.evaluate(columns, forward, data.realised_volatility[rows])
    matrix = snapshot.features[first:]
    made = forecasts_of(loaded, matrix, settings["model_risk_vol_ref"])
    since = int(snapshot.candles.open_time[first])
    closes = (snapshot.candles.open_time[first:] + step).tolist()
    fresh = as_if_fresh(made, closes)
    track = assemble(symbol, snapshot.candles, first, matrix, settings, fresh)
    alone = {**settings, "symbols": [symbol], "live_mode": False}
    walk = Walk([track], MemoryBook(alone), alone, since, documents=False, sparse=True)
    walk.run()
    initial, trades = float(settings["initial_equity"]), walk.book.account.trades
    times = np.asarray(closes, dtype=np.int64)
    account = account_metrics(times, walk.equity, initial, step)
    before = walk.equity[recent - 1] if recent else initial
    return Side(
        trades=len(trades),
        net_return=float(walk.equity[-1] / initial - 1.0),
        max_drawdown=float(account["max_drawdown"] or 0.0),
        recent_trades=sum(1 for trade in trades if trade.exit_ms > since + recent * step),
        recent_net_return=float(walk.equity[-1] / before - 1.0) if before > 0 else -1.0,
        losses=losses(found),
        metrics={**found, "sharpe": account["sharpe"], "sortino": account["sortino"]},
        row_losses=metrics.log_losses(columns["prob_up"], (forward > 0).astype(np.float64)),
        daily=daily_returns(times, walk.equity, initial),
    )


def losses(found: Mapping[str, float]) -> dict[str, float]:
    """Return the losses that decide, of what `metrics.evaluate` found."""
    return {
        "log_loss": found["log_loss"],
        "pinball": found["pinball10"] + found["pinball50"] + found["pinball90"],
        "volatility": found["volatility_mae"],
    }
