"""The fills of one candle on paper: at its open, and inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bot_cripto.execution.account import LONG, SPOT, Position
from bot_cripto.execution.costs import (
    Costs,
    fee,
    funding,
    funding_times,
    market_price,
    stop_price_fill,
)
from bot_cripto.execution.exits import TARGET, closing, exit_side, expiries, protective_stop
from bot_cripto.execution.market_rules import DEFAULT, MarketRules, round_down, round_up
from bot_cripto.ledger.events import (
    BUY,
    CANCELLED,
    CLOSE,
    EXPIRED,
    FILLED,
    OPEN,
    REJECTED,
    STOP,
    Fill,
    Funding,
    Intent,
    Mark,
    OrderEvent,
    client_order_id,
    event_id,
    funding_id,
    intent_id,
    paper_fill_id,
)

if TYPE_CHECKING:
    from bot_cripto.execution.book import Bookkeeping


@dataclass(frozen=True)
class Bar:
    """Prices of a candle, quote currency."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class CandleFills:
    """Takes one book through one candle; to be called from top to bottom.

    Parameters
    ----------
    book : Bookkeeping
    bars : mapping of str to Bar
        By symbol; one without a candle is left out.
    open_ms, close_ms : int
        Of the candle, milliseconds since the epoch, UTC.
    rules : mapping of str to MarketRules
        By symbol; `DEFAULT` for one that is left out.
    costs : Costs
    fills : list of Fill
        Grows by what is filled.
    """

    book: Bookkeeping
    bars: Mapping[str, Bar]
    open_ms: int
    close_ms: int
    rules: Mapping[str, MarketRules]
    costs: Costs
    fills: list[Fill]

    def at_the_open(self) -> None:
        """Fill what waits at the open: all that closes, then all that opens."""
        account = self.book.account
        # also where the candle is missing: the position's time is up there all the same
        for intent in expiries(account, self.open_ms):
            self.book.add(intent)
        due = [
            intent
            for intent in account.waiting.values()
            if intent.fill_from_ms <= self.open_ms and intent.symbol in self.bars
        ]
        if not due:
            return
        places = {symbol: place for place, symbol in enumerate(account.symbols)}
        due.sort(key=lambda intent: places.get(intent.symbol, len(places)))
        for intent in due:
            if intent.kind == CLOSE:
                self._close(intent, due)
        for intent in due:
            if intent.kind == OPEN and intent.intent_id in account.waiting:
                self._open(intent)

    def charge(self) -> None:
        """Charge what is held after the open at the funding times up to the close."""
        account = self.book.account
        if not self.costs.funding_bps or not account.positions:
            return
        for time_ms in funding_times(self.open_ms, self.close_ms):
            for symbol, position in list(account.positions.items()):
                bar = self.bars.get(symbol)
                if bar is None:
                    price = account.last_price.get(symbol, position.entry_price)
                else:
                    # inside the candle nothing but its open is known
                    price = bar.close if time_ms == self.close_ms else bar.open
                quantity = position.quantity
                amount = funding(quantity * price, self.costs)
                name = funding_id(symbol, time_ms)
                self.book.add(Funding(name, symbol, time_ms, quantity, price, amount))

    def inside(self) -> None:
        """Look for stops and targets inside the candle; where both lie in it, it is the stop."""
        for symbol, position in list(self.book.account.positions.items()):
            bar = self.bars.get(symbol)
            if bar is None:
                continue
            long, stop, target = (
                position.side == LONG,
                position.stop_price,
                position.target_price,
            )
            if stop is not None and (bar.low <= stop if long else bar.high >= stop):
                self._stop(position, bar, stop)
            elif target is not None and (bar.high > target if long else bar.low < target):
                self._target(position, bar, target)

    def mark(self) -> None:
        """Mark the account to the last known closes."""
        account = self.book.account
        for symbol, bar in self.bars.items():
            account.last_price[symbol] = bar.close
        exposure = sum((account.exposure(symbol) for symbol in account.positions), Decimal(0))
        self.book.add(Mark(self.close_ms, account.equity(), account.cash, exposure))

    def _close(self, intent: Intent, due: list[Intent]) -> None:
        position = self.book.account.positions.get(intent.symbol)
        if position is None or exit_side(position.side) != intent.side:
            for entry in due:
                before = entry.kind == OPEN and entry.created_ms < intent.created_ms
                if before and entry.symbol == intent.symbol:
                    self._end(entry, CANCELLED, self.open_ms, "taken back before it could fill")
            self._end(intent, EXPIRED, self.open_ms, "there is nothing left to close")
            return
        price = market_price(
            self.bars[intent.symbol].open, intent.side, self.costs, self._rules(intent.symbol)
        )
        self._leave(intent, position, price, self.open_ms, intent.reason)

    def _open(self, intent: Intent) -> None:
        account, rules = self.book.account, self._rules(intent.symbol)
        if intent.exit_ms is not None and intent.exit_ms <= self.open_ms:
            return self._end(intent, EXPIRED, self.open_ms, "its horizon is over")
        if intent.symbol in account.positions:
            return self._end(intent, REJECTED, self.open_ms, "a position is held already")
        if account.market_type == SPOT and intent.side != BUY:
            return self._end(intent, REJECTED, self.open_ms, "a spot market has no SHORT")
        price = market_price(self.bars[intent.symbol].open, intent.side, self.costs, rules)
        most, why = self._affordable(intent, price, rules)
        quantity = min(rules.floor_amount(intent.quantity), most)
        small = rules.too_small(quantity, price)
        cut = f"cut from {intent.quantity:f}: {why}" if quantity < intent.quantity else ""
        if small:
            return self._end(intent, REJECTED, self.open_ms, f"{small}; {cut}" if cut else small)
        self._fill(intent, quantity, price, self.open_ms, intent.reason, cut)
        stop = protective_stop(account.positions[intent.symbol], intent, rules, self.open_ms)
        if stop is not None:
            self.book.add(stop)
        return None

    def _affordable(
        self, intent: Intent, price: Decimal, rules: MarketRules
    ) -> tuple[Decimal, str]:
        """Return the most that may be bought or sold short, and what limits it."""
        account = self.book.account
        if account.market_type == SPOT:
            most = rules.floor_amount(account.cash / (price + fee(price, self.costs)))
            # fees are rounded up: the last step may be too much
            while most > 0 and most * price + fee(most * price, self.costs) > account.cash:
                most -= rules.amount_step
            return most, f"that is what {account.cash:f} {account.quote} affords"
        prices = {**account.last_price, **{name: bar.open for name, bar in self.bars.items()}}
        held = sum((account.exposure(name, prices) for name in account.positions), Decimal(0))
        room = account.max_total_exposure * account.equity(prices) - held
        return rules.floor_amount(room / price), "that is what the total exposure leaves room for"

    def _stop(self, position: Position, bar: Bar, trigger: Decimal) -> None:
        name = intent_id(position.symbol, position.entry_candle_ms, STOP)
        stop = self.book.account.intents[name]
        rules = self._rules(position.symbol)
        price = stop_price_fill(bar.open, trigger, stop.side, self.costs, rules)
        self._leave(stop, position, price, self.close_ms, STOP)

    def _target(self, position: Position, bar: Bar, target: Decimal) -> None:
        tick, long = self._rules(position.symbol).price_tick, position.side == LONG
        limit = round_up(target, tick) if long else max(round_down(target, tick), tick)
        if not (bar.high > limit if long else bar.low < limit):
            return
        price = max(limit, bar.open) if long else min(limit, bar.open)
        intent = closing(
            position,
            TARGET,
            candle_ms=self.close_ms,
            created_ms=self.close_ms,
            fill_from_ms=self.open_ms,
            price=limit,
        )
        self.book.add(intent)
        self._leave(intent, position, price, self.close_ms, TARGET)

    def _leave(
        self, intent: Intent, position: Position, price: Decimal, time_ms: int, reason: str
    ) -> None:
        stops = [
            stop
            for stop in self.book.account.waiting.values()
            if stop.kind == STOP and stop.symbol == position.symbol and stop != intent
        ]
        self._fill(intent, position.quantity, price, time_ms, reason, "")
        for stop in stops:
            self._end(stop, CANCELLED, time_ms, "its position is closed")

    def _fill(
        self,
        intent: Intent,
        quantity: Decimal,
        price: Decimal,
        time_ms: int,
        reason: str,
        detail: str,
    ) -> None:
        fill = Fill(
            fill_id=paper_fill_id(intent.intent_id, self.open_ms, reason),
            intent_id=intent.intent_id,
            symbol=intent.symbol,
            side=intent.side,
            quantity=quantity,
            price=price,
            fee=fee(quantity * price, self.costs),
            fee_currency=self.book.account.quote,
            time_ms=time_ms,
            reason=reason,
        )
        self.book.add(fill)
        self._end(intent, FILLED, time_ms, detail, quantity)
        self.fills.append(fill)

    def _end(
        self,
        intent: Intent,
        state: str,
        time_ms: int,
        detail: str,
        filled: Decimal = Decimal(0),
    ) -> None:
        client_id = client_order_id(intent.intent_id)
        self.book.add(
            OrderEvent(
                event_id=event_id(client_id, state, filled, None),
                client_id=client_id,
                intent_id=intent.intent_id,
                state=state,
                time_ms=time_ms,
                filled=filled,
                detail=detail,
            )
        )

    def _rules(self, symbol: str) -> MarketRules:
        return self.rules.get(symbol, DEFAULT)
