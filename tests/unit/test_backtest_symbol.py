"""The job of the backtest: what it records in MLflow, and when it refuses to begin."""

import importlib.util
import json
from pathlib import Path

import model_market as market
import pytest

from bot_cripto.config.schema import Settings
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import write_fold
from bot_cripto.models.snapshot import write_snapshot
from bot_cripto.models.walk_forward import walk_forward
from bot_cripto.timeframes import iso
from bot_cripto.tracking.client import connect
from bot_cripto.tracking.trial import Trial, trial_sha256
from bot_cripto.tracking.trials import known_trials, record_trials

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "backtest_symbol.py"
SETTINGS = Settings().model_dump(mode="json") | {
    "source_name": "simulated",
    "market": "simulated-19-0.35-0",
    "folds": 2,
    "horizon_steps": market.SETTINGS.horizon_steps,
}


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("script_backtest_symbol", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.backtest_symbol


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the jobs before it left."""
    folder = tmp_path_factory.mktemp("evaluation")
    digest = write_snapshot(market.snapshot(), folder / "snapshot.parquet")
    folds = walk_forward(market.data(), market.SETTINGS, 2)
    paths = [folder / f"{fold.fold.number}.json" for fold in folds]
    for path, fold in zip(paths, folds, strict=True):
        write_fold(path, fold, digest)
    (folder / "audit.json").write_text('{"alarms": [], "suspect": false}')
    walks = {"thresholds": [{}], "days": [], "returns": [], "trades": []}
    walks |= {"fold_starts": [0], "until": 0}
    (folder / "thresholds.json").write_text(json.dumps(walks))
    names = ("audit.json", "thresholds.json")
    first = str(folder / "snapshot.parquet")
    return first, list(map(str, paths)), *(str(folder / name) for name in names)


@pytest.fixture
def layout(tmp_path):
    return Layout(*(tmp_path / name for name in ("data", "models", "logs", "locks")), "x")


def test_what_was_tried_is_recorded_and_counted_by_the_next(
    run, files, layout, tmp_path, tracking_db
):
    layout.mlflow_db.parent.mkdir()
    tracking_db.rename(layout.mlflow_db)
    name, output = SETTINGS["market"], tmp_path / "backtest.json"
    for place in (SETTINGS, SETTINGS | {"language": "es"}):
        run(layout, place, "BTC_USDT", *files, str(output))
        assert json.loads(output.read_text())["trials"] == 1
    scanned = Trial("f" * 64, "scan", "1h", 12, 0.2)
    record_trials(layout.mlflow_db, layout.mlflow_artifacts, "BTC/USDT", name, [scanned], "2024")
    run(layout, SETTINGS | {"prob_min": 0.55}, "BTC_USDT", *files, str(output))
    result = json.loads(output.read_text())
    assert result["trials"] == 3
    known = known_trials(layout.mlflow_db, "BTC/USDT", name)
    assert len(known) == 3 and known["f" * 64] == 0.2
    assert known[trial_sha256(SETTINGS | {"prob_min": 0.55})] == result["day_sharpe"]
    client = connect(layout.mlflow_db)
    experiment = client.get_experiment_by_name(f"BTC/USDT {name} backtests")
    (newest,) = client.search_runs([experiment.experiment_id], "params.prob_min = '0.55'")
    assert newest.data.metrics["auc"] == pytest.approx(result["auc"])
    assert newest.data.tags["cutoff"] == iso(market.cutoff())
    kept = layout.mlflow_artifacts / newest.info.run_id / "artifacts"
    assert (kept / "backtest.json").read_bytes() == output.read_bytes()
    assert (kept / "backtest.html").read_bytes() == output.with_suffix(".html").read_bytes()


def test_a_record_that_cannot_be_read_ends_it_before_there_is_a_result(
    run, files, layout, tmp_path
):
    layout.mlflow_db.parent.mkdir(parents=True)
    layout.mlflow_db.write_bytes(b"garbage" * 1000)
    with pytest.raises(DataError, match=r"mlflow\.db.* move it aside to begin to count anew"):
        run(layout, SETTINGS, "BTC_USDT", *files, str(tmp_path / "backtest.json"))
    assert not list(tmp_path.glob("backtest.*"))
    assert layout.mlflow_db.read_bytes() == b"garbage" * 1000
