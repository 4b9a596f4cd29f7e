"""Messages waiting for delivery, with the cursors of what they were made from, in one file.

Messages and cursors change in one transaction: whatever is killed when, a fact becomes one
message. What is sent twice is only what may not have arrived.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import LedgerError
from bot_cripto.ledger import database
from bot_cripto.secrets import redact

APPLICATION_ID = 0x42434F42
KEEP_MS = 30 * 86_400_000
"""How long the text of a message that was sent, or lost, is kept."""

_UNTRIED = "parts_sent = 0 AND unsure = 0"
"""Nothing of it can have arrived."""
_FREE = (
    f"state = 'pending' AND leader IS NULL AND photo IS NULL AND kind != 'summary' AND {_UNTRIED}"
)
"""May be merged with others."""
_MEMBERS = "SELECT time_ms, text FROM messages WHERE leader = ? ORDER BY id"
_UNMERGE = f"""UPDATE messages SET leader = NULL WHERE state = 'pending'
    AND leader IN (SELECT id FROM messages WHERE {_UNTRIED})"""  # noqa: S608 - constants
_KINDS = f"""SELECT kind, min(id) FROM messages WHERE {_FREE} AND time_ms <= ?
    GROUP BY kind HAVING count(*) > 1"""  # noqa: S608 - constants
_MERGE = f"""UPDATE messages SET leader = ?
    WHERE {_FREE} AND time_ms <= ? AND kind = ?"""  # noqa: S608 - constants

PENDING, SENT, LOST = "pending", "sent", "lost"

MIGRATIONS = (
    (
        1001,
        (
            """CREATE TABLE messages (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                key TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL,
                time_ms INTEGER NOT NULL,
                text TEXT NOT NULL,
                photo BLOB,
                created_ms INTEGER NOT NULL,
                state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'lost')),
                attempts INTEGER NOT NULL DEFAULT 0,
                next_try_ms INTEGER NOT NULL DEFAULT 0,
                parts_sent INTEGER NOT NULL DEFAULT 0,
                unsure INTEGER NOT NULL DEFAULT 0,
                leader INTEGER REFERENCES messages (id) ON DELETE SET NULL,
                telegram_id INTEGER,
                error TEXT,
                done_ms INTEGER
            )""",
            "CREATE INDEX messages_state ON messages (state, id)",
            "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        ),
    ),
)


@dataclass(frozen=True)
class Message:
    """One message to people.

    Attributes
    ----------
    key : str
        Says which fact it tells of; a key is enqueued once.
    kind : str
        e.g. ``decision``, ``entry``, ``exit``, ``blocked``, ``failure``, ``summary``.
    time_ms : int
        When it happened, milliseconds since the epoch, UTC.
    text : str
    photo : bytes or None
        PNG to go with it.
    """

    key: str
    kind: str
    time_ms: int
    text: str
    photo: bytes | None = None


@dataclass(frozen=True)
class Waiting:
    """A message that waits: its row, and how far its delivery has come.

    Attributes
    ----------
    id, attempts, next_try_ms, parts_sent : int
    unsure : bool
        The part after `parts_sent` was sent, but nobody knows whether it arrived.
    members : tuple of (int, str)
        Time and text of the messages that it stands for, the oldest first; more than one when
        several were merged.
    """

    id: int
    kind: str
    photo: bytes | None
    attempts: int
    next_try_ms: int
    parts_sent: int
    unsure: bool
    error: str | None
    members: tuple[tuple[int, str], ...]


class Outbox:
    """The file of messages; a context manager.

    Raises
    ------
    LedgerError
        The file is damaged or of a later format.
    BusyError
        Another process was writing for too long.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connection = database.connect(
            self.path, migrations=MIGRATIONS, application_id=APPLICATION_ID
        )
        try:
            with database.explained(self.path):
                found = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise LedgerError(f"{self.path}: {found}") from sqlite3.DatabaseError(found)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen at once or not at all."""
        with database.explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def note(self, name: str, default: Any = None) -> Any:
        """Return a JSON value that was noted, or `default`."""
        row = self._one("SELECT value FROM notes WHERE name = ?", name)
        return default if row is None else json.loads(row[0])

    def set_note(self, name: str, value: Any) -> None:
        """Note a JSON value; None forgets it."""
        if value is None:
            self._do("DELETE FROM notes WHERE name = ?", name)
        else:
            self._do("INSERT OR REPLACE INTO notes VALUES (?, ?)", name, json.dumps(value))

    def enqueue(self, messages: Sequence[Message], now_ms: int) -> int:
        """Add the messages whose key is new, without secrets; return how many those were."""
        added = 0
        for message in messages:
            text = redact(message.text).encode("utf-8", "replace").decode()
            # Telegram takes no message without a text
            text = text if text.strip() else message.kind
            row = (message.key, message.kind, message.time_ms, text, message.photo, now_ms)
            added += self._do(
                "INSERT INTO messages (key, kind, time_ms, text, photo, created_ms) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                *row,
            )
        return added

    def waiting(self) -> Waiting | None:
        """Return the oldest message that waits, or None."""
        row = self._one(
            "SELECT id, kind, photo, attempts, next_try_ms, parts_sent, unsure, error, time_ms, "
            "text FROM messages WHERE state = 'pending' AND (leader IS NULL OR leader = id) "
            "ORDER BY id LIMIT 1"
        )
        if row is None:
            return None
        number, kind, photo, attempts, next_try_ms, parts_sent, unsure, error, *own = row
        members = self._all(_MEMBERS, number) or [own]
        return Waiting(
            number,
            kind,
            photo,
            attempts,
            next_try_ms,
            parts_sent,
            bool(unsure),
            error,
            tuple((time_ms, text) for time_ms, text in members),
        )

    def unmerge(self) -> None:
        """Let merged messages stand for themselves again, where no delivery has begun."""
        self._do(_UNMERGE)

    def merge(self, before_ms: int) -> None:
        """Let the oldest of several waiting messages of a kind stand for all of them.

        Those that happened until `before_ms`, have no picture, and of which nothing may have
        been sent yet. It keeps its place; the others move up to it.
        """
        for kind, first in self._all(_KINDS, before_ms):
            self._do(_MERGE, first, before_ms, kind)

    def trying(self, message: int) -> None:
        """Record that a part of it is about to be sent: from now on it may have arrived."""
        self._do("UPDATE messages SET attempts = attempts + 1, unsure = 1 WHERE id = ?", message)

    def arrived(self, message: int, parts: int, telegram_id: int, *, last: bool, now: int) -> None:
        """Record that so many parts of it have arrived; after the last one it is sent."""
        self._do(
            "UPDATE messages SET parts_sent = ?, unsure = 0, attempts = 0, next_try_ms = 0, "
            "error = NULL, telegram_id = ? WHERE id = ?",
            parts,
            telegram_id,
            message,
        )
        if last:
            self._finish(message, SENT, now)

    def failed(self, message: int, error: str, next_try_ms: int, *, unsure: bool) -> None:
        """Record why it was not delivered, when to try again, and whether it may have arrived."""
        self._do(
            "UPDATE messages SET error = ?, next_try_ms = ?, unsure = ? WHERE id = ?",
            redact(error),
            next_try_ms,
            int(unsure),
            message,
        )

    def drop_photo(self, message: int) -> None:
        """Let a message go without its picture."""
        self._do("UPDATE messages SET photo = NULL, unsure = 0 WHERE id = ?", message)

    def give_up(self, message: int, now: int) -> int:
        """Count a message, and those that it stands for, as lost; return how many they are."""
        count = self._finish(message, LOST, now)
        self.set_note("lost_untold", self.note("lost_untold", 0) + count)
        return count

    def expire(self, created_before_ms: int, now: int) -> int:
        """Count as lost what has waited since before that time; return how many those are."""
        old = self._all(
            "SELECT id FROM messages WHERE state = 'pending' AND created_ms < ? "
            "AND (leader IS NULL OR leader = id)",
            created_before_ms,
        )
        return sum(self.give_up(message, now) for (message,) in old)

    def counts(self, since_ms: int = 0) -> dict[str, int]:
        """Return the number of messages by state; sent and lost ones since that time."""
        rows = self._all(
            "SELECT state, count(*) FROM messages WHERE state = 'pending' OR done_ms >= ? "
            "GROUP BY state",
            since_ms,
        )
        return {PENDING: 0, SENT: 0, LOST: 0} | dict(rows)

    def lost_between(self, since_ms: int, until_ms: int) -> int:
        """Return how many messages were counted as lost in that time."""
        row = self._one(
            "SELECT count(*) FROM messages WHERE state = 'lost' AND done_ms >= ? AND done_ms < ?",
            since_ms,
            until_ms,
        )
        return int(row[0]) if row else 0

    def prune(self, now: int) -> None:
        """Forget what was sent or lost long ago."""
        self._do("DELETE FROM messages WHERE state != 'pending' AND done_ms < ?", now - KEEP_MS)

    def _finish(self, message: int, state: str, now: int) -> int:
        # a picture has done its work
        return self._do(
            "UPDATE messages SET state = ?, done_ms = ?, photo = NULL "
            "WHERE state = 'pending' AND (id = ? OR leader = ?)",
            state,
            now,
            message,
            message,
        )

    def _do(self, sql: str, *values: Any) -> int:
        with database.explained(self.path):
            return self._connection.execute(sql, values).rowcount

    def _one(self, sql: str, *values: Any) -> Any:
        with database.explained(self.path):
            return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with database.explained(self.path):
            return self._connection.execute(sql, values).fetchall()


def open_outbox(path: Path, now_ms: int) -> tuple[Outbox, str]:
    """Open the outbox; one that is damaged is set aside, and a new one begins.

    Returns
    -------
    (Outbox, str)
        And the name under which the damaged file was kept; empty when it was sound.

    Raises
    ------
    LedgerError
        It is of a later format, or cannot be written.
    BusyError
        Another process was writing for too long.
    """
    try:
        return Outbox(path), ""
    except LedgerError as error:
        if not _is_damaged(path, error):
            raise
    kept = path.with_name(f"{path.name}.damaged-{now_ms}")
    # the log beside it first: a new file must never find the old one's
    for suffix in ("-wal", "-shm", ""):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(f"{kept}{suffix}")
    return Outbox(path), kept.name


def _is_damaged(path: Path, error: LedgerError) -> bool:
    """Whether the file itself is at fault: not its rights, the disk, or a later release."""
    cause = error.__cause__
    if cause is not None:
        name = getattr(cause, "sqlite_errorname", "SQLITE_CORRUPT")
        return str(name).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    with path.open("rb") as file:
        header = file.read(72)
    return header[68:72] != APPLICATION_ID.to_bytes(4, "big")
