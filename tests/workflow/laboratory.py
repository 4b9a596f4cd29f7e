"""A laboratory in which the workflow runs for real: Snakemake, its jobs, a state of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bot_cripto.backtest.track import Track, make_track
from bot_cripto.config import effective, load_settings
from bot_cripto.layout import Layout
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Subject, load_champion
from bot_cripto.reach import REACH

ROOT = Path(__file__).resolve().parents[2]
NOW = "2024-06-03T12:00:30Z"
STEP = 300_000

# enough candles for every kind of model, few enough to train in seconds
SMALL = ("history_days=20", "training={rounds: 15, min_rows: 3000}", "simulated={edge: 0.5}")

# what lets many signals of that market pass every gate
MANY_TRADES = (
    *("prob_min=0.52", "min_expected_return=0", "allow_range=true", "risk_max=1"),
    *("fees_bps=0.1", "spread_bps=0", "slippage_bps=0.1", "kelly_fraction=1"),
    *("max_daily_drawdown=1", "max_weekly_drawdown=1", "max_consecutive_losses=100"),
    *("risk_cooldown_minutes=0", "max_outside_share=1", "max_dissimilarity=1000"),
    "max_position_size=0.5",
    # near enough for positions to end within a few candles
    *("stop_volatilities=0.5", "target_volatilities=0.5"),
)


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


TARGETS = ("signal", "retrain", "fetch", "features", "backtest", "audit", "tune", "scan", "drift")


@dataclass
class Lab:
    """A checkout and a state folder."""

    state: Path
    checkout: Path = ROOT
    settings: tuple[str, ...] = SMALL
    environment: dict[str, str] = field(default_factory=dict)
    held_at: int = 0

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
        if not (self.settings or settings):
            return command
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

    def cli(self, *words: str, now: str = NOW, cwd: Path | None = None, answer: str = "") -> Ran:
        """Run a command of the command line; its settings come from file and environment."""
        done = subprocess.run(
            [sys.executable, "-m", "bot_cripto.cli", *words],
            env=self.env(now),
            cwd=cwd or self.checkout,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def cycle(self, candle: int) -> str:
        """Make the signal of a candle and act on it, as the inference unit does."""
        ran = self.run(now=later(candle))
        assert ran.code == 0, ran.output
        done = self.cli("execute", now=later(candle))
        assert done.code == 0, done.output
        return done.output

    def positions(self, candle: int) -> list[dict]:
        """The positions that `bot-cripto portfolio` shows."""
        shown = self.cli("portfolio", "--json", now=later(candle))
        assert shown.code == 0, shown.output
        return json.loads(shown.output)["positions"]

    def signal(self, symbol: str | None = None) -> dict:
        folder = self.state / "logs"
        name = "signal.json" if symbol is None else f"signals/{symbol}.json"
        return json.loads((folder / name).read_text())


def layout_of(lab: Lab) -> tuple[Layout, dict]:
    """Return where the files of a laboratory lie, and the settings of its config.yaml."""
    settings = effective(load_settings(lab.checkout / "config" / "config.yaml", {}), lab.state)
    settings["state_dir"] = str(lab.state)
    return Layout.of(settings).below(lab.state), settings


def track_of(layout: Layout, settings: dict, since_ms: int, until_ms: int) -> Track:
    """Return what a walk sees of the first symbol: its stored candles, its models in use."""
    symbol, before = settings["symbols"][0], since_ms - (REACH + 8) * STEP
    stored = CandleStore(layout.store, settings["market"], "5m").read(symbol, before, until_ms)
    candles = to_grid(stored, "5m", before, until_ms, settings["fill_candles"])
    champion = read_champion(layout.models, symbol)
    loaded = load_champion(layout.models, champion, Subject.of(settings, symbol))
    return make_track(symbol, candles, settings, loaded, since_ms)
