"""Is the signal on time while a retrain is at work?

`snakemake retrain` runs in the background, again and again with another cutoff, while
`snakemake signal` is called for one candle after the other on the same state. A signal is on time
when its process ended well, with the signal of its own candle published, long before the next
candle closes; each one overlapped a retrain, or is not counted.

    python benchmarks/signal_during_retrain.py --signals 40 [--symbols BTC/USDT,ETH/USDT]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
CANDLE = timedelta(minutes=5)


def environment(state: str, now: datetime, **more: str) -> dict[str, str]:
    """Return the environment of a run as of a moment."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"STATE_DIR": state, "BOT_CRIPTO_NOW": now.isoformat()} | more


class Retrains:
    """Retrains one after the other, each with a cutoff of its own, until stopped."""

    def __init__(self, state: str, symbols: str) -> None:
        self.state, self.symbols = state, symbols
        self.codes: list[int] = []
        self.seconds: list[float] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    def at_work(self) -> bool:
        """Return whether one runs; the next is begun where the last one has ended."""
        if self._child is not None and self._child.poll() is None:
            return True
        if self._child is not None:
            self._note()
        self._begin()
        return False

    def _begin(self) -> None:
        now = BEGIN + timedelta(hours=len(self.codes))
        self._began = time.monotonic()
        self._child = subprocess.Popen(
            [SNAKEMAKE, "retrain", "--config", f"training_cutoff={now.isoformat()}"],
            cwd=ROOT,
            env=environment(self.state, now + timedelta(days=30), SYMBOLS=self.symbols),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _note(self) -> None:
        assert self._child is not None
        self.codes.append(self._child.wait())
        self.seconds.append(time.monotonic() - self._began)

    def finish(self) -> None:
        """Wait for the one that runs."""
        if self._child is not None:
            self._note()


@contextmanager
def retrains(state: str, symbols: str) -> Iterator[Retrains]:
    """Run retrains beside what is inside."""
    running = Retrains(state, symbols)
    yield running
    running.finish()


def signal(state: str, now: datetime, symbols: str) -> tuple[float, str | None]:
    """Return the wall seconds of one `snakemake signal`, and what was wrong with it."""
    began = time.monotonic()
    done = subprocess.run(
        [SNAKEMAKE, "signal"],
        cwd=ROOT,
        env=environment(state, now, SYMBOLS=symbols),
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - began
    if done.returncode:
        return wall, f"exit {done.returncode}: {done.stderr[-300:]}"
    document = json.loads((Path(state) / "logs" / "signal.json").read_bytes())
    close = now.replace(second=0)
    if datetime.fromisoformat(document["candle_close_time"]) != close:
        return wall, f"signal.json is of {document['candle_close_time']}, not of {close}"
    if document["prob_up"] is None:
        return wall, f"no forecast: {document['reason']}"
    return wall, None


def show(name: str, values: list[float]) -> None:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"{name:30} {statistics.median(ordered):6.1f} {p95:6.1f} {ordered[-1]:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=40)
    parser.add_argument("--symbols", default="BTC/USDT,ETH/USDT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        now = BEGIN + timedelta(days=30)
        signal(state, now, given.symbols)
        alone = []
        for _ in range(5):
            now += CANDLE
            wall, problem = signal(state, now, given.symbols)
            assert problem is None, problem
            alone.append(wall)
        beside, problems = [], []
        with retrains(state, given.symbols) as running:
            while len(beside) < given.signals:
                if not running.at_work():
                    continue
                now += CANDLE
                wall, problem = signal(state, now, given.symbols)
                beside.append(wall)
                if problem is not None or wall > CANDLE.total_seconds():
                    problems.append(f"{now.isoformat()}: {problem or f'{wall:.0f} s'}")
    print(f"{'wall s':30} {'median':>6} {'p95':>6} {'max':>6}")
    show(f"signal alone ({len(alone)})", alone)
    show(f"signal beside a retrain ({len(beside)})", beside)
    show(f"retrain ({len(running.codes)})", running.seconds)
    print(f"retrains that failed: {sum(code != 0 for code in running.codes)}")
    print(f"signals late or wrong: {len(problems)}")
    print("\n".join(problems))


if __name__ == "__main__":
    main()
