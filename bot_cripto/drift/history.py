"""Drift of a plain performance history: has a metric fallen against the time before?"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from bot_cripto.errors import ConfigError, DataError
from bot_cripto.timeframes import parse_iso

DRIFT = "drift"
NO_DRIFT = "no drift"
INSUFFICIENT = "insufficient data"


@dataclass(frozen=True)
class DriftResult:
    """The verdict and the numbers behind it.

    Attributes
    ----------
    status : str
        DRIFT, NO_DRIFT or INSUFFICIENT.
    drop : float or None
        Relative drop of the recent mean against the reference mean; negative when it rose.
    recent_mean, reference_mean : float or None
        Means of the two windows, in the unit of the metric.
    threshold : float
        The drop above which there is drift.
    reason : str
        The comparison in words.
    """

    status: str
    drop: float | None
    recent_mean: float | None
    reference_mean: float | None
    threshold: float
    reason: str


def read_history(path: Path) -> list[Any]:
    """Return the entries of a history file.

    Raises
    ------
    DataError
        The file cannot be read or is no JSON list.
    """
    try:
        history = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"history {path} cannot be read: {error}") from None
    if not isinstance(history, list):
        raise DataError(f"history {path} is no list of {{ts, metric}} entries")
    return history


def relative_drop(
    history: Sequence[Any],
    recent: int | None = None,
    reference: int | None = None,
    threshold: float = 0.2,
) -> DriftResult:
    """Compare the mean of the last `recent` entries with that of the `reference` before them.

    Parameters
    ----------
    history : sequence of dict
        Entries with `ts` (ISO 8601, or a number of seconds or milliseconds, the same kind
        throughout) and `metric` (a number, greater is better); taken in the order of `ts`.
        Other keys are ignored.
    recent, reference : int, optional
        Lengths of the windows in entries, at least 1. By default the last quarter of the history
        and what is before it, but not less than 20 and 60 entries.
    threshold : float
        Relative drop above which there is drift, e.g. 0.2 for a fifth.

    Returns
    -------
    DriftResult
        INSUFFICIENT when there are fewer than ``recent + reference`` entries, or when the
        reference mean is not above 0, of which no relative drop can be told.

    Raises
    ------
    DataError
        An entry is malformed (NaN counts as malformed); the message names its position.
    ConfigError
        A window is shorter than 1 or the threshold is not above 0.
    """
    metrics = _metrics(history)
    if recent is None:
        recent = max(20, len(metrics) // 4)
    if reference is None:
        reference = max(60, len(metrics) - recent)
    if recent < 1 or reference < 1 or not threshold > 0 or not math.isfinite(threshold):
        raise ConfigError(
            f"drift windows {recent} and {reference} must be at least 1 and the threshold "
            f"{threshold} above 0"
        )
    return compare(metrics, recent, reference, threshold)


def compare(
    metrics: Sequence[float], recent: int, reference: int, threshold: float = 0.2
) -> DriftResult:
    """Compare as `relative_drop` does, metrics already in the order of time."""
    needed = recent + reference
    if len(metrics) < needed:
        reason = f"{len(metrics)} entries, {needed} are needed"
        return DriftResult(INSUFFICIENT, None, None, None, threshold, reason)
    now = fmean(metrics[-recent:])
    before = fmean(metrics[-needed:-recent])
    return compare_means(now, before, recent, reference, threshold)


def compare_means(
    now: float, before: float, recent: int, reference: int, threshold: float = 0.2
) -> DriftResult:
    """Compare the mean of `recent` metrics with that of the `reference` before them."""
    if before <= 0:
        reason = f"the reference mean {before:.4g} is not above 0: no relative drop can be told"
        return DriftResult(INSUFFICIENT, None, now, before, threshold, reason)
    drop = (before - now) / before
    status = DRIFT if drop > threshold else NO_DRIFT
    word = "above" if status == DRIFT else "not above"
    reason = (
        f"the mean of the last {recent} is {now:.4g}, of the {reference} before {before:.4g}: "
        f"a drop of {drop:.1%}, {word} {threshold:.1%}"
    )
    return DriftResult(status, drop, now, before, threshold, reason)


def _metrics(history: Sequence[Any]) -> list[float]:
    """Return the metrics in the order of time."""
    if not isinstance(history, Sequence) or isinstance(history, str | bytes):
        raise DataError("the history is not a list of {ts, metric} entries")
    rows = [(_time(entry, index), _metric(entry, index)) for index, entry in enumerate(history)]
    kinds = {isinstance(entry["ts"], str) for entry in history}
    if len(kinds) > 1:
        raise DataError("the history mixes ts as text and ts as numbers; write them all alike")
    return [metric for _, metric in sorted(rows, key=lambda row: row[0])]


def _time(entry: Any, index: int) -> float:
    if not isinstance(entry, dict):
        raise DataError(f"history entry {index} is {entry!r}, not an object with ts and metric")
    if "ts" not in entry:
        raise DataError(f"history entry {index} has no ts")
    ts = entry["ts"]
    if isinstance(ts, str):
        try:
            return parse_iso(ts)
        except (ValueError, OverflowError):
            raise DataError(f"history entry {index} has ts {ts!r}, which is no time") from None
    if isinstance(ts, int | float) and not isinstance(ts, bool) and math.isfinite(ts):
        return ts
    raise DataError(f"history entry {index} has ts {ts!r}, which is no time")


def _metric(entry: dict[str, Any], index: int) -> float:
    if "metric" not in entry:
        raise DataError(f"history entry {index} has no metric")
    metric = entry["metric"]
    if isinstance(metric, int | float) and not isinstance(metric, bool) and math.isfinite(metric):
        return metric
    raise DataError(f"history entry {index} has metric {metric!r}, which is no number")
