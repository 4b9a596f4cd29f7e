"""What the habits of other engines would change: each rule of make_entries.py put aside in turn.

    python benchmarks/engines/habits.py FOLDER [--costs plain]

Prints for each habit how many trades differ from those of reference.py and what it does to the
net profit. docs/engines.md says which engine has which habit by itself.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from files import CROSSING, FEE, Entry, Trade, read_candles, read_entries
from reference import replay as reference


@dataclass(frozen=True)
class Habits:
    """The rules; the defaults are ours."""

    touch_fills_target: bool = False
    entry_candle_is_skipped: bool = False
    stop_fills_at_trigger: bool = False
    target_fills_at_limit: bool = False
    target_comes_first: bool = False
    entries_only_cross: bool = False
    stops_do_not_cross: bool = False
    targets_cross: bool = False


NAMES = {
    "a target is filled when it is touched": Habits(touch_fills_target=True),
    "stop and target are not looked at in the candle of the entry": Habits(
        entry_candle_is_skipped=True
    ),
    "a stop that the open is beyond fills at its trigger": Habits(stop_fills_at_trigger=True),
    "a target that the open is beyond fills at its limit": Habits(target_fills_at_limit=True),
    "the target is looked at before the stop": Habits(target_comes_first=True),
    "only entries pay half spread and slippage": Habits(entries_only_cross=True),
    "stops pay no half spread and slippage": Habits(stops_do_not_cross=True),
    "targets pay half spread and slippage": Habits(targets_cross=True),
}


def replay(
    candles: dict[str, list[float]], entries: list[Entry], crossing: float, habits: Habits
) -> list[Trade]:
    """Return the trades of the list under these habits."""
    opens, highs, lows = candles["open"], candles["high"], candles["low"]
    by_fill = {entry.index + 1: entry for entry in entries}
    at_open = 0.0 if habits.entries_only_cross else crossing
    at_stop = 0.0 if habits.stops_do_not_cross else at_open
    at_target = crossing if habits.targets_cross else 0.0
    trades: list[Trade] = []
    row = 0
    while row < len(opens):
        entry = by_fill.get(row)
        if entry is None:
            row += 1
            continue
        paid, last = opens[row] * (1 + crossing), row + entry.horizon
        left, got, reason = last, opens[last] * (1 - at_open), "horizon"
        for at in range(row + habits.entry_candle_is_skipped, last):
            high, limit = highs[at], entry.target
            stopped = lows[at] <= entry.stop
            reached = high >= limit if habits.touch_fills_target else high > limit
            if reached and (habits.target_comes_first or not stopped):
                price = limit if habits.target_fills_at_limit else max(opens[at], limit)
                left, got, reason = at, price * (1 - at_target), "target"
                break
            if stopped:
                at_trigger = habits.stop_fills_at_trigger
                price = entry.stop if at_trigger else min(opens[at], entry.stop)
                left, got, reason = at, price * (1 - at_stop), "stop"
                break
        fee = FEE * entry.quantity * (paid + got)
        net = entry.quantity * (got - paid) - fee
        trades.append(Trade(row, left, entry.quantity, paid, got, fee, net, reason))
        # an exit at an open comes before the entry there; one inside leaves the next open free
        row = left if reason == "horizon" else left + 1
    return trades


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--costs", choices=sorted(CROSSING), default="full")
    given = parser.parse_args()
    candles, entries = read_candles(given.folder), read_entries(given.folder)
    lists = {name: candles[name].tolist() for name in ("open", "high", "low")}
    crossing = CROSSING[given.costs]
    right = reference(lists, entries, crossing, FEE)
    if replay(lists, entries, crossing, Habits()) != right:
        sys.exit("without any habit the trades should be those of reference.py")
    profit = sum(trade.net for trade in right)
    print("| habit | trades | differing | net profit | change |\n|---|---|---|---|---|")
    for name, habits in NAMES.items():
        trades = replay(lists, entries, crossing, habits)
        by_entry = {trade.entered for trade in set(trades) ^ set(right)}
        net = sum(trade.net for trade in trades)
        differing = len(by_entry)
        print(f"| {name} | {len(trades)} | {differing} | {net:.2f} | {net - profit:+.2f} |")


if __name__ == "__main__":
    main()
