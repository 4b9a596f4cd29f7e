"""Messages that the journal of signals gives: decisions, blocked trading, drift, failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bot_cripto.notify import model_news, repeats, texts
from bot_cripto.notify.outbox import Message
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

FAILED = "a step failed"
"""How the reason of a NO_TRADE begins that stands for a failure."""

RISK_GATES = (
    "killed",
    "paused",
    "daily_drawdown",
    "weekly_drawdown",
    "consecutive_losses",
    "tail_loss",
    "ledger",
)
"""Gates whose failing stops every entry for longer than a candle."""

DRIFT_GATE = "drift"

PAGE = 500
MOST_PAGES = 20
WARM_UP_ROWS = 200
"""Signals before the beginning that are read, silently, to know what went before."""

State = dict[str, Any]


class Entries(Protocol):
    """What is asked of the journal."""

    def entries_after(self, rowid: int, limit: int) -> Sequence[tuple[int, dict[str, Any]]]:
        """Return row numbers and documents after a row, the oldest first."""
        ...


def read(
    journal: Entries,
    state: State | None,
    *,
    key: str,
    since_ms: int,
    switched: Sequence[str],
    language: str,
) -> tuple[list[Message], State]:
    """Return the messages of the signals after those that the state has seen, and the new state.

    Parameters
    ----------
    journal : Journal
        Open for reading.
    state : dict or None
        As returned before, JSON values; None begins with the signals made since `since_ms`.
    key : str
        Of the layout: part of the messages' keys.
    since_ms : int
        Milliseconds since the epoch, UTC.
    switched : sequence of str
        Gates that an action has already been told of, e.g. ``killed``.
    language : str
    """
    if state is None or not _continues(journal, state):
        state = _begun(journal, since_ms, key, switched, language)
    fold = _Fold(state, key, switched, language)
    for _ in range(MOST_PAGES):
        page = journal.entries_after(fold.state["row"], PAGE)
        for row, document in page:
            fold.take_or_tell(row, document)
        if len(page) < PAGE:
            break
    return fold.messages(), fold.state


def _continues(journal: Entries, state: State) -> bool:
    """Whether the journal is still the one whose row was seen last."""
    if not state["row"]:
        return True
    found = journal.entries_after(state["row"] - 1, 1)
    return bool(found) and found[0][0] == state["row"] and _name(found[0][1]) == state["name"]


def _begun(
    journal: Entries, since_ms: int, key: str, switched: Sequence[str], language: str
) -> State:
    """Return the state before the first signal made at `since_ms` or later."""

    def is_past(row: int) -> bool:
        found = journal.entries_after(row, 1)
        return not found or parse_iso(found[0][1]["ts"]) >= since_ms

    high = 1
    while not is_past(high):
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_past(middle) else (middle, high)
    fresh: State = {"row": max(high - WARM_UP_ROWS, 0), "name": "", "ms": since_ms, "drift": []}
    fresh |= {"decisions": {}, "gates": {}, "failing": {}, "odd": {}, "models": {}}
    fold = _Fold(fresh, key, switched, language)
    for row, document in journal.entries_after(fresh["row"], WARM_UP_ROWS):
        if row <= high:
            fold.take_or_tell(row, document)
    return fold.state


class _Fold:
    """Signals in their order, and what is to be said of each."""

    def __init__(self, state: State, key: str, switched: Sequence[str], language: str) -> None:
        copied = {name: dict(state[name]) for name in ("decisions", "gates")}
        for name in ("failing", "odd"):
            copied[name] = {what: dict(known) for what, known in state[name].items()}
        # a state that an earlier program kept knows nothing of models
        copied["models"] = dict(state.get("models", {}))
        self.state = {**state, **copied, "drift": list(state["drift"])}
        self._key, self._switched, self._language = key, switched, language
        self._found: list[Message] = []
        # symbols that have the same trouble at the same candle share a message
        self._shared: dict[tuple[Any, ...], tuple[list[str], Callable[[str], Message]]] = {}

    def messages(self) -> list[Message]:
        shared = [make(", ".join(symbols)) for symbols, make in self._shared.values()]
        # a failure, or its end, before what the same signal decides
        return sorted([*shared, *self._found], key=lambda message: message.time_ms)

    def take_or_tell(self, row: int, document: dict[str, Any]) -> None:
        """Take a signal; one of another form is told, and the next ones are taken."""
        name = _name(document)
        self.state |= {"row": row, "name": name}
        try:
            self._take(document)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if repeats.happened(self.state["odd"], "signal", self.state["ms"]):
                first = texts.say(self._language, "unreadable", what=name, problem=repr(error))
                text = texts.headed(str(document.get("mode")), first)
                key = f"odd:{self._key}:{name}"
                self._found.append(Message(key, "failure", self.state["ms"], text))

    def _take(self, document: dict[str, Any]) -> None:
        self.state["ms"] = _made(document)
        symbol, reason = document["symbol"], document["reason"]
        if reason.startswith(FAILED):
            known = repeats.happened(self.state["failing"], symbol, _made(document))
            if known:
                problem = reason.removeprefix(FAILED).lstrip(": ")
                name = "failure" if known["count"] == 1 else "still_failing"
                self._share("failure", name, document, known, problem)
            return
        known = repeats.ended(self.state["failing"], symbol)
        if known:
            self._share("recovery", "recovery", document, known, "")
        self._modelled(document)
        self._decided(document)
        self._gated(document)

    def _modelled(self, document: dict[str, Any]) -> None:
        """Tell once that models cannot be used, and once that they can again."""
        symbol, trouble = document["symbol"], model_news.trouble(document)
        before = self.state["models"].get(symbol, "")
        if trouble is None or trouble == before:
            return
        self.state["models"][symbol] = trouble
        instead = model_news.stand_ins(document)
        name = "fallback" if trouble and instead else "no_models" if trouble else "models_again"
        first = texts.say(self._language, name, symbol=symbol, models=trouble)
        why = texts.say(self._language, "why", reason=document["reason"]) if trouble else ""
        self._add("fallback", document, texts.headed(document["mode"], first, why))

    def _decided(self, document: dict[str, Any]) -> None:
        symbol, decision = document["symbol"], document["decision"]
        before = self.state["decisions"].get(symbol)
        self.state["decisions"][symbol] = decision
        # the first NO_TRADE of all is no news
        if decision != (before or "NO_TRADE"):
            self._add("decision", document, texts.decision(document, before, self._language))

    def _gated(self, document: dict[str, Any]) -> None:
        symbol, mode, language = document["symbol"], document["mode"], self._language
        failed = [gate["name"] for gate in document["gates"] if not gate["passed"]]
        for gate in document["gates"]:
            name = gate["name"]
            if gate["value"] is None:
                continue  # nothing was measured: as far as is known it is as before
            if name == DRIFT_GATE:
                drifted = gate["value"] > 0
                if drifted and symbol not in self.state["drift"]:
                    effect = "drift_allowed" if gate["passed"] else "drift_blocks"
                    first = texts.say(language, "drift", symbol=symbol)
                    why = ""
                    if failed[:1] == [name]:
                        why = texts.say(language, "why", reason=document["reason"])
                    text = texts.headed(mode, first, texts.say(language, effect), why)
                    self._add("drift", document, text)
                others = [other for other in self.state["drift"] if other != symbol]
                self.state["drift"] = [*others, symbol] if drifted else others
            elif name in RISK_GATES:
                stopped = self.state["gates"].get(name, [])
                if not gate["passed"] and not stopped and name not in self._switched:
                    # the reason is the first failing gate's
                    reason = document["reason"] if failed[0] == name else ""
                    text = texts.blocked(mode, gate, reason, language)
                    self._add(f"blocked:{name}", document, text)
                others = [other for other in stopped if other != symbol]
                self.state["gates"][name] = others if gate["passed"] else [*others, symbol]

    def _add(self, what: str, document: dict[str, Any], text: str) -> None:
        key = f"{what}:{self._key}:{_name(document)}"
        self._found.append(Message(key, what.partition(":")[0], _made(document), text))

    def _share(
        self, kind: str, name: str, document: dict[str, Any], known: dict[str, int], problem: str
    ) -> None:
        words = {"problem": problem, "count": known["count"]}
        words["time"] = texts.moment(known["since_ms"])
        key = f"{kind}:{self._key}:{_name(document)}"

        def make(symbols: str) -> Message:
            first = texts.say(self._language, name, symbol=symbols, **words)
            when = texts.say(self._language, "candle", time=texts.moment(_closed(document)))
            text = texts.headed(document["mode"], first, when)
            return Message(key, kind, _made(document), text)

        shared = (name, document["candle_close_time"], known["count"], problem)
        self._shared.setdefault(shared, ([], make))[0].append(document["symbol"])


def _name(document: dict[str, Any]) -> str:
    symbol = symbol_to_path(str(document.get("symbol")))
    return f"{symbol}-{document.get('candle_close_time')}-r{document.get('revision')}"


def _made(document: dict[str, Any]) -> int:
    return parse_iso(document["ts"])


def _closed(document: dict[str, Any]) -> int:
    return parse_iso(document["candle_close_time"])
