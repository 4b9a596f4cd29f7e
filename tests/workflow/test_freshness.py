"""What runs again, and what does not: each promise of the workflow as a run of it."""

from __future__ import annotations

import json

import pytest
from laboratory import NOW, Lab, later

LIVE = ["build_features", "fetch_candles", "make_signals"]


def edit(lab: Lab, file: str, old: str, new: str) -> None:
    path = lab.checkout / file
    text = path.read_text()
    assert old in text, f"{file} no longer holds {old!r}: choose another edit"
    path.write_text(text.replace(old, new, 1))


def test_the_first_run_trains_the_first_models_and_publishes(first_run, trained_state):
    assert first_run.rules == sorted(
        [*LIVE, "fetch_history", "build_snapshot", *(["train_model"] * 4)]
        + ["record_training", "adopt_models"]
    )
    document = json.loads((trained_state / "logs" / "signal.json").read_text())
    assert document["candle_close_time"] == "2024-06-03T12:00:00Z"
    assert document["source"] == "simulated" and document["mode"] == "SIMULATED"
    assert set(document["version"]["models"]) == {"trend", "return", "risk"}


def test_twice_within_a_candle_does_nothing_the_second_time(lab):
    before = (lab.state / "logs" / "signal.json").read_bytes()
    ran = lab.run(now="2024-06-03T12:04:59Z")
    assert ran.code == 0 and ran.nothing_to_do and ran.rules == []
    assert (lab.state / "logs" / "signal.json").read_bytes() == before


def test_a_new_candle_reruns_fetch_features_and_signal_and_no_training(lab):
    ran = lab.run(now=later(1))
    assert ran.code == 0 and ran.rules == LIVE
    assert lab.signal()["candle_close_time"] == "2024-06-03T12:05:00Z"
    assert lab.run(now=later(1)).nothing_to_do


def test_a_dry_run_says_which_and_why_and_changes_nothing(lab):
    before = sorted(p for p in (lab.state / "data").rglob("*"))
    ran = lab.run("signal", "-n", now=later(1))
    assert ran.code == 0
    for rule in LIVE:
        assert f"rule {rule}:" in ran.output
    assert "rule train_model:" not in ran.output
    assert "reason: Missing output files" in ran.output
    assert sorted(p for p in (lab.state / "data").rglob("*")) == before
    assert lab.signal()["candle_close_time"] == "2024-06-03T12:00:00Z"


def test_a_changed_threshold_reruns_the_signal_alone_as_a_revision(lab):
    first = lab.signal()
    ran = lab.run(settings=("prob_min=0.99",))
    assert ran.code == 0 and ran.rules == ["make_signals"]
    second = lab.signal()
    assert (first["revision"], second["revision"]) == (0, 1)
    gate = next(g for g in second["gates"] if g["name"] == "probability")
    assert gate["threshold"] == 0.99
    assert lab.run(settings=("prob_min=0.99",)).nothing_to_do


def test_a_deleted_signal_comes_back_from_a_run_with_nothing_to_do(lab):
    published = lab.state / "logs" / "signal.json"
    before = published.read_bytes()
    published.unlink()
    ran = lab.run()
    assert ran.nothing_to_do and ran.code == 0
    assert published.read_bytes() == before


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # a feature's code: the features, what depends on them, and the models with the next retrain
        ("bot_cripto/features/trend.py", '"""', '"""Edited. ', ["build_features", "make_signals"]),
        # how a signal is explained to people: nothing
        ("bot_cripto/signals/explain.py", '"""', '"""Edited. ', []),
        # how MLflow is written to: nothing of the live path
        ("bot_cripto/tracking/runs.py", '"""', '"""Edited. ', []),
        # the decision: the signal alone
        ("bot_cripto/decision/gates.py", '"""', '"""Edited. ', ["make_signals"]),
    ],
)
def test_edited_code_reruns_what_uses_it(edited_lab, file, old, new, expected):
    edit(edited_lab, file, old, new)
    ran = edited_lab.run()
    assert ran.code == 0, ran.output
    assert ran.rules == expected


def test_touched_files_rerun_nothing(edited_lab):
    for path in edited_lab.checkout.rglob("*.py"):
        path.touch()
    assert edited_lab.run().nothing_to_do


def test_a_changed_feature_reaches_the_models_with_the_next_retrain(edited_lab):
    assert edited_lab.run("retrain").code == 0
    assert edited_lab.run("retrain").nothing_to_do
    edit(edited_lab, "bot_cripto/features/trend.py", '"""', '"""Edited. ')
    ran = edited_lab.run("retrain")
    assert ran.code == 0, ran.output
    assert ran.rules.count("train_model") == 4
    assert {"build_snapshot", "judge_challenger"} <= set(ran.rules)
    assert edited_lab.run("retrain").nothing_to_do


def test_a_first_champion_stays_provisional_until_a_comparison_was_possible(lab):
    champion = lab.state / "models" / "champion" / "BTC_USDT.json"
    first = json.loads(champion.read_text())
    assert first["provisional"] is True and "provisional" in lab.signal()["reason"]
    ran = lab.run("retrain")
    assert ran.code == 0, ran.output
    assert set(ran.rules) >= {"train_fold", "audit_symbol", "judge_challenger", "backtest_symbol"}
    assert not {"fetch_history", "build_snapshot", "train_model"} & set(ran.rules)
    reports = lab.state / "logs" / "reports" / "BTC_USDT"
    # too young for folds: that is said, and fails nothing
    assert "no backtest: BTC/USDT: " in ran.output and "too few for 4 folds" in ran.output
    assert not list(reports.glob("backtest.*")) and (reports / "audit.json").exists()
    judgement = next((lab.state / "data/training").rglob("judgement.json"))
    assert (reports / "judgement.json").read_bytes() == judgement.read_bytes()
    assert "this very version" in judgement.read_text()
    assert json.loads(champion.read_text()) == first
    assert lab.run().nothing_to_do

    # ten days later there are candles that neither has seen
    now = later(10 * 288)
    ran = lab.run("retrain", now=now, settings=("history_days=60",))
    assert ran.code == 0, ran.output
    judged = json.loads(champion.read_text())
    assert judged["provisional"] is False and "unseen candles" in judged["reason"]
    said = json.loads((reports / "judgement.json").read_text())
    assert said["reason"] == judged["reason"] and len(said["conditions"]) == 15
    assert said["promoted"] == (judged["kinds"] != first["kinds"])
    assert json.loads((reports / "backtest.json").read_text())["auc"] > 0.5
    assert lab.run(now=now, settings=("history_days=60",)).code == 0
    assert "provisional" not in lab.signal()["reason"]


def test_damaged_versions_are_made_again_by_retrain(lab):
    trend = next((lab.state / "models/trend/BTC_USDT").glob("*/direction.txt"))
    whole = trend.read_bytes()
    trend.write_bytes(whole[:-100])
    assert lab.run("retrain").code == 0
    assert trend.read_bytes() == whole


def test_evaluation_follows_the_cutoff_and_the_market(lab):
    many = ("history_days=50",)
    report = lab.state / "logs/reports/BTC_USDT/backtest.json"
    assert lab.run("backtest", settings=many).code == 0
    first = json.loads(report.read_text())
    assert lab.run("backtest", settings=many).nothing_to_do
    report.unlink()
    assert lab.run("backtest", settings=many).nothing_to_do and report.exists()
    assert lab.run("backtest", now=later(288), settings=many).code == 0
    assert json.loads(report.read_text())["by_fold"] != first["by_fold"]
    assert lab.run("backtest", settings=(*many, "simulated={edge: 0}")).code == 0
    assert json.loads(report.read_text())["auc"] < first["auc"] - 0.1


def test_a_run_as_of_an_earlier_moment_publishes_nothing(lab):
    assert lab.run(now=later(2)).code == 0
    ran = lab.run(now=later(1))
    assert ran.code == 0 and "is journalled, which is newer" in ran.output
    assert lab.signal()["candle_close_time"] == "2024-06-03T12:10:00Z"
    assert list((lab.state / "data/live").glob("*/20240603T120500Z/signals/*.json"))


def test_an_added_symbol_begins_with_the_baseline(lab):
    both = ("symbols=[BTC/USDT,ETH/USDT]",)
    ran = lab.run(now=later(1), settings=both)
    assert ran.code == 0, ran.output
    assert ran.rules.count("train_model") == 1
    document = lab.signal("ETH_USDT")
    assert document["decision"] == "NO_TRADE" and "aseline" in document["reason"]
    assert lab.signal("BTC_USDT")["version"]["models"]["trend"] is not None
    assert lab.run(now=later(1), settings=both).nothing_to_do


def test_another_source_is_another_state_and_no_other_champion(lab, tmp_path):
    """Made-up and real candles never mix, and models of one never speak of the other."""
    ran = lab.run(settings=("timeframe=15m", "history_days=60"))
    assert ran.code == 0, ran.output
    document = lab.signal()
    assert document["decision"] == "NO_TRADE"
    assert "snakemake retrain" in document["reason"] and "timeframe 5m" in document["reason"]


def test_the_same_moment_in_another_state_gives_the_same_signal(lab, tmp_path):
    """Nothing but code, configuration and candles decides: the folder and the day do not."""
    other = Lab(tmp_path / "other")
    ran = other.run(now=NOW)
    assert ran.code == 0, ran.output
    mine, theirs = lab.signal(), other.signal()
    for document in (mine, theirs):
        del document["ts"]
        for use in document["version"]["models"].values():
            del use["mlflow_run_id"]
    assert mine == theirs
