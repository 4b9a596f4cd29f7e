import json
import shutil

import model_market as market
import numpy as np
import pytest

from bot_cripto.errors import ModelError
from bot_cripto.features import catalogue
from bot_cripto.models import reference, version_writer
from bot_cripto.models import version as version_module
from bot_cripto.models.version import (
    check_compatible,
    folder,
    list_versions,
    load_compatible,
    load_version,
)
from bot_cripto.models.version_writer import library_versions, write_version


def write(tmp_path, kind="trend", **changes):
    return write_version(
        tmp_path, market.trained(kind), market.origin(**changes), market.reference_rows()
    )


@pytest.mark.parametrize("kind", ["trend", "return", "risk", "baseline"])
def test_a_version_comes_back_as_it_was_written(tmp_path, kind):
    version = write(tmp_path, kind)
    assert version.path.parent == tmp_path / kind / "BTC_USDT"
    assert version.name == f"20240118T084000Z-{version.sha256[:10]}"
    back = load_compatible(version.path)
    assert back == version
    trained = market.trained(kind)
    assert set(back.files) == {*trained.files, "reference.json"}
    assert back.metadata["calibration"] == trained.metadata["calibration"]
    assert back.metadata["cutoff"] == "2024-01-18T08:40:00Z"
    assert back.metadata["hashes"] == {"data": "d" * 64, "code": "c" * 64, "config": "f" * 64}
    assert back.model().kind == kind


def test_the_same_is_the_same_to_the_byte_and_leaves_nothing_behind(tmp_path):
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    assert one.sha256 == two.sha256
    for name in [*one.files, "metadata.json"]:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
    stamp = one.path.stat().st_mtime_ns
    assert write(tmp_path / "a") == one
    assert one.path.stat().st_mtime_ns == stamp
    assert [p.name for p in one.path.parent.iterdir()] == [one.name]


def test_other_code_is_another_version(tmp_path):
    one, two = write(tmp_path), write(tmp_path, code_sha256="0" * 64)
    assert one.name != two.name
    assert list_versions(tmp_path, "trend", "BTC/USDT") == sorted([one.name, two.name])


@pytest.mark.parametrize("name", ["direction.txt", "reference.json", "metadata.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "altered", "empty"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    path = write(tmp_path).path / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        half = len(content) // 2
        flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        path.write_bytes({"cut": content[:half], "altered": flipped, "empty": b""}[damage])
    with pytest.raises(ModelError, match=name):
        load_version(path.parent)


def test_any_altered_metadata_is_found(tmp_path):
    path = write(tmp_path).path / "metadata.json"
    value = json.loads(path.read_text())
    value["calibration"]["slope"] = 9.0
    path.write_text(json.dumps(value))
    with pytest.raises(ModelError, match=r"metadata\.json was altered"):
        load_version(path.parent)


def test_a_version_under_another_name_is_refused(tmp_path):
    version = write(tmp_path)
    moved = version.path.with_name("20240118T084000Z-0123456789")
    version.path.rename(moved)
    with pytest.raises(ModelError, match="was altered"):
        load_version(moved)


def test_metadata_that_is_no_metadata_is_refused(tmp_path):
    for content in ("[]", "{}", '{"content_sha256": 3, "files": {}, "kind": "trend"}'):
        (tmp_path / "metadata.json").write_text(content)
        with pytest.raises(ModelError, match=r"metadata\.json"):
            load_version(tmp_path)


def test_a_version_of_another_form_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(version_writer, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(version_module, "SCHEMA_VERSION", 2)
    version = write(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="has the form 2, this program reads 1"):
        load_version(version.path)


def test_a_damaged_version_is_written_again(tmp_path):
    version = write(tmp_path)
    (version.path / "direction.txt").write_text("tree")
    assert write(tmp_path) == version
    assert load_version(version.path) == version


def test_a_failed_write_leaves_no_version(tmp_path, monkeypatch):
    from bot_cripto import atomic

    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path)
    assert list(folder(tmp_path, "trend", "BTC/USDT").iterdir()) == []
    assert list_versions(tmp_path, "trend", "BTC/USDT") == []


def test_what_a_killed_run_left_is_no_version_and_is_removed(tmp_path):
    version = write(tmp_path)
    left = version.path.with_name(f".{version.name}.abc.tmp")
    shutil.copytree(version.path, left)
    shutil.rmtree(version.path)
    assert list_versions(tmp_path, "trend", "BTC/USDT") == []
    write(tmp_path)
    assert not left.exists()


def test_versions_of_nothing(tmp_path):
    assert list_versions(tmp_path, "risk", "ETH/USDT") == []


def test_another_timeframe_than_the_training_is_refused(tmp_path):
    with pytest.raises(ModelError, match="trained on 5m candles, its origin says 1h"):
        write(tmp_path, timeframe="1h")


def test_library_versions_are_named():
    assert set(library_versions()) == {"python", "lightgbm", "numpy"}


@pytest.fixture
def fresh_check():
    reference.incompatibility.cache_clear()
    yield
    reference.incompatibility.cache_clear()


def test_todays_features_fit_their_own_version(tmp_path, fresh_check):
    assert check_compatible(write(tmp_path)) is None


def test_rows_equal_those_of_the_whole_history(fresh_check):
    value = json.loads(market.reference_rows())
    stored = reference._decode(value["features"], "<f4").reshape(reference.ROWS, -1)
    assert np.array_equal(stored, market.snapshot().features[-reference.ROWS :])


def test_a_changed_feature_is_named(tmp_path, monkeypatch, fresh_check):
    version = write(tmp_path)
    compute = catalogue.compute

    def changed(candles, timeframe, last=None):
        result = compute(candles, timeframe, last).copy()
        result[-1, 3] = np.nextafter(result[-1, 3], np.float32(9))
        return result

    monkeypatch.setattr(catalogue, "compute", changed)
    assert catalogue.FEATURE_NAMES[3] in check_compatible(version)
    with pytest.raises(ModelError, match="does not fit today's features: today's code computes"):
        load_compatible(version.path)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (catalogue.FEATURE_NAMES[::-1], "order"),
        (catalogue.FEATURE_NAMES[1:], "gone: log_return_1; new: none"),
        ((*catalogue.FEATURE_NAMES, "moon"), "gone: none; new: moon"),
    ],
)
def test_changed_names_are_told(tmp_path, monkeypatch, fresh_check, names, reason):
    version = write(tmp_path)
    monkeypatch.setattr(catalogue, "FEATURE_NAMES", names)
    assert reason in check_compatible(version)


def test_a_changed_window_is_told(tmp_path, monkeypatch, fresh_check):
    version = write(tmp_path)
    window = catalogue.feature_window("5m")
    monkeypatch.setattr(catalogue, "feature_window", lambda timeframe: window + 1)
    assert f"look back {window} candles, today's {window + 1}" in check_compatible(version)


def test_a_reference_that_is_none(fresh_check):
    assert "cannot be read" in reference.incompatibility(b"{}")
    assert "cannot be read" in reference.incompatibility(b"\xff")


def test_one_reference_of_three_kinds_is_computed_once(tmp_path, monkeypatch, fresh_check):
    calls = []
    compute = catalogue.compute
    versions = [write(tmp_path, kind) for kind in ("trend", "return", "risk")]
    monkeypatch.setattr(catalogue, "compute", lambda *a, **k: calls.append(1) or compute(*a, **k))
    assert [check_compatible(v) for v in versions] == [None] * 3
    assert len(calls) == 1


def test_a_window_too_short_for_a_reference_is_refused():
    with pytest.raises(ModelError, match="100 5m candles are too few for a model version"):
        reference.make_reference(market.random_candles(100), "5m")


def test_gaps_in_the_window_are_kept(fresh_check):
    candles = market.random_candles(1500)
    for column in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        column[-3] = np.nan
    assert reference.incompatibility(reference.make_reference(candles, "5m")) is None
