"""Every damage of models, champions, marks and MLflow: a good signal or none, told and named."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sqlite3
from argparse import Namespace
from contextlib import closing
from pathlib import Path

import pytest
from replay_world import CUTOFF, FIRST, STEP, SYMBOL, World, make_world, script

from bot_cripto import atomic, cli_models
from bot_cripto.errors import EXIT_ALARM, EXIT_OK
from bot_cripto.forecast import ModelUse
from bot_cripto.models.bad_marks import bad_path, mark_bad
from bot_cripto.models.champion import champion_path, history_path, read_champion
from bot_cripto.models.version import content_sha256, folder, load_version
from bot_cripto.notify import feed
from bot_cripto.timeframes import candle_id
from bot_cripto.tracking import registry_view
from bot_cripto.workflow.runs import Run

KINDS = ("trend", "return", "risk")
CLOSE = FIRST + STEP


def another(models: Path, kind: str, version: str, **changes: str) -> ModelUse:
    """Return one more version of a kind: the same model, said to be made by other code."""
    parent = folder(models, kind, SYMBOL)
    found = load_version(parent / version)
    metadata = found.metadata | {"hashes": found.metadata["hashes"] | {"code": "0" * 64}}
    if changes:
        content = found.files["reference.json"]
        for old, new in changes.items():
            assert old.encode() in content
            content = content.replace(old.encode(), new.encode())
        metadata["files"] = found.metadata["files"] | {
            "reference.json": hashlib.sha256(content).hexdigest()
        }
    digest = metadata["content_sha256"] = content_sha256(metadata)
    path = parent / f"{version.partition('-')[0]}-{digest[:10]}"
    shutil.copytree(parent / version, path)
    if changes:
        (path / "reference.json").write_bytes(content)
    atomic.write_json(path / "metadata.json", metadata)
    return ModelUse(path.name, digest, None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a state with an earlier and a present version of every kind, and its world."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("made")
        world = make_world(root, patch)
        first = dict(world.uses)
        for kind in KINDS:
            world.uses[kind] = another(world.layout.models, kind, first[kind].version)
        world.use(*KINDS, "baseline", at=CUTOFF + STEP)
        world.make(FIRST)
        world.make(CLOSE)
        status = world.layout.live(candle_id(CLOSE)) / "signals.status.json"
        status.unlink()
        world.layout.journal.unlink()
        for beside in world.layout.journal.parent.glob(f"{world.layout.journal.name}-*"):
            beside.unlink()
        yield root, world, first


class State:
    """A copy of that state that a test may harm."""

    def __init__(self, world: World, first: dict[str, ModelUse], run, asked) -> None:
        self.world, self.first, self.run, self.asked = world, dict(first), run, asked
        self.layout = world.layout
        self.models = self.layout.models
        # what was before is no news
        _, self.cursors = feed.read(self.layout, world.settings, feed.begin(0), FIRST + 40_000)

    def path(self, kind: str, version: str = "") -> Path:
        return folder(self.models, kind, SYMBOL) / (version or self.world.uses[kind].version)

    def signal(self) -> dict:
        """Make the signal from the features that are there, as a run does that begins anew."""
        layout, settings, candle = self.layout, self.world.settings, candle_id(CLOSE)
        provenance = {"git_commit": None, "code_sha256": "c" * 64, "config_sha256": "f" * 64}
        run = Run(layout, settings, candle, candle, provenance, logging.Logger("run"))
        run.publishes = True
        run.open()
        script("make_signals").make_signals(layout, settings, candle)
        assert run.close() == 0
        published = json.loads((layout.logs / "signals" / "BTC_USDT.json").read_bytes())
        assert published == self.world.document(CLOSE)
        return published

    def news(self, later_ms: int = 0) -> list[str]:
        now = CLOSE + 60_000 + later_ms
        found, self.cursors = feed.read(self.layout, self.world.settings, self.cursors, now)
        return [message.text for message in found]

    def doctor(self, fix: bool = False) -> tuple[int, dict[str, str]]:
        """Return the exit code and what was found, by name."""
        code, rows = self.run(self, fix)
        return code, {row["name"]: f"{row['where']}: {row['text']}" for row in rows}

    def tree(self) -> dict[str, bytes]:
        """Return every file of models and what was said of them, without locks."""
        return {
            str(path.relative_to(self.models)): path.read_bytes()
            for path in sorted(self.models.rglob("*"))
            if path.is_file() and "locks" not in path.parts
        }


@pytest.fixture
def state(made, tmp_path, monkeypatch, capsys):
    root, world, first = made
    copy = tmp_path / "a state of its own"
    shutil.copytree(root, copy)
    monkeypatch.setattr("os.fsync", lambda file: None)
    monkeypatch.setattr("bot_cripto.lifecycle.doctor.registry.READ_WAIT_S", 0.01)
    monkeypatch.setattr(registry_view, "READ_WAIT_S", 0.01)
    looks = registry_view.divergence
    mine = World(world.settings | {"state_dir": str(copy)}, dict(world.uses), monkeypatch)
    mine.now(CLOSE + 30_000)

    def run(state, fix):
        here = (state.layout, state.world.settings, [SYMBOL])
        monkeypatch.setattr(cli_models, "_here", lambda given: here)
        capsys.readouterr()
        code = cli_models._doctor(Namespace(fix=fix, json=True))
        return code, json.loads(capsys.readouterr().out)

    asked: list[bool] = []

    def look(layout, symbol):
        return looks(layout, symbol) if asked else []

    monkeypatch.setattr("bot_cripto.tracking.registry.divergence", look)
    monkeypatch.setattr("bot_cripto.lifecycle.mirror.divergence", look)
    return State(mine, first, run, asked)


def alter(state: State, kind: str) -> None:
    path = next(state.path(kind).glob("*.txt"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(state: State, kind: str) -> None:
    path = next(state.path(kind).glob("*.txt"))
    path.write_bytes(path.read_bytes()[:-100])


def swap_kind(state: State, kind: str) -> None:
    other = next(state.path("risk" if kind == "trend" else "trend").glob("*.txt"))
    shutil.copy(other, next(state.path(kind).glob("*.txt")))


def swap_version(state: State, kind: str) -> None:
    shutil.rmtree(state.path(kind))
    shutil.copytree(state.path(kind, state.first[kind].version), state.path(kind))


def swap_symbol(state: State, kind: str) -> None:
    """Put a sound version of another symbol there, and have it promoted."""
    path = state.path(kind)
    found = load_version(path)
    metadata = found.metadata | {"symbol": "ETH/USDT"}
    metadata["content_sha256"] = content_sha256(metadata)
    use = ModelUse(f"{path.name[:17]}{metadata['content_sha256'][:10]}", "", None)
    path.rename(path.with_name(use.version))
    atomic.write_json(path.with_name(use.version) / "metadata.json", metadata)
    state.world.uses[kind] = ModelUse(use.version, metadata["content_sha256"], None)
    state.world.use(*KINDS, "baseline", at=CUTOFF + 2 * STEP)


def lose_file(state: State, kind: str) -> None:
    next(state.path(kind).glob("*.txt")).unlink()


def lose_folder(state: State, kind: str) -> None:
    shutil.rmtree(state.path(kind))


def file_for_folder(state: State, kind: str) -> None:
    shutil.rmtree(state.path(kind))
    state.path(kind).write_text("what is this")


def garbage(content: bytes):
    def spoil(state: State, kind: str) -> None:
        (state.path(kind) / "metadata.json").write_bytes(content)

    return spoil


def other_features(state: State, kind: str) -> None:
    use = another(state.models, kind, state.first[kind].version, log_return_1="log_return_one")
    state.first[kind], state.world.uses[kind] = state.world.uses[kind], use
    state.world.use(*KINDS, "baseline", at=CUTOFF + 2 * STEP)


HARMS = {
    "one byte altered": alter,
    "cut": cut,
    "another kind's file": swap_kind,
    "another version's files": swap_version,
    "another symbol's version": swap_symbol,
    "missing file": lose_file,
    "missing folder": lose_folder,
    "a file for a folder": file_for_folder,
    "no metadata": garbage(b""),
    "metadata of foreign bytes": garbage(os.urandom(900)),
    "metadata of another form": garbage(b'{"content_sha256": 1, "files": [[]], "kind": null}'),
    "metadata too deep": garbage(b"[" * 100_000),
    "other features": other_features,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_model_gives_way_to_the_earlier_one_and_is_told(state, harm, kind):
    HARMS[harm](state, kind)
    before, name = state.tree(), state.world.uses[kind].version
    document = state.signal()
    used = {k: use["version"] for k, use in document["version"]["models"].items() if use}
    good = {k: state.first[k].version if k == kind else state.world.uses[k].version for k in KINDS}
    assert {k: used.get(k) for k in KINDS} == good
    assert f"The {kind} model {name} cannot be used" in document["reason"]
    assert f"The earlier {kind} model {used[kind]} stands in" in document["reason"]
    (told,) = [text for text in state.news() if "others stand in" in text]
    assert f"{kind} {name}" in told
    code, found = state.doctor()
    assert code == EXIT_ALARM and f"{kind} {name}" in found["model"]
    assert state.doctor(fix=True)[1]["model"] == found["model"], "nothing safe can be done"
    assert state.tree() == before, "nothing is lost"


@pytest.mark.parametrize("kind", KINDS)
def test_where_none_of_a_kind_is_left_the_baseline_speaks_for_it(state, kind):
    for version in (state.world.uses[kind], state.first[kind]):
        shutil.rmtree(state.path(kind, version.version))
    document = state.signal()
    assert f"stands in for {kind}: no usable trained model" in document["reason"]
    assert "others stand in" in state.news()[0] and "model" in state.doctor()[1]


def test_without_any_model_there_is_no_trade_and_the_reason_says_why(state):
    for kind in (*KINDS, "baseline"):
        shutil.rmtree(state.models / kind)
    document = state.signal()
    assert document["decision"] == "NO_TRADE" and document["prob_up"] is None
    assert "No trend/return/risk models or baseline model found" in document["reason"]
    assert any("no models can be used" in text for text in state.news())
    code, found = state.doctor()
    assert code == EXIT_ALARM and {"model", "no_models"} <= set(found)


CHAMPIONS = {
    "garbage": b"\x00\xff{ garbage",
    "empty": b"",
    "too deep": b"[" * 100_000,
    "another form": b'{"symbol": "BTC/USDT", "kinds": {"trend": "x"}}',
    "a list": b"[]",
    "no time": None,
    "another symbol": None,
    "lost": None,
}


@pytest.mark.parametrize("harm", CHAMPIONS)
@pytest.mark.parametrize("mended_by", ["signal", "doctor"])
def test_a_damaged_champion_file_is_restored_and_told(state, harm, mended_by):
    path, champion = champion_path(state.models, SYMBOL), read_champion(state.models, SYMBOL)
    text, content = path.read_text(), CHAMPIONS[harm]
    if harm == "another symbol":
        content = text.replace(SYMBOL, "ETH/USDT").encode()
    elif harm == "no time":
        content = text.replace(champion.promoted_at, "some day").encode()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    code, found = state.doctor()
    assert code == EXIT_ALARM and str(path) in found["champion_file"]
    if mended_by == "doctor":
        code, found = state.doctor(fix=True)
        assert "champion_file" in found and read_champion(state.models, SYMBOL) == champion
    document = state.signal()
    assert read_champion(state.models, SYMBOL) == champion
    assert document["version"]["models"]["trend"]["version"] == champion.versions()["trend"]
    assert document["prob_up"] is not None and "cannot be used" not in document["reason"]
    assert any("it was restored from its history" in text for text in state.news())
    assert "champion_file" not in state.doctor()[1]


def test_a_champion_file_that_cannot_be_restored_is_no_trade_and_named(state):
    path = champion_path(state.models, SYMBOL)
    path.unlink()
    path.mkdir()
    document = state.signal()
    assert document["decision"] == "NO_TRADE" and "is damaged" in document["reason"]
    assert any("no models can be used" in text for text in state.news())
    for fix in (False, True):
        code, found = state.doctor(fix)
        assert code == EXIT_ALARM and str(path) in found["champion_file"]


def test_a_champion_file_with_garbage_and_no_history_is_no_trade(state):
    champion_path(state.models, SYMBOL).write_text("garbage")
    history_path(state.models, SYMBOL).unlink()
    document = state.signal()
    assert document["decision"] == "NO_TRADE" and "is damaged" in document["reason"]
    assert any("no models can be used" in text for text in state.news())
    code, found = state.doctor()
    assert code == EXIT_ALARM and "no history" in found["champion_file"]


@pytest.mark.parametrize("version", ["20240601T000000Z-0123456789", "nonsense", "../../../etc"])
def test_a_champion_of_a_version_that_never_was_gives_way_to_the_earlier(state, version):
    state.world.uses["trend"] = ModelUse(version, "ab" * 32, None)
    state.world.use(*KINDS, "baseline", at=CUTOFF + 2 * STEP)
    document = state.signal()
    assert f"The trend model {version} cannot be used" in document["reason"]
    assert "The earlier trend model" in document["reason"]
    assert any("others stand in" in text for text in state.news())
    code, found = state.doctor()
    assert code == EXIT_ALARM and version in found["model"]
    assert not {"models", "versions", "registry"} & {n for n in found if "could not" in found[n]}


def test_bad_marks_that_cannot_be_read_stop_every_model(state):
    path = bad_path(state.models, SYMBOL)
    path.mkdir(parents=True)
    document = state.signal()
    assert document["decision"] == "NO_TRADE" and "bad marks" in document["reason"]
    assert any("no models can be used" in text for text in state.news())
    code, found = state.doctor()
    assert code == EXIT_ALARM and str(path) in found["bad_marks"]
    assert path.is_dir()


@pytest.mark.parametrize(
    "line",
    [
        b"\x00\xffgarbage",
        b"[" * 100_000,
        b'{"kind": ["trend"], "version": {}, "bad": true, "reason": null, "by": 1, '
        b'"at": "2024-01-01"}',
        b'{"kind": "trend", "version": "v", "bad": true, "reason": "", "by": "", "at": "x"}',
    ],
    ids=["foreign bytes", "too deep", "another form", "no time"],
)
def test_damaged_marks_that_name_nothing_stop_nothing_and_are_named(state, line):
    path = bad_path(state.models, SYMBOL)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(line + b"\n")
    document = state.signal()
    assert document["prob_up"] is not None and "cannot be used" not in document["reason"]
    code, found = state.doctor()
    assert code == EXIT_ALARM and "1 lines are damaged" in found["bad_marks"]
    assert path.read_bytes() == line + b"\n"


def test_everything_marked_bad_is_no_trade_until_one_mark_is_taken_back(state):
    def mark(kind: str, version: str, bad: bool = True) -> None:
        mark_bad(
            state.models, SYMBOL, kind, version, reason="all wrong", by="a", now_ms=FIRST, bad=bad
        )

    for kind in KINDS:
        mark(kind, state.world.uses[kind].version)
        mark(kind, state.first[kind].version)
    mark("baseline", state.world.uses["baseline"].version)
    document = state.signal()
    assert document["decision"] == "NO_TRADE" and "all wrong" in document["reason"]
    assert any("no models can be used" in text or "all wrong" in text for text in state.news())
    code, found = state.doctor()
    assert code == EXIT_ALARM and {"bad_version", "no_models"} <= set(found)
    mark("baseline", state.world.uses["baseline"].version, bad=False)
    assert "no_models" not in state.doctor()[1]


@pytest.mark.parametrize("harm", ["garbage", "empty", "folder", "missing", "locked", "another"])
def test_mlflow_is_in_no_signals_way_and_its_trouble_is_named_and_told(state, harm):
    path = state.layout.mlflow_db
    state.asked.append(True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path if harm == "locked" else ":memory:")) as connection:
        if harm == "garbage":
            path.write_bytes(os.urandom(9000))
        elif harm == "empty":
            path.write_bytes(b"")
        elif harm == "folder":
            path.mkdir()
        elif harm == "locked":
            connection.execute("create table registered_model_aliases (x)")
            connection.commit()
            connection.execute("begin exclusive")
        elif harm == "another":
            with closing(sqlite3.connect(path)) as other:
                other.execute("create table registered_model_aliases (x)")
        document = state.signal()
        assert document["prob_up"] is not None and "cannot be used" not in document["reason"]
        code, found = state.doctor()
        assert code == EXIT_ALARM
        assert "registry" in found if harm in ("missing", "empty") else "mlflow" in found
        assert not any("MLflow" in text for text in state.news()), "a roll back takes a while"
        (told,) = [text for text in state.news(later_ms=3_600_000) if "MLflow" in text]
        assert "bot-cripto doctor" in told
        assert not any("MLflow" in text for text in state.news(later_ms=3_700_000)), "told once"


def test_a_sound_state_has_nothing_to_tell(state):
    before = state.tree()
    assert "cannot be used" not in state.signal()["reason"]
    assert not any("models" in text.lower() for text in state.news())
    assert state.doctor() == (EXIT_OK, {})
    assert state.tree() == before
