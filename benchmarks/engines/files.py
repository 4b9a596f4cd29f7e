"""The two files that every engine reads and the one that it writes; needs numpy and pyarrow."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}
PRICES = ("open", "high", "low", "close")
COLUMNS = (
    "entry_time",
    "exit_time",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "fee",
    "net",
    "reason",
)
FEE = 10e-4
CROSSING = {"plain": 0.0, "full": 4e-4}
"""Half spread and slippage of fills at an open or by a stop."""
CASH = 1_000_000.0


class Entry(NamedTuple):
    """An entry of the list; NaN where there is no stop or target."""

    index: int
    quantity: float
    stop: float
    target: float
    horizon: int


class Trade(NamedTuple):
    """A closed trade: rows of the candles, prices as filled, quote currency."""

    entered: int
    left: int
    quantity: float
    entry_price: float
    exit_price: float
    fee: float
    net: float
    reason: str


def arguments() -> argparse.Namespace:
    """Return folder, costs and out as given on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where candles.feather and entries.csv are")
    parser.add_argument("--costs", choices=sorted(CROSSING), default="full")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file of the trades")
    return parser.parse_args()


def read_candles(folder: Path) -> dict[str, np.ndarray]:
    """Return time (milliseconds since the epoch, UTC), open, high, low, close and volume."""
    table = feather.read_table(folder / "candles.feather", memory_map=False)
    per_ms = PER_MS[table.schema.field("date").type.unit]
    names = (*PRICES, "volume")
    times = _array(table["date"], np.int64) // per_ms
    return {"time": times, **{name: _array(table[name], np.float64) for name in names}}


def _array(column: pa.ChunkedArray, kind: type) -> np.ndarray:
    # to_numpy imports pandas where it is installed, which not every engine needs
    parts = [np.frombuffer(c.buffers()[1], kind, len(c), 8 * c.offset) for c in column.chunks]
    return np.concatenate(parts)


def read_entries(folder: Path) -> list[Entry]:
    """Return the list of entries, sorted by index."""
    with (folder / "entries.csv").open() as lines:
        return [
            Entry(
                int(row["index"]),
                float(row["quantity"]),
                float(row["stop"] or "nan"),
                float(row["target"] or "nan"),
                int(row["horizon"]),
            )
            for row in csv.DictReader(lines)
        ]


def write_trades(path: Path, trades: list[Trade], times: np.ndarray, name: str) -> None:
    """Write the trades and print their number and net profit."""
    stamps = np.datetime_as_string(times.astype("datetime64[ms]"), unit="s")
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for t in trades:
            span = (f"{stamps[t.entered]}Z", f"{stamps[t.left]}Z", "LONG", f"{t.quantity:.3f}")
            money = (repr(float(x)) for x in (t.entry_price, t.exit_price, t.fee, t.net))
            writer.writerow([*span, *money, t.reason])
    print(f"{name}: {len(trades)} trades, net {sum(t.net for t in trades):.6f}")
