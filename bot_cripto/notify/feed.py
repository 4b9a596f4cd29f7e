"""News: what the journal, the ledgers and the champions' history hold beyond the cursors.

A pure function of append-only facts: read twice from the same cursors it gives the same messages
with the same keys. What cannot be read is told, and keeps nothing else from being read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from bot_cripto.errors import BotCriptoError, BusyError
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.lifecycle.mirror import untold
from bot_cripto.models.champion import history_path
from bot_cripto.notify import (
    champion_news,
    ledger_news,
    registry_news,
    repeats,
    signal_news,
    texts,
)
from bot_cripto.notify.outbox import Message

__all__ = ["Message", "begin", "read"]

ACCOUNTS = ("live", "paper")

UNREADABLE = (
    BotCriptoError,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What damaged or foreign content raises: it is told, and keeps no other message back."""

Cursors = dict[str, Any]


def begin(now_ms: int) -> Cursors:
    """Return cursors that begin with now: the past is no news."""
    return {"since_ms": now_ms, "streams": {}, "unreadable": {}}


def read(
    layout: Layout, settings: dict[str, Any], cursors: Cursors, now_ms: int
) -> tuple[list[Message], Cursors]:
    """Return the messages that are due beyond the cursors, the oldest first, and new cursors.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        Effective settings.
    cursors : dict
        From `begin`, or as returned before; JSON values, not changed.
    now_ms : int
        The system's time, milliseconds since the epoch, UTC.
    """
    cursors = copy.deepcopy(cursors)
    # a clock that was wrong must not keep the present from being news
    cursors["since_ms"] = min(cursors["since_ms"], now_ms)
    reader = _Reader(layout, settings, cursors, now_ms)
    reader.ledgers()
    reader.signals()
    reader.champions()
    reader.registry()
    return sorted(reader.messages, key=lambda message: message.time_ms), reader.cursors


class _Reader:
    def __init__(
        self, layout: Layout, settings: dict[str, Any], cursors: Cursors, now_ms: int
    ) -> None:
        self.layout, self.settings, self.cursors, self.now_ms = layout, settings, cursors, now_ms
        self.language: str = settings["language"]
        self.messages: list[Message] = []

    def ledgers(self) -> None:
        for account in ACCOUNTS:
            path = self.layout.ledger(account)
            key = f"{self.layout.key}-{account}"
            mode = texts.mode_of(self.settings, account)

            def news(state: Any, path: Any = path, key: str = key, mode: str = mode) -> Any:
                with Ledger.open(path, readonly=True) as ledger:
                    return ledger_news.read(
                        ledger,
                        state,
                        key=key,
                        mode=mode,
                        since_ms=self.cursors["since_ms"],
                        now_ms=self.now_ms,
                        settings=self.settings,
                    )

            what = texts.say(self.language, "ledger_file", account=account)
            self._stream(f"ledger:{key}", what, mode, news)

    def signals(self) -> None:
        streams = self.cursors["streams"]
        ledgers = [streams.get(f"ledger:{self.layout.key}-{account}") for account in ACCOUNTS]
        switched = sorted({gate for state in ledgers if state for gate in state["switched"]})

        def news(state: Any) -> Any:
            with Journal.open(self.layout.journal, readonly=True) as journal:
                return signal_news.read(
                    journal,
                    state,
                    key=self.layout.key,
                    since_ms=self.cursors["since_ms"],
                    switched=switched,
                    language=self.language,
                )

        what = texts.say(self.language, "signals_file")
        self._stream(f"journal:{self.layout.key}", what, texts.mode_of(self.settings), news)

    def champions(self) -> None:
        for symbol in self.settings["symbols"]:
            path = history_path(self.layout.models, symbol)

            def news(state: Any, path: Any = path, symbol: str = symbol) -> Any:
                return champion_news.read(
                    path,
                    state,
                    symbol=symbol,
                    since_ms=self.cursors["since_ms"],
                    mode=texts.mode_of(self.settings),
                    language=self.language,
                )

            what = texts.say(self.language, "champions_file", symbol=symbol)
            self._stream(f"champion:{symbol}", what, texts.mode_of(self.settings), news)

    def registry(self) -> None:
        """Tell once of a registry that has not followed the champion files for long."""

        def news(state: Any) -> Any:
            symbols = self.settings["symbols"]
            problem = next(filter(None, (untold(self.layout, symbol) for symbol in symbols)), "")
            return registry_news.read(
                problem,
                state,
                now_ms=self.now_ms,
                mode=texts.mode_of(self.settings),
                language=self.language,
            )

        self._stream("registry", "MLflow", texts.mode_of(self.settings), news)

    def _stream(self, name: str, what: str, mode: str, news: Callable[[Any], Any]) -> None:
        """Read one stream; one that cannot be read is told once, and again every six hours."""
        streams, unreadable = self.cursors["streams"], self.cursors["unreadable"]
        try:
            messages, state = news(streams.get(name))
        except (FileNotFoundError, BusyError):
            return  # nothing yet, or not now
        except UNREADABLE as error:
            if repeats.happened(unreadable, name, self.now_ms):
                problem = str(error) if isinstance(error, BotCriptoError | OSError) else repr(error)
                first = texts.say(self.language, "unreadable", what=what, problem=problem)
                key = f"unreadable:{name}:{self.now_ms}"
                text = texts.headed(mode, first)
                self.messages.append(Message(key, "failure", self.now_ms, text))
            return
        if repeats.ended(unreadable, name):
            text = texts.headed(mode, texts.say(self.language, "readable", what=what))
            key = f"readable:{name}:{self.now_ms}"
            self.messages.append(Message(key, "recovery", self.now_ms, text))
        self.messages += messages
        streams[name] = state
