"""The scan as an operator runs it, on a small made-up market."""

from __future__ import annotations

import json

import yaml

from bot_cripto.backtest.scan.result import validate
from bot_cripto.tracking.trials import known_trials

SMALLEST = {
    "history_days": 16,
    "folds": 2,
    "training": {"rounds": 8, "min_rows": 1000},
    "simulated": {"edge": 0.5},
    "scan": {"timeframes": ["15m"], "horizons": [3], "cost_shares": [0]},
}


def test_a_scan_measures_recommends_records_its_trials_and_is_not_repeated(edited_empty_lab):
    lab = edited_empty_lab
    path = lab.checkout / "config" / "config.yaml"
    configured = yaml.safe_load(path.read_text())
    for name, value in SMALLEST.items():
        configured[name] = {**configured[name], **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(configured))

    ran = lab.cli("scan")
    assert ran.code == 0, ran.output
    reports = lab.state / "logs/reports/BTC_USDT"
    found = json.loads((reports / "scan.json").read_text())
    validate(found)
    assert [cell["measured"] for cell in found["cells"]] == [True, False]
    assert [row["share"] for row in found["cells"][0]["costs"]] == [0, 1]
    assert " ".join(found["recommendation"]["en"]) in ran.output and "5m x 3" in ran.output
    assert "SIMULATED" in (reports / "scan.html").read_text()
    trials = known_trials(lab.state / "logs/mlflow.db", "BTC/USDT", "simulated-19-0.5-0")
    assert len(trials) == found["trials"] == 2
    assert not (lab.state / "models/champion").exists()

    again = lab.run("scan")
    assert again.nothing_to_do and again.code == 0, again.output
