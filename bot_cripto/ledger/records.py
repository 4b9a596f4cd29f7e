"""Append-only tables of one SQLite file: numbered, chained by hashes, read as of one moment.

Rows of all these tables share one numbering without holes, so the order in which things were
written is known across tables. Each row holds the hash of itself and of the row before it in its
table: what was changed afterwards shows.
"""
# ruff: noqa: S608 - what is put into queries are names of tables and columns, never values

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bot_cripto.errors import BusyError, LedgerError
from bot_cripto.ledger import database
from bot_cripto.ledger.database import Migrations, explained

T = TypeVar("T")

Value = str | int | float | bytes | None

NUMBER, CHAIN = "number", "chain"
"""Columns of every chained table; `number` is its integer primary key with AUTOINCREMENT."""

_ATTEMPTS = 5


class _MovedError(BusyError):
    """The file at rest changed while it was read."""


def append_only(table: str) -> tuple[str, str]:
    """Return the statements that make SQLite refuse changes of a table's rows."""
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} only ever grows: a row is never changed'); END"
    return (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
    )


def chain_hash(previous: str, row: Mapping[str, Value]) -> str:
    """Return the hash that a row stores.

    Columns that are null are left out, so that a column added later changes no hash; of bytes
    their own hash stands for them.

    Parameters
    ----------
    previous : str
        The hash of the row before it in the table; the table's name for the first row.
    row : mapping of str to value
        All columns but the hash itself.
    """
    told = {
        name: hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
        for name, value in row.items()
        if value is not None and name != CHAIN
    }
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


class Records:
    """An open file of chained tables, and of plain ones beside them.

    Parameters
    ----------
    path : Path or None
        None: in memory.
    migrations, application_id, readonly
        As `database.connect` takes them.

    Raises
    ------
    FileNotFoundError, LedgerError, BusyError
        As `database.connect`; also when the end of a table does not fit its hashes.
    """

    def __init__(
        self,
        path: Path | str | None,
        migrations: Migrations,
        application_id: int,
        *,
        readonly: bool = False,
    ) -> None:
        self.path = Path(path) if path is not None else None
        self.name = str(path or "in memory")
        self.readonly = readonly
        self._migrations = migrations
        self._application_id = application_id
        self._depth = 0
        self._rest: tuple[int, ...] | None = None
        self._connection = self._connected()
        try:
            self.snapshot(self._look_at_the_ends)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; may be called again."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen at once or not at all; inside another one, join it.

        Of a file that is open for reading, everything inside is read as of one moment.

        Raises
        ------
        BusyError
            Another process was writing for too long; or it began to write to a file at rest that
            was being read, and what was read inside may not fit together.
        LedgerError
            The file could not be written; nothing was.
        """
        with self._within("BEGIN" if self.readonly else "BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Return `transaction`, refused where the file is open for reading."""
        if self.readonly:
            raise LedgerError(f"{self.name}: it is open for reading, nothing can be written")
        with self.transaction():
            yield

    def snapshot(self, read: Callable[[], T]) -> T:
        """Return ``read()``, called again where a writer came between: all of one moment."""
        for _ in range(_ATTEMPTS - 1):
            try:
                with self._within("BEGIN"):
                    return read()
            except _MovedError:
                continue
        with self._within("BEGIN"):
            return read()

    def version(self) -> int:
        """Return the version of the file; one that is open for reading may be of an older release.

        It is that of the last of the migrations that the file has been through.
        """
        return int(self.rows("PRAGMA user_version")[0][0])

    def rows(self, sql: str, parameters: tuple[Value, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

        def read() -> list[tuple[Any, ...]]:
            with explained(self.name):
                return self._connection.execute(sql, parameters).fetchall()

        return read() if self._depth or self._rest is None else self.snapshot(read)

    def execute(self, sql: str, parameters: tuple[Value, ...] = ()) -> None:
        """Change a plain table; inside `writing` only."""
        self._expect_transaction()
        with explained(self.name):
            self._connection.execute(sql, parameters)

    def append(self, table: str, row: Mapping[str, Value]) -> int:
        """Append a row to a chained table and return its number; inside `writing` only."""
        self._expect_transaction()
        with explained(self.name):
            run = self._connection.execute
            # over all tables, also those of a later release
            (last,) = run("SELECT max(seq) FROM sqlite_sequence").fetchone()
            before = run(f"SELECT {CHAIN} FROM {table} ORDER BY {NUMBER} DESC LIMIT 1").fetchone()
            numbered: dict[str, Value] = {NUMBER: (last or 0) + 1, **row}
            numbered[CHAIN] = chain_hash(before[0] if before else table, numbered)
            names, marks = ", ".join(numbered), ", ".join("?" * len(numbered))
            run(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(numbered.values()))
        return (last or 0) + 1

    def check(self) -> list[str]:
        """Return everything that is wrong with the file; empty when it is sound. Reads it all."""
        return self.snapshot(self._problems)

    def _connected(self) -> sqlite3.Connection:
        if self.path is None:
            return database.in_memory(self._migrations)
        given: dict[str, Any] = {
            "migrations": self._migrations,
            "application_id": self._application_id,
        }
        if not self.readonly:
            return database.connect(self.path, **given)
        connection, self._rest = database.connect_readonly(self.path, **given)
        return connection

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        if self._depth:
            self._expect_transaction()
            yield
            return
        if self._moved():
            self._connection.close()
            self._connection = self._connected()
        with explained(self.name):
            self._connection.execute(begin)
        self._depth = 1
        try:
            yield
            self._expect_transaction()
            with explained(self.name):
                self._connection.execute("COMMIT")
        except LedgerError as error:
            if self._moved():
                raise _MovedError(f"{self.name}: it changed while it was read") from error
            raise
        finally:
            self._depth = 0
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if self._moved():
            raise _MovedError(f"{self.name}: it changed while it was read; read it again")

    def _moved(self) -> bool:
        """Say whether a file that was opened at rest has been written since."""
        return self._rest is not None and database.fingerprint(self.name) != self._rest

    def _expect_transaction(self) -> None:
        # SQLite itself gives a transaction up where the disk is full
        if not self._connection.in_transaction:
            raise LedgerError(f"{self.name}: the transaction failed, nothing of it was written")

    def _look_at_the_ends(self) -> None:
        """Compare the last row of each table with its hash, its number with the last one given."""
        for table, last in self._last_numbers().items():
            rows = self._dicts(f"SELECT * FROM {table} ORDER BY {NUMBER} DESC LIMIT 2")
            if _end_problem(table, last, rows):
                raise LedgerError(
                    f"{self.name}: {'; '.join(self._problems())}; nothing may be traded on it: "
                    "find out who changed it, or move it aside and bring back the last backup "
                    "with: bot-cripto restore FILE"
                )

    def _last_numbers(self) -> dict[str, int]:
        """Return the number that was last given in each chained table, also of a later release."""
        with explained(self.name):
            return dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence"))

    def _dicts(self, sql: str) -> list[dict[str, Value]]:
        with explained(self.name):
            cursor = self._connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _problems(self) -> list[str]:
        found: list[str] = []
        try:
            with explained(self.name):
                found += database.page_problems(self._connection)
            found += self._schema_problems()
            numbers: set[int] = set()
            for table, last in self._last_numbers().items():
                rows = self._dicts(f"SELECT * FROM {table} ORDER BY {NUMBER}")
                problem = _chain_problem(table, rows) or _end_problem(table, last, rows[:-3:-1])
                found += [problem] if problem else []
                numbers.update(int(row[NUMBER] or 0) for row in rows)
            missing = sorted(set(range(1, max(numbers, default=0))) - numbers)
            if missing:
                found.append(f"{len(missing)} rows were removed, the first is number {missing[0]}")
        except LedgerError as error:
            found.append(str(error))
        return found

    def _schema_problems(self) -> list[str]:
        """Return which columns, indexes and triggers are not as files of its version have them."""
        version = self.version()
        made = database.in_memory([step for step in self._migrations if step[0] <= version])
        try:
            with explained(self.name):
                missing = _schema(made) - _schema(self._connection)
        finally:
            made.close()
        return [f"{line} is missing or altered" for line in sorted(missing)]


def _schema(connection: sqlite3.Connection) -> set[str]:
    """Return a line for each column, index and trigger."""
    found: set[str] = set()
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        found.add(f"{kind} {name} ({sql})" if kind == "trigger" else f"{kind} {name}")
        if kind == "table":
            columns = connection.execute(f"PRAGMA table_info({name})")
            found |= {f"column {name}.{column[1]} {column[2]}" for column in columns}
    return found


def _chain_problem(table: str, rows: list[dict[str, Value]]) -> str | None:
    """Return the first row whose hash is not of itself and the row before it."""
    previous = table
    for row in rows:
        if row.get(CHAIN) != chain_hash(previous, row):
            return f"{_name(table, row)} was changed, or the row before it changed or removed"
        previous = str(row[CHAIN])
    return None


def _end_problem(table: str, last: int, rows: list[dict[str, Value]]) -> str | None:
    """Return what is wrong with the last rows, the newest first, or None."""
    if not rows or rows[0][NUMBER] != last:
        return f"{table}: its last row is not the one with number {last}, which was removed"
    previous = str(rows[1].get(CHAIN)) if len(rows) > 1 else table
    if rows[0].get(CHAIN) != chain_hash(previous, rows[0]):
        return f"{_name(table, rows[0])} was changed, or the row before it changed or removed"
    return None


def _name(table: str, row: dict[str, Value]) -> str:
    named = next(f"{key} {value!s}" for key, value in row.items() if key != NUMBER)
    return f"{table}: the row with number {row[NUMBER]!s} ({named})"
