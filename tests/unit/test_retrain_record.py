"""The run of a retrain in MLflow: what it shows, once and again."""

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import model_market as market
import pytest
from report_example import example

from bot_cripto.errors import DataError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion_change import promote
from bot_cripto.models.record import write_record
from bot_cripto.models.version_writer import write_version
from bot_cripto.tracking.client import connect
from bot_cripto.tracking.registry import divergence
from bot_cripto.tracking.retrain import numbers, record_retrain, retrain_record
from bot_cripto.tracking.runs import record_training, training_record

ROOT = Path(__file__).resolve().parents[2]
SYMBOL, EXPERIMENT = "BTC/USDT", "BTC/USDT 5m simulated"
KINDS = ("trend", "risk")
JUDGEMENT = {
    "symbol": SYMBOL,
    "promoted": True,
    "reason": "the challenger earned 0.61 % of equity more",
    "conditions": [
        {"name": "gain", "value": 0.0061, "threshold": 0.002, "passed": True, "text": "net | gain"},
        {"name": "recent", "value": None, "threshold": 1, "passed": None, "text": "last days"},
    ],
    "sides": {
        "challenger": {"trades": 43, "net_return": 0.0081, "log_loss": 0.69, "losses": {"a": 1}},
        "champion": {"trades": 38, "net_return": 0.002, "log_loss": 0.6905, "sharpe": None},
    },
    "difference": {"log_loss_error": 0.0002, "net_return_interval": [-0.01, 0.02]},
    "challenger": {"trend": "v", "risk": "v"},
}


@pytest.fixture
def place(tracking_db, tmp_path, monkeypatch):
    """A state with trained versions that MLflow has recorded."""
    monkeypatch.setenv("BOT_CRIPTO_NOW", "2024-09-06T04:45:00Z")
    layout = Layout(
        tmp_path / "data", tmp_path / "models", tmp_path, tmp_path / "locks", "simulated-5m"
    )
    versions = {
        kind: write_version(
            layout.models, market.trained(kind), market.origin(), market.reference_rows()
        )
        for kind in KINDS
    }
    records = [training_record(v, market.trained(k).importance) for k, v in versions.items()]
    runs = record_training(
        layout.mlflow_db, layout.mlflow_artifacts, EXPERIMENT, "2024-01-18 trained", records
    )
    return layout, versions, runs


def record_of(versions, judgement=JUDGEMENT, evaluation=None, **more):
    metadata = {kind: version.metadata for kind, version in versions.items()}
    given = {"costs": {"system/cpu_seconds": 12.5}, "artefacts": {}, "below": {}} | more
    return retrain_record(judgement, evaluation or example(), metadata, **given)


def parent_of(place):
    layout, _, runs = place
    client = connect(layout.mlflow_db)
    return client.get_run(client.get_run(runs["trend"]).data.tags["mlflow.parentRunId"])


def test_the_run_shows_evaluation_comparison_and_costs(place):
    layout, versions, runs = place
    texts = {"judgement.json": json.dumps(JUDGEMENT), "backtest.html": "<h1>Page</h1>"}
    record = record_of(versions, artefacts=texts, below={"trend": {"importance.svg": "<svg/>"}})
    run_id = record_retrain(layout.mlflow_db, runs, record)
    run = parent_of(place)
    assert run.info.run_id == run_id
    assert (run.info.status, run.info.run_name) == ("FINISHED", record.name)
    shown = run.data.metrics
    assert shown["walk-forward/auc"] == pytest.approx(example()["auc"], rel=1e-6)
    assert shown["walk-forward/net_return_bps"] == pytest.approx(example()["net_return"] * 1e4)
    assert shown["challenger/net_return_bps"] == pytest.approx(81)
    assert shown["champion/net_return_bps"] == pytest.approx(20)
    assert shown["gain/net_return_bps"] == pytest.approx(61)
    assert shown["gain/log_loss_milli"] == pytest.approx(-0.5)
    assert shown["gain/log_loss_error_milli"] == pytest.approx(0.2)
    assert shown["gain/trades"] == 5
    auc = versions["trend"].metadata["metrics"]["auc"]
    assert shown["holdout/trend.auc"] == pytest.approx(auc, rel=1e-6)
    assert shown["system/cpu_seconds"] == 12.5
    assert not [name for name in shown if "sharpe" in name and "champion" in name]
    assert not [name for name in shown if "losses" in name]
    assert run.data.params["data/cutoff"] == versions["trend"].metadata["cutoff"]
    assert run.data.params["settings/learning_rate"] == "0.1"
    tags = run.data.tags
    assert tags["promoted"] == "yes"
    assert tags["reason"] == JUDGEMENT["reason"]
    assert tags["verdict"] == example()["verdict"]
    note = tags["mlflow.note.content"]
    assert note.startswith(f"**{JUDGEMENT['reason']}**")
    assert "| net / gain | 0.0061 | 0.002 | yes |" in note
    assert "| last days | - | 1 | - |" in note
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 36
    folder = layout.mlflow_artifacts
    assert (folder / run_id / "artifacts/backtest.html").read_text() == "<h1>Page</h1>"
    assert (folder / runs["trend"] / "artifacts/importance.svg").read_text() == "<svg/>"


def test_the_same_record_again_changes_nothing_and_another_replaces_it(place):
    layout, versions, runs = place
    first = record_of(versions)
    record_retrain(layout.mlflow_db, runs, first)
    before = parent_of(place).to_dictionary()
    record_retrain(layout.mlflow_db, runs, first)
    assert parent_of(place).to_dictionary() == before
    refused = JUDGEMENT | {"promoted": False, "reason": "the champion stays", "sides": {}}
    refused |= {"difference": {}}
    lower = example() | {"auc": 0.49}
    record_retrain(layout.mlflow_db, runs, record_of(versions, refused, lower))
    run = parent_of(place)
    assert run.info.run_name.endswith(" refused")
    assert run.data.tags["promoted"] == "no"
    # the smaller number is the later one, and what no longer holds is not a number
    assert run.data.metrics["walk-forward/auc"] == 0.49
    assert math.isnan(run.data.metrics["challenger/net_return_bps"])


def test_a_symbol_that_is_too_young_for_an_evaluation_says_so(place):
    _, versions, _ = place
    skipped = {"symbol": SYMBOL, "skipped": "900 usable rows, 4000 are needed"}
    record = record_of(versions, {"promoted": False, "reason": "no"}, skipped)
    assert record.tags["verdict"] == "not evaluated: 900 usable rows, 4000 are needed"
    assert record.tags["suspect"] == "unknown"
    assert not [name for name in record.metrics if name.startswith("walk-forward/")]


@pytest.mark.parametrize(
    ("cutoff", "name"),
    [
        ("2024-09-01T00:00:00Z", "2024-09-01 taken"),
        ("2024-09-01T04:45:00Z", "2024-09-01 04:45 taken"),
    ],
)
def test_a_run_is_named_by_day_and_verdict(place, cutoff, name):
    versions = {
        kind: replace(version, metadata=version.metadata | {"cutoff": cutoff})
        for kind, version in place[1].items()
    }
    assert record_of(versions).name == name


def test_the_baseline_is_shown_where_there_is_nothing_else():
    metadata = market.trained("baseline").metadata | {
        "cutoff": "2024-09-01T00:00:00Z",
        "metrics": {"rows": 100.0, "log_loss": 0.6931},
        "hashes": {"data": "d" * 64, "code": "c" * 64},
    }
    judgement, young = {"promoted": True, "reason": "first"}, {"skipped": "too young"}
    alone = retrain_record(judgement, young, {"baseline": metadata}, {}, {}, {})
    assert alone.metrics == {"holdout/baseline.log_loss_milli": 693.1}
    both = retrain_record(judgement, young, {"baseline": metadata, "trend": metadata}, {}, {}, {})
    assert both.metrics == {"holdout/trend.log_loss_milli": 693.1}


def test_only_finite_numbers_are_metrics():
    values = {"a": math.nan, "b": math.inf, "c": True, "d": "7", "e": None, "f": [1], "g": 2}
    assert numbers("x", values | {"deep": {"brier": 0.25, "pinball10": 0.0003}}) == {
        "x/g": 2.0,
        "x/deep.brier_milli": 250.0,
        "x/deep.pinball10_bps": pytest.approx(3.0),
    }


def test_a_run_that_is_not_there_is_said(place):
    layout, versions, _ = place
    with pytest.raises(DataError, match=r"mlflow\.db: the run of this training is not there"):
        record_retrain(layout.mlflow_db, {"trend": "f" * 32}, record_of(versions))


def test_secrets_are_not_recorded(place):
    layout, versions, runs = place
    record = replace(record_of(versions), params={"settings/api_key": "x"})
    with pytest.raises(ValueError, match="looks like a secret"):
        record_retrain(layout.mlflow_db, runs, record)


# The script that does all of it.


@pytest.fixture
def register_training():
    path = ROOT / "scripts" / "register_training.py"
    spec = importlib.util.spec_from_file_location("script_register_training", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.register_training


def files_of(place, judgement=JUDGEMENT, evaluation=None, skipped=()):
    """Write what the earlier steps of a retrain leave; return the options of the script."""
    layout, versions, runs = place
    folder = layout.training("20240118T000000Z", "BTC_USDT")
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "train_trend.benchmark.tsv").write_text("s\tmax_rss\tcpu_time\n9\t99\t8\n")
    for kind in versions:
        trained = {"kind": kind, "importance": market.trained(kind).importance}
        (folder / f"{kind}.json").write_text(json.dumps(trained))
    uses = {
        kind: ModelUse(version.name, version.sha256, runs[kind])
        for kind, version in versions.items()
        if kind not in skipped
    }
    write_record(folder / "record.json", SYMBOL, uses, {}, None)
    named = {"challenger": {kind: use.version for kind, use in uses.items()}}
    (folder / "judgement.json").write_text(json.dumps(judgement | named))
    (folder / "backtest.json").write_text(json.dumps(evaluation or example()))
    (folder / "backtest.html").write_text("<h1>Page</h1>")
    names = ("record", "judgement", "backtest")
    options = {name: str(folder / f"{name}.json") for name in names}
    return uses, options | {"symbol": "BTC_USDT", "output": str(folder / "registered.json")}


SETTINGS = {"source_name": "simulated", "timeframe": "5m", "horizon_steps": 3, "language": "es"}


def put_in_use(layout, uses):
    promote(
        layout.models,
        SYMBOL,
        uses,
        source="simulated",
        timeframe="5m",
        horizon_steps=3,
        provisional=False,
        reason="better",
        promoted_at_ms=1_725_597_900_000,
    )


def test_the_script_registers_mirrors_and_completes_the_run(place, register_training):
    layout = place[0]
    uses, options = files_of(place)
    put_in_use(layout, uses)
    register_training(layout, SETTINGS, **options)
    told = json.loads(Path(options["output"]).read_bytes())
    run = parent_of(place)
    assert told == {
        "symbol": SYMBOL,
        "registered": {kind: f"BTC_USDT.5m.simulated.{kind}/1" for kind in KINDS},
        "run_id": run.info.run_id,
        "mlflow_error": None,
    }
    assert divergence(layout, SYMBOL) == []
    assert run.data.metrics["system/train_trend.peak_memory_mb"] == 99
    client = connect(layout.mlflow_db)
    stored = {file.path for file in client.list_artifacts(run.info.run_id)}
    drawings = {"reliability.svg", "importance.svg"}
    assert stored == drawings | {"judgement.json", "backtest.json", "backtest.html"}
    below = {file.path for file in client.list_artifacts(place[2]["trend"])}
    assert below == {"importance-direction.svg", "importance.json", "metadata.json"}


def test_a_locked_database_stops_no_retrain(place, register_training, monkeypatch):
    from bot_cripto.tracking import database

    layout = place[0]
    uses, options = files_of(place)
    put_in_use(layout, uses)
    monkeypatch.setattr(database.locked.__wrapped__, "__defaults__", (0.05,))
    with database.locked(layout.mlflow_db):
        register_training(layout, SETTINGS, **options)
    told = json.loads(Path(options["output"]).read_bytes())
    assert "another process has been recording in MLflow" in told["mlflow_error"]
    assert told["registered"] == {}
    assert len(divergence(layout, SYMBOL)) == len(KINDS)


def test_a_damaged_database_stops_no_retrain(place, register_training):
    layout = place[0]
    _, options = files_of(place)
    layout.mlflow_db.write_bytes(b"garbage" * 1000)
    register_training(layout, SETTINGS, **options)
    told = json.loads(Path(options["output"]).read_bytes())
    assert "mlflow.db" in told["mlflow_error"]


def test_without_any_model_the_champion_is_still_mirrored(place, register_training):
    layout = place[0]
    _, options = files_of(place, evaluation={"symbol": SYMBOL, "skipped": "no"}, skipped=KINDS)
    version = place[1]["trend"]
    put_in_use(layout, {"trend": ModelUse(version.name, version.sha256, None)})
    register_training(layout, SETTINGS, **options)
    told = json.loads(Path(options["output"]).read_bytes())
    assert (told["registered"], told["run_id"], told["mlflow_error"]) == ({}, None, None)
    assert divergence(layout, SYMBOL) == []
