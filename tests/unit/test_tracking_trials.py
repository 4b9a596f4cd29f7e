"""Trials in MLflow: what is recorded of them, how they are counted, and what is never forgotten."""

import getpass
import json
import math
import socket
import sqlite3
from dataclasses import replace

import pytest
from report_example import example

from bot_cripto.config.schema import Settings
from bot_cripto.errors import BusyError, DataError
from bot_cripto.tracking import database, trials
from bot_cripto.tracking.client import connect
from bot_cripto.tracking.trial import (
    CHOICES,
    METRICS,
    Trial,
    backtest_trial,
    trial_params,
    trial_sha256,
)
from bot_cripto.tracking.trials import known_trials, record_trials

NOW, LATER = "2024-09-06T04:45:00Z", "2024-09-07T04:45:00Z"
BTC = ("BTC/USDT", "binance")
RESULT = example()
SETTINGS = Settings().model_dump(mode="json") | {"source_name": "binance", "market": "binance"}


def trial(number=0, origin="backtest", day_sharpe=0.1, **changes):
    base = Trial(f"{number:064d}", origin, "5m", 5, day_sharpe, {"prob_min": 0.6}, {"auc": 0.53})
    return replace(base, **changes)


@pytest.fixture
def place(tracking_db, tmp_path, monkeypatch):
    monkeypatch.setenv("BOT_CRIPTO_NOW", NOW)
    return tracking_db, tmp_path / "artefacts"


def runs(place, symbol="BTC/USDT"):
    """Return the active runs of a symbol's experiment that are trials."""
    client = connect(place[0])
    experiment = client.get_experiment_by_name(f"{symbol} binance backtests")
    return client.search_runs([experiment.experiment_id], "tags.level = 'trial'")


def test_what_is_no_choice_makes_no_other_trial():
    this = trial_sha256(SETTINGS)
    same = {"symbols": ["A/B"], "language": "es", "as_of": NOW, "state_dir": "/x", "market": "m"}
    assert trial_sha256(SETTINGS | same) == this
    training = SETTINGS["training"] | {"rounds": 7}
    for other in (
        *({"prob_min": 0.61}, {"fees_bps": 9.0}, {"timeframe": "1h"}, {"horizon_steps": 4}),
        *({"training": training}, {"folds": 5}, {"history_days": 90}, {"allow_range": True}),
        {"stop_volatilities": 3},
    ):
        assert trial_sha256(SETTINGS | other) != this
    with pytest.raises(KeyError, match="prob_min"):
        trial_sha256({name: SETTINGS[name] for name in CHOICES if name != "prob_min"})


def test_every_choice_is_a_setting_and_no_folder_address_or_message_is_one():
    fields = set(Settings.model_fields)
    assert set(CHOICES) <= fields
    named = ("dir", "url", "archive", "telegram", "live", "fetch", "language", "as_of", "cutoff")
    assert not [name for name in CHOICES if any(part in name for part in named)]
    assert trial_params(SETTINGS)["training.rounds"] == 300


def test_a_backtest_is_recorded_whole_and_without_what_is_private(place, tmp_path):
    result = {name: RESULT.get(name) for name in (*RESULT, *METRICS)}
    done = backtest_trial(SETTINGS, result, {"backtest.json": json.dumps({"auc": 1}) + "\n"})
    ids = record_trials(*place, *BTC, [done], NOW)
    run = connect(place[0]).get_run(ids[trial_sha256(SETTINGS)])
    assert (run.info.status, run.info.start_time) == ("FINISHED", 1_725_597_900_000)
    assert run.data.params == {name: str(v) for name, v in trial_params(SETTINGS).items()}
    for name in ("auc", "brier", "ece", "net_return", "sharpe", "max_drawdown", "trades", "dsr"):
        assert run.data.metrics[name] == pytest.approx(RESULT[name])
    tags = run.data.tags
    assert tags["config_sha256"] == trial_sha256(SETTINGS)
    assert (tags["origin"], tags["timeframe"], tags["cutoff"]) == ("backtest", "1h", NOW)
    assert tags["mlflow.note.content"] == RESULT["verdict"]
    stored = place[1] / run.info.run_id / "artifacts" / "backtest.json"
    assert stored.read_text() == '{"auc": 1}\n'
    words = " ".join([*tags.values(), *run.data.params.values()])
    for private in (socket.gethostname(), getpass.getuser(), str(tmp_path), "/home", "http"):
        assert private not in words


def test_many_are_children_of_one_run_and_each_configuration_counts_once(place):
    many = [trial(n, "tune", 0.01 * n) for n in range(6)]
    ids = record_trials(*place, *BTC, [*many, many[0]], NOW)
    assert len(ids) == 6
    children = runs(place)
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in children}
    whole = connect(place[0]).get_run(parent)
    assert whole.info.run_name == f"tune up to {NOW}" and whole.info.status == "FINISHED"
    record_trials(*place, *BTC, [trial(3, day_sharpe=0.5), trial(77, "scan", None)], NOW)
    assert record_trials(*place, *BTC, many, NOW) == ids
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs(place)}
    assert len(parents) == 3 and {None, parent} < parents
    known = known_trials(place[0], *BTC)
    assert set(known) == {f"{n:064d}" for n in (*range(6), 77)}
    assert known[f"{77:064d}"] is None and known[f"{2:064d}"] == pytest.approx(0.02)


def test_the_same_again_is_no_new_trial_and_its_metrics_are_the_latest(place):
    first = trial(metrics={"auc": 0.9, "dsr": 0.5}, artefacts={"backtest.json": "one"})
    ids = record_trials(*place, *BTC, [first], NOW)
    again = trial(
        day_sharpe=-0.2,
        params={"prob_min": 0.6, "new": 1},
        metrics={"auc": 0.52, "dsr": None},
        artefacts={"backtest.json": "two"},
    )
    for _ in range(2):
        assert record_trials(*place, *BTC, [again], NOW) == ids
    (run,) = runs(place)
    assert run.data.metrics["auc"] == 0.52 and math.isnan(run.data.metrics["dsr"])
    assert run.data.params == {"prob_min": "0.6", "new": "1"}
    stored = place[1] / run.info.run_id / "artifacts" / "backtest.json"
    assert stored.read_text() == "two"
    assert known_trials(place[0], *BTC) == {first.config_sha256: -0.2}
    record_trials(*place, *BTC, [replace(again, day_sharpe=None)], NOW)
    assert known_trials(place[0], *BTC) == {first.config_sha256: None}


def test_the_newest_cutoff_counts_whenever_it_was_recorded(place):
    record_trials(*place, *BTC, [trial(day_sharpe=0.3)], LATER)
    record_trials(*place, *BTC, [trial(day_sharpe=0.1)], NOW)
    assert len(runs(place)) == 2
    assert known_trials(place[0], *BTC) == {trial().config_sha256: 0.3}


def test_timeframes_and_horizons_count_together_symbols_and_sources_apart(place):
    both = [trial(1), trial(2, timeframe="1h", horizon_steps=12)]
    record_trials(*place, *BTC, both, NOW)
    record_trials(*place, "ETH/USDT", "binance", [trial(3)], NOW)
    assert len(known_trials(place[0], *BTC)) == 2
    assert set(known_trials(place[0], "ETH/USDT", "binance")) == {trial(3).config_sha256}
    assert known_trials(place[0], "BTC/USDT", "archive") == {}


def test_what_was_deleted_on_the_page_still_counts_and_can_be_recorded_again(place):
    (run_id,) = record_trials(*place, *BTC, [trial(day_sharpe=0.3)], NOW).values()
    client = connect(place[0])
    client.delete_run(run_id)
    assert known_trials(place[0], *BTC) == {trial().config_sha256: 0.3}
    client.delete_experiment(client.get_run(run_id).info.experiment_id)
    assert known_trials(place[0], *BTC) == {trial().config_sha256: 0.3}
    record_trials(*place, *BTC, [trial(day_sharpe=0.2)], NOW)
    assert known_trials(place[0], *BTC) == {trial().config_sha256: 0.2}


def test_secrets_are_not_recorded_and_nothing_is_half_recorded(place):
    leaking = trial(1, params={"exchange_api_key": "x"})
    with pytest.raises(ValueError, match="exchange_api_key looks like a secret"):
        record_trials(*place, *BTC, [trial(), leaking], NOW)
    assert known_trials(place[0], *BTC) == {}


def test_nothing_is_known_where_nothing_was_tried(tmp_path, place):
    assert known_trials(tmp_path / "none.db", *BTC) == {}
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    assert known_trials(tmp_path / "empty.db", *BTC) == {}
    assert known_trials(place[0], *BTC) == {}
    assert record_trials(tmp_path / "none.db", place[1], *BTC, [], NOW) == {}
    assert not (tmp_path / "none.db").exists()


def refused(path):
    """Return the one line with which the record of trials is refused."""
    with pytest.raises(DataError) as caught:
        known_trials(path, *BTC)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text
    assert "record of what was tried cannot be read" in text
    return text


def test_a_record_that_cannot_be_read_is_never_taken_for_an_empty_one(place, monkeypatch):
    monkeypatch.setattr(trials, "SQLITE_WAIT_S", 0.1)
    monkeypatch.setattr(database, "SQLITE_WAIT_S", 0.1)
    with sqlite3.connect(place[0]) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        assert "database is locked" in refused(place[0])
        assert "run again" in refused(place[0])
    other.close()
    content = bytearray(place[0].read_bytes())
    content[4096 : len(content) // 2] = b"\xaa" * (len(content) // 2 - 4096)
    place[0].write_bytes(content)
    assert "move it aside to begin to count anew" in refused(place[0])
    place[0].write_bytes(b"garbage" * 1000)
    assert "file is not a database" in refused(place[0])
    place[0].unlink()
    place[0].mkdir()
    assert "unable to open" in refused(place[0])


def test_one_who_records_for_ever_is_not_waited_for(place, monkeypatch):
    def held(path, wait_s=0.0):
        raise BusyError(f"{path}.lock: another process has been recording")

    monkeypatch.setattr(trials, "locked", held)
    with pytest.raises(BusyError, match="another process"):
        known_trials(place[0], *BTC)
