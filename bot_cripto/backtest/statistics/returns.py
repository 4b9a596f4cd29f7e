"""Returns of an account by candle and by day, and the ratios that are made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bot_cripto.errors import DataError
from bot_cripto.metrics import Floats
from bot_cripto.timeframes import DAY_MS

DAYS_A_YEAR = 365
"""Crypto trades on every day of the year."""


@dataclass(frozen=True)
class MaximumDrawdown:
    """The deepest fall of equity from a peak.

    Attributes
    ----------
    depth : float
        Decimal of the peak, at least 0; 0 where equity never fell.
    days : float
        From the peak to its recovery, or to the last mark where there was none.
    recovered : bool
        Whether equity came back to the peak; True where it never fell.
    """

    depth: float
    days: float
    recovered: bool


def simple_returns(equity: Floats) -> Floats:
    """Return the change of equity from each value to the next.

    Parameters
    ----------
    equity : ndarray of shape (n,)
        Quote currency, in the order of time, n at least 1.

    Returns
    -------
    ndarray of shape (n - 1,)
        Decimal. An account that has nothing left (equity not above 0) is ruined: that return
        is -1, and all later ones are 0.

    Raises
    ------
    DataError
        A value is NaN or infinite, or the first one is not above 0.
    """
    equity = np.asarray(equity, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(equity))
    if len(wrong):
        raise DataError(
            f"equity has no finite value at place {wrong[0]} of {len(equity)}; "
            "mark the account at every candle"
        )
    if not len(equity) or equity[0] <= 0:
        raise DataError("equity must begin above 0; set initial_equity to what the account holds")
    alive = np.logical_and.accumulate(equity > 0)
    left = np.where(alive, equity, 0.0)
    before = left[:-1]
    return np.divide(np.diff(left), before, out=np.zeros(len(before)), where=before > 0)


def daily_returns(close_ms: np.ndarray, equity: Floats, initial_equity: float) -> Floats:
    """Return the simple return of each UTC day, from marks at the close of candles.

    Parameters
    ----------
    close_ms : ndarray of shape (n,)
        Close times of the candles, milliseconds UTC, increasing. A close at midnight belongs to
        the day that ends with it.
    equity : ndarray of shape (n,)
        Quote currency, at those times.
    initial_equity : float
        Before the first candle.

    Returns
    -------
    ndarray of shape (days,)
        Decimal, of every day from the first mark's to the last one's; incomplete days at the ends
        count as days, so that the product of all is the total return. A day without a mark has
        0, and the next one the whole change. Empty without marks.

    Raises
    ------
    DataError
        As `simple_returns`; or the times do not increase.
    """
    close_ms = np.asarray(close_ms, dtype=np.int64)
    if not len(close_ms):
        return np.empty(0)
    if np.any(np.diff(close_ms) <= 0):
        raise DataError("marks of the account are not in the order of time, or one comes twice")
    day = (close_ms - 1) // DAY_MS
    days = np.arange(day[0], day[-1] + 1)
    last = np.searchsorted(day, days, side="right") - 1
    return simple_returns(np.concatenate(([initial_equity], np.asarray(equity)[last])))


def total_return(returns: Floats) -> float:
    """Return the compounded return (decimal) of simple returns of shape (n,)."""
    return float(np.prod(1.0 + returns) - 1.0)


def period_sharpe(returns: Floats) -> float | None:
    """Return the Sharpe ratio of one period (not annualised), against cash that earns nothing.

    Parameters
    ----------
    returns : ndarray of shape (n,)
        Simple returns, decimal, finite.

    Returns
    -------
    float or None
        Mean over standard deviation (n - 1 degrees of freedom). None where there are fewer than
        two returns, or where they do not vary.

    References
    ----------
    Sharpe (1994), The Sharpe ratio.
    """
    if len(returns) < 2:
        return None
    spread = float(np.std(returns, ddof=1))
    # equal numbers have a standard deviation of rounding errors
    if spread <= 1e-12 * float(np.max(np.abs(returns))):
        return None
    return float(np.mean(returns)) / spread


def sharpe(daily: Floats) -> float | None:
    """Return the annualised Sharpe ratio of daily returns; None as for `period_sharpe`."""
    ratio = period_sharpe(daily)
    return None if ratio is None else ratio * math.sqrt(DAYS_A_YEAR)


def sortino(daily: Floats) -> float | None:
    """Return the annualised Sortino ratio of daily returns, with 0 as the least acceptable one.

    Parameters
    ----------
    daily : ndarray of shape (days,)
        Simple returns, decimal, finite.

    Returns
    -------
    float or None
        Mean over downside deviation (root mean square of ``min(r, 0)`` over all days), times
        ``sqrt(365)``. None for fewer than two days, or without a day of loss.

    References
    ----------
    Sortino, Price (1994), Performance measurement in a downside risk framework.
    """
    if len(daily) < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(daily, 0.0) ** 2)))
    if downside <= 1e-12 * float(np.max(np.abs(daily))):
        return None
    return float(np.mean(daily)) / downside * math.sqrt(DAYS_A_YEAR)


def maximum_drawdown(
    close_ms: np.ndarray, equity: Floats, initial_equity: float, step_ms: int
) -> MaximumDrawdown:
    """Return the deepest fall of equity from the peak before it; the first of equal ones.

    Parameters
    ----------
    close_ms : ndarray of shape (n,)
        Milliseconds UTC, increasing.
    equity : ndarray of shape (n,)
        Quote currency; finite.
    initial_equity : float
        Above 0; held one candle before the first mark.
    step_ms : int
        Of a candle, milliseconds.
    """
    if not len(equity):
        return MaximumDrawdown(0.0, 0.0, True)
    value = np.concatenate(([initial_equity], equity))
    time = np.concatenate(([close_ms[0] - step_ms], close_ms))
    peak = np.maximum.accumulate(value)
    fall = 1.0 - value / peak
    deepest = int(np.argmax(fall))
    if fall[deepest] <= 0:
        return MaximumDrawdown(0.0, 0.0, True)
    # the last time that the peak was held: before it, nothing was lost
    top = int(np.flatnonzero(value[:deepest] == peak[deepest])[-1])
    back = np.flatnonzero(value[deepest:] >= peak[deepest])
    end = deepest + int(back[0]) if len(back) else len(value) - 1
    return MaximumDrawdown(
        float(fall[deepest]), float(time[end] - time[top]) / DAY_MS, bool(len(back))
    )


def calmar(daily: Floats, depth: float) -> float | None:
    """Return the mean daily return times 365 over the maximum drawdown.

    Parameters
    ----------
    daily : ndarray of shape (days,)
        Simple returns, decimal.
    depth : float
        Of the maximum drawdown, decimal.

    Returns
    -------
    float or None
        None for fewer than two days, or without a drawdown. The annual return is the arithmetic
        one: compounding a few weeks to a year would promise what nobody has seen.

    References
    ----------
    Young (1991), Calmar ratio: a smoother tool.
    """
    if len(daily) < 2 or depth <= 0:
        return None
    return float(np.mean(daily)) * DAYS_A_YEAR / depth


def account_metrics(
    close_ms: np.ndarray, equity: Floats, initial_equity: float, step_ms: int
) -> dict[str, float | None]:
    """Return what every account is compared by: the strategy, cash, who buys and holds.

    Parameters
    ----------
    close_ms, equity, initial_equity, step_ms
        As for `maximum_drawdown`.

    Returns
    -------
    dict of str to float or None
        ``net_return`` and ``max_drawdown`` (decimal), ``max_drawdown_days``, and ``sharpe``,
        ``sortino`` and ``calmar`` (annualised; None where there is no value).
    """
    daily = daily_returns(close_ms, equity, initial_equity)
    fall = maximum_drawdown(close_ms, equity, initial_equity, step_ms)
    return {
        "net_return": total_return(daily),
        "sharpe": sharpe(daily),
        "sortino": sortino(daily),
        "max_drawdown": fall.depth,
        "max_drawdown_days": fall.days,
        "calmar": calmar(daily, fall.depth),
    }
