"""Drift of what came of past signals: a sequential detector, and the runbook's relative drop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.drift.check import Check, mean_error, normal_p, too_little
from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT, compare
from bot_cripto.drift.sentences import sentence
from bot_cripto.timeframes import iso, parse_iso

BLOCK_HORIZONS = 4
"""Outcomes are averaged over so many horizons: means of neighbouring stretches then hardly
depend on each other (their correlation is about 0.05), as the detector assumes."""

LEAST_BLOCKS = 40
"""Below so many stretches the detector could find nothing but a collapse."""

Row = Mapping[str, Any]


def blocks(
    rows: Sequence[Row], horizon: int, step_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the means of the outcomes of stretches of time, those that are at least half full.

    Parameters
    ----------
    rows : sequence of mapping
        Of `bot_cripto.execution.performance.performance_history`.
    horizon : int
        Candles that a forecast looks ahead.
    step_ms : int
        Length of a candle.

    Returns
    -------
    ends : ndarray of shape (n,), int64
        When the last horizon of each stretch closed, milliseconds since the epoch, UTC.
    means : ndarray of shape (n,), in [0, 1]
    """
    length = BLOCK_HORIZONS * horizon
    closes = np.array([parse_iso(row["candle_close_time"]) for row in rows], dtype=np.int64)
    metrics = np.array([row["metric"] for row in rows], dtype=np.float64)
    if not len(rows):
        return closes, metrics
    place = (closes - closes[0]) // (length * step_ms)
    count = np.bincount(place)
    total = np.bincount(place, metrics)
    # the last one may still be filling
    kept = np.flatnonzero(count >= length / 2)
    kept = kept[(kept < place[-1]) | (count[kept] >= length)]
    ends = closes[0] + (kept + 1) * length * step_ms + (horizon - 1) * step_ms
    return ends, total[kept] / count[kept]


def falls(means: NDArray[np.float64], delta: float) -> list[dict[str, float]]:
    """Return the falls of the mean that ADWIN finds, in the order of time.

    Parameters
    ----------
    means : ndarray of shape (n,)
        Independent values in [0, 1].
    delta : float
        ADWIN's confidence: chance of a change that it finds where there is none.

    Returns
    -------
    list of dict
        ``at``: position of the value at which it was found; ``since``: position of the first
        value after the change; ``before`` and ``after``: the means of the two. Rises are left
        out.

    References
    ----------
    Bifet, Gavalda (2007), Learning from time-changing data with adaptive windowing.
    """
    # river's import takes two seconds
    from river.drift import ADWIN

    detector = ADWIN(delta=delta, clock=1)
    found: list[dict[str, float]] = []
    width, told = 0, -1
    for at, value in enumerate(means.tolist()):
        detector.update(value)
        width += 1
        if detector.drift_detected:
            # it gives up the old values bit by bit, and raises the alarm at each bit again
            since = max(told + 1, at + 1 - width)
            if at - since > 1:
                split, before, after = _change(means[since : at + 1])
                told = since + split - 1
                if after < before:
                    change = {"at": at, "since": since + split, "before": before, "after": after}
                    found.append(change)
            width = int(detector.width)
    return found


def _change(means: NDArray[np.float64]) -> tuple[int, float, float]:
    """Return where the mean changed most likely, and the means before and from there on."""
    n = len(means)
    first = np.arange(1, n)
    total = np.cumsum(means)
    before, after = total[:-1] / first, (total[-1] - total[:-1]) / (n - first)
    split = int(np.argmax((before - after) ** 2 * first * (n - first)))
    return split + 1, float(before[split]), float(after[split])


def check_sequential(
    rows: Sequence[Row],
    *,
    horizon: int,
    step_ms: int,
    until_ms: int,
    recent_ms: int,
    alpha: float,
) -> Check:
    """Ask whether the share of right directions fell in the last days.

    Parameters
    ----------
    rows : sequence of mapping
        Outcomes of signals, in the order of time.
    horizon : int
    step_ms : int
    until_ms, recent_ms : int
        A fall that was found in the last `recent_ms` before `until_ms` is drift.
    alpha : float
        ADWIN's confidence over the whole series.
    """
    name, length = "sequential", BLOCK_HORIZONS * horizon
    ends, means = blocks(rows, horizon, step_ms)
    if len(means) < LEAST_BLOCKS:
        text = sentence("few_blocks", blocks=len(means), length=length, needed=LEAST_BLOCKS)
        return too_little(name, text, blocks=len(means))
    found = falls(means, alpha)
    recent = [fall for fall in found if ends[int(fall["at"])] > until_ms - recent_ms]
    shown = {"blocks": len(means), "length": length}
    series = {
        "t": [iso(int(end)) for end in ends],
        "hits": means.tolist(),
        "falls": [iso(int(ends[int(fall["at"])])) for fall in found],
    }
    if recent:
        last = recent[-1]
        since = max(0, int(last["since"]))
        text = sentence(
            "sequential_drift",
            before=last["before"],
            after=last["after"],
            when=iso(int(ends[since])),
            **shown,
        )
        values = {"before": last["before"], "after": last["after"], **shown, "series": series}
        return Check(name, DRIFT, text, None, values)
    after = float(means.mean())
    values = {"before": None, "after": after, **shown, "series": series}
    return Check(name, NO_DRIFT, sentence("sequential_same", after=after, **shown), None, values)


def check_relative_drop(
    hits: Sequence[float], *, recent: int, reference: int, horizon: int, alpha: float
) -> Check:
    """Compare the last outcomes with those before, as the gate of the signal does.

    A drop above the runbook's threshold is drift where chance does not explain it: the horizons
    of neighbouring signals overlap, and a fifth less comes by luck often enough.

    Parameters
    ----------
    hits : sequence of float
        In the order of time.
    recent, reference : int
        How many are compared with how many before them.
    horizon : int
    alpha : float
    """
    name = "relative_drop"
    result = compare(hits, recent, reference)
    values: dict[str, Any] = {
        "drop": result.drop,
        "recent_mean": result.recent_mean,
        "reference_mean": result.reference_mean,
        "threshold": result.threshold,
        "recent": recent,
        "reference": reference,
    }
    if result.status == INSUFFICIENT:
        return too_little(name, sentence("relative_few", reason=result.reason), **values)
    newest = np.asarray(hits[-(recent + reference) :], dtype=np.float64)
    now, before = newest[reference:], newest[:reference]
    error = math.hypot(mean_error(now, horizon), mean_error(before, horizon))
    fall = float(before.mean() - now.mean())
    p = normal_p(fall / error) if error > 0 else float(fall <= 0)
    status = DRIFT if result.status == DRIFT and p <= alpha else NO_DRIFT
    words = "relative_chance" if result.status == DRIFT != status else "relative"
    return Check(name, status, sentence(words, reason=result.reason, p=p), p, values)
