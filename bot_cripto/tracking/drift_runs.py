"""MLflow records of every measurement of drift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_cripto import clock
from bot_cripto.provenance import sha256_json
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

_STATUS = {"no drift": 0.0, "drift": 1.0}
"""Shown as a metric, so that MLflow can draw it over time; insufficient data is left out."""


def drift_experiment(result: Mapping[str, Any]) -> str:
    """Return the name of the experiment that a measurement belongs to."""
    return f"{result['symbol']} {result['timeframe']} {result['market']} drift"


def record_drift(
    tracking_db: Path | str,
    artifact_dir: Path | str,
    result: Mapping[str, Any],
    page: str,
) -> str:
    """Record a measurement as a run and return its id; the same one again is no new run.

    Parameters
    ----------
    tracking_db, artifact_dir : Path or str
        MLflow's database, made where it is missing, and the folder of its artefacts.
    result : mapping
        What `bot_cripto.drift.measure.measure` returned.
    page : str
        Its page, kept beside it as an artefact.

    Raises
    ------
    DataError, BusyError
        The database or the artefacts cannot be written.
    """
    params = {
        name: result[name]
        for name in ("timeframe", "horizon_steps", "recent_days", "false_alarm_rate")
    } | {f"model.{kind}": version for kind, version in result["models"].items()}
    refuse_secrets(params)
    content = {name: value for name, value in result.items() if name != "made"}
    tags = {
        "level": "drift",
        "symbol": result["symbol"],
        "market": result["market"],
        "candle": result["candle_close_time"],
        "status": result["status"],
        "sha256": sha256_json(content),
        **{f"status.{part['name']}": part["status"] for part in result["parts"]},
        "mlflow.note.content": _note(result),
    }
    prepare(tracking_db)
    path = Path(tracking_db)
    with in_one_line(path), locked(path):
        client = connect(path)
        place = experiment(client, path, drift_experiment(result), Path(artifact_dir))
        wanted = f"tags.sha256 = '{tags['sha256']}' and attributes.status = 'FINISHED'"
        known = client.search_runs([place], wanted, max_results=1)
        if known:
            return str(known[0].info.run_id)
        run_id = create_run(client, place, f"drift {result['candle_close_time']}", tags)
        log_values(client, run_id, params, metrics_of(result))
        client.log_text(run_id, json.dumps(content, indent=1) + "\n", "drift.json")
        client.log_text(run_id, page, "drift.html")
        client.set_terminated(run_id, end_time=clock.now_ms())
    return run_id


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Return what MLflow shows of a measurement as metrics, by check."""
    found = {}
    if result["status"] in _STATUS:
        found["drift"] = _STATUS[result["status"]]
    for part in result["parts"]:
        for check in part["checks"]:
            if check["status"] in _STATUS:
                found[f"{check['name']}/drift"] = _STATUS[check["status"]]
            numbers = check["values"] | {"p_value": check["p_value"]}
            for name, value in numbers.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found[f"{check['name']}/{name}"] = float(value)
    return found


def _note(result: Mapping[str, Any]) -> str:
    lines = [f"**{result['status']}**", ""]
    for part in result["parts"]:
        for check in part["checks"]:
            lines.append(f"- {check['name']}: {check['status']}. {check['text']['en']}")
    return "\n".join(lines)
