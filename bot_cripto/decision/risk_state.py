"""The state of the portfolio, as far as a decision may ask: plain numbers, of one symbol."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from bot_cripto.errors import DataError


@dataclass(frozen=True)
class RiskState:
    """What is known of the portfolio at the close of a candle; a decision adds nothing to it.

    Attributes
    ----------
    candle_close_time : str
        ISO 8601 UTC; the candle that it is the state at.
    account : str
        ``paper`` or ``live``.
    equity : float
        Marked to market, in the quote currency.
    position : str or None
        LONG, SHORT or None: what the symbol holds.
    symbol_exposure : float
        Absolute notional of the symbol's position as a fraction of equity.
    correlated_exposure : float
        The same over the *other* symbols whose returns are correlated with this one's.
    total_exposure : float
        The same over all *other* symbols.
    daily_drawdown, weekly_drawdown : float
        Deepest drawdown since 00:00 UTC of the day, of Monday (decimal, at least 0); it does not
        shrink again before the period has ended.
    cooldown_minutes : float
        Minutes that the symbol must still rest after its last loss.
    consecutive_losses : int
        Losing trades in a row, of those closed within the last 24 hours.
    tail_loss : float
        Mean of the worst twentieth of the trades closed within the last 30 days, as a loss in
        fractions of equity; 0 where there are fewer than 20.
    drift : str or None
        Why performance is held to have drifted; None: no drift was found.
    paused, killed : str or None
        Who stopped entries, when and why; None: nobody has.
    mismatch : str or None
        What of the exchange does not match the ledger; None: nothing is known of a mismatch.
    """

    candle_close_time: str
    account: str
    equity: float
    position: str | None = None
    symbol_exposure: float = 0.0
    correlated_exposure: float = 0.0
    total_exposure: float = 0.0
    daily_drawdown: float = 0.0
    weekly_drawdown: float = 0.0
    cooldown_minutes: float = 0.0
    consecutive_losses: int = 0
    tail_loss: float = 0.0
    drift: str | None = None
    paused: str | None = None
    killed: str | None = None
    mismatch: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values, keys in the order of the attributes."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RiskState:
        """Return the state of `to_json`.

        Raises
        ------
        DataError
            A key is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            wrong = ", ".join(sorted(set(values) ^ names))
            raise DataError(f"risk state: these keys are missing or unknown: {wrong}")
        return cls(**values)
