"""Sending what waits in the outbox: in order, not too fast, within a budget of time."""

from __future__ import annotations

import hashlib
import logging
import math

from bot_cripto.market.retry import RetryPolicy
from bot_cripto.notify import texts
from bot_cripto.notify.budget import Budget
from bot_cripto.notify.outbox import Outbox, Waiting
from bot_cripto.notify.telegram import (
    CAPTION_LIMIT,
    TEXT_LIMIT,
    DeliveryError,
    RateLimitError,
    RefusedError,
    Telegram,
    UnfitError,
    split_text,
    utf16_length,
)

log = logging.getLogger(__name__)

GAP_MS = 1_050
"""Between two messages to a chat: a little more than the second that Telegram allows."""
GROUP_MESSAGES, GROUP_MS = 20, 60_000
REFUSED_AGAIN_MS = 3_600_000
"""A chat that refuses is asked again so seldom, for it may be unblocked without our knowing."""
UNFIT_TRIES = 3
LEAST_S = 3.0
"""A message is not begun when less of the budget is left."""
NOTES_LENGTH = 300
"""UTF-16 code units of each part kept free for what is added to it."""

BACKOFF = RetryPolicy(attempts=1, base_s=1.0, cap_s=300.0, budget_s=0.0)


class Sender:
    """Sends what waits until nothing waits, the time is up, or sending makes no sense.

    Parameters
    ----------
    outbox : Outbox
    telegram : Telegram
    language : str
    budget : Budget
    timeout_s : float
        Greatest time for one call.
    config : str
        What stands for token, chat and server, from `config_of`.
    """

    def __init__(
        self,
        outbox: Outbox,
        telegram: Telegram,
        language: str,
        budget: Budget,
        timeout_s: float,
        config: str,
    ) -> None:
        self._outbox, self._telegram, self._language = outbox, telegram, language
        self._budget, self._timeout_s, self._config = budget, timeout_s, config

    def run(self) -> str:
        """Send; return why messages go on waiting, empty when that is nobody's fault."""
        refused = self._outbox.note("refused")
        if refused and refused["config"] == self._config:
            wait_ms = refused["again_ms"] - self._budget.now_ms()
            if 0 < wait_ms <= REFUSED_AGAIN_MS and self._outbox.waiting():
                return str(refused["problem"])
        while (waiting := self._outbox.waiting()) is not None:
            pause_ms = self._pause_ms(waiting)
            if pause_ms / 1000 + min(LEAST_S, self._timeout_s) > self._budget.left_s():
                return waiting.error or ""
            if pause_ms > 0:
                self._budget.sleep(pause_ms / 1000)
            try:
                self._send(waiting)
            except RefusedError as error:
                return self._refused(waiting, error)
            except DeliveryError as error:
                self._failed(waiting, error)
        return ""

    def _pause_ms(self, waiting: Waiting) -> int:
        """Return how long to wait before the next message may go."""
        now = self._budget.now_ms()
        due = now
        asked = self._outbox.note("asked_to_wait")
        if asked and asked["at_ms"] <= now:
            due = max(due, asked["until_ms"])
        # a time far ahead is of a clock that was wrong
        if waiting.next_try_ms - now <= BACKOFF.cap_s * 1000:
            due = max(due, waiting.next_try_ms)
        sends = [sent for sent in self._outbox.note("sends", []) if sent <= now]
        if sends:
            due = max(due, sends[-1] + GAP_MS)
        if self._telegram.is_group and len(sends) >= GROUP_MESSAGES:
            due = max(due, sends[-GROUP_MESSAGES] + GROUP_MS)
        return due - now

    def _send(self, waiting: Waiting) -> None:
        parts = parts_of(waiting, self._language)
        part = parts[waiting.parts_sent]
        untold = 0 if waiting.parts_sent else self._outbox.note("lost_untold", 0)
        notes = [texts.lost(untold, self._language)]
        if waiting.unsure:
            notes.append(texts.say(self._language, "again"))
        text = "\n".join([part, *(note for note in notes if note)])
        timeout_s = min(self._timeout_s, self._budget.left_s())
        with self._outbox.transaction():
            self._outbox.trying(waiting.id)
            earlier = self._note_send()
        if waiting.photo and not waiting.parts_sent:
            number = self._telegram.send_photo(waiting.photo, text, timeout_s=timeout_s)
        else:
            (number,) = self._telegram.send_text(text, timeout_s=timeout_s)
        done = waiting.parts_sent + 1
        with self._outbox.transaction():
            self._outbox.arrived(
                waiting.id, done, number, last=done >= len(parts), now=self._budget.now_ms()
            )
            # counted from its arrival, which cannot have been later than its answer
            self._note_send(earlier)
            if untold:
                left = self._outbox.note("lost_untold", 0) - untold
                self._outbox.set_note("lost_untold", left or None)
            self._outbox.set_note("refused", None)

    def _note_send(self, earlier: list[int] | None = None) -> list[int]:
        """Note that a message is sent now; return what was noted of earlier ones."""
        now = self._budget.now_ms()
        if earlier is None:
            earlier = [sent for sent in self._outbox.note("sends", []) if sent <= now]
        self._outbox.set_note("sends", [*earlier, now][-GROUP_MESSAGES:])
        return earlier

    def _failed(self, waiting: Waiting, error: DeliveryError) -> None:
        now = self._budget.now_ms()
        unsure = waiting.unsure or error.may_have_arrived
        tries = waiting.attempts + 1
        with self._outbox.transaction():
            if isinstance(error, RateLimitError):
                until = now + math.ceil(error.retry_after_s * 1000)
                self._outbox.set_note("asked_to_wait", {"at_ms": now, "until_ms": until})
                # waiting as asked is no fault
                self._outbox.failed(waiting.id, waiting.error or "", 0, unsure=unsure)
                return
            wait_s = max(0.5, BACKOFF.backoff(tries, self._budget.rng()))
            next_try_ms = now + math.ceil(wait_s * 1000)
            self._outbox.failed(waiting.id, str(error), next_try_ms, unsure=unsure)
            if isinstance(error, UnfitError):
                if waiting.photo and not waiting.parts_sent:
                    log.warning("a picture was refused, its text goes alone: %s", error)
                    self._outbox.drop_photo(waiting.id)
                elif tries >= UNFIT_TRIES:
                    log.warning("a message was refused and is lost: %s", error)
                    self._outbox.give_up(waiting.id, now)

    def _refused(self, waiting: Waiting, error: RefusedError) -> str:
        known = self._outbox.note("refused")
        if not known or known["config"] != self._config:
            log.warning("no message can be delivered, they are kept: %s", error)
        again_ms = self._budget.now_ms() + REFUSED_AGAIN_MS
        note = {"config": self._config, "again_ms": again_ms, "problem": str(error)}
        with self._outbox.transaction():
            self._outbox.failed(waiting.id, str(error), 0, unsure=waiting.unsure)
            self._outbox.set_note("refused", note)
        return str(error)


def parts_of(waiting: Waiting, language: str) -> list[str]:
    """Return the texts of the messages that it takes; the first is the caption of a picture.

    The same for the same message, so that a part that has arrived is not sent again.
    """
    members = list(waiting.members)
    text = members[0][1] if len(members) == 1 else texts.merged(members, language)
    if not waiting.photo:
        return split_text(text, TEXT_LIMIT - NOTES_LENGTH)
    if utf16_length(text) <= CAPTION_LIMIT - NOTES_LENGTH:
        return [text]
    first, _, rest = text.partition("\n")
    caption, *more = split_text(first, CAPTION_LIMIT - NOTES_LENGTH)
    return [caption, *more, *split_text(rest, TEXT_LIMIT - NOTES_LENGTH)]


def config_of(*secrets: str) -> str:
    """Return what tells one configuration from another, and nothing of it."""
    return hashlib.sha256("\n".join(secrets).encode()).hexdigest()[:16]
