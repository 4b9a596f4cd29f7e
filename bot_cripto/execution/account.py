"""The account: cash, positions and trades, as a fold over the entries of a ledger."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from bot_cripto.errors import DataError, LedgerError
from bot_cripto.execution.costs import SPOT, Costs, fee
from bot_cripto.execution.holdings import LONG, SHORT, Position, Trade
from bot_cripto.execution.market_rules import ARITHMETIC, exact
from bot_cripto.ledger.events import (
    BUY,
    EXTEND,
    FINAL_STATES,
    OPEN,
    STOP,
    Action,
    Fill,
    Funding,
    Intent,
    Mark,
    OrderEvent,
)
from bot_cripto.symbols import base_of, portfolio_of, quote_of

if TYPE_CHECKING:
    from bot_cripto.ledger.store import Ledger

__all__ = ["LONG", "SHORT", "SPOT", "Account", "Entry", "Position", "Trade"]

Entry = Intent | OrderEvent | Fill | Funding | Action | Mark

_ZERO = Decimal(0)

BEGUN = "begun"
"""The action that says with how much an account began, and in which currency."""

_RECENT_MS = 2 * 86_400_000
"""Fills may become known so much later than they happened."""


class Account:
    """Cash, positions and trades, built by applying entries one after the other.

    The result depends on the entries and on what the account is made with, on nothing else.
    Entries of one kind must come in their order; an intent must come before its fills.

    Parameters
    ----------
    initial_equity : Decimal
        Cash before the first fill, quote currency, above 0.
    quote : str
        Quote currency of the portfolio.
    symbols : iterable of str
        The symbols that it trades, in the order of the configuration.
    market_type : str
        ``spot``, ``margin`` or ``swap``.
    max_total_exposure : Decimal
        Greatest sum of absolute notionals over equity that an entry may lead to where cash may
        be borrowed (margin, swap).
    fees_bps : Decimal
        Estimate of a fee that was taken in a third currency, basis points of the notional.

    Attributes
    ----------
    cash : Decimal
        Quote currency; below 0 when it is borrowed.
    positions : dict of str to Position
        By symbol.
    trades : list of Trade
        Closed ones, in the order of their closing fills.
    intents : dict of str to Intent
        Every intent ever made, by its id.
    last_mark : Mark or None
    last_price : dict of str to Decimal
        Last known closes, by symbol; kept up to date from outside, no part of the fold.
    notes : list of str
        What was estimated.
    problems : list of str
        Fills that do not fit what the account holds: a person must look at them.
    """

    def __init__(
        self,
        initial_equity: Decimal,
        quote: str,
        symbols: Iterable[str],
        *,
        market_type: str = SPOT,
        max_total_exposure: Decimal = Decimal(1),
        fees_bps: Decimal = _ZERO,
    ) -> None:
        self.initial_equity = initial_equity
        self.quote = quote
        self.symbols = tuple(symbols)
        self.market_type = market_type
        self.max_total_exposure = max_total_exposure
        self.cash = initial_equity
        self.positions: dict[str, Position] = {}
        self.trades: list[Trade] = []
        self.intents: dict[str, Intent] = {}
        self.last_mark: Mark | None = None
        self.last_price: dict[str, Decimal] = {}
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._estimate = Costs(fees_bps, _ZERO, _ZERO)
        self._pending: dict[str, Intent] = {}
        self._extensions: dict[str, list[Intent]] = {}
        self._stops: dict[tuple[str, int], Decimal] = {}
        self._mark_times: list[int] = []
        self._mark_equities: list[Decimal] = []

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Account:
        """Return the empty account that effective settings describe."""
        quote, symbols = portfolio_of(settings)
        return cls(
            exact(settings["initial_equity"]),
            quote,
            symbols,
            market_type=settings["market_type"],
            max_total_exposure=exact(settings["max_total_exposure"]),
            fees_bps=exact(settings["fees_bps"]),
        )

    @classmethod
    def begun(cls, ledger: Ledger, settings: Mapping[str, Any]) -> Account:
        """Return the empty account of a ledger: what it began with counts, not what is set now.

        Raises
        ------
        LedgerError
            It is kept in another currency than the first of the symbols is quoted in.
        """
        account = cls.of(settings)
        for action in ledger.actions(BEGUN)[:1]:
            account.initial_equity = account.cash = exact(action.data["initial_equity"])
            if action.data["quote"] != account.quote:
                raise LedgerError(
                    f"{ledger.path or 'the ledger'} is kept in {action.data['quote']}, and the "
                    f"first of SYMBOLS is quoted in {account.quote}: put one that is quoted in "
                    f"{action.data['quote']} first, or move the ledger aside to begin anew"
                )
        return account

    @classmethod
    def load(cls, ledger: Ledger, settings: Mapping[str, Any]) -> Account:
        """Return the account that all entries of a ledger make, read as of one moment.

        Raises
        ------
        LedgerError
            The ledger is damaged or of another currency, or a fill is of an intent that it does
            not hold.
        """
        with ledger.transaction():
            account = cls.begun(ledger, settings)
            last = ledger.last_mark()
            # of the older marks those that trades are measured by, not every candle's
            old = ledger.marks_before_entries() if last else []
            new = ledger.marks(last.candle_ms - _RECENT_MS) if last else []
            marks = {mark.candle_ms: mark for mark in (*old, *new)}
            finished, events = ledger.unfinished(FINAL_STATES)
            with localcontext(ARITHMETIC):
                for time in sorted(marks):
                    account._mark(marks[time])
                for intent in ledger.intents():
                    account._intend(intent)
                for name in finished:
                    account._pending.pop(name, None)
                for event in events:
                    account._progress(event)
                for payment in ledger.payments():
                    account.apply(payment)
        return account

    @property
    def waiting(self) -> dict[str, Intent]:
        """Intents that are not final yet, by id, in the order in which they came.

        A protective stop waits for as long as its position is held.
        """
        return {
            name: intent
            for name, intent in self._pending.items()
            if intent.kind != STOP or self._protects(intent)
        }

    def apply(self, entry: Entry) -> None:
        """Take in an entry that is new.

        Raises
        ------
        LedgerError
            A fill is of an intent that never came.
        """
        match entry:
            case Mark():
                self._mark(entry)
            case Intent():
                self._intend(entry)
            case OrderEvent():
                self._progress(entry)
            case Fill():
                with localcontext(ARITHMETIC):
                    self._fill(entry)
            case Funding():
                with localcontext(ARITHMETIC):
                    self._fund(entry)

    def equity(self, prices: Mapping[str, Decimal] | None = None) -> Decimal:
        """Return cash plus what the positions are worth, quote currency.

        Parameters
        ----------
        prices : mapping of str to Decimal, optional
            By symbol; `last_price` without it.

        Raises
        ------
        DataError
            The price of a position is missing; names the symbol.
        """
        prices = self.last_price if prices is None else prices
        with localcontext(ARITHMETIC):
            worth = self.cash
            for symbol, position in self.positions.items():
                worth += position.signed_quantity * _price(prices, symbol)
            return worth

    def exposure(self, symbol: str, prices: Mapping[str, Decimal] | None = None) -> Decimal:
        """Return the absolute notional of a symbol's position, quote currency; 0 without one.

        Raises
        ------
        DataError
            Its price is missing.
        """
        position = self.positions.get(symbol)
        if position is None:
            return _ZERO
        prices = self.last_price if prices is None else prices
        with localcontext(ARITHMETIC):
            return position.quantity * _price(prices, symbol)

    def state(self) -> dict[str, Any]:
        """Return everything that the entries have made, to be compared with another account's."""
        return {
            "cash": self.cash,
            "positions": dict(self.positions),
            "trades": list(self.trades),
            "waiting": self.waiting,
            "intents": dict(self.intents),
            "last_mark": self.last_mark,
            "notes": list(self.notes),
            "problems": list(self.problems),
        }

    def _protects(self, stop: Intent) -> bool:
        position = self.positions.get(stop.symbol)
        return position is not None and position.entry_candle_ms == stop.candle_ms

    def _mark(self, mark: Mark) -> None:
        if self._mark_times and mark.candle_ms <= self._mark_times[-1]:
            raise LedgerError(f"the mark of {mark.candle_ms} is not after the one before it")
        self._mark_times.append(mark.candle_ms)
        self._mark_equities.append(mark.equity)
        self.last_mark = mark

    def _intend(self, intent: Intent) -> None:
        self.intents[intent.intent_id] = intent
        position = self.positions.get(intent.symbol)
        if intent.kind == EXTEND:
            self._extensions.setdefault(intent.symbol, []).append(intent)
            if position is not None:
                with localcontext(ARITHMETIC):
                    self._renew(position)
            return
        self._pending[intent.intent_id] = intent
        if intent.kind == STOP and intent.trigger_price is not None:
            self._stops[intent.symbol, intent.candle_ms] = intent.trigger_price
            if position is not None:
                with localcontext(ARITHMETIC):
                    self._renew(position)

    def _progress(self, event: OrderEvent) -> None:
        if event.state in FINAL_STATES:
            self._pending.pop(event.intent_id, None)
        elif event.intent_id in self.intents:
            # another attempt after one that was final
            self._pending[event.intent_id] = self.intents[event.intent_id]

    def _fill(self, fill: Fill) -> None:
        intent = self.intents.get(fill.intent_id)
        if intent is None:
            raise LedgerError(
                f"{fill.symbol}: fill {fill.fill_id} is of intent {fill.intent_id}, which the "
                "ledger does not hold"
            )
        base = base_of(fill.symbol)
        in_base = fill.fee if fill.fee_currency == base else _ZERO
        in_quote = fill.fee if fill.fee_currency == quote_of(fill.symbol) else _ZERO
        if fill.fee and not in_base and not in_quote:
            in_quote = fee(fill.quantity * fill.price, self._estimate)
            self.notes.append(
                f"{fill.symbol}: the fee of {fill.fill_id} was taken in "
                f"{fill.fee_currency}; {in_quote:f} {self.quote} was charged for it"
            )
        if intent.kind == OPEN:
            self._enter(intent, fill, in_base, in_quote)
        else:
            self._leave(intent, fill, in_base, in_quote)

    def _fund(self, funding: Funding) -> None:
        held = self.positions.get(funding.symbol)
        if held is None:
            self.problems.append(
                f"{funding.symbol}: {funding.funding_id} charges {funding.amount:f} for holding, "
                "and nothing is held; it was not taken"
            )
            return
        self.cash -= funding.amount
        self.positions[funding.symbol] = replace(held, funding=held.funding + funding.amount)

    def _enter(self, intent: Intent, fill: Fill, in_base: Decimal, in_quote: Decimal) -> None:
        bought = fill.side == BUY
        notional = fill.quantity * fill.price
        self.cash += (-notional if bought else notional) - in_quote
        # a fee in base leaves less to hold after buying, and more to buy back after selling
        gained = fill.quantity - in_base if bought else fill.quantity + in_base
        fees = in_quote + in_base * fill.price
        side = LONG if bought else SHORT
        held = self.positions.get(fill.symbol)
        if held is not None and held.side != side:
            self.problems.append(
                f"{fill.symbol}: {fill.fill_id} opens a {side} while a {held.side} is held"
            )
            return
        if held is None:
            quantity, price = gained, fill.price
            entry_ms, funding = fill.time_ms, _ZERO
        else:
            quantity = held.quantity + gained
            price = (held.quantity * held.entry_price + gained * fill.price) / quantity
            fees += held.fees
            funding = held.funding
            # what an earlier position left behind starts anew with this one
            same = held.intent_id == intent.intent_id
            entry_ms = held.entry_ms if same else fill.time_ms
        stop, target, exit_ms = self._ends(intent, side, price)
        self.positions[fill.symbol] = Position(
            symbol=fill.symbol,
            side=side,
            quantity=quantity,
            entry_price=price,
            entry_ms=entry_ms,
            entry_candle_ms=intent.candle_ms,
            stop_price=stop,
            target_price=target,
            exit_ms=exit_ms,
            fees=fees,
            intent_id=intent.intent_id,
            funding=funding,
        )

    def _renew(self, position: Position) -> None:
        """Keep a position with what its intents say of its stop, target and end."""
        intent = self.intents[position.intent_id]
        stop, target, exit_ms = self._ends(intent, position.side, position.entry_price)
        self.positions[position.symbol] = replace(
            position, stop_price=stop, target_price=target, exit_ms=exit_ms
        )

    def _ends(
        self, intent: Intent, side: str, entry_price: Decimal
    ) -> tuple[Decimal | None, Decimal | None, int | None]:
        """Return stop price, target price and end of a position that an intent opened."""
        exit_ms = intent.exit_ms
        # the newest one counts, and those before the entry were of another position
        for extension in reversed(self._extensions.get(intent.symbol, ())):
            if extension.candle_ms <= intent.candle_ms:
                break
            if extension.side == intent.side:
                exit_ms = extension.exit_ms
                break
        target = None
        if intent.target_distance:
            sign = 1 if side == LONG else -1
            target = entry_price * (1 + sign * exact(intent.target_distance))
        return (
            self._stops.get((intent.symbol, intent.candle_ms)),
            target if target is not None and target > 0 else None,
            exit_ms,
        )

    def _leave(self, intent: Intent, fill: Fill, in_base: Decimal, in_quote: Decimal) -> None:
        held = self.positions.get(fill.symbol)
        sold = fill.side != BUY
        asked = fill.quantity
        if held is None or (held.side == LONG) != sold:
            quantity = _ZERO
        else:
            quantity = min(asked, held.quantity)
        if quantity < asked:
            self.problems.append(
                f"{fill.symbol}: {fill.fill_id} closes {asked:f}, of which the ledger holds only "
                f"{quantity:f}; the rest is not this account's"
            )
        if held is None or not quantity:
            return
        # what the account does not hold is not its business: nor is its part of the fee
        in_quote = in_quote * quantity / asked
        in_base = in_base * quantity / asked
        notional = quantity * fill.price
        self.cash += (notional if sold else -notional) - in_quote - in_base * fill.price
        left = held.quantity - quantity
        share = held.fees * quantity / held.quantity if left else held.fees
        gross = quantity * (fill.price - held.entry_price) * (1 if held.side == LONG else -1)
        fees = share + in_quote + in_base * fill.price
        funding = held.funding * quantity / held.quantity if left else held.funding
        net = gross - fees - funding
        self.trades.append(
            Trade(
                symbol=fill.symbol,
                side=held.side,
                quantity=quantity,
                entry_price=held.entry_price,
                exit_price=fill.price,
                entry_ms=held.entry_ms,
                exit_ms=fill.time_ms,
                gross=gross,
                fees=fees,
                net=net,
                net_fraction=float(net / self._equity_before(held.entry_ms)),
                reason=fill.reason,
                intent_id=held.intent_id,
                funding=funding,
            )
        )
        if left:
            self.positions[fill.symbol] = replace(
                held, quantity=left, fees=held.fees - share, funding=held.funding - funding
            )
        else:
            del self.positions[fill.symbol]

    def _equity_before(self, time_ms: int) -> Decimal:
        """Return the equity at the last mark up to a moment; what it began with before any."""
        place = bisect_right(self._mark_times, time_ms)
        equity = self._mark_equities[place - 1] if place else self.initial_equity
        # nothing is entered without equity; a fraction needs a base all the same
        return equity if equity > 0 else self.initial_equity


def _price(prices: Mapping[str, Decimal], symbol: str) -> Decimal:
    try:
        return prices[symbol]
    except KeyError:
        raise DataError(
            f"{symbol}: a position is held and its last price is not known; fetch its candles"
        ) from None
