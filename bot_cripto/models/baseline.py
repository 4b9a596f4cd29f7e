"""The plain model that stands in where too little data exists, and says so."""

from __future__ import annotations

import numpy as np

from bot_cripto.errors import ModelError
from bot_cripto.models import apply, calibration
from bot_cripto.models.dissimilarity import FILE as DISSIMILARITY
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import TrainingData
from bot_cripto.models.split import split
from bot_cripto.models.trained import TrainedModel, check_horizon, describe, measure
from bot_cripto.models.training_cover import training_cover


def train_baseline(data: TrainingData, settings: TrainingSettings) -> TrainedModel:
    """Return a model of constants: nothing is learnt of the features but the volatility.

    The probability is the share of rises, drawn to one half as if `horizon` times 50 more
    candles had shown no direction; the expected return is 0; the quantiles are those of past
    returns in scales; the forecast volatility is the present one times a constant ratio.

    Raises
    ------
    ModelError
        There are fewer than `settings.baseline_min_rows` rows.
    """
    check_horizon(data, settings)
    if len(data) < settings.baseline_min_rows:
        raise ModelError(
            f"{len(data)} usable rows are too few even for the baseline, "
            f"{settings.baseline_min_rows} are needed; fetch more history (HISTORY_DAYS)"
        )
    holdout = settings.holdout_fraction
    gap = settings.horizon_steps + settings.embargo_steps
    parts = split(data.index, {"train": 1.0 - holdout, "holdout": holdout}, gap)
    part = parts["train"]
    unit = apply.scale(data.features, data.names, settings.horizon_steps)[part]
    outcome = data.forward_return[part]
    p10, p50, p90 = np.quantile(outcome / unit, [0.1, 0.5, 0.9]).tolist()
    rises, falls = np.sum(outcome > 0), np.sum(outcome < 0)
    prior = 25.0 * settings.horizon_steps
    ratio = float(np.mean(data.realised_volatility[part]) / np.mean(unit))
    constants = {
        "prob_up": float((rises + prior) / (rises + falls + 2 * prior)),
        "p10": p10,
        "p50": p50,
        "p90": p90,
        "volatility_ratio": ratio,
        "volatility_quantiles": calibration.quantile_grid(ratio * unit),
    }
    metadata = describe(data, settings, parts, constants, {})
    model = apply.make_model("baseline", metadata, {})
    files = {DISSIMILARITY: training_cover(data.features[part]).to_bytes()}
    return TrainedModel("baseline", files, metadata, measure(model, data, parts["holdout"]), {})
