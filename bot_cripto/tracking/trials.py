"""MLflow records of every configuration that was tried for a symbol, and how many there are.

A result is deflated by the number of configurations that were tried (Bailey, Lopez de Prado
2014, The Deflated Sharpe Ratio), so none of them may be forgotten: runs that were deleted on
MLflow's page still count.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bot_cripto import clock
from bot_cripto.errors import DataError
from bot_cripto.tracking.client import (
    connect,
    create_run,
    experiment,
    in_one_line,
    log_latest,
    log_values,
    prepare,
    refuse_secrets,
)
from bot_cripto.tracking.database import SQLITE_WAIT_S, check, locked
from bot_cripto.tracking.trial import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def known_trials(tracking_db: Path | str, symbol: str, source: str) -> dict[str, float | None]:
    """Return every configuration that was ever tried for a symbol, whatever tried it.

    Parameters
    ----------
    tracking_db : Path or str
        MLflow's SQLite database.
    symbol, source : str
        As given to `record_trials`.

    Returns
    -------
    dict of str to float or None
        The latest Sharpe ratio (of a day) by configuration hash, over all timeframes, horizons
        and cutoffs; None where it is undefined. Empty where there is no database.

    Raises
    ------
    DataError
        The database cannot be read: to forget trials would flatter the next result.
    BusyError
        Another process has held the database's lock for `LOCK_WAIT_S` (of `tracking.database`).

    Notes
    -----
    Read by SQL, because MLflow's search would load every parameter of every run.
    """
    path = Path(tracking_db)
    problem = "the record of what was tried cannot be read"
    try:
        if not path.exists():
            return {}
        with locked(path), closing(sqlite3.connect(path, timeout=SQLITE_WAIT_S)) as connection:
            check(path)
            if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
                return {}
            rows = connection.execute(_TRIALS, (_name(symbol, source),)).fetchall()
    except sqlite3.OperationalError as error:
        remedy = "end what uses it or give access, then run again; or move it aside to begin to"
        raise DataError(f"{path}: {problem} ({error}); {remedy} count anew") from error
    except (sqlite3.Error, OSError) as error:
        remedy = "move it aside to begin to count anew"
        raise DataError(f"{path}: {problem} ({error}); {remedy}") from error
    # the order lets the latest of each configuration win
    return {str(config): None if is_nan else sharpe for config, sharpe, is_nan in rows}


_TRIALS = """
select config.value, sharpe.value, sharpe.is_nan
from experiments join runs on runs.experiment_id = experiments.experiment_id
join tags level on level.run_uuid = runs.run_uuid
    and level.key = 'level' and level.value = 'trial'
join tags config on config.run_uuid = runs.run_uuid and config.key = 'config_sha256'
left join tags cutoff on cutoff.run_uuid = runs.run_uuid and cutoff.key = 'cutoff'
left join latest_metrics sharpe on sharpe.run_uuid = runs.run_uuid and sharpe.key = 'day_sharpe'
where experiments.name = ?
order by runs.lifecycle_stage = 'active', cutoff.value, runs.end_time, runs.start_time
"""


def record_trials(
    tracking_db: Path | str,
    artifact_dir: Path | str,
    symbol: str,
    source: str,
    trials: Iterable[Trial],
    cutoff: str,
) -> dict[str, str]:
    """Record what was tried in the symbol's experiment, one run for each configuration.

    The same configuration from the same origin at the same cutoff has one run: recorded again,
    its metrics and artefacts are the latest. Trials of a tuning or a scan lie below one run.

    Parameters
    ----------
    tracking_db, artifact_dir : Path or str
        MLflow's database, made where it is missing, and the folder of its artefacts.
    symbol, source : str
        They name the experiment; `source` is the market (each made-up one has its own name).
    trials : iterable of Trial
        Of a configuration that is there twice the last one counts.
    cutoff : str
        Up to when there were candles, ISO 8601: sorts by time.

    Returns
    -------
    dict of str to str
        Run id by configuration hash.

    Raises
    ------
    ValueError
        A parameter is named like a secret; nothing was recorded.
    DataError, BusyError
        The database or the artefacts cannot be written.
    """
    distinct = {(trial.origin, trial.config_sha256): trial for trial in trials}
    refuse_secrets(*(trial.params for trial in distinct.values()))
    if not distinct:
        return {}
    prepare(tracking_db)
    path = Path(tracking_db)
    run_ids = {}
    with in_one_line(path), locked(path):
        client = connect(path)
        experiment_id = experiment(client, path, _name(symbol, source), Path(artifact_dir))
        found = _runs(client, experiment_id, cutoff)
        about = {"symbol": symbol, "source": source, "cutoff": cutoff}
        parents: dict[str, str] = {}
        for (origin, config), trial in distinct.items():
            tags = about | {
                "level": "trial",
                "origin": origin,
                "config_sha256": config,
                "timeframe": trial.timeframe,
                "horizon_steps": str(trial.horizon_steps),
            }
            if origin != "backtest":
                if origin not in parents:
                    whole = about | {"level": "trials", "origin": origin}
                    known = found.get(("trials", origin, ""))
                    name = f"{origin} up to {cutoff}"
                    parents[origin] = (
                        known.info.run_id
                        if known
                        else create_run(client, experiment_id, name, whole)
                    )
                tags["mlflow.parentRunId"] = parents[origin]
            known = found.get(("trial", origin, config))
            run_ids[config] = _record(client, experiment_id, trial, tags, known)
        for parent in parents.values():
            client.set_terminated(parent, end_time=clock.now_ms())
    return run_ids


def _record(
    client: MlflowClient,
    experiment_id: str,
    trial: Trial,
    tags: dict[str, str],
    known: Run | None,
) -> str:
    """Log one trial into its run, a new one or the known one, and return the run's id."""
    numbers = {name: v for name, v in trial.metrics.items() if v is not None}
    metrics = {name: float(value) for name, value in numbers.items() if not math.isnan(value)}
    # 0 would be a claim, and leaving it out would leave the last one standing
    metrics["day_sharpe"] = math.nan if trial.day_sharpe is None else trial.day_sharpe
    if known is None:
        name = f"{trial.timeframe} {trial.horizon_steps} ahead {trial.config_sha256[:8]}"
        run_id = create_run(client, experiment_id, name, tags)
        log_values(client, run_id, trial.params, metrics)
    else:
        run_id = str(known.info.run_id)
        log_latest(client, known, trial.params, metrics)
    if trial.note:
        client.set_tag(run_id, "mlflow.note.content", trial.note)
    for name, text in trial.artefacts.items():
        client.log_text(run_id, text, name)
    client.set_terminated(run_id, end_time=clock.now_ms())
    return run_id


def _runs(client: MlflowClient, experiment_id: str, cutoff: str) -> dict[tuple[str, str, str], Run]:
    """Return the runs at a cutoff by level, origin and configuration (empty for parents)."""
    found: dict[tuple[str, str, str], Run] = {}
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.cutoff = '{cutoff}'", max_results=1000, page_token=token
        )
        for run in page:
            tags = run.data.tags
            key = (tags.get("level", ""), tags.get("origin", ""), tags.get("config_sha256", ""))
            found[key] = run
        token = page.token
        if not token:
            return found


def _name(symbol: str, source: str) -> str:
    """Return the name of a symbol's experiment."""
    return f"{symbol} {source} backtests"
