"""A configuration that was tried: what makes it another one, and what is kept of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot_cripto.decision.thresholds import POLICY_KEYS
from bot_cripto.execution.desk import STATE_KEYS
from bot_cripto.provenance import sha256_json

_NO_CHOICE = {
    *("symbols", "source", "source_name", "market", "exchange", "exchange_base_url"),
    *("live_mode", "initial_equity", "max_data_age_candles"),
}
CHOICES: tuple[str, ...] = tuple(
    sorted(
        ((POLICY_KEYS | set(STATE_KEYS)) - _NO_CHOICE)
        | {"training", "folds", "fold_window", "fill_candles", "model_risk_vol_ref", "history_days"}
        | {"regime_adx_trend_min", "regime_atr_high_vol_pct"}
    )
)
"""Settings that make a configuration: another value of one of them is another trial."""

METRICS = (
    *("auc", "brier", "ece", "log_loss", "coverage80"),
    *("net_return", "gross_return", "sharpe", "sortino", "day_sharpe", "max_drawdown", "calmar"),
    *("trades", "hit_rate", "profit_factor", "average_trade", "exposure", "turnover"),
    *("costs_paid", "break_even_cost_bps", "psr", "dsr", "trials", "min_track_record_days"),
)
"""Numbers of a backtest's result that are recorded, by their names there."""

Origin = Literal["backtest", "tune", "scan"]


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried, and what it came to.

    Attributes
    ----------
    config_sha256 : str
        From `trial_sha256`: equal configurations are one trial.
    origin : {"backtest", "tune", "scan"}
        What tried it.
    timeframe : str
    horizon_steps : int
    day_sharpe : float or None
        Sharpe ratio of daily net returns, not annualised; None where it is undefined.
    params : dict
        From `trial_params`, flat.
    metrics : dict of str to float or None
        None and NaN are left out.
    artefacts : dict of str to str
        Texts by file name.
    note : str
        What MLflow's page shows as the description.
    """

    config_sha256: str
    origin: Origin
    timeframe: str
    horizon_steps: int
    day_sharpe: float | None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    artefacts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def trial_sha256(settings: Mapping[str, Any]) -> str:
    """Return the hash of the configuration in some settings.

    What is no choice plays no part: symbol, market and cutoff, folders, language, equity.

    Raises
    ------
    KeyError
        One of `CHOICES` is missing: the hash would be that of another configuration.
    """
    return sha256_json({name: settings[name] for name in CHOICES})


def trial_params(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration flat, sections with a dot: ``training.rounds``."""
    flat: dict[str, Any] = {}
    for name in CHOICES:
        value = settings[name]
        inner = value.items() if isinstance(value, Mapping) else None
        flat |= {name: value} if inner is None else {f"{name}.{key}": v for key, v in inner}
    return flat


def backtest_trial(
    settings: Mapping[str, Any], result: Mapping[str, Any], artefacts: Mapping[str, str]
) -> Trial:
    """Return the trial of a backtest; `result` as its schema describes it."""
    return Trial(
        trial_sha256(settings),
        "backtest",
        result["timeframe"],
        result["horizon_steps"],
        result["day_sharpe"],
        trial_params(settings),
        {name: result[name] for name in METRICS},
        artefacts,
        result["verdict"],
    )
