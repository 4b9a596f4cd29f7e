"""A symbol that is too young for a backtest: what is written, published and returned of it."""

import importlib.util
import json
import logging
import sys
from pathlib import Path
from xml.etree import ElementTree

import model_market as market
import pytest

from bot_cripto.backtest.report_html import html, no_result
from bot_cripto.config.schema import Settings
from bot_cripto.errors import ConfigError, DataError, ModelError
from bot_cripto.layout import Layout
from bot_cripto.models.fold_file import write_fold, write_no_fold
from bot_cripto.models.snapshot import write_snapshot
from bot_cripto.models.walk_forward import Fold, run_fold
from bot_cripto.workflow.runs import Run

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
WHY = "1200 usable rows are too few for 2 folds; fetch more history (HISTORY_DAYS) & wait"
SETTINGS = Settings().model_dump(mode="json") | {"source_name": "simulated", "market": "x"}
OLD = '{"symbol": "BTC/USDT", "auc": 0.53}'


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture
def layout(tmp_path):
    return Layout(*(tmp_path / name for name in ("data", "models", "logs", "locks")), "x")


@pytest.fixture
def young(tmp_path):
    """A snapshot and the folds that there are not."""
    write_snapshot(market.snapshot(), tmp_path / "snapshot.parquet")
    for name in ("before", "0", "1"):
        write_no_fold(tmp_path / f"{name}.json", WHY)
    return tmp_path


def walk(layout, folder):
    before, *folds = (str(folder / f"{name}.json") for name in ("before", "0", "1"))
    snapshot, output = str(folder / "snapshot.parquet"), str(folder / "thresholds.json")
    script("walk_thresholds")(layout, SETTINGS, "BTC_USDT", snapshot, before, folds, output)
    return json.loads((folder / "thresholds.json").read_text())


def test_every_step_says_why_and_none_fails(layout, young):
    assert walk(layout, young) == {"symbol": "BTC/USDT", "skipped": WHY}
    output = young / "backtest.json"
    files = [str(young / name) for name in ("snapshot.parquet", "none", "none", "thresholds.json")]
    snapshot, fold, audit, thresholds = files
    for language, words in (("en", "There is no backtest"), ("es", "No hay backtest")):
        settings = SETTINGS | {"language": language}
        script("backtest_symbol")(
            layout, settings, "BTC_USDT", snapshot, [fold], audit, thresholds, str(output)
        )
        assert json.loads(output.read_text()) == {"symbol": "BTC/USDT", "skipped": WHY}
        page = output.with_suffix(".html").read_text()
        text = "".join(ElementTree.fromstring(page.split("\n", 1)[1]).itertext())
        assert f"{words}: {WHY}." in text and "BTC/USDT" in text
    assert not layout.mlflow_db.exists(), "nothing was tried"
    with pytest.raises(DataError, match="BTC/USDT: 1200 usable rows are too few"):
        script("tune_symbol")(layout, SETTINGS, "BTC_USDT", thresholds, str(young / "t.json"))
    assert not (young / "t.json").exists()


def test_a_history_that_could_not_be_fetched_is_said(layout, young):
    (young / "snapshot.parquet").write_bytes(b"")
    assert "could not be fetched" in walk(layout, young)["skipped"]


def test_a_fold_of_another_snapshot_is_a_failure(layout, young):
    fold = run_fold(market.data(), market.SETTINGS, Fold(0, 0, 2000, 2500, 3000))
    write_fold(young / "0.json", fold, "0" * 64)
    with pytest.raises(ModelError, match="belongs to another snapshot"):
        walk(layout, young)


def test_the_page_speaks_the_languages_of_the_report():
    for make in (lambda: no_result("BTC/USDT", "x", "fr"), lambda: html({}, "fr")):
        with pytest.raises(ConfigError, match="'fr'; choose one of: en, es"):
            make()
    assert "&lt;b&gt;" in no_result("BTC/USDT", "<b>", "en")


@pytest.fixture
def run(layout, tmp_path):
    """A run that will publish the backtests of two symbols."""
    logger = logging.Logger("test", logging.DEBUG)
    run = Run(layout, {"symbols": ["BTC/USDT"]}, "c", "c", {"config_sha256": "0"}, logger)
    for symbol, text in (
        ("BTC_USDT", json.dumps({"symbol": "BTC/USDT", "skipped": WHY})),
        ("ETH_USDT", '{"symbol": "ETH/USDT", "auc": 0.55}'),
    ):
        for folder in ("made", "reports"):
            (tmp_path / folder / symbol).mkdir(parents=True)
        for name in ("backtest.json", "backtest.html"):
            made, published = (tmp_path / f / symbol / name for f in ("made", "reports"))
            made.write_text(text if name.endswith("json") else "a page")
            published.write_text(OLD)
            run.copies[made] = published
    return run


@pytest.mark.parametrize("asked", [True, False])
def test_no_result_replaces_no_report_and_fails_where_it_was_asked_for(run, tmp_path, asked):
    if asked:
        run.asked = {path.with_suffix("") for path in run.copies}
    said = logging.Handler()
    lines = []
    said.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    run.logger.addHandler(said)
    assert run.close() == int(asked)
    assert lines == [("ERROR" if asked else "WARNING", f"no backtest: BTC/USDT: {WHY}")]
    for name in ("backtest.json", "backtest.html"):
        assert (tmp_path / "reports" / "BTC_USDT" / name).read_text() == OLD
        made = (tmp_path / "made" / "ETH_USDT" / name).read_text()
        assert (tmp_path / "reports" / "ETH_USDT" / name).read_text() == made


@pytest.mark.parametrize(
    ("words", "overrides", "again"),
    [
        ((), None, ()),
        (("--cutoff", "2024-05-01"), {"training_cutoff": "2024-05-01T00:00:00Z"}, ()),
        (("--force",), None, ("build_snapshot",)),
    ],
)
def test_retrain_passes_its_options_on(monkeypatch, words, overrides, again):
    from bot_cripto import cli
    from bot_cripto.workflow import runner

    calls = []
    monkeypatch.setattr(runner, "run_target", lambda *a, **k: calls.append((a, k)) or 0)
    with pytest.raises(SystemExit) as ended:
        cli.main(["retrain", *words])
    assert ended.value.code == 0
    assert calls == [
        (("retrain",), {"overrides": overrides, "dry_run": False, "again": again}),
    ]


@pytest.mark.parametrize(
    ("cutoff", "words"),
    [("tomorrow", "no ISO 8601 time"), ("2124-05-01", "lies after now, 2024-06-03T12:00:30Z")],
)
def test_a_cutoff_that_is_none_is_refused_before_anything_runs(monkeypatch, capsys, cutoff, words):
    from bot_cripto import cli

    monkeypatch.setenv("BOT_CRIPTO_NOW", "2024-06-03T12:00:30Z")
    with pytest.raises(SystemExit) as ended:
        cli.main(["retrain", "--cutoff", cutoff])
    assert ended.value.code == 2 and words in capsys.readouterr().err


def test_the_command_names_what_runs_again(monkeypatch):
    from bot_cripto.workflow import runner

    calls = []
    done = type("Done", (), {"returncode": 5})
    monkeypatch.setattr(runner.subprocess, "run", lambda c, **k: calls.append(c) or done)
    assert runner.run_target("retrain", overrides={"a": "b"}, again=("build_snapshot",)) == 5
    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "snakemake", "retrain"]
    place = command.index("--forcerun")
    assert command[place + 1 :] == ["build_snapshot", "--config", "a=b"]
