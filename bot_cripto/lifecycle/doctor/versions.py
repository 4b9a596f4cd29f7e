"""The check of every version on disk, by its hashes."""

from __future__ import annotations

from collections.abc import Iterator

from bot_cripto.errors import ModelError
from bot_cripto.lifecycle.doctor.finding import Finding, Patient
from bot_cripto.models.champion import read_champion
from bot_cripto.models.version import ALL_KINDS, folder, list_versions, load_version


def check_versions(patient: Patient) -> Iterator[Finding]:
    """Find versions that are half written, damaged, or lie in another's place.

    One that is merely made by other features is none: it may be wanted again. Those in use are
    told of by `check_models`.
    """
    models = patient.layout.models
    for symbol in patient.settings["symbols"]:
        try:
            champion = read_champion(models, symbol)
        except ModelError:
            champion = None
        in_use = champion.versions() if champion else {}
        for kind in ALL_KINDS:
            for name in list_versions(models, kind, symbol):
                if in_use.get(kind) == name:
                    continue
                path = folder(models, kind, symbol) / name
                try:
                    version = load_version(path)
                    stated = (version.kind, version.metadata.get("symbol"))
                    problem = "" if stated == (kind, symbol) else f"it is of {stated}"
                except ModelError as error:
                    problem = str(error)
                if problem:
                    remedy = "put it back from a backup, or remove the folder; it is never used"
                    yield Finding("version", str(path), problem, remedy)
