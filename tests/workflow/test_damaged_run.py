"""Damage of many kinds, met by real runs: a good signal or none, told, and named by the doctor."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from laboratory import NOW, Lab, later, layout_of

from bot_cripto.models.bad_marks import bad_path
from bot_cripto.models.champion import champion_path, history_path, read_champion
from bot_cripto.models.version import folder
from bot_cripto.notify import feed
from bot_cripto.timeframes import parse_iso

SYMBOL = "BTC/USDT"
KINDS = ("trend", "return", "risk")


class Case:
    """A laboratory whose runs are told of and examined, one candle after the other."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.candle = lab, 0
        self.layout, self.settings = layout_of(lab)
        _, self.cursors = feed.read(self.layout, self.settings, feed.begin(0), parse_iso(NOW))

    def signal(self) -> dict:
        """Run for the next candle, which must end well, and return its signal."""
        self.candle += 1
        ran = self.lab.run(now=later(self.candle))
        assert ran.code == 0 and "Traceback" not in ran.output, ran.output
        signal = self.lab.signal()
        assert parse_iso(signal["candle_close_time"]) > parse_iso(later(self.candle - 1))
        return signal

    def told(self) -> str:
        now = parse_iso(later(self.candle)) + 60_000
        found, self.cursors = feed.read(self.layout, self.settings, self.cursors, now)
        return "\n".join(message.text for message in found)

    def doctor(self, *words: str) -> set[str]:
        """Return the names of what the doctor finds, which must be an alarm."""
        ran = self.lab.cli("doctor", "--json", *words, now=later(self.candle))
        assert ran.code == 3, ran.output
        return {finding["name"] for finding in json.loads(ran.output)}


@pytest.fixture
def case(trading_lab) -> Case:
    trading_lab.state = trading_lab.state.rename(trading_lab.state.with_name("the state's folder"))
    return Case(trading_lab)


def test_every_kind_damaged_in_another_way_then_whole_again(case):
    models, champion = case.layout.models, read_champion(case.layout.models, SYMBOL)
    kept = models.with_name("kept")
    shutil.copytree(models, kept)
    trend, back, risk = (folder(models, k, SYMBOL) / champion.kinds[k].version for k in KINDS)
    text = next(trend.glob("*.txt"))
    content = bytearray(text.read_bytes())
    content[len(content) // 2] ^= 1
    text.write_bytes(content)
    shutil.copy(text, next(back.glob("*.txt")))
    shutil.rmtree(risk)
    signal = case.signal()
    for kind in KINDS:
        assert f"The {kind} model {champion.kinds[kind].version} cannot be used" in signal["reason"]
    used = {use["version"] for use in signal["version"]["models"].values()}
    assert used == {champion.kinds["baseline"].version}
    assert "others stand in" in case.told()
    assert "model" in case.doctor("--fix")

    for kind in (*KINDS, "baseline"):
        shutil.rmtree(models / kind)
    signal = case.signal()
    assert signal["decision"] == "NO_TRADE" and "model found" in signal["reason"]
    assert "no models can be used" in case.told() and "no_models" in case.doctor()

    shutil.rmtree(models)
    kept.rename(models)
    assert case.signal()["prob_up"] is not None
    assert "can be used again" in case.told() and "model" not in case.doctor()


def test_champion_file_marks_and_database_in_trouble_together(case):
    path = champion_path(case.layout.models, SYMBOL)
    champion, marks = path.read_bytes(), bad_path(case.layout.models, SYMBOL)
    path.write_bytes(b"[" * 100_000)
    marks.parent.mkdir(parents=True, exist_ok=True)
    marks.write_bytes(b'\xff{"kind": [], "version": {}\n')
    with closing(sqlite3.connect(case.layout.mlflow_db)) as connection:
        connection.execute("pragma journal_mode=delete")
        connection.execute("begin exclusive")
        signal = case.signal()
        assert signal["prob_up"] is not None and "cannot be used" not in signal["reason"]
        assert path.read_bytes() == champion and "it was restored" in case.told()
        assert {"bad_marks", "mlflow"} <= case.doctor()

    marks.unlink()
    marks.mkdir()
    signal = case.signal()
    assert signal["decision"] == "NO_TRADE" and "bad marks" in signal["reason"]
    assert "no models can be used" in case.told() and "bad_marks" in case.doctor()
    marks.rmdir()

    path.unlink()
    path.mkdir()  # what cannot be replaced by a file
    signal = case.signal()
    assert signal["decision"] == "NO_TRADE" and "champion file" in signal["reason"]
    assert "no models can be used" in case.told()
    assert "champion_file" in case.doctor("--fix")

    path.rmdir()
    case.layout.mlflow_db.unlink()
    assert {"champion_file", "registry"} <= case.doctor("--fix")
    assert path.read_bytes() == champion
    assert not {"champion_file", "champion_history", "registry", "mlflow"} & case.doctor()
    history_path(case.layout.models, SYMBOL).unlink()
    assert case.signal()["prob_up"] is not None
    assert "champion_history" in case.doctor("--fix")
