"""The rules of make_entries.py in plain Python: an oracle that shares no code with any engine.

python benchmarks/engines/reference.py FOLDER --out trades.csv [--costs plain]
"""

from __future__ import annotations

import math

from files import CROSSING, FEE, Entry, Trade, arguments, read_candles, read_entries, write_trades


def replay(
    candles: dict[str, list[float]], entries: list[Entry], crossing: float, fee: float
) -> list[Trade]:
    """Return the trades of the list; prices and money in the quote currency, not rounded."""
    opens, highs, lows = candles["open"], candles["high"], candles["low"]
    by_fill = {entry.index + 1: entry for entry in entries}
    trades: list[Trade] = []
    held: Entry | None = None
    paid = 0.0

    def leave(row: int, price: float, reason: str) -> None:
        costs = fee * held.quantity * (paid + price)
        net = held.quantity * (price - paid) - costs
        entered = held.index + 1
        trades.append(Trade(entered, row, held.quantity, paid, price, costs, net, reason))

    for row, open_ in enumerate(opens):
        if held is not None and row >= held.index + 1 + held.horizon:
            leave(row, open_ * (1 - crossing), "horizon")
            held = None
        if held is None and row in by_fill:
            held = by_fill[row]
            paid = open_ * (1 + crossing)
        if held is None:
            continue
        if not math.isnan(held.stop) and lows[row] <= held.stop:
            leave(row, min(open_, held.stop) * (1 - crossing), "stop")
            held = None
        elif not math.isnan(held.target) and highs[row] > held.target:
            leave(row, max(open_, held.target), "target")
            held = None
    return trades


def main() -> None:
    given = arguments()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    lists = {name: candles[name].tolist() for name in ("open", "high", "low")}
    trades = replay(lists, entries, CROSSING[given.costs], FEE)
    write_trades(given.out, trades, candles["time"], "reference")


if __name__ == "__main__":
    main()
