"""Restoring a backup: verified first, staged beside the state, then put in place by renames.

What it replaces is kept aside. Until the last rename the kill switch is on and a plan of the
renames lies on the disk, so that one that was interrupted, by a power cut too, is taken back
before the next one begins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bot_cripto import atomic, clock
from bot_cripto.errors import ConfigError, DataError, ModelError
from bot_cripto.layout import Layout
from bot_cripto.ledger import control, database
from bot_cripto.ledger.events import Action, action_id
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.locks import WAIT_S, lock_run
from bot_cripto.models.version import load_version
from bot_cripto.saving.archive import Manifest, read_archive
from bot_cripto.saving.moves import Move, rename, swap, take_back
from bot_cripto.timeframes import candle_id, iso

ROLES = ("signal", "retrain", "execute", "notify")
"""Who must not be at work while a backup is restored."""

RESTORED = "restored"
"""Kind of the action that a restored live ledger gets: live trading needs a new check."""

_WHO = "bot-cripto"
_SIDE_FILES = ("-wal", "-shm", "-journal")


def restore(
    layout: Layout, file: Path, root: Path, *, force: bool = False, wait_s: float = WAIT_S
) -> list[str]:
    """Put the state of a backup in place, on this host or another.

    Parameters
    ----------
    layout : Layout
        With whole paths; it need not be the one of the backup.
    file : Path
        Written by `bot_cripto.saving.backup.backup`.
    root : Path
        The checkout, whose ``config/config.yaml`` is compared with the backup's and never
        replaced: the backup's is put into ``restored/config.yaml`` of the state.
    force : bool
        Whether a state that is there already may be replaced. It is kept, under names with
        ``.before-restore-<time>``.
    wait_s : float
        Seconds to wait for runs that are at work.

    Returns
    -------
    list of str
        What was done and what to look at, for a person.

    Raises
    ------
    ConfigError
        There is no such file; the state is not empty and `force` is not given; or it belongs to
        another user.
    DataError
        The backup is damaged or no backup, or the disk is full; the state is as it was.
    BusyError
        A run is at work.
    """
    try:
        return _restore(layout, file, root, force, wait_s)
    except OSError as error:
        raise DataError(
            f"{file}: could not be restored ({error}); what was there is there still. "
            "Free space or correct the rights, then run it again"
        ) from error


def _restore(layout: Layout, file: Path, root: Path, force: bool, wait_s: float) -> list[str]:
    manifest = read_archive(file)
    _refuse_foreign_owner(layout)
    with ExitStack() as held:
        for role in ROLES:
            held.enter_context(lock_run(layout.locks, role, wait_s))
        notes = take_back(layout)
        present = [str(path) for path in _state(layout) if path.exists()]
        if present and not force:
            raise ConfigError(
                f"there is a state already ({', '.join(present)}); to replace it, keeping it "
                "under other names, restore with --force"
            )
        stamp = _unused_stamp(layout)
        areas = {
            "logs": layout.logs,
            "models": layout.models,
            "data": layout.data,
            "config": layout.locks.parent / "restored",
        }
        for left_over in [path for area in areas.values() for path in area.glob(".restore-*")]:
            shutil.rmtree(left_over)
        staging = {name: area / f".restore-{stamp}" for name, area in areas.items()}
        try:
            _extract(file, staging, manifest)
            notes += _check_databases(staging["logs"], manifest)
            moves = _plan(layout, staging, manifest, stamp)
            _add(staging, layout)
            swap(layout, moves, list(staging.values()))
        finally:
            for folder in staging.values():
                shutil.rmtree(folder, ignore_errors=True)
    return [*_summary(layout, root, manifest, moves), *notes]


def _refuse_foreign_owner(layout: Layout) -> None:
    """Refuse to leave files of root's in the state of a service that runs as another user."""
    nearest = next(folder for folder in (layout.logs, *layout.logs.parents) if folder.exists())
    owner = nearest.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        raise ConfigError(f"{nearest} belongs to user {owner}: restore as that user, not as root")


def _state(layout: Layout) -> Iterator[Path]:
    """Yield the databases and champions of every source and timeframe that are there."""
    yield from sorted(layout.journal.parent.glob("*.db"))
    yield from sorted(layout.ledger("live").parent.glob("*.db"))
    yield from (layout.outbox,)
    yield from sorted((layout.models / "champion").glob("*.json"))


def _unused_stamp(layout: Layout) -> str:
    """Return the time as text, such that nothing was kept aside under it yet."""
    time = candle_id(clock.system_ms())
    used = {path.name for folder in (layout.logs, layout.models) for path in folder.glob("*")}
    count, stamp = 1, time
    while any(name.endswith((f"-{stamp}", *(stamp + s for s in _SIDE_FILES))) for name in used):
        count += 1
        stamp = f"{time}-{count}"
    return stamp


def _extract(file: Path, staging: dict[str, Path], manifest: Manifest) -> None:
    """Write every file of the backup below the staging folders, flushed."""

    def take(name: str, chunks: Iterator[bytes]) -> None:
        area, _, rest = name.partition("/")
        path = staging[area] / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _mode(name))
        with os.fdopen(descriptor, "wb") as out:
            for chunk in chunks:
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())

    if read_archive(file, take) != manifest:
        raise DataError(f"{file}: changed while it was read; nothing was touched")
    for folder in staging.values():
        for path in [folder, *folder.rglob("*")] if folder.is_dir() else []:
            if path.is_dir():
                atomic.flush_folder(path)


def _mode(name: str) -> int:
    private = name.startswith(("logs/ledger/", "logs/journal/", "logs/outbox"))
    return 0o600 if private else 0o644


def _check_databases(staged: Path, manifest: Manifest) -> list[str]:
    """Verify the staged databases, note the restore in live ledgers, return what to know."""
    notes = []
    now = clock.system_ms()
    for path in sorted(staged.rglob("*.db")):
        if damage := database.verify(path):
            raise DataError(
                f"{path.name} in the backup is damaged ({damage[0]}); nothing was touched"
            )
        if path.parent.name == "journal":
            with Journal.open(path) as journal:
                notes += [f"{path.name}: {problem}" for problem in journal.check()]
        if path.parent.name == "ledger":
            with Ledger.open(path) as ledger:
                notes += [f"{path.name}: {problem}" for problem in ledger.check()]
                if path.stem.endswith("-live"):
                    reason = f"restored from the backup of {manifest.created}"
                    ledger.add(
                        Action(action_id(RESTORED, now, _WHO, reason), RESTORED, now, _WHO, reason)
                    )
    return notes


def _plan(layout: Layout, staging: dict[str, Path], manifest: Manifest, stamp: str) -> list[Move]:
    """Return the moves that make the staged files the state."""
    moves: list[Move] = []

    def move(target: Path, staged: Path | None) -> None:
        aside = target.with_name(f"{target.name}.before-restore-{stamp}")
        there = staged if staged is not None and staged.exists() else None
        if target.exists() or there:
            moves.append(
                Move(str(target), str(aside), str(there) if there else None, target.exists())
            )

    def move_database(target: Path, staged: Path) -> None:
        # a write-ahead log beside another database than its own would destroy that one
        for side in _SIDE_FILES:
            log = Path(f"{target}{side}")
            if log.exists():
                aside = f"{target}.before-restore-{stamp}{side}"
                moves.append(Move(str(log), aside, None, True))
        move(target, staged)

    logs = staging["logs"]
    move(layout.journal.parent, logs / "journal")
    move(layout.ledger("live").parent, logs / "ledger")
    move_database(layout.outbox, logs / "outbox.db")
    if (logs / "mlflow.db").exists():
        move_database(layout.mlflow_db, logs / "mlflow.db")
        move(layout.mlflow_artifacts, logs / "mlartifacts")
    derived = ("risk_state_*.json", "performance_history_*.json", "derived.json")
    for path in sorted(path for pattern in derived for path in layout.logs.glob(pattern)):
        move(path, None)  # they are made again, of what is restored
    versions = {tuple(name.split("/")[1:4]) for name in manifest.files if _is_version(name)}
    for kind, symbol, version in sorted(versions):
        target = layout.models / kind / symbol / version
        if not _is_sound(target):
            move(target, staging["models"] / kind / symbol / version)
    move(layout.models / "champion", staging["models"] / "champion")
    switches = logs / "control"
    for path in sorted(switches.iterdir()) if switches.is_dir() else []:
        # switches are only ever added: one that is on here stays as it is
        if not os.path.lexists(layout.control / path.name):
            move(layout.control / path.name, path)
    return moves


def _add(staging: dict[str, Path], layout: Layout) -> None:
    """Put in place what is named by its content, and the configuration to compare."""
    for path in sorted((staging["data"] / "configs").glob("*.json")):
        rename(path, layout.configs / path.name)
    for path in sorted(staging["config"].glob("*")):
        rename(path, staging["config"].parent / path.name)


def _is_version(name: str) -> bool:
    return name.startswith("models/") and not name.startswith("models/champion/")


def _is_sound(version: Path) -> bool:
    try:
        load_version(version)
    except ModelError:
        return False
    return True


def _summary(layout: Layout, root: Path, manifest: Manifest, moves: list[Move]) -> list[str]:
    lines = [
        f"restored {len(manifest.files)} files of the backup of {manifest.created} "
        f"(commit {manifest.git_commit or 'unknown'}), at {iso(clock.system_ms())}"
    ]
    lines += [f"kept aside: {move.aside}" for move in moves if move.existed]
    lines += [f"the backup had no {name}" for name in manifest.missing]
    copy = layout.locks.parent / "restored" / "config.yaml"
    own = root / "config" / "config.yaml"
    if copy.exists() and (not own.exists() or own.read_bytes() != copy.read_bytes()):
        lines.append(f"the backup's configuration differs from {own}; compare it: {copy}")
    for name, find in (("kill", control.killed), ("pause", control.paused)):
        if sentence := find(layout.control):
            lines.append(f"{name} is on: {sentence}")
    if any(name.endswith("-live.db") for name in manifest.files):
        lines.append("live trading places nothing until `bot-cripto live check` has passed")
    lines.append("run: bot-cripto rebuild-state, then snakemake signal")
    return lines
