"""How large a position is: a budget of risk over the forecast volatility, within a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """One number that the size was made from, or made to respect."""

    name: str
    value: float


@dataclass(frozen=True)
class Sizing:
    """A position's size and what it follows from.

    Attributes
    ----------
    position_size : float
        Fraction of equity, in [0, `max_position_size`].
    factors : tuple of Factor
        The numbers it was made from, in the order of use.
    """

    position_size: float
    factors: tuple[Factor, ...]


def volatility_size(volatility: float, risk_per_trade: float, max_position_size: float) -> Sizing:
    """Return the position whose move by one forecast volatility costs `risk_per_trade`.

    ``min(max_position_size, risk_per_trade / volatility)``: never greater when the volatility is.

    Parameters
    ----------
    volatility : float
        Forecast volatility over the whole horizon (decimal); 0 gives the maximum.
    risk_per_trade : float
        Fraction of equity put at risk, in [0, 1].
    max_position_size : float
        Greatest fraction of equity, in [0, 1].

    Notes
    -----
    A volatility that is NaN, infinite or negative gives 0: what is not known is not traded.
    """
    if not math.isfinite(volatility) or volatility < 0:
        return Sizing(0.0, ())
    wanted = risk_per_trade / volatility if volatility > 0 else max_position_size
    size = min(max_position_size, wanted)
    return Sizing(
        float(size),
        (
            Factor("risk_per_trade", risk_per_trade),
            Factor("volatility", volatility),
            Factor("max_position_size", max_position_size),
        ),
    )
