"""Replay the list of make_entries.py by vectorbt, `Portfolio.from_signals` and its own stops.

    PYTHON benchmarks/engines/run_vectorbt.py FOLDER --out trades.csv [--costs plain]

where PYTHON has `pip install "vectorbt[rust]" pyarrow` (without the extra, its numba engine runs).
docs/engines.md tells what had to be adapted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vectorbt as vbt
from files import (
    CASH,
    CROSSING,
    FEE,
    PRICES,
    Entry,
    Trade,
    arguments,
    read_candles,
    read_entries,
    write_trades,
)
from vectorbt.portfolio.enums import StopEntryPrice, StopExitPrice

HAIR = 1e-9
"""Added to stops and targets: well under half a tick, well over a rounding of floats."""


class Rows:
    """The candles with rows put in before them: one for exits at an open, one for entries.

    A row of vectorbt takes one order, and looks for a stop from the row after the entry on. The
    rows put in show the close before, which no stop or target waits at, and trade at the open.
    """

    def __init__(self, candles: dict[str, np.ndarray], entries: list[Entry]):
        n = len(candles["open"])
        opened = np.array([entry.index + 1 for entry in entries])
        horizons = np.array([entry.horizon for entry in entries])
        has = np.zeros((2, n), dtype=np.int64)
        has[0, opened + horizons] = 1
        has[1, opened] = 1
        self.exit_row, self.entry_row, self.inside = _places(has)
        total = n + has.sum()
        self.candle = np.repeat(np.arange(n), has.sum(0) + 1)
        before = np.maximum(self.candle - 1, 0)
        self.table = {}
        for name in PRICES:
            self.table[name] = candles["close"][before]
            self.table[name][self.inside] = candles[name]
        self.price = candles["open"][self.candle]
        self.total = int(total)
        self.opens = candles["open"]
        self.is_candle = np.zeros(self.total, dtype=bool)
        self.is_candle[self.inside] = True


def _places(has: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of exits, entries and candles, by candle."""
    inside = np.cumsum(has.sum(0) + 1) - 1
    return inside - has[1] - 1, inside - 1, inside


def lanes(entries: list[Entry]) -> list[int]:
    """Return a lane for each entry, such that at most one of a lane is within its horizon."""
    free: list[int] = []
    chosen = []
    for entry in entries:
        opened = entry.index + 1
        lane = next((k for k, until in enumerate(free) if until <= opened), len(free))
        free[lane : lane + 1] = [opened + entry.horizon]
        chosen.append(lane)
    return chosen


def portfolio(
    rows: Rows, entries: list[Entry], lane: list[int], leaves: np.ndarray, **options: Any
) -> Any:
    """Return the trades of `from_signals`, one column for each lane, sorted by column and row.

    `leaves` says of each entry whether it has an exit signal at the end of its horizon.
    """
    shape = (rows.total, max(lane) + 1)
    size, sl, tp = (np.full(shape, np.nan) for _ in range(3))
    enter, leave = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    opened = np.array([entry.index + 1 for entry in entries])
    over = opened + np.array([entry.horizon for entry in entries])
    at = (rows.entry_row[opened], lane)
    enter[at] = True
    leave[rows.exit_row[over[leaves]], np.array(lane)[leaves]] = True
    size[at] = [entry.quantity for entry in entries]
    sl[at] = 1 - (np.array([entry.stop for entry in entries]) + HAIR) / rows.opens[opened]
    tp[at] = (np.array([entry.target for entry in entries]) + HAIR) / rows.opens[opened] - 1
    column = {name: rows.table[name][:, None] for name in PRICES}
    close = np.repeat(column.pop("close"), shape[1], 1)
    result = vbt.Portfolio.from_signals(
        close,
        enter,
        leave,
        **column,
        size=size,
        price=rows.price[:, None],
        fees=FEE,
        sl_stop=sl,
        tp_stop=tp,
        stop_entry_price=StopEntryPrice.Price,
        accumulate=False,
        direction="longonly",
        init_cash=CASH,
        max_orders=2 * len(entries),
        **options,
    )
    return result.trades.values


def main() -> None:
    given = arguments()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    rows, lane = Rows(candles, entries), lanes(entries)

    # first every entry by itself: where does it end?
    all_of_them = np.ones(len(entries), dtype=bool)
    alone = portfolio(rows, entries, lane, all_of_them, stop_exit_price=StopExitPrice.StopLimit)
    position = {(k, entries[e].index + 1): e for e, k in enumerate(lane)}
    ends: dict[int, tuple[int, float]] = {}
    for trade in alone:
        e = position[int(trade["col"]), int(rows.candle[trade["entry_idx"]])]
        ends[e] = int(trade["exit_idx"]), float(trade["exit_price"])

    # then those that find no position held, as one portfolio
    taken, leaves, over = [], [], -1
    mode = np.full(rows.total, StopExitPrice.StopMarket)
    for e, entry in enumerate(entries):
        if rows.entry_row[entry.index + 1] < over:
            continue
        taken.append(entry)
        over, got = ends[e]
        # the end of a horizon that a stop came before must not sell what was bought since
        leaves.append(not rows.is_candle[over])
        if rows.is_candle[over] and not got <= entry.stop + 2 * HAIR:
            mode[over] = StopExitPrice.StopLimit
    crossing = CROSSING[given.costs]
    one = [0] * len(taken)
    mode = mode[:, None]
    records = portfolio(rows, taken, one, np.array(leaves), slippage=crossing, stop_exit_price=mode)
    trades = [finished(rows, entry, t) for entry, t in zip(taken, records, strict=True)]
    engine = "rust" if vbt._engine.is_rust_available() else "numba"
    write_trades(given.out, trades, candles["time"], f"vectorbt {vbt.__version__} {engine}")


def finished(rows: Rows, entry: Entry, t: Any) -> Trade:
    entered, left = int(rows.candle[t["entry_idx"]]), int(rows.candle[t["exit_idx"]])
    got = float(t["exit_price"])
    if not rows.is_candle[t["exit_idx"]]:
        reason = "horizon"
    else:
        reason = "stop" if got <= entry.stop + 2 * HAIR else "target"
    fee = float(t["entry_fees"] + t["exit_fees"])
    paid, net = float(t["entry_price"]), float(t["pnl"])
    return Trade(entered, left, float(t["size"]), paid, got, fee, net, reason)


if __name__ == "__main__":
    main()
