"""The forecast: what the models say of one closed candle, before any decision."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelUse:
    """Which version of one kind of model spoke.

    Attributes
    ----------
    version : str
        Folder name of the version.
    sha256 : str
        Hash of the version's files, as its metadata states it.
    mlflow_run_id : str or None
        The MLflow run that recorded its training.
    """

    version: str
    sha256: str
    mlflow_run_id: str | None


@dataclass(frozen=True)
class Forecast:
    """What is expected of a symbol over the next `horizon_steps` candles.

    Attributes
    ----------
    prob_up : float
        Calibrated probability in [0, 1] that the close is higher at the horizon.
    expected_return, p10, p50, p90 : float
        Mean and quantiles of the simple return over the horizon (decimal), p10 <= p50 <= p90.
    volatility : float
        Forecast realised volatility over the whole horizon (decimal).
    risk_score : float
        `volatility` relative to MODEL_RISK_VOL_REF, clipped to [0, 1].
    risk_rank : float
        Rank of `volatility` in the training distribution, in [0, 1].
    models : dict
        `ModelUse` by kind (trend, return, risk; or baseline).
    notes : tuple of str
        Sentences an operator must see, e.g. that the baseline stands in.
    outside : tuple of str
        Features of the candle outside the range of the training data.
    features : int
        How many features were held against that range; 0 where no model splits on any.
    trained_until_ms : int or None
        Training cutoff of the oldest model in use, milliseconds since the epoch, UTC.
    dissimilarity : float or None
        Distance of the candle's features from the rows that the trend model was trained on, 1
        where only one in a hundred of these is as far from those of other times; None: the model
        was made before it was measured.
    """

    prob_up: float
    expected_return: float
    p10: float
    p50: float
    p90: float
    volatility: float
    risk_score: float
    risk_rank: float
    models: dict[str, ModelUse] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    features: int = 0
    trained_until_ms: int | None = None
    dissimilarity: float | None = None
