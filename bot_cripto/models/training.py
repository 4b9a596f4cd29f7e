"""Training of the trend, return and risk models on the rows of a snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError
from bot_cripto.labels import average_uniqueness
from bot_cripto.models import apply, calibration
from bot_cripto.models.baseline import train_baseline
from bot_cripto.models.boosting import Binned, Fitted
from bot_cripto.models.dissimilarity import FILE as DISSIMILARITY
from bot_cripto.models.settings import SCALE_FLOOR, TrainingSettings
from bot_cripto.models.snapshot import TrainingData
from bot_cripto.models.split import split
from bot_cripto.models.trained import TrainedModel, check_horizon, describe, measure
from bot_cripto.models.training_cover import training_cover

PART_NAMES = ("train", "validation", "calibration", "holdout")

# Share of rows whose label may be more or less unique than most without all being weighed.
_UNLIKE = 0.02

_MEAN_TARGET_LIMIT = 6.0
_SLOPE_BOUNDS = (0.05, 2.0)
_DIRECTION = {"objective": "binary"}


@dataclass(frozen=True, eq=False)
class Prepared:
    """Rows, their parts and what the three kinds share, binned once.

    Attributes
    ----------
    data : TrainingData
    settings : TrainingSettings
    parts : dict of str to slice
        Rows of train, validation, calibration and holdout.
    unit : ndarray of shape (n,)
        Volatility known at each row for a return over the horizon (decimal).
    weight : ndarray of shape (n,) or None
        Uniqueness of each row's label among the labels of its part; None where nearly all are
        as unique as each other, as labels of one length are but at a gap or the end of a part.
    binned : Binned
    """

    data: TrainingData
    settings: TrainingSettings
    parts: dict[str, slice]
    unit: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    binned: Binned


def prepare(data: TrainingData, settings: TrainingSettings, num_threads: int = 1) -> Prepared:
    """Return the rows split in the order of time and binned.

    Raises
    ------
    ModelError
        There are fewer than `settings.min_rows` rows (train the baseline instead), or the
        data has another horizon than the settings.
    """
    check_horizon(data, settings)
    if len(data) < settings.min_rows:
        raise ModelError(
            f"{len(data)} usable rows are too few to train on, {settings.min_rows} are needed; "
            "fetch more history (HISTORY_DAYS) or let the baseline stand in"
        )
    later = {
        "validation": settings.validation_fraction,
        "calibration": settings.calibration_fraction,
        "holdout": settings.holdout_fraction,
    }
    fractions = {"train": 1.0 - sum(later.values())} | later
    parts = split(data.index, fractions, settings.horizon_steps + settings.embargo_steps)
    for name in PART_NAMES[:3]:
        if parts[name].stop - parts[name].start < settings.horizon_steps:
            raise ModelError(
                f"the {name} part has too few rows: raise {name}_fraction or fetch more history"
            )
    return Prepared(
        data,
        settings,
        parts,
        apply.scale(data.features, data.names, settings.horizon_steps),
        _uniqueness(data.index, parts, settings.horizon_steps),
        Binned(
            data.features, data.names, parts["train"], parts["validation"], settings, num_threads
        ),
    )


def train_trend(prepared: Prepared) -> TrainedModel:
    """Return the classifier of the direction with its calibrated probability.

    It learns the snapshot's trend labels (neutral rows weigh nothing). The training part trains
    it, the validation part stops it, and the calibration part gives the constants of Platt
    scaling, on all its rows, for what prob_up means: a higher close at the horizon (an equal one
    counts half). Trees of as many rounds on all three parts are then what forecasts: the rows
    left out before are the latest and a fifth or more of all. These rows are also what the
    dissimilarity of a candle is measured by.

    Scores are taken from their starting value, the log odds of the share of rises among the rows
    that trained: that share says little of the next rows, so it has no part in prob_up.
    """
    data = prepared.data
    known = np.isfinite(data.trend_label)
    target = np.where(known, data.trend_label, 0.0)
    parts = prepared.parts
    weight = np.zeros(len(data))
    for name in ("train", "validation"):
        rows = np.arange(len(data))[parts[name]]
        rows = rows[known[rows]]
        if len(np.unique(data.trend_label[rows])) < 2:
            raise ModelError(
                f"the {name} part has not both rises and falls outside the neutral band: "
                "lower neutral_band or fetch more history"
            )
        weight[rows] = average_uniqueness(data.index[rows] + 1, data.label_end[rows])
    fitted = prepared.binned.fit(target, weight, _DIRECTION)
    part = parts["calibration"]
    score = _booster(fitted).predict(data.features[part], raw=True)
    slope, intercept = calibration.platt(
        score - _log_odds(target, weight, parts["train"]),
        calibration.rises(data.forward_return[part]),
        independent=_independent(prepared, part),
        slope_bounds=_SLOPE_BOUNDS,
    )
    past = slice(parts["train"].start, part.stop)
    rows = np.flatnonzero(known[: part.stop])
    weight[rows] = average_uniqueness(data.index[rows] + 1, data.label_end[rows])
    fitted = prepared.binned.refit(past, target, weight, _DIRECTION, fitted.rounds)
    intercept -= slope * _log_odds(target, weight, past)
    return _finish(
        "trend",
        prepared,
        {"direction": fitted},
        {"slope": slope, "intercept": intercept},
        {DISSIMILARITY: training_cover(data.features[past]).to_bytes()},
    )


def train_return(prepared: Prepared) -> TrainedModel:
    """Return the quantile models p10, p50, p90 and the mean model of the forward return.

    All learn the return in scales, so that quantiles widen with volatility. The outer
    quantiles are shifted on the calibration rows to cover 90 % each (conformalised quantile
    regression, wider the fewer independent rows there are); the mean is shrunk there to the part
    that the rows bear out.
    """
    data, part = prepared.data, prepared.parts["calibration"]
    target = data.forward_return / prepared.unit
    fitted = {
        name: prepared.binned.fit(
            target, prepared.weight, {"objective": "quantile", "metric": "quantile", "alpha": level}
        )
        for name, level in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))
    }
    fitted["mean"] = prepared.binned.fit(
        np.clip(target, -_MEAN_TARGET_LIMIT, _MEAN_TARGET_LIMIT),
        prepared.weight,
        {"objective": "regression", "metric": "l2", "boost_from_average": False},
    )
    raw = {name: _booster(f).predict(data.features[part]) for name, f in fitted.items()}
    outcome = target[part]
    limited = np.clip(outcome, -_MEAN_TARGET_LIMIT, _MEAN_TARGET_LIMIT)
    independent = _independent(prepared, part)
    return _finish(
        "return",
        prepared,
        fitted,
        {
            "p10_shift": -calibration.conformal_shift(
                raw["p10"] - outcome, 0.9, independent=independent
            ),
            "p50_shift": 0.0,
            "p90_shift": calibration.conformal_shift(
                outcome - raw["p90"], 0.9, independent=independent
            ),
            "mean_slope": calibration.shrunk_slope(raw["mean"], limited, independent=independent),
        },
    )


def train_risk(prepared: Prepared) -> TrainedModel:
    """Return the model of the realised volatility over the horizon.

    It learns the logarithm of realised volatility in scales; the way back from the logarithm
    is corrected for its bias by the mean of the exponential of the calibration residuals.

    References
    ----------
    Duan (1983), Smearing estimate: a nonparametric retransformation method.
    """
    data, part = prepared.data, prepared.parts["calibration"]
    ratio = np.maximum(data.realised_volatility, SCALE_FLOOR) / prepared.unit
    target = np.log(ratio)
    fitted = prepared.binned.fit(
        target, prepared.weight, {"objective": "regression", "metric": "l2"}
    )
    booster = _booster(fitted)
    smearing = float(np.mean(np.exp(target[part] - booster.predict(data.features[part]))))
    # One row a horizon: ranks move by less than half a percent, predictions cost a fifth.
    seen = slice(0, part.stop, prepared.settings.horizon_steps)
    forecast = np.exp(booster.predict(data.features[seen])) * smearing * prepared.unit[seen]
    return _finish(
        "risk",
        prepared,
        {"volatility": fitted},
        {"smearing": smearing, "volatility_quantiles": calibration.quantile_grid(forecast)},
    )


TRAINERS = {"trend": train_trend, "return": train_return, "risk": train_risk}
"""The function that trains each kind, from prepared rows."""


def train(
    kind: str, data: TrainingData, settings: TrainingSettings, num_threads: int = 1
) -> TrainedModel:
    """Return a trained model of one kind: trend, return, risk or baseline.

    To train several kinds on the same rows, `prepare` once and call `TRAINERS`: the models
    are the same, the binning is done once.

    Raises
    ------
    ModelError
        The rows are too few; see `prepare` and `train_baseline`.
    """
    if kind == "baseline":
        return train_baseline(data, settings)
    return TRAINERS[kind](prepare(data, settings, num_threads))


def _booster(fitted: Fitted) -> apply.Booster:
    return apply.Booster.from_text(fitted.text)


def _log_odds(target: NDArray[np.float64], weight: NDArray[np.float64], rows: slice) -> float:
    """Return the log odds of the weighted share of 1, where LightGBM's scores start."""
    share = float(np.average(target[rows], weights=weight[rows]))
    return math.log(share / (1.0 - share))


def _uniqueness(
    index: NDArray[np.int64], parts: Mapping[str, slice], horizon: int
) -> NDArray[np.float64] | None:
    """Return the uniqueness of each row's label in its part; None where it hardly varies."""
    weight = np.zeros(len(index))
    for part in parts.values():
        weight[part] = average_uniqueness(index[part] + 1, index[part] + horizon)
    used = np.concatenate([weight[parts[name]] for name in PART_NAMES[:2]])
    unlike = np.abs(used / np.median(used) - 1.0) > _UNLIKE
    return weight if np.mean(unlike) > _UNLIKE else None


def _independent(prepared: Prepared, part: slice) -> float:
    """Return how many non-overlapping labels the rows of a part are worth."""
    return max(1.0, (part.stop - part.start) / prepared.settings.horizon_steps)


def _finish(
    kind: str,
    prepared: Prepared,
    fitted: Mapping[str, Fitted],
    constants: dict[str, Any],
    more_files: Mapping[str, bytes] | None = None,
) -> TrainedModel:
    """Return the trained model, measured on the holdout part through its own forecasts."""
    data = prepared.data
    files = {f"{name}.txt": f.text.encode() for name, f in fitted.items()} | dict(more_files or {})
    rounds = {name: f.rounds for name, f in fitted.items()}
    metadata = describe(data, prepared.settings, prepared.parts, constants, rounds)
    metadata["calibration_independent"] = int(_independent(prepared, prepared.parts["calibration"]))
    model = apply.make_model(kind, metadata, files)
    return TrainedModel(
        kind,
        files,
        metadata,
        measure(model, data, prepared.parts["holdout"]),
        {name: f.importance for name, f in fitted.items()},
    )
