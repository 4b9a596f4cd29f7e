"""The result of a backtest: forecasts, trades and verdict of one symbol, as the report has them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bot_cripto import metrics
from bot_cripto.backtest import alarms, deflation
from bot_cripto.backtest.benchmarks import against_random, buy_and_hold, random_nets
from bot_cripto.backtest.bootstrap import intervals
from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.forecast_intervals import forecast_intervals
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
from bot_cripto.backtest.verdict import Evidence, verdict
from bot_cripto.backtest.walk import Walk
from bot_cripto.errors import DataError
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.desk import Ruling
from bot_cripto.execution.holdings import Trade
from bot_cripto.models import walk_forward
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, training_data
from bot_cripto.timeframes import iso, timeframe_ms

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("backtest.schema.json")

CURVE_POINTS = 1200
"""At most so many points of the equity curve are kept."""

Json = dict[str, Any]


def backtest(
    symbol: str,
    snapshot: Snapshot,
    settings: Mapping[str, Any],
    trials: Mapping[str, float | None],
    made_ms: int,
) -> Json:
    """Walk the deployed path over what the models of each fold have not seen.

    Parameters
    ----------
    symbol : str
    snapshot : Snapshot
    settings : mapping
        The effective settings.
    trials : mapping of str to float or None
        Sharpe ratios (of a day) of the other configurations that were tried for this symbol.
    made_ms : int
        When, milliseconds since the epoch, UTC.

    Returns
    -------
    dict
        As `backtest.schema.json` describes it.
    """
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    results = walk_forward.walk_forward(training_data(snapshot), training, settings["folds"])
    bounds = fold_bounds(results)
    first, last = bounds[0][0], bounds[-1][1]
    step = timeframe_ms(snapshot.timeframe)
    since = int(snapshot.candles.open_time[first])
    track = fold_track(symbol, snapshot, results, settings)
    decisions: Counter[str] = Counter()
    failing: Counter[str] = Counter()

    def count(close: int, rulings: dict[str, Ruling], documents: Json) -> None:
        decision = rulings[symbol].decision
        decisions[decision.side] += 1
        failing.update([gate.name for gate in decision.gates if not gate.passed][:1])

    alone = {**settings, "symbols": [symbol], "live_mode": False}
    with Book.in_memory(alone) as book:
        Walk([track], book, alone, since, documents=False).run(count)
        marks, trades = book.ledger.marks(), list(book.account.trades)
    candles = snapshot.candles[first:last]
    money = _money(candles, marks, trades, settings, since, step, trials)
    forecasts = _forecasts(snapshot, results, bounds, marks, trades, step, settings)
    found = [
        alarms.ceiling(forecasts["auc"], settings),
        alarms.truncation(snapshot, first),
        alarms.label_shift(*_joined(snapshot, results), settings["horizon_steps"]),
        alarms.null_control(snapshot, training),
    ]
    suspect = not all(alarm.passed for alarm in found)
    judged = verdict(
        Evidence(
            auc=forecasts["auc"],
            auc_interval=tuple(forecasts["intervals"]["auc"]),
            net_return=money["net_return"],
            random_p=money["benchmarks"]["random_trader"]["p_value"],
            deflated_sharpe=money["dsr"],
            trials=money["trials"],
            sharpe=money["sharpe"],
            sharpe_interval=_pair(money["intervals"]["sharpe"]),
            days=money["track_record_days"],
            minimum_days=money["min_track_record_days"],
            suspect=suspect,
        )
    )
    spans = forecasts["intervals"] | money["intervals"]
    sentences = judged.sentences
    return {
        "schema_version": SCHEMA_VERSION,
        "symbol": symbol,
        "source_name": settings["source_name"],
        "timeframe": settings["timeframe"],
        "horizon_steps": settings["horizon_steps"],
        "folds": settings["folds"],
        "first_candle": iso(since),
        "last_candle": iso(since + (len(marks) - 1) * step),
        "made": iso(made_ms),
        **{name: forecasts[name] for name in _FORECAST_KEYS},
        **{name: value for name, value in money.items() if name != "intervals"},
        "verdict": " ".join(sentences["en"]),
        "intervals": spans,
        "by_fold": forecasts["by_fold"],
        "reliability": forecasts["reliability"],
        "importance": _importance(results),
        "regimes": _regimes(track, trades, since, step, money["initial_equity"]),
        "decisions": dict(decisions),
        "failing_gates": dict(failing.most_common()),
        "alarms": [asdict(alarm) for alarm in found],
        "suspect": suspect,
        "verdicts": {
            name: {language: sentences[language][place] for language in sentences}
            for place, name in enumerate(("skill", "costs", "certainty"))
        },
        "shown": {
            "skill": judged.skill,
            "survives_costs": judged.survives_costs,
            "sure": judged.sure,
        },
        "settings": {name: settings[name] for name in _SETTINGS},
    }


_FORECAST_KEYS = ("auc", "brier", "ece", "log_loss", "coverage80")
_SETTINGS = (
    *("prob_min", "min_expected_return", "risk_max", "allow_range", "allow_high_vol"),
    *("fees_bps", "spread_bps", "slippage_bps", "market_type"),
)


def validate(result: Json) -> None:
    """Check a result against the shipped schema.

    Raises
    ------
    DataError
        Something is missing or out of range; names it.
    """
    import fastjsonschema

    check = fastjsonschema.compile(json.loads(SCHEMA_FILE.read_bytes()), use_default=False)
    try:
        json.dumps(result, allow_nan=False)
        check(result)
    except (fastjsonschema.JsonSchemaValueException, ValueError) as error:
        raise DataError(f"backtest of {result.get('symbol')} is not valid: {error}") from None


def _pair(span: list[float] | None) -> tuple[float, float] | None:
    return None if span is None else (span[0], span[1])


def _money(
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


def _forecasts(
    snapshot: Snapshot,
    results: Sequence[walk_forward.FoldForecast],
    bounds: Sequence[tuple[int, int]],
    marks: Sequence[Any],
    trades: Sequence[Trade],
    step: int,
    settings: Mapping[str, Any],
) -> Json:
    """Return the metrics of all forecasts out of sample, and of each fold."""
    index, columns = walk_forward.join(results)
    returns, volatility = snapshot.forward_return[index], snapshot.realised_volatility[index]
    up = (returns > 0).astype(np.float64)
    span = metrics.auc_interval(columns["prob_up"], up, block=10 * settings["horizon_steps"])
    equity = np.array([float(settings["initial_equity"]), *(float(m.equity) for m in marks)])
    opened = snapshot.candles.open_time
    folds = []
    for result, (start, stop) in zip(results, bounds, strict=True):
        rows = result.index
        place, end = start - bounds[0][0], stop - bounds[0][0]
        since, until = int(opened[start]), int(opened[stop - 1]) + step
        folds.append(
            {
                "first_candle": iso(since),
                "last_candle": iso(until - step),
                **metrics.evaluate(
                    result.forecasts,
                    snapshot.forward_return[rows],
                    snapshot.realised_volatility[rows],
                ),
                "net_return": float(equity[end] / equity[place] - 1.0),
                "trades": sum(1 for trade in trades if since <= trade.entry_ms < until),
            }
        )
    return {
        **metrics.evaluate(columns, returns, volatility),
        "intervals": {
            "auc": list(span),
            **forecast_intervals(snapshot.candles.open_time[index], columns, returns),
        },
        "reliability": metrics.reliability(columns["prob_up"], up),
        "by_fold": folds,
    }


def _joined(
    snapshot: Snapshot, results: Sequence[walk_forward.FoldForecast]
) -> tuple[np.ndarray, np.ndarray]:
    """Return probability and forward return of every forecast."""
    index, columns = walk_forward.join(results)
    return columns["prob_up"], snapshot.forward_return[index]


def _importance(results: Sequence[walk_forward.FoldForecast], most: int = 20) -> list[Json]:
    """Return the features that matter most to the trend models, with their spread over folds."""
    shares: dict[str, list[float]] = {}
    for result in results:
        for by_feature in result.trained["trend"].importance.values():
            for name, share in by_feature.items():
                shares.setdefault(name, []).append(float(share))
    table: list[Json] = [
        {"name": name, "mean": float(np.mean(v)), "low": min(v), "high": max(v)}
        for name, v in shares.items()
    ]
    return sorted(table, key=lambda row: (-row["mean"], row["name"]))[:most]


def _regimes(
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
