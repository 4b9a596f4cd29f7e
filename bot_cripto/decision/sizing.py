"""How large a position is: the least of what volatility, stop, Kelly and exposure allow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.soundness import LONG
from bot_cripto.decision.thresholds import Policy, round_trip_cost
from bot_cripto.forecast import Forecast

LIMITS = (
    "volatility_target",
    "risk_budget",
    "kelly",
    "max_position_size",
    "correlated_room",
    "total_room",
)
"""The factors that the size is the least of, in the order in which a tie is named."""


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
    volatility : float
        The forecast's, over the horizon (decimal).
    stop_distance : float or None
        Distance of the stop from the entry as a fraction of the entry price, in (0, 1); None
        where there is none, and no position then.
    target_distance : float or None
        The same of the target; None where there is none.
    factors : tuple of Factor
        Finite numbers in a fixed order: ``volatility``, ``stop_distance``, ``target_distance``
        (0: none), ``round_trip_cost``, then `LIMITS`. Empty where there is no stop.
    binding : str or None
        Which of `LIMITS` is the least.
    """

    position_size: float
    volatility: float
    stop_distance: float | None = None
    target_distance: float | None = None
    factors: tuple[Factor, ...] = ()
    binding: str | None = None


def size_position(forecast: Forecast, side: str, risk: RiskState | None, policy: Policy) -> Sizing:
    """Return the size of a position in the direction of `side`, as a fraction of equity.

    The least of (never below 0)

    - ``volatility_target``: target_volatility / volatility over the horizon;
    - ``risk_budget``: risk_per_trade / (stop_distance + cost of the round trip), so that a stop
      that is hit costs no more;
    - ``kelly``: kelly_fraction times `kelly`;
    - ``max_position_size``;
    - ``correlated_room``, ``total_room``: the limits of exposure less what others hold; 0 where
      the state of the portfolio is not known.

    Parameters
    ----------
    forecast : Forecast
        A sound one, see `forecast_problems`.
    side : str
        LONG or SHORT.
    risk : RiskState or None
        A sound one, see `risk_problems`; None where it is not known.
    policy : Policy

    Notes
    -----
    Up to rounding, the size never rises with the volatility, the cost, the stop distance or the
    exposure of others, and never falls with the probability of the side at an equal expected
    return, or with any limit. It is *not* monotone in the expected return: a greater one at an
    equal probability implies a greater move, which may be lost as well. A volatility that gives
    no stop in (0, 1) gives no position, neither 0 nor a very large one; a limit that cannot be
    computed (not finite) counts as 0.
    """
    stop = policy.stop_volatilities * forecast.volatility
    if not 0 < stop < 1:
        return Sizing(0.0, forecast.volatility)
    target = policy.target_volatilities * forecast.volatility
    probability = forecast.prob_up if side == LONG else 1 - forecast.prob_up
    gain = forecast.expected_return if side == LONG else -forecast.expected_return
    cost = round_trip_cost(policy)
    correlated = None if risk is None else risk.correlated_exposure
    total = None if risk is None else risk.total_exposure
    limits = {
        "volatility_target": _ratio(policy.target_volatility, forecast.volatility),
        "risk_budget": _ratio(policy.risk_per_trade, stop + cost),
        "kelly": policy.kelly_fraction * kelly(probability, gain, cost),
        "max_position_size": policy.max_position_size,
        "correlated_room": _room(policy.max_correlated_exposure, correlated),
        "total_room": _room(policy.max_total_exposure, total),
    }
    binding = min(LIMITS, key=limits.__getitem__)
    given = {
        "volatility": forecast.volatility,
        "stop_distance": stop,
        "target_distance": target,
        "round_trip_cost": cost,
    }
    return Sizing(
        float(limits[binding]),
        float(forecast.volatility),
        float(stop),
        float(target) if target > 0 else None,
        tuple(Factor(name, float(value)) for name, value in (given | limits).items()),
        binding,
    )


def kelly(probability: float, expected_return: float, cost: float) -> float:
    """Return the fraction of equity that makes its logarithm grow fastest, of two outcomes.

    The price moves by m in the side's direction with probability p, by m against it otherwise,
    and either way the cost c is paid. The move that a forecast implies is m = mu / (2 p - 1), as
    mu = p m - (1 - p) m. Then ``f = p / (m + c) - (1 - p) / (m - c) = (mu - c) / (m^2 - c^2)``.

    Parameters
    ----------
    probability : float
        p, of the side's direction.
    expected_return : float
        mu, gross, in the side's direction (decimal).
    cost : float
        c, of the round trip (decimal).

    Returns
    -------
    float
        At least 0; 0 where mu does not exceed c, where p is at most one half, and where m or the
        fraction is not finite. Rises with p at an equal mu, falls with c.

    References
    ----------
    J. L. Kelly, A New Interpretation of Information Rate, Bell System Technical Journal 35, 1956.
    """
    if not (0.5 < probability <= 1 and expected_return > cost):
        return 0.0
    move = expected_return / (2 * probability - 1)
    # move >= expected_return > cost; the quotients in turn keep what the squares would lose
    fraction = (expected_return - cost) / (move - cost) / (move + cost)
    return fraction if math.isfinite(fraction) else 0.0


def _ratio(budget: float, price: float) -> float:
    ratio = budget / price
    return ratio if math.isfinite(ratio) else 0.0


def _room(limit: float, taken: float | None) -> float:
    return 0.0 if taken is None else max(0.0, limit - taken)
