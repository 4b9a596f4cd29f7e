"""Locks between runs: one per role, held by the run; another held, shared, by its jobs.

The kernel drops a lock with the process that holds it, so nothing is ever left behind by a
kill; and a job that outlives its killed run still shows, because it holds the shared lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from bot_cripto.errors import BusyError

WAIT_S = 20.0
"""How long a second run of a role waits for the first."""


def _open(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


def acquire(file: IO[Any], mode: int, wait_s: float) -> bool:
    """Take an flock in `mode` within so many seconds; False where another holder keeps it."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def lock_run(folder: Path, role: str, wait_s: float = WAIT_S) -> IO[str]:
    """Take the lock of a role for this run; it lasts until the file is closed or the process ends.

    Parameters
    ----------
    folder : Path
        Where the lock files are.
    role : str
        ``signal`` or ``retrain``.
    wait_s : float
        Seconds to wait for another run of the role, and for orphaned jobs of a killed one.

    Raises
    ------
    BusyError
        Another run, or a job of a killed run, still holds it; the text says which process.
    """
    file = _open(folder / f"{role}.lock")
    if not acquire(file, fcntl.LOCK_EX, wait_s):
        file.seek(0)
        holder = file.read().strip() or "an unknown process"
        file.close()
        raise BusyError(
            f"another {role} run is at work ({holder}); waited {wait_s:.0f} s. "
            "Try again when it has finished."
        )
    with _open(folder / f"{role}.jobs.lock") as jobs:
        if not acquire(jobs, fcntl.LOCK_EX, wait_s):
            file.close()
            raise BusyError(
                f"a job of a killed {role} run is still at work; waited {wait_s:.0f} s. "
                "It ends by itself; or find it with: pgrep -af scripts/"
            )
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # who holds it is a hint for people, which a full disk may do without
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.pwrite(file.fileno(), f"process {os.getpid()}, since {since}".encode(), 0)
    return file


@contextmanager
def job_lock(folder: Path, role: str) -> Iterator[None]:
    """Hold the shared lock of a role's jobs while one of them works."""
    with _open(folder / f"{role}.jobs.lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
