"""MLflow records of every training; mlflow is imported inside functions only."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot_cripto import clock
from bot_cripto.models.version import METADATA, Version
from bot_cripto.tracking.client import (
    connect,
    create_run,
    experiment,
    in_one_line,
    log_values,
    prepare,
    refuse_secrets,
)
from bot_cripto.tracking.database import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A limit of MLflow's SQL store.
_DIGEST_LENGTH = 36


@dataclass(frozen=True)
class TrainingRecord:
    """What MLflow keeps of one trained version.

    Attributes
    ----------
    kind, version, sha256 : str
        As in `bot_cripto.models.version.Version`.
    params : dict
        Settings and rounds, flat.
    metrics : dict of str to float
    importance : dict of str to dict of str to float
        Share of the gain by feature, by model file.
    dataset_digest : str
        Hash of the training snapshot.
    dataset_name : str
    tags : dict of str to str
        Hashes of code and configuration, symbol, source, timeframe, cutoff.
    metadata_file : Path or None
        Stored as an artefact.
    """

    kind: str
    version: str
    sha256: str
    params: dict[str, Any]
    metrics: dict[str, float]
    importance: dict[str, dict[str, float]]
    dataset_digest: str
    dataset_name: str
    tags: dict[str, str] = field(default_factory=dict)
    metadata_file: Path | None = None


def training_record(
    version: Version,
    importance: Mapping[str, Mapping[str, float]],
    costs: Mapping[str, float] | None = None,
) -> TrainingRecord:
    """Return the record of a written version.

    Parameters
    ----------
    version : Version
    importance : mapping
        As its trained model has it.
    costs : mapping of str to float, optional
        What its training cost, as of `bot_cripto.tracking.costs.system_metrics`.
    """
    metadata = version.metadata
    params = {
        **metadata["settings"],
        **{f"rounds.{name}": rounds for name, rounds in metadata["rounds"].items()},
        **{
            f"calibration.{name}": value
            for name, value in metadata["calibration"].items()
            if not isinstance(value, list)
        },
        "features": len(metadata["features"]),
    }
    if "calibration_independent" in metadata:
        params["calibration_independent"] = metadata["calibration_independent"]
    names = ("symbol", "source", "timeframe", "cutoff")
    return TrainingRecord(
        version.kind,
        version.name,
        version.sha256,
        params,
        dict(metadata["metrics"]) | dict(costs or {}),
        {name: dict(shares) for name, shares in importance.items()},
        metadata["hashes"]["data"],
        f"{metadata['symbol']} {metadata['timeframe']} {metadata['source']}",
        {name: str(metadata[name]) for name in names}
        | {
            "code_sha256": metadata["hashes"]["code"],
            "config_sha256": metadata["hashes"]["config"],
            "data_sha256": metadata["hashes"]["data"],
        },
        version.path / METADATA,
    )


def record_training(
    tracking_db: Path | str,
    artifact_dir: Path | str,
    experiment_name: str,
    run_name: str,
    records: Sequence[TrainingRecord],
    tags: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Record trained versions, each in a run below one parent run.

    A version that was recorded before is found by its hash and not recorded again. Where the
    experiment has its artefacts in another folder than `artifact_dir` (the state was moved), new
    ones go to `artifact_dir`, and runs whose artefacts are there too are led to them.

    Parameters
    ----------
    tracking_db : Path or str
        SQLite database; made by `prepare` where it is missing.
    artifact_dir : Path or str
        Local folder of the artefacts.
    experiment_name, run_name : str
        Names of the experiment and of the parent run.
    records : sequence of TrainingRecord
    tags : mapping of str to str, optional
        Of the parent run.

    Returns
    -------
    dict of str to str
        Run id by kind.

    Raises
    ------
    ValueError
        A parameter or tag is named like a secret; secrets are not recorded.
    DataError, BusyError
        As of `prepare`; or the artefacts cannot be written.
    """
    about = {"level": "training"} | dict(tags or {})
    refuse_secrets(about)
    for record in records:
        refuse_secrets(record.params, record.tags)
    prepare(tracking_db)
    path = Path(tracking_db)
    with in_one_line(path), locked(path):
        client = connect(path)
        experiment_id = experiment(client, path, experiment_name, Path(artifact_dir))
        run_ids = {}
        parent: str | None = None
        for record in records:
            found = client.search_runs(
                [experiment_id],
                f"tags.model_sha256 = '{record.sha256}' and attributes.status = 'FINISHED'",
                max_results=1,
            )
            if found:
                run_ids[record.kind] = found[0].info.run_id
                continue
            if parent is None:
                parent = create_run(client, experiment_id, run_name, about)
                _log_dataset(client, parent, record)
            run_ids[record.kind] = _record(client, experiment_id, parent, record)
        if parent is not None:
            client.set_terminated(parent, end_time=clock.now_ms())
    return run_ids


def _record(client: MlflowClient, experiment_id: str, parent: str, record: TrainingRecord) -> str:
    """Log one version in batches and return its run id."""
    tags = {
        "mlflow.parentRunId": parent,
        "level": "model",
        "kind": record.kind,
        "model_version": record.version,
        "model_sha256": record.sha256,
        **record.tags,
    }
    run_id = create_run(client, experiment_id, f"{record.kind} {record.version}", tags)
    log_values(client, run_id, record.params, record.metrics)
    _log_dataset(client, run_id, record)
    with tempfile.TemporaryDirectory() as folder:
        ordered = {
            name: dict(sorted(shares.items(), key=lambda share: -share[1]))
            for name, shares in record.importance.items()
        }
        (Path(folder) / "importance.json").write_text(json.dumps(ordered, indent=1) + "\n")
        if record.metadata_file is not None:
            (Path(folder) / METADATA).write_bytes(record.metadata_file.read_bytes())
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id, end_time=clock.now_ms())
    return run_id


def _log_dataset(client: MlflowClient, run_id: str, record: TrainingRecord) -> None:
    """Name the training snapshot, by its hash, as what the run was made of."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"sha256": record.dataset_digest})
    dataset = Dataset(record.dataset_name, record.dataset_digest[:_DIGEST_LENGTH], "local", source)
    used_for = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(dataset, [used_for])])
