"""Replay the list of make_entries.py by backtesting.py, its own broker and contingent orders.

    PYTHON benchmarks/engines/run_backtesting_py.py FOLDER --out trades.csv [--costs plain]

where PYTHON has `pip install backtesting pyarrow`. docs/engines.md tells what had to be adapted.
"""

from __future__ import annotations

import math
import sys

import pandas as pd
from backtesting import Backtest, Strategy, backtesting
from files import (
    CASH,
    CROSSING,
    FEE,
    Entry,
    Trade,
    arguments,
    read_candles,
    read_entries,
    write_trades,
)

UNIT = 0.001
"""Orders are in whole units, so that a unit is this much of the base currency."""
HAIR = 1e-6
"""More than a rounding of floats, less than a tick."""


def replayer(entries: list[Entry], crossing: float) -> type[Strategy]:
    """Return the strategy that sends the list's orders; they fill at the next open."""
    waiting = {entry.index: entry for entry in entries}

    class Replay(Strategy):
        def init(self) -> None:
            self.leaves = -1
            self.row = 0

        def next(self) -> None:
            # the first call is that of the second candle
            self.row += 1
            if self.trades:
                if self.row + 1 < self.leaves:
                    return
                self.trades[0].close()
            entry = waiting.get(self.row)
            if entry is None:
                return
            # touching a target is a fill here: one float higher, it has to be exceeded
            target = math.nextafter(entry.target * UNIT, math.inf)
            self.buy(
                size=round(entry.quantity / UNIT),
                sl=None if math.isnan(entry.stop) else entry.stop * UNIT,
                tp=None if math.isnan(entry.target) else target,
                tag=entry.index,
            )
            self.leaves = entry.index + 1 + entry.horizon

    return Replay


def main() -> None:
    given = arguments()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    crossing = CROSSING[given.costs]
    names = ("open", "high", "low", "close")
    frame = pd.DataFrame({name.title(): candles[name] * UNIT for name in names})
    frame["Volume"] = candles["volume"] / UNIT
    frame.index = pd.DatetimeIndex(candles["time"].astype("datetime64[ms]"))
    # no bar of progress, which costs nothing of what is compared
    backtesting._tqdm = lambda sequence, **_: sequence
    test = Backtest(frame, replayer(entries, crossing), cash=CASH, spread=crossing, commission=FEE)
    table = test.run()["_trades"]
    by_index = {entry.index: entry for entry in entries}
    trades = [finished(row, by_index[row.Tag], crossing) for row in table.itertuples()]
    write_trades(given.out, trades, candles["time"], f"backtesting.py {version()}")


def finished(row: object, entry: Entry, crossing: float) -> Trade:
    """Return a trade of the engine in base units, the crossing at its exit added.

    The engine's `spread` moves the price of an entry only, and no argument of it moves that of an
    exit: the crossing at market exits and stops is taken off here, and its share of the fee too.
    """
    quantity, paid, got = row.Size * UNIT, row.EntryPrice / UNIT, row.ExitPrice / UNIT
    if row.ExitBar == entry.index + 1 + entry.horizon:
        reason = "horizon"
    else:
        # back from units, the price of a stop may be the next float above it
        reason = "stop" if got <= entry.stop + HAIR else "target"
    fee = row.Commission
    net = row.PnL
    if reason != "target":
        worse = got * crossing
        fee -= FEE * quantity * worse
        net -= (1 - FEE) * quantity * worse
        got -= worse
    return Trade(row.EntryBar, row.ExitBar, quantity, paid, got, fee, net, reason)


def version() -> str:
    return sys.modules["backtesting"].__version__


if __name__ == "__main__":
    main()
