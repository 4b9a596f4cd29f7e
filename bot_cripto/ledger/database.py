"""SQLite files that survive kills and full disks, and that two releases can share.

The standard library's sqlite3 and no object-relational mapper: a ledger has six tables, and
importing one would take longer than a whole signal does.

Never open such a file with `open` while this process has a connection to it: closing that handle
drops SQLite's locks (POSIX), and another process may then take away what is being written.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from bot_cripto.atomic import flush_folder
from bot_cripto.errors import BusyError, DataError, LedgerError

BUSY_TIMEOUT_MS = 10_000
"""How long a connection waits for another one that is writing."""

MAJOR = 1000
"""``user_version`` is major * MAJOR + minor; releases of one major share their files."""

Migrations = Sequence[tuple[int, Sequence[str]]]
"""(version, SQL statements) in ascending order; each adds tables, indexes or nullable columns."""

Fingerprint = tuple[int, ...]

_DAMAGED = (
    "nothing may be traded on it: move it and the files beside it that begin with its name "
    "aside, then bring back the last backup with: bot-cripto restore FILE"
)
_ADVICE = {
    "SQLITE_FULL": "the disk is full, and nothing of this was written: free space, then run again",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_READONLY": "it cannot be written: look at the rights of the file and its folder",
    "SQLITE_PERM": "look at the rights of the file and its folder",
    "SQLITE_CANTOPEN": "look at the rights of the file and its folder",
    "SQLITE_IOERR": "the disk failed or is full, and nothing of this was written: look at it",
}


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what SQLite raises into an error that says which file and what to do.

    Raises
    ------
    BusyError
        Another process was writing for longer than `BUSY_TIMEOUT_MS`.
    LedgerError
        Anything else that SQLite refuses.
    """
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise BusyError(
                f"{path}: another process has been writing for {BUSY_TIMEOUT_MS / 1000:.0f} s; "
                "run again when it has finished"
            ) from error
        advice = next((text for code, text in _ADVICE.items() if name.startswith(code)), None)
        raise LedgerError(f"{path}: {error}" + (f"; {advice}" if advice else "")) from error


def connect(
    path: Path | str, *, migrations: Migrations, application_id: int, readonly: bool = False
) -> sqlite3.Connection:
    """Return a connection in autocommit mode to a file that is made, or migrated, if need be.

    A new file (mode 0600) appears under its name only when its tables are complete. Writing
    waits for the disk (WAL, ``synchronous=FULL``); others read meanwhile.

    Parameters
    ----------
    path : Path or str
        The file; missing folders are made.
    migrations : sequence of (int, sequence of str)
        All steps since the first version, in ascending order, additive: the previous release
        goes on reading *and writing* a file that a later one of the same major has migrated.
    application_id : int
        Says in the file's header what it is; a file with another one is refused.
    readonly : bool
        Makes no file and changes none, also where the files of the write-ahead log are missing.
        The connection then sees the file as it is now and must be renewed once `fingerprint`
        changes.

    Raises
    ------
    FileNotFoundError
        `readonly`, and there is no such file.
    LedgerError
        The file is damaged, something else, of another major version, or cannot be written.
    BusyError
        Another process was writing for too long.
    """
    path = Path(path)
    if readonly:
        return connect_readonly(path, migrations=migrations, application_id=application_id)[0]
    if not path.exists():
        _make(path, migrations, application_id)
    connection = _open(path, "mode=rw")
    try:
        with explained(path):
            version = _version(connection, path, application_id, migrations[-1][0])
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if version < migrations[-1][0]:
                _migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_readonly(
    path: Path | str, *, migrations: Migrations, application_id: int
) -> tuple[sqlite3.Connection, Fingerprint | None]:
    """Return a connection that changes nothing, and the `fingerprint` of the file it is good for.

    The fingerprint is None where the connection sees what others write as it comes.

    Raises
    ------
    FileNotFoundError, LedgerError, BusyError
        As `connect`.
    """
    path = Path(path)
    rest = fingerprint(path)
    # with a log SQLite locks as usual; without one it would make it, even for reading
    connection = _open(path, "mode=ro" if rest is None else "mode=ro&immutable=1")
    try:
        with explained(path):
            _version(connection, path, application_id, migrations[-1][0])
    except BaseException:
        connection.close()
        raise
    return connection, rest


def in_memory(migrations: Migrations) -> sqlite3.Connection:
    """Return a connection to a new database that is nowhere but in memory."""
    connection = _prepared(sqlite3.connect(":memory:", isolation_level=None))
    _migrate(connection, migrations)
    return connection


def fingerprint(path: Path | str) -> Fingerprint | None:
    """Return what changes when the file at rest does; None while a writer may be at work.

    At rest means that no write-ahead log lies beside it: nobody is connected, and its pages lie
    still.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    found = Path(path).stat()
    if Path(f"{path}-wal").exists():
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def copy_to(source: sqlite3.Connection | Path | str, destination: Path | str) -> None:
    """Copy a database, of one moment, while others read and write it; any SQLite file.

    Parameters
    ----------
    source : sqlite3.Connection or Path or str
        Outside a transaction.
    destination : Path or str
        A new file (mode 0600), complete in itself: no write-ahead log beside it.

    Raises
    ------
    FileNotFoundError
        There is no file at `source`.
    FileExistsError
        There is a file at `destination`.
    LedgerError
        The source is damaged, or the disk is full; no destination is left.
    BusyError
        Another process was writing for too long.
    """
    destination = Path(destination)
    if not isinstance(source, sqlite3.Connection):
        path = Path(source)
        path.stat()
        with closing(_open(path, "mode=rw")) as connection:
            copy_to(connection, destination)
        return
    os.close(os.open(destination, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with explained(destination), closing(sqlite3.connect(destination)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
    except BaseException:
        destination.unlink()
        raise
    flush_folder(destination.parent)


def verify(path: Path | str) -> list[str]:
    """Return what is wrong with a file's pages, indexes and references; empty when sound.

    Reads the whole file; makes none.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    path = Path(path)
    try:
        mode = "mode=ro" if fingerprint(path) is None else "mode=ro&immutable=1"
        with closing(_open(path, mode)) as connection, explained(path):
            return page_problems(connection)
    except DataError as error:
        return [str(error)]


def page_problems(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite's own full check finds: damaged pages, missing references."""
    rows = connection.execute("PRAGMA integrity_check").fetchall()
    found = [str(text).replace("\n", " ") for (text,) in rows if text != "ok"]
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"{table} row {row} refers to a row of {parent} that is not there")
    return found


def _make(path: Path, migrations: Migrations, application_id: int) -> None:
    """Make a file under another name, then give it its own, unless somebody else was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        with explained(path), closing(_prepared(sqlite3.connect(temporary))) as connection:
            connection.isolation_level = None
            connection.execute(f"PRAGMA application_id = {application_id:d}")
            _migrate(connection, migrations)
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        Path(temporary).unlink()
    flush_folder(path.parent)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    if path.is_dir():
        raise LedgerError(f"{path}: it is a folder, and should be a file; {_DAMAGED}")
    address = f"file:{quote(str(path.absolute()))}?{mode}"
    with explained(path):
        return _prepared(sqlite3.connect(address, uri=True, isolation_level=None))


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _version(connection: sqlite3.Connection, path: Path, application_id: int, newest: int) -> int:
    """Return the file's version; refuse a file of something else or of another major version."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if found != application_id or version == 0:
        raise LedgerError(
            f"{path}: it is empty or of another program (application {found:#x} instead of "
            f"{application_id:#x}); {_DAMAGED}"
        )
    if version // MAJOR != newest // MAJOR:
        raise LedgerError(
            f"{path}: it was written by a release of format {version // MAJOR}, this one reads "
            f"format {newest // MAJOR}; install the release that wrote it"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, migrations: Migrations) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # read again: another process may have migrated while this one waited
        (present,) = connection.execute("PRAGMA user_version").fetchone()
        for version, statements in migrations:
            if version > present:
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
