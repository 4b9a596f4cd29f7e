"""The lock that lets one process at a time write the candles of a symbol."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot_cripto.errors import BusyError
from bot_cripto.locks import acquire

WAIT_S = 30.0


@contextmanager
def locked(folder: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the exclusive flock on ``FOLDER/.lock``; the system frees it when its holder dies.

    Temporary files that killed writers left in the folder are removed first: under the lock
    nobody can still be writing them.

    Parameters
    ----------
    folder : Path
        The symbol's folder; made when missing.
    wait_s : float
        How long to wait for another holder, in seconds.

    Raises
    ------
    BusyError
        Another process, or another thread of this one, has held the lock for `wait_s` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as lock:
        if not acquire(lock, fcntl.LOCK_EX, wait_s):
            raise BusyError(
                f"{folder}: another process has been writing these candles for {wait_s:.0f} s; "
                "wait for it or end it, then run again"
            )
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        yield
