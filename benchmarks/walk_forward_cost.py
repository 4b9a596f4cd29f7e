"""What the walk-forward costs, against a straightforward scikit-learn and LightGBM script.

    python benchmarks/walk_forward_cost.py [--pairs 3] [--seeds 1,2]
    python benchmarks/walk_forward_cost.py --archive FOLDER --symbols BTC/USDT,ETH/USDT

Both read the same snapshot file and do the same work with the same settings and row ranges: in
each fold six boosters (direction, three quantiles, mean, volatility) on 60 features, stopped
early, calibrated, the direction trained again on all rows before the fold, and the fold forecast.
"once" is the plain script without that last training. CPU (user and system) of whole cold
processes on one thread, as the operating system accounts for them, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from forecast_auc import UNTIL, load

from bot_cripto.market.archive import ArchiveSource
from bot_cripto.market.candles import Candles
from bot_cripto.market.simulated import SimulatedSource
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import build_snapshot, training_data, write_snapshot
from bot_cripto.timeframes import timeframe_ms

ROOT = Path(__file__).resolve().parents[1]
TIMEFRAME = "5m"
SCRIPTS = {
    "plain": ("walk_forward_plain.py",),
    "once": ("walk_forward_plain.py", "--once"),
    "ours": ("walk_forward_ours.py",),
}
FIGURES = ("auc", "log_loss", "pinball", "coverage80", "trees")


def markets(given: argparse.Namespace) -> Iterator[tuple[str, Candles]]:
    if given.archive:
        source = ArchiveSource(str(given.archive), Path.cwd())
        for symbol in given.symbols.split(","):
            yield symbol, load(source, symbol, TIMEFRAME, 0, UNTIL)
        return
    for seed in given.seeds.split(","):
        since = UNTIL - (given.rows + 3000) * timeframe_ms(TIMEFRAME)
        source = SimulatedSource(int(seed), given.edge)
        yield f"simulated, seed {seed}", load(source, "BTC/USDT", TIMEFRAME, since, UNTIL)


def write(candles: Candles, rows: int, settings: TrainingSettings, path: Path) -> None:
    """Write the snapshot of the newest candles that leave exactly so many usable rows."""
    cutoff = int(candles.open_time[-1]) + timeframe_ms(TIMEFRAME)
    whole = build_snapshot(candles, TIMEFRAME, settings, cutoff)
    lost = len(candles) - len(training_data(whole))
    snapshot = build_snapshot(candles[-(rows + lost) :], TIMEFRAME, settings, cutoff)
    if len(training_data(snapshot)) != rows:
        sys.exit(f"{len(training_data(snapshot))} usable rows instead of {rows}: gaps, or too few")
    write_snapshot(snapshot, path)


def run(name: str, arguments: list[str]) -> tuple[float, dict[str, float]]:
    """Return CPU seconds and figures of one run."""
    script, *options = SCRIPTS[name]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), *arguments, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--edge", type=float, default=0.35)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--symbols", default="BTC/USDT")
    given = parser.parse_args()
    settings = TrainingSettings()
    print(f"{given.folds} folds of {given.rows} rows, {given.pairs} pairs; CPU s of each run")
    print("| Candles | Script | CPU s | Ratio | AUC | Log loss | Pinball | Coverage | Trees |")
    print("|---|---|---|---|---|---|---|---|---|")
    for market, candles in markets(given):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "snapshot.parquet"
            write(candles, given.rows, settings, path)
            arguments = [str(path), str(given.folds), json.dumps(asdict(settings))]
            cpu: dict[str, list[float]] = {name: [] for name in SCRIPTS}
            figures = {}
            for _ in range(given.pairs):
                for name in SCRIPTS:
                    seconds, figures[name] = run(name, arguments)
                    cpu[name].append(seconds)
        if figures["ours"]["rows"] != figures["plain"]["rows"]:
            sys.exit("the two scripts forecast different rows: choose rows in fifties")
        for name in SCRIPTS:
            pairs = zip(cpu[name], cpu["plain"], strict=True)
            ratio = statistics.median(mine / plain for mine, plain in pairs)
            print(
                f"| {market} | {name} | {statistics.median(cpu[name]):.1f}"
                f" ({min(cpu[name]):.1f} to {max(cpu[name]):.1f}) | {ratio:.2f} | "
                + " | ".join(f"{figures[name][f]:.5g}" for f in FIGURES)
                + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
