"""Answering people, one answer after the other, in a thread of its own."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot_cripto.errors import BotCriptoError
from bot_cripto.notify.telegram import (
    DeliveryError,
    RateLimitError,
    Telegram,
    UnreachableError,
)

MOST_WAITING = 100
RETRIES_S = (0.5, 2.0, 5.0)
LONGEST_WAIT_S = 30.0

log = logging.getLogger("bot_cripto.telegram")


@dataclass(frozen=True)
class Answer:
    """A text with buttons (label, data) under it."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()


Work = Callable[[], Answer | str]
"""Does what was asked for and returns what to say; the empty text for nothing."""


class Answerer:
    """Does work in the order given and sends what it returns.

    Parameters
    ----------
    connect : callable
        Returns a `Telegram` of the answerer's own.
    failure : callable
        ``failure(name=..., error=...)``: what to say of work that raised.
    stop : threading.Event
    """

    def __init__(
        self,
        connect: Callable[[], Telegram],
        failure: Callable[..., str],
        stop: threading.Event,
    ) -> None:
        self._connect, self._failure, self._stop = connect, failure, stop
        self._telegram: Telegram | None = None
        self._waiting: queue.PriorityQueue[tuple[bool, int, str, Work]] = queue.PriorityQueue()
        self._numbers = itertools.count()

    def later(self, name: str, work: Work, *, urgent: bool = False) -> None:
        """Have work done, from any thread, urgent work first.

        Work that is not urgent is dropped, and logged, where too much waits already.
        """
        if not urgent and self._waiting.qsize() >= MOST_WAITING:
            log.warning("too many commands are waiting; %s was dropped", name)
            return
        self._waiting.put((not urgent, next(self._numbers), name, work))

    def run(self) -> None:
        """Answer until the event is set."""
        while not self._stop.is_set():
            try:
                *_, name, work = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                answer = self._done(name, work)
                if answer:
                    self._send(answer if isinstance(answer, Answer) else Answer(answer))
            except DeliveryError as error:
                log.warning("the answer to %s could not be sent: %s", name, error)
            except CancelledError:
                continue
            except Exception:  # whatever it is, the next answer may succeed
                log.exception("the answer to %s could not be sent", name)
        telegram, self._telegram = self._telegram, None
        if telegram:
            telegram.close()

    def interrupt(self) -> None:
        """End the present wait for the server; from any thread."""
        telegram = self._telegram
        if telegram:
            telegram.interrupt()

    def notice(self, callback_id: str) -> str:
        """Take the waiting sign off a button that was pressed; as work."""
        with suppress(DeliveryError):  # it is only for the eye
            self._own().acknowledge(callback_id)
        return ""

    def publish(self, menu: Sequence[tuple[str, str]]) -> str:
        """Publish the menu of commands; as work."""
        with suppress(DeliveryError):  # /help lists them too
            self._own().set_commands(menu)
        return ""

    def _done(self, name: str, work: Work) -> Answer | str:
        try:
            return work()
        except BotCriptoError as error:
            return self._failure(name=name, error=error)
        except Exception as error:  # a broken answer must not end the service
            log.exception("%s failed", name)
            return self._failure(name=name, error=repr(error)[:300])

    def _send(self, answer: Answer) -> None:
        """Send an answer, trying again for a while: better twice than never."""
        sent = 0

        def on_part(number: int, _: int) -> None:
            nonlocal sent
            sent = number

        for pause_s in (*RETRIES_S, None):
            try:
                self._own().send_text(
                    answer.text, buttons=answer.buttons, start=sent, on_part=on_part
                )
                return
            except (RateLimitError, UnreachableError) as error:
                if pause_s is None:
                    raise
                asked_s = error.retry_after_s if isinstance(error, RateLimitError) else 0.0
                if self._stop.wait(max(pause_s, min(asked_s, LONGEST_WAIT_S))):
                    return

    def _own(self) -> Telegram:
        self._telegram = self._telegram or self._connect()
        return self._telegram
