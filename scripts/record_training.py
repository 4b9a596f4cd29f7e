"""Record a training of one symbol in MLflow, and which versions it made (rule record_training)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot_cripto.forecast import ModelUse
from bot_cripto.jobs import job, provenance
from bot_cripto.layout import Layout
from bot_cripto.models.record import write_record
from bot_cripto.models.version import folder as version_folder
from bot_cripto.models.version import load_version
from bot_cripto.symbols import symbol_from_path
from bot_cripto.tracking import record_training as record_training_runs
from bot_cripto.tracking import training_record


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
            records.append(training_record(version, trained["importance"]))
    run_ids = {}
    if records:
        run_ids = record_training_runs(
            layout.mlflow_db,
            layout.mlflow_artifacts,
            f"{name} {settings['timeframe']} {settings['source_name']}",
            f"training up to {cutoff}",
            [replace(record, tags=record.tags | git_tag()) for record in records],
        )
    uses = {r.kind: ModelUse(r.version, r.sha256, run_ids[r.kind]) for r in records}
    write_record(Path(output), name, uses, skipped)


if __name__ == "__main__":
    job(record_training, "cutoff", "symbol", "kinds", "output")
