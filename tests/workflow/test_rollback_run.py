"""Rolling back for real: another version in use, the signal by it, and the registry told."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from laboratory import Lab, layout_of

from bot_cripto import atomic
from bot_cripto.ledger.journal import Journal
from bot_cripto.locks import lock_run
from bot_cripto.models.bad_marks import read_bad
from bot_cripto.models.champion import champion_path, read_champion
from bot_cripto.models.version import content_sha256, folder, load_version

SYMBOL = "BTC/USDT"


def another(lab: Lab, kind: str) -> str:
    """Make one more version of a kind, of the same model by other code; return its name."""
    layout, _ = layout_of(lab)
    version = read_champion(layout.models, SYMBOL).kinds[kind].version
    parent = folder(layout.models, kind, SYMBOL)
    found = load_version(parent / version)
    metadata = found.metadata | {"hashes": found.metadata["hashes"] | {"code": "0" * 64}}
    metadata["content_sha256"] = content_sha256(metadata)
    name = f"{version.partition('-')[0]}-{metadata['content_sha256'][:10]}"
    shutil.copytree(parent / version, parent / name)
    atomic.write_json(parent / name / "metadata.json", metadata)
    return name


def in_use(lab: Lab) -> dict[str, str]:
    return read_champion(layout_of(lab)[0].models, SYMBOL).versions()


def of_signal(lab: Lab, kind: str) -> str:
    return lab.signal()["version"]["models"][kind]["version"]


def order(**what: str) -> tuple[str]:
    text = ", ".join(f"{name}: {value}" for name, value in {"symbol": SYMBOL, **what}.items())
    return (f"rollback={{{text}}}",)


def test_the_target_switches_once_and_the_signal_follows(trading_lab):
    lab = trading_lab
    assert lab.run().code == 0
    before, first = in_use(lab), lab.signal()
    name = another(lab, "trend")
    config = order(reason="a try", to=name)
    looked = lab.run("rollback", "-n", settings=config)
    assert looked.code == 0 and "This would change" in looked.output and name in looked.output
    assert in_use(lab) == before and lab.signal() == first, "a dry run changes nothing"
    with closing(lock_run(layout_of(lab)[0].locks, "retrain")):  # as a retrain at work does
        ran = lab.run("rollback", settings=config)
    assert ran.code == 0, ran.output
    assert ran.rules == ["make_signals", "rollback"]
    assert in_use(lab) == before | {"trend": name}
    signal = lab.signal()
    assert of_signal(lab, "trend") == name
    assert signal["revision"] == first["revision"] + 1
    assert signal["candle_close_time"] == first["candle_close_time"]
    assert signal["version"]["config_sha256"] == first["version"]["config_sha256"]
    layout, _ = layout_of(lab)
    champion = read_champion(layout.models, SYMBOL)
    assert champion.reason == "a try" and champion.by and champion.provisional
    with closing(sqlite3.connect(layout.mlflow_db)) as connection:
        rows = connection.execute(
            "select tags.value from registered_model_aliases a join model_version_tags tags "
            "on tags.name = a.name and tags.version = a.version and tags.key = 'version' "
            "where a.alias = 'champion' and a.name like '%.trend'"
        ).fetchall()
    assert rows == [(name,)]

    back = lab.cli("rollback", "--symbol", SYMBOL, "--reason", "worse", "--mark-bad")
    assert back.code == 0, back.output
    assert in_use(lab) == before and of_signal(lab, "trend") == before["trend"]
    assert lab.signal()["revision"] == first["revision"] + 2
    assert set(read_bad(layout.models, SYMBOL)) == {("trend", name)}
    with Journal.open(layout.journal, readonly=True) as journal:
        found = [document for _, document in journal.entries_after(0, 100)]
    versions = [document["version"]["models"]["trend"]["version"] for document in found]
    assert versions[-3:] == [before["trend"], name, before["trend"]]
    listed = lab.cli("versions", "--kind", "trend", "--json")
    undone = lab.cli("mark-bad", "--symbol", SYMBOL, "--kind", "trend", name, "--undo")
    assert undone.code == 0 and "may be chosen again" in undone.output
    assert read_bad(layout.models, SYMBOL) == {}
    told = lab.cli("doctor")
    assert told.code == 3 and told.output.startswith("provisional"), "the rest is sound"
    assert "registry" not in told.output
    states = {row["version"]: (row["alias"], row["bad"]) for row in json.loads(listed.output)}
    assert states == {before["trend"]: ("champion", None), name: ("previous", "worse")}


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ({"symbol": "DOGE/USDT", "reason": "r"}, 2, "DOGE/USDT is not configured"),
        ({}, 2, "say the reason"),
        ({"reason": "r", "to": "20200101T000000Z-0123456789"}, 1, "there is: trend"),
        ({"reason": "r"}, 1, "no other models to go back to"),
    ],
)
def test_an_order_that_cannot_be_done_changes_and_publishes_nothing(lab, what, code, said):
    before, champion = lab.signal(), in_use(lab)
    ran = lab.run("rollback", settings=order(**what))
    assert ran.code == code and said in ran.output and "Traceback" not in ran.output
    assert lab.signal() == before and in_use(lab) == champion
    assert lab.run("rollback", "-n", settings=order(**what)).code == code


def test_damage_of_many_kinds_ends_in_a_signal_and_the_doctor_names_it(trading_lab):
    lab = trading_lab
    layout, _ = layout_of(lab)
    champion = read_champion(layout.models, SYMBOL)
    trend = folder(layout.models, "trend", SYMBOL) / champion.kinds["trend"].version
    text = next(trend.glob("*.txt"))
    text.write_bytes(text.read_bytes()[:-200])
    champion_path(layout.models, SYMBOL).write_text("garbage")
    layout.mlflow_db.write_bytes(layout.mlflow_db.read_bytes()[:4000])
    for beside in layout.mlflow_db.parent.glob("mlflow.db-*"):
        beside.unlink()
    ran = lab.run()
    assert ran.code == 0, ran.output
    reason = lab.signal()["reason"]
    assert f"The trend model {champion.kinds['trend'].version} cannot be used" in reason
    assert "Baseline model" in reason and "stands in for trend" in reason
    told = lab.cli("doctor", "--json")
    names = [finding["name"] for finding in json.loads(told.output)]
    assert told.code == 3 and names[:1] == ["model"] and "mlflow" in names
    assert "champion_file" not in names, "the run has restored it"
    history = layout.models / "champion" / "history" / "BTC_USDT.jsonl"
    assert "restored_at" in history.read_text().splitlines()[-1]
