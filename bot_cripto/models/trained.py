"""A trained model before it becomes a version, and what every kind of training shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot_cripto import metrics
from bot_cripto.errors import ModelError
from bot_cripto.models import apply
from bot_cripto.models.settings import SCALE_FEATURE, SCALE_FLOOR, TrainingSettings
from bot_cripto.models.snapshot import TrainingData
from bot_cripto.timeframes import iso, timeframe_ms


@dataclass(frozen=True)
class TrainedModel:
    """A model before it becomes a version.

    Attributes
    ----------
    kind : str
        trend, return, risk or baseline.
    files : dict of str to bytes
        Content by file name.
    metadata : dict
        Features in order, horizon, calibration, parts, rounds, settings; JSON can hold it.
    metrics : dict of str to float
        Measured on the holdout part, which nothing before has seen; empty without one.
    importance : dict of str to dict of str to float
        Share of the gain by feature, by file.
    """

    kind: str
    files: dict[str, bytes]
    metadata: dict[str, Any]
    metrics: dict[str, float]
    importance: dict[str, dict[str, float]]


def check_horizon(data: TrainingData, settings: TrainingSettings) -> None:
    """Raise ModelError where the data was labelled for another horizon than the settings'."""
    if data.horizon_steps != settings.horizon_steps:
        raise ModelError(
            f"the snapshot is labelled for {data.horizon_steps} candles ahead, the settings say "
            f"{settings.horizon_steps}: build the snapshot again"
        )


def describe_parts(data: TrainingData, parts: Mapping[str, slice]) -> dict[str, Any]:
    """Return rows, first and last candle (by open time) and last label time of each part."""
    step = timeframe_ms(data.timeframe)
    described = {}
    for name, part in parts.items():
        if part.stop > part.start:
            times = data.open_time[part]
            described[name] = {
                "rows": int(part.stop - part.start),
                "first_candle": iso(int(times[0])),
                "last_candle": iso(int(times[-1])),
                "labels_end": iso(int(times[-1]) + (data.horizon_steps + 1) * step),
            }
    return described


def describe(
    data: TrainingData,
    settings: TrainingSettings,
    parts: Mapping[str, slice],
    calibration: dict[str, Any],
    rounds: dict[str, int],
) -> dict[str, Any]:
    """Return the metadata that training itself knows; JSON can hold it."""
    return {
        "features": list(data.names),
        "horizon_steps": data.horizon_steps,
        "timeframe": data.timeframe,
        "scale": {"feature": SCALE_FEATURE, "floor": SCALE_FLOOR},
        "calibration": calibration,
        "parts": describe_parts(data, parts),
        "rounds": rounds,
        "settings": settings.of_training(),
    }


def measure(model: apply.Model, data: TrainingData, rows: slice) -> dict[str, float]:
    """Return the metrics of a model's forecasts on rows that it has not seen."""
    if rows.stop <= rows.start:
        return {}
    forecasts = apply.predict(model, data.features[rows])
    return metrics.evaluate(
        forecasts,
        data.forward_return[rows],
        data.realised_volatility[rows],
    )
