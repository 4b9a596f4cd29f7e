"""What a signal asks for, as intents and in words; pure: no files, no network, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from bot_cripto.execution.account import LONG, SHORT, SPOT, Account, Position
from bot_cripto.execution.exits import (
    OPPOSITE,
    closing,
    expiries,
    protective_stop,
    waiting_close,
    waiting_intent,
)
from bot_cripto.execution.market_rules import ARITHMETIC, MarketRules
from bot_cripto.execution.wish import NO_TRADE, Wish, refusal, wish
from bot_cripto.ledger.events import BUY, EXTEND, OPEN, SELL, Intent, intent_id
from bot_cripto.timeframes import iso

__all__ = ["Plan", "closing", "expiries", "plan", "protective_stop"]

SIGNAL = "signal"


@dataclass(frozen=True)
class Plan:
    """What is to be done about a signal.

    Attributes
    ----------
    intents : tuple of Intent
        In the order in which they are to be carried out: CLOSE before OPEN. None of them is in
        the account yet.
    notes : tuple of str
        What is done or left undone and why, a sentence each.
    """

    intents: tuple[Intent, ...]
    notes: tuple[str, ...]


def plan(
    document: Mapping[str, Any],
    account: Account,
    rules: MarketRules,
    settings: Mapping[str, Any],
    *,
    now_ms: int,
    can_open: str | None,
    price: Decimal | None = None,
) -> Plan:
    """Return what a signal asks for on this account.

    A position is never added to. A signal of the position's side renews its end, an opposite one
    closes it, and where shorts are possible opens the other way. A revision above 0 only ever
    closes, and so does any signal while entries are refused.

    Parameters
    ----------
    document : mapping
        A valid signal document.
    account : Account
        Up to date at the candle of the signal.
    rules : MarketRules
        Of the symbol's market.
    settings : mapping
        The effective settings.
    now_ms : int
        The time, milliseconds since the epoch, UTC.
    can_open : str or None
        Why entries are refused (a sentence's end, like "the kill switch is on"); None: they are
        not.
    price : Decimal, optional
        Close of the candle; `Account.last_price` of the symbol without it.

    Notes
    -----
    Whatever is missing, not finite or out of range refuses the signal: the plan is then empty
    but for the note that says so. An intent whose id the account knows is not made again.
    """
    symbol = str(document.get("symbol"))
    with localcontext(ARITHMETIC):
        refused = refusal(document, account, settings, now_ms)
        if refused:
            return Plan((), (f"{symbol}: {refused}",))
        known = account.last_price.get(symbol) if price is None else price
        return _Planner(wish(document), account, rules, now_ms, can_open, known).plan()


@dataclass(frozen=True)
class _Planner:
    """One signal, one account."""

    signal: Wish
    account: Account
    rules: MarketRules
    now_ms: int
    can_open: str | None
    price: Decimal | None

    def plan(self) -> Plan:
        signal, account = self.signal, self.account
        position = account.positions.get(signal.symbol)
        entry = waiting_intent(account, signal.symbol, OPEN)
        active = position is not None or entry is not None
        if active and waiting_close(account, signal.symbol) is not None:
            return self._nothing("its closing is under way already")
        if signal.side == NO_TRADE:
            if position is None:
                return self._nothing("NO_TRADE")
            return self._nothing(f"NO_TRADE: the {position.side} is held until {_end(position)}")
        if position is not None and self._left_over(position):
            position = None
        if position is not None and _is_over(position, signal.candle_ms):
            return self._nothing(f"the time of the {position.side} was up before this candle")
        if position is None and entry is not None:
            if (entry.side == BUY) == (signal.side == LONG):
                return self._nothing("an entry of that side is still waiting to fill")
            return self._opposite(_unfilled(entry), entry.fill_from_ms + signal.step_ms)
        if position is None:
            return self._flat()
        if position.side == signal.side:
            return self._renewal(position)
        return self._opposite(position, 0)

    def _flat(self) -> Plan:
        if self.signal.side == SHORT and self.account.market_type == SPOT:
            return self._nothing("SHORT on a spot market: nothing to close, stays flat")
        intent, note = self._entry()
        return Plan((intent,) if intent else (), (note,))

    def _renewal(self, position: Position) -> Plan:
        signal = self.signal
        held = f"the {position.side} is held until {_end(position)}"
        if position.exit_ms is None or signal.exit_ms <= position.exit_ms:
            return self._nothing(f"{held} already")
        barred = self._barred()
        if barred:
            return self._nothing(f"{held} and not longer: {barred}")
        intent = Intent(
            **self._common(EXTEND),
            side=BUY if position.side == LONG else SELL,
            quantity=position.quantity,
            reason=SIGNAL,
            fill_from_ms=self._fill_from(),
            reference_price=position.entry_price if self.price is None else self.price,
            exit_ms=signal.exit_ms,
        )
        if intent.intent_id in self.account.intents:
            return self._nothing(f"{held}: this candle's signal was acted on before")
        until = iso(signal.exit_ms)
        return Plan((intent,), (self._say(f"the {position.side} is held until {until}"),))

    def _opposite(self, position: Position, not_before_ms: int) -> Plan:
        """Close; where shorts are possible, open the other way in the same candle."""
        signal = self.signal
        fill_from = max(self._fill_from(), not_before_ms)
        close = closing(
            position,
            OPPOSITE,
            candle_ms=signal.candle_ms,
            created_ms=self.now_ms,
            fill_from_ms=fill_from,
            price=position.entry_price if self.price is None else self.price,
            revision=signal.revision,
        )
        if close.intent_id in self.account.intents:
            return self._nothing("this candle's signal was acted on before")
        note = self._say(f"{signal.side} closes the {position.side}")
        if self.account.market_type == SPOT:
            return Plan((close,), (note,))
        intent, entry_note = self._entry(not_before_ms)
        return Plan((close, intent) if intent else (close,), (note, entry_note))

    def _entry(self, not_before_ms: int = 0) -> tuple[Intent | None, str]:
        """Return the OPEN intent, or None and why there is none."""
        signal = self.signal
        fill_from = max(self._fill_from(), not_before_ms)
        barred = self._barred()
        if barred:
            return None, self._say(f"{signal.side} is not entered: {barred}")
        if fill_from >= signal.exit_ms:
            return None, self._say(f"{signal.side} is not entered: its horizon is over")
        if self.price is None or self.price <= 0:
            return None, self._say(f"{signal.side} is not entered: its last price is not known")
        quantity = self.rules.floor_amount(signal.size * signal.equity / self.price)
        if self.rules.max_amount is not None:
            quantity = min(quantity, self.rules.floor_amount(self.rules.max_amount))
        small = self.rules.too_small(quantity, self.price)
        if small:
            return None, self._say(f"{signal.side} is not entered: {small}")
        intent = Intent(
            **self._common(OPEN),
            side=BUY if signal.side == LONG else SELL,
            quantity=quantity,
            reason=SIGNAL,
            fill_from_ms=fill_from,
            reference_price=self.price,
            stop_distance=signal.stop_distance,
            target_distance=signal.target_distance,
            exit_ms=signal.exit_ms,
        )
        if intent.intent_id in self.account.intents:
            return None, self._say("this candle's signal was acted on before")
        return intent, self._say(
            f"{signal.side}: {intent.side} {quantity:f}, held until {iso(signal.exit_ms)}"
        )

    def _barred(self) -> str | None:
        """Return why exposure may not grow or last longer."""
        if self.signal.revision > 0:
            return f"revision {self.signal.revision} of a candle may only reduce"
        return self.can_open

    def _left_over(self, position: Position) -> bool:
        """Return whether so little is left that the market would not take it."""
        price = position.entry_price if self.price is None else self.price
        return self.rules.too_small(position.quantity, price) is not None

    def _fill_from(self) -> int:
        step = self.signal.step_ms
        return max(self.now_ms // step * step, self.signal.candle_ms)

    def _common(self, kind: str) -> dict[str, Any]:
        signal = self.signal
        return {
            "intent_id": intent_id(signal.symbol, signal.candle_ms, kind),
            "symbol": signal.symbol,
            "candle_ms": signal.candle_ms,
            "revision": signal.revision,
            "kind": kind,
            "created_ms": self.now_ms,
        }

    def _say(self, what: str) -> str:
        return f"{self.signal.symbol}: {what}"

    def _nothing(self, why: str) -> Plan:
        return Plan((), (self._say(why),))


def _is_over(position: Position, candle_ms: int) -> bool:
    """Return whether a position only waits for a candle to be closed at."""
    return position.exit_ms is not None and position.exit_ms < candle_ms


def _end(position: Position) -> str:
    return "it is closed" if position.exit_ms is None else iso(position.exit_ms)


def _unfilled(entry: Intent) -> Position:
    """Return the position that an entry will make when it fills."""
    return Position(
        symbol=entry.symbol,
        side=LONG if entry.side == BUY else SHORT,
        quantity=entry.quantity,
        entry_price=entry.reference_price,
        entry_ms=entry.fill_from_ms,
        entry_candle_ms=entry.candle_ms,
        stop_price=None,
        target_price=None,
        exit_ms=entry.exit_ms,
        fees=Decimal(0),
        intent_id=entry.intent_id,
    )
