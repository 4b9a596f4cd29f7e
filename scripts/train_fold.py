"""Train the models of one fold of the walk-forward (rule train_fold).

Too little data is no failure: the output then says why there is no fold.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto.errors import DataError, ModelError
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import write_fold, write_no_fold
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.models.walk_forward import make_fold_before, make_folds, run_fold
from bot_cripto.symbols import symbol_from_path
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")

BEFORE = "before"
"""Name of the fold before the first, by which thresholds are chosen for the first."""


def train_fold(
    layout: Layout, settings: dict[str, Any], symbol: str, fold: str, snapshot: str, output: str
) -> None:
    """Train one fold of one symbol."""
    name = symbol_from_path(symbol)
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    try:
        if not Path(snapshot).stat().st_size:
            raise DataError("its history could not be fetched; see the log of fetch_history")
        data = training_data(read_snapshot(snapshot))
        if fold == BEFORE:
            chosen = make_fold_before(data, settings["folds"], training)
        else:
            folds = make_folds(data, settings["folds"], training, settings["fold_window"])
            chosen = folds[int(fold)]
        result = run_fold(data, training, chosen)
    except (DataError, ModelError) as too_little:
        log.warning("%s: no fold %s: %s", name, fold, too_little)
        write_no_fold(output, str(too_little))
        return
    write_fold(output, result, data.snapshot_sha256)
    log.info("%s: fold %s forecasts %d candles", name, fold, len(result.index))


if __name__ == "__main__":
    job(train_fold, "symbol", "fold", "snapshot", "output")
