"""Derived state: made again to the same values; what was edited is noticed, kept and replaced."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from execution_scenario import START, STEP, SYMBOLS, Scenario, tracker_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import atomic
from bot_cripto.drift.history import read_history, relative_drop
from bot_cripto.errors import LedgerError
from bot_cripto.execution import outcomes
from bot_cripto.execution.account import Account
from bot_cripto.execution.book import Book
from bot_cripto.execution.derived import rebuild, update
from bot_cripto.execution.derived_files import RECORD, DerivedFiles
from bot_cripto.execution.outcomes import history, history_text, whole_history
from bot_cripto.execution.performance import MAX_ROWS
from bot_cripto.execution.prices import correlated_symbols, last_closes
from bot_cripto.execution.replay import known_from, replay
from bot_cripto.ledger import control
from bot_cripto.ledger.events import Action, Fill, Mark, action_id
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import iso, parse_iso

LAST = 79


def write(scenario, book, journal, n, **other):
    return update(
        scenario.layout,
        scenario.settings,
        book.account,
        tracker_of(book),
        journal,
        account_name="paper",
        now_ms=scenario.close_ms(n) + 2000,
        **other,
    )


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """A state of 80 candles, derived files written after each of the last ten."""
    scenario = Scenario(tmp_path_factory.mktemp("traded"), LAST + 1)
    told = []

    def each(book, journal, n):
        if n > LAST - 10:
            told.extend(write(scenario, book, journal, n))

    scenario.run(each=each)
    assert told == []
    with Book.open(scenario.layout.ledger("paper"), scenario.settings) as book:
        assert {t.reason for t in book.account.trades} >= {"stop", "horizon"}
        assert book.account.positions
    return scenario


@pytest.fixture
def state(traded, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(traded.layout.logs, tmp_path / "logs")
    copy = Scenario(tmp_path, LAST + 1, stored=False)
    shutil.copytree(traded.layout.data, tmp_path / "data")
    return copy


def check(scenario, **other):
    return rebuild(
        scenario.layout, scenario.settings, True, now_ms=scenario.close_ms(LAST) + 60_000, **other
    )


def mend(scenario):
    return rebuild(scenario.layout, scenario.settings, now_ms=scenario.close_ms(LAST) + 60_000)


def tree(scenario):
    return {
        path.relative_to(scenario.layout.logs): path.read_bytes()
        for path in sorted(scenario.layout.logs.rglob("*"))
        if path.is_file() and path.suffix not in (".db-shm", ".db-wal")
    }


# --- rebuilding ------------------------------------------------------------------------------


def test_a_sound_state_has_no_difference_and_a_check_writes_nothing(state):
    before = tree(state)
    assert check(state) == []
    assert tree(state) == before


def test_rebuilding_a_sound_state_changes_no_file_that_people_read(state):
    before = tree(state)
    assert mend(state) == []
    after = tree(state)
    assert {name for name in before if before[name] != after[name]} <= {Path(RECORD)}
    assert check(state) == []


def test_everything_derived_comes_back(state):
    before = tree(state)
    for path in state.layout.logs.glob("*.json"):
        path.unlink()
    with Ledger.open(state.layout.ledger("paper")) as ledger:
        marks = ledger.marks()
        ledger.replace_marks([marks[0], marks[-1]])
    told = check(state)
    assert f"78 candles have no mark, the first closed at {iso(START + STEP)}" in told[0]
    assert sorted(told[1:]) == sorted(
        f"{path(symbol)} is missing"
        for path in (state.layout.performance, state.layout.risk_state)
        for symbol in SYMBOLS
    )
    assert len(mend(state)) == 1
    assert check(state) == []
    for name, content in tree(state).items():
        if name.suffix == ".json" and name.name != RECORD:
            assert content == before[name]
    with Ledger.open(state.layout.ledger("paper"), readonly=True) as ledger:
        assert ledger.marks() == marks


def test_what_was_paid_for_holding_is_made_again_and_missed(tmp_path):
    """From noon to 18:40, over the funding time at 16:00."""
    scenario = Scenario(tmp_path, LAST + 1, market_type="swap", funding_bps=20)
    scenario.run(each=lambda book, journal, n: write(scenario, book, journal, n))
    with Ledger.open(scenario.layout.ledger("paper")) as ledger:
        paid, marks = ledger.funding(), ledger.marks()
        assert {iso(one.time_ms) for one in paid} == {"2024-09-05T16:00:00Z"}
        ledger.replace_marks([marks[0], marks[-1]])
    assert len(mend(scenario)) == 1
    assert check(scenario) == []
    with Ledger.open(scenario.layout.ledger("paper")) as ledger:
        assert ledger.marks() == marks
    with closing(sqlite3.connect(scenario.layout.ledger("paper"))) as connection:
        connection.execute("DROP TRIGGER funding_no_update")
        connection.execute("UPDATE funding SET amount = '0.01'")
        connection.commit()
    with pytest.raises(LedgerError, match=r"funding: .* was changed"):
        check(scenario)


def test_with_no_mark_left_they_are_made_from_the_first_fill_on(state):
    with Ledger.open(state.layout.ledger("paper")) as ledger:
        marks, first = ledger.marks(), ledger.fills()[0]
        ledger.replace_marks([])
    mend(state)
    with Ledger.open(state.layout.ledger("paper"), readonly=True) as ledger:
        assert ledger.marks() == [m for m in marks if m.candle_ms >= known_from(first, STEP)]


def test_edited_marks_are_noticed_and_replaced(state):
    with Ledger.open(state.layout.ledger("paper")) as ledger:
        marks = ledger.marks()
        wrong = replace(marks[40], equity=marks[40].equity + 1)
        future = replace(marks[-1], candle_ms=START + 10**6 * STEP)
        astray = replace(marks[-1], candle_ms=START + 7)
        ledger.replace_marks([*marks[:40], wrong, *marks[41:], future, astray])
    told = check(state)
    assert len(told) == 2
    assert f"2 marks are of no candle, the first of {iso(START + 7)}" in told[0]
    assert f"1 of 82 marks differ, the first at {iso(wrong.candle_ms)}: equity" in told[1]
    assert mend(state) == told
    with Ledger.open(state.layout.ledger("paper"), readonly=True) as ledger:
        assert ledger.marks() == marks


def test_a_corrupt_ledger_is_never_rebuilt_from(state):
    path = state.layout.ledger("paper")
    path.write_bytes(b"no database" * 1000)
    before = tree(state)
    for attempt in (check, mend):
        with pytest.raises(LedgerError, match="paper"):
            attempt(state)
    assert tree(state) == before


def test_nothing_yet_is_nothing_to_rebuild(tmp_path):
    fresh = Scenario(tmp_path, 1)
    assert check(fresh) == []
    assert mend(fresh) == []
    assert json.loads(fresh.layout.performance("BTC/USDT").read_text()) == []
    assert not fresh.layout.risk_state("BTC/USDT").exists()


def test_a_file_behind_its_ledger_is_told(state):
    with Book.open(state.layout.ledger("paper"), state.settings) as book:
        state.candles += 1
        state.candle(book, LAST + 1)
    told = rebuild(state.layout, state.settings, True, now_ms=state.close_ms(LAST + 1) + 5000)
    assert len(told) == 2
    assert "candle_close_time is stored as" in told[0]


def test_a_mismatch_that_stands_in_the_ledger_is_in_the_state(state):
    with Ledger.open(state.layout.ledger("paper")) as ledger:
        for kind, reason in (("mismatch", "old"), ("resolved", "old"), ("mismatch", "1 BTC short")):
            ledger.add(Action(action_id(kind, START, "bot", reason), kind, START, "bot", reason))
    control.pause(state.layout.control, "ana", "holiday", START)
    mend(state)
    written = json.loads(state.layout.risk_state("BTC/USDT").read_text())
    assert written["mismatch"] == "1 BTC short"
    assert "holiday" in written["paused"]
    # switches are of the moment: no difference once they are taken back
    control.resume(state.layout.control)
    assert check(state) == []


# --- edited and damaged files ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["performance", "risk_state"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\x00", None])
def test_an_edited_file_is_kept_aside_and_made_again(state, kind, content):
    path = getattr(state.layout, kind)("BTC/USDT")
    sound = path.read_bytes()
    edited = sound.replace(b"0.", b"1.", 1) if content is None else content
    path.write_bytes(edited)
    assert check(state) == [f"{path} is not as it was written: it was edited or damaged"]
    (told,) = mend(state)
    aside = path.with_name(f"{path.name}.edited-20240905T183600Z")
    assert f"it is kept as {aside.name}" in told
    assert aside.read_bytes() == edited
    assert path.read_bytes() == sound
    assert check(state) == []


def test_the_next_write_notices_too_and_says_so_once(state):
    path = state.layout.performance("ETH/USDT")
    sound = path.read_text()
    path.write_text(sound.replace('"metric": 0.0', '"metric": 1.0'))
    said = []

    def each(book, journal, n):
        said.append(write(state, book, journal, n))

    state.run(LAST + 1, LAST + 3, each)
    assert len(said[0]) == 1
    assert said[0][0].startswith(f"{path} is not as it was written")
    assert said[1] == []
    assert path.read_text().startswith(sound[:1000])
    assert len(list(path.parent.glob("*.edited-*"))) == 1


def test_a_folder_in_the_place_of_a_file_is_kept_aside(state):
    path = state.layout.risk_state("BTC/USDT")
    sound = path.read_bytes()
    path.unlink()
    path.mkdir()
    assert check(state) == [f"{path} cannot be read"]
    assert len(mend(state)) == 1
    assert path.read_bytes() == sound


def test_a_deleted_file_comes_back_and_that_is_said(state):
    path = state.layout.risk_state("BTC/USDT")
    path.unlink()
    assert check(state) == [f"{path} is gone"]
    assert mend(state) == [f"{path} is gone; it was made again from ledger, journal and candles"]
    assert path.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"files": {"a": 1}}', None])
def test_a_record_that_cannot_be_used_is_kept_aside(state, content):
    record = state.layout.logs / RECORD
    text = record.read_text().replace('"gaps": []', '"gaps": [[1, 2]]', 1)
    record.write_text(text if content is None else content)
    assert str(record) in check(state)[0]
    told = mend(state)
    assert len(told) == 1  # the files themselves are as they are made again
    assert len(list(state.layout.logs.glob(f"{RECORD}.edited-*"))) == 1
    assert check(state) == []


def test_two_edits_in_one_moment_are_both_kept(tmp_path):
    for text in ("a", "b"):
        files = DerivedFiles(tmp_path)
        files.put("x.json", "1", {})
        files.commit(START)
        (tmp_path / "x.json").write_text(text)
    files.put("x.json", "2", {})
    files.commit(START)
    kept = sorted(path.read_text() for path in tmp_path.glob("x.json.edited-*"))
    assert kept == ["a", "b"]


def test_a_run_that_died_between_record_and_file_has_edited_nothing(tmp_path, monkeypatch):
    files = DerivedFiles(tmp_path)
    files.put("x.json", "old", {"n": 1})
    files.commit(START)
    real = atomic.write_bytes

    def dies(path, content):
        if path.name == "x.json":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(atomic, "write_bytes", dies)
    files = DerivedFiles(tmp_path)
    files.put("x.json", "new", {"n": 2})
    with pytest.raises(KeyboardInterrupt):
        files.commit(START)
    monkeypatch.undo()
    files = DerivedFiles(tmp_path)
    assert files.problem("x.json") is None
    assert files.read("x.json") is None  # but nothing is continued from it
    files.put("x.json", "newer", {"n": 3})
    assert files.commit(START) == []
    assert (tmp_path / "x.json").read_text() == "newer"


# --- the history, continued --------------------------------------------------------------------


def test_detect_drift_reads_what_is_written(state):
    rows = read_history(state.layout.performance("BTC/USDT"))
    assert len(rows) == LAST + 1 - 5
    assert relative_drop(rows, 20, 40).drop is not None


def _count(monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return whole_history(*arguments)

    monkeypatch.setattr(outcomes, "whole_history", counted)
    return calls


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_continued_history_equals_the_whole(tmp_path_factory, seed, jumps, holes):
    tmp_path = tmp_path_factory.mktemp("history")
    scenario = Scenario(tmp_path, 200, stored=False)
    random = np.random.default_rng(seed)
    documents = []
    for n in range(sum(jumps)):
        for revision in range(int(random.integers(1, 3))):
            documents.append(
                scenario.document(
                    "BTC/USDT",
                    n,
                    revision=revision,
                    horizon_steps=int(random.choice([1, 5, 12])),
                    prob_up=None if random.random() < 0.1 else float(random.random()),
                )
            )
    journal = FakeJournal(documents)
    if holes:
        candles = scenario.market["BTC/USDT"]
        scenario.market["BTC/USDT"] = candles[random.random(len(candles)) > 0.02]
    n = 0
    for jump in jumps:
        n += jump
        now = scenario.close_ms(n)
        journal.until = now
        arguments = (scenario.settings, "BTC/USDT", journal, scenario.read_closes, now)
        found = history(scenario.layout, *arguments)
        whole = whole_history(*arguments)
        assert found.rows == whole.rows
        assert (found.open, found.open_since_ms) == (whole.open, whole.open_since_ms)
        files = DerivedFiles(scenario.layout.logs)
        files.put(
            "performance_history_BTC_USDT.json",
            history_text(found),
            outcomes.history_facts(scenario.layout, scenario.settings, found, now),
        )
        files.commit(now)


class FakeJournal:
    """Documents by the time of their candle, known up to a moment."""

    def __init__(self, documents):
        self.rows = [(parse_iso(d["candle_close_time"]), d) for d in documents]
        self.until = None

    def since(self, symbol, since_ms, until_ms):
        return [d for at, d in self.rows if since_ms <= at < until_ms and at <= self.until]


def test_only_what_can_be_believed_is_continued(state, monkeypatch):
    calls = _count(monkeypatch)
    now = state.close_ms(LAST) + 60_000

    def made(**other):
        calls.clear()
        changed = {**state.settings, **other}
        with Journal.open(state.layout.journal, readonly=True) as journal:
            found = history(state.layout, changed, "BTC/USDT", journal, state.read_closes, now)
        return len(found.rows), len(calls)

    assert made() == (75, 0)
    assert made(fees_bps=11) == (75, 1)
    # on spot nothing is paid for holding
    assert made(funding_bps=11) == (75, 0)
    assert made(funding_bps=11, market_type="swap") == (75, 1)
    state.layout.performance("BTC/USDT").write_text("[]")
    assert made() == (75, 1)


def test_a_long_history_is_bounded_and_read_from_its_end(tmp_path):
    scenario = Scenario(tmp_path, 2 * MAX_ROWS, stored=False)
    journal = FakeJournal([scenario.document("BTC/USDT", n) for n in range(2 * MAX_ROWS)])
    journal.until = now = scenario.close_ms(2 * MAX_ROWS - 1)
    asked = []

    def since(symbol, since_ms, until_ms):
        asked.append(since_ms)
        return FakeJournal.since(journal, symbol, since_ms, until_ms)

    journal.since = since
    found = whole_history(scenario.settings, "BTC/USDT", journal, scenario.read_closes, now)
    assert len(found.rows) == MAX_ROWS
    assert found.rows[-1]["ts"] == iso(now)
    assert len(asked) == 1


def test_signals_of_long_ago_are_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "REACH", 50)
    scenario = Scenario(tmp_path, 100, stored=False)
    journal = FakeJournal([scenario.document("BTC/USDT", n) for n in range(100)])
    for n in (60, 61, 99):
        journal.until = now = scenario.close_ms(n) + 1000
        arguments = (scenario.settings, "BTC/USDT", journal, scenario.read_closes, now)
        found = history(scenario.layout, *arguments)
        assert found == whole_history(*arguments)
        assert len(found.rows) == 50 - 5 + 1
        facts = outcomes.history_facts(scenario.layout, scenario.settings, found, now)
        files = DerivedFiles(scenario.layout.logs)
        files.put("performance_history_BTC_USDT.json", history_text(found), facts)
        files.commit(now)


def test_a_state_without_candles_is_continued_too(tmp_path, monkeypatch):
    calls = _count(monkeypatch)
    scenario = Scenario(tmp_path, 60, stored=False)
    journal = FakeJournal([scenario.document("BTC/USDT", n) for n in range(60)])
    candles = scenario.market["BTC/USDT"]
    rows = []
    for n, known in ((30, 0), (31, 0), (32, 250), (33, 250)):
        scenario.market["BTC/USDT"] = candles[:known]
        journal.until = now = scenario.close_ms(n)
        found = history(
            scenario.layout, scenario.settings, "BTC/USDT", journal, scenario.read_closes, now
        )
        rows.append(len(found.rows))
        facts = outcomes.history_facts(scenario.layout, scenario.settings, found, now)
        files = DerivedFiles(scenario.layout.logs)
        files.put("performance_history_BTC_USDT.json", history_text(found), facts)
        files.commit(now)
    assert rows == [0, 0, 28, 29]
    # made as a whole first, and again when the candles had come
    assert len(calls) == 2


def test_another_market_replaces_the_files_without_a_word(state, tmp_path):
    other = Scenario(tmp_path, 5, simulated={"seed": 7})
    assert other.layout.key != state.layout.key

    said = []
    other.run(each=lambda book, journal, n: said.extend(write(other, book, journal, n)))
    assert said == []
    state_now = json.loads(other.layout.risk_state("BTC/USDT").read_text())
    assert state_now["candle_close_time"] == iso(other.close_ms(4))
    # and what is written there now is no difference of the first market's
    assert check(state) == []


# --- marks made again ------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["spot", "margin"]),
    st.sets(st.tuples(st.integers(0, 1), st.integers(1, 40)), max_size=12),
)
def test_replaying_fills_over_candles_makes_every_mark_again(tmp_path_factory, seed, kind, gaps):
    tmp_path = tmp_path_factory.getbasetemp()
    scenario = Scenario(tmp_path, 40, seed, gaps, stored=False, market_type=kind)
    with Book.in_memory(scenario.settings) as book:
        for n in range(scenario.candles):
            scenario.candle(book, n)
        last = scenario.close_ms(scenario.candles - 1)
        account, marks, tracker = replay(
            book.ledger, scenario.settings, scenario.read_closes, last + 1000
        )
        assert marks == book.ledger.marks()
        assert account.trades == book.account.trades
        assert account.state() == book.account.state()
        assert account.last_price == book.account.last_price
        followed = tracker_of(book)
        for name in ("daily_drawdown", "weekly_drawdown", "consecutive_losses", "tail_loss"):
            assert getattr(tracker, name)(last) == getattr(followed, name)(last)


def _fill(time_ms, reason):
    one = Decimal(1)
    return Fill("f", "i", "BTC/USDT", "buy", one, one, one, "USDT", time_ms, reason)


@pytest.mark.parametrize(
    ("time", "reason", "candle"),
    [
        (0, "signal", 1),
        (1, "signal", 1),
        (STEP - 1, "horizon", 1),
        (STEP, "horizon", 2),
        (STEP, "stop", 1),
        (STEP, "target", 1),
        (STEP + 1, "stop", 2),
    ],
)
def test_the_candle_of_a_fill(time, reason, candle):
    assert known_from(_fill(START + time, reason), STEP) == START + candle * STEP


def test_an_empty_ledger_makes_no_marks(tmp_path):
    scenario = Scenario(tmp_path, 5, stored=False)
    with Ledger.in_memory() as ledger:
        account, marks, tracker = replay(
            ledger, scenario.settings, scenario.read_closes, scenario.close_ms(5)
        )
        assert marks == []
        assert tracker.last_mark is None
        assert account.state() == Account.of(scenario.settings).state()
        ledger.add(Mark(START, Decimal(10_000), Decimal(10_000), Decimal(0)))
        marks = replay(ledger, scenario.settings, scenario.read_closes, START)[1]
        assert marks == ledger.marks()


# --- prices ----------------------------------------------------------------------------------


def test_last_closes_look_back_as_far_as_there_are_candles(tmp_path):
    scenario = Scenario(tmp_path, 10, stored=False)
    close = scenario.market["BTC/USDT"].close
    at = scenario.close_ms(0)

    def last(at):
        return last_closes(scenario.read_closes, ["BTC/USDT"], at, STEP)

    # candle 0 closes at its close time: it opened a step before
    assert last(at) == {"BTC/USDT": Decimal(repr(float(close[199])))}
    assert last(at + 100 * 86_400_000) == {"BTC/USDT": Decimal(repr(float(close[-1])))}
    assert last(at - 1000 * STEP) == {}


def test_correlated_symbols_are_told_from_aligned_candles(tmp_path):
    scenario = Scenario(tmp_path, 10, stored=False)
    at = scenario.close_ms(9)
    apart = dict.fromkeys(SYMBOLS, frozenset())
    assert correlated_symbols(scenario.read_closes, SYMBOLS, at, STEP, 0.7) == apart
    # the same prices under another name, with holes
    holes = np.random.default_rng(1).random(210) > 0.1
    scenario.market["ETH/USDT"] = scenario.market["BTC/USDT"][holes]
    found = correlated_symbols(scenario.read_closes, SYMBOLS, at, STEP, 0.99)
    assert found == {"BTC/USDT": {"ETH/USDT"}, "ETH/USDT": {"BTC/USDT"}}
    # no look-ahead: with 99 returns known, nothing is told
    early = scenario.close_ms(-101)
    assert correlated_symbols(scenario.read_closes, SYMBOLS, early, STEP, 1.0) == found
