"""Replay the list of make_entries.py by one compiled pass over the candles: the yardstick.

    PYTHON benchmarks/engines/run_numba.py FOLDER --out trades.csv [--costs plain]

where PYTHON has `pip install numba pyarrow`. It has no account, no rounding and no rules of a
market: what the bare loop and starting Python with numba cost. The compiled code is kept beside
this file, so that only the first run compiles.
"""

from __future__ import annotations

import numba
import numpy as np
from files import CROSSING, FEE, Trade, arguments, read_candles, read_entries, write_trades

REASONS = ("horizon", "stop", "target")


@numba.njit(cache=True)
def replay(
    opens: np.ndarray,
    highs: np.ndarray,
    lows: np.ndarray,
    fills: np.ndarray,
    stops: np.ndarray,
    targets: np.ndarray,
    ends: np.ndarray,
    crossing: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return entry's number, row of the exit and reason, and price paid and got, of each trade."""
    rows = np.empty((len(fills), 3), np.int64)
    prices = np.empty((len(fills), 2))
    count, after = 0, 0
    held = -1
    for row in range(len(opens)):
        got, reason = np.nan, -1
        if held >= 0 and row == ends[held]:
            rows[count] = (held, row, 0)
            prices[count, 1] = opens[row] * (1 - crossing)
            count += 1
            held = -1
        if after < len(fills) and fills[after] == row:
            if held < 0:
                held = after
                prices[count, 0] = opens[row] * (1 + crossing)
            after += 1
        if held < 0:
            continue
        if lows[row] <= stops[held]:
            got, reason = min(opens[row], stops[held]) * (1 - crossing), 1
        elif highs[row] > targets[held]:
            got, reason = max(opens[row], targets[held]), 2
        if reason > 0:
            rows[count] = (held, row, reason)
            prices[count, 1] = got
            count += 1
            held = -1
    return rows[:count], prices[:count]


def main() -> None:
    given = arguments()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    fills = np.array([entry.index + 1 for entry in entries])
    ends = fills + np.array([entry.horizon for entry in entries])
    stops = np.array([entry.stop for entry in entries])
    targets = np.array([entry.target for entry in entries])
    prices = (candles[name] for name in ("open", "high", "low"))
    found = replay(*prices, fills, stops, targets, ends, CROSSING[given.costs])
    trades = []
    for (e, left, reason), (paid, got) in zip(*(part.tolist() for part in found), strict=True):
        quantity = entries[e].quantity
        fee = FEE * quantity * (paid + got)
        net = quantity * (got - paid) - fee
        entered = entries[e].index + 1
        trades.append(Trade(entered, left, quantity, paid, got, fee, net, REASONS[reason]))
    write_trades(given.out, trades, candles["time"], f"numba {numba.__version__}")


if __name__ == "__main__":
    main()
