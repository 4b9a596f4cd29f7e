import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from ledger_examples import action, fill, funding, intent, mark, order_event

from bot_cripto.errors import BusyError, LedgerError
from bot_cripto.ledger import database, store
from bot_cripto.ledger.records import Records
from bot_cripto.ledger.rows import encode
from bot_cripto.ledger.store import APPLICATION_ID, MIGRATIONS, Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "ledger" / "a.db"


def files(path):
    return sorted(found.name for found in path.parent.iterdir())


def fill_in(path, trades=5):
    with Ledger.open(path) as ledger:
        for number in range(trades):
            ledger.add(intent(number))
            ledger.add(fill(number))


def write(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@contextmanager
def child(work):
    """Run `work(acknowledge)` in a process of its own; yields its id and what it said so far."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work(lambda: os.write(writing, b"."))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        yield process, reading
    finally:
        os.close(reading)


def code_of(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_new_file_is_private_complete_and_alone(path):
    fill_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(path) == ["a.db"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_connection_waits_for_the_disk_and_for_others(path):
    given = {"migrations": MIGRATIONS, "application_id": APPLICATION_ID}
    with closing(database.connect(path, **given)) as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_the_files_of_the_log_are_private_too(path):
    with Ledger.open(path) as ledger:
        ledger.add(intent())
        assert files(path) == ["a.db", "a.db-shm", "a.db-wal"]
        modes = {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    assert modes == {0o600}


def test_reading_makes_no_file(path):
    with pytest.raises(FileNotFoundError):
        Ledger.open(path, readonly=True)
    assert not path.parent.parent.exists()
    fill_in(path)
    before = path.read_bytes()
    with Ledger.open(path, readonly=True) as ledger:
        assert len(ledger.fills()) == 5 and ledger.check() == [] and files(path) == ["a.db"]
        with ledger.transaction():
            assert len(ledger.intents()) == 5
        assert database.verify(path) == [] and files(path) == ["a.db"]
    assert files(path) == ["a.db"] and path.read_bytes() == before


def test_a_reader_sees_what_is_written_after_it_was_opened(path):
    fill_in(path, 1)
    with Ledger.open(path, readonly=True) as reader:
        assert len(reader.fills()) == 1
        fill_in(path, 2)
        assert len(reader.fills()) == 2
        with Ledger.open(path) as writer:
            writer.add(action())
            assert reader.actions() == [action()]
            with writer.transaction():
                writer.add(action("pause"))
                assert reader.actions() == [action()]
            assert len(reader.actions()) == 2
        writer = Ledger.open(path)
        writer.add(action("resume"))
        writer.close()
        assert len(reader.actions()) == 3 and reader.check() == []


def test_what_is_read_in_a_transaction_is_of_one_moment(path):
    fill_in(path, 1)
    with Ledger.open(path) as writer, Ledger.open(path, readonly=True) as reader:
        with reader.transaction():
            assert len(reader.intents()) == 1
            writer.add(intent(1))
            writer.add(fill(1))
            assert len(reader.fills()) == 1 and len(reader.entries_after({})) == 2
        assert len(reader.fills()) == 2


def test_a_file_at_rest_that_changes_while_it_is_read_is_read_again(path):
    fill_in(path, 1)
    calls = []

    def read():
        calls.append(len(reader.intents()))
        if len(calls) == 1:
            fill_in(path, 3)
        return calls[-1], len(reader.fills())

    with Ledger.open(path, readonly=True) as reader:
        assert reader._records.snapshot(read) == (3, 3)
        with pytest.raises(BusyError, match="changed while it was read"), reader.transaction():
            fill_in(path, 5)
        assert len(reader.fills()) == 5


@pytest.mark.parametrize(
    "content", [b"", b"not a database, but long enough to be one" * 50, bytes(8192)]
)
@pytest.mark.parametrize("readonly", [False, True])
def test_what_is_no_database_is_refused_and_left_alone(path, content, readonly):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=rf"{path}.*bot-cripto restore"):
        Ledger.open(path, readonly=readonly)
    assert path.read_bytes() == content and files(path) == ["a.db"]


def test_another_programs_database_is_refused(path):
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE fills (x)")
    with pytest.raises(LedgerError, match="of another program"):
        Ledger.open(path)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_cut_short_is_refused(path, keep):
    fill_in(path, 50)
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(LedgerError, match=rf"{path}.*malformed.*bot-cripto restore"):
        Ledger.open(path)
    assert database.verify(path) != []


def test_a_damaged_page_is_never_read_as_entries(path):
    """Any page overwritten: opening, loading or the check says so; none reads on unaware."""
    fill_in(path, 50)
    whole = path.read_bytes()
    with Ledger.open(path, readonly=True) as ledger:
        entries = ledger.entries_after({})
    size = 4096
    for offset in range(0, len(whole), size):
        path.write_bytes(whole)
        # the first 100 bytes of the file are its header, which has its own tests
        write(path, max(offset, 100), b"\xff" * (size - max(100 - offset, 0)))
        try:
            with Ledger.open(path, readonly=True) as ledger:
                assert ledger.check() != [], offset
                assert ledger.entries_after({}) == entries, offset
        except LedgerError as error:
            assert str(path) in str(error)
    path.write_bytes(whole)
    assert database.verify(path) == []


def newer(major_or_minor):
    added = (
        "ALTER TABLE fills ADD COLUMN venue TEXT",
        "ALTER TABLE marks ADD COLUMN note TEXT",
        "CREATE TABLE loans (number INTEGER PRIMARY KEY AUTOINCREMENT, "
        "loan_id TEXT NOT NULL UNIQUE, amount TEXT NOT NULL, chain TEXT NOT NULL)",
    )
    return (*MIGRATIONS, (major_or_minor, added))


def test_a_file_of_a_later_minor_release_is_read_and_written(path):
    fill_in(path, 1)
    later = Records(path, newer(1003), APPLICATION_ID)
    with later.transaction():
        later.append("loans", {"loan_id": "x", "amount": "1.5"})
        later.append("intents", encode(intent(1))[1])
        later.append("fills", {**encode(fill(1))[1], "venue": "binance"})
    later.close()
    with Ledger.open(path) as ledger:  # this release
        assert ledger.fills() == [fill(0), fill(1)] and ledger.check() == []
        assert ledger.add(intent(2)) and ledger.add(fill(2)) and ledger.add(mark())
        assert not ledger.add(fill(1))
    later = Records(path, newer(1003), APPLICATION_ID)
    with later.transaction():
        number = later.append("loans", {"loan_id": "y", "amount": "2"})
    assert number == 8 and later.check() == []
    assert [row[0] for row in later.rows("SELECT venue FROM fills")] == [None, "binance", None]
    later.close()
    with Ledger.open(path, readonly=True) as ledger:
        assert len(ledger.fills()) == 3 and ledger.check() == []


def test_a_file_of_another_major_release_is_refused(path):
    fill_in(path, 1)
    Records(path, newer(1003), APPLICATION_ID).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2000")
    for readonly in (False, True):
        with pytest.raises(LedgerError, match="format 2, this one reads format 1"):
            Ledger.open(path, readonly=readonly)


def test_a_file_of_the_first_release_is_migrated_with_its_data(path):
    first = Records(path, MIGRATIONS[:1], APPLICATION_ID)
    written = [intent(0), order_event(0), fill(0), action()]
    with first.transaction():
        for entry in written:
            first.append(*encode(entry))
    first.close()
    with pytest.raises(LedgerError, match="no such table: marks"):
        Ledger.open(path, readonly=True).marks()
    with Ledger.open(path) as ledger:
        assert [entry for _, _, entry in ledger.entries_after({})] == written
        assert ledger.add(mark()) and ledger.add(intent(1)) and ledger.check() == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (MIGRATIONS[-1][0],)
    first = Records(path, MIGRATIONS[:1], APPLICATION_ID)  # and the first release still works
    with first.transaction():
        first.append(*encode(intent(2)))
    assert first.check() == []
    first.close()


def test_a_ledger_from_before_there_was_funding_is_read_unchanged(path):
    before = Records(path, MIGRATIONS[:2], APPLICATION_ID)
    written = [intent(0), order_event(0), fill(0), action()]
    with before.transaction():
        for entry in written:
            before.append(*encode(entry))
    before.close()
    content = path.read_bytes()
    with Ledger.open(path, readonly=True) as ledger:
        assert ledger.funding() == [] and ledger.payments() == [fill(0)]
        assert [entry for _, _, entry in ledger.entries_after({})] == written
        assert ledger.check() == []
    assert path.read_bytes() == content
    with Ledger.open(path) as ledger:
        assert ledger.add(funding()) and ledger.payments() == [fill(0), funding()]
        assert [entry for _, _, entry in ledger.entries_after({})] == [*written, funding()]
        assert ledger.check() == []
    before = Records(path, MIGRATIONS[:2], APPLICATION_ID)  # and the release before still works
    with before.transaction():
        assert before.append(*encode(intent(1))) == len(written) + 2
    assert before.check() == []
    before.close()


def test_a_table_that_should_be_there_is_missed(path):
    fill_in(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE funding")
    with Ledger.open(path, readonly=True) as ledger:
        assert any("funding" in problem for problem in ledger.check())
        with pytest.raises(LedgerError, match="no such table: funding"):
            ledger.payments()


def test_a_migration_that_fails_changes_nothing(path):
    fill_in(path, 1)
    broken = (*MIGRATIONS, (1003, ("CREATE TABLE half (x)", "CREATE TABLE half (x)")))
    with pytest.raises(LedgerError, match="already exists"):
        Records(path, broken, APPLICATION_ID)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1002,)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()


def test_a_full_disk_writes_nothing_and_says_what_to_do(path):
    fill_in(path, 3)
    with Ledger.open(path) as ledger:
        connection = ledger._records._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        ledger.add(action("small"))
        with (
            pytest.raises(LedgerError, match=rf"{path}.*disk is full.*free space"),
            ledger.transaction(),
        ):
            ledger.add(action("kill"))
            for number in range(10, 200):
                ledger.add(intent(number))
        assert len(ledger.intents()) == 3 and ledger.actions() == [action("small")]
        connection.execute("PRAGMA max_page_count = 1000000")
        assert ledger.add(intent(9)) and ledger.check() == []


def test_a_transaction_goes_not_on_after_a_full_disk(path):
    fill_in(path, 3)
    with Ledger.open(path) as ledger:
        ledger._records._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(LedgerError), ledger.transaction():
            for number in range(10, 200):
                try:
                    ledger.add(intent(number))
                except LedgerError:
                    break
            ledger.add(action())
            raise LedgerError("so that nothing of it is kept")
        assert ledger.actions() == [] and len(ledger.intents()) == 3


def test_a_disk_that_takes_no_more_bytes_leaves_the_ledger_sound(path):
    """The kernel itself refuses to let the files grow."""
    fill_in(path, 3)
    script = f"""
import json, resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from ledger_examples import intent
from bot_cripto.errors import LedgerError
from bot_cripto.ledger.store import Ledger
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
written = 0
with Ledger.open({str(path)!r}) as ledger:
    try:
        for number in range(10, 3000):
            ledger.add(intent(number))
            written += 1
    except LedgerError as error:
        print(json.dumps([written, str(error)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    written, text = json.loads(done.stdout)
    assert str(path) in text and "nothing of this was written" in text
    with Ledger.open(path) as ledger:
        assert len(ledger.intents()) == 3 + written > 3 and ledger.check() == []
        assert ledger.add(action())


def test_a_writer_killed_at_any_moment_leaves_a_sound_ledger(path):
    """Each transaction is an intent, its order and its fill: all three are there or none."""
    chance = random.Random(7)
    fill_in(path, 1)

    def work(start, acknowledge):
        with Ledger.open(path) as ledger:
            for number in range(start, start + 10_000):
                with ledger.transaction():
                    for entry in (intent(number), order_event(number), fill(number)):
                        ledger.add(entry)
                acknowledge()

    start = 1
    for _ in range(20):
        with child(partial(work, start)) as (process, said):
            os.read(said, 1)  # it writes
            time.sleep(chance.uniform(0, 0.05))
            os.kill(process, signal.SIGKILL)
            assert code_of(process) == -signal.SIGKILL
            acknowledged = 1 + len(os.read(said, 100_000))
        with Ledger.open(path, readonly=True) as ledger:
            found = ledger.intents()
            assert len(found) == len(ledger.fills()) == len(ledger.order_events()) + 1
            assert len(found) in (start + acknowledged, start + acknowledged + 1)
            assert ledger.check() == []
        start = len(found)
    with Ledger.open(path) as ledger:
        assert ledger.check() == [] and ledger.add(action())
    assert files(path) == ["a.db"]


def test_several_processes_make_and_write_one_ledger(path):
    """Overlapping entries, and nobody has made the file yet."""

    def work(first, acknowledge):
        with Ledger.open(path) as ledger:
            for number in range(first, first + 30):
                with ledger.transaction():
                    ledger.add(intent(number))
                    ledger.add(fill(number))
            acknowledge()

    processes = []
    for first in (0, 10, 20, 0):
        with child(partial(work, first)) as (process, _):
            processes.append(process)
    with Ledger.open(path) as reader:
        for _ in range(20):
            assert len(reader.intents()) <= len(reader.fills())
    assert [code_of(process) for process in processes] == [0, 0, 0, 0]
    with Ledger.open(path, readonly=True) as ledger:
        assert sorted(entry.candle_ms for entry in ledger.intents()) == [
            intent(number).candle_ms for number in range(50)
        ]
        assert len(ledger.fills()) == 50 and ledger.check() == []
    assert files(path) == ["a.db"]


def test_a_writer_that_is_kept_waiting_says_so(path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    with Ledger.open(path) as first, Ledger.open(path) as second, first.transaction():
        with pytest.raises(BusyError, match="another process has been writing"):
            second.add(action())
        assert second.actions() == []


def test_a_copy_is_of_one_moment_and_alone(path, tmp_path):
    copy = tmp_path / "copy.db"
    fill_in(path, 2)
    with Ledger.open(path) as writer:
        with writer.transaction():
            writer.add(intent(7))
            database.copy_to(path, copy)
        assert files(copy) == ["copy.db", "logs"]
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with pytest.raises(FileExistsError):
            database.copy_to(path, copy)
        database.copy_to(writer._records._connection, tmp_path / "later.db")
    assert database.verify(copy) == []
    with Ledger.open(copy, readonly=True) as ledger:
        assert len(ledger.intents()) == 2 and ledger.check() == []
    assert files(copy) == ["copy.db", "later.db", "logs"]
    with Ledger.open(tmp_path / "later.db") as ledger:
        assert len(ledger.intents()) == 3 and ledger.add(fill(7)) and ledger.check() == []


def test_any_sqlite_file_can_be_copied_and_verified(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE runs (x)")
        connection.execute("INSERT INTO runs VALUES (1)")
        connection.commit()
    database.copy_to(tmp_path / "other.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT x FROM runs").fetchall() == [(1,)]
    assert database.verify(tmp_path / "other.db") == []


def test_what_cannot_be_copied_leaves_no_copy(tmp_path):
    with pytest.raises(FileNotFoundError):
        database.copy_to(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "bad.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError):
        database.copy_to(tmp_path / "bad.db", tmp_path / "copy.db")
    assert [found.name for found in tmp_path.iterdir()] == ["bad.db"]
    (text,) = database.verify(tmp_path / "bad.db")
    assert "bad.db" in text and "not a database" in text
    with pytest.raises(FileNotFoundError):
        database.verify(tmp_path / "none.db")


def test_migrations_only_add():
    """What the previous release relies on: nothing dropped, no column that must be filled."""
    for version, statements in store.MIGRATIONS[1:]:
        for statement in statements:
            words = statement.upper().split()
            assert words[0] == "CREATE" or words[:2] == ["ALTER", "TABLE"], (version, statement)
            assert words[0] == "CREATE" or "NOT NULL" not in statement.upper()
    versions = [version for version, _ in store.MIGRATIONS]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("readonly", [False, True])
def test_a_folder_in_its_place_is_named(tmp_path, readonly):
    (tmp_path / "paper.db").mkdir()
    with pytest.raises(LedgerError, match=r"paper\.db: it is a folder"):
        Ledger.open(tmp_path / "paper.db", readonly=readonly)
