"""The short lock under which a symbol's champion, its history and its bad marks change."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot_cripto.errors import BusyError
from bot_cripto.locks import acquire
from bot_cripto.symbols import symbol_to_path

WAIT_S = 10.0
"""How long to wait for another writer; each holds the lock for milliseconds."""


@contextmanager
def champion_lock(models_dir: Path | str, symbol: str, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a symbol's champion; it is no lock of a role, so a retrain may be at work.

    Raises
    ------
    BusyError
        Another process has held it for `wait_s` seconds.
    """
    # not in the folder of the champions, which a restored backup replaces as a whole
    path = Path(models_dir) / "locks" / f"champion-{symbol_to_path(symbol)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if not acquire(file, fcntl.LOCK_EX, wait_s):
            raise BusyError(
                f"the champion of {symbol} is being changed by another process; waited "
                f"{wait_s:.0f} s. Try again."
            )
        yield
