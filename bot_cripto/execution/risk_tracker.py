"""Drawdowns, losses and their tail: a fold over marks and closed trades.

The fold never looks ahead: at a candle's close it knows the marks up to it, and of the trades
those that happened before it. A trade at the very moment of the close belongs to the next
candle, whose open it filled at, unless it was a stop or a target inside the candle.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from bot_cripto.execution.drawdown import DAY_MS, Drawdown, day_start, week_start
from bot_cripto.ledger.events import Mark
from bot_cripto.timeframes import MINUTE_MS, iso

if TYPE_CHECKING:
    from bot_cripto.execution.account import Trade
    from bot_cripto.ledger.store import Ledger

STREAK_MS = DAY_MS
"""Losses in a row are counted among the trades of this long."""

TAIL_MS = 30 * DAY_MS
TAIL_TRADES = 20
"""The tail is told from the trades of `TAIL_MS`, of which there must be so many."""

_INSIDE = ("stop", "target")

_Key = tuple[int, int, str, int]


def recent_marks(ledger: Ledger, until_ms: int | None = None) -> list[Mark]:
    """Return the marks that the state of risk at the newest of them follows from.

    These are those of its week, and the last one before, with which the week began.

    Parameters
    ----------
    ledger : Ledger
        Open, for reading at least.
    until_ms : int, optional
        Close of the last candle that is known, milliseconds since the epoch, UTC.
    """
    last = ledger.last_mark(until_ms)
    if last is None:
        return []
    monday = week_start(last.candle_ms)
    before = ledger.last_mark(monday)
    since = monday if before is None else before.candle_ms
    return ledger.marks(since, last.candle_ms)


class RiskTracker:
    """Drawdowns, losses and their tail, followed mark by mark and trade by trade.

    A mark costs constant time; a question costs the logarithm of the number of trades, or, the
    first time after a trade has come or grown old, sorting those of 30 days.

    Parameters
    ----------
    initial_equity : Decimal
        Equity before the first mark, in the quote currency, above 0.
    """

    def __init__(self, initial_equity: Decimal) -> None:
        self.initial_equity = Decimal(initial_equity)
        self.last_mark: Mark | None = None
        self._day: Drawdown | None = None
        self._week: Drawdown | None = None
        # sorted: trades of one candle arrive in the order of symbols, not of time
        self._trades: list[tuple[_Key, bool, float]] = []
        self._losses: dict[str, list[_Key]] = {}
        self._tail: tuple[tuple[int, int, int], float] = ((0, 0, 0), 0.0)

    @classmethod
    def of(
        cls,
        initial_equity: Decimal,
        marks: Iterable[Mark],
        trades: Iterable[Trade],
        until_ms: int | None = None,
    ) -> RiskTracker:
        """Return the fold of all marks and trades, or of the marks up to a candle's close."""
        tracker = cls(initial_equity)
        for mark in marks:
            if until_ms is None or mark.candle_ms <= until_ms:
                tracker.mark(mark)
        for trade in trades:
            tracker.trade(trade)
        return tracker

    @property
    def equity(self) -> Decimal:
        """Equity at the last mark, in the quote currency; before the first the initial one."""
        return self.initial_equity if self.last_mark is None else self.last_mark.equity

    def mark(self, mark: Mark) -> None:
        """Take the mark of the next candle.

        Raises
        ------
        ValueError
            It is not later than the last one, or its equity is not finite.
        """
        if not mark.equity.is_finite():
            raise ValueError(f"the mark at {iso(mark.candle_ms)} has equity {mark.equity}")
        if self.last_mark is not None and mark.candle_ms <= self.last_mark.candle_ms:
            raise ValueError(
                f"the mark at {iso(mark.candle_ms)} is not after the last one, at "
                f"{iso(self.last_mark.candle_ms)}"
            )
        self._day = self._followed(self._day, day_start(mark.candle_ms), mark)
        self._week = self._followed(self._week, week_start(mark.candle_ms), mark)
        self.last_mark = mark

    def _followed(self, period: Drawdown | None, start_ms: int, mark: Mark) -> Drawdown:
        if period is None or period.start_ms != start_ms:
            at_start = mark.equity if mark.candle_ms == start_ms else self.equity
            period = Drawdown.begin(start_ms, at_start)
        period.add(mark.equity)
        return period

    def trade(self, trade: Trade) -> None:
        """Take a closed trade; those of one candle may come in any order."""
        rank = 0 if trade.reason in _INSIDE else 1
        key = (trade.exit_ms, rank, trade.symbol, trade.entry_ms)
        insort(self._trades, (key, trade.net < 0, float(trade.net_fraction)))
        if trade.net < 0:
            insort(self._losses.setdefault(trade.symbol, []), key)

    def daily_drawdown(self, candle_ms: int) -> float:
        """Return the deepest fall since 00:00 UTC of the day of a candle's close (decimal, >= 0).

        It is measured from the highest equity of the day, which begins with the last mark at or
        before midnight, and does not shrink before the day has ended.
        """
        return self._period(self._day, day_start(candle_ms), candle_ms).depth

    def weekly_drawdown(self, candle_ms: int) -> float:
        """Return the same since Monday 00:00 UTC; see `daily_drawdown`."""
        return self._period(self._week, week_start(candle_ms), candle_ms).depth

    def day_result(self, candle_ms: int) -> tuple[Decimal, Decimal]:
        """Return equity as the day of a candle's close began, and at the last mark."""
        period = self._period(self._day, day_start(candle_ms), candle_ms)
        return period.start_equity, period.equity

    def week_result(self, candle_ms: int) -> tuple[Decimal, Decimal]:
        """Return equity as the week of a candle's close began, and at the last mark."""
        period = self._period(self._week, week_start(candle_ms), candle_ms)
        return period.start_equity, period.equity

    def _period(self, period: Drawdown | None, start_ms: int, candle_ms: int) -> Drawdown:
        if self.last_mark is not None and candle_ms < self.last_mark.candle_ms:
            raise ValueError(
                f"equity at {iso(candle_ms)} was asked for, but the marks have gone on to "
                f"{iso(self.last_mark.candle_ms)}: fold those up to the candle alone"
            )
        if period is None or period.start_ms != start_ms:
            return Drawdown.begin(start_ms, self.equity)
        return period

    def cooldown_minutes(self, symbol: str, candle_ms: int, minutes: float) -> float:
        """Return how many minutes the symbol must still rest after its last losing trade.

        Parameters
        ----------
        symbol : str
        candle_ms : int
            The candle's close, milliseconds since the epoch, UTC.
        minutes : float
            How long it rests after a loss (``risk_cooldown_minutes``).
        """
        losses = self._losses.get(symbol, [])
        known = bisect_left(losses, _known(candle_ms))
        if not known:
            return 0.0
        return max(0.0, minutes - (candle_ms - losses[known - 1][0]) / MINUTE_MS)

    def consecutive_losses(self, candle_ms: int) -> int:
        """Return how many trades in a row lost, of all symbols' in the 24 hours before a close."""
        start, stop = self._window(candle_ms, STREAK_MS)
        count = 0
        while stop - count > start and self._trades[stop - count - 1][1]:
            count += 1
        return count

    def tail_loss(self, candle_ms: int) -> float:
        """Return the expected shortfall of trades at 5 %, as a loss in fractions of equity.

        The mean of the worst twentieth (rounded down) of the trades of the 30 days before the
        close, at least 0; 0 with fewer than `TAIL_TRADES` of them.

        References
        ----------
        Rockafellar and Uryasev, Optimization of conditional value-at-risk, 2000.
        """
        start, stop = self._window(candle_ms, TAIL_MS)
        window = (start, stop, len(self._trades))
        if window != self._tail[0]:
            self._tail = (window, _shortfall([row[2] for row in self._trades[start:stop]]))
        return self._tail[1]

    def _window(self, candle_ms: int, length_ms: int) -> tuple[int, int]:
        """Return the range of trades known at a close that happened less than so long before."""
        start = bisect_left(self._trades, (_known(candle_ms - length_ms),))
        return start, bisect_left(self._trades, (_known(candle_ms),))


def _known(candle_ms: int) -> _Key:
    """Return the key before which trades are known at a close."""
    return (candle_ms, 1, "", 0)


def _shortfall(fractions: list[float]) -> float:
    if len(fractions) < TAIL_TRADES:
        return 0.0
    worst = sorted(fractions)[: max(1, len(fractions) // 20)]
    return max(0.0, -math.fsum(worst) / len(worst))
