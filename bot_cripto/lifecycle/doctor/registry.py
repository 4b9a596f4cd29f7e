"""The check of MLflow's registry against the champion files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bot_cripto.errors import BotCriptoError, ModelError
from bot_cripto.lifecycle.doctor.finding import Finding, Patient
from bot_cripto.models.champion import champion_path, history_path, read_champion
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.tracking.registry_view import CHAMPION, model_name, named_by, registered

READ_WAIT_S = 2.0

FIX = "run: bot-cripto doctor --fix (the champion file is the truth)"


def check_registry(patient: Patient) -> Iterator[Finding]:
    """Find where the registry says other than the champion files, and let it follow them.

    A database that is locked, damaged or missing is named; signals do not need it.
    """
    # here, for it is the only check that knows of MLflow
    from bot_cripto.tracking.registry import divergence, sync_champion

    layout = patient.layout
    for symbol in patient.settings["symbols"]:
        try:
            if read_champion(layout.models, symbol) is None:
                yield from _forgotten(patient, symbol)
                continue
        except ModelError:
            continue  # said of the champion file
        try:
            found = divergence(layout, symbol)
            _check_sound(layout.mlflow_db)
        except (BotCriptoError, sqlite3.Error, OSError) as error:
            remedy = "where it is damaged, move it aside: the next training begins anew; "
            remedy += "no signal needs it"
            text = str(error).removeprefix(f"{layout.mlflow_db}: ")
            yield Finding("mlflow", str(layout.mlflow_db), text, remedy)
            return  # one database holds every symbol
        if not found:
            continue
        mended, problem = None, ""
        if patient.fix:
            try:
                sync_champion(layout, symbol)
                left = divergence(layout, symbol)
                mended, problem = not left, "; ".join(left)
            except (BotCriptoError, sqlite3.Error, OSError, ValueError) as error:
                mended, problem = False, str(error)
        for text in found:
            said = f"{text} ({problem})" if problem else text
            yield Finding("registry", symbol, said, FIX, mended)


def _forgotten(patient: Patient, symbol: str) -> Iterator[Finding]:
    """Yield that the registry knows a champion of a symbol whose models are out of sight."""
    layout, settings = patient.layout, patient.settings
    if history_path(layout.models, symbol).exists():
        return  # said of the champion file
    about = (settings["timeframe"], settings["source_name"])
    names = [model_name(layout, symbol, kind, *about) for kind in ALL_KINDS]
    try:
        known = registered(layout.mlflow_db, names)
    except (BotCriptoError, OSError):
        return  # said where a symbol has a champion; without one nothing depends on it
    if any(named_by(versions, CHAMPION) for versions in known.values()):
        text = "MLflow's registry knows a champion, but there is neither its file nor a history"
        remedy = "put the folder of the models back (models_dir), or restore a backup"
        yield Finding("champion_file", str(champion_path(layout.models, symbol)), text, remedy)


def _check_sound(path: Path) -> None:
    """Raise sqlite3.Error where a part of the database that the registry is not in is damaged."""
    if not path.exists():
        return
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=READ_WAIT_S)) as connection:
        (found,) = connection.execute("pragma quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(str(found).split()))
