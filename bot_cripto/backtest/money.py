"""What the account of a backtest came to, against cash, holding, and trading at random."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bot_cripto.backtest.statistics import deflation
from bot_cripto.backtest.statistics.benchmarks import against_random, buy_and_hold, random_booked
from bot_cripto.backtest.statistics.bootstrap import intervals
from bot_cripto.backtest.statistics.random_ratios import (
    booked_by_day,
    booked_ratios,
    ratio_against_random,
)
from bot_cripto.backtest.statistics.returns import account_metrics, daily_returns, period_sharpe
from bot_cripto.backtest.statistics.trade_statistics import trade_statistics
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.holdings import Trade
from bot_cripto.timeframes import iso

CURVE_POINTS = 1200
"""At most so many points of the equity curve are kept."""

Json = dict[str, Any]


def money(
    candles: Any,
    equity: np.ndarray,
    exposure: np.ndarray,
    trades: Sequence[Trade],
    settings: Mapping[str, Any],
    since: int,
    step: int,
    trials: Mapping[str, float | None],
) -> Json:
    """Return what the account came to, against cash, holding, and trading at random.

    Parameters
    ----------
    candles : Candles
        Of the whole walk.
    equity, exposure : ndarray of shape (n,)
        At the close of each, quote currency.
    trades : sequence of Trade
    settings : mapping
        The effective settings.
    since, step : int
        Open time of the first candle and length of one, milliseconds (UTC).
    trials : mapping of str to float or None
        Sharpe ratios (of a day) of the other configurations that were tried.
    """
    initial, costs = float(settings["initial_equity"]), Costs.of(settings)
    times = since + step * np.arange(1, len(equity) + 1)
    daily = daily_returns(times, equity, initial)
    crossing = float(costs.crossing)
    of_trades = trade_statistics(trades, equity, exposure > 0, step, crossing=crossing)
    spans = _spans(daily)
    held = buy_and_hold(candles.open, candles.close, costs, initial)
    ratio = period_sharpe(daily)
    others = [value for value in trials.values() if value is not None]
    psr = dsr = least = None
    if ratio is not None:
        skewness, kurtosis = deflation.shape(daily)
        psr = deflation.probabilistic_sharpe(ratio, len(daily), skewness, kurtosis)
        spread = deflation.variance_of_trials([*others, ratio], len(daily))
        number = len(trials) + 1
        dsr = deflation.deflated_sharpe(ratio, len(daily), skewness, kurtosis, number, spread)
        least = deflation.minimum_track_record(ratio, skewness, kurtosis)
    keep = _thinned(len(times))
    return {
        **account_metrics(times, equity, initial, step),
        "gross_return": (of_trades.gross + of_trades.crossed) / initial,
        "day_sharpe": ratio,
        "hit_rate": of_trades.hit_rate,
        "profit_factor": _finite(of_trades.profit_factor),
        "exposure": of_trades.exposure,
        "turnover": of_trades.turnover,
        "costs_paid": of_trades.fees + of_trades.funding + of_trades.crossed,
        "average_trade": of_trades.average_net,
        "average_cost": of_trades.average_cost,
        "trades": of_trades.trades,
        "psr": psr,
        "dsr": dsr,
        "trials": len(trials) + 1,
        "min_track_record_days": least,
        "track_record_days": len(daily),
        "break_even_cost_bps": _finite(of_trades.break_even_bps),
        "initial_equity": initial,
        "final_equity": float(equity[-1]),
        "benchmarks": {
            "cash": account_metrics(times, np.full(len(times), initial), initial, step),
            "buy_and_hold": account_metrics(times, held, initial, step)
            | {"intervals": _spans(daily_returns(times, held, initial))},
            "random_trader": _against_random(candles, trades, costs, initial, since, step),
        },
        "intervals": spans,
        "equity": {
            "t": [iso(int(time)) for time in times[keep]],
            "equity": [round(float(value), 2) for value in equity[keep]],
            "buy_and_hold": [round(float(value), 2) for value in held[keep]],
        },
        "trade_list": [_trade(trade) for trade in trades],
    }


def _spans(daily: np.ndarray) -> Json:
    """Return the intervals of daily returns by name."""
    found = intervals(daily)
    spans = {
        "sharpe": found.sharpe,
        "sortino": found.sortino,
        "net_return": found.total_return,
    }
    return {name: span and list(span) for name, span in spans.items()}


def _against_random(
    candles: Any, trades: Sequence[Trade], costs: Costs, initial: float, since: int, step: int
) -> Json:
    """Return how the trades compare with the same trades at random times; None without trades."""
    names = ("median", "p05", "p95", "p_value")
    if not trades:
        return dict.fromkeys((*names, "sharpe", "sortino", "max_drawdown", "calmar"))
    booked = random_booked(candles.open, candles.close, since, step, trades, costs)
    made = np.array([[float(trade.net) for trade in trades]])
    closed = np.array([[trade.exit_ms for trade in trades]])
    net = against_random(float(made.sum()), booked.sum(axis=1), initial)
    until = since + len(candles) * step
    own = booked_ratios(booked_by_day(made, closed, since, until), initial)
    theirs = booked_ratios(booked, initial)
    ratios = {
        name: ratio_against_random(
            float(own[name][0]), values, more_is_better=name != "max_drawdown"
        )
        for name, values in theirs.items()
    }
    return {
        **dict(zip(names, (net.median, net.low, net.high, net.p_value), strict=True)),
        **{
            name: {
                "median": _finite(found.median),
                "p05": _finite(found.low),
                "p95": _finite(found.high),
                "p_value": found.p_value,
            }
            for name, found in ratios.items()
        },
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _thinned(n: int) -> np.ndarray:
    """Return at most `CURVE_POINTS` places, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS)).round().astype(int))


def _trade(trade: Trade) -> Json:
    return {
        "side": trade.side,
        "entry_time": iso(trade.entry_ms),
        "exit_time": iso(trade.exit_ms),
        "entry_price": float(trade.entry_price),
        "exit_price": float(trade.exit_price),
        "net": float(trade.net / (trade.quantity * trade.entry_price)),
        "reason": trade.reason,
    }


def regimes(
    track: Any, trades: Sequence[Trade], since: int, step: int, initial: float
) -> list[Json]:
    """Return how often each regime was, and what trades entered after its closes came to.

    `net` is a decimal of the initial equity.
    """
    names = [case.regime.name if case.regime else "none" for case in track.cases]
    found: dict[str, Json] = {
        name: {"name": name, "share": count / len(names), "trades": 0, "net": 0.0}
        for name, count in Counter(names).most_common()
    }
    for trade in trades:
        # the close that decided is the open that filled
        row = found[names[(trade.entry_ms - since) // step - 1]]
        row["trades"] += 1
        row["net"] += float(trade.net) / initial
    return list(found.values())
