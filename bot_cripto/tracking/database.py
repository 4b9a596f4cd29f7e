"""MLflow's database as a file: its lock, its soundness, and where it says artefacts lie."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from bot_cripto.errors import BusyError
from bot_cripto.locks import acquire

LOCK_WAIT_S = 60.0
"""How long to wait for another process that prepares or records, in seconds."""

SQLITE_WAIT_S = 20.0
"""How long SQLite waits for another writer, in seconds."""


@contextmanager
def locked(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock beside the database: one process at a time prepares or records.

    Parameters
    ----------
    path : Path
        The database; its folder is made when missing.
    wait_s : float
        How long to wait for another holder, in seconds.

    Raises
    ------
    BusyError
        Another process has held the lock for `wait_s` seconds.
    OSError
        The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.with_name(path.name + ".lock")
    with place.open("a") as file:
        if not acquire(file, fcntl.LOCK_EX, wait_s):
            raise BusyError(
                f"{place}: another process has been recording in MLflow for {wait_s:.0f} s; "
                "wait for it or end it, then run again"
            )
        yield


def check(path: Path) -> None:
    """Find out whether the database is sound and can be written; a missing one is made.

    Raises
    ------
    sqlite3.Error
        The file is damaged, no database, or cannot be written.
    """
    with closing(sqlite3.connect(path, timeout=SQLITE_WAIT_S)) as connection:
        (found,) = connection.execute("pragma quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(str(found).replace("\n", " "))
        # A transaction alone does not fail on a read-only file, a write does.
        connection.execute("begin immediate")
        connection.execute("create table writable (x)")
        connection.rollback()


def move_artefacts(path: Path, experiment_id: str, old: str, new: str) -> None:
    """Write the new place of an experiment's artefacts into the database.

    MLflow stores absolute places and has no call that changes them, so this writes its tables.

    Parameters
    ----------
    path : Path
    experiment_id : str
    old, new : str
        ``file://`` addresses of folders. A run is led to the new one if its artefacts are there;
        otherwise it keeps its place.

    Raises
    ------
    sqlite3.Error
        The database cannot be written; nothing was changed.
    """
    with closing(sqlite3.connect(path, timeout=SQLITE_WAIT_S)) as connection, connection:
        connection.execute(
            "update experiments set artifact_location = ? where experiment_id = ?",
            (new, experiment_id),
        )
        runs = connection.execute(
            "select run_uuid, artifact_uri from runs where experiment_id = ?", (experiment_id,)
        ).fetchall()
        for run, address in runs:
            moved = new + str(address).removeprefix(old)
            if str(address).startswith(f"{old}/") and _as_path(moved).is_dir():
                connection.execute(
                    "update runs set artifact_uri = ? where run_uuid = ?", (moved, run)
                )


def move_version(path: Path, name: str, number: int, place: str) -> None:
    """Write where a registered version lies now; MLflow has no call that changes it.

    Parameters
    ----------
    path : Path
    name : str
        The registered model.
    number : int
        MLflow's number of the version.
    place : str
        ``file://`` address of its folder.

    Raises
    ------
    sqlite3.Error
        The database cannot be written; nothing was changed.
    """
    with closing(sqlite3.connect(path, timeout=SQLITE_WAIT_S)) as connection, connection:
        connection.execute(
            "update model_versions set source = ?, storage_location = ? "
            "where name = ? and version = ?",
            (place, place, name, number),
        )


def _as_path(address: str) -> Path:
    """Return the path of a file address."""
    return Path(url2pathname(urlsplit(address).path))
