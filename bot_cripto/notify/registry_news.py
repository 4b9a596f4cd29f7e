"""Messages that MLflow's registry gives: it has long not followed the champion files, or again."""

from __future__ import annotations

from typing import Any

from bot_cripto.notify import texts
from bot_cripto.notify.outbox import Message

HOLD_MS = 3_600_000
"""A retrain tells the registry at its end, a roll back after its signal: until then is no news."""

State = dict[str, Any]


def read(
    problem: str, state: State | None, *, now_ms: int, mode: str, language: str
) -> tuple[list[Message], State]:
    """Return the message that is due, and the new state.

    Parameters
    ----------
    problem : str
        Why the registry does not say what the champion files say; empty: it does.
    state : dict or None
        As returned before, JSON values.
    now_ms : int
        The system's time, milliseconds since the epoch, UTC.
    """
    before = state or {}
    since, told = before.get("since_ms"), before.get("told", False)
    if not problem:
        if not told:
            return [], {}
        text = texts.headed(mode, texts.say(language, "registry_again"))
        return [Message(f"registry_again:{since}", "recovery", now_ms, text)], {}
    # a time to come is of a clock that was wrong
    since = now_ms if since is None or since > now_ms else since
    if told or now_ms - since < HOLD_MS:
        return [], {"since_ms": since, "told": told}
    text = texts.headed(
        mode,
        texts.say(language, "registry", time=texts.moment(since)),
        texts.say(language, "why", reason=problem),
        texts.say(language, "registry_remedy"),
    )
    return [Message(f"registry:{since}", "failure", now_ms, text)], {
        "since_ms": since,
        "told": True,
    }
