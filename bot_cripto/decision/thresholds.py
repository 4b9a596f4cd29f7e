"""The operator's thresholds and costs: everything a decision is measured against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bot_cripto.errors import ConfigError

BASIS_POINTS = 10_000.0

_AT_MOST_ONE = {"prob_min", "risk_max", "max_position_size", "risk_per_trade"}


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
    allow_range, allow_high_vol : bool
        Whether entries are allowed in the regimes RANGE and HIGH_VOL.
    max_data_age_candles : int
        How many newer closed candles may be missing; 0: only the last closed candle will do.
    max_position_size : float
        Greatest position, as a fraction of equity in [0, 1].
    risk_per_trade : float
        Fraction of equity, in [0, 1], that a move of one forecast volatility may cost.

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
    allow_range: bool = False
    allow_high_vol: bool = False
    max_data_age_candles: int = 0
    max_position_size: float = 1.0
    risk_per_trade: float = 0.01

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0:
                raise ConfigError(f"{field.name} is {value}: it must be a number of at least 0")
            if field.name in _AT_MOST_ONE and value > 1:
                raise ConfigError(f"{field.name} is {value}: it must lie between 0 and 1")
        if self.prob_min < 0.5:
            raise ConfigError(f"prob_min is {self.prob_min}: it must lie between 0.5 and 1")


POLICY_KEYS = frozenset(field.name for field in fields(Policy))
"""Names of the settings that a decision is measured against."""


def policy_of(settings: Mapping[str, Any]) -> Policy:
    """Return the policy that settings describe; names that are no part of it are passed over."""
    return Policy(**{name: settings[name] for name in POLICY_KEYS if name in settings})


def round_trip_cost(policy: Policy) -> float:
    """Return what entering and leaving a position costs, as a decimal return.

    Two fees, the whole spread once (half of it on each side) and slippage on both sides:
    ``2 * fees + spread + 2 * slippage`` basis points, 0.0028 with the defaults.
    """
    bps = 2 * policy.fees_bps + policy.spread_bps + 2 * policy.slippage_bps
    return bps / BASIS_POINTS
