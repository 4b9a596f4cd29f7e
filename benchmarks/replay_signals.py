"""Make some hundred signals by the path that is deployed, replay 200 of them, reproduce a model.

    python benchmarks/replay_signals.py [--candles 120] [--replays 200] [--workflow 6]
        [--archive FILES]

In a temporary state: the first models and the first `--workflow` candles by Snakemake, the others
by the scripts of its rules in this process, each published, journalled and traded on paper as the
workflow does it. On the way thresholds change, trading is paused and resumed (a revision of the
same candle), and the baseline is put in use and replaced again. Prints how many of the replayed
signals are byte-identical, and of what kinds they were; exits 1 where one is not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from bot_cripto.checkout import ROOT, own_layout
from bot_cripto.config import effective, load_settings
from bot_cripto.execution.session import execute
from bot_cripto.execution.switches import switch
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.lifecycle.comparison import IDENTICAL
from bot_cripto.lifecycle.past_signals import journalled
from bot_cripto.lifecycle.replay import Replayed, replay, told
from bot_cripto.lifecycle.reproduce import as_text, reproduce
from bot_cripto.models.champion import read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import folder
from bot_cripto.provenance import canonical_json, code_sha256, git_commit
from bot_cripto.timeframes import candle_id, iso, parse_iso, timeframe_ms
from bot_cripto.workflow.runs import Run, config_sha256

BEGIN = "2024-06-03T12:00:00Z"
SETTINGS: dict[str, Any] = {
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "history_days": 20,
    "training": {"rounds": 40, "min_rows": 3000},
    "simulated": {"edge": 0.5, "outages": 0.001},
    "fill_candles": 24,
    "prob_min": 0.55,
    "min_expected_return": 0,
    "allow_range": True,
    "risk_max": 1,
    "fees_bps": 1,
    "slippage_bps": 0.5,
    "max_position_size": 0.5,
    "max_outside_share": 1,
    "stop_volatilities": 1,
    "target_volatilities": 1,
    "risk_cooldown_minutes": 10,
}
LATER = ({"prob_min": 0.6}, {"allow_range": False, "kelly_fraction": 0.5}, {})
"""What is changed for a third of the candles each."""


def script(name: str) -> ModuleType:
    """Return a script of the workflow as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(state: Path, changes: dict[str, Any]) -> dict[str, Any]:
    overrides = {**SETTINGS, **changes, "state_dir": str(state)}
    return effective(load_settings(ROOT / "config" / "config.yaml", {}, overrides), state)


def by_workflow(state: Path, settings: dict[str, Any], now: str) -> None:
    """Make the signal of a moment by Snakemake, then trade on it."""
    given = {name: json.dumps(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "snakemake", "signal", "--quiet", "all", "--config"]
    ran = subprocess.run(
        [*command, *(f"{name}={value}" for name, value in given.items())],
        cwd=ROOT,
        env={**os.environ, "BOT_CRIPTO_NOW": now, "STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(ran.stdout + ran.stderr)


class InProcess:
    """The live path in this process: the scripts of the rules, publishing, paper trading."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.layout = settings, own_layout(settings)
        self.provenance = {
            "git_commit": git_commit(ROOT),
            "code_sha256": code_sha256(*ROOT.glob("scripts/*.py")),
            "config_sha256": config_sha256(settings),
        }
        os.environ["BOT_CRIPTO_PROVENANCE"] = canonical_json(self.provenance)

    def make(self, close_ms: int, steps: tuple[str, ...] = ()) -> None:
        """Make, publish and trade the signals of a candle; `steps`: only those."""
        os.environ["BOT_CRIPTO_NOW"] = iso(close_ms + 30_000)
        candle = candle_id(close_ms)
        logger = logging.Logger("run")
        run = Run(self.layout, self.settings, candle, candle, self.provenance, logger)
        run.publishes = True
        run.open()
        for name in steps or ("fetch_candles", "build_features", "make_signals"):
            getattr(script(name), name)(self.layout, self.settings, candle)
        if run.close():
            sys.exit(f"{candle}: {run.errors.lines}")
        execute(self.layout, self.settings, {})


def put_in_use(layout: Layout, settings: dict[str, Any], now_ms: int, *, baseline: bool) -> None:
    """Make the baseline champion of the last symbol, or take that back."""
    symbol = settings["symbols"][-1]
    champion = read_champion(layout.models, symbol)
    assert champion is not None
    everything = {**champion.kinds, **(champion.history[0].kinds if champion.history else {})}
    promote(
        layout.models,
        symbol,
        {"baseline": everything["baseline"]} if baseline else everything,
        **Subject.of(settings, symbol).about(),
        provisional=baseline,
        reason="a leak alarm went off" if baseline else "judged on 500 unseen candles",
        promoted_at_ms=now_ms,
    )


def make_signals(state: Path, changes: dict[str, Any], candles: int, by_snakemake: int) -> None:
    """Fill a state with signals of as many candles."""
    settings = settings_of(state, changes)
    step, begin = timeframe_ms(settings["timeframe"]), parse_iso(BEGIN)
    for number in range(by_snakemake):
        by_workflow(state, SETTINGS | changes, iso(begin + number * step + 30_000))
    for number in range(by_snakemake, candles):
        close = begin + number * step
        path = InProcess(settings_of(state, changes | LATER[3 * number // candles]))
        if number in (candles // 4, candles // 2):
            put_in_use(path.layout, path.settings, close, baseline=number < candles // 2)
        path.make(close)
        if number % 20 == 0:
            switch(path.layout, "pause", "benchmark", "a look")
            path.make(close, ("make_signals",))
            switch(path.layout, "resume", "benchmark", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candles", type=int, default=120)
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--workflow", type=int, default=6)
    parser.add_argument("--archive", help="real candles: a folder, a file or a glob")
    given = parser.parse_args()
    changes = {"source": "archive", "archive": given.archive} if given.archive else {}
    with tempfile.TemporaryDirectory(prefix="bot-cripto-") as folder_name:
        state = Path(folder_name)
        make_signals(state, changes, given.candles, max(1, given.workflow))
        settings = settings_of(state, changes)
        names = journalled(settings, given.replays, seed=1)
        begun = time.process_time()
        results = [replay(settings, name) for name in names]
        each = 1000 * (time.process_time() - begun) / max(1, len(results))
        report(own_layout(settings), results, each)
        reproduced = reproduce_one(settings)
    if any(result.outcome != IDENTICAL for result in results) or not reproduced:
        sys.exit(1)


def report(layout: Layout, results: list[Replayed], each_ms: float) -> None:
    """Print what was replayed, and what came of it."""
    kinds: Counter[str] = Counter()
    with Journal.open(layout.journal, readonly=True) as journal:
        total = len(journal.ids())
        for result in results:
            document = json.loads(journal.entry(result.signal))
            kinds[document["decision"]] += 1
            kinds["revisions"] += document["revision"] > 0
            kinds["of the baseline"] += "Baseline model" in document["reason"]
            kinds["with words taken from the signal"] += any("taken" in n for n in result.notes)
    outcomes = dict(Counter(result.outcome for result in results))
    sys.stdout.write(f"{total} signals journalled, {len(results)} replayed: {outcomes}\n")
    sys.stdout.write(f"{dict(kinds)}; {each_ms:.0f} ms CPU each\n")
    for result in [r for r in results if r.outcome != IDENTICAL][:3]:
        sys.stdout.write(told(result))


def reproduce_one(settings: dict[str, Any]) -> bool:
    """Train the trend model of the first symbol again, by one and two threads; print it."""
    layout, symbol = own_layout(settings), settings["symbols"][0]
    champion = read_champion(layout.models, symbol)
    assert champion is not None
    path = folder(layout.models, "trend", symbol) / champion.kinds["trend"].version
    outcomes = []
    for threads in (1, 2):
        begun = time.monotonic()
        result = reproduce(layout, settings, path, num_threads=threads)
        took = time.monotonic() - begun
        outcomes.append(result.outcome)
        sys.stdout.write(f"threads: {threads}, {took:.1f} s; {as_text(result)}")
    return set(outcomes) == {IDENTICAL}


if __name__ == "__main__":
    main()
