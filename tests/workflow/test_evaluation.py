"""Evaluation of several symbols of which one gives nothing: what is published, said, returned."""

from __future__ import annotations

import json

from laboratory import Lab
from test_failures import archive

UNMEASURED = {"truncation", "ceiling", "label_shift", "null_control"}


def test_a_symbol_without_candles_hides_no_other_from_the_audit(tmp_path):
    archive(tmp_path / "files", "BTC/USDT", days=13)
    lab = Lab(tmp_path / "state", settings=())
    lab.environment = {"SOURCE": "archive", "ARCHIVE": str(tmp_path / "files")}
    lab.environment |= {"HISTORY_DAYS": "12", "SYMBOLS": "ETH/USDT,BTC/USDT"}
    ran = lab.cli("audit")
    assert ran.code == 1, ran.output
    assert "BTC/USDT: passed  truncation: features are the same" in ran.output
    assert "ETH/USDT: unknown truncation: not measured: its history could not be" in ran.output
    reports = lab.state / "logs" / "reports"
    for symbol, unknown in (("ETH_USDT", UNMEASURED), ("BTC_USDT", UNMEASURED - {"truncation"})):
        report = json.loads((reports / symbol / "audit.json").read_text())
        said = report["alarms"]
        assert report["cutoff"] == ("2024-06-03T00:00:00Z" if symbol == "BTC_USDT" else None)
        assert {alarm["name"] for alarm in said} == UNMEASURED
        assert {alarm["name"] for alarm in said if alarm["passed"] is None} == unknown

    # what an earlier run left, at this cutoff and in the reports
    (training,) = (lab.state / "data" / "training").glob("*/*/BTC_USDT")
    (training / "tuning.json").write_text('{"text": "of an earlier configuration"}')
    published = reports / "BTC_USDT" / "tuning.json"
    published.write_text('{"text": "of a later cutoff"}')
    ran = lab.cli("tune")
    assert ran.code == 1 and "of a" not in ran.output.split("WorkflowError")[-1], ran.output
    for symbol in ("BTC/USDT", "ETH/USDT"):
        assert f"{symbol}: no result; the reason stands above" in ran.output
    assert "ERROR tune_symbol: BTC/USDT: " in ran.output and "too few" in ran.output
    assert "ERROR tune_symbol: ETH/USDT: its history could not be fetched" in ran.output
    assert json.loads(published.read_text()) == {"text": "of a later cutoff"}

    # the backtest was made and says that there is none: that is a failure, and no report
    ran = lab.cli("backtest")
    assert ran.code == 1, ran.output
    assert "no backtest: ETH/USDT: its history could not be fetched" in ran.output
    for symbol in ("BTC/USDT", "ETH/USDT"):
        assert f"{symbol}: no result; the reason stands above" in ran.output
    assert not list(reports.rglob("backtest.*"))


def test_snakemake_finds_nothing_to_say_of_the_rules(tmp_path):
    ran = Lab(tmp_path / "state", settings=()).run("--lint")
    assert ran.code == 0 and "Congratulations" in ran.output, ran.output
