"""Which versions, and what they were trained on, are kept; the rest is removed.

Kept are, of each kind, symbol and subject (source, timeframe, horizon), the newest so many
versions, and every version that was champion lately; whatever their age, the present champion,
what stands in where it breaks, and what a person names. A version that is marked bad or damaged
takes no other's place. Versions that nobody can read are left to the doctor.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.layout import Layout
from bot_cripto.lifecycle.versions import DAY_MS, champions, examine
from bot_cripto.locks import lock_run
from bot_cripto.models.bad_marks import Marks, read_bad
from bot_cripto.models.champion import Champion
from bot_cripto.models.champion_lock import champion_lock
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import ALL_KINDS, METADATA, folder, list_versions
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

Named = set[tuple[str, str]]
"""Versions by (kind, name)."""


@dataclass(frozen=True)
class Removal:
    """A folder that is not kept, and why."""

    path: Path
    why: str


def prune(
    layout: Layout,
    settings: Mapping[str, Any],
    now_ms: int,
    *,
    dry_run: bool = False,
    spare: str = "",
    locked: bool = False,
) -> list[Removal]:
    """Remove what is not kept, for the configured symbols, and return it.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : mapping
        ``keep_versions``, ``keep_champion_days`` and ``symbols``.
    now_ms : int
        Milliseconds since the epoch, UTC.
    dry_run : bool
        Remove nothing.
    spare : str
        Id of a cutoff whose versions and training are kept: that of the present retrain.
    locked : bool
        The caller holds the lock of the role ``retrain``.

    Raises
    ------
    BusyError
        A retrain is at work.
    ModelError
        The bad marks of a symbol cannot be read; nothing of that symbol was removed.
    """
    lock = None if locked or dry_run else lock_run(layout.locks, "retrain", wait_s=0)
    try:
        removed = []
        for symbol in settings["symbols"]:
            # a roll back chooses under the same lock
            with champion_lock(layout.models, symbol):
                found = old_versions(layout, settings, symbol, now_ms, spare)
                for removal in [] if dry_run else found:
                    _remove(removal.path)
            gone = {removal.path for removal in found}
            trainings = old_trainings(layout, settings, symbol, gone, spare)
            for removal in [] if dry_run else trainings:
                _remove(removal.path)
            removed += [*found, *trainings]
        return removed + _empty_cutoffs(layout, removed, dry_run=dry_run)
    finally:
        if lock is not None:
            lock.close()


def old_versions(
    layout: Layout, settings: Mapping[str, Any], symbol: str, now_ms: int, spare: str = ""
) -> list[Removal]:
    """Return the versions of a symbol that are not kept."""
    marks = read_bad(layout.models, symbol)
    since_ms = now_ms - int(settings["keep_champion_days"] * DAY_MS)
    known = champions(layout.models, symbol)
    kept = in_use_since(known, since_ms) | stand_ins(layout, known, marks)
    most = settings["keep_versions"]
    found = []
    for kind in ALL_KINDS:
        for subject, names in _by_subject(layout, kind, symbol).items():
            good = 0
            for name in names:
                if good >= most and (kind, name) not in kept and not _is_of(name, spare):
                    path = folder(layout.models, kind, symbol) / name
                    found.append(
                        Removal(path, f"beyond the newest {most} of {kind} {symbol}, not in use")
                    )
                if (kind, name) not in marks and good < most:
                    path = folder(layout.models, kind, symbol) / name
                    good += examine(path, kind, subject)[0] is not None
    return found


def in_use_since(known: list[Champion], since_ms: int) -> Named:
    """Return the versions of champions, the newest first, that were in use at or after a time."""
    kept: Named = set()
    until_ms: float = float("inf")
    for champion in known:
        began_ms = parse_iso(champion.promoted_at)
        # where the clock went back, the one after it began before it
        if max(until_ms, began_ms) >= since_ms:
            kept |= set(champion.versions().items())
        until_ms = began_ms
    return kept


def stand_ins(layout: Layout, known: list[Champion], marks: Marks) -> Named:
    """Return, of each kind, the newest earlier version that can stand in for the present one."""
    if not known:
        return set()
    present, *earlier = known
    subject = Subject(present.symbol, present.source, present.timeframe, present.horizon_steps)
    kept: Named = set()
    for kind in ALL_KINDS:
        names = [c.versions()[kind] for c in earlier if c.same_subject(present) and kind in c.kinds]
        if kind == "baseline":
            names += reversed(list_versions(layout.models, kind, present.symbol))
        for name in dict.fromkeys(names):
            if name == present.versions().get(kind) or (kind, name) in marks:
                continue
            path = folder(layout.models, kind, present.symbol) / name
            version, problem = examine(path, kind, subject)
            if version is not None and problem is None:
                kept.add((kind, name))
                break
    return kept


def old_trainings(
    layout: Layout, settings: Mapping[str, Any], symbol: str, gone: set[Path], spare: str = ""
) -> list[Removal]:
    """Return the trainings of a symbol whose versions are all gone, or that are old without any.

    `gone` are versions that are, or are about to be, removed.
    """
    left = [
        name
        for kind in ALL_KINDS
        for name in list_versions(layout.models, kind, symbol)
        if folder(layout.models, kind, symbol) / name not in gone
    ]
    if not left:
        return []  # more likely a disk that is not there than a symbol that has lost all
    root = layout.data / "training" / layout.key
    cutoffs = sorted(
        (p.parent.name for p in root.glob(f"*/{symbol_to_path(symbol)}")), reverse=True
    )
    found = []
    for place, cutoff in enumerate(cutoffs):
        path = layout.training(cutoff, symbol_to_path(symbol))
        if cutoff == spare or any(_is_of(name, cutoff) for name in left):
            continue
        if _made_versions(path):
            found.append(Removal(path, "the versions that were trained on it are gone"))
        elif place >= settings["keep_versions"]:
            found.append(Removal(path, "old, and no version was trained on it"))
    return found


def _by_subject(layout: Layout, kind: str, symbol: str) -> dict[Subject, list[str]]:
    """Return the readable versions, the newest first, by what they are about."""
    found: dict[Subject, list[tuple[str, int, str]]] = defaultdict(list)
    for name in list_versions(layout.models, kind, symbol):
        path = folder(layout.models, kind, symbol) / name / METADATA
        try:
            metadata = json.loads(path.read_bytes())
            about = (metadata["source"], metadata["timeframe"], int(metadata["horizon_steps"]))
            # of two of one cutoff the one that was made later is the newer
            order = (name.partition("-")[0], path.stat().st_mtime_ns, name)
        except (OSError, ValueError, LookupError, TypeError):
            continue
        found[Subject(symbol, *about)].append(order)
    return {about: [o[-1] for o in sorted(names, reverse=True)] for about, names in found.items()}


def _is_of(version: str, cutoff: str) -> bool:
    return bool(cutoff) and version.startswith(f"{cutoff}-")


def _made_versions(training: Path) -> bool:
    """Whether a training made versions, as far as its records can be read."""
    for path in training.glob("*.json"):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and "version" in record:
            return True
    return False


def _empty_cutoffs(layout: Layout, removed: list[Removal], *, dry_run: bool) -> list[Removal]:
    """Remove what is left of cutoffs whose last training was removed: reports of downloads."""
    root = layout.data / "training" / layout.key
    paths = {removal.path for removal in removed}
    found = []
    for cutoff in sorted({path.parent for path in paths if path.parent.parent == root}):
        rest = [p for p in cutoff.glob("*") if p not in paths] if cutoff.is_dir() else []
        history = layout.history(cutoff.name, "").parent
        if not rest and history.is_dir():
            found.append(Removal(history, "no training of this cutoff is left"))
        if not rest and not dry_run:
            shutil.rmtree(cutoff, ignore_errors=True)
    for removal in [] if dry_run else found:
        _remove(removal.path)
    return found


def _remove(path: Path) -> None:
    """Remove a folder; killed half-way it leaves nothing under its name."""
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    path.rename(aside / path.name)
    shutil.rmtree(aside)
