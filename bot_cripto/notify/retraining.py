"""A retrain as a child process of the service of commands."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bot_cripto.secrets import redact
from bot_cripto.workflow.runner import start_target

Ended = Callable[[int, float, str], object]
"""``ended(exit code, seconds, last line of the log)``"""


class Retraining:
    """At most one retrain at a time.

    Parameters
    ----------
    log : Path
        Where it writes what it says; replaced by each one.
    start : callable, optional
        Starts the child with its output going to an open file.
    """

    def __init__(
        self, log: Path, start: Callable[..., subprocess.Popen[bytes]] = start_target
    ) -> None:
        self.log = log
        self._start = start
        self._child: subprocess.Popen[bytes] | None = None

    def begin(self, ended: Ended) -> bool:
        """Start a retrain and return at once; False where one that was begun here still runs.

        Parameters
        ----------
        ended : callable
            Called from another thread when it has ended.
        """
        if self._child is not None and self._child.poll() is None:
            return False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._child = self._start("retrain", output=output)
        threading.Thread(
            target=self._wait, args=(self._child, ended), name="retrain", daemon=True
        ).start()
        return True

    def end(self) -> None:
        """Ask the child to end, if it runs; it puts its state in order by itself."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def _wait(self, child: subprocess.Popen[bytes], ended: Ended) -> None:
        began = time.monotonic()
        code = child.wait()
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        ended(code, time.monotonic() - began, redact(last)[:300])
