"""Drift of the forecasts: how probabilities are distributed, and whether they still come true."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.drift.bins import PSI_BINS, Binning, psi
from bot_cripto.drift.check import Check, judged, mean_error, normal_p, prediction_p, too_little
from bot_cripto.drift.history import DRIFT
from bot_cripto.drift.sentences import sentence
from bot_cripto.drift.windows import PARTS_OF_A_WINDOW, part_of
from bot_cripto.metrics import reliability
from bot_cripto.timeframes import DAY_MS

Floats = NDArray[np.float64]

LEAST_HORIZONS = 100
"""So many horizons that do not overlap are needed on either side."""

_LEAST_FILLED = 0.5
_FLOOR = 0.01

LEAST_PAIRS = 4
"""So many stretches as long as the holdout and the recent one together must fit into what the
model learnt from."""


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Probabilities of one model over some rows, in the order of time.

    Attributes
    ----------
    times : ndarray of shape (n,), int64
        Open times of the candles, milliseconds since the epoch, UTC.
    prob_up : ndarray of shape (n,)
    realised : ndarray of shape (n,)
        Return over the horizon (decimal); NaN where it has not closed.
    """

    times: NDArray[np.int64]
    prob_up: Floats
    realised: Floats

    def between(self, since_ms: int, until_ms: int) -> Probabilities:
        """Return the rows with an open time in [since, until)."""
        rows = slice(*np.searchsorted(self.times, [since_ms, until_ms]).tolist())
        return Probabilities(self.times[rows], self.prob_up[rows], self.realised[rows])

    def __len__(self) -> int:
        return len(self.times)


def check_distribution(
    learnt: Probabilities,
    holdout: Probabilities,
    recent: Probabilities,
    *,
    horizon: int,
    step_ms: int,
    alpha: float,
) -> Check:
    """Compare how probabilities are distributed now with how they were in the holdout.

    What is usual comes from the rows that the model learnt from: the same index of every stretch
    as long as the recent one against every stretch as long as the holdout that it does not touch.
    (Over learnt rows the probabilities are further from one half; how much the index varies from
    stretch to stretch is asked of them, not how far they are.)

    Parameters
    ----------
    learnt, holdout, recent : Probabilities
        Rows before the holdout, the holdout, and the last rows after the cutoff.
    horizon : int
        Candles that a forecast looks ahead.
    step_ms : int
    alpha : float
    """
    name = "distribution"
    if len(recent) // horizon < LEAST_HORIZONS:
        return _few_forecasts(name, recent, horizon)
    if len(holdout) // horizon < LEAST_HORIZONS:
        return _few_holdout(name, holdout, horizon)
    recent_ms = int(recent.times[-1] - recent.times[0]) + step_ms
    holdout_ms = int(holdout.times[-1] - holdout.times[0]) + step_ms
    span_ms = int(learnt.times[-1] - learnt.times[0]) + step_ms if len(learnt) else 0
    effective = span_ms / (recent_ms + holdout_ms)
    usual = _usual_psi(learnt, recent_ms, holdout_ms, step_ms) if effective >= LEAST_PAIRS else []
    if len(usual) < 2:
        return too_little(name, sentence("few_past", days=span_ms / DAY_MS))
    binning = Binning.of(holdout.prob_up[:, None], PSI_BINS)
    counts = [
        binning.counts(part.prob_up[:, None], np.zeros(len(part), dtype=np.int64), 1)[0]
        for part in (recent, holdout)
    ]
    found = float(psi(counts[0], counts[1], binning.real)[0])
    p = prediction_p(math.log(found + _FLOOR), np.log(np.array(usual) + _FLOOR), effective)
    status = judged(p, alpha)
    middle = float(np.median(usual))
    text = sentence(
        "distribution_drift" if status == DRIFT else "distribution_same",
        recent=recent_ms / DAY_MS,
        psi=found,
        usual=middle,
        p=p,
    )
    shares = [(c[0] / c[0].sum())[binning.real[0]].tolist() for c in counts]
    values = {
        "psi": found,
        "usual_psi": middle,
        "rows": len(recent),
        "reference_rows": len(holdout),
        "edges": binning.edges[0].tolist(),
        "shares": shares[0],
        "reference_shares": shares[1],
    }
    return Check(name, status, text, p, values)


def _usual_psi(learnt: Probabilities, recent_ms: int, holdout_ms: int, step_ms: int) -> list[float]:
    """Return the index of every recent-length stretch against every holdout-length one."""
    part_ms = max(recent_ms // PARTS_OF_A_WINDOW, step_ms)
    end = int(learnt.times[-1]) + step_ms
    back = part_of(learnt.times, end, part_ms)
    parts = int(back.max()) + 1
    place = parts - 1 - back
    long = max(1, round(holdout_ms / part_ms))
    column = learnt.prob_up[:, None]
    found = []
    for start in range(0, parts - long + 1, PARTS_OF_A_WINDOW):
        inside = (place >= start) & (place < start + long)
        if inside.sum() < _LEAST_FILLED * holdout_ms / step_ms:
            continue
        binning = Binning.of(column[inside], PSI_BINS)
        counts = binning.counts(column, place, parts)
        reference = counts[start : start + long].sum(axis=0)
        summed = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
        sliding = summed[PARTS_OF_A_WINDOW:] - summed[:-PARTS_OF_A_WINDOW]
        first = np.arange(len(sliding))
        apart = (first + PARTS_OF_A_WINDOW <= start) | (first >= start + long)
        apart &= sliding[:, 0].sum(axis=-1) >= _LEAST_FILLED * recent_ms / step_ms
        if apart.any():
            found += psi(sliding[apart], reference, binning.real)[:, 0].tolist()
    return found


def check_calibration(
    holdout: Probabilities, recent: Probabilities, *, horizon: int, alpha: float
) -> Check:
    """Ask whether probabilities mean what they meant in the holdout.

    Two differences between the last rows and the holdout: of the mean error (outcome less
    probability), and of its product with the probability (of which one is found where forecasts
    have become too bold or too timid); each over its standard error, which knows that horizons
    overlap. The smaller p-value counts twice.

    Parameters
    ----------
    holdout, recent : Probabilities
        Rows without an outcome are left out; an unchanged price counts one half.
    horizon : int
    alpha : float

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression (bias and slope).
    """
    name = "calibration"
    holdout, recent = _closed(holdout), _closed(recent)
    if len(recent) // horizon < LEAST_HORIZONS:
        return _few_forecasts(name, recent, horizon)
    if len(holdout) // horizon < LEAST_HORIZONS:
        return _few_holdout(name, holdout, horizon)
    centre, spread = float(holdout.prob_up.mean()), float(holdout.prob_up.std())
    if spread == 0:
        return too_little(name, sentence("baseline"))
    errors = [_outcome(part.realised) - part.prob_up for part in (recent, holdout)]
    products = [
        error * (part.prob_up - centre) / spread
        for error, part in zip(errors, (recent, holdout), strict=True)
    ]
    z_bias, z_slope = (_difference(*pair, overlap=horizon) for pair in (errors, products))
    p = min(1.0, 2 * min(2 * normal_p(abs(z)) for z in (z_bias, z_slope)))
    status = judged(p, alpha)
    bias, was = float(errors[0].mean()), float(errors[1].mean())
    text = sentence(
        "calibration_drift" if status == DRIFT else "calibration_same",
        bias=bias,
        was=was,
        z_bias=z_bias,
        z_slope=z_slope,
        p=p,
    )
    values = {
        "bias": bias,
        "reference_bias": was,
        "z_bias": z_bias,
        "z_slope": z_slope,
        "rows": len(recent),
        "reference_rows": len(holdout),
        "brier": float(np.mean(errors[0] ** 2)),
        "reference_brier": float(np.mean(errors[1] ** 2)),
        "reliability": reliability(recent.prob_up, _outcome(recent.realised)),
        "reference_reliability": reliability(holdout.prob_up, _outcome(holdout.realised)),
    }
    return Check(name, status, text, p, values)


def _outcome(realised: Floats) -> Floats:
    return np.where(realised == 0, 0.5, (realised > 0).astype(np.float64))


def _closed(part: Probabilities) -> Probabilities:
    known = np.isfinite(part.realised)
    return Probabilities(part.times[known], part.prob_up[known], part.realised[known])


def _difference(now: Floats, before: Floats, *, overlap: int) -> float:
    error = math.hypot(mean_error(now, overlap), mean_error(before, overlap))
    return float(now.mean() - before.mean()) / error if error > 0 else 0.0


def _few_forecasts(name: str, recent: Probabilities, horizon: int) -> Check:
    horizons = len(recent) // horizon
    text = sentence("few_forecasts", rows=len(recent), horizons=horizons, needed=LEAST_HORIZONS)
    return too_little(name, text, rows=len(recent))


def _few_holdout(name: str, holdout: Probabilities, horizon: int) -> Check:
    horizons = len(holdout) // horizon
    text = sentence("few_holdout", horizons=horizons, needed=LEAST_HORIZONS)
    return too_little(name, text, reference_rows=len(holdout))
