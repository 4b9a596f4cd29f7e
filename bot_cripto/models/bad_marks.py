"""Marks of versions that must never be chosen again; versions themselves never change.

Every mark and every taking back is a line of ``models/champion/bad/<SYMBOL>.jsonl``, the last one
of a version holds. A line that is damaged counts as a mark of every version that it names: what
was refused once is not used because of a broken disk.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.models.champion_lock import champion_lock
from bot_cripto.models.lines import append_line, read_lines
from bot_cripto.models.version import ALL_KINDS, list_versions
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso, parse_iso

_NAMED = re.compile(rb"\d{8}T\d{6}Z-[0-9a-f]{10}")


@dataclass(frozen=True)
class BadMark:
    """What is said of a version.

    Attributes
    ----------
    kind, version : str
    bad : bool
        False takes an earlier mark back.
    reason : str
        Why, in a sentence.
    by : str
        Who says so.
    at : str
        ISO 8601 time.
    """

    kind: str
    version: str
    bad: bool
    reason: str
    by: str
    at: str


Marks = dict[tuple[str, str], BadMark]
"""The versions that are marked bad now, by kind and name."""


def bad_path(models_dir: Path | str, symbol: str) -> Path:
    """Return the path of the file that keeps the marks of a symbol."""
    return Path(models_dir) / "champion" / "bad" / f"{symbol_to_path(symbol)}.jsonl"


def read_bad(models_dir: Path | str, symbol: str, *, as_of_ms: int | None = None) -> Marks:
    """Return the versions of a symbol that are marked bad, by (kind, version).

    Parameters
    ----------
    models_dir : Path or str
    symbol : str
    as_of_ms : int, optional
        Only what was said until then, milliseconds since the epoch, UTC; default: everything.

    Raises
    ------
    ModelError
        The file is there and cannot be read.
    """
    path = bad_path(models_dir, symbol)
    try:
        lines = read_lines(path)
    except OSError as error:
        raise ModelError(
            f"the bad marks {path} cannot be read ({error.strerror}); no model of {symbol} is used "
            "before they can"
        ) from error
    marks: Marks = {}
    for line in lines:
        for mark in _parsed(line, path):
            if as_of_ms is not None and mark.at and parse_iso(mark.at) > as_of_ms:
                continue
            if mark.bad:
                marks[mark.kind, mark.version] = mark
            else:
                marks.pop((mark.kind, mark.version), None)
    return marks


def broken_lines(models_dir: Path | str, symbol: str) -> int:
    """Return how many lines of the marks of a symbol are damaged.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    return sum(_whole(line) is None for line in read_lines(bad_path(models_dir, symbol)))


def mark_bad(
    models_dir: Path | str,
    symbol: str,
    kind: str,
    version: str,
    *,
    reason: str,
    by: str,
    now_ms: int,
    bad: bool = True,
) -> BadMark:
    """Mark a version bad, or take that back (`bad` False), and return what was recorded.

    Saying again what holds already changes nothing.

    Raises
    ------
    ModelError
        There is no such kind or version; or it is to be taken back and is not marked.
    BusyError
        The champion is being changed by another process.
    """
    marks = read_bad(models_dir, symbol)
    known = marks.get((kind, version))
    if kind not in ALL_KINDS:
        raise ModelError(f"there is no kind {kind!r}; there are {', '.join(ALL_KINDS)}")
    if known is None and not bad:
        raise ModelError(f"{kind} {version} of {symbol} is not marked bad")
    if known is None and version not in list_versions(models_dir, kind, symbol):
        raise ModelError(
            f"{symbol} has no {kind} version {version!r}; see them with: bot-cripto versions "
            f"--symbol {symbol} --kind {kind}"
        )
    if known is not None and bad:
        return known
    mark = BadMark(kind, version, bad, reason, by, iso(now_ms))
    with champion_lock(models_dir, symbol):
        append_line(bad_path(models_dir, symbol), vars(mark))
    return mark


def _whole(line: bytes) -> BadMark | None:
    try:
        value: Any = json.loads(line)
        mark = BadMark(**value)
        parse_iso(mark.at)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = (mark.kind, mark.version, mark.reason, mark.by)
    return mark if isinstance(mark.bad, bool) and {*map(type, texts)} == {str} else None


def _parsed(line: bytes, path: Path) -> list[BadMark]:
    mark = _whole(line)
    if mark is not None:
        return [mark]
    why = f"a damaged line of {path.name} names it"
    names = [name.decode() for name in _NAMED.findall(line)]
    return [BadMark(kind, name, True, why, "", "") for name in names for kind in ALL_KINDS]
