"""The notifier: news into the outbox, then from the outbox to Telegram; safe to kill anywhere.

It does no work on the way to a signal and touches nothing but the outbox and its own lock.
"""

from __future__ import annotations

import logging
import random
import time as system_time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot_cripto import clock
from bot_cripto.errors import EXIT_FAILED, EXIT_OK, BotCriptoError, BusyError
from bot_cripto.layout import Layout
from bot_cripto.locks import lock_run
from bot_cripto.notify import feed, summary, texts
from bot_cripto.notify.budget import Budget
from bot_cripto.notify.outbox import PENDING, Message, Outbox, open_outbox
from bot_cripto.secrets import Secret, read_secret, redact

log = logging.getLogger(__name__)

ROLE = "notify"
LOCK_WAIT_S = 2.0
MERGE_AFTER_MS = 600_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Report:
    """What a run of the notifier did.

    Attributes
    ----------
    configured : bool
        Whether Telegram's token and chat are set; nothing is done without.
    enqueued, sent, lost : int
        New messages; messages delivered and given up in this run.
    pending : int
        Messages that wait.
    problem : str
        Why they wait, or what else is wrong; empty when nothing is.
    """

    configured: bool = True
    enqueued: int = 0
    sent: int = 0
    lost: int = 0
    pending: int = 0
    problem: str = ""

    @property
    def exit_code(self) -> int:
        """Return 1 when something is wrong with delivery, else 0."""
        return EXIT_FAILED if self.configured and self.problem else EXIT_OK

    def __str__(self) -> str:
        if not self.configured:
            return self.problem or "Telegram is not configured; no messages are made"
        counts = f"{self.enqueued} new, {self.sent} sent, {self.pending} waiting, {self.lost} lost"
        return f"messages: {counts}" + (f"; {self.problem}" if self.problem else "")


def notify(
    layout: Layout,
    settings: dict[str, Any],
    environment: Mapping[str, str] | None = None,
    *,
    now: int | None = None,
    budget_s: float = 20.0,
    timeout_s: float = 10.0,
    monotonic: Callable[[], float] = system_time.monotonic,
    sleep: Callable[[float], object] = system_time.sleep,
    rng: Callable[[], float] = random.random,
) -> Report:
    """Make messages of what is new and deliver what waits.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        Effective settings.
    environment : mapping, optional
        Where TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are looked for; default: the process's.
    now : int, optional
        The time, milliseconds since the epoch, UTC; default: the system's, never `as_of`.
    budget_s : float
        Seconds after which it ends, whatever waits.
    timeout_s : float
        Seconds for one call of Telegram.
    monotonic, sleep, rng : callable
        A clock in seconds, waiting, and draws from [0, 1).

    Returns
    -------
    Report
        Problems of delivery are in it, never raised.

    Raises
    ------
    ConfigError
        A credentials or environment file is there and cannot be read.
    """
    now = clock.system_ms() if now is None else now
    budget = Budget(now, budget_s, monotonic, sleep, rng, monotonic())
    token = read_secret("TELEGRAM_BOT_TOKEN", environment)
    chat = read_secret("TELEGRAM_CHAT_ID", environment)
    if not token or not chat:
        missing = "TELEGRAM_CHAT_ID" if token else "TELEGRAM_BOT_TOKEN"
        half = f"no messages are made: {missing} is not set" if token or chat else ""
        return Report(configured=False, problem=half)
    try:
        held = lock_run(layout.locks, ROLE, wait_s=min(LOCK_WAIT_S, budget_s / 4))
    except BusyError:
        # the other one delivers
        return Report()
    except OSError as error:
        return Report(problem=redact(f"the notifier's lock cannot be taken: {error}"))
    with held:
        try:
            outbox, damaged = open_outbox(layout.outbox, now)
            with outbox:
                enqueued = _collect(outbox, damaged, layout, settings, now)
                expired = _tidy(outbox, settings, now)
                problem = _deliver(outbox, token, chat, settings, budget, timeout_s)
                counts = outbox.counts(now)
        except (BotCriptoError, OSError) as error:
            return Report(problem=redact(str(error)))
    if expired:
        log.warning("%d messages could not be delivered in time and are lost", expired)
    return Report(True, enqueued, counts["sent"], counts["lost"], counts[PENDING], problem)


def _collect(
    outbox: Outbox, damaged: str, layout: Layout, settings: dict[str, Any], now: int
) -> int:
    """Put what is new into the outbox, and the cursors with it; return how many messages."""
    retry_ms = round(settings["notify_retry_hours"] * HOUR_MS)
    cursors = outbox.note("cursors") or feed.begin(now)
    if now - outbox.note("last_run_ms", now) > retry_ms:
        # what is older would count as lost; keys keep the rest from being told twice
        cursors = feed.begin(now - retry_ms)
    messages, cursors = feed.read(layout, settings, cursors, now)
    if damaged:
        log.warning("the outbox was damaged and begins anew; it was kept as %s", damaged)
        messages.append(_damage(damaged, settings, now))
    yesterday = summary.day_before(now)
    told = outbox.note("summary_day")
    if told is None or told > yesterday:
        # what was before is no news; a day to come is of a clock that was wrong
        told = yesterday
    elif summary.is_due(told, settings, now):
        day_ms = summary.day_start_of(yesterday)
        lost = outbox.lost_between(day_ms, day_ms + summary.DAY_MS)
        try:
            messages.append(summary.build(layout, settings, day_ms, lost, now))
            told = yesterday
        except BusyError as error:
            log.info("the summary waits: %s", error)
        except feed.UNREADABLE as error:
            # said instead of the summary, for it would fail again
            messages.append(_no_summary(error, yesterday, settings, now))
            told = yesterday
    with outbox.transaction():
        added = outbox.enqueue(messages, now)
        outbox.set_note("cursors", cursors)
        outbox.set_note("last_run_ms", now)
        outbox.set_note("summary_day", told)
    return added


def _damage(damaged: str, settings: dict[str, Any], now: int) -> Message:
    language = settings["language"]
    text = texts.headed(
        texts.mode_of(settings),
        texts.say(language, "outbox"),
        texts.say(language, "outbox_kept", name=damaged),
    )
    return Message(f"outbox:{now}", "failure", now, text)


def _no_summary(error: Exception, day: str, settings: dict[str, Any], now: int) -> Message:
    language = settings["language"]
    what = texts.say(language, "summary", day=day)
    first = texts.say(language, "unreadable", what=what, problem=repr(error))
    text = texts.headed(texts.mode_of(settings), first)
    return Message(f"summary:{day}:{now}", "failure", now, text)


def _tidy(outbox: Outbox, settings: dict[str, Any], now: int) -> int:
    """Give up what has waited too long, merge what is old; return how many were given up."""
    with outbox.transaction():
        outbox.unmerge()
        expired = outbox.expire(now - round(settings["notify_retry_hours"] * HOUR_MS), now)
        outbox.merge(now - MERGE_AFTER_MS)
        outbox.prune(now)
    return expired


def _deliver(
    outbox: Outbox,
    token: Secret,
    chat: Secret,
    settings: dict[str, Any],
    budget: Budget,
    timeout_s: float,
) -> str:
    if outbox.waiting() is None:
        return ""
    # importing the library takes longer than all the rest: only when there is something to send
    from bot_cripto.notify.sending import Sender, config_of
    from bot_cripto.notify.telegram import Telegram

    url = settings["telegram_base_url"]
    config = config_of(token.reveal(), chat.reveal(), url)
    with Telegram(token, chat, url, timeout_s=timeout_s) as telegram:
        return Sender(outbox, telegram, settings["language"], budget, timeout_s, config).run()
