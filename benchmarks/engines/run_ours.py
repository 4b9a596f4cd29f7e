"""Replay the list of make_entries.py by Bot Cripto: what `benchmarks/simulator_cost.py` runs.

python benchmarks/engines/run_ours.py FOLDER --out trades.csv [--costs plain]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

SIMULATOR = Path(__file__).resolve().parents[1] / "simulator_cost.py"
COSTS = {"plain": (10, 0, 0), "full": (10, 2, 3)}
"""Basis points: fee of a side, whole spread, slippage of a side."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--costs", choices=sorted(COSTS), default="full")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    fee, spread, slippage = map(str, COSTS[given.costs])
    files = [str(given.folder / name) for name in ("candles.feather", "entries.csv")]
    costs = ["--fees-bps", fee, "--spread-bps", spread, "--slippage-bps", slippage]
    command = [sys.executable, str(SIMULATOR), *files, "--once", "--trades", str(given.out), *costs]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
