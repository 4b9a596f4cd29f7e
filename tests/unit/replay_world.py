"""A small state in which signals are made by the scripts of the workflow, for tests of replay."""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot_cripto.checkout import ROOT, own_layout
from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.market.download import Download, describe, download
from bot_cripto.market.fetch import FetchResult
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion_change import promote
from bot_cripto.models.in_use import Subject
from bot_cripto.models.reference import make_reference
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import training_data, write_snapshot
from bot_cripto.models.stored_history import stored_snapshot
from bot_cripto.models.training import TRAINERS, prepare, train
from bot_cripto.models.version_writer import Origin, library_versions, write_version
from bot_cripto.provenance import code_sha256, sha256_json
from bot_cripto.timeframes import candle_id, iso, parse_iso
from bot_cripto.workflow.runs import Run, config_sha256

SYMBOL, STEP = "BTC/USDT", 300_000
CUTOFF = parse_iso("2024-06-03T00:00:00Z")
DAYS = 14
FIRST = CUTOFF + 12 * STEP
TRAINING = {
    "rounds": 8,
    "early_stopping_rounds": 4,
    "learning_rate": 0.1,
    "num_leaves": 7,
    "min_leaf_fraction": 0.02,
    "min_rows": 1000,
}
OFTEN = {
    "prob_min": 0.5,
    "min_expected_return": 0,
    "allow_range": True,
    "risk_max": 1,
    "fees_bps": 0,
    "spread_bps": 0,
    "slippage_bps": 0,
    "max_outside_share": 1,
    "stop_volatilities": 1,
}
"""With these most candles are traded."""


@functools.cache
def script(name: str) -> ModuleType:
    """Return a script of the workflow as a module."""
    spec = importlib.util.spec_from_file_location(f"replay_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class World:
    """A state on disk, its settings, and the versions that were trained."""

    settings: dict[str, Any]
    uses: dict[str, ModelUse]
    patch: pytest.MonkeyPatch

    @property
    def layout(self) -> Layout:
        return own_layout(self.settings)

    def with_settings(self, **changes: Any) -> World:
        return World(self.settings | changes, self.uses, self.patch)

    def use(self, *kinds: str, provisional: bool = False, at: int = CUTOFF) -> None:
        promote(
            self.layout.models,
            SYMBOL,
            {kind: self.uses[kind] for kind in kinds},
            **Subject.of(self.settings, SYMBOL).about(),
            provisional=provisional,
            reason=f"judged, {len(kinds)} kinds",
            promoted_at_ms=at,
        )

    def now(self, ms: int) -> None:
        self.patch.setenv("BOT_CRIPTO_NOW", iso(ms))

    def make(self, close: int, *, late: int = 0, without: int | None = None) -> str:
        """Make and publish the signal of a candle; return its name in the journal.

        `late` candles at the end, and the one that opened at `without`, are not there yet.
        """
        self.now(close + 30_000)
        candle = candle_id(close)
        provenance = {
            "git_commit": None,
            "code_sha256": code_sha256(*ROOT.glob("scripts/*.py")),
            "config_sha256": config_sha256(self.settings),
        }
        self.patch.setenv("BOT_CRIPTO_PROVENANCE", json.dumps(provenance))
        run = Run(self.layout, self.settings, candle, candle, provenance, logging.Logger("run"))
        run.publishes = True
        run.open()

        def less(layout: Layout, settings: dict[str, Any], since: int, until: int) -> Any:
            found = download(layout, settings, since, until)[SYMBOL].candles
            found = found[(found.open_time < until - late * STEP) & (found.open_time != without)]
            report = describe(found, SYMBOL, settings, since, until, FetchResult())
            return {SYMBOL: Download(found, report | {"error": None, "sha256": None})}

        self.patch.setattr(script("fetch_candles"), "download", less)
        for name in ("fetch_candles", "build_features", "make_signals"):
            getattr(script(name), name)(self.layout, self.settings, candle)
        run.close()
        published = json.loads((self.layout.logs / "signals" / "BTC_USDT.json").read_bytes())
        return f"BTC_USDT-{candle}-r{published['revision']}"

    def document(self, close: int) -> dict[str, Any]:
        path = self.layout.live(candle_id(close)) / "signals" / "BTC_USDT.json"
        return dict(json.loads(path.read_bytes()))


def make_world(root: Path, patch: pytest.MonkeyPatch) -> World:
    """Return a state with models of every kind, all in use, and no signal yet."""
    patch.setattr("os.fsync", lambda file: None)
    simulated = {"seed": 19, "edge": 0.6}
    settings = effective(
        Settings(
            state_dir=str(root), history_days=DAYS, simulated=simulated, training=TRAINING
        ).model_copy(update=OFTEN),
        root,
    )
    world = World(settings, {}, patch)
    world.now(FIRST + 60 * STEP)
    layout = world.layout
    download(layout, settings, CUTOFF - DAYS * 86_400_000, FIRST + 50 * STEP)
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    store = CandleStore(layout.store, settings["market"], "5m")
    snapshot = stored_snapshot(
        store,
        SYMBOL,
        CUTOFF,
        training,
        history_days=DAYS,
        fill_candles=settings["fill_candles"],
    )
    digest = write_snapshot(
        snapshot, layout.training(candle_id(CUTOFF), "BTC_USDT") / "snapshot.parquet"
    )
    data, reference = training_data(snapshot), make_reference(snapshot.candles, "5m")
    origin = Origin(
        SYMBOL,
        "simulated",
        "5m",
        CUTOFF,
        digest,
        code_sha256(ROOT / "scripts" / "train_model.py"),
        sha256_json("a configuration"),
        library_versions(),
    )
    prepared = prepare(data, training)
    trained = {kind: TRAINERS[kind](prepared) for kind in TRAINERS}
    trained["baseline"] = train("baseline", data, training)
    for kind, model in trained.items():
        version = write_version(layout.models, model, origin, reference)
        world.uses[kind] = ModelUse(version.name, version.sha256, None)
    world.use(*trained)
    return world
