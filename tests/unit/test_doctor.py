import os
import sqlite3
from contextlib import closing

import pytest
from lifecycle_state import SETTINGS, SYMBOL, day, layout, path_of, put, use

from bot_cripto.errors import DataError
from bot_cripto.lifecycle.doctor import champions, leftovers, registry, versions
from bot_cripto.lifecycle.doctor.examination import CHECKS, as_text, examine
from bot_cripto.lifecycle.doctor.finding import Finding, Patient
from bot_cripto.locks import lock_run
from bot_cripto.models.bad_marks import bad_path, mark_bad
from bot_cripto.models.champion import champion_path, history_path, read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.champion_lock import champion_lock

FILES = tuple(check for check in CHECKS if check is not registry.check_registry)


@pytest.fixture
def at(tmp_path):
    return layout(tmp_path)


@pytest.fixture
def uses(at):
    """Return the two versions of a sound state, the earlier and the present one."""
    found = [use(at, 0), use(at, 1)]
    for number, each in enumerate(found):
        put(at, {"baseline": each}, number)
    return found


def found(at, fix=False, number=2, checks=FILES, **changes):
    return examine(Patient(at, SETTINGS | changes, day(number), fix), checks)


def names(findings):
    return [finding.name for finding in findings]


def test_a_sound_state_and_an_empty_one_have_nothing_wrong(at, uses, tmp_path):
    assert found(at) == [] and as_text([]) == "Nothing is wrong.\n"
    assert found(layout(tmp_path / "empty"), checks=CHECKS) == []


@pytest.mark.parametrize("harm", ["lost", "garbage", "of another symbol"])
def test_a_champion_file_is_restored(at, uses, harm):
    path = champion_path(at.models, SYMBOL)
    before = read_champion(at.models, SYMBOL)
    if harm == "lost":
        path.unlink()
    else:
        content = path.read_text().replace(SYMBOL, "ETH/USDT")
        path.write_text("garbage" if harm == "garbage" else content)
    (finding,) = found(at)
    assert (finding.name, finding.mended) == ("champion_file", None)
    assert "doctor --fix" in as_text([finding])
    (finding,) = found(at, fix=True)
    assert finding.mended is True and "MENDED" in as_text([finding])
    assert read_champion(at.models, SYMBOL) == before and found(at) == []


def test_garbage_without_a_history_is_named_and_left(at, uses):
    champion_path(at.models, SYMBOL).write_text("garbage")
    history_path(at.models, SYMBOL).unlink()
    (finding,) = found(at, fix=True)
    assert finding.mended is None and "no history" in finding.text and "retrain" in finding.remedy
    assert champion_path(at.models, SYMBOL).read_text() == "garbage"


def harm_version(at, name, harm):
    path = path_of(at, "baseline", name)
    if harm == "missing":
        path.rename(path.with_name("elsewhere"))
    elif harm == "truncated":
        reference = path / "reference.json"
        reference.write_bytes(reference.read_bytes()[:100])
    elif harm == "altered":
        metadata = path / "metadata.json"
        metadata.write_text(metadata.read_text().replace('"prob_up": 0.', '"prob_up": 0.1'))
    else:
        metadata = path / "metadata.json"
        metadata.unlink()


@pytest.mark.parametrize("harm", ["missing", "truncated", "altered", "half written"])
def test_a_damaged_version_is_named_once(at, uses, harm):
    harm_version(at, uses[1].version, harm)
    (finding,) = found(at)
    assert finding.name == "model" and uses[1].version in finding.where
    assert "rollback" in finding.remedy
    assert found(at, fix=True) == [finding], "nothing safe can be done"


@pytest.mark.parametrize("harm", ["truncated", "altered", "half written"])
def test_so_is_one_that_is_not_in_use(at, uses, harm):
    harm_version(at, uses[0].version, harm)
    (finding,) = found(at)
    assert finding.name == "version" and uses[0].version in finding.where


def test_a_version_in_anothers_place_is_named(at, uses):
    lone = use(at, 3, "trend")
    path = path_of(at, "risk", lone.version)
    path.parent.mkdir(parents=True)
    path_of(at, "trend", lone.version).rename(path)
    (finding,) = found(at)
    assert finding.name == "version" and "it is of ('trend', 'BTC/USDT')" in finding.text


def test_a_swapped_version_and_other_features_are_named(at, uses, monkeypatch):
    champion = read_champion(at.models, SYMBOL)
    path = champion_path(at.models, SYMBOL)
    path.write_text(path.read_text().replace(champion.kinds["baseline"].sha256, "a" * 64))
    (finding,) = found(at)
    assert "not the one that was promoted" in finding.text
    put(at, {"baseline": uses[1]}, 1.5, reason="again")
    module = "bot_cripto.models.reference.incompatibility"
    monkeypatch.setattr(module, lambda _: "feature x changed")
    assert names(found(at)) == ["model", "no_models"]


def test_a_champion_of_another_horizon_is_named(at, uses):
    first, second = found(at, horizon_steps=12)
    assert first.name == "model" and "made for horizon_steps 3, not 12" in first.text
    assert second.name == "no_models" and "snakemake retrain" in second.remedy


def test_bad_old_and_provisional_models_in_use_are_named(at, uses):
    mark_bad(at.models, SYMBOL, "baseline", uses[1].version, reason="r", by="a", now_ms=day(1))
    facts = {"source": "simulated", "timeframe": "5m", "horizon_steps": 3, "provisional": True}
    kinds = {"baseline": uses[1]}
    promote(at.models, SYMBOL, kinds, reason="r", promoted_at_ms=day(2), **facts)
    findings = found(at, number=40)
    assert names(findings) == ["bad_version", "model_age", "provisional"]
    assert "trained until 39 days ago, 30 are allowed" in findings[1].text
    assert names(found(at, number=31)) == ["bad_version", "provisional"]


def test_damaged_and_unreadable_marks_are_named(at, uses):
    path = bad_path(at.models, SYMBOL)
    path.parent.mkdir(parents=True)
    path.write_text("{\n")
    (finding,) = found(at)
    assert finding.name == "bad_marks" and "1 lines are damaged" in finding.text
    path.unlink()
    path.mkdir()
    assert "bad_marks" in names(found(at))


def test_leftovers_of_killed_writers_are_removed_but_not_those_at_work(at, uses, monkeypatch):
    left = at.models / "baseline" / "BTC_USDT" / f".{uses[0].version}.x.tmp"
    left.mkdir()
    (left / "model.txt").write_text("half")
    file = champion_path(at.models, SYMBOL).with_name(".BTC_USDT.json.y.tmp")
    file.write_text("half")
    pruned = at.training("20240101T000000Z", ".BTC_USDT.z.tmp")
    pruned.mkdir(parents=True)
    assert names(found(at)) == ["leftover"] * 3 and left.exists() and file.exists()
    with lock_run(at.locks, "retrain"):
        assert found(at, fix=True) == [] and left.exists()
    with champion_lock(at.models, SYMBOL):
        monkeypatch.setattr(leftovers, "CHAMPION_WAIT_S", 0.01)
        assert len(found(at)) == 2
    assert [f.mended for f in found(at, fix=True)] == [True] * 3
    assert not left.exists() and not file.exists() and not pruned.exists()
    assert found(at) == []


def test_a_registry_that_disagrees_is_made_to_follow(at, uses, monkeypatch):
    wrong = ["the alias champion is missing"]
    monkeypatch.setattr("bot_cripto.tracking.registry.divergence", lambda *_: list(wrong))
    monkeypatch.setattr("bot_cripto.tracking.registry.sync_champion", lambda *_: wrong.clear())
    (finding,) = found(at, checks=CHECKS)
    assert (finding.name, finding.mended) == ("registry", None)
    (finding,) = found(at, fix=True, checks=CHECKS)
    assert finding.mended is True and found(at, checks=CHECKS) == []


def test_a_registry_that_cannot_be_mended_says_so(at, uses, monkeypatch):
    def fail(*_):
        raise DataError("mlflow.db: is locked")

    monkeypatch.setattr("bot_cripto.tracking.registry.divergence", lambda *_: ["wrong"])
    monkeypatch.setattr("bot_cripto.tracking.registry.sync_champion", fail)
    (finding,) = found(at, fix=True, checks=CHECKS)
    assert finding.mended is False and "is locked" in finding.text
    assert "could not be mended" in as_text([finding])


@pytest.mark.parametrize("harm", ["garbage", "truncated", "folder", "locked"])
def test_a_database_that_cannot_be_read_is_named(at, uses, harm, monkeypatch):
    path = at.mlflow_db
    path.parent.mkdir(parents=True)
    monkeypatch.setattr("bot_cripto.tracking.registry_view.READ_WAIT_S", 0.01)
    monkeypatch.setattr(registry, "READ_WAIT_S", 0.01)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table registered_model_aliases (x)")
        connection.executemany(
            "insert into registered_model_aliases values (?)", [("x" * 3000,)] * 9
        )
        connection.commit()
        if harm == "locked":
            connection.execute("begin exclusive")
            findings = found(at, checks=CHECKS)
    if harm != "locked":
        if harm == "garbage":
            path.write_bytes(os.urandom(5000))
        elif harm == "truncated":
            path.write_bytes(path.read_bytes()[:-9000])
        else:
            path.unlink()
            path.mkdir()
        findings = found(at, fix=True, checks=CHECKS)
    assert names(findings) == ["mlflow"] and findings[0].where == str(path)
    assert findings[0].mended is None


def test_a_missing_database_is_named(at, uses):
    (finding,) = found(at, checks=CHECKS)
    assert finding.name == "registry" and "is missing" in finding.text


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(at, uses):
    def check_weather(_):
        raise OSError("no sky")
        yield

    def check_other(_):
        yield Finding("other", "here", "wrong", "mend it")

    first, second = found(at, checks=(check_weather, check_other))
    assert (first.name, first.text) == ("weather", "could not be examined: no sky")
    assert second.name == "other"


def test_every_check_is_asked():
    mine = {champions.check_files, champions.check_models, champions.check_marks}
    assert mine | {versions.check_versions, leftovers.check_leftovers} <= set(CHECKS)


def test_a_history_that_does_not_end_with_the_champion_is_mended(at, uses):
    path, killed = history_path(at.models, SYMBOL), use(at, 2)
    before = champion_path(at.models, SYMBOL).read_bytes()
    put(at, {"baseline": killed}, 3)
    champion_path(at.models, SYMBOL).write_bytes(before)  # as of a kill between the two writes
    (finding,) = found(at)
    assert (finding.name, finding.mended) == ("champion_history", None)
    assert [f.mended for f in found(at, fix=True)] == [True] and found(at) == []
    champion_path(at.models, SYMBOL).unlink()
    assert found(at, fix=True)[0].name == "champion_file"
    assert read_champion(at.models, SYMBOL).kinds["baseline"] == uses[1], "not the one never used"
    path.unlink()
    assert names(found(at)) == ["champion_history"], "nothing could be restored"
    assert found(at, fix=True)[0].mended is True and found(at) == []


def test_damaged_lines_of_a_history_are_named(at, uses):
    with history_path(at.models, SYMBOL).open("ab") as file:
        file.write(b'{"symbol": "BTC/US\n')
    (finding,) = found(at, fix=True)
    assert finding.name == "champion_history" and "1 lines are damaged" in finding.text


def test_trouble_of_one_symbol_hides_no_trouble_of_another(at, uses):
    eth = "ETH/USDT"
    about = {"source": "simulated", "timeframe": "5m", "horizon_steps": 3, "provisional": True}
    promote(at.models, eth, {"baseline": uses[1]}, reason="r", promoted_at_ms=day(1), **about)
    champion_path(at.models, eth).unlink()
    history_path(at.models, SYMBOL).unlink()
    history_path(at.models, SYMBOL).mkdir()
    champion_path(at.models, SYMBOL).write_text("garbage")
    bad_path(at.models, SYMBOL).mkdir(parents=True)
    findings = found(at, symbols=[SYMBOL, eth])
    assert [f.where for f in findings if f.name == "champion_file"] == [
        str(champion_path(at.models, symbol)) for symbol in (SYMBOL, eth)
    ]


def test_models_that_are_out_of_sight_while_the_registry_knows_them_are_named(tmp_path):
    at = layout(tmp_path)
    at.mlflow_db.parent.mkdir(parents=True)
    with closing(sqlite3.connect(at.mlflow_db)) as connection:
        connection.executescript(
            "create table model_versions (name, version, source, current_stage);"
            "create table model_version_tags (name, version, key, value);"
            "create table registered_model_aliases (name, version, alias);"
            "insert into model_versions values ('BTC_USDT.5m.simulated.trend', 1, 'f', 'None');"
        )
        assert found(at, checks=CHECKS) == [], "no champion is known"
        connection.execute(
            "insert into registered_model_aliases values ('BTC_USDT.5m.simulated.trend', 1, "
            "'champion')"
        )
        connection.commit()
    (finding,) = found(at, fix=True, checks=CHECKS)
    assert finding.name == "champion_file" and "models_dir" in finding.remedy
    assert finding.mended is None and not at.models.joinpath("champion").exists()
