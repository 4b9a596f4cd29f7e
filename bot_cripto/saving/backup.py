"""Backups: what cannot be made again from the market, in one file, while the bot runs.

The files are copied in an order in which the later ones know all that the earlier ones speak of:
a message of an entry of the ledger, an entry of a journalled signal, a signal of a configuration.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from bot_cripto import __version__, atomic, clock
from bot_cripto.errors import ConfigError, DataError
from bot_cripto.layout import Layout
from bot_cripto.ledger import database
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.provenance import git_commit
from bot_cripto.saving.archive import ArchiveWriter, Manifest
from bot_cripto.saving.moves import PLAN
from bot_cripto.secrets import read_secret
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso

WATCHED_SECRETS = (
    "EXCHANGE_API_KEY",
    "EXCHANGE_API_SECRET",
    "EXCHANGE_API_PASSWORD",
    "TELEGRAM_BOT_TOKEN",
)
"""Secrets that each file of a backup is searched for."""

_SHORTEST_SECRET = 12  # a shorter one would be found where it does not stand


def backup(
    layout: Layout,
    file: Path,
    root: Path,
    *,
    environment: Mapping[str, str] | None = None,
) -> Manifest:
    """Write journals, ledgers, outbox, champions, their versions, MLflow and settings to a file.

    It takes no lock and may run at any time. Every source and timeframe of the state is in it.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    file : Path
        The ``.tar.gz`` to write, readable by its owner alone; replaced whole or not at all.
    root : Path
        The checkout whose ``config/config.yaml`` goes into it.
    environment : mapping, optional
        Where the secrets are that must not be in it. Default: the process's own.

    Returns
    -------
    Manifest

    Raises
    ------
    ConfigError
        `file` is a folder.
    DataError
        A database is damaged, a file holds a secret, a restore has not ended, or the disk is
        full; `file` is as it was.
    """
    file = Path(file).absolute()
    if file.is_dir():
        raise ConfigError(f"{file}: is a folder; name the file to write")
    if (layout.logs / PLAN).exists():
        raise DataError("a restore has begun and not ended: run it again, then make a backup")
    secrets = {}
    for name in WATCHED_SECRETS:
        value = read_secret(name, environment).reveal()
        if len(value) >= _SHORTEST_SECRET:
            secrets[name] = value.encode()
    made: list[Manifest] = []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
            atomic.write(
                file,
                lambda out: made.append(_write(layout, root, out, secrets, Path(folder))),
                mode=0o600,
            )
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"{file}: the backup could not be written ({error}); no part of it was left. "
            "Is there space in that folder, and for its temporary copies of the databases?"
        ) from None
    return made[0]


def _write(
    layout: Layout, root: Path, out: BinaryIO, secrets: Mapping[str, bytes], folder: Path
) -> Manifest:
    archive = ArchiveWriter(out, secrets)
    for name, path in _databases(layout):
        copy = folder / "copy.db"
        database.copy_to(path, copy)
        with copy.open("rb") as content:
            archive.add(name, content, copy.stat().st_size)
        copy.unlink()
    _add_folder(archive, "logs/mlartifacts", layout.mlflow_artifacts)
    champions, missing = _add_models(archive, layout.models)
    for path in _entries(layout.control):
        archive.add_bytes(f"logs/control/{path.name}", _switch(path))
    _add_folder(archive, "data/configs", layout.configs, "*.json")
    config = root / "config" / "config.yaml"
    if config.exists():
        archive.add_bytes("config/config.yaml", config.read_bytes())
    created, commit = iso(clock.system_ms()), git_commit(root)
    manifest = Manifest(created, commit, __version__, champions, missing, archive.files)
    archive.finish(manifest)
    return manifest


def _databases(layout: Layout) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each database that is there; a message before what it tells of."""
    if layout.outbox.exists():
        yield "logs/outbox.db", layout.outbox
    for folder in (layout.ledger("paper").parent, layout.journal.parent):
        for path in sorted(folder.glob("*.db")):
            yield f"logs/{folder.name}/{path.name}", path
    if layout.mlflow_db.exists():
        yield "logs/mlflow.db", layout.mlflow_db


def _add_folder(archive: ArchiveWriter, name: str, folder: Path, pattern: str = "**/*") -> None:
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            with path.open("rb") as content:  # one that is replaced meanwhile stays whole here
                size = os.fstat(content.fileno()).st_size
                archive.add(f"{name}/{path.relative_to(folder).as_posix()}", content, size)


def _add_models(
    archive: ArchiveWriter, models: Path
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Add champions, histories, bad marks and every version that is named, as far as it exists."""
    champions: dict[str, dict[str, str]] = {}
    named: set[tuple[str, str, str]] = set()
    for path in sorted((models / "champion").glob("*.json")):
        content = path.read_bytes()
        archive.add_bytes(f"models/champion/{path.name}", content)
        champion = _parsed(content)
        for value in [champion, *_list(champion.get("history"))]:
            named |= _versions(value)
        if champion:
            champions[str(champion.get("symbol", path.stem))] = {
                kind: version for kind, _, version in sorted(_versions(champion))
            }
    for path in sorted((models / "champion" / "history").glob("*.jsonl")):
        content = path.read_bytes()
        archive.add_bytes(f"models/champion/history/{path.name}", content)
        for line in content.splitlines():
            named |= _versions(_parsed(line))
    for path in sorted((models / "champion" / "bad").glob("*.jsonl")):
        archive.add_bytes(f"models/champion/bad/{path.name}", path.read_bytes())
    missing = []
    for kind, symbol, version in sorted(named):
        folder = models / kind / symbol / version
        if (folder / "metadata.json").is_file():
            _add_folder(archive, f"models/{kind}/{symbol}/{version}", folder)
        else:
            missing.append(f"{kind}/{symbol}/{version}")
    return champions, missing


def _parsed(content: bytes) -> dict[str, Any]:
    """Return the JSON object, or an empty one: a damaged line goes into the backup as it is."""
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _versions(champion: Any) -> set[tuple[str, str, str]]:
    """Return the versions (kind, symbol as in paths, name) that a champion's JSON names."""
    if not isinstance(champion, dict) or not isinstance(champion.get("kinds"), dict):
        return set()
    symbol = symbol_to_path(str(champion.get("symbol")))
    found = {
        (kind, symbol, str(use["version"]))
        for kind, use in champion["kinds"].items()
        if kind in ALL_KINDS and isinstance(use, dict) and "version" in use
    }
    return {key for key in found if not {"..", "."} & set(key) and "/" not in key[1] + key[2]}


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder that may be missing, without temporary files."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _switch(path: Path) -> bytes:
    """Return what a switch file holds; one that cannot be read is on too, and goes along empty."""
    try:
        return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""
    except OSError:
        return b""
