"""Which updates of the bot were handled: kept on disk, so that none is handled twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bot_cripto import atomic, clock
from bot_cripto.secrets import Secret

FORGET_MS = 6 * 86_400_000
"""After a week without updates Telegram numbers them anew, at random."""


class Offset:
    """The number of the next update, in a small file.

    A file that is missing, damaged or of another bot counts as none: then Telegram's own memory
    of what was asked for last decides.

    Parameters
    ----------
    path : Path
    token : Secret
        Tells bots apart; the file holds but a hash of the bot's number.
    """

    def __init__(self, path: Path, token: Secret) -> None:
        number = token.reveal().partition(":")[0]
        self._bot = hashlib.sha256(f"bot {number}".encode()).hexdigest()[:16]
        self._path = path
        self._next: int | None = None
        self._time_ms = 0
        try:
            kept = json.loads(path.read_bytes())
            if kept["bot"] == self._bot:
                self._next, self._time_ms = int(kept["next"]), int(kept["time_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            self._next = None

    def next(self) -> int | None:
        """Return the first update wanted; None: whatever Telegram has kept."""
        if abs(clock.system_ms() - self._time_ms) > FORGET_MS:
            self._next = None
        return self._next

    def handled(self, update_id: int) -> None:
        """Note that this update and all before it are handled.

        Raises
        ------
        OSError
            It could not be written; it counts as handled for this process.
        """
        self._next, self._time_ms = update_id + 1, clock.system_ms()
        atomic.write_json(
            self._path, {"bot": self._bot, "next": self._next, "time_ms": self._time_ms}
        )
