"""A signal made by the scripts of the workflow comes out again to the byte, or why not is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_world import CUTOFF, FIRST, STEP, SYMBOL, World, make_world

from bot_cripto import cli
from bot_cripto.errors import ConfigError, DataError
from bot_cripto.execution.switches import switch
from bot_cripto.ledger.journal import Journal
from bot_cripto.lifecycle import program
from bot_cripto.lifecycle.comparison import DIFFERENT, IDENTICAL, differences, exit_code
from bot_cripto.lifecycle.lineage import as_text, lineage
from bot_cripto.lifecycle.past_models import _version
from bot_cripto.lifecycle.past_signals import journalled
from bot_cripto.lifecycle.replay import IMPOSSIBLE, replay, told
from bot_cripto.lifecycle.reproduce import IMPOSSIBLE as NOT_REPRODUCED
from bot_cripto.lifecycle.reproduce import _origin, find_version, reproduce
from bot_cripto.models.bad_marks import mark_bad
from bot_cripto.models.champion import champion_path, history_path
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.version import load_version
from bot_cripto.models.version_writer import write_version
from bot_cripto.provenance import sha256_json
from bot_cripto.timeframes import candle_id
from bot_cripto.workflow.failures import no_trade

EVERY = ("trend", "return", "risk", "baseline")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_world(tmp_path_factory.mktemp("first"), patch)


@pytest.fixture
def world(first: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A state of one's own, as `make_world` left it."""
    state = tmp_path / "state"
    shutil.copytree(first.settings["state_dir"], state)
    monkeypatch.setattr("os.fsync", lambda file: None)
    _version.cache_clear()
    return World(first.settings | {"state_dir": str(state)}, first.uses, monkeypatch)


def all_identical(world: World) -> dict[str, tuple[str, ...]]:
    """Replay the whole journal; return the notes by signal."""
    results = [replay(world.settings, name) for name in journalled(world.settings)]
    for result in results:
        assert result.outcome == IDENTICAL, told(result)
    return {result.signal: result.notes for result in results}


def test_signals_of_every_sort_come_out_again(world: World) -> None:
    for number in range(6):
        world.make(FIRST + number * STEP)
    switch(world.layout, "pause", "a test", "look")
    paused = world.make(FIRST + 5 * STEP)
    assert paused.endswith("-r1") and "paused" in world.document(FIRST + 5 * STEP)["reason"]
    switch(world.layout, "resume", "a test", "")
    strict = world.with_settings(prob_min=0.95)
    strict.make(FIRST + 6 * STEP)
    world.use("baseline", at=FIRST + 7 * STEP)
    world.make(FIRST + 7 * STEP)
    assert "Baseline model (made of" in world.document(FIRST + 7 * STEP)["reason"]
    world.use(*EVERY, provisional=True, at=FIRST + 8 * STEP)
    world.make(FIRST + 8 * STEP)
    assert "provisional" in world.document(FIRST + 8 * STEP)["reason"]
    # a gap that is not filled in: no feature, no forecast
    world.with_settings(fill_candles=0).make(FIRST + 9 * STEP, without=FIRST)
    assert world.document(FIRST + 9 * STEP)["prob_up"] is None
    found = all_identical(world)
    assert len(found) == 11
    with Journal.open(world.layout.journal, readonly=True) as journal:
        decisions = [json.loads(journal.entry(name))["decision"] for name in found]
    assert {"LONG", "NO_TRADE"} <= set(decisions)
    assert [name for name, notes in found.items() if any("taken" in n for n in notes)] == []


def test_a_file_is_replayed_as_well_and_an_altered_one_is_found(
    world: World, tmp_path: Path
) -> None:
    world.make(FIRST)
    published = world.layout.logs / "signal.json"
    assert replay(world.settings, str(published)).outcome == IDENTICAL
    document = json.loads(published.read_bytes())
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document | {"prob_up": 0.99}, indent=2) + "\n")
    result = replay(world.settings, str(forged))
    assert result.outcome == DIFFERENT
    (found,) = result.differences
    assert (found.field, found.signal, found.replayed) == ("prob_up", 0.99, document["prob_up"])
    gates = [g | {"threshold": 0.1} if g["name"] == "risk" else g for g in document["gates"]]
    forged.write_text(json.dumps(document | {"gates": gates}, indent=2) + "\n")
    assert [d.field for d in replay(world.settings, str(forged)).differences] == [
        "gates[risk].threshold"
    ]
    forged.write_text(json.dumps(document) + "\n")
    result = replay(world.settings, str(forged))
    assert result.outcome == DIFFERENT and result.differences[0].field == "(bytes)"


def test_other_folders_and_other_present_settings_play_no_part(world: World) -> None:
    name = world.make(FIRST)
    here = world.settings | {"prob_min": 0.9, "market": "binance", "timeframe": "1h"}
    assert replay(here, name).outcome == IDENTICAL


@pytest.mark.parametrize("kind", ["trend", "return", "risk"])
def test_a_version_that_is_gone_or_altered_is_named(world: World, kind: str) -> None:
    name = world.make(FIRST)
    path = world.layout.models / kind / "BTC_USDT" / world.uses[kind].version
    text = next(path.glob("*.txt"))
    text.write_bytes(text.read_bytes()[:-40])
    result = replay(world.settings, name)
    assert result.outcome == IMPOSSIBLE and result.problem is not None
    assert result.problem.startswith(f"{kind} model: ") and text.name in result.problem
    shutil.rmtree(path)
    result = replay(world.settings, name)
    assert result.outcome == IMPOSSIBLE and f"{path} is gone" in str(result.problem)


def test_a_configuration_that_is_gone_or_altered_is_named(world: World) -> None:
    name = world.make(FIRST)
    (path,) = world.layout.configs.glob("*.json")
    path.write_text(path.read_text().replace('"prob_min": 0.5', '"prob_min": 0.7'))
    assert "altered" in str(replay(world.settings, name).problem)
    path.unlink()
    result = replay(world.settings, name)
    assert result.outcome == IMPOSSIBLE and "configuration" in str(result.problem)


def test_a_risk_state_that_is_gone_is_named(world: World, tmp_path: Path) -> None:
    world.make(FIRST)
    kept = tmp_path / "kept.json"
    shutil.copy(world.layout.logs / "signal.json", kept)
    world.layout.journal.unlink()
    assert replay(world.settings, str(kept)).outcome == IDENTICAL, "it lies beside the live signal"
    for path in world.layout.live(candle_id(FIRST)).glob("signals/*.risk.json"):
        path.unlink()
    assert "risk state" in str(replay(world.settings, str(kept)).problem)


def test_candles_that_came_late_or_were_mended_since(world: World) -> None:
    late = world.make(FIRST, late=2)
    mended = world.make(FIRST + STEP, without=FIRST - 30 * STEP)
    assert {gate["name"]: gate["value"] for gate in world.document(FIRST)["gates"]}[
        "data_fresh"
    ] == 2
    found = all_identical(world)
    assert any("came later" in note for note in found[late])
    assert any("has changed since" in note for note in found[mended])
    shutil.rmtree(world.layout.live(candle_id(FIRST + STEP)))
    shutil.rmtree(world.layout.live(candle_id(FIRST)))
    assert replay(world.settings, late).outcome == IDENTICAL
    result = replay(world.settings, mended)
    assert result.outcome == IMPOSSIBLE and str(result.problem).startswith("candles: ")


def test_a_model_that_was_broken_then_is_taken_from_the_signal(world: World) -> None:
    path = world.layout.models / "trend" / "BTC_USDT" / world.uses["trend"].version
    aside = path.with_name("aside")
    shutil.move(path, aside)
    name = world.make(FIRST)
    assert "cannot be used" in world.document(FIRST)["reason"]
    assert replay(world.settings, name).outcome == IDENTICAL, "as broken as it was"
    shutil.move(aside, path)
    notes = all_identical(world)[name]
    assert any(note.startswith("what was wrong with the models then") for note in notes)


def test_no_model_at_all_is_taken_from_the_signal(world: World) -> None:
    aside = world.layout.models.with_name("aside")
    shutil.move(world.layout.models, aside)
    name = world.make(FIRST)
    assert "No trend/return/risk models" in world.document(FIRST)["reason"]
    shutil.rmtree(world.layout.models, ignore_errors=True)
    shutil.move(aside, world.layout.models)
    notes = all_identical(world)[name]
    assert any(note.startswith("why there was no forecast") for note in notes)


def test_a_ledger_that_was_broken_is_taken_from_the_signal(world: World) -> None:
    ledger = world.layout.ledger("paper")
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"no database at all" * 100)
    name = world.make(FIRST)
    assert "the risk state is not known: " in world.document(FIRST)["reason"]
    ledger.unlink()
    notes = all_identical(world)[name]
    assert any(note.startswith("that the risk state was not known") for note in notes)


def test_a_step_that_failed_is_taken_from_the_signal(world: World, monkeypatch: Any) -> None:
    path = world.layout.live(candle_id(FIRST)) / "candles" / "BTC_USDT.parquet"
    monkeypatch.setattr(
        "bot_cripto.frames.pq.write_table", lambda table, file, **_: file.write(b"-")
    )
    name = world.make(FIRST)
    monkeypatch.undo()
    assert path.read_bytes() == b"-"
    notes = all_identical(world)[name]
    assert any(note.startswith("the failure is taken from the signal: ") for note in notes)


def test_the_failure_of_a_whole_run_in_live_mode(world: World, tmp_path: Path) -> None:
    world.make(FIRST)
    live = world.settings | {"live_mode": True}
    (path,) = world.layout.configs.glob("*.json")
    values = json.loads(path.read_bytes()) | {"live_mode": True}
    digest = sha256_json(values)
    (world.layout.configs / f"{digest}.json").write_text(json.dumps(values))
    provenance = {"git_commit": None, "code_sha256": None, "config_sha256": digest}
    candle = candle_id(FIRST)
    document = no_trade(live, SYMBOL, "fetch: gone", FIRST + 1234, candle, provenance)
    file = tmp_path / "failed.json"
    file.write_text(json.dumps(document, indent=2) + "\n")
    result = replay(world.settings, str(file))
    assert result.outcome == IDENTICAL, told(result)


def test_marks_and_champions_that_came_later_change_nothing(world: World) -> None:
    name = world.make(FIRST)
    world.now(FIRST + 10 * STEP)
    for kind in ("trend", "risk"):
        mark_bad(
            world.layout.models,
            SYMBOL,
            kind,
            world.uses[kind].version,
            reason="a test",
            by="me",
            now_ms=FIRST + 10 * STEP,
        )
    world.use("baseline", at=FIRST + 10 * STEP)
    assert replay(world.settings, name).outcome == IDENTICAL
    for path in (champion_path, history_path):
        path(world.layout.models, SYMBOL).unlink()
    assert replay(world.settings, name).outcome == IDENTICAL, "the signal names its versions"


def test_a_champion_that_is_dated_after_its_signal(world: World) -> None:
    """A run as of the past uses the champion of today."""
    for path in (champion_path, history_path):
        path(world.layout.models, SYMBOL).unlink()
    world.use("baseline", at=CUTOFF)
    world.use(*EVERY, provisional=True, at=FIRST + 99 * STEP)
    name = world.make(FIRST)
    assert "provisional" in world.document(FIRST)["reason"]
    result = replay(world.settings, name)
    assert result.outcome == IDENTICAL
    assert any("the champion is that of" in note for note in result.notes)


def test_champions_of_one_moment_are_told_apart_by_the_versions(world: World) -> None:
    """As of one moment of the past several champions have the same time as their signals."""
    made = FIRST + 30_000
    world.use("baseline", provisional=True, at=made)
    world.make(FIRST)
    world.use(*EVERY, provisional=False, at=made)
    world.make(FIRST)
    world.use("baseline", provisional=False, at=made + 20_000)
    notes = all_identical(world)
    assert [name[-2:] for name in notes] == ["r0", "r1"]
    assert any("the champion is that of" in note for note in notes[next(iter(notes))])


def altered(world: World, tmp_path: Path, close: int, **changes: Any) -> str:
    """Return the path of a signal file of which some values were changed."""
    path = tmp_path / "forged.json"
    document = world.document(close) | changes
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(path)


def test_the_run_of_a_model_is_that_of_the_champion_file(world: World, tmp_path: Path) -> None:
    uses = {kind: replace(use, mlflow_run_id=f"run-{kind}") for kind, use in world.uses.items()}
    mine = World(world.settings, uses, world.patch)
    mine.use(*EVERY, at=CUTOFF + STEP)
    name = mine.make(FIRST)
    assert replay(world.settings, name).outcome == IDENTICAL
    version = world.document(FIRST)["version"]
    assert version["models"]["trend"]["mlflow_run_id"] == "run-trend"
    trend = version["models"]["trend"] | {"mlflow_run_id": "another"}
    other = version | {"models": version["models"] | {"trend": trend}}
    result = replay(world.settings, altered(world, tmp_path, FIRST, version=other))
    assert result.outcome == DIFFERENT
    assert [d.field for d in result.differences] == ["version.models.trend.mlflow_run_id"]
    history_path(world.layout.models, SYMBOL).unlink()
    result = replay(world.settings, name)
    assert result.outcome == IDENTICAL
    assert any("trend" in note and "taken from the signal" in note for note in result.notes)


def test_models_that_were_not_those_in_use_are_said(world: World) -> None:
    world.use(*EVERY, provisional=True, at=CUTOFF)
    name = world.make(FIRST)
    assert replay(world.settings, name).notes == ()
    # a history by which the baseline was in use, provisional too
    world.use("baseline", provisional=True, at=CUTOFF + STEP)
    result = replay(world.settings, name)
    assert result.outcome == IDENTICAL
    assert any("names other models" in note for note in result.notes)


def test_words_on_models_that_worked_are_not_believed(world: World, tmp_path: Path) -> None:
    world.make(FIRST)
    told_so = "; The trend model 1 cannot be used: it is gone. The earlier trend model 2 stands in."
    lie = altered(world, tmp_path, FIRST, reason=world.document(FIRST)["reason"] + told_so)
    assert replay(world.settings, lie).outcome == DIFFERENT
    world.use("baseline", at=FIRST + STEP)
    world.make(FIRST + 2 * STEP)
    reason = world.document(FIRST + 2 * STEP)["reason"]
    lie = altered(world, tmp_path, FIRST + 2 * STEP, reason=reason.replace("judged", "loved"))
    assert reason.count("judged") == 1 and replay(world.settings, lie).outcome == DIFFERENT


def test_other_code_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = world.make(FIRST)
    monkeypatch.setattr(program, "present_code", lambda: "f" * 64)
    result = replay(world.settings, name)
    assert result.outcome == IDENTICAL and "made by other code" in result.notes[0]


def test_what_is_no_signal_is_refused(world: World, tmp_path: Path) -> None:
    world.make(FIRST)
    (tmp_path / "other.json").write_text("{}")
    for name in (
        "BTC_USDT-20200101T000000Z-r0",
        str(tmp_path / "none"),
        str(tmp_path / "other.json"),
    ):
        with pytest.raises(DataError):
            replay(world.settings, name)
    version = world.document(FIRST)["version"]
    for changes in (
        *({name: None} for name in ("ts", "reason", "version", "gates", "revision")),
        *({"version": {k: v for k, v in version.items() if k != name}} for name in version),
        {"ts": "yesterday"},
        {"candle_close_time": "now"},
        {"version": version | {"models": {"trend": {"version": "v"}}}},
    ):
        with pytest.raises(DataError, match="no signal"):
            replay(world.settings, altered(world, tmp_path, FIRST, **changes))


def test_the_journal_tells_its_signals(world: World) -> None:
    names = [world.make(FIRST + number * STEP) for number in range(3)]
    assert journalled(world.settings) == names
    assert journalled(world.settings, 2, seed=1) == journalled(world.settings, 2, seed=1)
    with Journal.open(world.layout.journal, readonly=True) as journal:
        assert names[0] in journal and "BTC_USDT-20200101T000000Z-r0" not in journal


def run_command(world: World, capsys: Any, *words: str) -> tuple[int, str]:
    changed = {k: v for k, v in world.settings.items() if k in ("state_dir",)}
    world.patch.setattr("bot_cripto.cli_models.own_settings", lambda: world.settings | changed)
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    return int(ended.value.code or 0), capsys.readouterr().out


def test_commands_say_it_and_exit_as_promised(world: World, capsys: Any, tmp_path: Path) -> None:
    name = world.make(FIRST)
    world.make(FIRST + STEP)
    assert run_command(world, capsys, "replay", name) == (0, f"{name}: identical\n")
    code, out = run_command(world, capsys, "replay", "--all")
    assert code == 0 and "2 signals: 2 identical, 0 different" in out
    assert run_command(world, capsys, "replay", "--random", "1", "--json")[0] == 0
    assert run_command(world, capsys, "replay")[0] == 2
    document = json.loads((world.layout.logs / "signal.json").read_bytes())
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document | {"p90": 9.0}, indent=2) + "\n")
    code, out = run_command(world, capsys, "replay", str(forged), name)
    assert code == 3 and "p90" in out and "9.0" in out
    code, out = run_command(world, capsys, "replay", str(forged), "nothing", "--json")
    assert code == 3, "what is not found hides nothing that is different"
    assert [found["outcome"] for found in json.loads(out)] == [DIFFERENT, IMPOSSIBLE]
    assert run_command(world, capsys, "replay", "nothing")[0] == 1
    assert run_command(world, capsys, "replay", "--random", "-1")[0] == 2
    code, out = run_command(world, capsys, "lineage", name, "--json")
    assert code == 0 and json.loads(out)[0]["facts"]["symbol"] == SYMBOL
    version = world.uses["baseline"].version
    assert run_command(world, capsys, "reproduce", version)[0] == 0
    assert run_command(world, capsys, "reproduce", "nothing")[0] == 1
    shutil.rmtree(world.layout.models / "trend")
    assert run_command(world, capsys, "replay", name)[0] == 1
    code, out = run_command(world, capsys, "lineage", name)
    assert code == 3 and out.count("BROKEN") == 1


def test_the_lineage_names_every_link_and_the_broken_ones(world: World) -> None:
    name = world.make(FIRST)
    links = {link.name: link for link in lineage(world.settings, name)}
    models = ["trend model", "return model", "risk model"]
    rest = ["training snapshot", "features", "candles", "risk state", "code", "configuration"]
    assert list(links) == ["signal", *models, *rest]
    assert all(link.broken is None for link in links.values())
    document = world.document(FIRST)
    assert links["candles"].facts["sha256"] == document["version"]["candles_sha256"]
    assert links["features"].facts["count"] == 60
    assert links["training snapshot"].facts["until"] == "2024-06-03T00:00:00Z"
    assert links["code"].facts["same as now"] is True
    shutil.rmtree(world.layout.data / "training")
    shutil.rmtree(world.layout.store)
    shutil.rmtree(world.layout.data / "live")
    shutil.rmtree(world.layout.configs)
    shutil.rmtree(world.layout.models / "risk")
    chain = lineage(world.settings, name)
    broken = {link.name for link in chain if link.broken}
    assert broken == {
        "risk model",
        "training snapshot",
        "features",
        "candles",
        "risk state",
        "configuration",
    }
    assert as_text(chain).count("BROKEN: ") == len(broken)


@pytest.mark.parametrize("kind", EVERY)
def test_a_version_is_reproduced_on_one_and_two_threads(world: World, kind: str) -> None:
    path = find_version(world.layout, world.uses[kind].version)
    for threads in (1, 2):
        result = reproduce(world.layout, world.settings, path, num_threads=threads)
        assert result.outcome == IDENTICAL, result
        assert len(result.notes) == 1 and "snapshot.parquet" in result.notes[0]


def test_a_version_is_reproduced_from_the_candles(world: World) -> None:
    path = find_version(world.layout, world.uses["risk"].version, kind="risk")
    world.make(FIRST)  # keeps its configuration
    shutil.rmtree(world.layout.data / "training")
    here = world.settings | {"history_days": 3}
    result = reproduce(world.layout, here, path)
    assert result.outcome == IDENTICAL and "built again from" in result.notes[-1]
    shutil.rmtree(world.layout.store)
    result = reproduce(world.layout, here, path)
    assert result.outcome == NOT_REPRODUCED and "training snapshot" in str(result.problem)


def test_what_lies_around_keeps_no_version_from_being_reproduced(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = find_version(world.layout, world.uses["baseline"].version)
    name = world.make(FIRST)
    (file,) = (world.layout.data / "training").rglob("snapshot.parquet")
    file.write_bytes(file.read_bytes()[:5000])
    links = {link.name: link for link in lineage(world.settings, name)}
    assert "gone or damaged" in str(links["training snapshot"].broken)
    about = {name: world.settings[name] for name in ("source_name", "timeframe", "horizon_steps")}
    odd = about | {"market": "x", "history_days": "many", "fill_candles": 1}
    for number, content in enumerate((b"[1]", b"{", b"\xff", json.dumps(odd).encode())):
        (world.layout.configs / f"{number}.json").write_bytes(content)
    result = reproduce(world.layout, world.settings, path)
    assert result.outcome == IDENTICAL and "built again from" in result.notes[-1]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    result = reproduce(world.layout, world.settings, path)
    assert result.outcome == NOT_REPRODUCED and "nowhere" in str(result.problem)


def test_a_version_that_training_does_not_make_is_different(world: World) -> None:
    path = find_version(world.layout, world.uses["risk"].version)
    whole = load_version(path)
    files = {n: c for n, c in whole.files.items() if n != "reference.json"}
    own = {"features", "horizon_steps", "timeframe", "scale", "calibration", "parts", "rounds"}
    known = {n: whole.metadata[n] for n in (*own, "settings")}
    known["calibration"] = known["calibration"] | {"smearing": 1.5}
    forged = TrainedModel("risk", files, known, whole.metadata["metrics"], {})
    origin = replace(_origin(whole.metadata), code_sha256="0" * 64, libraries={"numpy": "1.0"})
    made = write_version(world.layout.models, forged, origin, whole.files["reference.json"])
    result = reproduce(world.layout, world.settings, made.path)
    assert result.outcome == DIFFERENT and result.files == ("metadata.json",)
    assert "calibration.smearing" in {found.field for found in result.differences}
    assert any("other code" in note for note in result.notes)
    assert any("numpy 1.0" in note for note in result.notes)
    (made.path / "metadata.json").write_text("{}")
    assert reproduce(world.layout, world.settings, made.path).outcome == NOT_REPRODUCED


def test_versions_are_found_by_name_alone(world: World) -> None:
    with pytest.raises(DataError):
        find_version(world.layout, "20240603T000000Z-0000000000")
    with pytest.raises(DataError):
        find_version(world.layout, world.uses["risk"].version, kind="trend")
    for name in ("", "..", "*", "a/b"):
        with pytest.raises(ConfigError):
            find_version(world.layout, name)


def test_exit_codes() -> None:
    assert exit_code([]) == exit_code([IDENTICAL]) == 0
    assert exit_code([IDENTICAL, IMPOSSIBLE]) == 1
    assert exit_code([IMPOSSIBLE, DIFFERENT, IDENTICAL]) == 3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 0.5, -0.0])
    | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(one=JSON, other=JSON)
def test_differences_are_those_of_the_bytes(one: Any, other: Any) -> None:
    assert list(differences(one, one)) == []
    same = json.dumps(one) == json.dumps(other)
    assert (list(differences(one, other)) == []) == same
