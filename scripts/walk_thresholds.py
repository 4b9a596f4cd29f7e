"""Walk one symbol under many thresholds, on the same forecasts (rule walk_thresholds).

Too little data is no failure: the output then says why nothing was walked.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.backtest import threshold_grid
from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import NoFoldError, read_folds
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import timeframe_ms
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def walk_thresholds(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    snapshot: str,
    before: str,
    folds: list[str],
    output: str,
) -> None:
    """Walk one symbol under every combination of thresholds."""
    name = symbol_from_path(symbol)
    try:
        frozen = read_snapshot(snapshot) if Path(snapshot).stat().st_size else None
        if frozen is None:
            raise NoFoldError("its history could not be fetched; see the log of fetch_history")
        data = training_data(frozen)
        results = read_folds(folds, data)
    except NoFoldError as too_little:
        log.warning("%s: nothing is walked: %s", name, too_little)
        atomic.write_json(output, {"symbol": name, "skipped": str(too_little)})
        return
    starts = [int(frozen.candles.open_time[start]) for start, _ in fold_bounds(results)]
    try:
        results = read_folds([before], data) + results
    except NoFoldError as too_little:
        log.warning("%s: nothing is chosen for the first fold: %s", name, too_little)
    bounds = fold_bounds(results)
    track = fold_track(name, frozen, results, settings)
    since = int(frozen.candles.open_time[bounds[0][0]])
    tried = threshold_grid.combinations(settings)
    grid = threshold_grid.walk_thresholds(track, settings, since, tried)
    until = since + len(track.cases) * timeframe_ms(frozen.timeframe)
    log.info("%s: %d combinations over %d days", name, len(grid.thresholds), len(grid.days))
    atomic.write_json(
        output, {"symbol": name, "fold_starts": starts, "until": until, **grid.to_json()}
    )


if __name__ == "__main__":
    job(walk_thresholds, "symbol", "snapshot", "before", "folds+", "output")
