"""How a gate is asked and answered: a question of one case, always with its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot_cripto.decision.regime import Regime
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.sizing import Sizing
from bot_cripto.decision.soundness import LONG as LONG
from bot_cripto.decision.soundness import SHORT as SHORT
from bot_cripto.decision.thresholds import Policy
from bot_cripto.forecast import Forecast

TRADED = "traded"
FILLED = "filled"
MISSING = "missing"

AT_LEAST = "at least"
AT_MOST = "at most"
ABOVE = "above"
BELOW = "below"


@dataclass(frozen=True)
class Context:
    """What is known of the candle and the models beside the forecast; unknown means not passed.

    Attributes
    ----------
    stale_candles : int or None
        How many candles have closed after the one that was judged; None: not known.
    last_candle : str or None
        TRADED, FILLED (it stands in for a missing one) or MISSING; None: not looked at.
    quality_problems : tuple of str
        What is wrong with the candles that the features stand on.
    missing_features : tuple of str or None
        Features without a value at this candle; None: features were not computed.
    model_problems : tuple of str
        Why the models may not be used, e.g. that they are of another timeframe.
    model_notes : tuple of str
        What an operator must know of the models, without it standing in the way.
    model_provisional : bool
        The models have not been judged by a retrain: paper only.
    model_age_days : float or None
        Days from the training cutoff of the oldest model in use to the close of the candle; None:
        not known. Below 0 the model has seen what it is to forecast, which does not pass.
    failure : str or None
        The step that failed and why, e.g. ``fetch: binance answered 451``.
    """

    stale_candles: int | None = None
    last_candle: str | None = None
    quality_problems: tuple[str, ...] = ()
    missing_features: tuple[str, ...] | None = None
    model_problems: tuple[str, ...] = ()
    model_notes: tuple[str, ...] = ()
    model_provisional: bool = False
    model_age_days: float | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Gate:
    """The answer of one gate.

    Attributes
    ----------
    name : str
        Stable name in snake_case.
    value : float or None
        What was measured; None: there was nothing to measure. Yes or no is 1 or 0.
    threshold : float
        What it was measured against, in the unit of `value`.
    margin : float or None
        Distance to the threshold in the unit of `value`; at least 0 exactly when passed.
    passed : bool
        False too when nothing could be measured.
    """

    name: str
    value: float | None
    threshold: float
    margin: float | None
    passed: bool


@dataclass(frozen=True)
class Case:
    """All that a gate may look at.

    Attributes
    ----------
    side : str
        LONG or SHORT, the side that is judged.
    forecast, risk : Forecast or None, RiskState or None
        None when there is none or it is not sound.
    forecast_problems, risk_problems : tuple of str
        Why they are not sound.
    sizing : Sizing or None
        None without a forecast.
    regime, context, policy
        As they were given.
    """

    side: str
    forecast: Forecast | None
    forecast_problems: tuple[str, ...]
    regime: Regime | None
    context: Context
    risk: RiskState | None
    risk_problems: tuple[str, ...]
    sizing: Sizing | None
    policy: Policy

    @property
    def sign(self) -> float:
        """Return 1 for LONG and -1 for SHORT."""
        return 1.0 if self.side == LONG else -1.0


Measured = tuple[float | None, float]
"""What a gate measured (None: nothing to measure) and its threshold."""


@dataclass(frozen=True)
class Rule:
    """How a gate measures, and how it tells people what it would take.

    Attributes
    ----------
    name : str
        Stable name in snake_case.
    must : str
        What the value must be to the threshold: AT_LEAST, AT_MOST, ABOVE or BELOW.
    measure : callable
        From a `Case` to the value and the threshold.
    shortfall : callable
        From a `Case` and its `Gate` that failed to the sentence that says why, without a full
        stop.
    """

    name: str
    must: str
    measure: Callable[[Case], Measured]
    shortfall: Callable[[Case, Gate], str]


def answer(rule: Rule, case: Case) -> Gate:
    """Return the answer of one gate; a value that is not finite is none."""
    value, threshold = rule.measure(case)
    if value is None or not math.isfinite(value):
        return Gate(rule.name, None, float(threshold), None, False)
    upwards = rule.must in (AT_LEAST, ABOVE)
    margin = float(value - threshold if upwards else threshold - value)
    if margin == 0 and rule.must in (ABOVE, BELOW):
        # equality is short by the smallest step there is
        margin = -math.ulp(threshold)
    return Gate(rule.name, float(value), float(threshold), margin, margin >= 0)


def numbers(value: float, threshold: float) -> tuple[str, str]:
    """Return both numbers in the fewest digits (at least four) that tell them apart."""
    for digits in range(4, 17):
        pair = f"{value:.{digits}g}", f"{threshold:.{digits}g}"
        if pair[0] != pair[1] or value == threshold:
            return pair
    return repr(value), repr(threshold)


def compared(gate: Gate, what: str, limit: str) -> str:
    """Return how a measured gate misses its threshold, and what it would take."""
    value, threshold = numbers(gate.value or 0.0, gate.threshold)
    if gate.value == gate.threshold:
        return f"{what} {value} is no more than {limit} {threshold}: it would take more"
    side, way = ("above", "less") if (gate.value or 0.0) > gate.threshold else ("below", "more")
    short = -(gate.margin or 0.0)
    return f"{what} {value} is {side} {limit} {threshold}: it would take {short:.4g} {way}"
