"""What a steady `snakemake signal` costs: CPU of a new candle against CPU of nothing to do.

Whole processes with all their children, as the operating system accounts for them. Each pair is
one new candle and one run with nothing to do on the same Snakefile and state.

    python benchmarks/signal_cost.py --pairs 7 [--first]

`--first` also measures the first run of a fresh state, which trains the first models.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


def run(state: str, now: datetime) -> tuple[float, float, str]:
    """Return CPU seconds, wall seconds and output of one `snakemake signal`."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"STATE_DIR": state, "BOT_CRIPTO_NOW": now.isoformat()}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "signal"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, done.stdout + done.stderr


def show(name: str, values: list[float]) -> None:
    spread = f"{min(values):6.2f} {statistics.median(values):6.2f} {max(values):6.2f}"
    print(f"{name:34} {spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--first", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        cpu, wall, _ = run(state, BEGIN)
        if given.first:
            print(f"first run, with training: {cpu:.1f} s CPU, {wall:.1f} s wall")
        run(state, BEGIN)
        steady, nothing, ratio, walls = [], [], [], []
        for pair in range(1, given.pairs + 1):
            now = BEGIN + timedelta(minutes=5 * pair)
            a, wall, output = run(state, now)
            assert "(Rule: make_signals)" in output and "train_model" not in output
            b, _, output = run(state, now)
            assert "Nothing to be done" in output
            steady.append(a)
            nothing.append(b)
            ratio.append(a / b)
            walls.append(wall)
    print(f"{'':34} {'min':>6} {'median':>6} {'max':>6}   ({given.pairs} pairs)")
    show("a new candle, CPU s", steady)
    show("a new candle, wall s", walls)
    show("nothing to do, CPU s", nothing)
    show("new candle / nothing to do, CPU", ratio)


if __name__ == "__main__":
    main()
