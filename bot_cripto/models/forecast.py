"""The forecast of the models in use, for one closed candle or many rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import DataError, ModelError
from bot_cripto.forecast import Forecast
from bot_cripto.models import apply
from bot_cripto.models.champion import Champion
from bot_cripto.models.in_use import Loaded, Subject, load_champion
from bot_cripto.models.training_range import TrainingRange

__all__ = [
    "Loaded",
    "Subject",
    "forecast_of",
    "forecast_row",
    "forecast_rows",
    "forecasts",
    "load_champion",
    "outside_share",
    "risk_score",
]


def forecast_rows(loaded: Loaded, features: NDArray[np.float32]) -> apply.Columns:
    """Return the forecast columns of many rows, one value each.

    Parameters
    ----------
    loaded : Loaded
    features : ndarray of shape (n, n_features), float32
        All finite, in the order of today's features.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Every column of `bot_cripto.models.apply.COLUMNS`.
    """
    columns: apply.Columns = {}
    for kind, names in apply.COLUMNS.items():
        forecast = apply.predict(loaded.models[kind], features)
        columns |= {name: forecast[name] for name in names}
    return columns


def outside_share(loaded: Loaded, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of features outside the range of the training data, one a row.

    Parameters
    ----------
    loaded : Loaded
        As `load_champion` or `Loaded.of` returned it.
    features : ndarray of shape (n, n_features), float32

    Returns
    -------
    ndarray of shape (n,), in [0, 1]
    """
    return _range(loaded).share(features)


def risk_score(volatility: NDArray[np.float64], vol_ref: float) -> NDArray[np.float64]:
    """Return the volatility relative to MODEL_RISK_VOL_REF, clipped to [0, 1]."""
    return np.clip(volatility / vol_ref, 0.0, 1.0)


def forecast_row(
    models_dir: Path | str,
    champion: Champion | None,
    subject: Subject,
    names: tuple[str, ...],
    row: NDArray[np.float32],
    *,
    vol_ref: float,
) -> Forecast:
    """Return the forecast of the models in use for one closed candle.

    Parameters
    ----------
    models_dir : Path or str
    champion : Champion or None
    subject : Subject
    names : tuple of str
        Names of the features of `row`, in order.
    row : ndarray of shape (n_features,), float32
    vol_ref : float
        MODEL_RISK_VOL_REF: volatility over the horizon (decimal) that scores 1.

    Raises
    ------
    ModelError
        See `load_champion`; or `names` are not what the models were trained on.
    DataError
        A feature is NaN or infinite, or a forecast is.
    """
    broken = [name for name, value in zip(names, row, strict=True) if not np.isfinite(value)]
    if broken:
        more = f" and {len(broken) - 8} more" if len(broken) > 8 else ""
        raise DataError(
            f"{subject.symbol} {subject.timeframe}: no value for {', '.join(broken[:8])}{more}: "
            "the candles that they look back on are missing or too few; fetch them"
        )
    loaded = load_champion(models_dir, champion, subject)
    return forecast_of(loaded, subject, names, row, vol_ref=vol_ref)


def forecast_of(
    loaded: Loaded,
    subject: Subject,
    names: tuple[str, ...],
    row: NDArray[np.float32],
    *,
    vol_ref: float,
) -> Forecast:
    """Return the forecast of models at hand for one closed candle; see `forecast_row`.

    Raises
    ------
    ModelError
        `names` are not what the models were trained on.
    DataError
        A forecast is NaN or infinite.
    """
    for model in loaded.models.values():
        if tuple(model.metadata["features"]) != tuple(names):
            raise ModelError(
                f"the {model.kind} model of {subject.symbol} was trained on other features; "
                "run: snakemake retrain"
            )
    return forecasts(loaded, names, np.asarray(row, dtype=np.float32)[None, :], vol_ref=vol_ref)[0]


def forecasts(
    loaded: Loaded, names: tuple[str, ...], matrix: NDArray[np.float32], *, vol_ref: float
) -> list[Forecast]:
    """Return the forecast of each row.

    Parameters
    ----------
    loaded : Loaded
    names : tuple of str
        Names of the columns, those that the models were trained on.
    matrix : ndarray of shape (n, n_features), float32
        All finite.
    vol_ref : float
        See `forecast_row`.

    Raises
    ------
    DataError
        A forecast is not finite.
    """
    columns = forecast_rows(loaded, matrix)
    broken = {name: column for name, column in columns.items() if not np.isfinite(column).all()}
    if broken:
        name, column = next(iter(broken.items()))
        raise DataError(f"a forecast is not finite: {name} is {column[~np.isfinite(column)][0]}")
    columns["risk_score"] = risk_score(columns["volatility"], vol_ref)
    known = _range(loaded)
    outside = known.outside(matrix)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    unlike = [None] * len(matrix)
    if loaded.dissimilarity is not None:
        unlike = loaded.dissimilarity.of(matrix).tolist()
    return [
        Forecast(
            **dict(zip(columns, values, strict=True)),
            models=loaded.uses,
            notes=loaded.notes,
            outside=tuple(name for name, is_out in zip(names, out, strict=True) if is_out)
            if any(out)
            else (),
            features=known.judged,
            trained_until_ms=loaded.trained_until_ms,
            dissimilarity=apart,
        )
        for values, out, apart in zip(rows, outside.tolist(), unlike, strict=True)
    ]


def _range(loaded: Loaded) -> TrainingRange:
    if loaded.trained_range is None:
        raise ModelError("the training range of the models was not read; make them by Loaded.of")
    return loaded.trained_range
