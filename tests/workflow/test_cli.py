"""The commands of the runbook, as an operator types them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from laboratory import later


def test_the_pipeline_by_hand_from_an_empty_state(empty_lab, tmp_path):
    """Section 4 of the runbook, word for word, from a folder that is not the checkout."""
    empty_lab.environment["HISTORY_DAYS"] = "50"
    steps = ["fetch --days 30", "features", "train-trend", "train-return", "train-risk"]
    for step in [*steps, "run-inference"]:
        ran = empty_lab.cli(*step.split(), cwd=tmp_path)
        assert ran.code == 0, f"{step}: {ran.output}"
    document = empty_lab.signal()
    assert document["prob_up"] is not None
    champion = json.loads((empty_lab.state / "models/champion/BTC_USDT.json").read_text())
    assert set(champion["kinds"]) == {"trend", "return", "risk"}
    assert {path.name for path in tmp_path.iterdir()} == {"state"}, "nothing where they stand"

    before = champion["kinds"]
    assert empty_lab.cli("train-trend", now=later(300)).code == 0
    champion = json.loads((empty_lab.state / "models/champion/BTC_USDT.json").read_text())
    assert champion["kinds"] == before, "a kind that is in use is left to retrain"
    versions = list((empty_lab.state / "models/trend/BTC_USDT").iterdir())
    assert len(versions) == 2

    ran = empty_lab.cli("backtest", "--folds", "3")
    assert ran.code == 0, ran.output
    report = json.loads((empty_lab.state / "logs/reports/BTC_USDT/backtest.json").read_text())
    assert report["folds"] == 3 and len(report["by_fold"]) == 3
    low, high = report["intervals"]["auc"]
    assert 0.5 < low < report["auc"] < high
    assert report["verdict"] in ran.output and report["schema_version"] == 1
    page = (empty_lab.state / "logs/reports/BTC_USDT/backtest.html").read_text()
    assert "SIMULATED" in page and "http" not in page.replace("http-equiv", "").replace(
        "http://www.w3.org", ""
    )
    empty_lab.environment["FOLDS"] = "3"
    config = (empty_lab.checkout / "config/config.yaml").read_bytes()
    ran = empty_lab.cli("tune")
    assert ran.code == 0 and "nothing has been changed" in ran.output, ran.output
    assert "train_fold" not in ran.output.split("Job stats")[-1].split("reason")[0]
    assert (empty_lab.checkout / "config/config.yaml").read_bytes() == config
    published = empty_lab.state / "logs/reports/BTC_USDT"
    made = {path.name for path in published.iterdir()}
    assert made == {"backtest.json", "backtest.html", "audit.json", "tuning.json"}
    tuned = json.loads((published / "tuning.json").read_text())
    # the combinations, the configured one among them, and the backtest of it is one
    assert tuned["trials"] == tuned["combinations"] > 30 and report["trials"] == 1
    for path in published.iterdir():
        path.unlink()
    empty_lab.settings = ()  # as the commands have them: from the file and the environment
    ran = empty_lab.run("backtest", "tune")
    assert ran.nothing_to_do, ran.output
    assert {path.name for path in published.iterdir()} == made, "of both targets"


def test_a_dry_run_does_nothing(lab):
    ran = lab.cli("run-inference", "--dry-run", now=later(1))
    assert ran.code == 0 and "dry-run" in ran.output
    assert lab.signal()["candle_close_time"] == "2024-06-03T12:00:00Z"


@pytest.mark.parametrize(("language", "word"), [("en", "Gates"), ("es", "Motivo")])
def test_explain_and_info_are_for_people(lab, language, word):
    ran = lab.cli("explain", "--lang", language)
    assert ran.code == 0 and word in ran.output
    assert "SIMUL" in ran.output
    for gate in lab.signal()["gates"]:
        assert gate["name"] in ran.output
    assert lab.signal()["decision"] in lab.cli("info").output


def test_explain_without_a_signal_says_what_to_do(empty_lab):
    ran = empty_lab.cli("explain")
    assert ran.code == 1 and "snakemake signal" in ran.output
    assert "Traceback" not in ran.output


@pytest.mark.parametrize(
    ("metrics", "code", "word"),
    [
        ([1.0] * 100, 0, "no drift"),
        ([1.0] * 80 + [0.5] * 20, 3, "drift"),
        ([1.0] * 10, 0, "insufficient data"),
    ],
)
def test_drift_of_a_history(lab, tmp_path, metrics, code, word):
    history = tmp_path / "history.json"
    entries = [{"ts": 1_700_000_000 + i, "metric": m} for i, m in enumerate(metrics)]
    history.write_text(json.dumps(entries))
    ran = lab.cli("detect-drift", "--history-file", str(history))
    assert (ran.code, word in ran.output) == (code, True)


def test_a_history_that_cannot_be_read_is_a_failure(lab, tmp_path):
    ran = lab.cli("detect-drift", "--history-file", str(tmp_path / "none.json"))
    assert ran.code == 1 and "none.json" in ran.output


@pytest.mark.parametrize("words", [["fetch"], ["fetch", "--days", "many"], ["dance"], []])
def test_wrong_usage_exits_2(lab, words):
    assert lab.cli(*words).code == 2


def test_a_faulty_setting_exits_2_everywhere(lab):
    lab.environment["PROB_MIN"] = "7"
    for words in (["run-inference"], ["info"], ["explain"]):
        ran = lab.cli(*words)
        assert ran.code == 2, ran.output
        assert "PROB_MIN" in ran.output


def test_lint_and_graph(lab):
    """The workflow has no lint findings, and draws itself."""
    ran = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        env=lab.env(),
        cwd=lab.checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "good condition" in ran.stdout + ran.stderr
    graph = subprocess.run(
        [sys.executable, "-m", "snakemake", "--rulegraph"],
        env=lab.env(),
        cwd=lab.checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert graph.startswith("digraph") and "make_signals" in graph


def test_mlflow_holds_every_training(lab):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{lab.state / 'logs' / 'mlflow.db'}")
    experiments = [e for e in client.search_experiments() if e.name != "Default"]
    assert [e.name for e in experiments] == ["BTC/USDT 5m simulated"]
    runs = client.search_runs([experiments[0].experiment_id])
    champion = json.loads((lab.state / "models/champion/BTC_USDT.json").read_text())
    recorded = {run.info.run_id: run for run in runs}
    for kind, use in champion["kinds"].items():
        run = recorded[use["mlflow_run_id"]]
        assert run.data.tags["kind"] == kind
        assert run.data.tags["model_version"] == use["version"]
        assert {"code_sha256", "config_sha256", "data_sha256"} <= set(run.data.tags)
        assert run.data.params and run.inputs.dataset_inputs
        assert run.data.metrics["rows"] > 0
