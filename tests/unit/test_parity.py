"""What the backtest decides at a past candle is what the live path decides as of that moment.

The walk goes over a stretch with models in memory, features of the whole history at once and an
account that it takes along. Beside it stands a live state on disk: its candle store grows by the
live fetch, its ledger and journal hold what was written by then, and at random candles the scripts
of the workflow make the signal there. Every field but the provenance has to be equal.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bot_cripto.backtest import walk
from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.track import make_track
from bot_cripto.backtest.walk import Walk
from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.execution import performance
from bot_cripto.execution.book import Book
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.desk import Case
from bot_cripto.execution.market_rules import DEFAULT
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.execution.paper import catch_up
from bot_cripto.execution.paper_run import to_the_last_candle
from bot_cripto.execution.plan import plan
from bot_cripto.execution.session import act
from bot_cripto.execution.state import outlook
from bot_cripto.features import catalogue
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger.events import Fill, Funding, Mark
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.candles import Candles
from bot_cripto.market.download import download
from bot_cripto.market.gaps import real_candles, to_grid
from bot_cripto.models import apply
from bot_cripto.models.champion_change import promote
from bot_cripto.models.dissimilarity import read_dissimilarity
from bot_cripto.models.forecast import Loaded
from bot_cripto.models.reference import make_reference
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import build_snapshot, training_data
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.training import TRAINERS, prepare
from bot_cripto.models.training_range import training_range
from bot_cripto.models.version_writer import Origin, write_version
from bot_cripto.models.walk_forward import walk_forward
from bot_cripto.provenance import sha256_json
from bot_cripto.timeframes import candle_id, iso, parse_iso

ROOT = Path(__file__).resolve().parents[2]
STEP = 300_000
SYMBOLS = ["BTC/USDT", "ETH/USDT"]
SINCE = parse_iso("2024-06-02T14:00:00Z")  # a Sunday: a day and a week end on the way
CANDLES = 250
HISTORY = 3600
UNTIL = SINCE + CANDLES * STEP
SAMPLE = 40
"""So many random closes are decided live, for both symbols and on every portfolio."""

TRAINING = TrainingSettings(
    horizon_steps=5,
    rounds=10,
    early_stopping_rounds=5,
    learning_rate=0.1,
    num_leaves=7,
    min_leaf_fraction=0.02,
    min_rows=1000,
)

# a market in which much can be foreseen, with outages that are filled in and ones that are not
MARKET = {"simulated": {"seed": 19, "edge": 0.6, "outages": 0.04}, "fill_candles": 24}

OFTEN: dict[str, list[Any]] = {
    "market_type": ["spot", "margin", "swap"],
    "prob_min": [0.5, 0.52, 0.54],
    "min_expected_return": [0, 0, 0.0002],
    "allow_range": [True, True, False],
    "allow_high_vol": [True, False],
    "regime_adx_trend_min": [15, 20, 25],
    "regime_atr_high_vol_pct": [0.0025, 0.02],
    "model_risk_vol_ref": [0.005, 0.02],
    "risk_max": [0.5, 1],
    "max_outside_share": [0.05, 1],
    "max_model_age_days": [0.7, 30],
    "fees_bps": [0, 0.1, 2],
    "spread_bps": [0, 1],
    "slippage_bps": [0, 0.2],
    "kelly_fraction": [0.25, 1],
    "risk_per_trade": [0.001, 0.01],
    "target_volatility": [0.001, 0.01],
    "max_position_size": [0.3, 0.5, 1],
    "min_position_size": [0.005, 0.05],
    "max_total_exposure": [0.6, 1, 2],
    "max_correlated_exposure": [0.4, 1],
    "correlation_min": [0, 0.02, 0.7],
    "stop_volatilities": [0.4, 0.7, 2],
    "target_volatilities": [0, 0.5, 1.5],
    "max_daily_drawdown": [0.002, 0.03],
    "max_weekly_drawdown": [0.003, 0.07],
    "risk_cooldown_minutes": [0, 15, 40],
    "max_consecutive_losses": [2, 6],
    "max_tail_loss": [0.0005, 0.02],
    "initial_equity": [500, 10_000],
    "max_dissimilarity": [1, 1000],
}
"""What the settings of a portfolio are drawn from."""

SEEDS = (5, 13, 22, 25)


@functools.cache
def script(name: str) -> ModuleType:
    """Return a script of the workflow as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(root: Path, **changes: Any) -> dict[str, Any]:
    values = {"symbols": SYMBOLS, "horizon_steps": TRAINING.horizon_steps, **MARKET, **changes}
    return effective(Settings(**values), root)


def drawn(seed: int) -> dict[str, Any]:
    """Return the changes of a portfolio's settings that a seed leads to."""
    draw = random.Random(seed)
    return {name: draw.choice(values) for name, values in OFTEN.items()}


@dataclass
class World:
    """A market, models trained on its past, and a live state that knows neither's future.

    `candles` and `loaded` are the backtest's: the whole history, and models that were never on
    disk. `layout` is the live path's: the models as versions, and a store that its fetch fills.
    """

    root: Path
    layout: Layout
    candles: dict[str, Candles]
    loaded: dict[str, Loaded]


def whole_history(root: Path, settings: dict[str, Any]) -> dict[str, Candles]:
    """Return the candles of history and stretch, on the full grid, from a store of their own."""
    layout = Layout.of(settings).below(root / "history")
    since = SINCE - HISTORY * STEP
    return {
        symbol: to_grid(
            found.candles, settings["timeframe"], since, UNTIL, settings["fill_candles"]
        )
        for symbol, found in download(layout, settings, since, UNTIL).items()
    }


def in_memory(trained: dict[str, TrainedModel], uses: dict[str, ModelUse]) -> Loaded:
    """Return trained models as they would be in use, without a look at the disk."""
    models = {kind: apply.make_model(kind, m.metadata, m.files) for kind, m in trained.items()}
    known = training_range(catalogue.FEATURE_NAMES, (m.files for m in trained.values()))
    return Loaded(models, uses, (), known, SINCE, read_dissimilarity(trained["trend"].files))


def put_in_use(
    layout: Layout, symbol: str, trained: dict[str, TrainedModel], reference: bytes
) -> dict[str, ModelUse]:
    """Write models as versions, make them champion, and return what the champion names."""
    origin = Origin(symbol, "simulated", "5m", SINCE, "d" * 64, "c" * 64, "f" * 64, {})
    written = {
        kind: write_version(layout.models, m, origin, reference) for kind, m in trained.items()
    }
    uses = {kind: ModelUse(v.name, v.sha256, None) for kind, v in written.items()}
    promote(
        layout.models,
        symbol,
        uses,
        source="simulated",
        timeframe="5m",
        horizon_steps=TRAINING.horizon_steps,
        provisional=False,
        reason="judged",
        promoted_at_ms=SINCE,
    )
    return uses


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("parity")
    settings = settings_of(root)
    layout = Layout.of(settings).below(root / "live")
    candles = whole_history(root, settings)
    loaded = {}
    for symbol in SYMBOLS:
        snapshot = build_snapshot(candles[symbol], "5m", TRAINING, SINCE)
        prepared = prepare(training_data(snapshot), TRAINING)
        trained = {kind: TRAINERS[kind](prepared) for kind in apply.KINDS}
        reference = make_reference(snapshot.candles, "5m")
        loaded[symbol] = in_memory(trained, put_in_use(layout, symbol, trained, reference))
    return World(root, layout, candles, loaded)


def acts(entries: Iterable[Any]) -> list[Any]:
    """Return entries without the marks, of which a sparse walk makes fewer."""
    return [entry for entry in entries if not isinstance(entry, Mark)]


@dataclass
class Portfolio:
    """One account: what the walk over the whole stretch said and did, and its live twin.

    Attributes
    ----------
    documents : dict of int to dict
        Signal documents of the walk by close and symbol.
    entries : list
        What the walk's account was made of, in its order.
    """

    settings: dict[str, Any]
    layout: Layout
    whole_journal: bool = False
    documents: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
    told: int = 0
    journalled: int = SINCE

    @classmethod
    def walked(cls, world: World, name: str, changes: dict[str, Any], **more: Any) -> Portfolio:
        settings = settings_of(world.root, **changes)
        own = replace(world.layout, logs=world.root / name / "logs", locks=world.root / name)
        made = cls(settings, own, **more)
        tracks = []
        for symbol in SYMBOLS:
            known = world.candles[symbol]
            since = int(known.open_time[0])
            # as that portfolio fills gaps
            candles = to_grid(known, "5m", since, UNTIL, settings["fill_candles"])
            tracks.append(make_track(symbol, candles, settings, world.loaded[symbol], SINCE))
        book, sparse = MemoryBook(settings), MemoryBook(settings)
        Walk(tracks, book, settings, SINCE).run(
            lambda close, rulings, documents: made.documents.update({close: documents})
        )
        made.entries = list(book.entries.values())
        # what the backtest runs: the same walk without the candles at which nothing can happen
        Walk(tracks, sparse, settings, SINCE, documents=False, sparse=True).run()
        assert acts(sparse.entries.values()) == acts(made.entries)
        return made

    def bring_to(self, close_ms: int, set_now: Any) -> None:
        """Take ledger and journal to the moment before the candle that ends at a close.

        The account is marked at the candle before. That one's signals are journalled and acted
        on by the functions of the live session, which have to ask for what the walk did.
        """
        before = close_ms - STEP
        self.write_until(before)
        if before > SINCE:
            set_now(before)
            with self.book() as book:
                to_the_last_candle(self.layout, self.settings, book, before)
                act(self.layout, self.settings, book, before, lambda symbol: None)

    def write_until(self, close_ms: int) -> None:
        """Write into ledger and journal what the walk did up to the mark and signals of a close."""
        marked = [n for n, e in enumerate(self.entries) if isinstance(e, Mark)]
        place = max((n + 1 for n in marked if self.entries[n].candle_ms <= close_ms), default=0)
        with self.book() as book, book.transaction():
            for entry in self.entries[self.told : place]:
                book.add(entry)
        self.told = place
        with Journal.open(self.layout.journal) as journal:
            first = SINCE + STEP if self.whole_journal else close_ms
            for close in range(max(first, self.journalled + STEP), close_ms + STEP, STEP):
                for document in self.documents[close].values():
                    journal.append(document)
                self.journalled = close

    def book(self) -> Book:
        return Book.open(self.layout.ledger("paper"), self.settings)

    def live(self, close_ms: int) -> dict[str, dict[str, Any]]:
        """Make the signals of a candle by the script of the workflow; return what it wrote."""
        candle = candle_id(close_ms)
        script("make_signals").make_signals(self.layout, self.settings, candle)
        folder = self.layout.live(candle) / "signals"
        return {
            s: json.loads((folder / f"{s.replace('/', '_')}.json").read_bytes()) for s in SYMBOLS
        }


def told(document: dict[str, Any], *passed_over: str) -> dict[str, Any]:
    """Return all of a document but its provenance, as JSON has it, with the hash of its risk."""
    plain = json.loads(json.dumps(document))
    risk = plain["version"]["risk_state_sha256"]
    dropped = ("ts", "version", *passed_over)
    return {name: value for name, value in plain.items() if name not in dropped} | {"risk": risk}


@pytest.fixture
def set_now(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what sets the clock; nothing here has to survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    hashes = dict.fromkeys(("code_sha256", "config_sha256"), "1" * 64)
    monkeypatch.setenv("BOT_CRIPTO_PROVENANCE", json.dumps({"git_commit": None, **hashes}))
    monkeypatch.setenv("BOT_CRIPTO_NOW", iso(UNTIL))
    return lambda ms: monkeypatch.setenv("BOT_CRIPTO_NOW", iso(ms))


SEEN = {
    *("data_fresh", "data_sound", "model_age", "in_distribution", "dissimilarity", "regime"),
    *(
        "probability",
        "expected_return",
        "cost",
        "risk",
        "cooldown",
        "daily_drawdown",
        "weekly_drawdown",
    ),
    *("tail_loss", "consecutive_losses", "correlated_exposure", "size"),
}
"""Gates that some of the random decisions have to fail at: then the comparison says something."""


def make_inputs(world: World, settings: dict[str, Any], close_ms: int, set_now: Any) -> None:
    """Fetch, as of half a minute after a close, and compute the features there, as the rules do."""
    set_now(close_ms + 30_000)
    script("fetch_candles").fetch_candles(world.layout, settings, candle_id(close_ms))
    script("build_features").build_features(world.layout, settings, candle_id(close_ms))


@pytest.fixture(scope="module")
def portfolios(world: World) -> list[Portfolio]:
    return [Portfolio.walked(world, f"drawn-{seed}", drawn(seed)) for seed in SEEDS]


@dataclass
class Compared:
    """What the decisions were that turned out equal."""

    sides: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def equal(self, portfolio: Portfolio, close_ms: int, *passed_over: str) -> None:
        """Decide a candle live and hold it against the walk, field by field."""
        live = portfolio.live(close_ms)
        for symbol, document in portfolio.documents[close_ms].items():
            here = told(live[symbol], *passed_over)
            there = told(document, *passed_over)
            assert here == there, (portfolio.layout.logs, symbol, iso(close_ms))
            self.sides[document["decision"]] += 1
            for gate in document["gates"]:
                self.failing[gate["name"]] += not gate["passed"]
                if gate["name"].endswith("exposure"):
                    self.held[gate["name"]] += gate["value"] > 0


def test_the_live_path_decides_as_the_walk_did(
    world: World, portfolios: list[Portfolio], set_now: Any
) -> None:
    choice = random.Random(7)
    closes = sorted(choice.sample(range(SINCE + STEP, UNTIL + STEP, STEP), SAMPLE))
    settings, compared = settings_of(world.root), Compared()
    # some when nothing later was there: no candle, no signal, and the ledger a candle behind
    first = sorted(choice.sample(closes, SAMPLE // 5))
    for close in first:
        make_inputs(world, settings, close, set_now)
        for portfolio in portfolios:
            portfolio.bring_to(close, set_now)
            set_now(close + 30_000)
            compared.equal(portfolio, close)
    # the others as of then, with everything later on disk; those candles are journalled, so that
    # a signal with another provenance is a revision
    make_inputs(world, settings, UNTIL, set_now)
    for portfolio in portfolios:
        portfolio.write_until(UNTIL)
    for close in closes:
        if close in first:
            continue
        make_inputs(world, settings, close, set_now)
        for portfolio in portfolios:
            compared.equal(portfolio, close, "revision")
    assert sum(compared.sides.values()) == 2 * len(SEEDS) * SAMPLE
    assert min(compared.sides[side] for side in ("LONG", "SHORT", "NO_TRADE")) >= 20, compared
    assert {name for name, count in compared.failing.items() if count} >= SEEN, compared
    assert min(compared.held.values()) >= 20, compared


def test_paper_trading_of_the_documents_is_the_walk(
    world: World, portfolios: list[Portfolio]
) -> None:
    """Taken from candle to candle as the live session does, from candles as the store has them."""
    real = {symbol: real_candles(world.candles[symbol]) for symbol in SYMBOLS}
    for portfolio in portfolios:
        settings, book = portfolio.settings, MemoryBook(portfolio.settings)
        for close, documents in portfolio.documents.items():
            catch_up(book, lambda s, *t: real[s].between(*t), close, STEP, {}, Costs.of(settings))
            for document in documents.values():
                wish = {"now_ms": close, "can_open": None}
                for intent in plan(document, book.account, DEFAULT, settings, **wish).intents:
                    book.add(intent)
        assert list(book.entries.values()) == portfolio.entries, portfolio.layout.logs


def test_drift_is_found_at_the_same_candles(world: World, set_now: Any, monkeypatch: Any) -> None:
    for module in (performance, walk):
        monkeypatch.setattr(module, "DRIFT_RECENT", 20)
        monkeypatch.setattr(module, "DRIFT_REFERENCE", 60)
    changes = drawn(SEEDS[-1]) | {"block_on_drift": True}
    portfolio = Portfolio.walked(world, "drift", changes, whole_journal=True)
    found: dict[bool, list[int]] = {True: [], False: []}
    for close in range(SINCE + 80 * STEP, UNTIL, STEP):
        gates = portfolio.documents[close][SYMBOLS[0]]["gates"]
        found[next(gate["passed"] for gate in gates if gate["name"] == "drift")].append(close)
    choice, compared = random.Random(8), Compared()
    for close in sorted(choice.sample(found[True], 3) + choice.sample(found[False], 3)):
        make_inputs(world, portfolio.settings, close, set_now)
        portfolio.bring_to(close, set_now)
        set_now(close + 30_000)
        compared.equal(portfolio, close)
    assert compared.failing["drift"] >= 3, compared


def test_gaps_that_are_not_filled_in(world: World, set_now: Any) -> None:
    own = replace(world, layout=replace(world.layout, data=world.root / "unfilled"))
    portfolio = Portfolio.walked(own, "unfilled", drawn(SEEDS[0]) | {"fill_candles": 5})
    missing = [c.open_time[-CANDLES:][c.filled[-CANDLES:]] + STEP for c in world.candles.values()]
    of_gaps = random.Random(9).sample(sorted(np.concatenate(missing).tolist()), 6)
    compared = Compared()
    for close in sorted([*of_gaps, *range(SINCE + 31 * STEP, UNTIL, 70 * STEP)]):
        make_inputs(own, portfolio.settings, close, set_now)
        portfolio.bring_to(close, set_now)
        set_now(close + 30_000)
        compared.equal(portfolio, close)
    assert set(compared.sides) == {"NO_TRADE"}
    assert min(compared.failing[name] for name in ("inputs_complete", "data_sound", "data_fresh"))


def test_the_state_as_of_a_candle_in_which_something_was_filled(world: World, set_now: Any) -> None:
    """As of that moment the ledger tells what of the candle belongs to it, whatever came after."""
    changes = drawn(10) | {"stop_volatilities": 1, "target_volatilities": 1, "funding_bps": 2}
    portfolio = Portfolio.walked(world, "filled", changes)
    make_inputs(world, portfolio.settings, UNTIL, set_now)
    portfolio.write_until(UNTIL)
    closes: dict[str, list[int]] = {}
    for entry in portfolio.entries:
        if isinstance(entry, Funding):
            closes.setdefault("funding", []).append(entry.time_ms)
        elif isinstance(entry, Fill):
            # a stop or a target fills within the candle, all else at its open
            ends = entry.time_ms + STEP * (entry.reason not in ("stop", "target"))
            closes.setdefault(entry.reason, []).append(ends)
    assert set(closes) == {"signal", "stop", "target", "horizon", "opposite", "funding"}
    for reason, found in closes.items():
        for close in sorted({at for ends in found[:4] for at in (ends, ends + STEP)}):
            state = outlook(portfolio.layout, portfolio.settings, close).risks[SYMBOLS[0]]
            walked = portfolio.documents[close][SYMBOLS[0]]["version"]["risk_state_sha256"]
            assert state and sha256_json(state.to_json()) == walked, (reason, iso(close))


def test_models_of_a_fold_decide_as_versions_in_use_do(world: World, set_now: Any) -> None:
    """The backtest's own tracks: features of the snapshot, models of each fold as trained."""
    symbol, settings = SYMBOLS[0], settings_of(world.root, symbols=[SYMBOLS[0]])
    layout = replace(world.layout, models=world.root / "folds")
    snapshot = build_snapshot(world.candles[symbol], "5m", TRAINING, UNTIL)
    results = walk_forward(training_data(snapshot), TRAINING, 2)
    track = fold_track(symbol, snapshot, results, settings)
    reference, choice = make_reference(snapshot.candles, "5m"), random.Random(10)
    start = fold_bounds(results)[0][0]
    for result, (first, last) in zip(results, fold_bounds(results), strict=True):
        put_in_use(layout, symbol, result.trained, reference)
        for row in choice.sample(range(first, last), 5):
            close = int(snapshot.candles.open_time[row]) + STEP
            make_inputs(replace(world, layout=layout), settings, close, set_now)
            folder = layout.live(candle_id(close))
            seen = script("make_signals").look_at(layout, settings, folder, symbol)
            assert seen.failed is None
            assert plain(seen.case) == plain(track.cases[row - start]), iso(close)


def plain(case: Case) -> Case:
    """Return a case without the names of its models and how old they are."""
    forecast = case.forecast and replace(case.forecast, models={}, trained_until_ms=None)
    return replace(case, forecast=forecast, context=replace(case.context, model_age_days=None))
