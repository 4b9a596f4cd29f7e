"""MLflow records of every training: the one module that imports mlflow, inside functions only."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot_cripto import clock
from bot_cripto.errors import DataError
from bot_cripto.models.version import METADATA, Version
from bot_cripto.tracking_database import check, locked, move_artefacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
_SECRET_NAME = re.compile(r"secret|token|password|passphrase|api_?key", re.IGNORECASE)
_NO_ACCESS = re.compile(r"readonly|unable to open|is locked|is full")
# Limits of MLflow's SQL store.
_VALUE_LENGTH, _DIGEST_LENGTH, _PARAMETERS_A_BATCH = 5000, 36, 100


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
    version: Version, importance: Mapping[str, Mapping[str, float]]
) -> TrainingRecord:
    """Return the record of a written version; `importance` as its trained model has it."""
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
        dict(metadata["metrics"]),
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


def tracking_uri(tracking_db: Path | str) -> str:
    """Return the address under which MLflow knows the SQLite database."""
    return f"sqlite:///{Path(tracking_db).absolute()}"


def prepare(tracking_db: Path | str) -> None:
    """Create the tracking database, or upgrade it to the installed MLflow's schema.

    Two processes that open a fresh database at once would crash one of them, so this is done
    under a lock of its own. The database is set to write-ahead logging, so that readers and a
    writer do not wait for each other.

    Raises
    ------
    DataError
        The folder or the file cannot be written, or the file is damaged, no SQLite database or
        that of a newer MLflow; the text names it.
    BusyError
        Another process has held the database's lock for `LOCK_WAIT_S` (of tracking_database).
    """
    path = Path(tracking_db)
    _set_environment()
    with _in_one_line(path), locked(path):
        check(path)
        _upgrade(path)


def record_training(
    tracking_db: Path | str,
    artifact_dir: Path | str,
    experiment: str,
    run_name: str,
    records: Sequence[TrainingRecord],
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
    experiment, run_name : str
        Names of the experiment and of the parent run.
    records : sequence of TrainingRecord

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
    for record in records:
        secrets = [n for n in (*record.params, *record.tags) if _SECRET_NAME.search(n)]
        if secrets:
            raise ValueError(f"{', '.join(secrets)} looks like a secret: it is not recorded")
    prepare(tracking_db)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri(tracking_db))
    path = Path(tracking_db)
    with _in_one_line(path), locked(path):
        experiment_id = _experiment(client, path, experiment, Path(artifact_dir))
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
                parent = _create(client, experiment_id, run_name, {"level": "training"})
            run_ids[record.kind] = _record(client, experiment_id, parent, record)
        if parent is not None:
            client.set_terminated(parent, end_time=clock.now_ms())
    return run_ids


def _record(client: MlflowClient, experiment_id: str, parent: str, record: TrainingRecord) -> str:
    """Log one version in batches and return its run id."""
    from mlflow.entities import Dataset, DatasetInput, Metric, Param

    tags = {
        "mlflow.parentRunId": parent,
        "level": "model",
        "kind": record.kind,
        "model_version": record.version,
        "model_sha256": record.sha256,
        **record.tags,
    }
    run_id = _create(client, experiment_id, f"{record.kind} {record.version}", tags)
    now = clock.now_ms()
    params = [Param(name, str(value)[:_VALUE_LENGTH]) for name, value in record.params.items()]
    metrics = [Metric(name, value, now, 0) for name, value in record.metrics.items()]
    client.log_batch(run_id, metrics=metrics, params=params[:_PARAMETERS_A_BATCH])
    for start in range(_PARAMETERS_A_BATCH, len(params), _PARAMETERS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + _PARAMETERS_A_BATCH])
    source = json.dumps({"sha256": record.dataset_digest})
    dataset = Dataset(record.dataset_name, record.dataset_digest[:_DIGEST_LENGTH], "local", source)
    client.log_inputs(run_id, [DatasetInput(dataset, [])])
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


def _create(client: MlflowClient, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    run = client.create_run(experiment_id, start_time=clock.now_ms(), run_name=name, tags=tags)
    return str(run.info.run_id)


def _experiment(client: MlflowClient, path: Path, name: str, artifact_dir: Path) -> str:
    """Return the id of the experiment of that name, its artefacts below the folder given."""
    artifact_dir.mkdir(parents=True, exist_ok=True)
    location = artifact_dir.absolute().as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    if found.artifact_location != location:
        move_artefacts(path, str(found.experiment_id), found.artifact_location, location)
    return str(found.experiment_id)


def _set_environment() -> None:
    """Keep MLflow quiet and local; what the operator has set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _upgrade(path: Path) -> None:
    """Bring the database to the installed schema, as `mlflow db upgrade` does."""
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(tracking_uri(path))
    try:
        utils._safe_initialize_tables(engine)
        if utils._get_schema_version(engine) != utils._get_latest_schema_revision():
            utils._upgrade_db(engine)
    finally:
        engine.dispose()
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute("pragma journal_mode=wal")


@contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """Turn what SQLite, SQLAlchemy, Alembic, MLflow or the disk report into a DataError."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, CommandError, MlflowException, OSError) as error:
        why = (str(error).strip() or repr(error)).splitlines()[0]
        if isinstance(error, OSError) or _NO_ACCESS.search(why):
            what = "make room or access there, then run again"
        else:
            what = (
                "if the file is damaged or of another MLflow, move it aside: the next training "
                "starts a new one, and no model is lost"
            )
        raise DataError(f"{path}: MLflow cannot record there ({why}); {what}") from error
