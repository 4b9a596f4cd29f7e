"""Measure the forecasts of a symbol walk-forward, out of sample (rule evaluate_forecasts)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from bot_cripto import atomic, metrics
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.models import walk_forward
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, read_snapshot, training_data
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import iso
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")

NO_SKILL = "no skill: the interval of the AUC holds 0.5"
SKILL = "skill: the AUC is above 0.5 by more than chance; whether it pays its costs is not said"


def evaluate(snapshot: Snapshot, settings: TrainingSettings, folds: int) -> dict[str, Any]:
    """Return the metrics of all folds together and of each, and the verdict in words."""
    data = training_data(snapshot)
    results = walk_forward.walk_forward(data, settings, folds)
    index, forecasts = walk_forward.join(results)
    returns, volatility = snapshot.forward_return[index], snapshot.realised_volatility[index]
    up = (returns > 0).astype(np.float64)
    low, high = metrics.auc_interval(forecasts["prob_up"], up, block=10 * settings.horizon_steps)
    return {
        "folds": folds,
        **metrics.evaluate(forecasts, returns, volatility),
        "intervals": {"auc": [low, high]},
        "reliability": metrics.reliability(forecasts["prob_up"], up),
        "by_fold": [
            {
                "first_candle": iso(int(snapshot.candles.open_time[r.index[0]])),
                "last_candle": iso(int(snapshot.candles.open_time[r.index[-1]])),
                **metrics.evaluate(
                    r.forecasts,
                    snapshot.forward_return[r.index],
                    snapshot.realised_volatility[r.index],
                ),
            }
            for r in results
        ],
        "verdict": SKILL if low > 0.5 else NO_SKILL,
    }


def evaluate_forecasts(
    layout: Layout, settings: dict[str, Any], symbol: str, snapshot: str, output: str
) -> None:
    """Measure one symbol."""
    if not Path(snapshot).stat().st_size:
        raise DataError(f"{symbol}: its history could not be fetched; see the log of fetch_history")
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    report = {"symbol": symbol_from_path(symbol)}
    report |= {key: settings[key] for key in ("source_name", "timeframe", "horizon_steps")}
    report |= evaluate(read_snapshot(snapshot), training, settings["folds"])
    log.info("%s: AUC %.4f, %s", report["symbol"], report["auc"], report["verdict"])
    atomic.write_json(output, report)


if __name__ == "__main__":
    job(evaluate_forecasts, "symbol", "snapshot", "output")
