"""Messages that the history of champions gives: first models, promotions, rollbacks, losses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bot_cripto.models.champion import RESTORED
from bot_cripto.notify import texts
from bot_cripto.notify.outbox import Message
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

PROVISIONAL, PROMOTION, ROLLBACK = "provisional", "promotion", "rollback"
LOST = "champion_restored"

State = dict[str, Any]


def read(
    path: Path, state: State | None, *, symbol: str, since_ms: int, mode: str, language: str
) -> tuple[list[Message], State]:
    """Return the messages of the champions added since, and the new state.

    Parameters
    ----------
    path : Path
        The history file of the symbol, one champion a line; need not be there.
    state : dict or None
        As returned before, JSON values; None begins with champions promoted since `since_ms`.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        # whatever it will hold is new
        return [], state or {"bytes": 0, "sha256": _digest(b"")}
    # a line that is being written has no end yet
    whole = content[: content.rfind(b"\n") + 1]
    seen = 0 if state is None else state["bytes"]
    if state is not None and _digest(whole[:seen]) != state["sha256"]:
        # another file than before, e.g. from a backup: its past is no news
        seen = len(whole)
    messages: list[Message] = []
    past: list[dict[str, Any]] = []
    place = 0
    for line in whole.splitlines(keepends=True):
        place += len(line)
        champion = _parsed(line)
        if champion is None:
            continue
        promoted_ms = _at(champion)
        if place > seen and (state is not None or promoted_ms >= since_ms):
            kind = _kind(champion, past)
            key = f"{kind}:{symbol_to_path(symbol)}:{_digest(whole[:place])[:24]}"
            text = _text(champion, kind, symbol, mode, language)
            messages.append(Message(key, kind, promoted_ms, text))
        if RESTORED not in champion:
            past.append(champion)
    return messages, {"bytes": len(whole), "sha256": _digest(whole)}


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return a champion, or None where the line is broken, which others say."""
    try:
        champion = json.loads(line)
        _versions(champion)
        _at(champion)
        champion["reason"], champion["provisional"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(champion)


def _at(champion: dict[str, Any]) -> int:
    return parse_iso(champion.get(RESTORED, champion["promoted_at"]))


def _versions(champion: dict[str, Any]) -> dict[str, str]:
    return {kind: str(use["version"]) for kind, use in champion["kinds"].items()}


def _kind(champion: dict[str, Any], past: list[dict[str, Any]]) -> str:
    """Return what happened: a rollback puts versions in use that were in use before others."""
    if RESTORED in champion:
        return LOST
    versions = _versions(champion)
    before = [_versions(earlier) for earlier in past]
    if versions in before and versions != before[-1]:
        return ROLLBACK
    return PROVISIONAL if champion["provisional"] else PROMOTION


def _text(champion: dict[str, Any], kind: str, symbol: str, mode: str, language: str) -> str:
    who = champion.get("by")
    by = texts.say(language, "by", who=who, time=texts.moment(_at(champion))) if who else ""
    models = ", ".join(f"{name} {version}" for name, version in _versions(champion).items())
    return texts.headed(
        mode,
        texts.say(language, kind, symbol=symbol),
        by,
        texts.say(language, "why", reason=champion["reason"]),
        texts.say(language, "models", models=models),
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
