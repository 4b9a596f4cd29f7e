"""The MLflow run of a whole retrain: its evaluation, the comparison, and what both came to.

`bot_cripto.tracking.runs` makes the run when the models are trained, with one run below it for
each kind; what is known only later is added here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot_cripto import clock
from bot_cripto.errors import DataError
from bot_cripto.tracking.client import (
    connect,
    in_one_line,
    log_latest,
    prepare,
    refuse_secrets,
)
from bot_cripto.tracking.database import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EVALUATION = (
    *("auc", "brier", "ece", "log_loss", "coverage80"),
    *("net_return", "sharpe", "max_drawdown", "trades", "day_sharpe", "hit_rate", "dsr"),
)
"""Numbers of the walk-forward evaluation that the run of a retrain shows."""

_SCALES = {
    **dict.fromkeys(("net_return", "gross_return", "max_drawdown"), ("_bps", 1e4)),
    **dict.fromkeys(("pinball", "volatility_mae"), ("_bps", 1e4)),
    **dict.fromkeys(("log_loss", "brier", "ece"), ("_milli", 1e3)),
}
"""Unit and factor of what MLflow's pages, which show three decimals, would show as 0.00."""

_RECORDED = "recorded_sha256"


@dataclass(frozen=True)
class RetrainRecord:
    """What the run of a retrain is to show.

    Attributes
    ----------
    name : str
        Name of the run, e.g. ``2024-09-06 taken``.
    params : dict
    metrics : dict of str to float
        Finite numbers; the part of a name before ``/`` is a section of MLflow's pages.
    tags : dict of str to str
    artefacts : dict of str to str
        Texts by file name.
    note : str
        Markdown, the description of the run.
    below : dict of str to dict of str to str
        Artefacts of the runs below it, by kind.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artefacts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    below: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def retrain_record(
    judgement: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    metadata: Mapping[str, Mapping[str, Any]],
    costs: Mapping[str, float],
    artefacts: Mapping[str, str],
    below: Mapping[str, Mapping[str, str]],
) -> RetrainRecord:
    """Return the record of a retrain.

    Parameters
    ----------
    judgement : mapping
        As the judge wrote it: ``promoted``, ``reason``, and where there was a comparison
        ``sides`` (numbers of champion and challenger, nested or flat), ``difference`` of them
        and ``conditions``.
    evaluation : mapping
        The walk-forward result, or ``{"symbol", "skipped": reason}``.
    metadata : mapping of str to mapping
        ``metadata.json`` of each version, by kind; at least one.
    costs : mapping of str to float
        As of `system_metrics`.
    artefacts : mapping of str to str
        Texts by file name.
    below : mapping of str to mapping of str to str
        Texts of the run of each kind.
    """
    first = next(iter(metadata.values()))
    promoted = bool(judgement.get("promoted"))
    skipped = evaluation.get("skipped")
    metrics = numbers("walk-forward", {name: evaluation.get(name) for name in EVALUATION})
    sides = judgement.get("sides") or {}
    ours, theirs = (
        # their losses are there twice
        numbers("", {n: v for n, v in (sides.get(side) or {}).items() if n != "losses"})
        for side in ("champion", "challenger")
    )
    metrics |= {f"challenger{name}": value for name, value in theirs.items()}
    metrics |= {f"champion{name}": value for name, value in ours.items()}
    metrics |= {f"gain{n}": value - ours[n] for n, value in theirs.items() if n in ours}
    metrics |= numbers("gain", judgement.get("difference") or {})
    # constants say nothing beside trained models
    trained = {kind: one for kind, one in metadata.items() if kind != "baseline"} or metadata
    for kind, one in trained.items():
        known = {name: value for name, value in one["metrics"].items() if name != "rows"}
        metrics |= numbers("holdout", {kind: known})
    train = first.get("parts", {}).get("train", {})
    params = {
        "data/cutoff": first["cutoff"],
        "data/features": len(first["features"]),
        "data/first_row": train.get("first_candle", train.get("first", "")),
        "data/snapshot": first["hashes"]["data"][:12],
        "code": first["hashes"]["code"][:12],
        **{f"settings/{name}": value for name, value in sorted(first["settings"].items())},
    }
    when = first["cutoff"].removesuffix("T00:00:00Z").replace("T", " ").removesuffix(":00Z")
    verdict = f"not evaluated: {skipped}" if skipped else str(evaluation.get("verdict") or "")
    return RetrainRecord(
        f"{when} {'taken' if promoted else 'refused'}",
        params,
        metrics | dict(costs),
        {
            "promoted": "yes" if promoted else "no",
            "reason": str(judgement.get("reason", "")),
            "verdict": verdict,
            "suspect": str(evaluation.get("suspect", "unknown")).lower(),
        },
        artefacts,
        _note(judgement, verdict),
        below,
    )


def numbers(section: str, values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the finite numbers of a mapping as metrics of a section; inner names get a dot.

    Returns and drawdowns are given in basis points (``_bps``), losses in thousandths
    (``_milli``): MLflow's pages show three decimals.
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= numbers(section, value, f"{prefix}{name}.")
        elif (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ):
            plain = name.removeprefix("recent_").removesuffix("_error").rstrip("0123456789")
            unit, factor = _SCALES.get(plain, ("", 1.0))
            # seven digits are read, the artefacts have all
            found[f"{section}/{prefix}{name}{unit}"] = float(f"{value * factor:.7g}")
    return found


def _note(judgement: Mapping[str, Any], verdict: str) -> str:
    """Return what a person reads first, as Markdown."""
    lines = [f"**{_cell(judgement.get('reason', ''))}**", "", verdict]
    conditions: Sequence[Mapping[str, Any]] = judgement.get("conditions") or ()
    if conditions:
        lines += ["", "| Condition | Value | Threshold | Passed |", "|---|---|---|---|"]
        for one in conditions:
            passed = {True: "yes", False: "no"}.get(one.get("passed"), "-")  # type: ignore[arg-type]
            cells = (one.get("text") or one.get("name"), one.get("value"), one.get("threshold"))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} | {passed} |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "/").replace("\n", " ")


def record_retrain(
    tracking_db: Path | str, run_ids: Mapping[str, str], record: RetrainRecord
) -> str:
    """Add to the run of a retrain what came of it, and return the id of that run.

    The same record again changes nothing; another one replaces what was shown.

    Parameters
    ----------
    tracking_db : Path or str
    run_ids : mapping of str to str
        The runs of the trained versions, by kind; of several parents it is the newest's.
    record : RetrainRecord

    Raises
    ------
    ValueError
        A parameter or tag is named like a secret; nothing was recorded.
    DataError, BusyError
        The database or the artefacts cannot be written, or none of the runs is there.
    """
    refuse_secrets(record.params, record.tags)
    prepare(tracking_db)
    path = Path(tracking_db)
    digest = hashlib.sha256(json.dumps(asdict(record), sort_keys=True).encode()).hexdigest()
    with in_one_line(path), locked(path):
        client = connect(path)
        run = _parent(client, run_ids)
        if run is None:
            raise DataError(f"{path}: the run of this training is not there; train again")
        run_id = str(run.info.run_id)
        if run.data.tags.get(_RECORDED) == digest:
            return run_id
        log_latest(client, run, record.params, record.metrics)
        for name, value in record.tags.items():
            client.set_tag(run_id, name, value)
        client.set_tag(run_id, "mlflow.note.content", record.note)
        client.set_tag(run_id, "mlflow.runName", record.name)
        for name, text in record.artefacts.items():
            client.log_text(run_id, text, name)
        for kind in record.below.keys() & run_ids.keys():
            for name, text in record.below[kind].items():
                client.log_text(run_ids[kind], text, name)
        client.set_tag(run_id, _RECORDED, digest)
        client.set_terminated(run_id, end_time=clock.now_ms())
    return run_id


def _parent(client: MlflowClient, run_ids: Mapping[str, str]) -> Run | None:
    """Return the newest of the runs above those."""
    from mlflow.exceptions import MlflowException

    parents = {}
    for run_id in run_ids.values():
        try:
            above = client.get_run(run_id).data.tags["mlflow.parentRunId"]
            parents[above] = client.get_run(above)
        except (MlflowException, KeyError):
            # another database than the one that recorded it
            continue
    return max(parents.values(), key=lambda run: int(run.info.start_time), default=None)
