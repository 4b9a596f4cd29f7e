"""Reproducing a model: trained again from its snapshot, every file compared byte for byte."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.checkout import ROOT
from bot_cripto.errors import BotCriptoError, ConfigError, DataError, ModelError
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.comparison import DIFFERENT, IDENTICAL, Difference, differences
from bot_cripto.lifecycle.past_snapshots import find_snapshot
from bot_cripto.models.reference import make_reference
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import training_data
from bot_cripto.models.training import train
from bot_cripto.models.version import ALL_KINDS, METADATA, Version, load_version
from bot_cripto.models.version_writer import Origin, library_versions, write_version
from bot_cripto.provenance import code_sha256
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

IMPOSSIBLE = "cannot be reproduced"


@dataclass(frozen=True)
class Reproduced:
    """What became of training a version again.

    Attributes
    ----------
    version : str
        The folder of the version.
    outcome : str
        IDENTICAL, DIFFERENT or IMPOSSIBLE.
    problem : str or None
        What is missing, where it cannot be reproduced.
    files : tuple of str
        The files whose bytes differ, or that only one of both has.
    differences : tuple of Difference
        What differs in the metadata (hash and values).
    notes : tuple of str
        Where the snapshot is from, which code and libraries are others.
    """

    version: str
    outcome: str
    problem: str | None = None
    files: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def find_version(
    layout: Layout, version: str, symbol: str | None = None, kind: str | None = None
) -> Path:
    """Return the folder of a version.

    Parameters
    ----------
    layout : Layout
    version : str
        The name of its folder.
    symbol, kind : str, optional
        Where to look; default: everywhere.

    Raises
    ------
    DataError
        There is none of that name.
    ConfigError
        Several have it, or it is no name.
    """
    if "/" in version or version in ("", ".", "..") or set(version) & set("*?["):
        raise ConfigError(f"{version!r} is no name of a version; see: bot-cripto versions")
    place = symbol_to_path(symbol) if symbol else "*"
    found = [
        path
        for each in ([kind] if kind else ALL_KINDS)
        for path in sorted((layout.models / each).glob(f"{place}/{version}"))
        if path.is_dir()
    ]
    if not found:
        raise DataError(
            f"{version}: there is no such version of {kind or 'any kind'}, {symbol or 'any symbol'}"
            f" in {layout.models}; see: bot-cripto versions"
        )
    if len(found) > 1:
        several = ", ".join(str(path.relative_to(layout.models)) for path in found)
        raise ConfigError(f"{version} is ambiguous ({several}); give --symbol and --kind")
    return found[0]


def reproduce(
    layout: Layout, here: dict[str, Any], path: Path, *, num_threads: int = 1
) -> Reproduced:
    """Train a version again from its snapshot and compare all of it.

    Origin and settings are those that the version states; what is written goes to a temporary
    folder.

    Parameters
    ----------
    layout : Layout
    here : dict
        The present effective settings: one of the configurations that a snapshot whose file is
        gone is built again by.
    path : Path
        The folder of the version.
    num_threads : int
        Of training; it plays no part in the result.
    """
    notes: list[str] = []
    try:
        version = load_version(path)
        notes += _other_program(version.metadata)
        found = find_snapshot(layout, here, version.metadata)
        notes.append(f"snapshot: {found.place}")
        data = training_data(found.snapshot)
        settings = TrainingSettings(**version.metadata["settings"])
        trained = train(version.kind, data, settings, num_threads)
        reference = make_reference(found.snapshot.candles, found.snapshot.timeframe)
        with tempfile.TemporaryDirectory(prefix="bot-cripto-") as folder:
            made = write_version(folder, trained, _origin(version.metadata), reference)
            return _compared(version, made, tuple(notes))
    except (BotCriptoError, OSError, KeyError, TypeError) as error:
        # what another program wrote may name settings that this one does not know
        problem = str(error) if isinstance(error, BotCriptoError | OSError) else repr(error)
        return Reproduced(str(path), IMPOSSIBLE, problem, notes=tuple(notes))


def _origin(metadata: Mapping[str, Any]) -> Origin:
    hashes = metadata["hashes"]
    return Origin(
        symbol=metadata["symbol"],
        source=metadata["source"],
        timeframe=metadata["timeframe"],
        cutoff_ms=parse_iso(metadata["cutoff"]),
        data_sha256=hashes["data"],
        code_sha256=hashes["code"],
        config_sha256=hashes["config"],
        libraries=metadata["libraries"],
    )


def _other_program(metadata: Mapping[str, Any]) -> list[str]:
    """Return what of the program that trained a version is not what is here now."""
    found = []
    code = code_sha256(ROOT / "scripts" / "train_model.py")
    if metadata["hashes"]["code"] != code:
        found.append(
            f"trained by other code, {metadata['hashes']['code'][:12]}…; this is {code[:12]}…"
        )
    present = library_versions()
    for name, version in metadata["libraries"].items():
        if present.get(name) != version:
            found.append(f"trained with {name} {version}; here is {present.get(name)}")
    return found


def _compared(version: Version, made: Version, notes: tuple[str, ...]) -> Reproduced:
    names = sorted({METADATA, *version.files, *made.files})
    contents = [(name, _content(version.path / name), _content(made.path / name)) for name in names]
    files = tuple(name for name, theirs, ours in contents if theirs != ours)
    if not files and version.sha256 == made.sha256 and version.name == made.name:
        return Reproduced(str(version.path), IDENTICAL, notes=notes)
    told = tuple(differences(version.metadata, made.metadata))
    return Reproduced(str(version.path), DIFFERENT, files=files, differences=told, notes=notes)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read ({error.strerror})") from error


def as_text(result: Reproduced) -> str:
    """Return a result as lines for people, values cut to a line."""
    lines = [f"{result.version}: {result.outcome}"]
    if result.problem:
        lines[0] += f": {result.problem}"
    if result.files:
        lines.append(f"  files that differ: {', '.join(result.files)}")
    for found in result.differences:
        one, other = (json.dumps(value)[:100] for value in (found.signal, found.replayed))
        lines.append(f"  {found.field}: {one} was stored, {other} was made")
    lines += [f"  note: {note}" for note in result.notes]
    return "".join(f"{line}\n" for line in lines)
