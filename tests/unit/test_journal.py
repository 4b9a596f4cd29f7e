import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_examples import BEAR, CLOSE_MS, DOWN, FACTS, document

from bot_cripto import atomic
from bot_cripto.decision import Policy
from bot_cripto.errors import DataError, LedgerError
from bot_cripto.ledger.journal import Journal, signal_id
from bot_cripto.ledger.store import Ledger
from bot_cripto.provenance import sha256_json
from bot_cripto.signals.document import Facts, failure

BTC, ETH = "BTC/USDT", "ETH/USDT"
STEP = 300_000
OTHER = Policy(prob_min=0.7)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "simulated-5m.db"


@pytest.fixture
def journal(path):
    with Journal.open(path) as opened:
        yield opened


def test_a_signal_is_named_by_symbol_candle_and_revision():
    assert signal_id(document()) == "BTC_USDT-20240906T044500Z-r0"
    assert signal_id(document(symbol=ETH, revision=12)) == "ETH_USDT-20240906T044500Z-r12"


def test_the_exact_bytes_that_were_published_are_kept(journal, tmp_path):
    signal = document()
    assert journal.append(signal) is True
    atomic.write_json(tmp_path / "signal.json", signal)
    assert journal.entry("BTC_USDT-20240906T044500Z-r0") == (tmp_path / "signal.json").read_bytes()
    assert journal.latest(BTC) == signal and list(journal.latest(BTC)) == list(signal)
    with pytest.raises(DataError, match="no signal BTC_USDT-20240906T044500Z-r7"):
        journal.entry("BTC_USDT-20240906T044500Z-r7")


def test_the_same_signal_made_later_is_no_news(journal):
    first = document()
    journal.append(first)
    assert journal.append(document(made_ms=CLOSE_MS + 60_000)) is False
    assert journal.entries_after(0, 9) == [(1, first)]


def test_a_revision_follows_the_one_before_it(journal):
    with pytest.raises(DataError, match="the next revision of this candle is 0"):
        journal.append(document(revision=1))
    journal.append(document())
    with pytest.raises(DataError, match="is there and says something else"):
        journal.append(document(policy=OTHER))
    with pytest.raises(DataError, match="the next revision of this candle is 1"):
        journal.append(document(policy=OTHER, revision=2))
    assert journal.append(document(policy=OTHER, revision=1))
    assert journal.append(document()) is False  # of a run that was killed and done again
    assert journal.latest(BTC) == document(policy=OTHER, revision=1)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"candle_close_time": None}, "candle None"),
        ({"candle_close_time": "yesterday"}, "'yesterday', which is no time"),
        ({"symbol": None}, "symbol None"),
        ({"revision": None}, "revision None"),
        ({"revision": True}, "revision True"),
        ({"equity": float("nan")}, "cannot be journalled"),
        ({"reason": "half \ud800"}, "cannot be journalled"),
    ],
)
def test_what_is_no_signal_of_a_candle_is_refused(journal, changes, shown):
    with pytest.raises(DataError, match=shown):
        journal.append({**document(), **changes})
    assert journal.entries_after(0, 9) == [] and journal.newest_candle_ms() is None


def test_a_failed_step_is_journalled_like_any_signal(journal):
    failed = failure("fetch", "no answer", FACTS, Policy())
    assert journal.append(journal.revised(failed))
    again = journal.revised(document())
    assert again["revision"] == 1 and journal.append(again)
    assert journal.latest(BTC)["decision"] == "LONG"
    with pytest.raises(DataError, match="must have all three"):
        journal.append(failure("config", "wrong", Facts(made_ms=CLOSE_MS)))


def test_a_decision_is_revised_only_where_it_changes(journal):
    signal = document()
    assert journal.revised({**signal, "revision": 5}) == signal
    journal.append(signal)
    assert journal.revised(document(made_ms=CLOSE_MS + 9_000))["revision"] == 0
    changed = journal.revised(document(policy=OTHER))
    assert changed == document(policy=OTHER, revision=1)
    journal.append(changed)
    assert journal.revised(document(policy=OTHER))["revision"] == 1
    assert journal.revised(signal)["revision"] == 2
    assert journal.revised(document(symbol=ETH))["revision"] == 0
    assert journal.revised(document(candle_close_ms=CLOSE_MS + STEP))["revision"] == 0
    with pytest.raises(DataError):
        journal.revised({**signal, "candle_close_time": None})


def test_the_newest_candle_counts_not_the_newest_row(journal):
    for symbol, number in ((BTC, 1), (ETH, 2), (BTC, 0)):
        journal.append(document(symbol=symbol, candle_close_ms=CLOSE_MS + number * STEP))
    assert journal.newest_candle_ms() == CLOSE_MS + 2 * STEP
    assert journal.latest(BTC)["candle_close_time"] == "2024-09-06T04:50:00Z"
    assert journal.latest("SOL/USDT") is None


def test_a_time_span_is_half_open(journal):
    for number in (2, 0, 1):
        journal.append(document(candle_close_ms=CLOSE_MS + number * STEP))
    journal.append(document(policy=OTHER, candle_close_ms=CLOSE_MS + STEP, revision=1))
    journal.append(document(symbol=ETH))
    found = journal.since(BTC, CLOSE_MS, CLOSE_MS + 2 * STEP)
    assert [signal_id(signal) for signal in found] == [
        "BTC_USDT-20240906T044500Z-r0",
        "BTC_USDT-20240906T045000Z-r0",
        "BTC_USDT-20240906T045000Z-r1",
    ]
    assert journal.since(BTC, CLOSE_MS + 3 * STEP, CLOSE_MS + 9 * STEP) == []


def test_a_follower_sees_every_signal_once(journal):
    for number in range(5):
        journal.append(document(candle_close_ms=CLOSE_MS + number * STEP))
    seen, found = 0, []
    while news := journal.entries_after(seen, 2):
        assert len(news) <= 2
        seen = news[-1][0]
        found += [signal["candle_close_time"] for _, signal in news]
    assert len(found) == 5 and found == sorted(found)


def test_a_reader_makes_no_file_and_sees_what_comes(path):
    with pytest.raises(FileNotFoundError):
        Journal.open(path, readonly=True)
    with Journal.open(path) as writer:
        writer.append(document())
    with Journal.open(path, readonly=True) as reader:
        assert [found.name for found in path.parent.iterdir()] == [path.name]
        assert reader.latest(BTC) == document()
        with pytest.raises(LedgerError, match="open for reading"):
            reader.append(document(symbol=ETH))
        with Journal.open(path) as writer:
            writer.append(document(symbol=ETH))
        assert reader.latest(ETH) == document(symbol=ETH) and reader.check() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE signals SET decision = 'SHORT' WHERE number = 2",
        "UPDATE signals SET content = x'00' WHERE number = 2",
        "UPDATE signals SET content = (SELECT content FROM signals WHERE number = 1) "
        "WHERE number = 2",
        "DELETE FROM signals WHERE number = 2",
    ],
)
def test_a_change_by_hand_is_refused_and_if_forced_found(path, statement):
    with Journal.open(path) as journal:
        for number in range(4):
            journal.append(document(candle_close_ms=CLOSE_MS + number * STEP))
    with closing(sqlite3.connect(path)) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="signals only ever grows"):
            connection.execute(statement)
        for name in ("signals_no_update", "signals_no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        connection.commit()
    with Journal.open(path, readonly=True) as journal:
        found = journal.check()
    assert any("signals: the row with number" in text for text in found), found


def test_bytes_that_are_not_those_of_their_hash_are_never_handed_out(path):
    with Journal.open(path) as journal:
        journal.append(document())
        journal.append(document(symbol=ETH))
        journal.append(document(symbol="SOL/USDT"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER signals_no_update")
        connection.execute("UPDATE signals SET sha256 = 'ab' WHERE number = 1")
        connection.commit()
    with Journal.open(path) as journal, pytest.raises(LedgerError, match="does not fit its sha256"):
        journal.latest(BTC)


def test_a_journal_is_no_ledger(path):
    Journal.open(path).close()
    with pytest.raises(LedgerError, match="of another program"):
        Ledger.open(path)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((BTC, ETH)),
            st.integers(0, 2),
            st.sampled_from((document(), document(BEAR, DOWN), document(policy=OTHER))),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_the_journal_is_the_list_of_what_changed(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("journal") / "a.db"
    told, written = {}, []
    journal = Journal.open(path)
    for step, (symbol, number, said, reopen) in enumerate(steps):
        close_ms = CLOSE_MS + number * STEP
        made = document(symbol=symbol, candle_close_ms=close_ms, made_ms=close_ms + step)
        signal = {**said, **{k: made[k] for k in ("symbol", "candle_close_time", "ts")}}
        signal["valid_until"] = made["valid_until"]
        before = told.setdefault((symbol, number), [])
        news = not before or before[-1] != said
        if news:
            before.append(said)
        signal = journal.revised(signal)
        assert signal["revision"] == len(before) - 1
        assert journal.append(signal) is news
        written += [signal] if news else []
        if reopen:
            journal.close()
            journal = Journal.open(path)
    assert [signal for _, signal in journal.entries_after(0, 99)] == written
    assert [json.loads(journal.entry(signal_id(signal))) for signal in written] == written
    assert journal.check() == []
    journal.close()


def test_the_risk_state_behind_a_signal_is_kept_by_its_hash(tmp_path):
    state = {"equity": 10000.0, "position": None}
    digest = sha256_json(state)
    signal = document()
    signal["version"] = {**signal["version"], "risk_state_sha256": digest}
    with Journal.open(tmp_path / "journal.db") as journal:
        with pytest.raises(DataError, match="names another risk state"):
            journal.append(signal, {"equity": 9999.0})
        assert journal.newest_candle_ms() is None
        assert journal.append(signal, state)
        assert not journal.append(signal, state)
        assert journal.risk_state(digest) == state
        with pytest.raises(DataError, match="no risk state"):
            journal.risk_state("0" * 64)
        assert journal.check() == []


def test_a_candle_of_the_future_does_not_hide_the_present_one(journal):
    present, future = document(), document(candle_close_ms=CLOSE_MS + 1000 * STEP)
    journal.append(present)
    journal.append(future)
    assert journal.latest(BTC) == future
    assert journal.latest(BTC, CLOSE_MS) == present
    assert journal.latest(BTC, CLOSE_MS - 1) is None
