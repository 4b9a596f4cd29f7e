"""What the trades of a backtest came to, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot_cripto.backtest.statistics.returns import DAY_MS, DAYS_A_YEAR
from bot_cripto.execution.holdings import LONG, Trade
from bot_cripto.metrics import Floats


@dataclass(frozen=True)
class TradeStatistics:
    """The trades of an account over a stretch of candles.

    Spread and slippage lie in the prices of the fills: `gross` is after them, and `crossed` is
    what they took; `fees`, and the `funding` of what may be short, are apart.

    Attributes
    ----------
    trades : int
        Closed ones; a position that is closed in parts counts once for each part.
    hit_rate : float or None
        Share of trades with a net profit; None without trades.
    profit_factor : float or None
        Sum of net profits over sum of net losses; None without losses.
    average_net : float or None
        Mean of each trade's net, as a decimal of its notional at entry; None without trades.
    average_cost : float or None
        The same of its fees, funding and what was crossed.
    gross, fees, funding, net, crossed : float
        Quote currency; ``net = gross - fees - funding``.
    traded_notional : float
        Both sides of every trade, quote currency.
    exposure : float or None
        Share of candles at whose close a position was held; None without candles.
    turnover : float or None
        Traded notional over mean equity, per year of 365 days; None without candles, or where
        the mean equity is not above 0.
    break_even_bps : float or None
        Fee and crossing of one side, in basis points of notional, at which `net` would be 0 with
        the funding as it was; below 0 where even without them there is a loss. None without
        trades.
    """

    trades: int
    hit_rate: float | None
    profit_factor: float | None
    average_net: float | None
    average_cost: float | None
    gross: float
    fees: float
    funding: float
    net: float
    crossed: float
    traded_notional: float
    exposure: float | None
    turnover: float | None
    break_even_bps: float | None


def trade_statistics(
    trades: Sequence[Trade],
    equity: Floats,
    held: NDArray[np.bool_],
    step_ms: int,
    *,
    crossing: float = 0.0,
) -> TradeStatistics:
    """Return what trades came to.

    Parameters
    ----------
    trades : sequence of Trade
        All that were closed over the candles; a position that is still open is none.
    equity : ndarray of shape (n,)
        At the close of each candle, quote currency; finite.
    held : ndarray of shape (n,)
        Whether a position was held at that close.
    step_ms : int
        Of a candle, milliseconds.
    crossing : float
        Half the spread and the slippage that lie in each price (decimal); at 0 they count as the
        market's, and costs are fees and funding alone.
    """
    n = len(equity)
    table = np.array([_row(trade) for trade in trades], dtype=np.float64).reshape(-1, 6)
    entry, exit_, gross, fees, funding, net = table.T
    won, lost = float(net[net > 0].sum()), float(-net[net < 0].sum())
    notional = float(entry.sum() + exit_.sum())
    sign = np.array([1.0 if trade.side == LONG else -1.0 for trade in trades])
    # who buys pays the price that much higher, who sells gets it that much lower
    crossed = crossing * (entry / (1.0 + sign * crossing) + exit_ / (1.0 - sign * crossing))
    paid = fees + funding + crossed
    any_trade = len(table) > 0
    mean_equity = float(np.mean(equity)) if n else 0.0
    years = n * step_ms / (DAYS_A_YEAR * DAY_MS)
    return TradeStatistics(
        trades=len(table),
        hit_rate=float(np.mean(net > 0)) if any_trade else None,
        profit_factor=won / lost if lost > 0 else None,
        average_net=float(np.mean(net / entry)) if any_trade else None,
        average_cost=float(np.mean(paid / entry)) if any_trade else None,
        gross=float(gross.sum()),
        fees=float(fees.sum()),
        funding=float(funding.sum()),
        net=float(net.sum()),
        crossed=float(crossed.sum()),
        traded_notional=notional,
        exposure=float(np.mean(held)) if n else None,
        turnover=notional / mean_equity / years if mean_equity > 0 else None,
        break_even_bps=float((gross + crossed - funding).sum()) / notional * 10_000
        if any_trade
        else None,
    )


def _row(trade: Trade) -> tuple[float, ...]:
    """Return notional at entry and exit, gross, fees, funding and net of a trade."""
    quantity = trade.quantity
    amounts = (quantity * trade.entry_price, quantity * trade.exit_price)
    parts = (trade.gross, trade.fees, trade.funding, trade.net)
    return tuple(float(value) for value in (*amounts, *parts))
