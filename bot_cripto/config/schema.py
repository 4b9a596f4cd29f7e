"""The one schema of every setting: names, types, ranges and defaults.

`config/config.yaml` explains each setting to people; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from bot_cripto.errors import ConfigError
from bot_cripto.symbols import check_symbol
from bot_cripto.timeframes import TIMEFRAMES, iso, parse_iso


def _listed(value: Any) -> Any:
    """Accept ``A,B`` (environment, command line) where a list is meant."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _texted(value: Any) -> Any:
    """Accept an empty value of YAML (``archive:``) as the empty text."""
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_texted)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _address(value: str) -> str:
    """Accept the empty text, or an address with a host and without a password."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("allowed: an address like https://example.org:8081")
    return value


Url = Annotated[
    str,
    BeforeValidator(_texted),
    Field(pattern=r"^(https?://[^\s@?#]+)?$"),
    AfterValidator(_address),
]
BasisPoints = Annotated[float, Field(ge=0, le=1000)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )


class Simulated(_Section):
    """The embedded, made-up market."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 19
    edge: Annotated[float, Field(ge=0, lt=1)] = 0.35
    outages: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class Training(_Section):
    """How models are trained; a test keeps names and defaults equal to `TrainingSettings`."""

    label: Literal["direction", "triple_barrier"] = "direction"
    neutral_band: Annotated[float, Field(ge=0, le=3)] = 0.1
    barrier_up: Annotated[float, Field(gt=0, le=20)] = 1.0
    barrier_down: Annotated[float, Field(gt=0, le=20)] = 1.0
    rounds: Annotated[int, Field(ge=1, le=5000)] = 300
    early_stopping_rounds: Annotated[int, Field(ge=1, le=1000)] = 40
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    num_leaves: Annotated[int, Field(ge=2, le=1024)] = 15
    min_leaf_fraction: Annotated[float, Field(gt=0, le=0.5)] = 0.025
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    lambda_l2: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    max_bin: Annotated[int, Field(ge=15, le=255)] = 127
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    validation_fraction: Annotated[float, Field(gt=0, le=0.3)] = 0.1
    calibration_fraction: Annotated[float, Field(gt=0, le=0.3)] = 0.1
    holdout_fraction: Annotated[float, Field(gt=0, le=0.3)] = 0.1
    embargo_steps: Annotated[int, Field(ge=0, le=10_000)] = 12
    min_rows: Annotated[int, Field(ge=1000)] = 4000
    baseline_min_rows: Annotated[int, Field(ge=100)] = 500


class Promotion(_Section):
    """When a challenger becomes champion."""

    min_gain: Fraction = 0.002
    min_trades: Annotated[int, Field(ge=1, le=100_000)] = 30
    min_standard_errors: Annotated[float, Field(ge=0, le=10)] = 1.65
    loss_tolerance: Fraction = 0.01
    recent_days: Annotated[float, Field(gt=0, le=3650)] = 14


class Rollback(_Section):
    """What `snakemake rollback` does; given on the command line for that run alone."""

    symbol: Text = ""
    kind: Literal["", "trend", "return", "risk", "baseline"] = ""
    to: Text = ""
    reason: Text = ""
    mark_bad: bool = False


class Drift(_Section):
    """What `snakemake drift` compares."""

    recent_days: Annotated[float, Field(ge=0.5, le=365)] = 7
    performance_days: Annotated[float, Field(ge=1, le=3650)] = 60
    false_alarm_rate: Annotated[float, Field(gt=0, le=0.5)] = 0.05


class Scan(_Section):
    """What `snakemake scan` tries."""

    timeframes: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)] = [
        "5m",
        "15m",
        "1h",
    ]
    horizons: Annotated[
        list[Annotated[int, Field(ge=1, le=288)]], BeforeValidator(_listed), Field(min_length=1)
    ] = [1, 5, 12]
    cost_shares: Annotated[
        list[Annotated[float, Field(ge=0, le=10)]], BeforeValidator(_listed), Field(min_length=1)
    ] = [0, 0.25, 0.5, 1]

    @field_validator("timeframes")
    @classmethod
    def _timeframes(cls, value: list[str]) -> list[str]:
        if not set(value) <= set(TIMEFRAMES):
            raise ValueError(f"allowed: {', '.join(TIMEFRAMES)}")
        return value


class Settings(_Section):
    """Every setting of the bot, after all origins are merged."""

    # what to watch
    symbols: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)] = ["BTC/USDT"]
    timeframe: str = "5m"
    horizon_steps: Annotated[int, Field(ge=1, le=288)] = 5

    # where candles come from
    source: Literal["simulated", "archive", "exchange"] = "simulated"
    simulated: Simulated = Simulated()
    archive: Text = ""
    archive_symbol: Text = ""
    archive_timeframe: Text = ""
    exchange: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = "binance"
    exchange_base_url: Url = ""
    history_days: Annotated[int, Field(ge=1, le=3650)] = 120
    as_of: Text = ""
    fill_candles: Annotated[int, Field(ge=0, le=288)] = 12
    fetch_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10
    fetch_budget_s: Annotated[float, Field(gt=0, le=3600)] = 90
    fetch_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    fetch_late_s: Annotated[float, Field(ge=0, le=120)] = 20
    fetch_workers: Annotated[int, Field(ge=1, le=32)] = 4

    # models
    training: Training = Training()
    training_cutoff: Text = ""
    folds: Annotated[int, Field(ge=2, le=20)] = 4
    fold_window: Literal["expanding", "rolling"] = "expanding"
    model_risk_vol_ref: Annotated[float, Field(gt=0, le=1)] = 0.02
    promotion: Promotion = Promotion()
    keep_versions: Annotated[int, Field(ge=1, le=10_000)] = 10
    keep_champion_days: Annotated[float, Field(ge=0, le=36_500)] = 365
    rollback: Rollback = Rollback()
    scan: Scan = Scan()
    drift: Drift = Drift()
    retrain_on_drift: bool = False
    retrain_min_hours: Annotated[float, Field(gt=0, le=8760)] = 24

    # decision
    prob_min: Annotated[float, Field(ge=0.5, le=1)] = 0.60
    min_expected_return: Annotated[float, Field(ge=0, le=1)] = 0.002
    risk_max: Fraction = 0.30
    regime_adx_trend_min: Annotated[float, Field(ge=0, le=100)] = 20
    regime_atr_high_vol_pct: Annotated[float, Field(gt=0, le=1)] = 0.02
    allow_range: bool = False
    allow_high_vol: bool = False
    max_model_age_days: Annotated[float, Field(gt=0, le=3650)] = 30
    max_outside_share: Fraction = 0.1
    max_dissimilarity: Annotated[float, Field(gt=0, le=1000)] = 1.0
    block_on_drift: bool = True

    # costs of a fill, in basis points of its notional
    fees_bps: BasisPoints = 10
    spread_bps: BasisPoints = 2
    slippage_bps: BasisPoints = 3
    funding_bps: Annotated[float, Field(ge=0, le=100)] = 1

    # money
    initial_equity: Annotated[float, Field(gt=0)] = 10000
    risk_per_trade: Annotated[float, Field(gt=0, le=0.1)] = 0.01
    max_position_size: Annotated[float, Field(gt=0, le=1)] = 1
    max_daily_drawdown: Annotated[float, Field(gt=0, le=1)] = 0.03
    max_weekly_drawdown: Annotated[float, Field(gt=0, le=1)] = 0.07
    risk_cooldown_minutes: Annotated[float, Field(ge=0, le=10080)] = 15
    max_consecutive_losses: Annotated[int, Field(ge=1, le=1000)] = 6
    max_tail_loss: Annotated[float, Field(gt=0, le=1)] = 0.02
    max_total_exposure: Annotated[float, Field(gt=0, le=10)] = 1
    max_correlated_exposure: Annotated[float, Field(gt=0, le=10)] = 1
    correlation_min: Fraction = 0.7
    target_volatility: Annotated[float, Field(gt=0, le=0.1)] = 0.01
    kelly_fraction: Annotated[float, Field(gt=0, le=1)] = 0.25
    min_position_size: Annotated[float, Field(gt=0, le=1)] = 0.005
    stop_volatilities: Annotated[float, Field(gt=0, le=20)] = 2
    target_volatilities: Annotated[float, Field(ge=0, le=50)] = 0

    # execution
    market_type: Literal["spot", "margin", "swap"] = "spot"
    live_mode: bool = False
    live_max_daily_loss: Annotated[float, Field(gt=0, le=1)] = 0.03
    live_max_orders_per_day: Annotated[int, Field(ge=1, le=10_000)] = 60
    live_max_notional_per_day: Annotated[float, Field(gt=0)] = 50_000
    live_stop_limit_bps: BasisPoints = 50
    live_recv_window_ms: Annotated[int, Field(ge=100, le=60_000)] = 5000

    # messages
    telegram_base_url: Url = ""
    language: Literal["en", "es"] = "en"
    summary_hour: Annotated[int, Field(ge=0, le=23)] = 0
    notify_retry_hours: Annotated[float, Field(gt=0, le=720)] = 48

    # folders
    state_dir: Text = ""
    data_dir: Text = ""
    models_dir: Text = ""
    logs_dir: Text = ""

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, value: list[str]) -> list[str]:
        try:
            for symbol in value:
                check_symbol(symbol)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if len(set(value)) != len(value):
            raise ValueError("a symbol stands twice in the list")
        return value

    @field_validator("timeframe", "archive_timeframe")
    @classmethod
    def _timeframe(cls, value: str, info: Any) -> str:
        if value not in TIMEFRAMES and not (value == "" and info.field_name != "timeframe"):
            raise ValueError(f"allowed: {', '.join(TIMEFRAMES)}")
        return value

    @field_validator("as_of", "training_cutoff", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> str:
        if value is None or value == "":
            return ""
        try:
            return iso(parse_iso(str(value)))
        except ValueError:
            raise ValueError("allowed: an ISO 8601 time like 2024-09-06T04:45:00Z") from None

    @field_validator("archive_symbol")
    @classmethod
    def _archive_symbol(cls, value: str) -> str:
        return check_symbol(value) if value else value

    @field_validator("live_mode")
    @classmethod
    def _live_needs_an_exchange_and_the_present(cls, value: bool, info: Any) -> bool:
        if value and info.data.get("source") != "exchange":
            raise ValueError("live trading is allowed with source: exchange alone")
        if value and info.data.get("as_of"):
            raise ValueError("live trading is not allowed as of another moment (as_of)")
        return value


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


ENVIRONMENT: dict[str, str] = {
    name.upper(): name
    for name, field in Settings.model_fields.items()
    if name not in ("horizon_steps", "as_of") and not _is_section(field.annotation)
} | {"PRED_HORIZON_STEPS": "horizon_steps", "BOT_CRIPTO_NOW": "as_of"}
"""Environment variables that override a setting, by their name."""

SECRETS = (
    "EXCHANGE_API_KEY",
    "EXCHANGE_API_SECRET",
    "EXCHANGE_API_PASSWORD",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_CHAT_ID",
    "LIVE_CONFIRM_TOKEN",
)
"""Names that the environment file may hold and that no setting, log or artefact ever shows."""
