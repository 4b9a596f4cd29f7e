"""What a failed attempt left is made stale; what is sound stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot_cripto.layout import Layout
from bot_cripto.workflow.leftovers import discard_history, discard_live, discard_unusable_training


@pytest.fixture
def layout(tmp_path) -> Layout:
    settings = {"data_dir": "", "models_dir": "", "logs_dir": "", "market": "m", "timeframe": "5m"}
    return Layout.of(settings).below(tmp_path)


def put(path: Path, **value) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def live_files(live: Path, error=None, stale=0) -> list[Path]:
    return [
        put(live / "candles" / "A.quality.json", error=error, stale_candles=stale),
        put(live / "features" / "A.json", error=error, stale_candles=stale),
        put(live / "signals.status.json", error=error),
    ]


def test_a_sound_candle_is_left_alone(layout):
    files = live_files(layout.live("C"))
    assert discard_live(layout.live("C"), reports_too=True) == []
    assert all(path.exists() for path in files)


@pytest.mark.parametrize(("error", "stale", "failures"), [("no", 0, 3), (None, 2, 0)])
def test_a_failed_or_late_candle_is_made_stale(layout, error, stale, failures):
    files = live_files(layout.live("C"), error, stale)
    assert len(discard_live(layout.live("C"), reports_too=False)) == failures
    assert [path.exists() for path in files] == [True, True, False], "reports stay for people"
    discard_live(layout.live("C"), reports_too=True)
    assert not any(path.exists() for path in files)


def test_an_unreadable_report_is_a_failure(layout):
    status = live_files(layout.live("C"))[2]
    status.write_text("{")
    assert "unreadable" in discard_live(layout.live("C"), reports_too=True)[0]


def test_a_failed_history_takes_what_was_trained_on_it_along(layout):
    good = put(layout.history("C", "A"), error=None, stale_candles=0)
    bad = put(layout.history("C", "B"), error="451", stale_candles=9)
    kept = put(layout.training("C", "A") / "trend.json", skipped=None)
    gone = put(layout.training("C", "B") / "trend.json", skipped="451")
    assert discard_history(layout, "C", reports_too=False) == ["B.json: 451"]
    assert bad.exists() and gone.exists()
    assert discard_history(layout, "C", reports_too=True) == ["B.json: 451"]
    assert (good.exists(), kept.exists(), bad.exists(), gone.exists()) == (True, True, False, False)


def test_a_training_without_its_version_is_made_again(layout):
    folder = layout.training("C", "A_B")
    record = {"kind": "trend", "version": "20240101T000000Z-0123456789", "sha256": "x"}
    trained = put(folder / "trend.json", **record)
    skipped = put(folder / "risk.json", kind="risk", skipped="too few")
    later = [put(folder / name) for name in ("trend.mlflow.json", "judgement.json")]
    discard_unusable_training(layout, "C", ["A/B"])
    assert not trained.exists() and skipped.exists()
    assert not any(path.exists() for path in later)


def test_what_mlflow_missed_is_recorded_again(layout):
    folder = layout.training("C", "A_B")
    missed = put(folder / "trend.mlflow.json", used={}, mlflow_error="locked")
    discard_unusable_training(layout, "C", ["A/B"])
    assert not missed.exists()


def test_what_mlflow_was_not_told_is_told_again_and_nobody_judged_again(layout):
    training = layout.training("C", "A")
    judged = put(training / "judgement.json", promoted=True)
    record = put(training / "trend-risk.mlflow.json", mlflow_error=None)
    told = put(training / "registered.json", mlflow_error="locked")
    discard_unusable_training(layout, "C", ["A"])
    assert [path.exists() for path in (judged, record, told)] == [True, True, False]
    put(told, mlflow_error=None)
    discard_unusable_training(layout, "C", ["A"])
    assert told.exists()


def test_a_training_that_is_recorded_again_is_registered_again(layout):
    training = layout.training("C", "A")
    files = [
        put(training / "judgement.json", promoted=True),
        put(training / "trend-risk.mlflow.json", mlflow_error="locked"),
        put(training / "registered.json", mlflow_error=None),
    ]
    discard_unusable_training(layout, "C", ["A"])
    assert not any(path.exists() for path in files)
