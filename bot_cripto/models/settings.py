"""Everything that shapes training, with defaults that suit five-minute candles."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

SCALE_FEATURE = "realised_volatility_48"
"""The feature that stands for the volatility known at a candle."""

SCALE_FLOOR = 1e-5
"""Least volatility of one candle (decimal) that anything is divided by."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of training; equal settings, data and code give byte-identical models.

    *Scale* below is the volatility known at a candle: the feature `SCALE_FEATURE` (floored at
    `SCALE_FLOOR`) times the square root of the horizon, a decimal return.

    Attributes
    ----------
    horizon_steps : int
        Candles ahead that every forecast is about.
    label : {"direction", "triple_barrier"}
        What the trend model learns; its probability is calibrated on the direction either way.
    neutral_band : float
        Rows whose return is within this many scales of 0 teach the trend model nothing.
    barrier_up, barrier_down : float
        Distance of the barriers, in scales.
    rounds, early_stopping_rounds : int
        Most trees of one model; rounds without a better validation loss before it stops.
    learning_rate, num_leaves, feature_fraction, bagging_fraction, lambda_l2, max_bin
        LightGBM's parameters of those names (a new bag each round).
    min_leaf_fraction : float
        Least share of the training rows in a leaf. Large leaves are what generalises here:
        neighbouring rows are near copies of each other, so a leaf of few rows is one event.
    seed : int
        Seed of everything random in training.
    validation_fraction, calibration_fraction, holdout_fraction : float
        Shares of the rows, in the order of time after the training part, that stop training
        early, calibrate, and give the honest metrics.
    embargo_steps : int
        Candles left out between two parts, beyond the horizon that is always left out.
    min_rows, baseline_min_rows : int
        Rows below which only the baseline is trained, and below which nothing is.
    model_risk_vol_ref : float
        Volatility over the horizon (decimal) at which the risk score is 1; used by forecasts.
    """

    horizon_steps: int = 5
    label: Literal["direction", "triple_barrier"] = "direction"
    neutral_band: float = 0.1
    barrier_up: float = 1.0
    barrier_down: float = 1.0
    rounds: int = 300
    early_stopping_rounds: int = 40
    learning_rate: float = 0.04
    num_leaves: int = 15
    min_leaf_fraction: float = 0.025
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.7
    lambda_l2: float = 1.0
    max_bin: int = 127
    seed: int = 1
    validation_fraction: float = 0.1
    calibration_fraction: float = 0.1
    holdout_fraction: float = 0.1
    embargo_steps: int = 12
    min_rows: int = 4000
    baseline_min_rows: int = 500
    model_risk_vol_ref: float = 0.02

    def of_training(self) -> dict[str, Any]:
        """Return the settings that shape a trained model, by name."""
        values = asdict(self)
        del values["model_risk_vol_ref"]
        return values
