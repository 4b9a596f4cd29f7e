"""Drift of the inputs: are the features of the last days unlike those of the training span?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.drift.check import Check, judged, prediction_p, too_little
from bot_cripto.drift.sentences import sentence
from bot_cripto.drift.windows import unlikeness
from bot_cripto.timeframes import DAY_MS

LEAST_WINDOWS = 8
"""So many windows of the recent length must fit into the training span."""

LEAST_PRESENT = 0.8
"""Share of the candles of the last days that must have whole features."""

MOST_NAMED = 5


def check_inputs(
    times: NDArray[np.int64],
    features: NDArray[np.float32],
    names: tuple[str, ...],
    *,
    trained_until_ms: int,
    until_ms: int,
    recent_ms: int,
    step_ms: int,
    alpha: float,
) -> Check:
    """Compare the features of the last days with those of the training span before them.

    Per feature the population stability index and the Kolmogorov-Smirnov statistic; their
    logarithms, in standard deviations over windows of the same length within the span; the
    greatest over all features against the greatest of each of those windows (max-T, which needs
    no further correction for many features).

    Parameters
    ----------
    times : ndarray of shape (n,), int64
        Open times from the first training row on, milliseconds since the epoch, UTC.
    features : ndarray of shape (n, n_features), float32
        Rows with NaN are left out.
    names : tuple of str
    trained_until_ms : int
        Cutoff of the models in use. Where it lies in the last days, the span ends where they
        begin.
    until_ms : int
        Close of the last candle.
    recent_ms, step_ms : int
        Length of the last days and of a candle, milliseconds.
    alpha : float
        Chance of drift without any that is accepted.

    Returns
    -------
    Check
        Its values: ``score`` (the greatest), ``usual_score`` (the median of the greatest of each
        window of the span), ``limit`` (from which on it is drift), ``windows`` (how many fit side
        by side), ``rows``, ``reference_rows`` and ``features``: name, psi, ks, usual_psi,
        usual_ks, score, the most unlike first.

    References
    ----------
    Westfall, Young (1993), Resampling-Based Multiple Testing, section 2.5 (max-T).
    """
    whole = np.isfinite(features).all(axis=1)
    times, features = times[whole], features[whole]
    since = until_ms - recent_ms
    end = min(trained_until_ms, since)
    recent = features[times >= since]
    past = times + step_ms <= end
    rows = {"rows": len(recent), "reference_rows": int(past.sum())}
    if len(recent) < LEAST_PRESENT * recent_ms / step_ms:
        needed = int(LEAST_PRESENT * recent_ms / step_ms)
        text = sentence("few_recent", rows=len(recent), needed=needed)
        return too_little("features", text, **rows)
    span = end - int(times[past][0]) if past.any() else 0
    effective = span / recent_ms
    if effective < LEAST_WINDOWS:
        text = sentence(
            "few_windows",
            days=span / DAY_MS,
            windows=LEAST_WINDOWS,
            recent=recent_ms / DAY_MS,
            needed=LEAST_WINDOWS * recent_ms / DAY_MS,
        )
        return too_little("features", text, **rows)
    found = unlikeness(times[past], features[past], recent, end, recent_ms)
    if found is None:
        text = sentence("gaps", days=span / DAY_MS)
        return too_little("features", text, **rows)
    greatest = float(found.score.max())
    # roots, because greatest values of many are skewed to the right
    p = prediction_p(_root(greatest), _root(found.earlier), effective)
    order = np.argsort(-found.score, kind="stable")
    table = [
        {
            "name": names[i],
            "psi": float(found.psi[i]),
            "ks": float(found.ks[i]),
            "usual_psi": float(found.usual_psi[i]),
            "usual_ks": float(found.usual_ks[i]),
            "score": float(found.score[i]),
        }
        for i in order
    ]
    status = judged(p, alpha)
    first = ", ".join(f"{row['name']} (PSI {row['psi']:.2f})" for row in table[:MOST_NAMED])
    text = sentence(
        "features_drift" if status == "drift" else "features_same",
        recent=recent_ms / DAY_MS,
        days=span / DAY_MS,
        score=greatest,
        usual=float(np.median(found.earlier)),
        p=p,
        alpha=alpha,
        names=first,
    )
    values = rows | {
        "score": greatest,
        "usual_score": float(np.median(found.earlier)),
        "limit": _limit(found.earlier, effective, alpha),
        "windows": effective,
        "features": table,
    }
    return Check("features", status, text, p, values)


def _limit(earlier: NDArray[np.float64], effective: float, alpha: float) -> float:
    """Return the greatest score that is no drift yet, by bisection."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        within = prediction_p(_root(middle), _root(earlier), effective) > alpha
        low, high = (middle, high) if within else (low, middle)
    return high


def _root(score: NDArray[np.float64] | float) -> Any:
    return np.sqrt(np.maximum(score, 0.0))
