import fcntl
import json
import multiprocessing
import sqlite3
from dataclasses import replace

import model_market as market
import pytest

from bot_cripto.errors import BusyError, DataError
from bot_cripto.models.version_writer import write_version
from bot_cripto.tracking import database
from bot_cripto.tracking.client import prepare, tracking_uri
from bot_cripto.tracking.runs import record_training, training_record

NOW = "2024-09-06T04:45:00Z"


@pytest.fixture
def place(tracking_db, tmp_path, monkeypatch):
    monkeypatch.setenv("BOT_CRIPTO_NOW", NOW)
    return tracking_db, tmp_path / "artefacts"


def records(tmp_path, kinds=("trend", "risk")):
    result = []
    for kind in kinds:
        trained = market.trained(kind)
        version = write_version(
            tmp_path / "models", trained, market.origin(), market.reference_rows()
        )
        result.append(training_record(version, trained.importance))
    return result


def client(place):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri(place[0]))


def test_a_training_is_recorded_whole(place, tmp_path):
    trend, risk = records(tmp_path)
    runs = record_training(*place, "bot-cripto", "BTC/USDT 5m", [trend, risk])
    assert set(runs) == {"trend", "risk"}
    run = client(place).get_run(runs["trend"])
    assert run.info.status == "FINISHED"
    assert run.info.start_time == 1_725_597_900_000
    assert run.data.metrics == pytest.approx(market.trained("trend").metrics)
    assert run.data.params["learning_rate"] == "0.1"
    assert run.data.params["horizon_steps"] == "3"
    assert "rounds.direction" in run.data.params
    assert "calibration.slope" in run.data.params
    tags = run.data.tags
    assert tags["model_version"] == trend.version
    assert tags["model_sha256"] == trend.sha256
    assert tags["code_sha256"] == "c" * 64
    assert tags["config_sha256"] == "f" * 64
    assert tags["data_sha256"] == "d" * 64
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 36
    parent = client(place).get_run(tags["mlflow.parentRunId"])
    assert parent.info.run_name == "BTC/USDT 5m"
    assert parent.info.status == "FINISHED"
    folder = place[1] / runs["trend"] / "artifacts"
    stored = json.loads((folder / "importance.json").read_text())
    assert stored == market.trained("trend").importance
    shares = list(stored["direction"].values())
    assert shares == sorted(shares, reverse=True)
    assert json.loads((folder / "metadata.json").read_text())["kind"] == "trend"


def test_the_same_version_is_recorded_once(place, tmp_path):
    first, second = records(tmp_path)
    one = record_training(*place, "bot-cripto", "a", [first])
    both = record_training(*place, "bot-cripto", "b", [first, second])
    assert both["trend"] == one["trend"]
    assert record_training(*place, "bot-cripto", "c", [first, second]) == both
    experiment = client(place).get_experiment_by_name("bot-cripto").experiment_id
    assert len(client(place).search_runs([experiment])) == 4


def test_a_run_that_was_cut_short_is_recorded_again(place, tmp_path, monkeypatch):
    (record,) = records(tmp_path, ["trend"])
    from mlflow import MlflowClient

    def cut(self, *arguments, **options):
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, "log_artifacts", cut)
        with pytest.raises(RuntimeError, match="killed"):
            record_training(*place, "bot-cripto", "a", [record])
    runs = record_training(*place, "bot-cripto", "a", [record])
    assert client(place).get_run(runs["trend"]).info.status == "FINISHED"


def test_many_parameters_go_in_batches(place, tmp_path):
    (record,) = records(tmp_path, ["trend"])
    many = replace(record, params={f"p{i}": "x" * 6000 for i in range(230)})
    runs = record_training(*place, "bot-cripto", "a", [many])
    params = client(place).get_run(runs["trend"]).data.params
    assert len(params) == 230
    assert {len(value) for value in params.values()} == {5000}


@pytest.mark.parametrize("name", ["EXCHANGE_API_KEY", "telegram_bot_token", "password"])
def test_secrets_are_not_recorded(place, tmp_path, name):
    (record,) = records(tmp_path, ["trend"])
    for change in ({"params": {name: "x"}}, {"tags": {name: "x"}}):
        with pytest.raises(ValueError, match=f"{name} looks like a secret"):
            record_training(*place, "bot-cripto", "a", [replace(record, **change)])


def test_the_database_is_in_write_ahead_mode_and_prepared_again_at_will(prepared_db):
    prepare(prepared_db)
    with sqlite3.connect(prepared_db) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)


def test_processes_that_prepare_at_once_do_not_harm_each_other(tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=prepare, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def artefacts(place, run_id):
    return sorted(f.path for f in client(place).list_artifacts(run_id))


def test_after_the_state_has_moved_new_artefacts_go_to_the_new_place(place, tmp_path):
    first, second = records(tmp_path)
    one = record_training(*place, "BTC/USDT 5m", "a", [first])
    old, new = tmp_path / "artefacts", tmp_path / "elsewhere" / "my artefacts"
    new.parent.mkdir()
    old.rename(new)
    moved = (place[0], new)
    two = record_training(*moved, "BTC/USDT 5m", "b", [first, second])
    assert two["trend"] == one["trend"]
    assert not old.exists()
    assert {p.name for p in new.iterdir()} == {one["trend"], two["risk"]}
    for run_id in two.values():
        assert artefacts(moved, run_id) == ["importance.json", "metadata.json"]
    # all runs are of one experiment, and parents without artefacts keep theirs
    experiment = client(place).get_experiment_by_name("BTC/USDT 5m")
    assert experiment.artifact_location == new.as_uri()
    assert len(client(place).search_runs([experiment.experiment_id])) == 4


def test_artefacts_that_stayed_are_still_found_there(place, tmp_path):
    first, second = records(tmp_path)
    one = record_training(*place, "bot-cripto", "a", [first])
    other = (place[0], tmp_path / "other")
    two = record_training(*other, "bot-cripto", "b", [second])
    for run_id in (one["trend"], two["risk"]):
        assert artefacts(place, run_id) == ["importance.json", "metadata.json"]
    assert [p.name for p in other[1].iterdir()] == [two["risk"]]


def test_another_process_is_waited_for_but_not_for_ever(tmp_path):
    path = tmp_path / "mlflow.db"
    with (tmp_path / "mlflow.db.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            pytest.raises(BusyError, match=r"mlflow\.db\.lock: another process has been recording"),
            database.locked(path, wait_s=0.1),
        ):
            pass
    with database.locked(path, wait_s=0.1):
        assert not path.exists()


def refused(path):
    """Return the one line with which the database is refused."""
    with pytest.raises(DataError) as caught:
        prepare(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"garbage" * 1000)
    assert "file is not a database" in refused(path)
    assert "move it aside: the next training starts a new one" in refused(path)
    assert path.read_bytes() == b"garbage" * 1000


def test_a_database_with_damaged_pages_is_named(place):
    content = bytearray(place[0].read_bytes())
    content[4096 : len(content) // 2] = b"\xaa" * (len(content) // 2 - 4096)
    place[0].write_bytes(content)
    assert "move it aside" in refused(place[0])


def test_a_database_of_a_newer_mlflow_is_named(place):
    with sqlite3.connect(place[0]) as connection:
        connection.execute("update alembic_version set version_num = 'ffffffffffff'")
    assert "move it aside" in refused(place[0])


def test_a_database_that_cannot_be_written_is_named(place, tmp_path, monkeypatch):
    (record,) = records(tmp_path, ["trend"])
    real = sqlite3.connect

    def read_only(path, **options):
        return real(f"file:{path}?mode=ro", uri=True, **options)

    with monkeypatch.context() as locked_out:
        locked_out.setattr(database.sqlite3, "connect", read_only)
        assert "attempt to write a readonly database" in refused(place[0])
        with pytest.raises(DataError, match="make room or access there, then run again"):
            record_training(*place, "bot-cripto", "a", [record])
    (tmp_path / "file").write_text("")
    assert "make room or access there" in refused(tmp_path / "file" / "mlflow.db")


def test_artefacts_that_cannot_be_written_are_named(place, tmp_path):
    (record,) = records(tmp_path, ["trend"])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"MLflow cannot record there .*file"):
        record_training(place[0], tmp_path / "file" / "x", "bot-cripto", "a", [record])
