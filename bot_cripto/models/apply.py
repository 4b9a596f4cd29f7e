"""From feature rows to forecasts: the one place where calibration is applied.

Training measures itself with it, the backtest and the live path forecast with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError
from bot_cripto.models.calibration import rank_in, sigmoid
from bot_cripto.models.predictor import Booster
from bot_cripto.models.settings import SCALE_FEATURE, SCALE_FLOOR

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

KINDS = ("trend", "return", "risk")
"""The kinds that LightGBM models forecast together."""

COLUMNS = {
    "trend": ("prob_up",),
    "return": ("expected_return", "p10", "p50", "p90"),
    "risk": ("volatility", "risk_rank"),
}
"""What each kind forecasts; the baseline forecasts all of it."""


@dataclass(frozen=True)
class Model:
    """A model ready to forecast.

    Attributes
    ----------
    kind : str
        trend, return, risk or baseline.
    metadata : mapping
        `features` (names in order), `horizon_steps` and `calibration` are used here.
    boosters : mapping of str to Booster
        By the name of their file without the suffix.
    """

    kind: str
    metadata: Mapping[str, Any]
    boosters: Mapping[str, Booster]


def make_model(kind: str, metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> Model:
    """Return the model of a version's metadata and verified files."""
    boosters = {
        name.removesuffix(".txt"): Booster.from_text(content)
        for name, content in files.items()
        if name.endswith(".txt")
    }
    return Model(kind, metadata, boosters)


def scale(features: NDArray[np.float32], names: tuple[str, ...], horizon: int) -> Floats:
    """Return the volatility known at each row for a return over the horizon (decimal)."""
    known = features[:, names.index(SCALE_FEATURE)].astype(np.float64)
    return np.maximum(known, SCALE_FLOOR) * np.sqrt(horizon)


def predict(model: Model, features: NDArray[np.float32]) -> Columns:
    """Return the columns that the model forecasts, one value a row.

    Parameters
    ----------
    model : Model
    features : ndarray of shape (n, n_features), float32
        In the order of the model's features. LightGBM takes NaN as missing; the live path
        refuses such rows before it comes here.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        See `COLUMNS`; units as in `bot_cripto.forecast.Forecast`.
    """
    names = tuple(model.metadata["features"])
    if features.ndim != 2 or features.shape[1] != len(names):
        raise ModelError(
            f"the {model.kind} model takes {len(names)} features a row, "
            f"the matrix has the shape {features.shape}"
        )
    unit = scale(features, names, model.metadata["horizon_steps"])
    return _APPLY[model.kind](model, features, unit)


def _trend(model: Model, features: NDArray[np.float32], unit: Floats) -> Columns:
    calibration = model.metadata["calibration"]
    score = model.boosters["direction"].predict(features, raw=True)
    return {"prob_up": sigmoid(calibration["slope"] * score + calibration["intercept"])}


def _return(model: Model, features: NDArray[np.float32], unit: Floats) -> Columns:
    calibration = model.metadata["calibration"]
    columns = np.column_stack(
        [
            model.boosters[name].predict(features) + calibration[f"{name}_shift"]
            for name in ("p10", "p50", "p90")
        ]
    )
    # Sorting each row is the rearrangement of Chernozhukov, Fernandez-Val, Galichon (2010).
    columns = np.sort(columns, axis=1) * unit[:, None]
    mean = model.boosters["mean"].predict(features) * calibration["mean_slope"]
    return {
        "expected_return": mean * unit,
        "p10": columns[:, 0],
        "p50": columns[:, 1],
        "p90": columns[:, 2],
    }


def _risk(model: Model, features: NDArray[np.float32], unit: Floats) -> Columns:
    calibration = model.metadata["calibration"]
    log_ratio = model.boosters["volatility"].predict(features)
    volatility = np.exp(log_ratio) * calibration["smearing"] * unit
    return {
        "volatility": volatility,
        "risk_rank": rank_in(calibration["volatility_quantiles"], volatility),
    }


def _baseline(model: Model, features: NDArray[np.float32], unit: Floats) -> Columns:
    calibration = model.metadata["calibration"]
    volatility = calibration["volatility_ratio"] * unit
    constant = np.ones(len(unit))
    return {
        "prob_up": constant * calibration["prob_up"],
        "expected_return": constant * 0.0,
        "p10": calibration["p10"] * unit,
        "p50": calibration["p50"] * unit,
        "p90": calibration["p90"] * unit,
        "volatility": volatility,
        "risk_rank": rank_in(calibration["volatility_quantiles"], volatility),
    }


_APPLY = {"trend": _trend, "return": _return, "risk": _risk, "baseline": _baseline}
