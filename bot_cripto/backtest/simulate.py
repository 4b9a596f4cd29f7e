"""The fast simulator: a fixed list of entries through the deployed fills.

Every fill is made by `execution.paper`, with its costs, its rounding and its rules for stops and
targets inside a candle. What makes it fast is that only candles are gone through in which
something can happen: those that an entry or an exit by time fills in, and those whose high or low
reaches a stop or a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.backtest.entries import Entry, intent_of
from bot_cripto.backtest.grid import Grid
from bot_cripto.backtest.levels import first_touch
from bot_cripto.errors import DataError
from bot_cripto.execution.account import Position, Trade
from bot_cripto.execution.costs import Costs, funding_times
from bot_cripto.execution.holdings import LONG, SHORT
from bot_cripto.execution.market_rules import ARITHMETIC, DEFAULT, MarketRules, exact
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.execution.paper import through
from bot_cripto.ledger.events import EXPIRED, REJECTED, STOP, Fill, OrderEvent
from bot_cripto.market.candles import Candles
from bot_cripto.timeframes import timeframe_ms

__all__ = ["Entry", "Simulated", "simulate"]


@dataclass(frozen=True)
class Simulated:
    """What a list of entries came to.

    Attributes
    ----------
    trades : list of Trade
        Closed ones, in the order of their exits.
    fills : list of Fill
    position : Position or None
        What is still held after the last candle.
    close_ms : ndarray of shape (n,), int64
        Close times of the candles, milliseconds since the epoch, UTC.
    equity, exposure : ndarray of shape (n,), float64
        At those closes, quote currency: cash plus what is held, and the absolute notional of it.
    ignored : int
        Entries that would have filled while another was held, or after the last candle.
    refused : list of (int, str)
        Index of each entry that did not fill, and why.
    """

    trades: list[Trade]
    fills: list[Fill]
    position: Position | None
    close_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    exposure: NDArray[np.float64]
    ignored: int
    refused: list[tuple[int, str]]


def simulate(
    symbol: str,
    candles: Candles,
    entries: Iterable[Entry],
    settings: Mapping[str, Any],
    rules: MarketRules = DEFAULT,
) -> Simulated:
    """Take an account through a fixed list of entries.

    Parameters
    ----------
    symbol : str
        The one of the settings.
    candles : Candles
        In the order of time. Missing ones may be left out or stand in (`filled`, NaN): they fill
        nothing and stop nothing.
    entries : iterable of Entry
    settings : mapping
        symbols, timeframe, initial_equity, market_type, max_total_exposure and the costs are
        asked for.
    rules : MarketRules
        Of the symbol's market.

    Raises
    ------
    DataError
        An entry is of a candle that is not there, or has no quantity or a side that is none;
        candles are off the grid or not in order; a price is no number above 0.

    Notes
    -----
    One position at a time: an entry that would fill while another is held or waits is ignored.
    A position whose time is up at that open is closed first, as `CandleFills.at_the_open` does it;
    a stop that the open lies beyond is only looked at inside the candle, and ignores the entry.
    A fixed stop or target that does not lie on its side of the price that the entry fills at
    refuses the entry.
    """
    run = _Run(symbol, candles, settings, rules)
    with localcontext(ARITHMETIC):
        for entry in sorted(entries, key=lambda entry: entry.index):
            run.enter(entry)
        run.go_on(run.grid.rows - 1)
    return run.result()


class _Run:
    """One account, one symbol, one pass over the candles."""

    def __init__(
        self, symbol: str, candles: Candles, settings: Mapping[str, Any], rules: MarketRules
    ) -> None:
        self.symbol = symbol
        self.rules = rules
        self.costs = Costs.of(settings)
        self.step = timeframe_ms(settings["timeframe"])
        self.book = MemoryBook(settings)
        self.grid = Grid.of(symbol, candles, self.step)
        # the account has been through all rows up to this one
        self.at = -1
        # whether an intent beside the protective stop is to be filled at the next open
        self.waits = False
        self.ignored = 0
        self.wished: dict[str, int] = {}
        self.refused: list[tuple[int, str]] = []
        # row, cash and signed quantity after each row that was gone through
        self.states: list[tuple[int, Decimal, Decimal]] = []

    def enter(self, entry: Entry) -> None:
        """Carry out one entry at the row after its own, unless something is held there."""
        row = self._row(entry)
        if row < self.at or row + 1 >= self.grid.rows:
            self.ignored += 1
            return
        self.go_on(row)
        account = self.book.account
        if self._occupied(self.grid.close_ms(row)):
            self.ignored += 1
            return
        account.last_price[self.symbol] = exact(self.grid.close[row])
        intent = intent_of(entry, self.symbol, self.grid, row, account, self.rules, self.costs)
        if isinstance(intent, str):
            self.refused.append((entry.index, intent))
            return
        mark = account.last_mark
        if account.positions and mark is not None and mark.candle_ms < intent.candle_ms:
            # a trade is measured by the equity before its entry
            self._through(row)
        self.wished[intent.intent_id] = entry.index
        self.book.add(intent)
        self.waits = True

    def _occupied(self, time_ms: int) -> bool:
        """Return whether a position is held beyond a moment, or an intent waits."""
        account = self.book.account
        position = account.positions.get(self.symbol)
        if position is not None and (position.exit_ms is None or position.exit_ms > time_ms):
            return True
        return self.waits

    def go_on(self, until: int) -> None:
        """Take the account to the close of a row, through the rows where something may happen."""
        while self.at < until:
            row = self._next(until + 1)
            if row > until:
                self.at = until
            else:
                self._through(row)

    def _next(self, stop: int) -> int:
        """Return the next row where something may happen, or `stop`."""
        account, grid = self.book.account, self.grid
        if self.waits:
            return self.at + 1
        position = account.positions.get(self.symbol)
        if position is None:
            return stop
        if position.exit_ms is not None:
            stop = min(stop, max(grid.row(position.exit_ms), self.at + 1))
        if self.costs.funding_bps:
            due = next(iter(funding_times(grid.close_ms(self.at), grid.close_ms(stop - 1))), None)
            if due is not None:
                stop = min(stop, grid.row(due - 1))
        return first_touch(position, grid.low, grid.high, self.at + 1, stop)

    def _through(self, row: int) -> None:
        """Take the account through a row, as live trading on paper goes through its candle."""
        account, grid, symbol = self.book.account, self.grid, self.symbol
        before = grid.last_close(row)
        if before is not None:
            account.last_price[symbol] = exact(before)
        through(
            self.book,
            {symbol: grid.prices(row)},
            grid.close_ms(row),
            self.step,
            {symbol: self.rules},
            self.costs,
        )
        position = account.positions.get(symbol)
        held = Decimal(0) if position is None else position.signed_quantity
        self.states.append((row, account.cash, held))
        self.at = row
        self.waits = any(intent.kind != STOP for intent in account.waiting.values())

    def _row(self, entry: Entry) -> int:
        """Return the row of an entry's candle."""
        if entry.side not in (LONG, SHORT):
            raise DataError(f"the entry at {entry.index} has the side {entry.side!r}")
        if not 0 <= entry.index < len(self.grid.place):
            raise DataError(
                f"the entry at {entry.index} is of none of the {len(self.grid.place)} candles"
            )
        row = int(self.grid.place[entry.index])
        if self.grid.prices(row) is None:
            raise DataError(
                f"the candle of the entry at {entry.index} is missing: nothing is decided there"
            )
        return row

    def result(self) -> Simulated:
        """Return everything after the last row."""
        account, grid = self.book.account, self.grid
        ended = (entry for entry in self.book.entries.values() if isinstance(entry, OrderEvent))
        for event in ended:
            if event.state in (REJECTED, EXPIRED) and event.intent_id in self.wished:
                why = f"{event.state}: {event.detail}"
                self.refused.append((self.wished[event.intent_id], why))
        cash, held = np.empty(grid.rows), np.empty(grid.rows)
        starts = [0, *(row for row, _, _ in self.states), grid.rows]
        states = [(account.initial_equity, Decimal(0)), *(state[1:] for state in self.states)]
        for start, stop, (money, quantity) in zip(starts[:-1], starts[1:], states, strict=True):
            cash[start:stop], held[start:stop] = float(money), float(quantity)
        # before the first close nothing can be held
        worth = held * np.where(grid.known >= 0, grid.close[grid.known], 0.0)
        return Simulated(
            trades=account.trades,
            fills=self.book.fills,
            position=account.positions.get(self.symbol),
            close_ms=grid.first_ms + (grid.place + 1) * self.step,
            equity=(cash + worth)[grid.place],
            exposure=np.abs(worth)[grid.place],
            ignored=self.ignored,
            refused=sorted(self.refused),
        )
