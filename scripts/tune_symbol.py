"""Say which thresholds one symbol would have been better off with (rule tune_symbol).

Nothing is changed. Every combination counts as a configuration that was tried.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.backtest.statistics.returns import period_sharpe, total_return
from bot_cripto.backtest.threshold_grid import ThresholdGrid
from bot_cripto.backtest.tuning import tune, words
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import iso
from bot_cripto.tracking.trial import Trial, trial_params, trial_sha256
from bot_cripto.tracking.trials import known_trials, record_trials
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def trials_of(grid: ThresholdGrid, settings: dict[str, Any]) -> list[Trial]:
    """Return every combination as a trial."""
    found = []
    for place, thresholds in enumerate(grid.thresholds):
        daily, tried = grid.returns[:, place], settings | thresholds
        found.append(
            Trial(
                trial_sha256(tried),
                "tune",
                settings["timeframe"],
                settings["horizon_steps"],
                period_sharpe(daily),
                trial_params(tried),
                {
                    "net_return": total_return(daily),
                    "day_sharpe": period_sharpe(daily),
                    "trades": float(grid.trades[:, place].sum()),
                },
            )
        )
    return found


def tune_symbol(
    layout: Layout, settings: dict[str, Any], symbol: str, thresholds: str, output: str
) -> None:
    """Tune the thresholds of one symbol."""
    name = symbol_from_path(symbol)
    value = json.loads(Path(thresholds).read_bytes())
    if "skipped" in value:
        raise DataError(f"{name}: {value['skipped']}")
    grid = ThresholdGrid.from_json(value)
    tried = trials_of(grid, settings)
    # before anybody sees the result: what was seen has been tried
    record_trials(
        layout.mlflow_db,
        layout.mlflow_artifacts,
        name,
        settings["market"],
        tried,
        iso(value["until"]),
    )
    known = known_trials(layout.mlflow_db, name, settings["market"])
    tuned = tune(grid, value["fold_starts"], value["until"], known)
    text = words(name, tuned)
    log.info("%s", text)
    atomic.write_json(output, {"symbol": name, "until": iso(value["until"]), "text": text, **tuned})


if __name__ == "__main__":
    job(tune_symbol, "symbol", "thresholds", "output")
