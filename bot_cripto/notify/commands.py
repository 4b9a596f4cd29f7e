"""Telegram commands: a service that listens to one chat, beside everything that makes signals.

Three threads, so that none waits for another: one listens and turns switches at once, one answers
and does what takes longer, one sends the messages of the outbox.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from bot_cripto import clock
from bot_cripto.errors import EXIT_OK, ConfigError
from bot_cripto.execution.switches import record, turn
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.rollback import roll_back
from bot_cripto.models.in_use import Subject
from bot_cripto.notify.answering import Answer, Answerer
from bot_cripto.notify.answers import Answers, kinds_of
from bot_cripto.notify.command_texts import COMMANDS, duration
from bot_cripto.notify.confirmations import VALID_S, Confirmations, Request
from bot_cripto.notify.listening import Listener
from bot_cripto.notify.offset import Offset
from bot_cripto.notify.remaking import remake
from bot_cripto.notify.retraining import Retraining
from bot_cripto.notify.telegram import Telegram, Update
from bot_cripto.secrets import Secret, read_secret, redact, redact_logs

OFFSET_FILE = "telegram_offset.json"
RETRAIN_LOG = "telegram_retrain.log"
ROLLBACK_LOG = "telegram_rollback.log"

SWITCHES = ("kill", "pause")
"""Carried out at once, however old, without asking: they are the safe side."""
DANGEROUS = ("resume", "release", "retrain", "rollback")
"""Asked about first, and not carried out when they come late."""

STALE_MS = 60_000
DELIVER_EVERY_S = 20.0

log = logging.getLogger("bot_cripto.telegram")


def serve(
    layout: Layout,
    settings: dict[str, Any],
    environment: Mapping[str, str],
    *,
    stop: threading.Event | None = None,
) -> int:
    """Listen to the chat until told to stop.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        The effective settings.
    environment : mapping
        Where TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID come from.
    stop : threading.Event, optional
        Ends the service within a second once set. Default: SIGTERM and SIGINT do, for which this
        must be the main thread.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    ConfigError
        Token or chat are not set.
    """
    token = read_secret("TELEGRAM_BOT_TOKEN", environment)
    chat = read_secret("TELEGRAM_CHAT_ID", environment)
    if not token or not chat:
        raise ConfigError("set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID to have commands")
    redact_logs()
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    service = Commands(layout, settings, environment, token, chat, stop)
    service.run()
    return EXIT_OK


class Commands:
    """The service; `run` it once.

    Parameters
    ----------
    layout, settings, environment, stop
        As of `serve`.
    token, chat : Secret
    retraining : Retraining, optional
        How a retrain is started.
    """

    def __init__(
        self,
        layout: Layout,
        settings: dict[str, Any],
        environment: Mapping[str, str],
        token: Secret,
        chat: Secret,
        stop: threading.Event,
        retraining: Retraining | None = None,
    ) -> None:
        self._layout, self._settings, self._environment = layout, settings, environment
        self._token, self._chat, self._stop = token, chat, stop
        self._retraining = retraining or Retraining(layout.logs / RETRAIN_LOG)
        self._answers = Answers(layout, settings)
        self._say = self._answers.say
        self._confirmations = Confirmations()
        self._answerer = Answerer(self._connect, partial(self._say, "failed"), stop)
        self._later = self._answerer.later

    def run(self) -> None:
        """Listen, answer and deliver until the event is set."""
        offset = Offset(self._layout.logs / OFFSET_FILE, self._token)
        listener = Listener(self._connect, self.hear, self._trouble, offset, self._stop)
        threads = [
            threading.Thread(target=target, name=f"telegram-{name}", daemon=True)
            for name, target in (
                ("listen", listener.run),
                ("answer", self._answerer.run),
                ("deliver", self._deliver_all),
            )
        ]
        menu = [(name, self._say(f"{name}.help")) for name in COMMANDS]
        self._later("menu", partial(self._answerer.publish, menu))
        log.info("listening for commands")
        for thread in threads:
            thread.start()
        self._stop.wait()
        self._retraining.end()
        until = time.monotonic() + 0.5
        while any(t.is_alive() for t in threads[:2]) and time.monotonic() < until:
            listener.interrupt()
            self._answerer.interrupt()
            threads[0].join(0.05)
        # what still waits for the network is a daemon: the end of the process ends it
        log.info("stopped")

    # listening: in the first thread, quick, in the order in which people wrote

    def hear(self, update: Update) -> None:
        """Carry out a switch at once; leave everything else to the answering thread."""
        who = _who(update)
        age = clock.system_ms() - update.time_ms
        if update.data is not None:
            self._press(update, who)
            return
        text = (update.text or "").strip()
        if not text.startswith("/"):
            if not self._chat.reveal().startswith("-"):  # people of a group talk to each other
                self._later("text", partial(self._say, "plain"))
            return
        word, _, argument = text.partition(" ")
        name, argument = word[1:].partition("@")[0].lower(), " ".join(argument.split())[:300]
        late = age > STALE_MS
        if name in SWITCHES:
            self._switch(name, who, argument or "-", age if late else None)
        elif name == "confirm":
            self._confirm("" if late else argument, who)
        elif name in DANGEROUS and late:
            self._later(name, partial(self._say, "stale", name=name, age=duration(age)))
        elif name in DANGEROUS:
            self._later(name, partial(self._ask, name, argument))
        elif name == "start":
            self._later(name, self._answers.help)
        elif name in COMMANDS:
            self._later(name, partial(self._look, name, argument))
        else:
            self._later(name, partial(self._say, "unknown", name=word[:40]))

    def _press(self, update: Update, who: str) -> None:
        word, _, code = (update.data or "").partition(":")
        request = None
        if word == "cancel":
            request = self._confirmations.take(code)
            if request:
                what = f"/{request.command} {request.argument}".rstrip()
                self._later("cancel", partial(self._say, "cancelled", what=what))
        elif word == "confirm":
            request = self._confirm(code, who)
        if request is None and word != "confirm":
            self._later("button", partial(self._say, "expired"))
        if update.callback_id:
            self._later("button", partial(self._answerer.notice, update.callback_id))

    def _confirm(self, code: str, who: str) -> Request | None:
        request = self._confirmations.take(code.strip())
        if request is None:
            self._later("confirm", partial(self._say, "expired"))
        elif request.command in ("resume", "release"):
            # here, so that a kill that was written after it comes after it
            self._switch(request.command, who, request.argument or "-", None)
        elif request.command == "retrain":
            self._later("retrain", self._retrain)
        else:
            self._later("rollback", partial(self._roll_back, request.argument, who))
        return request

    def _switch(self, name: str, who: str, reason: str, late_ms: float | None) -> None:
        """Turn a switch; then have it recorded and answered."""
        now, reason = clock.system_ms(), redact(reason)
        try:
            turn(self._layout, name, who, reason, now)
        except OSError as error:
            log.error("/%s could not be written: %s", name, error)
            failed = partial(self._say, "switch.failed", name=name, error=error)
            self._later(name, failed, urgent=True)
            return
        log.info("%s by %s: %s", name, who, reason)
        self._later(name, partial(self._switched, name, late_ms), urgent=True)
        self._later(name, partial(self._record, name, who, reason, now), urgent=True)

    # what takes longer: in the second thread

    def _look(self, name: str, argument: str) -> str:
        if name in ("signal", "why", "performance", "drift"):
            page: str = getattr(self._answers, name)(argument)
        else:
            page = getattr(self._answers, name)()
        return page

    def _ask(self, name: str, argument: str) -> Answer | str:
        """Return the question whether a dangerous command is meant."""
        if name == "rollback":
            if not argument and len(self._settings["symbols"]) > 1:
                return self._say("which_symbol", known=", ".join(self._settings["symbols"]))
            argument = self._answers.symbols(argument)[0]
        what = self._say(f"{name}.ask", symbol=argument)
        code = self._confirmations.ask(name, argument)
        return Answer(
            self._say("ask", what=what, seconds=VALID_S, code=code),
            (
                (self._say("confirm"), f"confirm:{code}"),
                (self._say("cancel"), f"cancel:{code}"),
            ),
        )

    def _trouble(self, sentence: str) -> None:
        self._later("listen", partial(self._say, "failed", name="getUpdates", error=sentence))

    def _switched(self, name: str, late_ms: float | None) -> str:
        lines = [self._say(f"{name}.done"), self._answers.switches()]
        if late_ms is not None:
            lines.append(self._say("late", age=duration(late_ms)))
        return "\n".join(lines)

    def _record(self, name: str, who: str, reason: str, now_ms: int) -> str:
        problems = record(self._layout, name, who, reason, now_ms)
        return self._say("not_recorded", error="; ".join(problems)) if problems else ""

    def _retrain(self) -> str:
        started = self._retraining.begin(self._retrain_ended)
        return self._say("retrain.started" if started else "retrain.running")

    def _retrain_ended(self, code: int, seconds: float, line: str) -> None:
        age, path = duration(seconds * 1000), self._retraining.log
        if code == EXIT_OK:
            ended = self._say("retrain.ended", age=age)
            self._later("retrain", lambda: f"{ended}\n{self._answers.versions()}")
        else:
            values = {"code": code, "age": age, "line": line, "log": path}
            self._later("retrain", partial(self._say, "retrain.failed", **values))

    def _roll_back(self, symbol: str, who: str) -> str:
        done = roll_back(
            self._layout,
            Subject.of(self._settings, symbol),
            reason=self._say("rolling_back", who=who),
            by=who,
            now_ms=clock.system_ms(),
        )
        # in a thread of its own: what follows takes seconds
        threading.Thread(target=self._remake, args=(symbol,), name="rollback", daemon=True).start()
        said = self._say("rolled_back", symbol=symbol, kinds=kinds_of(done.after))
        return "\n".join([said, *done.passed_over])

    def _remake(self, symbol: str) -> None:
        try:
            problems = remake(self._layout, symbol, self._layout.logs / ROLLBACK_LOG)
        except OSError as error:
            problems = [f"the signal could not be made anew: {error}"]
        for problem in problems:
            log.warning("%s", problem)
            self._later("rollback", partial(self._say, "failed", name="rollback", error=problem))

    # delivering: in the third thread

    def _deliver_all(self) -> None:
        from bot_cripto.notify.deliver import notify

        while not self._stop.wait(DELIVER_EVERY_S):
            try:
                notify(self._layout, self._settings, self._environment, sleep=self._stop.wait)
            except Exception:  # the commands go on, whatever it is
                log.exception("the outbox could not be delivered")

    def _connect(self) -> Telegram:
        return Telegram(self._token, self._chat, self._settings["telegram_base_url"])


def _who(update: Update) -> str:
    """Return who wrote, for the record: a user name, never a number, which may be the chat's."""
    user = "".join(c for c in update.user if c.isalnum() or c in "_-.")[:40]
    return f"telegram:{user}" if user and not user.isdecimal() else "telegram"
