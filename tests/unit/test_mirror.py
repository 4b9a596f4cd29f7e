import pytest
from lifecycle_state import SYMBOL, layout, put, use

from bot_cripto.lifecycle import mirror as mirrors
from bot_cripto.lifecycle.mirror import mirror


@pytest.fixture
def at(tmp_path):
    return layout(tmp_path)


def test_where_there_is_nothing_to_tell_nothing_fails(at):
    assert mirror(at, SYMBOL) is None


def test_a_registry_that_cannot_be_told_is_a_sentence_with_a_remedy(at):
    put(at, {"baseline": use(at, 0)}, 0)
    at.mlflow_db.parent.mkdir(parents=True)
    at.mlflow_db.write_bytes(b"no database" * 100)
    said = mirror(at, SYMBOL)
    assert str(at.mlflow_db) in said and "not a database" in said and "doctor --fix" in said
    assert "\n" not in said


def test_a_process_that_hangs_is_a_sentence_too(at, monkeypatch):
    monkeypatch.setattr(mirrors, "TIMEOUT_S", 0.001)
    assert "timed out" in mirror(at, SYMBOL)
