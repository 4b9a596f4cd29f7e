"""Reading what the bot is told, by long polling, whatever the network does meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable

from bot_cripto.notify.offset import Offset
from bot_cripto.notify.telegram import (
    DeliveryError,
    RateLimitError,
    RefusedError,
    Telegram,
    Update,
)

WAIT_S = 25
"""How long the server may hold an answer back."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
TELL_EVERY_S = 3600.0

log = logging.getLogger("bot_cripto.telegram")


class Listener:
    """Hands every update of the configured chat on, in order, each once.

    Updates of other chats are counted, and the count is logged once an hour; nothing of what
    they hold is.

    Parameters
    ----------
    connect : callable
        Returns a `Telegram` of the listener's own.
    hear : callable
        Called with each update of the chat.
    tell : callable
        Called with a sentence when nothing can be read until a person changes something.
    offset : Offset
    stop : threading.Event
    """

    def __init__(
        self,
        connect: Callable[[], Telegram],
        hear: Callable[[Update], object],
        tell: Callable[[str], object],
        offset: Offset,
        stop: threading.Event,
    ) -> None:
        self._connect, self._hear, self._tell = connect, hear, tell
        self._offset, self._stop = offset, stop
        self._telegram: Telegram | None = None
        self._trouble = ""
        self._strangers = 0
        self._told_s = float("-inf")

    def run(self) -> None:
        """Listen until the event is set."""
        pause_s = FIRST_PAUSE_S
        try:
            while not self._stop.is_set():
                try:
                    self._telegram = self._telegram or self._connect()
                    # after trouble at once, to know that it is over
                    wait_s = 0 if self._trouble else WAIT_S
                    updates = self._telegram.updates(self._offset.next(), wait_s)
                    pause_s = FIRST_PAUSE_S
                    self._well()
                    self._take(updates)
                except CancelledError:
                    continue
                except Exception as error:  # noqa: BLE001 - it listens on, whatever happened
                    self._stop.wait(self._failed(error, pause_s))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._tell_strangers()
        finally:
            telegram, self._telegram = self._telegram, None
            if telegram:
                telegram.close()

    def interrupt(self) -> None:
        """End the present wait for the server; from any thread."""
        telegram = self._telegram
        if telegram:
            telegram.interrupt()

    def _take(self, updates: list[Update]) -> None:
        expected = self._offset.next()
        for update in updates:
            if expected is not None and update.update_id < expected:
                continue  # answered from before the last restart
            if self._telegram and self._telegram.is_chat(update.chat_id):
                try:
                    self._hear(update)
                except Exception:  # one update must not hide the next
                    log.exception("a command failed")
            elif update.chat_id:
                self._strangers += 1
            try:
                self._offset.handled(update.update_id)
            except OSError as error:
                log.warning("what was handled could not be noted: %s", error)

    def _failed(self, error: Exception, pause_s: float) -> float:
        """Log a fault, once while it lasts, and return how long to wait."""
        if not isinstance(error, DeliveryError):
            log.exception("listening failed; it begins anew")
            if self._telegram:
                self._telegram.close()
            self._telegram = None
            return pause_s
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.warning("no commands can be read now: %s; trying again", error)
            if isinstance(error, RefusedError):
                self._tell(str(error))
        if isinstance(error, RateLimitError):
            return min(error.retry_after_s, 60.0)
        return LONGEST_PAUSE_S if isinstance(error, RefusedError) else pause_s

    def _well(self) -> None:
        if self._trouble:
            log.info("commands can be read again")
            self._trouble = ""

    def _tell_strangers(self) -> None:
        now = time.monotonic()
        if self._strangers and now - self._told_s >= TELL_EVERY_S:
            log.warning("%d messages from other chats were ignored", self._strangers)
            self._strangers, self._told_s = 0, now
