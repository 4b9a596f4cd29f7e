"""The portfolio as a person asks for it: what is held, what it has earned, what limits are near."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bot_cripto.execution.account import LONG, Account, Position, Trade
from bot_cripto.execution.portfolio_text import text
from bot_cripto.execution.prices import ReadCloses, last_closes, store_closes
from bot_cripto.execution.replay import mark_of
from bot_cripto.execution.risk_tracker import RiskTracker, recent_marks
from bot_cripto.ledger import control
from bot_cripto.ledger.events import STOP, Intent
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import iso, timeframe_ms

if TYPE_CHECKING:
    from bot_cripto.layout import Layout

__all__ = ["portfolio", "text"]

TRADES = 10
"""So many of the last trades are shown."""


def portfolio(
    layout: Layout,
    settings: Mapping[str, Any],
    now_ms: int,
    *,
    read_closes: ReadCloses | None = None,
) -> dict[str, Any]:
    """Return the portfolio as JSON values; nothing is written.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : mapping
        The effective settings; ``live_mode`` says which account.
    now_ms : int
        Milliseconds since the epoch, UTC.
    read_closes : callable, optional
        Closes; those of the candle store by default.

    Returns
    -------
    dict
        Money, prices and quantities are numbers in the quote or base currency, results and
        exposures decimal, times ISO 8601 UTC. ``begun`` is False where there is no ledger or
        nothing in it yet: equity is then the initial one.

    Raises
    ------
    LedgerError
        The ledger is damaged.
    DataError
        The candle store is damaged.
    """
    name = "live" if settings["live_mode"] else "paper"
    try:
        ledger = Ledger.open(layout.ledger(name), readonly=True)
    except FileNotFoundError:
        account = Account.of(settings)
        tracker = RiskTracker(account.initial_equity)
    else:
        with ledger, ledger.transaction():
            account = Account.load(ledger, settings)
            tracker = RiskTracker.of(account.initial_equity, recent_marks(ledger), account.trades)
    step = timeframe_ms(settings["timeframe"])
    mark = tracker.last_mark
    closes = read_closes or store_closes(layout, settings)
    at = now_ms if mark is None else mark.candle_ms
    account.last_price.update(last_closes(closes, account.positions, at, step))
    problems = list(account.problems)
    for symbol, position in account.positions.items():
        if symbol not in account.last_price:
            # as after a restore on another host
            account.last_price[symbol] = position.entry_price
            problems.append(
                f"{symbol}: no candle of it is stored here, so it is shown at its entry price; "
                "run snakemake signal"
            )
    equity = account.equity()
    exposure = mark_of(account, at).exposure
    return {
        "mode": "SIMULATED" if settings["source"] == "simulated" else name.upper(),
        "account": name,
        "ts": iso(now_ms),
        "begun": mark is not None or bool(account.intents),
        "quote": account.quote,
        "equity": float(equity),
        "initial_equity": float(account.initial_equity),
        "result": _ratio(equity - account.initial_equity, account.initial_equity),
        "cash": float(account.cash),
        "exposure": _ratio(exposure, equity),
        "last_mark": None if mark is None else iso(mark.candle_ms),
        "last_mark_age_minutes": None if mark is None else (now_ms - mark.candle_ms) / 60_000,
        "late": mark is not None and now_ms - mark.candle_ms >= 3 * step,
        "day": _period(tracker, equity, now_ms, "day", settings["max_daily_drawdown"]),
        "week": _period(tracker, equity, now_ms, "week", settings["max_weekly_drawdown"]),
        "live_max_daily_loss": settings["live_max_daily_loss"] if name == "live" else None,
        "killed": control.killed(layout.control),
        "paused": control.paused(layout.control),
        "positions": [_position(p, account.last_price[s]) for s, p in account.positions.items()],
        "waiting": [_waiting(i) for i in account.waiting.values() if i.kind != STOP],
        "trades": [_trade(t) for t in reversed(account.trades[-TRADES:])],
        "trades_in_all": len(account.trades),
        "problems": problems,
    }


def _period(
    tracker: RiskTracker, equity: Decimal, now_ms: int, name: str, limit: float
) -> dict[str, Any]:
    """Return result and drawdown of today or this week; equity may be newer than the last mark."""
    # a clock that is behind the marks is shown their day
    last = tracker.last_mark
    at = now_ms if last is None else max(now_ms, last.candle_ms)
    results = {"day": tracker.day_result, "week": tracker.week_result}
    drawdowns = {"day": tracker.daily_drawdown, "week": tracker.weekly_drawdown}
    start, _ = results[name](at)
    drawdown = drawdowns[name](at)
    return {
        "start_equity": float(start),
        "result": float(equity - start),
        "result_fraction": _ratio(equity - start, start),
        "drawdown": drawdown,
        "limit": limit,
        "reached": drawdown >= limit,
    }


def _position(position: Position, price: Decimal) -> dict[str, Any]:
    sign = 1 if position.side == LONG else -1
    gain = sign * (price - position.entry_price) * position.quantity
    return {
        "symbol": position.symbol,
        "side": position.side,
        "quantity": float(position.quantity),
        "entry_price": float(position.entry_price),
        "entered": iso(position.entry_ms),
        "price": float(price),
        "unrealised": float(gain),
        "unrealised_fraction": _ratio(gain, position.entry_price * position.quantity),
        "funding": float(position.funding),
        "stop": _number(position.stop_price),
        "target": _number(position.target_price),
        "ends": None if position.exit_ms is None else iso(position.exit_ms),
    }


def _waiting(intent: Intent) -> dict[str, Any]:
    return {
        "symbol": intent.symbol,
        "kind": intent.kind,
        "side": intent.side,
        "quantity": float(intent.quantity),
        "reason": intent.reason,
        "made": iso(intent.created_ms),
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": float(trade.quantity),
        "entry_price": float(trade.entry_price),
        "exit_price": float(trade.exit_price),
        "entered": iso(trade.entry_ms),
        "left": iso(trade.exit_ms),
        "funding": float(trade.funding),
        "net": float(trade.net),
        "net_fraction": trade.net_fraction,
        "reason": trade.reason,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _ratio(part: Decimal, whole: Decimal) -> float | None:
    """Return a ratio; None where there is nothing to compare with."""
    return float(part / whole) if whole > 0 else None
