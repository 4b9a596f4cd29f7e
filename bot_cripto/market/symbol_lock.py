"""The lock that lets one process at a time write the candles of a symbol."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot_cripto.errors import BusyError

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
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"{folder}: another process has been writing these candles for "
                        f"{wait_s:.0f} s; wait for it or end it, then run again"
                    ) from None
                time.sleep(0.01)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        yield
