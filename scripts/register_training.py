"""Register the versions of a training in MLflow, with what came of them (rule register_training).

The champion file has been written by then: this only mirrors and shows.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.backtest.figures import figures, importance_figures
from bot_cripto.errors import BotCriptoError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion import champion_path
from bot_cripto.models.forecast import Subject
from bot_cripto.models.record import read_record
from bot_cripto.models.version import folder, load_version
from bot_cripto.symbols import symbol_from_path
from bot_cripto.tracking.costs import read_costs, system_metrics
from bot_cripto.tracking.registry import Challenge, register, sync_champion
from bot_cripto.tracking.retrain import record_retrain, retrain_record
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def show_retrain(
    layout: Layout, symbol: str, uses: dict[str, ModelUse], files: dict[str, Path], lang: str
) -> str | None:
    """Add evaluation and comparison to the run of the retrain; return its id, if it has one."""
    run_ids = {kind: use.mlflow_run_id for kind, use in uses.items() if use.mlflow_run_id}
    if not run_ids:
        return None
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    judgement = json.loads(texts["judgement.json"])
    evaluation = json.loads(texts["backtest.json"])
    metadata = {
        kind: load_version(folder(layout.models, kind, symbol) / use.version).metadata
        for kind, use in uses.items()
    }
    training = files["judgement.json"].parent
    below = {}
    for kind in uses:
        trained = json.loads((training / f"{kind}.json").read_bytes())
        below[kind] = importance_figures(trained.get("importance") or {}, lang)
    costs = system_metrics(read_costs(training / "logs"))
    drawn = {} if "skipped" in evaluation else figures(evaluation, lang)
    record = retrain_record(judgement, evaluation, metadata, costs, texts | drawn, below)
    return record_retrain(layout.mlflow_db, run_ids, record)


def register_training(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    record: str,
    judgement: str,
    backtest: str,
    output: str,
) -> None:
    """Register what was trained, set the aliases, and complete the run of the retrain."""
    name = symbol_from_path(symbol)
    uses, _ = read_record(Path(record))
    files = {
        "judgement.json": Path(judgement),
        "backtest.json": Path(backtest),
        "backtest.html": Path(backtest).with_suffix(".html"),
    }
    registered: dict[str, str] = {}
    run_id, problem = None, None
    try:
        if uses:
            judged = json.loads(files["judgement.json"].read_bytes())
            challenge = Challenge(uses, judged["reason"], frozenset(judged["challenger"]))
            registered = register(layout, Subject.of(settings, name), challenge)
            run_id = show_retrain(layout, name, uses, files, settings["language"])
        elif champion_path(layout.models, name).exists():
            sync_champion(layout, name)
    except BotCriptoError as error:
        # the champion file is written; the next retrain, or the doctor, shows it
        problem = str(error)
        log.error("%s: MLflow was not told: %s", name, problem)
    log.info("%s: registered as %s", name, ", ".join(registered.values()) or "nothing")
    atomic.write_json(
        output,
        {"symbol": name, "registered": registered, "run_id": run_id, "mlflow_error": problem},
    )


if __name__ == "__main__":
    job(register_training, "symbol", "record", "judgement", "backtest", "output")
