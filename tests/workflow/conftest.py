"""A laboratory in which the workflow runs for real: Snakemake, its jobs, a state of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOW = "2024-06-03T12:00:30Z"

# enough candles for every kind of model, few enough to train in seconds
SMALL = ("history_days=20", "training={rounds: 15, min_rows: 3000}", "simulated={edge: 0.5}")


def later(candles: int, now: str = NOW) -> str:
    """Return the moment that many five-minute candles after `now`."""
    moment = datetime.fromisoformat(now) + timedelta(minutes=5 * candles)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Ran:
    """What a run of Snakemake did."""

    code: int
    output: str

    @property
    def rules(self) -> list[str]:
        """The rules whose jobs finished, sorted, without the target rule."""
        done = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", self.output)
        return sorted(name for name in done if name not in TARGETS)

    @property
    def nothing_to_do(self) -> bool:
        return "Nothing to be done" in self.output


TARGETS = ("signal", "retrain", "fetch", "features", "evaluate")


@dataclass
class Lab:
    """A checkout and a state folder."""

    state: Path
    checkout: Path = ROOT
    settings: tuple[str, ...] = SMALL
    environment: dict[str, str] = field(default_factory=dict)

    def env(self, now: str = NOW) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BOT_CRIPTO", "PYTEST")) and name != "STATE_DIR"
        }
        return inherited | {
            "BOT_CRIPTO_NOW": now,
            "STATE_DIR": str(self.state),
            "PYTHONPATH": str(self.checkout),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **self.environment,
        }

    def command(self, target: str, *options: str, settings: tuple[str, ...] = ()) -> list[str]:
        command = [sys.executable, "-m", "snakemake", target, *options]
        merged = dict(item.split("=", 1) for item in (*self.settings, *settings))
        return [*command, "--config", *(f"{name}={value}" for name, value in merged.items())]

    def run(
        self, target: str = "signal", *options: str, now: str = NOW, settings: tuple[str, ...] = ()
    ) -> Ran:
        done = subprocess.run(
            self.command(target, *options, settings=settings),
            env=self.env(now),
            cwd=self.checkout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def start(self, target: str = "signal", *options: str, now: str = NOW) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        return subprocess.Popen(
            self.command(target, *options),
            env=self.env(now),
            cwd=self.checkout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def signal(self, symbol: str | None = None) -> dict:
        folder = self.state / "logs"
        name = "signal.json" if symbol is None else f"signals/{symbol}.json"
        return json.loads((folder / name).read_text())


@pytest.fixture(scope="session")
def trained_state(tmp_path_factory) -> Path:
    """A state that has made its first models and a signal at NOW; never changed by a test."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    state = shared / "trained-state"
    with (shared / "trained-state.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "trained-state.ready").exists():
            ran = Lab(state).run()
            assert ran.code == 0, ran.output
            (shared / "trained-state.ready").write_text(ran.output)
    return state


@pytest.fixture
def first_run(trained_state) -> Ran:
    """The run that made the trained state."""
    return Ran(0, (trained_state.parent / "trained-state.ready").read_text())


@pytest.fixture
def lab(trained_state, tmp_path) -> Lab:
    """A laboratory of one's own, with models trained and a signal made at NOW."""
    state = tmp_path / "state"
    shutil.copytree(trained_state, state)
    return Lab(state)


@pytest.fixture
def empty_lab(tmp_path) -> Lab:
    """A laboratory where nothing has happened yet."""
    return Lab(tmp_path / "state")


@pytest.fixture
def edited_lab(lab, tmp_path) -> Iterator[Lab]:
    """A laboratory with a checkout of its own, whose code a test may edit."""
    copy = tmp_path / "checkout"
    for name in ("bot_cripto", "scripts", "rules", "config", "profiles", "envs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", copy / "Snakefile")
    lab.checkout = copy
    yield lab
