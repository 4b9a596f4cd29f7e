"""What the forecasts of a backtest were worth, over all folds and in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bot_cripto import metrics
from bot_cripto.backtest.samples import interval_sample
from bot_cripto.backtest.statistics.brier_decomposition import brier_decomposition
from bot_cripto.backtest.statistics.forecast_intervals import forecast_intervals
from bot_cripto.execution.holdings import Trade
from bot_cripto.models import walk_forward
from bot_cripto.models.snapshot import Snapshot
from bot_cripto.timeframes import iso

Json = dict[str, Any]


def forecast_quality(
    snapshot: Snapshot,
    results: Sequence[walk_forward.FoldForecast],
    bounds: Sequence[tuple[int, int]],
    equity: np.ndarray,
    trades: Sequence[Trade],
    step: int,
    initial: float,
) -> Json:
    """Return the metrics of all forecasts out of sample, and of each fold, with intervals."""
    index, columns = walk_forward.join(results)
    returns, volatility = snapshot.forward_return[index], snapshot.realised_volatility[index]
    up = (returns > 0).astype(np.float64)
    equity = np.r_[initial, equity]
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
                "intervals": forecast_intervals(
                    opened[rows], result.forecasts, snapshot.forward_return[rows]
                ),
                "net_return": float(equity[end] / equity[place] - 1.0),
                "trades": sum(1 for trade in trades if since <= trade.entry_ms < until),
            }
        )
    return {
        **metrics.evaluate(columns, returns, volatility),
        "intervals": forecast_intervals(opened[index], columns, returns),
        "brier_parts": brier_decomposition(columns["prob_up"], up),
        "interval_sample": interval_sample(opened[index], columns, returns),
        "reliability": metrics.reliability(columns["prob_up"], up),
        "by_fold": folds,
    }


def importance(results: Sequence[walk_forward.FoldForecast], most: int = 20) -> list[Json]:
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
