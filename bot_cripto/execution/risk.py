"""The state of risk of one symbol at a candle's close: what a decision may ask about."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bot_cripto.decision.risk_state import RiskState
from bot_cripto.execution.correlation import correlations
from bot_cripto.execution.desk import move_together
from bot_cripto.execution.risk_tracker import RiskTracker
from bot_cripto.ledger.events import OPEN, Intent
from bot_cripto.timeframes import iso

if TYPE_CHECKING:
    from bot_cripto.execution.account import Account

__all__ = ["RiskTracker", "correlations", "risk_state"]

RUINED = 1e6
"""Exposure, in fractions of equity, of any position without equity; JSON knows no infinity."""


def risk_state(
    account: Account,
    tracker: RiskTracker,
    symbol: str,
    candle_ms: int,
    *,
    account_name: str,
    correlated: Mapping[str, frozenset[str]],
    settings: Mapping[str, Any],
    paused: str | None = None,
    killed: str | None = None,
    mismatch: str | None = None,
    drift: str | None = None,
) -> RiskState:
    """Return what a decision may ask about the portfolio at the close of a candle.

    Parameters
    ----------
    account : Account
        After the candle; its `last_price` holds the closes. Entries that earlier candles asked
        for and that are not filled yet count as if they were, at their reference price; what
        this candle itself asks for is counted by `desk.decide_all`, so that deciding the same
        candle again finds the same state.
    tracker : RiskTracker
        With the marks up to the candle.
    symbol : str
    candle_ms : int
        The candle's close, milliseconds since the epoch, UTC.
    account_name : str
        ``paper`` or ``live``.
    correlated : mapping of str to frozenset of str
        From `correlations`; a symbol that it does not hold counts as correlated with all.
    settings : mapping
        The effective settings; ``risk_cooldown_minutes`` is asked for.
    paused, killed, mismatch, drift : str or None
        Why; None: nothing is known of it.

    Raises
    ------
    ValueError
        The tracker has marks of later candles.
    """
    equity = account.equity(account.last_price)
    rest = float(settings["risk_cooldown_minutes"])
    notional = _notional(account, candle_ms)
    others = {name: value for name, value in notional.items() if name != symbol}
    together = [others[name] for name in others if move_together(symbol, name, correlated)]
    position = account.positions.get(symbol)
    return RiskState(
        candle_close_time=iso(candle_ms),
        account=account_name,
        equity=float(equity),
        position=None if position is None else position.side,
        symbol_exposure=_fraction(account.exposure(symbol, account.last_price), equity),
        correlated_exposure=_fraction(sum(together, Decimal(0)), equity),
        total_exposure=_fraction(sum(others.values(), Decimal(0)), equity),
        daily_drawdown=tracker.daily_drawdown(candle_ms),
        weekly_drawdown=tracker.weekly_drawdown(candle_ms),
        cooldown_minutes=tracker.cooldown_minutes(symbol, candle_ms, rest),
        consecutive_losses=tracker.consecutive_losses(candle_ms),
        tail_loss=tracker.tail_loss(candle_ms),
        drift=drift,
        paused=paused,
        killed=killed,
        mismatch=mismatch,
    )


def _notional(account: Account, candle_ms: int) -> dict[str, Decimal]:
    """Return by symbol what positions and unfilled entries are worth, in the quote currency."""
    notional = {name: account.exposure(name, account.last_price) for name in account.positions}
    for intent in account.waiting.values():
        if intent.kind == OPEN and intent.candle_ms < candle_ms:
            ahead = _unfilled(intent, account) * intent.reference_price
            notional[intent.symbol] = notional.get(intent.symbol, Decimal(0)) + ahead
    return notional


def _unfilled(intent: Intent, account: Account) -> Decimal:
    position = account.positions.get(intent.symbol)
    if position is None or position.intent_id != intent.intent_id:
        return intent.quantity
    return max(Decimal(0), intent.quantity - position.quantity)


def _fraction(notional: Decimal, equity: Decimal) -> float:
    if equity > 0:
        return float(notional / equity)
    return RUINED if notional > 0 else 0.0
