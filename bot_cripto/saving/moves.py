"""Renames that all happen or none, also when they are interrupted by a power cut."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bot_cripto import atomic, clock
from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.ledger import control

PLAN = "restore-plan.json"

_WHO = "bot-cripto"
_REASON = "a restore has begun and not ended; run it again"


@dataclass(frozen=True)
class Move:
    """One place of the state that is replaced: `target` goes to `aside`, `staged` to `target`.

    Without `staged`, nothing takes its place; `existed` says whether there was anything.
    """

    target: str
    aside: str
    staged: str | None
    existed: bool


def swap(layout: Layout, moves: Sequence[Move], staging: Sequence[Path]) -> None:
    """Carry out the moves, all or none; entries are stopped by the kill switch meanwhile.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    moves : sequence of Move
    staging : sequence of Path
        Folders to be removed if the moves are taken back.

    Raises
    ------
    OSError
        A rename failed; everything is as it was.
    """
    plan = layout.logs / PLAN
    # a kill that is on stays; one that is to come replaces ours in the end
    kill = next((m for m in moves if Path(m.target) == layout.control / control.KILL), None)
    ours = kill is not None or control.killed(layout.control) is None
    moves = [move for move in moves if move is not kill]
    try:
        atomic.write_json(
            plan,
            {
                "kill_is_ours": ours,
                "staging": [str(folder) for folder in staging],
                "moves": [asdict(move) for move in moves],
            },
        )
        if ours:
            control.kill(layout.control, _WHO, _REASON, clock.system_ms())
        for move in moves:
            if move.existed:
                rename(Path(move.target), Path(move.aside))
            if move.staged:
                rename(Path(move.staged), Path(move.target))
    except BaseException:
        take_back(layout)
        raise
    plan.unlink()
    atomic.flush_folder(plan.parent)
    if kill and kill.staged:
        rename(Path(kill.staged), Path(kill.target))
    elif ours:
        _release(layout)


def take_back(layout: Layout) -> list[str]:
    """Undo the moves of a `swap` that did not end; there may be none.

    Returns
    -------
    list of str
        A sentence if there was one.

    Raises
    ------
    DataError
        Its plan cannot be read.
    """
    path = layout.logs / PLAN
    try:
        plan = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise DataError(
            f"{path}: the plan of an earlier restore is unreadable ({error}); look for files "
            "named *.before-restore-*, rename them back, and delete it"
        ) from None
    for move in [Move(**values) for values in reversed(plan["moves"])]:
        target, aside = Path(move.target), Path(move.aside)
        if move.staged and not Path(move.staged).exists() and target.exists():
            rename(target, Path(move.staged))
        if move.existed and aside.exists() and not target.exists():
            rename(aside, target)
    path.unlink()
    for folder in plan["staging"]:
        shutil.rmtree(folder, ignore_errors=True)
    if plan["kill_is_ours"]:
        _release(layout)
    return ["an earlier restore had not ended; it was taken back first"]


def _release(layout: Layout) -> None:
    """Take our kill back, unless a person has killed meanwhile."""
    if _REASON in (control.killed(layout.control) or ""):
        control.release(layout.control)


def rename(source: Path, target: Path) -> None:
    """Rename so that it survives a power cut; missing folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    atomic.flush_folder(target.parent)
    if source.parent != target.parent:
        atomic.flush_folder(source.parent)
