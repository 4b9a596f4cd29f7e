import json

import pytest
from model_market import cutoff, origin, reference_rows, trained

from bot_cripto.errors import ModelError
from bot_cripto.models.bad_marks import bad_path, broken_lines, mark_bad, read_bad
from bot_cripto.models.version import folder
from bot_cripto.models.version_writer import write_version

SYMBOL = "BTC/USDT"
NOW = 1_725_598_000_000


def version(models, day=0):
    at = origin(cutoff_ms=cutoff() + day * 86_400_000)
    return write_version(models, trained("baseline"), at, reference_rows()).name


def mark(models, name, at=0, **changes):
    said = {"reason": "loses", "by": "ana"} | changes
    return mark_bad(models, SYMBOL, "baseline", name, now_ms=NOW + at, **said)


def test_a_mark_holds_until_it_is_taken_back(tmp_path):
    name = version(tmp_path)
    assert read_bad(tmp_path, SYMBOL) == {}
    said = mark(tmp_path, name)
    assert read_bad(tmp_path, SYMBOL) == {("baseline", name): said}
    assert (said.reason, said.by, said.at) == ("loses", "ana", "2024-09-06T04:46:40Z")
    mark(tmp_path, name, at=60_000, bad=False, reason="it was the exchange")
    assert read_bad(tmp_path, SYMBOL) == {}
    assert len(bad_path(tmp_path, SYMBOL).read_text().splitlines()) == 2, "nothing is forgotten"
    assert read_bad(tmp_path, "ETH/USDT") == {}


def test_marks_can_be_read_as_they_were(tmp_path):
    name = version(tmp_path)
    mark(tmp_path, name)
    mark(tmp_path, name, at=60_000, bad=False)
    assert read_bad(tmp_path, SYMBOL, as_of_ms=NOW - 1000) == {}
    assert set(read_bad(tmp_path, SYMBOL, as_of_ms=NOW + 1000)) == {("baseline", name)}
    assert read_bad(tmp_path, SYMBOL, as_of_ms=NOW + 60_000) == {}


def test_saying_it_again_changes_nothing(tmp_path):
    name = version(tmp_path)
    first = mark(tmp_path, name)
    assert mark(tmp_path, name, at=5000, reason="another") == first
    assert len(bad_path(tmp_path, SYMBOL).read_text().splitlines()) == 1


def test_what_does_not_exist_is_refused(tmp_path):
    name = version(tmp_path)
    with pytest.raises(ModelError, match="has no baseline version '2020'"):
        mark(tmp_path, "2020")
    with pytest.raises(ModelError, match="no kind 'mood'"):
        mark_bad(tmp_path, SYMBOL, "mood", name, reason="", by="", now_ms=NOW)
    with pytest.raises(ModelError, match="is not marked bad"):
        mark(tmp_path, name, bad=False)
    assert not bad_path(tmp_path, SYMBOL).exists()


@pytest.mark.parametrize("harm", ["cut", "bytes", "type", "time"])
def test_a_damaged_line_still_refuses_the_version_that_it_names(tmp_path, harm):
    first, second = version(tmp_path), version(tmp_path, 1)
    mark(tmp_path, first)
    path = bad_path(tmp_path, SYMBOL)
    line = path.read_bytes().rstrip(b"\n")
    value = json.loads(line)
    broken = {
        "cut": line[: line.index(b"reason")],
        "bytes": line.replace(b"loses", b"\xff\xfe"),
        "type": json.dumps(value | {"bad": "yes"}).encode(),
        "time": json.dumps(value | {"at": "soon"}).encode(),
    }[harm]
    path.write_bytes(broken)
    mark(tmp_path, second)
    marks = read_bad(tmp_path, SYMBOL)
    assert {("baseline", first), ("baseline", second)} <= set(marks)
    assert "damaged line" in marks["baseline", first].reason
    assert broken_lines(tmp_path, SYMBOL) == 1
    mark(tmp_path, first, bad=False)
    assert ("baseline", first) not in read_bad(tmp_path, SYMBOL), "it can be taken back"


def test_marks_that_cannot_be_read_are_no_absence_of_marks(tmp_path):
    bad_path(tmp_path, SYMBOL).mkdir(parents=True)
    with pytest.raises(ModelError, match="cannot be read"):
        read_bad(tmp_path, SYMBOL)


@pytest.mark.parametrize("version", ["", ".", "..", "../BTC_USDT"])
def test_a_folder_that_is_no_version_is_refused(tmp_path, version):
    (folder(tmp_path, "trend", "BTC/USDT") / "x").mkdir(parents=True)
    with pytest.raises(ModelError, match="has no trend version"):
        mark_bad(tmp_path, "BTC/USDT", "trend", version, reason="r", by="a", now_ms=0)
    assert not bad_path(tmp_path, "BTC/USDT").exists()
