"""Asking again before something dangerous: a code that is good once, for a minute."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

VALID_S = 60


@dataclass(frozen=True)
class Request:
    """What waits for its confirmation."""

    command: str
    argument: str
    until: float


class Confirmations:
    """Codes and what each stands for; only in memory, so a restart forgets all of them.

    Parameters
    ----------
    monotonic : callable
        Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting: dict[str, Request] = {}

    def ask(self, command: str, argument: str) -> str:
        """Return a new code for a command; an earlier code of the same command is void."""
        now = self._monotonic()
        with self._lock:
            self._waiting = {
                code: request
                for code, request in self._waiting.items()
                if request.until > now and request.command != command
            }
            code = f"{secrets.randbelow(10**6):06d}"
            while code in self._waiting:
                code = f"{secrets.randbelow(10**6):06d}"
            self._waiting[code] = Request(command, argument, now + VALID_S)
        return code

    def take(self, code: str) -> Request | None:
        """Return what a code stands for, once; None where it expired, was used, or never was."""
        with self._lock:
            request = self._waiting.pop(code, None)
        return request if request and request.until > self._monotonic() else None
