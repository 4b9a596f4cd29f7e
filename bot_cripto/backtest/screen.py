"""Which candles of a stretch may lead to a trade, whatever the state of the portfolio.

The gates of `decision.gate_table` that look at the candle, the models and the forecast alone,
asked of all cases at once. They are necessary and not sufficient: a candle that the screen lets
through may still be NO_TRADE; one that it holds back surely is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.decision.gates import TRADED
from bot_cripto.decision.regime import HIGH_VOL, RANGE
from bot_cripto.decision.thresholds import Policy, round_trip_cost
from bot_cripto.execution.desk import Case

_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Screen:
    """What the gates measure of each case, one array a column; NaN where nothing is known.

    Attributes
    ----------
    sound : ndarray of shape (n,), bool
        There are a forecast, a regime and all features, of a candle that was traded, and no
        problem is known of any of them.
    in_range, high_vol : ndarray of shape (n,), bool
        The regime is RANGE, HIGH_VOL.
    stale, model_age, outside, dissimilarity : ndarray of shape (n,), float64
        Candles that have closed since; days since training; share of features out of range;
        distance from the training data.
    prob_up, expected_return, risk_score, volatility : ndarray of shape (n,), float64
        Of the forecast.
    """

    sound: NDArray[np.bool_]
    in_range: NDArray[np.bool_]
    high_vol: NDArray[np.bool_]
    stale: NDArray[np.float64]
    model_age: NDArray[np.float64]
    outside: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    prob_up: NDArray[np.float64]
    expected_return: NDArray[np.float64]
    risk_score: NDArray[np.float64]
    volatility: NDArray[np.float64]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Screen:
        """Return the screen of cases, in their order."""
        flags = np.array([_flags(case) for case in cases], dtype=bool).reshape(-1, 3)
        numbers = np.array([_numbers(case) for case in cases], dtype=np.float64).reshape(-1, 8)
        return cls(*flags.T, *numbers.T)

    def sides(self, policy: Policy) -> NDArray[np.int8]:
        """Return the side that each case may become: 1 LONG, -1 SHORT, 0 surely NO_TRADE.

        Parameters
        ----------
        policy : Policy

        Returns
        -------
        ndarray of shape (n,), int8
        """
        gain = self.expected_return
        long = (self.prob_up > 0.5) | ((self.prob_up == 0.5) & (gain >= 0))
        probability = np.where(long, self.prob_up, 1 - self.prob_up)
        stop = policy.stop_volatilities * self.volatility
        passed = (
            self.sound
            & (self.stale >= 0)
            & (self.stale <= policy.max_data_age_candles)
            & (self.model_age >= 0)
            & (self.model_age <= policy.max_model_age_days)
            & (self.outside <= policy.max_outside_share)
            & (self.dissimilarity >= 0)
            & (self.dissimilarity <= policy.max_dissimilarity)
            & (probability >= policy.prob_min)
            & (np.where(long, gain, -gain) >= policy.min_expected_return)
            & (np.abs(gain) > round_trip_cost(policy))
            & (self.risk_score <= policy.risk_max)
            & (stop > 0)
            & (stop < 1)
        )
        if not policy.allow_range:
            passed &= ~self.in_range
        if not policy.allow_high_vol:
            passed &= ~self.high_vol
        return np.where(passed, np.where(long, 1, -1), 0).astype(np.int8)


def _flags(case: Case) -> tuple[bool, bool, bool]:
    context, regime = case.context, case.regime
    sound = (
        case.forecast is not None
        and regime is not None
        and context.failure is None
        and context.last_candle == TRADED
        and not context.quality_problems
        and context.missing_features is not None
        and not context.missing_features
        and not context.model_problems
    )
    name = None if regime is None else regime.name
    return sound, name == RANGE, name == HIGH_VOL


def _numbers(case: Case) -> tuple[float, ...]:
    forecast, context = case.forecast, case.context
    stale = _NAN if context.stale_candles is None else context.stale_candles
    age = _NAN if context.model_age_days is None else context.model_age_days
    if forecast is None:
        return (stale, age, _NAN, _NAN, _NAN, _NAN, _NAN, _NAN)
    return (
        stale,
        age,
        len(forecast.outside) / max(forecast.features, 1),
        _NAN if forecast.dissimilarity is None else forecast.dissimilarity,
        forecast.prob_up,
        forecast.expected_return,
        forecast.risk_score,
        forecast.volatility,
    )
