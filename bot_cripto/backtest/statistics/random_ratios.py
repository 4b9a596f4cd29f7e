"""Sharpe, Sortino, drawdown and Calmar of traders who enter at random, to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.backtest.statistics.returns import DAYS_A_YEAR
from bot_cripto.metrics import Floats
from bot_cripto.timeframes import DAY_MS


@dataclass(frozen=True)
class AgainstRandom:
    """How a strategy's ratio lies among those of random traders.

    Attributes
    ----------
    strategy : float
        Of the strategy's trades, booked in the same way.
    median, low, high : float
        50 %, 5 % and 95 % quantile of the random traders.
    p_value : float
        Share of random traders at least as good, the strategy counted as one of them.
    """

    strategy: float
    median: float
    low: float
    high: float
    p_value: float


def booked_by_day(
    made: Floats, closed_ms: NDArray[np.int64], since_ms: int, until_ms: int
) -> Floats:
    """Return what the trades of each trader made, on the UTC day in which they were closed.

    Parameters
    ----------
    made : ndarray of shape (traders, trades)
        Net result of each trade, quote currency.
    closed_ms : ndarray of shape (traders, trades)
        When it was closed, milliseconds UTC, after `since_ms`, up to `until_ms`; at midnight it
        belongs to the day that ends.
    since_ms, until_ms : int
        Open of the first candle and close of the last one, milliseconds UTC.

    Returns
    -------
    ndarray of shape (traders, days)
        Quote currency. A trade that is open at midnight counts whole on its last day.
    """
    first = since_ms // DAY_MS
    days = (until_ms - 1) // DAY_MS - first + 1
    cell = (closed_ms - 1) // DAY_MS - first + days * np.arange(len(made))[:, None]
    booked = np.bincount(cell.ravel(), made.ravel(), len(made) * days)
    return booked.reshape(len(made), days).astype(np.float64)


def booked_ratios(booked: Floats, initial_equity: float) -> dict[str, Floats]:
    """Return the ratios of accounts that are told of their trades once a day.

    Parameters
    ----------
    booked : ndarray of shape (traders, days)
        From `booked_by_day`; at least two days.
    initial_equity : float
        Quote currency, above 0. An account that has nothing left stays at 0.

    Returns
    -------
    dict of str to ndarray of shape (traders,)
        ``sharpe``, ``sortino`` and ``calmar``, annualised as in `returns`, 0
        for who never made or lost anything, infinite without a loss; ``max_drawdown``, decimal,
        from day to day.
    """
    equity = initial_equity + np.cumsum(booked, axis=1)
    equity = np.where(np.logical_and.accumulate(equity > 0, axis=1), equity, 0.0)
    equity = np.hstack((np.full((len(booked), 1), initial_equity), equity))
    before = equity[:, :-1]
    daily = np.divide(np.diff(equity), before, out=np.zeros(before.shape), where=before > 0)
    mean, depth = daily.mean(axis=1), (1.0 - equity / np.maximum.accumulate(equity, 1)).max(axis=1)
    downside = np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2, axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {
            "sharpe": mean / daily.std(axis=1, ddof=1) * np.sqrt(DAYS_A_YEAR),
            "sortino": mean / downside * np.sqrt(DAYS_A_YEAR),
            "calmar": mean * DAYS_A_YEAR / depth,
        }
    found = {name: np.where(np.isnan(value), 0.0, value) for name, value in ratios.items()}
    return found | {"max_drawdown": depth}


def ratio_against_random(
    strategy: float, random: Floats, *, more_is_better: bool = True
) -> AgainstRandom:
    """Return how a ratio of the strategy's lies among those of random traders.

    Parameters
    ----------
    strategy : float
        From `booked_ratios`, of the strategy's own trades.
    random : ndarray of shape (traders,)
        Of the same ratio.
    more_is_better : bool
        False for a drawdown.

    References
    ----------
    Phipson, Smyth (2010), Permutation p-values should never be zero.
    """
    low, median, high = np.quantile(random, (0.05, 0.5, 0.95), method="nearest")
    # trades at the same places differ by rounding alone
    near = 1e-9 * abs(strategy) if np.isfinite(strategy) else 0.0
    as_good = random >= strategy - near if more_is_better else random <= strategy + near
    p_value = (1 + int(np.sum(as_good))) / (1 + len(random))
    return AgainstRandom(strategy, float(median), float(low), float(high), p_value)
