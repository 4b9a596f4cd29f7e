"""Whom a strategy has to beat: the holder, and the trader who enters at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot_cripto.backtest.statistics.random_ratios import booked_by_day
from bot_cripto.errors import DataError
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.holdings import LONG, Trade
from bot_cripto.metrics import Floats
from bot_cripto.timeframes import FUNDING_MS


@dataclass(frozen=True)
class RandomTrader:
    """What traders made who entered at random and did the same otherwise.

    Attributes
    ----------
    strategy : float
        Net result of the strategy's trades as a decimal of initial equity.
    median, low, high : float
        50 %, 5 % and 95 % quantile of the random traders' results, in the same unit.
    p_value : float
        Share of random traders at least as good as the strategy, the strategy counted as one of
        them: ``(1 + count) / (1 + n)``.
    """

    strategy: float
    median: float
    low: float
    high: float
    p_value: float


def buy_and_hold(open_: Floats, close: Floats, costs: Costs, initial_equity: float) -> Floats:
    """Return the equity of who buys at the first open and sells at the last close.

    Parameters
    ----------
    open_, close : ndarray of shape (n,)
        Quote currency; NaN where a candle is missing: its last known price stands.
    costs : Costs
        Of both fills; everything is put in, fees included. Who holds coins pays no funding.
    initial_equity : float
        Quote currency.

    Returns
    -------
    ndarray of shape (n,)
        At each close; the last one after the sale.

    Raises
    ------
    DataError
        No candle has a price.
    """
    path = _prices(open_, close)
    crossing, fee = float(costs.crossing), float(costs.fees_bps) / 10_000
    quantity = initial_equity / (path[0, 0] * (1.0 + crossing) * (1.0 + fee))
    equity = quantity * path[:, 1]
    equity[-1] *= (1.0 - crossing) * (1.0 - fee)
    return equity


def random_booked(
    open_: Floats,
    close: Floats,
    since_ms: int,
    step_ms: int,
    trades: Sequence[Trade],
    costs: Costs,
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Floats:
    """Return what traders make by day who make the same trades of one symbol at random times.

    Each has the same trades (side, notional at entry in quote currency, candles held), in random
    order at random places, entered and left at the open of a candle or at the last close, at the
    same fees, spread and slippage, and pays the same funding where it holds at a funding time.
    Stops and targets are in the candles held, not in the prices.

    Parameters
    ----------
    open_, close : ndarray of shape (n,)
        Quote currency; NaN where a candle is missing: the last known price stands in.
    since_ms, step_ms : int
        Open time of the first candle (milliseconds UTC), and the length of one.
    trades : sequence of Trade
        Of one symbol, entered and left within these candles.
    costs : Costs
    samples, seed : int
        Number of random traders; the same seed gives the same ones.

    Returns
    -------
    ndarray of shape (samples, days)
        Quote currency, as `random_ratios.booked_by_day` has it; the sum over
        the days is the net result. Those of several symbols may be added; give each another seed.

    Notes
    -----
    Trades do not overlap, every arrangement being equally likely in a given order; where they
    hold more candles together than there are (positions closed in parts), each is placed by
    itself.

    Raises
    ------
    DataError
        No candle has a price, or a trade lies outside the candles.
    """
    n = len(open_)
    until_ms = since_ms + n * step_ms
    if not trades:
        nothing = np.zeros((samples, 0))
        return booked_by_day(nothing, nothing.astype(np.int64), since_ms, until_ms)
    path = _prices(open_, close)
    at = np.concatenate((path[:, 0], path[-1:, 1]))
    candles, side, notional = _terms(trades, since_ms, step_ms, n)
    random = np.random.Generator(np.random.PCG64(seed))
    free = n - int(candles.sum())
    crossing, fee = float(costs.crossing), float(costs.fees_bps) / 10_000
    funding = float(costs.funding_bps) / 10_000 * _due(path, since_ms, step_ms)
    booked = []
    size = max(1, 1_000_000 // len(trades))
    for begin in range(0, samples, size):
        rows = min(size, samples - begin)
        order = np.argsort(random.random((rows, len(trades))), axis=1)
        length, sign, amount = candles[order], side[order], notional[order]
        if free >= 0:
            entry = _gaps(free, order.shape, random) + np.cumsum(length, axis=1) - length
        else:
            entry = random.integers(0, n - length + 1)
        paid = at[entry] * (1.0 + sign * crossing)
        got = at[entry + length] * (1.0 - sign * crossing)
        quantity = amount / paid
        left = quantity * got
        held = quantity * (funding[entry + length] - funding[entry])
        made = sign * (left - amount) - fee * (amount + left) - held
        closed = since_ms + (entry + length) * step_ms
        booked.append(booked_by_day(made, closed, since_ms, until_ms))
    return np.concatenate(booked)


def against_random(net: float, nets: Floats, initial_equity: float) -> RandomTrader:
    """Return how the strategy's trades compare with those of random traders.

    Parameters
    ----------
    net : float
        Sum of the net results of the strategy's closed trades, quote currency.
    nets : ndarray of shape (samples,)
        Of the random traders: `random_booked`, summed over the days.
    initial_equity : float
        Quote currency, above 0.

    References
    ----------
    Phipson, Smyth (2010), Permutation p-values should never be zero.
    """
    low, median, high = np.quantile(nets, (0.05, 0.5, 0.95)) / initial_equity
    # without trades all are equal, but for rounding
    as_good = int(np.sum(nets >= net - 1e-9 * abs(net)))
    p_value = (1 + as_good) / (1 + len(nets))
    return RandomTrader(net / initial_equity, float(median), float(low), float(high), p_value)


def _terms(
    trades: Sequence[Trade], since_ms: int, step_ms: int, n: int
) -> tuple[np.ndarray, Floats, Floats]:
    """Return candles held (at least 1), sign of the side and notional at entry of each trade."""
    until_ms = since_ms + n * step_ms
    for trade in trades:
        if trade.entry_ms < since_ms or trade.exit_ms > until_ms:
            raise DataError(
                f"a trade of {trade.symbol} from {trade.entry_ms} to {trade.exit_ms} (ms UTC) "
                f"lies outside the candles from {since_ms} to {until_ms}; give all its candles"
            )
    first = np.array([(trade.entry_ms - since_ms) // step_ms for trade in trades])
    last = np.array([-(-(trade.exit_ms - since_ms) // step_ms) for trade in trades])
    side = np.array([1.0 if trade.side == LONG else -1.0 for trade in trades])
    notional = np.array([float(trade.quantity * trade.entry_price) for trade in trades])
    return np.maximum(last - first, 1), side, notional


def _gaps(free: int, size: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return free candles before each trade; every way to spread them is equally likely.

    Distinct places among the free candles and the trades, in order, less the trades before.
    """
    rows, trades = size
    places = [
        random.choice(free + trades, trades, replace=False, shuffle=False) for _ in range(rows)
    ]
    return np.sort(np.array(places), axis=1) - np.arange(trades)


def _due(path: Floats, since_ms: int, step_ms: int) -> Floats:
    """Return the sum of the last known prices at all funding times up to each place.

    Of shape (n + 1,), for opens and closes of shape (n, 2): what lies between two places is what
    a unit held from the one to the other pays funding on.
    """
    edges = since_ms + step_ms * np.arange(len(path) + 1)
    times = np.diff(edges // FUNDING_MS)
    at_close = edges[1:] % FUNDING_MS == 0
    due = np.where(at_close, path[:, 1] + (times - 1) * path[:, 0], times * path[:, 0])
    return np.concatenate(([0.0], np.cumsum(due)))


def _prices(open_: Floats, close: Floats) -> Floats:
    """Return opens and closes of shape (n, 2), without NaN: the last known price stands in."""
    path = np.column_stack((open_, close)).astype(np.float64).ravel()
    known = np.isfinite(path)
    if not known.any():
        raise DataError("no candle of the stretch has a price; fetch the candles first")
    last = np.maximum.accumulate(np.where(known, np.arange(len(path)), -1))
    # before the first known price there is only the first known price
    return path[np.where(last < 0, int(np.argmax(known)), last)].reshape(-1, 2)
