"""Record a training of one symbol in MLflow, and which versions it made (rule record_training)."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot_cripto.errors import BotCriptoError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.record import write_record
from bot_cripto.models.version import folder as version_folder
from bot_cripto.models.version import load_version
from bot_cripto.symbols import symbol_from_path
from bot_cripto.tracking.costs import read_costs, system_metrics
from bot_cripto.tracking.runs import record_training as record_training_runs
from bot_cripto.tracking.runs import training_record
from bot_cripto.workflow.jobs import job, provenance

log = logging.getLogger("bot_cripto")

SOURCE = "snakemake retrain"
"""What MLflow's pages name as the source of a run."""


def git_tag() -> dict[str, str]:
    """Return the commit of the code as a tag, nothing outside a checkout."""
    commit = provenance().get("git_commit")
    return {"git_commit": commit} if commit else {}


def record_training(
    layout: Layout,
    settings: dict[str, Any],
    cutoff: str,
    symbol: str,
    kinds: str,
    output: str,
) -> None:
    """Record every kind that was trained."""
    name = symbol_from_path(symbol)
    folder = layout.training(cutoff, symbol)
    records, skipped = [], {}
    for kind in kinds.split("-"):
        trained = json.loads((folder / f"{kind}.json").read_bytes())
        if trained["skipped"]:
            skipped[kind] = trained["skipped"]
        else:
            version = load_version(version_folder(layout.models, kind, name) / trained["version"])
            costs = [cost for cost in read_costs(folder / "logs") if cost.step == f"train_{kind}"]
            records.append(
                training_record(
                    version,
                    trained["importance"],
                    system_metrics(costs, by_step=False),
                )
            )
    run_ids: dict[str, str] = {}
    problem = None
    try:
        if records:
            run_ids = record_training_runs(
                layout.mlflow_db,
                layout.mlflow_artifacts,
                f"{name} {settings['timeframe']} {settings['source_name']}",
                f"{cutoff[:4]}-{cutoff[4:6]}-{cutoff[6:8]} trained",
                [replace(record, tags=record.tags | git_tag()) for record in records],
                {"symbol": name, "cutoff": cutoff, "mlflow.source.name": SOURCE} | git_tag(),
            )
    except (BotCriptoError, OSError) as error:
        # a record that is missing must not keep sound models from use; the next run tries again
        problem = str(error)
        log.error("%s: not recorded in MLflow: %s", name, problem)
    uses = {r.kind: ModelUse(r.version, r.sha256, run_ids.get(r.kind)) for r in records}
    write_record(Path(output), name, uses, skipped, problem)


if __name__ == "__main__":
    job(record_training, "cutoff", "symbol", "kinds", "output")
