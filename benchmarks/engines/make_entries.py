"""Make the fixed list of entries, and a year of candles, that all engines are given.

    python benchmarks/engines/make_entries.py FOLDER [--candles FILE.feather] [--count 3000]

Writes ``candles.feather`` (date, open, high, low, close, volume: 105,120 candles of 5m of the
simulated market, prices on a grid of 0.01, a few of them opening far from the close before) and
``entries.csv``, sorted by index, at most one entry for an index:

- index: the decision candle i, a row of the candles; the order fills at the open of candle i + 1.
- side: LONG (spot).
- quantity: base units, a multiple of 0.001.
- stop, target: prices, empty when there is none; neither lies beyond the close of candle i or the
  open of candle i + 1.
- horizon: candles; the position ends at the open of candle i + 1 + horizon at the latest.

What every engine has to do with them:

1. At the open of a candle a position whose horizon is over is sold first; then an entry is bought.
   An entry whose fill would come while a position is held is ignored (a stop that the open of that
   candle already lies beyond has not been hit yet: it is looked at inside the candle).
2. Inside a candle, that of the entry included, the stop is looked at first: it is hit when
   ``low <= stop`` and fills at ``min(open, stop)``. Then the target: it is hit when
   ``high > target`` (touching is not enough) and fills at ``max(open, target)``.
3. Fees are 10 bp of the notional of each fill. Fills at an open and by a stop are worse by the half
   spread of 1 bp and slippage of 3 bp; those at a target are not. With the costs called "plain"
   there are fees only.

The trades: CSV with entry_time and exit_time (opening time of the candle of the fill, as
2025-01-01T00:05:00Z), side, quantity, entry_price, exit_price (as filled), fee (of both fills),
net (what the trade leaves after everything) and reason (stop, target, horizon).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
from numpy.typing import NDArray

from bot_cripto.market.simulated import DEFAULT_EDGE, DEFAULT_SEED, SimulatedSource
from bot_cripto.timeframes import parse_iso

SINCE, UNTIL = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
TICK, QUANTITY_STEP = 0.01, 0.001
HORIZONS = (1, 2, 5, 12, 24, 48, 96)
PRICES = ("open", "high", "low", "close")

Table = dict[str, NDArray[np.float64]]


def simulated_year(generator: np.random.Generator) -> pa.Table:
    """Return a year of made-up candles; 1 open in 50 jumps away from the close before it."""
    source = SimulatedSource(DEFAULT_SEED, DEFAULT_EDGE)
    batches = list(source.candles("BTC/USDT", "5m", parse_iso(SINCE), parse_iso(UNTIL)))
    names = (*PRICES, "volume")
    table = {name: np.concatenate([getattr(b, name) for b in batches]) for name in names}
    times = np.concatenate([batch.open_time for batch in batches])
    jumps = generator.random(len(times)) < 1 / 50
    size = generator.normal(0, 0.01, len(times))
    table["open"] = np.where(jumps, table["open"] * np.exp(size), table["open"])
    for name in PRICES:
        table[name] = np.round(table[name], 2)
    table["high"] = np.maximum(table["high"], table["open"])
    table["low"] = np.minimum(table["low"], table["open"])
    date = pa.array(times, pa.timestamp("ms", tz="UTC"))
    return pa.table({"date": date, **{name: table[name] for name in names}})


def entries(table: Table, count: int, generator: np.random.Generator) -> list[str]:
    """Return the lines of the list; a fifth of the stops and targets lie just at an extreme."""
    n = len(table["open"])
    rows = np.sort(generator.choice(n - max(HORIZONS) - 2, count, replace=False))
    spread = np.median(table["high"] / table["low"] - 1)
    lines = []
    for i in rows.tolist():
        horizon = int(generator.choice(HORIZONS))
        quantity = generator.integers(1, 50) * QUANTITY_STEP
        ahead = slice(i + 1, i + 1 + horizon)
        base = table["open"][i + 1]
        below, above = generator.exponential(2 * spread, 2) + spread / 4
        stop, target = round(base * (1 - below), 2), round(base * (1 + above), 2)
        if generator.random() < 0.2:
            stop = float(table["low"][ahead].min())
        if generator.random() < 0.2:
            target = float(table["high"][ahead].max())
        low, high = sorted((base, table["close"][i]))
        stop_text = f"{stop:.2f}" if generator.random() < 0.9 and stop < low - TICK else ""
        # a target must be beyond what the entry pays, costs included
        beyond = generator.random() < 0.85 and target > high * 1.0005
        target_text = f"{target:.2f}" if beyond else ""
        lines.append(f"{i},LONG,{quantity:.3f},{stop_text},{target_text},{horizon}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Make candles and entries for all engines.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--candles", type=Path, help="OHLCV feather file instead of made-up ones")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    generator = np.random.default_rng(given.seed)
    given.folder.mkdir(parents=True, exist_ok=True)
    table = feather.read_table(given.candles) if given.candles else simulated_year(generator)
    columns = {name: table[name].to_numpy().astype(float) for name in PRICES}
    lines = entries(columns, given.count, generator)
    feather.write_feather(table, given.folder / "candles.feather", compression="uncompressed")
    text = "\n".join(["index,side,quantity,stop,target,horizon", *lines, ""])
    (given.folder / "entries.csv").write_text(text)
    print(f"{table.num_rows} candles and {len(lines)} entries in {given.folder}")


if __name__ == "__main__":
    main()
