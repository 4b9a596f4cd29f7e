"""What every record in MLflow needs: a sound database, an experiment, runs, and no secrets."""

from __future__ import annotations

import logging
import math
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot_cripto import clock
from bot_cripto.errors import DataError
from bot_cripto.tracking.database import SQLITE_WAIT_S, check, locked, move_artefacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

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
_VALUE_LENGTH, _PARAMETERS_A_BATCH = 5000, 100

MOVE_ASIDE = (
    "if the file is damaged or of another MLflow, move it aside: the next training starts a new "
    "one; no model is lost, but what was tried is counted anew"
)
"""What to do about a database that cannot be used."""


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
        Another process has held the database's lock for `LOCK_WAIT_S` (of `tracking.database`).
    """
    path = Path(tracking_db)
    _set_environment()
    with in_one_line(path), locked(path):
        check(path)
        _upgrade(path)


def connect(tracking_db: Path | str) -> MlflowClient:
    """Return MLflow's client of a prepared database; importing MLflow takes seconds."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri(tracking_db))


def looks_secret(name: str) -> bool:
    """Return whether a parameter, tag or variable is named like a secret."""
    return bool(_SECRET_NAME.search(name))


def refuse_secrets(*named: Iterable[str]) -> None:
    """Raise ValueError where a parameter or tag is named like a secret."""
    secrets = [name for names in named for name in names if looks_secret(name)]
    if secrets:
        raise ValueError(f"{', '.join(secrets)} looks like a secret: it is not recorded")


def create_run(client: MlflowClient, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
    """Start a run, now by the one clock, and return its id."""
    run = client.create_run(
        experiment_id, start_time=clock.now_ms(), run_name=name, tags=dict(tags)
    )
    return str(run.info.run_id)


def log_values(
    client: MlflowClient,
    run_id: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    step: int = 0,
) -> None:
    """Log parameters, cut to MLflow's length, and metrics, in as few batches as it allows."""
    from mlflow.entities import Metric, Param

    now = clock.now_ms()
    texts = [Param(name, str(value)[:_VALUE_LENGTH]) for name, value in params.items()]
    numbers = [Metric(name, value, now, step) for name, value in metrics.items()]
    client.log_batch(run_id, metrics=numbers, params=texts[:_PARAMETERS_A_BATCH])
    for start in range(_PARAMETERS_A_BATCH, len(texts), _PARAMETERS_A_BATCH):
        client.log_batch(run_id, params=texts[start : start + _PARAMETERS_A_BATCH])


def log_latest(
    client: MlflowClient, run: Run, params: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Log into a run that may have values already: these are the latest, old ones become NaN.

    Parameters that the run has stay, for MLflow refuses to change them.
    """
    run_id, step = str(run.info.run_id), 0
    if run.data.metrics:
        # of two values of one step MLflow shows the greater one, not the later one
        step = 1 + int(run.data.tags.get("step", "0"))
        client.set_tag(run_id, "step", str(step))
    # leaving one out would leave the last one standing
    gone = {name: math.nan for name in run.data.metrics if name not in metrics}
    new = {name: value for name, value in params.items() if name not in run.data.params}
    log_values(client, run_id, new, gone | dict(metrics), step)


def experiment(client: MlflowClient, path: Path, name: str, artifact_dir: Path) -> str:
    """Return the id of the experiment of that name, its artefacts below the folder given.

    One that was deleted on MLflow's page is restored: what was tried stays tried.
    """
    artifact_dir.mkdir(parents=True, exist_ok=True)
    location = artifact_dir.absolute().as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found.artifact_location != location:
        move_artefacts(path, str(found.experiment_id), found.artifact_location, location)
    return str(found.experiment_id)


def _set_environment() -> None:
    """Keep MLflow quiet and local; what the operator has set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # it tells each plugin of its own that it loads
    logging.getLogger("alembic").setLevel(logging.WARNING)


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
    with closing(sqlite3.connect(path, timeout=SQLITE_WAIT_S)) as connection:
        connection.execute("pragma journal_mode=wal")


@contextmanager
def in_one_line(
    path: Path, problem: str = "MLflow cannot record there", remedy: str = MOVE_ASIDE
) -> Iterator[None]:
    """Turn what SQLite, SQLAlchemy, Alembic, MLflow or the disk report into a DataError.

    Its text is the path, the problem, why, and the remedy, or that access or room is missing.
    """
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, CommandError, MlflowException, OSError) as error:
        why = (str(error).strip() or repr(error)).splitlines()[0]
        if isinstance(error, OSError) or _NO_ACCESS.search(why):
            remedy = "make room or access there, then run again"
        raise DataError(f"{path}: {problem} ({why}); {remedy}") from error
