"""What goes wrong must end in a NO_TRADE that says so, harm no other symbol, and heal by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from laboratory import NOW, SMALL, Lab, later

STEP = 300_000


def archive(folder: Path, symbol: str, days: int = 30, until: str = NOW) -> Path:
    """Write candles of the simulated market as a CSV that an operator might have."""
    from bot_cripto.market.candles import concat
    from bot_cripto.market.simulated import SimulatedSource
    from bot_cripto.timeframes import parse_iso

    end = parse_iso(until)
    source = SimulatedSource(3, 0.5)
    candles = concat(list(source.candles(symbol, "5m", end - days * 86_400_000, end)))
    candles = candles.between(0, end // STEP * STEP)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{symbol.replace('/', '_')}-5m.csv"
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = np.column_stack([candles.open_time, *columns])
    np.savetxt(
        path,
        rows,
        delimiter=",",
        header="date,open,high,low,close,volume",
        comments="",
        fmt=["%d"] + ["%.17g"] * 5,
    )
    return path


@pytest.fixture
def archive_lab(tmp_path) -> Lab:
    """A laboratory that lives on files of BTC/USDT, and is asked for ETH/USDT too."""
    archive(tmp_path / "files", "BTC/USDT")
    sources = ("source=archive", f"archive={tmp_path / 'files'}", "symbols=[BTC/USDT,ETH/USDT]")
    return Lab(tmp_path / "state", settings=(*SMALL, *sources))


def test_one_bad_symbol_harms_no_other_and_is_tried_again(archive_lab, tmp_path):
    ran = archive_lab.run()
    assert ran.code == 1, ran.output
    bad, good = archive_lab.signal("ETH_USDT"), archive_lab.signal("BTC_USDT")
    assert bad["decision"] == "NO_TRADE" and bad["prob_up"] is None
    assert "fetch_candles" in bad["reason"] and "ETH/USDT" in bad["reason"]
    assert good["prob_up"] is not None and good["version"]["models"]["trend"] is not None
    assert archive_lab.signal() == good

    again = archive_lab.run()
    assert again.code == 1 and "fetch_candles" in again.rules, "a failed symbol is tried again"

    archive(tmp_path / "files", "ETH/USDT")
    healed = archive_lab.run()
    assert healed.code == 0, healed.output
    assert archive_lab.signal("ETH_USDT")["prob_up"] is not None
    assert archive_lab.run().nothing_to_do


def test_candles_that_end_early_are_no_trade_with_the_reason(archive_lab, tmp_path):
    lab = Lab(archive_lab.state, settings=(*archive_lab.settings, "symbols=[BTC/USDT]"))
    assert lab.run().code == 0
    ran = lab.run(now=later(3))
    assert ran.code == 0
    document = lab.signal()
    assert document["candle_close_time"] == "2024-06-03T12:15:00Z"
    assert document["decision"] == "NO_TRADE"
    fresh = next(g for g in document["gates"] if g["name"] == "data_fresh")
    assert (fresh["value"], fresh["passed"]) == (3, False)
    assert "3" in document["reason"]


def test_too_little_history_is_no_trade_and_no_model(tmp_path):
    archive(tmp_path / "files", "BTC/USDT", days=2)
    lab = Lab(
        tmp_path / "state", settings=(*SMALL, "source=archive", f"archive={tmp_path / 'files'}")
    )
    ran = lab.run()
    assert ran.code == 0, ran.output
    document = lab.signal()
    assert document["decision"] == "NO_TRADE"
    assert not next(g for g in document["gates"] if g["name"] == "inputs_complete")["passed"]
    assert "too few" in ran.output


def test_a_damaged_last_candle_is_refused_and_said(archive_lab, tmp_path):
    lab = Lab(archive_lab.state, settings=(*archive_lab.settings, "symbols=[BTC/USDT]"))
    file = tmp_path / "files" / "BTC_USDT-5m.csv"
    lines = file.read_text().splitlines()
    fields = lines[-1].split(",")
    fields[2] = "1"  # a high below everything else
    file.write_text("\n".join([*lines[:-1], ",".join(fields)]) + "\n")
    ran = lab.run()
    assert ran.code == 0, ran.output
    document = lab.signal()
    assert document["decision"] == "NO_TRADE" and document["position_size"] == 0
    report = json.loads(
        next((lab.state / "data/live").glob("*/*/candles/BTC_USDT.quality.json")).read_text()
    )
    assert sum(report["quarantined"].values()) == 1 and report["stale_candles"] == 1


def break_step(lab: Lab, step: str) -> tuple[Path, str]:
    """Make a step of the workflow fail; return its script and what that was before."""
    path = lab.checkout / "scripts" / f"{step}.py"
    whole = path.read_text()
    failing = f"def {step}(*_, **__):\n    1 / 0\n\n\ndef _was("
    path.write_text(whole.replace(f"def {step}(", failing))
    return path, whole


@pytest.mark.parametrize("step", ["fetch_candles", "build_features", "make_signals"])
def test_a_step_that_fails_leaves_a_no_trade_and_the_next_run_finishes(edited_lab, step):
    path = edited_lab.checkout / "scripts" / f"{step}.py"
    whole = path.read_text()
    path.write_text(
        whole.replace(f"def {step}(", f"def {step}(*_, **__):\n    1 / 0\n\n\ndef _was(")
    )
    ran = edited_lab.run(now=later(1))
    assert ran.code == 1
    document = edited_lab.signal()
    assert document["decision"] == "NO_TRADE" and document["prob_up"] is None
    assert document["candle_close_time"] == "2024-06-03T12:05:00Z"
    assert step in document["reason"] and "ZeroDivisionError" in document["reason"]
    assert edited_lab.signal("BTC_USDT") == document

    path.write_text(whole)
    healed = edited_lab.run(now=later(1))
    assert healed.code == 0, healed.output
    document = edited_lab.signal()
    assert document["prob_up"] is not None and document["revision"] == 1


def test_a_failed_run_never_becomes_nothing_to_be_done(edited_lab):
    """The trap of Snakemake that the candle-stamped paths are there for."""
    path = edited_lab.checkout / "scripts" / "fetch_candles.py"
    whole = path.read_text()
    path.write_text(
        whole.replace(
            "def fetch_candles(", "def fetch_candles(*_, **__):\n    1 / 0\n\n\ndef _was("
        )
    )
    assert [edited_lab.run(now=later(1)).code for _ in range(2)] == [1, 1]
    assert edited_lab.signal()["decision"] == "NO_TRADE"


STEPS = ["fetch_candles", "fetch_history", "build_snapshot", "train_model", "record_training"]
STEPS += ["adopt_models", "build_features", "make_signals"]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_any_step_leaves_the_store_readable_and_the_next_finishes(empty_lab, step):
    lab = empty_lab
    process = lab.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if f"rule {step}:" in line:
                break
        else:
            pytest.fail(f"{step} never began")
        time.sleep(0.4)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    from bot_cripto.market.store import CandleStore

    for folder in (lab.state / "data" / "candles").glob("*"):
        market, _, timeframe = folder.name.rpartition("-")
        CandleStore(lab.state / "data" / "candles", market, timeframe).read("BTC/USDT", 0, 2**62)
    ran = lab.run()
    assert ran.code == 0, ran.output
    champion = json.loads((lab.state / "models/champion/BTC_USDT.json").read_text())
    assert set(champion["kinds"]) == {"trend", "return", "risk", "baseline"}
    assert lab.signal()["version"]["models"]["trend"] == champion["kinds"]["trend"]
    assert lab.run().nothing_to_do


def test_a_first_run_killed_between_two_models_is_finished_by_the_next(empty_lab):
    lab = empty_lab
    process = lab.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "(Rule: train_model)" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list((lab.state / "models").glob("*/BTC_USDT/*")), "a version had been written"
    ran = lab.run()
    assert ran.code == 0, ran.output
    assert lab.signal()["version"]["models"]["trend"] is not None


def test_mlflow_in_ruins_keeps_no_signal_from_its_models(empty_lab):
    lab = empty_lab
    (lab.state / "logs").mkdir(parents=True)
    (lab.state / "logs" / "mlflow.db").write_text("this is no database")
    ran = lab.run()
    assert ran.code == 0, ran.output
    assert "not recorded in MLflow" in ran.output
    document = lab.signal()
    assert document["prob_up"] is not None
    assert document["version"]["models"]["trend"]["mlflow_run_id"] is None
    (lab.state / "logs" / "mlflow.db").unlink()
    assert lab.run("retrain").code == 0
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{lab.state / 'logs' / 'mlflow.db'}")
    assert any(e.name == "BTC/USDT 5m simulated" for e in client.search_experiments())


def test_a_terminated_run_ends_and_says_so(empty_lab):
    """SIGTERM while jobs finish: Snakemake's own handler could wait for itself for ever."""
    process = empty_lab.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "(Rule: train_model)" in line:
            break
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 1, out
    assert empty_lab.signal()["decision"] == "NO_TRADE"
    assert empty_lab.run().code == 0


def test_a_second_run_of_a_role_waits_for_the_first(empty_lab):
    first = empty_lab.start()
    time.sleep(2.5)
    second = empty_lab.start("signal")
    out1, _ = first.communicate(timeout=200)
    out2, _ = second.communicate(timeout=200)
    assert first.returncode == 0, out1
    if second.returncode:
        assert "another signal run is at work (process" in out2
    else:
        assert "Nothing to be done" in out2 or "Finished" not in out2
    assert out1.count("(Rule: train_model)") == 4


def test_the_second_run_says_who_holds_the_lock(lab):
    from bot_cripto.locks import lock_run

    held = lock_run(lab.state / "locks", "signal")
    began = time.monotonic()
    ran = lab.run(now=later(1))
    held.close()
    assert ran.code == 1 and time.monotonic() - began > 20
    assert f"process {os.getpid()}" in ran.output
    assert lab.signal()["candle_close_time"] == "2024-06-03T12:00:00Z", "not ours to replace"
    assert lab.run("signal", "-n", now=later(1)).code == 0, "a dry run takes no lock"


def test_a_new_symbol_waits_for_a_retrain_and_harms_no_other(lab):
    from bot_cripto.locks import lock_run

    both = ("symbols=[BTC/USDT,ETH/USDT]",)
    held = lock_run(lab.state / "locks", "retrain")
    ran = lab.run(now=later(1), settings=both)
    assert ran.code == 0, ran.output
    assert "train_model" not in ran.rules
    assert lab.signal("BTC_USDT")["prob_up"] is not None
    assert "No trend/return/risk models" in lab.signal("ETH_USDT")["reason"]
    held.close()
    ran = lab.run(now=later(2), settings=both)
    assert ran.code == 0 and ran.rules.count("train_model") == 1
    assert lab.signal("ETH_USDT")["prob_up"] is not None


def test_signal_runs_while_retrain_trains(lab):
    retrain = lab.start("retrain", now=later(288))
    assert retrain.stdout is not None
    for line in retrain.stdout:
        if "rule train_model:" in line:
            break
    else:
        pytest.fail("no training began")
    ran = lab.run(now=later(289))
    out, _ = retrain.communicate(timeout=200)
    assert ran.code == 0, ran.output
    assert ran.rules == ["build_features", "fetch_candles", "make_signals"]
    assert retrain.returncode == 0, out


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("prob_mn=0.7",), "prob_mn is unknown; the nearest valid key is prob_min"),
        (("timeframe=7m",), "timeframe"),
        (("symbols=[BTCUSDT]",), "BASE/QUOTE"),
        (("source=exchange", "exchange=binanse"), "binance"),
        (("training_cutoff=2099-01-01",), "training_cutoff"),
        (("as_of=2099-01-01",), "lies in the future"),
        (("as_of=yesterday",), "ISO 8601"),
    ],
)
def test_a_configuration_error_exits_2_and_says_so_where_the_operator_looks(lab, settings, words):
    data = sorted((lab.state / "data").rglob("*"))
    ran = lab.run(settings=settings)
    assert ran.code == 2, ran.output
    assert words in ran.output
    document = lab.signal()
    assert document["decision"] == "NO_TRADE" and words in document["reason"]
    assert sorted((lab.state / "data").rglob("*")) == data
    assert lab.run().code == 0
    assert lab.signal()["prob_up"] is not None, "the next good run puts the signal back"


@pytest.mark.parametrize("now", ["garbage", "2099-01-01T00:00:00Z"])
def test_a_clock_that_is_configured_wrongly_is_a_configuration_error(lab, now):
    ran = lab.run(now=now)
    assert ran.code == 2 and "Traceback" not in ran.output
    assert "BOT_CRIPTO_NOW" in lab.signal()["reason"]


def test_a_fault_in_the_env_file_is_said_in_the_right_place(lab, tmp_path):
    file = tmp_path / "bot.env"
    file.write_text("PROB_MINN=0.7\n")
    lab.environment["BOT_CRIPTO_ENV_FILE"] = str(file)
    ran = lab.run()
    assert ran.code == 2
    assert "PROB_MINN" in lab.signal()["reason"]
    assert not (lab.checkout / "logs").exists() or "PROB_MINN" not in str(
        [p.read_text() for p in (lab.checkout / "logs").glob("signal.json")]
    )


def test_late_candles_are_looked_for_again_within_the_candle(archive_lab, tmp_path):
    lab = Lab(archive_lab.state, settings=(*archive_lab.settings, "symbols=[BTC/USDT]"))
    assert lab.run().code == 0
    assert lab.run(now=later(2)).code == 0
    assert not next(g for g in lab.signal()["gates"] if g["name"] == "data_fresh")["passed"]
    archive(tmp_path / "files", "BTC/USDT", until=later(2))
    assert lab.run(now=later(2)).code == 0
    assert next(g for g in lab.signal()["gates"] if g["name"] == "data_fresh")["passed"]
    assert lab.run(now=later(2)).nothing_to_do


def test_folders_with_spaces_and_apart_from_each_other(tmp_path):
    lab = Lab(tmp_path / "the state")
    lab.environment = {
        "DATA_DIR": str(tmp_path / "my data"),
        "LOGS_DIR": str(tmp_path / "the logs"),
        "MODELS_DIR": str(tmp_path / "some models"),
    }
    ran = lab.run()
    assert ran.code == 0, ran.output
    assert json.loads((tmp_path / "the logs" / "signal.json").read_text())["prob_up"] is not None
    assert lab.run().nothing_to_do


def test_a_dry_run_of_a_faulty_configuration_changes_nothing(lab):
    before = (lab.state / "logs" / "signal.json").read_bytes()
    assert lab.run("signal", "-n", settings=("prob_mn=0.7",)).code == 2
    assert (lab.state / "logs" / "signal.json").read_bytes() == before


def test_a_lost_champion_file_is_restored_and_nothing_is_trained(lab):
    champion = lab.state / "models" / "champion" / "BTC_USDT.json"
    before = json.loads(champion.read_text())
    champion.unlink()
    ran = lab.run(now=later(1))
    assert ran.code == 0, ran.output
    assert "train_model" not in ran.rules and "restored from history" in ran.output
    assert json.loads(champion.read_text())["kinds"] == before["kinds"]
    assert lab.signal()["prob_up"] is not None


def test_without_any_model_the_text_of_the_runbook_appears(lab):
    for kind in ("trend", "return", "risk", "baseline"):
        shutil.rmtree(lab.state / "models" / kind)
    ran = lab.run(now=later(1))
    assert "No trend/return/risk models or baseline model found" in lab.signal()["reason"]
    assert ran.code == 0


def test_an_altered_model_is_not_used(lab):
    trend = next((lab.state / "models" / "trend" / "BTC_USDT").glob("*/direction.txt"))
    trend.write_text(trend.read_text().replace("leaf_value=", "leaf_value=9", 1))
    assert lab.run(now=later(1)).code == 0
    document = lab.signal()
    assert "altered" in document["reason"] and "aseline" in document["reason"]


def test_a_full_disk_leaves_what_was_there(lab, tmp_path):
    """The state lies on a tiny file system of its own; needs the right to mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(f.stat().st_size for f in lab.state.rglob("*") if f.is_file())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size + 2_000_000}", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        shutil.copytree(lab.state, disk / "state")
        full = Lab(disk / "state")
        filler = disk / "filler"
        with filler.open("wb") as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        ran = full.run(now=later(1))
        assert ran.code == 1
        assert "No space left" in ran.output
        filler.unlink()
        healed = full.run(now=later(1))
        assert healed.code == 0, healed.output
        assert full.signal()["candle_close_time"] == "2024-06-03T12:05:00Z"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
