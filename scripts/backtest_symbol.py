"""Backtest one symbol walk-forward, by the deployed decision and fills (rule backtest_symbol).

Too little data is no failure: the outputs then say why there is no result.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.backtest.report_html import html, no_result
from bot_cripto.backtest.result import backtest, validate
from bot_cripto.backtest.threshold_grid import ThresholdGrid, overfitting_of
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import read_folds
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import iso, timeframe_ms
from bot_cripto.tracking.trial import backtest_trial, trial_sha256
from bot_cripto.tracking.trials import known_trials, record_trials
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def backtest_symbol(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    snapshot: str,
    folds: list[str],
    audit: str,
    thresholds: str,
    output: str,
) -> None:
    """Backtest one symbol."""
    name = symbol_from_path(symbol)
    walks = json.loads(Path(thresholds).read_bytes())
    if "skipped" in walks:
        log.warning("%s: no backtest: %s", name, walks["skipped"])
        page = no_result(name, walks["skipped"], settings["language"])
        atomic.write_text(Path(output).with_suffix(".html"), page)
        atomic.write_json(output, {"symbol": name, "skipped": walks["skipped"]})
        return
    frozen = read_snapshot(snapshot)
    results = read_folds(folds, training_data(frozen))
    alarms = json.loads(Path(audit).read_bytes())
    tried = known_trials(layout.mlflow_db, name, settings["market"])
    tried.pop(trial_sha256(settings), None)
    grid = ThresholdGrid.from_json(walks).between(walks["fold_starts"][0], walks["until"])
    result = backtest(name, frozen, results, settings, tried, alarms, clock.now_ms())
    horizon_ms = settings["horizon_steps"] * timeframe_ms(settings["timeframe"])
    result["pbo"] = overfitting_of(grid, horizon_ms)
    validate(result)
    page = html(result, settings["language"])
    texts = {"backtest.json": atomic.json_text(result), "backtest.html": page}
    # before anybody sees the result: what was seen has been tried
    record_trials(
        layout.mlflow_db,
        layout.mlflow_artifacts,
        name,
        settings["market"],
        [backtest_trial(settings, result, texts)],
        iso(frozen.cutoff_ms),
    )
    log.info("%s: AUC %.4f, %s", name, result["auc"], result["verdict"])
    atomic.write_text(Path(output).with_suffix(".html"), page)
    atomic.write_json(output, result)


if __name__ == "__main__":
    job(backtest_symbol, "symbol", "snapshot", "folds+", "audit", "thresholds", "output")
