"""What the fast simulator costs: whole processes, from the start of Python to the last number.

    python benchmarks/simulator_cost.py CANDLES ENTRIES [--trades OUT] [--market-type swap] [--once]

CANDLES is a Feather or Parquet file with columns date, open, high, low, close, volume. ENTRIES is
CSV with columns index, side, quantity, stop, target, horizon: the row of the candle that decides,
LONG or SHORT (or BUY, SELL), the quantity in the base currency, fixed prices of stop and target
(empty: none), and after how many candles it is closed (empty: never by itself). The trades are
written as CSV: entry_time, exit_time, side, quantity, entry_price, exit_price, fee, net, reason;
times are the open times of the candles of the fills.

Without `--once` the same command is run several times as a process of its own, and the CPU time
is that which the operating system accounts for. With `--make DAYS` the two files are made first:
a simulated market and random entries.
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bot_cripto.backtest.simulate import Entry, Simulated, simulate
from bot_cripto.ledger.rows import decimal_text
from bot_cripto.market.candles import Candles, make
from bot_cripto.timeframes import iso, timeframe_ms

COLUMNS = ("date", "open", "high", "low", "close", "volume")
TRADE_COLUMNS = (
    *("entry_time", "exit_time", "side", "quantity"),
    *("entry_price", "exit_price", "fee", "net", "reason"),
)
COSTS = {"fees_bps": 10.0, "spread_bps": 2.0, "slippage_bps": 3.0, "funding_bps": 1.0}
"""As in config.yaml."""
PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}
SIDES = {"LONG": "LONG", "BUY": "LONG", "SHORT": "SHORT", "SELL": "SHORT"}


def read_candles(path: Path) -> Candles:
    """Return the candles of a Feather or Parquet file."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path, columns=list(COLUMNS))
    else:
        import pyarrow.feather as feather

        table = feather.read_table(path, columns=list(COLUMNS), memory_map=False)
    kinds = {name: str(table.schema.field(name).type) for name in COLUMNS}
    unit = kinds["date"].removeprefix("timestamp[")[:2]
    if unit not in PER_MS or any(kinds[name] != "double" for name in COLUMNS[1:]):
        sys.exit(f"{path}: {kinds}; date must be a timestamp in ms, us or ns, the others double")
    times = _array(table["date"], np.int64) // PER_MS[unit]
    return make(times, *(_array(table[name], np.float64) for name in COLUMNS[1:]))


def _array(column: Any, kind: type) -> np.ndarray:
    # to_numpy imports pandas, and casting pyarrow.compute: longer than all of the simulation
    parts = [
        np.frombuffer(chunk.buffers()[1], kind, len(chunk), 8 * chunk.offset)
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts)


def read_entries(path: Path, candles: Candles) -> list[Entry]:
    """Return the entries of a CSV file."""
    entries = []
    with path.open(newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            entry = Entry(
                index=int(row["index"]),
                side=SIDES[row["side"].upper()],
                quantity=Decimal(row["quantity"]),
                stop=Decimal(row["stop"]) if row["stop"] else None,
                target=Decimal(row["target"]) if row["target"] else None,
                horizon=int(row["horizon"]) if row["horizon"] else None,
            )
            for level in (entry.stop, entry.target):
                if level is not None and not 0.1 < float(level) / candles.close[entry.index] < 10:
                    sys.exit(
                        f"{path}:{line}: {level} is no price near {candles.close[entry.index]}"
                    )
            entries.append(entry)
    return entries


def write_trades(path: Path, done: Simulated, step: int) -> None:
    """Write the closed trades as CSV."""
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(TRADE_COLUMNS)
        for trade in done.trades:
            numbers = (trade.quantity, trade.entry_price, trade.exit_price, trade.fees, trade.net)
            quantity, entry, exit_, fee, net = map(decimal_text, numbers)
            # what is filled inside a candle counts as of its close
            inside = step if trade.reason in ("stop", "target") else 0
            times = iso(trade.entry_ms), iso(trade.exit_ms - inside)
            out.writerow([*times, trade.side, quantity, entry, exit_, fee, net, trade.reason])


def make_files(given: argparse.Namespace) -> None:
    """Write a simulated market of 5m candles, and an entry at about every 30th of them."""
    import pyarrow as pa
    import pyarrow.feather as feather

    from bot_cripto.market.candles import concat
    from bot_cripto.market.simulated import SimulatedSource

    since = 1_704_067_200_000
    source = SimulatedSource(19, 0.35)
    candles = concat(list(source.candles("BTC/USDT", "5m", since, since + given.make * 86_400_000)))
    date = pa.array(candles.open_time.tolist(), pa.timestamp("ms", tz="UTC"))
    prices = [pa.array(getattr(candles, name).tolist(), pa.float64()) for name in COLUMNS[1:]]
    feather.write_feather(pa.table([date, *prices], names=list(COLUMNS)), str(given.candles))
    random = np.random.default_rng(7)
    index = np.unique(random.integers(300, len(candles) - 20, len(candles) // 30))
    with given.entries.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["index", "side", "quantity", "stop", "target", "horizon"])
        for row in index.tolist():
            side = -1 if given.market_type != "spot" and random.random() < 0.5 else 1
            price, away = candles.close[row], random.uniform(0.001, 0.01, 2)
            stop, target = price * (1 - side * away[0]), price * (1 + side * away[1])
            name, quantity = "LONG" if side > 0 else "SHORT", f"{1000 / price:.6f}"
            horizon = int(random.integers(1, 40))
            out.writerow([row, name, quantity, f"{stop:.8f}", f"{target:.8f}", horizon])


def settings_of(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "symbols": [given.symbol],
        "timeframe": given.timeframe,
        "market_type": given.market_type,
        "initial_equity": given.equity,
        "max_total_exposure": given.max_total_exposure,
        **{name: getattr(given, name) for name in COSTS},
    }


def once(given: argparse.Namespace) -> None:
    """Read, simulate, and say what came of it."""
    candles = read_candles(given.candles)
    entries = read_entries(given.entries, candles)
    done = simulate(given.symbol, candles, entries, settings_of(given))
    net = sum((trade.net for trade in done.trades), Decimal(0))
    print(
        f"{len(candles)} candles, {len(entries)} entries, {done.ignored} ignored, "
        f"{len(done.refused)} refused, {len(done.trades)} trades, net profit {net:.2f}, "
        f"equity {done.equity[-1]:.2f}"
    )
    for index, why in done.refused[:3]:
        print(f"refused at {index}: {why}")
    if given.trades:
        write_trades(given.trades, done, timeframe_ms(given.timeframe))


def measure(runs: int) -> None:
    """Run the same command as processes of their own and show what they cost."""
    cpu, wall = [], []
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([sys.executable, *sys.argv, "--once"], check=True)
        wall.append(time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for name, values in (("CPU s", cpu), ("wall s", wall)):
        print(f"{name:7} {min(values):6.2f} {statistics.median(values):6.2f} {max(values):6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candles", type=Path)
    parser.add_argument("entries", type=Path)
    parser.add_argument("--trades", type=Path)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--make", type=int, metavar="DAYS")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--symbol", default="BTC/USDT")
    parser.add_argument("--timeframe", default="5m")
    parser.add_argument("--market-type", default="spot")
    parser.add_argument("--equity", type=float, default=1_000_000.0)
    parser.add_argument("--max-total-exposure", type=float, default=1.0)
    for name, value in COSTS.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=float, default=value)
    given = parser.parse_args()
    if given.once:
        once(given)
        return
    if given.make:
        make_files(given)
        sys.argv = [word for word in sys.argv if word not in ("--make", str(given.make))]
    measure(given.runs)


if __name__ == "__main__":
    main()
