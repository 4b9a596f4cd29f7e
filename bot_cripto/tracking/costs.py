"""What the steps of a retrain cost, from the files that Snakemake writes of each job."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ENDING = ".benchmark.tsv"
_NUMBERED = re.compile(r"_(\d+|before)$")


@dataclass(frozen=True)
class Cost:
    """What one job cost.

    Attributes
    ----------
    step : str
        Name of the step; the folds of a walk-forward are one.
    wall_s, cpu_s : float
        Seconds; NaN where the job was too short to be measured.
    peak_mb : float
        Largest resident memory, in megabytes; NaN likewise.
    """

    step: str
    wall_s: float
    cpu_s: float
    peak_mb: float


def read_costs(folder: Path | str) -> list[Cost]:
    """Return what the jobs cost whose benchmark files lie in a folder; an unread one is left out.

    They are no result: a file that is cut or missing must not fail who asks.
    """
    found = []
    for path in sorted(Path(folder).glob(f"*{ENDING}")):
        step = _NUMBERED.sub("", path.name.removesuffix(ENDING))
        try:
            with path.open(encoding="utf-8", newline="") as file:
                row = next(csv.DictReader(file, delimiter="\t"), None)
        except (OSError, UnicodeDecodeError):
            continue
        if row is not None:
            values = [_number(row.get(name)) for name in ("s", "cpu_time", "max_rss")]
            found.append(Cost(step, *values))
    return found


def system_metrics(costs: Iterable[Cost], *, by_step: bool = True) -> dict[str, float]:
    """Return costs as metrics; MLflow shows names below ``system/`` on a tab of their own.

    Parameters
    ----------
    costs : iterable of Cost
    by_step : bool
        Whether each step is told beside the whole.

    Returns
    -------
    dict of str to float
        Sums of seconds and the largest memory. What was not measured is left out.
    """
    known = list(costs)
    metrics = _of(known, "system/")
    for step in sorted({cost.step for cost in known}) if by_step else ():
        metrics |= _of([cost for cost in known if cost.step == step], f"system/{step}.")
    return metrics


def _of(costs: list[Cost], prefix: str) -> dict[str, float]:
    wall = [cost.wall_s for cost in costs if not math.isnan(cost.wall_s)]
    cpu = [cost.cpu_s for cost in costs if not math.isnan(cost.cpu_s)]
    peak = [cost.peak_mb for cost in costs if not math.isnan(cost.peak_mb)]
    metrics = {"job_seconds": sum(wall)} if wall else {}
    if cpu:
        metrics["cpu_seconds"] = sum(cpu)
    if peak:
        metrics["peak_memory_mb"] = max(peak)
    return {f"{prefix}{name}": round(value, 2) for name, value in metrics.items()}


def _number(text: str | None) -> float:
    """Return a number of a benchmark file; Snakemake writes NA or - for what it did not see."""
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
