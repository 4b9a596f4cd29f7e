import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bot_cripto.errors import BusyError, DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.bad_marks import mark_bad
from bot_cripto.models.champion import champion_path
from bot_cripto.models.champion_change import promote
from bot_cripto.models.forecast import Subject
from bot_cripto.tracking import registry_view
from bot_cripto.tracking.client import connect, create_run
from bot_cripto.tracking.registry import Challenge, divergence, register, sync_champion
from bot_cripto.tracking.registry_view import model_name, registered

ROOT = Path(__file__).resolve().parents[2]
SYMBOL = "BTC/USDT"
SUBJECT = Subject(SYMBOL, "binance", "5m", 5)
TREND = "BTC_USDT.5m.binance.trend"
NOW = 1_725_597_900_000
TREND_ONLY = frozenset({"trend"})
DAYS = ("20240601T000000Z", "20240701T000000Z", "20240801T000000Z")


@pytest.fixture
def layout(tracking_db, tmp_path):
    root = tmp_path / "state"
    made = Layout(root / "data", root / "models", tmp_path, root / "locks", "binance-5m")
    assert made.mlflow_db == tracking_db
    return made


def use(n, kind="trend"):
    sha = f"{n}{kind[0]}".ljust(64, "a")
    return ModelUse(f"{DAYS[n]}-{sha[:10].replace('t', '0').replace('r', '1')}", sha, None)


def put_in_use(layout, *kinds_of, provisional=False, reason="better"):
    """Promote one after another what each dict of kinds names."""
    for n, kinds in enumerate(kinds_of):
        promote(
            layout.models,
            SYMBOL,
            kinds,
            **SUBJECT.about(),
            provisional=provisional,
            reason=f"{reason} {n}",
            promoted_at_ms=NOW + n * 1000,
        )


def aliases(layout, name=TREND):
    """Return the version of each alias, as MLflow's own client says it."""
    client = connect(layout.mlflow_db)
    model = client.get_registered_model(name)
    return {
        alias: client.get_model_version(name, number).tags["version"]
        for alias, number in model.aliases.items()
    }


def test_the_registry_follows_every_change_of_the_champion(layout):
    assert sync_champion(layout, SYMBOL) == []
    put_in_use(layout, {"trend": use(0), "risk": use(0, "risk")})
    assert len(divergence(layout, SYMBOL)) == 2
    assert len(sync_champion(layout, SYMBOL)) == 2
    assert divergence(layout, SYMBOL) == []
    assert aliases(layout) == {"champion": use(0).version}
    put_in_use(layout, {"trend": use(1), "risk": use(0, "risk")})
    # the risk model is the same: it has no version before it
    assert sync_champion(layout, SYMBOL) == [
        f"{TREND}: the alias champion is {use(0).version} and should be {use(1).version}",
        f"{TREND}: the alias previous is missing and should be {use(0).version}",
    ]
    assert aliases(layout) == {"champion": use(1).version, "previous": use(0).version}
    assert aliases(layout, TREND.replace("trend", "risk")) == {"champion": use(0, "risk").version}
    put_in_use(layout, {"trend": use(0), "risk": use(0, "risk")}, reason="worse after all")
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(0).version, "previous": use(1).version}
    assert divergence(layout, SYMBOL) == []


def test_a_kind_that_is_no_longer_in_use_loses_its_champion(layout):
    put_in_use(layout, {"trend": use(0)}, {"baseline": use(1, "baseline")})
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"previous": use(0).version}
    assert aliases(layout, TREND.replace("trend", "baseline")) == {
        "champion": use(1, "baseline").version
    }
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(0).version}
    assert divergence(layout, SYMBOL) == []


def test_a_version_of_another_horizon_is_not_the_previous_one(layout):
    put_in_use(layout, {"trend": use(0)})
    about = SUBJECT.about() | {"horizon_steps": 12}
    promote(
        layout.models,
        SYMBOL,
        {"trend": use(1)},
        **about,
        provisional=True,
        reason="another horizon",
        promoted_at_ms=NOW + 9,
    )
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(1).version}


def test_what_is_registered_says_what_it_is(layout):
    client = connect(layout.mlflow_db)
    run_id = create_run(client, "0", "trend", {"model_sha256": use(0).sha256})
    client.set_terminated(run_id)
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    version = client.get_model_version_by_alias(TREND, "champion")
    assert version.run_id == run_id
    assert version.source == (layout.models / "trend/BTC_USDT" / use(0).version).as_uri()
    assert version.tags == {
        "version": use(0).version,
        "sha256": use(0).sha256,
        "cutoff": "2024-06-01T00:00:00Z",
        "promoted": "2024-09-06T04:45:00Z",
        "reason": "better 0",
    }
    assert client.get_registered_model(TREND).tags == {"symbol": SYMBOL, "kind": "trend"}


def test_a_run_that_this_database_does_not_have_is_not_linked(layout):
    put_in_use(layout, {"trend": replace(use(0), mlflow_run_id="f" * 32)})
    sync_champion(layout, SYMBOL)
    assert connect(layout.mlflow_db).get_model_version_by_alias(TREND, "champion").run_id is None


def test_who_was_refused_is_the_challenger_until_promoted(layout):
    put_in_use(layout, {"trend": use(0)})
    made = register(layout, SUBJECT, Challenge({"trend": use(1)}, "the champion stays", TREND_ONLY))
    assert made == {"trend": f"{TREND}/1"}
    assert aliases(layout) == {"champion": use(0).version, "challenger": use(1).version}
    client = connect(layout.mlflow_db)
    tags = client.get_model_version_by_alias(TREND, "challenger").tags
    assert (tags["promoted"], tags["reason"]) == ("no", "the champion stays")
    # an operator forces it; then it is champion and nothing else
    put_in_use(layout, {"trend": use(1)}, reason="forced")
    assert f"{TREND}: {use(1).version} is champion and still challenger" in divergence(
        layout, SYMBOL
    )
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(1).version, "previous": use(0).version}
    tags = client.get_model_version_by_alias(TREND, "champion").tags
    assert (tags["promoted"], tags["reason"]) == ("2024-09-06T04:45:00Z", "forced 0")


def test_a_training_that_was_promoted_has_no_challenger_and_registers_once(layout):
    put_in_use(layout, {"trend": use(0)})
    for _ in range(2):
        made = register(
            layout, SUBJECT, Challenge({"trend": use(0)}, "there was no champion", TREND_ONLY)
        )
        assert made == {"trend": f"{TREND}/1"}
    assert aliases(layout) == {"champion": use(0).version}
    assert len(connect(layout.mlflow_db).search_model_versions(f"name = '{TREND}'")) == 1


def test_versions_can_be_registered_before_there_is_a_champion(layout):
    register(layout, SUBJECT, Challenge({"trend": use(0)}, "no comparison", TREND_ONLY))
    assert aliases(layout) == {"challenger": use(0).version}


def test_what_was_set_aside_is_no_challenger(layout):
    register(layout, SUBJECT, Challenge({"trend": use(0)}, "a leak alarm went off", frozenset()))
    assert aliases(layout) == {}
    (version,) = connect(layout.mlflow_db).search_model_versions(f"name = '{TREND}'")
    assert version.description == version.tags["reason"] == "a leak alarm went off"


def test_bad_marks_are_mirrored_and_taken_back(layout):
    put_in_use(layout, {"trend": use(0)})
    register(layout, SUBJECT, Challenge({"trend": use(1)}, "the champion stays", TREND_ONLY))
    for n in (0, 1):
        (layout.models / "trend/BTC_USDT" / use(n).version).mkdir(parents=True)
        mark = {"reason": "it blew up", "by": "ana", "now_ms": NOW}
        mark_bad(layout.models, SYMBOL, "trend", use(n).version, **mark)
    assert len(divergence(layout, SYMBOL)) == 2
    sync_champion(layout, SYMBOL)
    assert divergence(layout, SYMBOL) == []
    client = connect(layout.mlflow_db)
    versions = client.search_model_versions(f"name = '{TREND}'")
    assert {v.tags["bad"] for v in versions} == {"it blew up (ana, 2024-09-06T04:45:00Z)"}
    # what must never be chosen again is no challenger; what is in use stays told so
    assert aliases(layout) == {"champion": use(0).version}
    register(layout, SUBJECT, Challenge({"trend": use(1)}, "again", TREND_ONLY))
    assert aliases(layout) == {"champion": use(0).version}
    mark_bad(layout.models, SYMBOL, "trend", use(1).version, **mark, bad=False)
    (said,) = sync_champion(layout, SYMBOL)
    assert said == f"{TREND}: {use(1).version} is not marked bad and the registry says so"
    versions = client.search_model_versions(f"name = '{TREND}'")
    assert [v.tags["version"] for v in versions if "bad" in v.tags] == [use(0).version]


def test_what_people_do_in_the_ui_is_undone(layout):
    put_in_use(layout, {"trend": use(0)}, {"trend": use(1)})
    sync_champion(layout, SYMBOL)
    client = connect(layout.mlflow_db)
    numbers = {v.tags["version"]: v.version for v in client.search_model_versions()}
    client.set_registered_model_alias(TREND, "champion", numbers[use(0).version])
    (said,) = sync_champion(layout, SYMBOL)
    assert said.startswith(f"{TREND}: the alias champion is {use(0).version}")
    # a version deleted and a foreign one with our alias
    client.delete_model_version(TREND, numbers[use(1).version])
    foreign = client.create_model_version(TREND, "file:///elsewhere")
    client.set_registered_model_alias(TREND, "champion", foreign.version)
    assert divergence(layout, SYMBOL) == [
        f"{TREND}: the alias champion is number {foreign.version} and should be {use(1).version}"
    ]
    sync_champion(layout, SYMBOL)
    assert divergence(layout, SYMBOL) == []
    assert aliases(layout) == {"champion": use(1).version, "previous": use(0).version}
    client.delete_registered_model_alias(TREND, "previous")
    for version in client.search_model_versions(f"name = '{TREND}'"):
        client.delete_model_version(TREND, version.version)
    client.delete_registered_model(TREND)
    sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(1).version, "previous": use(0).version}


def test_after_the_state_has_moved_versions_are_led_to_their_folders(layout, tmp_path):
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    new = tmp_path / "elsewhere"
    shutil.copytree(layout.models, new)
    moved = replace(layout, models=new)
    (said,) = divergence(moved, SYMBOL)
    assert "is said to lie in file://" in said
    sync_champion(moved, SYMBOL)
    assert divergence(moved, SYMBOL) == []
    version = connect(layout.mlflow_db).get_model_version_by_alias(TREND, "champion")
    assert version.source == (new / "trend/BTC_USDT" / use(0).version).as_uri()


def test_a_missing_database_is_a_divergence_and_is_made_anew(layout):
    assert divergence(layout, SYMBOL) == []
    put_in_use(layout, {"trend": use(0)})
    layout.mlflow_db.unlink()
    assert divergence(layout, SYMBOL) == [
        f"{layout.mlflow_db}: MLflow's database is missing: it knows no {SYMBOL} champion"
    ]
    # an empty file is what a writer that was cut short at once leaves
    layout.mlflow_db.write_bytes(b"")
    assert len(divergence(layout, SYMBOL)) == 1
    sync_champion(layout, SYMBOL)
    assert divergence(layout, SYMBOL) == []
    assert aliases(layout) == {"champion": use(0).version}


def test_a_damaged_database_is_named(layout):
    put_in_use(layout, {"trend": use(0)})
    layout.mlflow_db.write_bytes(b"garbage" * 1000)
    for look in (divergence, sync_champion):
        with pytest.raises(DataError, match=r"mlflow\.db: .* cannot be read .*move it aside"):
            look(layout, SYMBOL)


def test_a_database_that_is_no_file_is_named(layout):
    put_in_use(layout, {"trend": use(0)})
    layout.mlflow_db.unlink()
    layout.mlflow_db.mkdir()
    with pytest.raises(DataError, match=r"mlflow\.db: .* cannot be read"):
        divergence(layout, SYMBOL)


def test_a_database_in_use_is_busy_and_one_being_written_is_read(layout, monkeypatch):
    monkeypatch.setattr(registry_view, "READ_WAIT_S", 0.05)
    put_in_use(layout, {"trend": use(0)})
    with sqlite3.connect(layout.mlflow_db) as writer:
        writer.execute("begin immediate")
        writer.execute("create table half (x)")
        assert len(divergence(layout, SYMBOL)) == 1
        writer.rollback()
    writer.close()
    with sqlite3.connect(layout.mlflow_db) as writer:
        writer.execute("pragma journal_mode=delete")
        writer.execute("begin exclusive")
        with pytest.raises(BusyError, match=r"mlflow\.db: another program has held"):
            divergence(layout, SYMBOL)
    writer.close()


def test_a_damaged_champion_is_said_and_nothing_is_changed(layout):
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    champion_path(layout.models, SYMBOL).write_bytes(b"{")
    (said,) = divergence(layout, SYMBOL)
    assert said.startswith(f"{SYMBOL}: the registry cannot be held against a champion")
    with pytest.raises(ModelError, match="is damaged"):
        sync_champion(layout, SYMBOL)
    assert aliases(layout) == {"champion": use(0).version}


@pytest.mark.parametrize(
    ("key", "timeframe", "source", "market"),
    [
        ("binance-5m", "5m", "binance", "binance"),
        ("simulated-7-0.1-0-5m", "5m", "simulated", "simulated-7-0.1-0"),
        ("binanceus-5m", "5m", "binance", "binance"),
        ("simulated-7-0.1-0-5m", "1h", "simulated", "simulated"),
    ],
)
def test_a_model_is_named_by_symbol_timeframe_market_and_kind(
    layout, key, timeframe, source, market
):
    name = model_name(replace(layout, key=key), SYMBOL, "risk", timeframe, source)
    assert name == f"BTC_USDT.{timeframe}.{market}.risk"


def test_markets_do_not_share_a_registered_model(layout):
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    other = replace(layout, key="kraken-5m", models=layout.models.parent / "other")
    promote(
        other.models,
        SYMBOL,
        {"trend": use(1)},
        source="kraken",
        timeframe="5m",
        horizon_steps=5,
        provisional=True,
        reason="first",
        promoted_at_ms=NOW,
    )
    sync_champion(other, SYMBOL)
    assert divergence(layout, SYMBOL) == divergence(other, SYMBOL) == []
    names = [TREND, TREND.replace("binance", "kraken")]
    found = registered(layout.mlflow_db, names)
    assert [list(found[name]) for name in names] == [[use(0).version], [use(1).version]]


def test_a_look_at_the_registry_does_not_import_mlflow(layout):
    put_in_use(layout, {"trend": use(0)})
    sync_champion(layout, SYMBOL)
    code = (
        "import sys; from bot_cripto.layout import Layout;"
        "from bot_cripto.tracking.registry import sync_champion, divergence;"
        f"layout = Layout.from_json({layout.to_json()!r});"
        f"assert sync_champion(layout, {SYMBOL!r}) == [];"
        "assert 'mlflow' not in sys.modules and 'sqlalchemy' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
