"""What of the exchange does not match the ledger: kept as actions until it is gone."""

from __future__ import annotations

from typing import Any

from bot_cripto.ledger.events import Action, action_id

MISMATCH, RESOLVED, ACCEPTED = "mismatch", "resolved", "accepted"

WHO = "bot-cripto"


def open_mismatches(ledger: Any) -> dict[str, str]:
    """Return the mismatches that hold, by their key, each as a sentence."""
    found: dict[str, str] = {}
    for action in ledger.actions():
        key = str(action.data.get("key", ""))
        if action.kind == MISMATCH:
            found[key] = action.reason
        elif action.kind in (RESOLVED, ACCEPTED):
            found.pop(key, None)
    return found


def accepted_keys(ledger: Any) -> set[str]:
    """Return the keys of what a person has accepted as it is."""
    return {str(action.data.get("key", "")) for action in ledger.actions(ACCEPTED)}


def report(book: Any, found: dict[str, str], now_ms: int, prefixes: tuple[str, ...]) -> None:
    """Write down which mismatches are new and which are gone.

    Parameters
    ----------
    book : Book
    found : dict of str to str
        What holds now, by key.
    now_ms : int
    prefixes : tuple of str
        Beginnings of the keys that were looked at; others stay as they are.
    """
    known = open_mismatches(book.ledger)
    for key, sentence in found.items():
        if known.get(key) != sentence:
            _write(book, MISMATCH, key, sentence, now_ms)
    for key in known:
        if key.startswith(prefixes) and key not in found:
            _write(book, RESOLVED, key, f"no longer: {known[key]}", now_ms)


def _write(book: Any, kind: str, key: str, reason: str, now_ms: int, who: str = WHO) -> None:
    identity = action_id(kind, now_ms, who, f"{key}|{reason}")
    book.add(Action(identity, kind, now_ms, who, reason, {"key": key}))


def accept(book: Any, key: str, who: str, reason: str, now_ms: int) -> None:
    """Write down that a person accepts what a key stands for."""
    _write(book, ACCEPTED, key, reason, now_ms, who)
