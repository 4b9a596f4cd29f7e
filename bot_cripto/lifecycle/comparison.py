"""Comparing what was stored with what was made again, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from bot_cripto.errors import EXIT_ALARM, EXIT_FAILED, EXIT_OK

IDENTICAL = "identical"
DIFFERENT = "different"


@dataclass(frozen=True)
class Difference:
    """A field that differs; a value that is not there is the text ``(none)``."""

    field: str
    signal: Any
    replayed: Any


def differences(one: Any, other: Any, field: str = "") -> Iterator[Difference]:
    """Yield the fields in which two JSON values differ, by their path."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            at = f"{field}.{key}" if field else str(key)
            yield from differences(one.get(key, "(none)"), other.get(key, "(none)"), at)
        if list(one) != list(other) and set(one) == set(other):
            yield Difference(f"{field or 'document'} (order of keys)", list(one), list(other))
    elif isinstance(one, list) and isinstance(other, list):
        pairs = zip_longest(one, other, fillvalue="(none)")
        for number, (mine, theirs) in enumerate(pairs):
            yield from differences(mine, theirs, f"{field}[{_called(mine, number)}]")
    elif json.dumps(one) != json.dumps(other):
        yield Difference(field, one, other)


def _called(value: Any, at: int) -> str:
    return str(value.get("name", at)) if isinstance(value, dict) else str(at)


def exit_code(outcomes: Iterable[str]) -> int:
    """Return 3 where something is different, else 1 where something is not possible, else 0."""
    found = set(outcomes)
    if DIFFERENT in found:
        return EXIT_ALARM
    return EXIT_OK if found <= {IDENTICAL} else EXIT_FAILED
