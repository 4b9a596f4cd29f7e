"""The check for what killed writers of models left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from bot_cripto.errors import BusyError
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.doctor.finding import Finding, Patient
from bot_cripto.locks import lock_run
from bot_cripto.models.champion import champion_path
from bot_cripto.models.champion_lock import champion_lock
from bot_cripto.models.version import ALL_KINDS

FIX = "run: bot-cripto doctor --fix (it is removed)"
CHAMPION_WAIT_S = 1.0


def check_leftovers(patient: Patient) -> Iterator[Finding]:
    """Find temporary names of writers that are gone, and remove them.

    While a retrain is at work its temporary names are its own.
    """
    try:
        lock = lock_run(patient.layout.locks, "retrain", wait_s=0)
    except BusyError:
        return
    with lock:
        for path in _temporary(patient.layout):
            yield _finding(path, patient.fix)
        for symbol in patient.settings["symbols"]:
            try:
                with champion_lock(patient.layout.models, symbol, CHAMPION_WAIT_S):
                    for path in _of_champion(patient.layout, symbol):
                        yield _finding(path, patient.fix)
            except BusyError:
                continue  # being written now


def _finding(path: Path, fix: bool) -> Finding:
    mended = None
    if fix:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        mended = not path.exists()
    return Finding("leftover", str(path), "a writer that was killed left this", FIX, mended)


def _temporary(layout: Layout) -> list[Path]:
    """Return what writers of versions, and of what is removed, leave when they are killed."""
    places = [layout.models / kind for kind in ALL_KINDS]
    found = [path for place in places for path in place.glob("*/.*.tmp")]
    training = layout.data / "training" / layout.key
    found += [*training.glob("*/.*.tmp"), *training.glob("*/*/.*.tmp")]
    return sorted([*found, *layout.history("*", "").parent.parent.glob(".*.tmp")])


def _of_champion(layout: Layout, symbol: str) -> list[Path]:
    path = champion_path(layout.models, symbol)
    return sorted(path.parent.glob(f".{path.name}.*.tmp"))
