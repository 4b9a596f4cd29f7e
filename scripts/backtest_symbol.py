"""Backtest one symbol walk-forward, by the deployed decision and fills (rule backtest_symbol)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.backtest.report_html import html
from bot_cripto.backtest.result import backtest, validate
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import read_folds
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.provenance import sha256_json
from bot_cripto.symbols import symbol_from_path
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def other_trials(file: Path, this: str) -> dict[str, float | None]:
    """Return the Sharpe ratios of the other configurations that were tried, by their hash."""
    try:
        known = json.loads(file.read_bytes())
        return {name: ratio for name, ratio in known.items() if name != this}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        # to forget trials would flatter the next result
        raise DataError(
            f"{file}: the record of what was tried cannot be read ({error}); move it aside to "
            "begin to count anew"
        ) from None


def backtest_symbol(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    snapshot: str,
    folds: list[str],
    audit: str,
    output: str,
) -> None:
    """Backtest one symbol."""
    name = symbol_from_path(symbol)
    if not Path(snapshot).stat().st_size:
        raise DataError(f"{symbol}: its history could not be fetched; see the log of fetch_history")
    frozen = read_snapshot(snapshot)
    results = read_folds(folds, training_data(frozen))
    alarms = json.loads(Path(audit).read_bytes())
    this, file = sha256_json(settings), layout.trials(name)
    others = other_trials(file, this)
    result = backtest(name, frozen, results, settings, others, alarms, clock.now_ms())
    validate(result)
    atomic.write_json(file, others | {this: result["day_sharpe"]})
    log.info("%s: AUC %.4f, %s", name, result["auc"], result["verdict"])
    atomic.write_text(Path(output).with_suffix(".html"), html(result, settings["language"]))
    atomic.write_json(output, result)


if __name__ == "__main__":
    job(backtest_symbol, "symbol", "snapshot", "folds+", "audit", "output")
