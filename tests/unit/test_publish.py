import json

import pytest
from signal_examples import BULL, CLOSE_MS, FACTS, GOOD, UP, document

from bot_cripto.decision import Policy
from bot_cripto.errors import DataError
from bot_cripto.signals.document import Facts, failure
from bot_cripto.signals.publish import (
    SKIPPED,
    UNCHANGED,
    WRITTEN,
    publish,
    publish_failure,
    signal_path,
)

BTC, ETH = "BTC/USDT", "ETH/USDT"
STEP = 300_000
NOW_MS = CLOSE_MS + 10 * STEP


def read(path):
    return json.loads(path.read_text())


def actions(publications):
    return [publication.action for publication in publications]


def test_every_symbol_has_its_file_and_the_first_one_is_signal_json(tmp_path):
    documents = {ETH: document(symbol=ETH), BTC: document()}
    done = publish(documents, tmp_path, BTC, NOW_MS)
    assert actions(done) == [WRITTEN] * 3
    assert read(tmp_path / "signals" / "ETH_USDT.json") == documents[ETH]
    assert read(tmp_path / "signals" / "BTC_USDT.json") == documents[BTC]
    assert read(tmp_path / "signal.json") == documents[BTC]
    text = (tmp_path / "signal.json").read_text()
    assert text.startswith('{\n  "schema_version": 1,\n  "ts"') and text.endswith("}\n")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "BTC_USDT.json",
        "ETH_USDT.json",
        "signal.json",
    ]


def test_what_says_the_same_is_not_written_again(tmp_path):
    publish({BTC: document()}, tmp_path, BTC, NOW_MS)
    path = signal_path(tmp_path)
    inode = path.stat().st_ino
    done = publish({BTC: document(made_ms=CLOSE_MS + 9_000)}, tmp_path, BTC, NOW_MS)
    assert actions(done) == [UNCHANGED] * 2
    assert path.stat().st_ino == inode and read(path) == document()


def test_a_deleted_file_comes_back_by_itself(tmp_path):
    publish({BTC: document()}, tmp_path, BTC, NOW_MS)
    signal_path(tmp_path).unlink()
    assert actions(publish({BTC: document()}, tmp_path, BTC, NOW_MS)) == [UNCHANGED, WRITTEN]
    assert read(signal_path(tmp_path)) == document()


def test_the_same_candle_decided_again_replaces_the_file(tmp_path):
    publish({BTC: document()}, tmp_path, BTC, NOW_MS)
    again = document(policy=Policy(prob_min=0.7), revision=1)
    assert actions(publish({BTC: again}, tmp_path, BTC, NOW_MS)) == [WRITTEN] * 2
    failed = failure("fetch", "no answer", FACTS, Policy())
    publish({BTC: failed}, tmp_path, BTC, NOW_MS)
    assert read(signal_path(tmp_path))["decision"] == "NO_TRADE"


def test_an_older_candle_does_not_replace_a_newer_one(tmp_path):
    newer = document(candle_close_ms=CLOSE_MS + STEP)
    publish({BTC: newer}, tmp_path, BTC, NOW_MS)
    done = publish({BTC: document()}, tmp_path, BTC, NOW_MS)
    assert actions(done) == [SKIPPED] * 2
    assert "04:45:00Z is older" in done[0].reason and "04:50:00Z" in done[0].reason
    assert read(signal_path(tmp_path)) == read(signal_path(tmp_path, BTC)) == newer


@pytest.mark.parametrize("deleted", [None, BTC])
def test_a_deleted_file_is_not_brought_back_older(tmp_path, deleted):
    publish({BTC: document(candle_close_ms=CLOSE_MS + STEP)}, tmp_path, BTC, NOW_MS)
    signal_path(tmp_path, deleted).unlink()
    assert actions(publish({BTC: document()}, tmp_path, BTC, NOW_MS)) == [SKIPPED] * 2
    assert not signal_path(tmp_path, deleted).exists()


@pytest.mark.parametrize("other", [{"source": "binance"}, {"timeframe": "1h"}])
def test_another_source_or_timeframe_begins_anew(tmp_path, other):
    publish({BTC: document(candle_close_ms=CLOSE_MS + STEP)}, tmp_path, BTC, NOW_MS)
    assert actions(publish({BTC: document(**other)}, tmp_path, BTC, NOW_MS)) == [WRITTEN] * 2


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff\xfe", b'{"candle_close_time": 5}'])
def test_a_damaged_file_is_replaced(tmp_path, garbage):
    signal_path(tmp_path).write_bytes(garbage)
    assert actions(publish({BTC: document()}, tmp_path, BTC, NOW_MS)) == [WRITTEN] * 2
    assert read(signal_path(tmp_path)) == document()


def test_one_bad_document_does_not_keep_the_others_back(tmp_path):
    bad = {**document(symbol=ETH), "prob_up": 7}
    with pytest.raises(DataError, match=r"ETH/USDT.*prob_up is 7"):
        publish({ETH: bad, BTC: document()}, tmp_path, BTC, NOW_MS)
    assert read(signal_path(tmp_path)) == document()
    assert not signal_path(tmp_path, ETH).exists()


def test_a_bad_first_document_leaves_no_signal_json(tmp_path):
    with pytest.raises(DataError, match="BTC/USDT"):
        publish({BTC: {}, ETH: document(symbol=ETH)}, tmp_path, BTC, NOW_MS)
    assert not signal_path(tmp_path).exists()
    assert signal_path(tmp_path, ETH).exists()


def test_a_document_of_another_symbol_or_no_first_one_is_refused(tmp_path):
    with pytest.raises(DataError, match="handed in for ETH/USDT"):
        publish({ETH: document()}, tmp_path, ETH, NOW_MS)
    with pytest.raises(DataError, match=r"signal\.json is not published"):
        publish({ETH: document(symbol=ETH)}, tmp_path, BTC, NOW_MS)
    assert signal_path(tmp_path, ETH).exists() and not signal_path(tmp_path).exists()


def test_a_failure_of_the_configuration_replaces_signal_json_alone(tmp_path):
    publish({BTC: document(candle_close_ms=CLOSE_MS + STEP)}, tmp_path, BTC, NOW_MS)
    before = signal_path(tmp_path, BTC).read_bytes()
    for made in (CLOSE_MS, CLOSE_MS + 1):
        failed = failure("configuration", "PROB_MIN=two", Facts(made_ms=made))
        assert publish_failure(failed, tmp_path).action == WRITTEN
        assert read(signal_path(tmp_path)) == failed
    assert signal_path(tmp_path, BTC).read_bytes() == before
    with pytest.raises(DataError, match="NO_TRADE"):
        publish_failure(document(BULL, UP, GOOD), tmp_path)


def test_after_a_failure_of_the_configuration_the_next_signal_is_published(tmp_path):
    publish_failure(failure("configuration", "bad", Facts(made_ms=CLOSE_MS)), tmp_path)
    assert actions(publish({BTC: document()}, tmp_path, BTC, NOW_MS)) == [WRITTEN] * 2


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    publish({BTC: document()}, tmp_path, BTC, NOW_MS)
    before = signal_path(tmp_path).read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("bot_cripto.atomic.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        publish({BTC: document(candle_close_ms=CLOSE_MS + STEP)}, tmp_path, BTC, NOW_MS)
    assert signal_path(tmp_path).read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_signal_from_a_wrong_clock_is_replaced(tmp_path):
    ahead = document(candle_close_ms=CLOSE_MS + 1000 * STEP)
    publish({BTC: ahead}, tmp_path, BTC, NOW_MS)
    assert actions(publish({BTC: document()}, tmp_path, BTC, NOW_MS)) == [WRITTEN] * 2
