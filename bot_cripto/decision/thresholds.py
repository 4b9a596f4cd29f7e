"""The operator's thresholds and costs: everything a decision is measured against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bot_cripto.errors import ConfigError
from bot_cripto.timeframes import FUNDING_MS, timeframe_ms

BASIS_POINTS = 10_000.0

MARKET_TYPES = ("spot", "margin", "swap")

_AT_MOST_ONE = {
    "prob_min",
    "risk_max",
    "max_outside_share",
    "max_position_size",
    "min_position_size",
    "risk_per_trade",
    "kelly_fraction",
    "max_daily_drawdown",
    "max_weekly_drawdown",
    "max_tail_loss",
}


@dataclass(frozen=True)
class Policy:
    """Thresholds of the gates, costs of trading and limits of the size.

    Attributes
    ----------
    prob_min : float
        Least calibrated probability of the traded direction, in [0.5, 1].
    min_expected_return : float
        Least expected return in the traded direction over the horizon (decimal).
    risk_max : float
        Greatest risk score that still allows an entry, in [0, 1].
    fees_bps, spread_bps, slippage_bps : float
        Fee of one side, whole spread, slippage of one side (basis points).
    funding_bps : float
        What a position pays every 8 hours where it may be short (basis points); not on spot.
    horizon_steps : int
        Candles that a position is held.
    timeframe : str
        Length of a candle.
    allow_range, allow_high_vol : bool
        Whether entries are allowed in the regimes RANGE and HIGH_VOL.
    max_data_age_candles : int
        How many newer closed candles may be missing; 0: only the last closed candle will do.
    max_model_age_days : float
        Days since the training cutoff after which a model is too old.
    max_outside_share : float
        Greatest share of features, in [0, 1], outside the range of the training data.
    max_dissimilarity : float
        Greatest distance from the training data; 1 is where one in a hundred of its rows lies.
    block_on_drift : bool
        Whether drift that was found blocks entries.
    max_daily_drawdown, max_weekly_drawdown : float
        Drawdown of the day and the week at which entries end, in [0, 1].
    max_consecutive_losses : int
        Losing trades in a row at which entries end.
    max_tail_loss : float
        Greatest mean loss of the worst twentieth of trades, a fraction of equity in [0, 1].
    max_position_size, min_position_size : float
        Greatest position, and the least that is worth an order (above 0), as fractions of equity
        in [0, 1].
    max_total_exposure, max_correlated_exposure : float
        Greatest sum of positions over all symbols, and over those that move together, in equities.
    target_volatility : float
        Volatility of equity that a position may cause over the horizon (decimal).
    risk_per_trade : float
        Fraction of equity, in [0, 1], that may be lost when the stop is hit, costs included.
    kelly_fraction : float
        Share of the Kelly size, in [0, 1].
    stop_volatilities, target_volatilities : float
        Distance of stop and target in forecast volatilities over the horizon; a target of 0 is
        none.
    market_type : str
        spot, margin or swap: on spot nothing is sold short.

    Raises
    ------
    ConfigError
        A number is not finite or out of its range; the message names it.
    """

    prob_min: float = 0.60
    min_expected_return: float = 0.002
    risk_max: float = 0.30
    fees_bps: float = 10.0
    spread_bps: float = 2.0
    slippage_bps: float = 3.0
    funding_bps: float = 1.0
    horizon_steps: int = 5
    timeframe: str = "5m"
    allow_range: bool = False
    allow_high_vol: bool = False
    max_data_age_candles: int = 0
    max_model_age_days: float = 30
    max_outside_share: float = 0.1
    max_dissimilarity: float = 1.0
    block_on_drift: bool = True
    max_daily_drawdown: float = 0.03
    max_weekly_drawdown: float = 0.07
    max_consecutive_losses: int = 6
    max_tail_loss: float = 0.02
    max_position_size: float = 1.0
    min_position_size: float = 0.005
    max_total_exposure: float = 1.0
    max_correlated_exposure: float = 1.0
    target_volatility: float = 0.01
    risk_per_trade: float = 0.01
    kelly_fraction: float = 0.25
    stop_volatilities: float = 2.0
    target_volatilities: float = 0.0
    market_type: str = "spot"

    def __post_init__(self) -> None:
        if self.market_type not in MARKET_TYPES:
            allowed = ", ".join(MARKET_TYPES)
            raise ConfigError(f"market_type is {self.market_type!r}: allowed are {allowed}")
        timeframe_ms(self.timeframe)
        for field in fields(self):
            if field.name in ("market_type", "timeframe"):
                continue
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0:
                raise ConfigError(f"{field.name} is {value}: it must be a number of at least 0")
            if field.name in _AT_MOST_ONE and value > 1:
                raise ConfigError(f"{field.name} is {value}: it must lie between 0 and 1")
        if self.prob_min < 0.5:
            raise ConfigError(f"prob_min is {self.prob_min}: it must lie between 0.5 and 1")
        if self.min_position_size == 0:
            raise ConfigError("min_position_size is 0: a position of nothing is none")


POLICY_KEYS = frozenset(field.name for field in fields(Policy))
"""Names of the settings that a decision is measured against."""


def policy_of(settings: Mapping[str, Any]) -> Policy:
    """Return the policy that settings describe; names that are no part of it are passed over."""
    return Policy(**{name: settings[name] for name in POLICY_KEYS if name in settings})


def round_trip_cost(policy: Policy) -> float:
    """Return what entering and leaving a position costs, as a decimal return.

    Two fees, the whole spread once (half of it on each side) and slippage on both sides:
    ``2 * fees + spread + 2 * slippage`` basis points, 0.0028 with the defaults. Where it may be
    short, funding is added for every 8 hours of the horizon that have begun: as often as it may
    be due until then.
    """
    bps = 2 * policy.fees_bps + policy.spread_bps + 2 * policy.slippage_bps
    if policy.market_type != "spot":
        held_ms = policy.horizon_steps * timeframe_ms(policy.timeframe)
        bps += policy.funding_bps * math.ceil(held_ms / FUNDING_MS)
    return bps / BASIS_POINTS
