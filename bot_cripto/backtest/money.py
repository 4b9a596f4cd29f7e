"""What the account of a backtest came to, against cash, holding, and trading at random."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bot_cripto.backtest import deflation
from bot_cripto.backtest.benchmarks import against_random, buy_and_hold, random_nets
from bot_cripto.backtest.bootstrap import intervals
from bot_cripto.backtest.returns import (
    calmar,
    daily_returns,
    equity_of,
    maximum_drawdown,
    period_sharpe,
    sharpe,
    sortino,
    total_return,
)
from bot_cripto.backtest.trade_statistics import trade_statistics
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.holdings import Trade
from bot_cripto.timeframes import iso

CURVE_POINTS = 1200
"""At most so many points of the equity curve are kept."""

Json = dict[str, Any]


def money(
    candles: Any,
    marks: Sequence[Any],
    trades: Sequence[Trade],
    settings: Mapping[str, Any],
    since: int,
    step: int,
    trials: Mapping[str, float | None],
) -> Json:
    """Return what the account came to, against cash, holding, and trading at random."""
    initial, costs = float(settings["initial_equity"]), Costs.of(settings)
    times, equity, exposure = equity_of(marks)
    daily = daily_returns(times, equity, initial)
    fall = maximum_drawdown(times, equity, initial, step)
    of_trades = trade_statistics(trades, equity, exposure > 0, step)
    spans = intervals(daily)
    held = buy_and_hold(candles.open, candles.close, costs, initial)
    held_daily = daily_returns(times, held, initial)
    random = None
    if trades:
        nets = random_nets(candles.open, candles.close, since, step, trades, costs)
        random = against_random(of_trades.net, nets, initial)
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
        "net_return": total_return(daily),
        "gross_return": of_trades.gross / initial,
        "sharpe": sharpe(daily),
        "sortino": sortino(daily),
        "day_sharpe": ratio,
        "max_drawdown": fall.depth,
        "max_drawdown_days": fall.days,
        "calmar": calmar(daily, fall.depth),
        "hit_rate": of_trades.hit_rate,
        "profit_factor": _finite(of_trades.profit_factor),
        "exposure": of_trades.exposure,
        "turnover": of_trades.turnover,
        "costs_paid": of_trades.fees,
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
            "cash": {"net_return": 0.0},
            "buy_and_hold": {
                "net_return": total_return(held_daily),
                "sharpe": sharpe(held_daily),
                "max_drawdown": maximum_drawdown(times, held, initial, step).depth,
            },
            "random_trader": {
                "median": random and random.median,
                "p05": random and random.low,
                "p95": random and random.high,
                "p_value": random and random.p_value,
            },
        },
        "intervals": {
            "sharpe": spans.sharpe and list(spans.sharpe),
            "sortino": spans.sortino and list(spans.sortino),
            "net_return": spans.total_return and list(spans.total_return),
        },
        "equity": {
            "t": [iso(int(time)) for time in times[keep]],
            "equity": [round(float(value), 2) for value in equity[keep]],
            "buy_and_hold": [round(float(value), 2) for value in held[keep]],
        },
        "trade_list": [_trade(trade) for trade in trades],
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
