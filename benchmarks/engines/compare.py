"""Run Bot Cripto's simulator and other engines on one fixed list of entries and compare them.

    python benchmarks/engines/make_entries.py FOLDER
    python benchmarks/engines/compare.py FOLDER --vectorbt PYTHON --backtesting PYTHON \
        --nautilus PYTHON --numba PYTHON [--runs 5]

PYTHON is the interpreter of an environment with that engine; one that is left out is skipped.
Every engine runs as a process of its own, in turns; the first turn, in which bytecode and compiled
code may be written, is not counted. CPU and memory are what the operating system accounts for.
Exits 1 when a trade of an engine differs from ours by more than rounding.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORDS = ("entry_time", "exit_time", "side", "reason")
PRICES, MONEY = ("entry_price", "exit_price"), ("fee", "net")
ROUNDING = 1e-7
"""Of a price or an amount of money, quote currency: ours are on a grid of 1e-8."""

Rows = list[dict[str, str]]


@dataclass
class Engine:
    """An engine and what was measured of it."""

    name: str
    script: str
    python: str | None
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    said: str = ""
    trades: dict[str, Rows] = field(default_factory=dict)

    def run(self, folder: Path, costs: str) -> None:
        """Run once in a new process; note costs and trades. Ends the program when it fails."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        with tempfile.TemporaryDirectory() as scratch:
            out, said = Path(scratch, "trades.csv"), Path(scratch, "said")
            command = [self.python, HERE / self.script, folder, "--costs", costs, "--out", out]
            began = time.monotonic()
            with said.open("w") as to:
                process = subprocess.Popen(
                    command, env=environment, stdout=to, stderr=subprocess.STDOUT
                )
                _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f"{self.name} failed:\n{said.read_text()}")
            self.wall.append(time.monotonic() - began)
            self.cpu.append(used.ru_utime + used.ru_stime)
            self.memory.append(used.ru_maxrss / 1024)
            self.said = said.read_text().strip().splitlines()[-1]
            with out.open(newline="") as lines:
                self.trades[costs] = list(csv.DictReader(lines))


def differences(ours: Rows, theirs: Rows) -> tuple[int, float, float]:
    """Return how many trades differ, and the largest difference of a price and of money.

    Trades are matched by the time of their entry; one that only one side has counts as different
    and is left out of the largest differences.
    """
    other = {row["entry_time"]: row for row in theirs}
    mine = {row["entry_time"]: row for row in ours}
    differing = len(mine.keys() ^ other.keys())
    largest = {"price": 0.0, "money": 0.0}
    for key in mine.keys() & other.keys():
        a, b = mine[key], other[key]
        gaps = {name: abs(float(a[name]) - float(b[name])) for name in (*PRICES, *MONEY)}
        largest["price"] = max(largest["price"], *(gaps[name] for name in PRICES))
        largest["money"] = max(largest["money"], *(gaps[name] for name in MONEY))
        same = all(a[name] == b[name] for name in WORDS)
        same = same and float(a["quantity"]) == float(b["quantity"])
        differing += not (same and max(gaps.values()) <= ROUNDING)
    return differing, largest["price"], largest["money"]


def net(rows: Rows) -> float:
    return sum(float(row["net"]) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what make_entries.py wrote")
    for name in ("vectorbt", "backtesting", "nautilus", "numba"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help="interpreter that has it")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    engines = [
        Engine("Bot Cripto", "run_ours.py", sys.executable),
        Engine("backtesting.py", "run_backtesting_py.py", given.backtesting),
        Engine("vectorbt", "run_vectorbt.py", given.vectorbt),
        Engine("nautilus_trader", "run_nautilus.py", given.nautilus),
        Engine("numba pass", "run_numba.py", given.numba),
        Engine("plain Python", "reference.py", sys.executable),
    ]
    for engine in engines:
        if engine.python is None:
            print(f"{engine.name}: skipped, no interpreter that has it was named")
    engines = [engine for engine in engines if engine.python is not None]
    for turn in range(given.runs + 1):
        for engine in engines:
            engine.run(given.folder, "full" if turn else "plain")
            if turn == 0:
                engine.cpu.clear(), engine.wall.clear(), engine.memory.clear()
    sys.exit(show(engines))


def show(engines: list[Engine]) -> int:
    """Print the tables; return 1 when any trade differs by more than rounding, else 0."""
    ours, bad = engines[0], 0
    for costs in ("plain", "full"):
        print(
            f"\n| costs: {costs} | trades | net profit | differing | price off by | money off by |"
        )
        print("|---|---|---|---|---|---|")
        for engine in engines:
            rows = engine.trades[costs]
            count, price, money = differences(ours.trades[costs], rows)
            bad += count
            cells = f"{len(rows)} | {net(rows):.6f} | {count} | {price:.0e} | {money:.0e}"
            print(f"| {engine.name} | {cells} |")
    print("\n| whole process, cold | CPU s | least | most | wall s | peak MB |")
    print("|---|---|---|---|---|---|")
    for engine in engines:
        middle = statistics.median
        cpu = f"{middle(engine.cpu):.2f} | {min(engine.cpu):.2f} | {max(engine.cpu):.2f}"
        print(
            f"| {engine.name} | {cpu} | {middle(engine.wall):.2f} | {middle(engine.memory):.0f} |"
        )
    print("\n" + "\n".join(engine.said for engine in engines))
    return int(bad > 0)


if __name__ == "__main__":
    main()
