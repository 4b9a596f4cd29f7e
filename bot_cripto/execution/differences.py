"""In words: how what is stored differs from what ledger, journal and candles make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot_cripto.ledger.events import Mark
from bot_cripto.timeframes import iso

PASSING = ("paused", "killed", "mismatch")
"""Of a risk state: known to nobody but the moment at which it was written."""


def mark_differences(name: str, stored: Sequence[Mark], made: Sequence[Mark]) -> list[str]:
    """Return how stored marks differ from those made of fills and candles, in sentences."""
    old, new = ({mark.candle_ms: mark for mark in marks} for marks in (stored, made))
    told = []
    missing, surplus = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if missing:
        told.append(
            f"{name} ledger: {len(missing)} candles have no mark, the first closed at "
            f"{iso(missing[0])}"
        )
    if surplus:
        told.append(
            f"{name} ledger: {len(surplus)} marks are of no candle, the first of {iso(surplus[0])}"
        )
    differing = [time for time in sorted(set(old) & set(new)) if old[time] != new[time]]
    if differing:
        first = differing[0]
        told.append(
            f"{name} ledger: {len(differing)} of {len(old)} marks differ, the first at "
            f"{iso(first)}: equity {old[first].equity}, cash {old[first].cash}, exposure "
            f"{old[first].exposure} are stored; fills and candles make {new[first].equity}, "
            f"{new[first].cash}, {new[first].exposure}"
        )
    return told


def row_difference(stored: list[dict[str, Any]], made: list[dict[str, Any]]) -> str:
    """Return in words how the stored rows of a history differ from those made again."""
    count = f"{len(stored)} rows are stored, journal and candles make {len(made)}"
    for old, new in zip(stored, made, strict=False):
        if old != new:
            return f"{count}; the first that differs is stored as {old} and made as {new}"
    return count


def state_difference(stored: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Return in words how a stored risk state differs from one made again; empty: it does not."""
    return "; ".join(
        f"{name} is stored as {stored.get(name)} and made as {value}"
        for name, value in made.items()
        if name not in PASSING and stored.get(name) != value
    )
