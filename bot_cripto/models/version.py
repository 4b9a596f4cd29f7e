"""Immutable versions of models: a folder each, every byte of it verified before use."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.models import apply, reference
from bot_cripto.symbols import symbol_to_path

ALL_KINDS = (*apply.KINDS, "baseline")
SCHEMA_VERSION = 1
METADATA, REFERENCE = "metadata.json", "reference.json"

_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{10}")


@dataclass(frozen=True)
class Version:
    """A version whose files have been verified.

    Attributes
    ----------
    kind : str
        trend, return, risk or baseline.
    name : str
        Name of its folder: the cutoff and the first digits of `sha256`; sorts by time.
    sha256 : str
        Hash over metadata and files.
    path : Path
    metadata : dict
    files : dict of str to bytes
    """

    kind: str
    name: str
    sha256: str
    path: Path
    metadata: dict[str, Any]
    files: dict[str, bytes]

    def model(self) -> apply.Model:
        """Return the model, ready to forecast."""
        return apply.make_model(self.kind, self.metadata, self.files)


def folder(models_dir: Path | str, kind: str, symbol: str) -> Path:
    """Return the folder that holds the versions of one kind and symbol."""
    return Path(models_dir) / kind / symbol_to_path(symbol)


def load_version(path: Path | str) -> Version:
    """Return the version in that folder after verifying every hash.

    Raises
    ------
    ModelError
        A file is missing, cut or altered; the message names it.
    """
    path = Path(path)
    metadata_path = path / METADATA
    try:
        metadata = json.loads(_read(metadata_path))
        stated, hashes, kind = metadata["content_sha256"], dict(metadata["files"]), metadata["kind"]
        actual, schema = content_sha256(metadata), metadata["schema_version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"model file {metadata_path} is damaged ({error!r})") from error
    if actual != stated or not path.name.endswith(f"-{stated[:10]}"):
        raise ModelError(f"model file {metadata_path} was altered: its hash does not match")
    if schema != SCHEMA_VERSION:
        raise ModelError(
            f"model file {metadata_path} has the form {schema}, this program reads "
            f"{SCHEMA_VERSION}; run: snakemake retrain"
        )
    files = {}
    for name, digest in hashes.items():
        content = _read(path / name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise ModelError(f"model file {path / name} is cut or altered: its hash does not match")
        files[name] = content
    return Version(kind, path.name, stated, path, metadata, files)


def check_compatible(version: Version) -> str | None:
    """Return why today's features do not fit the version, or None where they do.

    Names and order, the window, and stored rows recomputed must be equal to the bit.
    """
    content = version.files.get(REFERENCE)
    if content is None:
        return f"it has no {REFERENCE}"
    return reference.incompatibility(content)


def load_compatible(path: Path | str) -> Version:
    """Return the verified version in that folder if today's features fit it.

    Raises
    ------
    ModelError
        It is damaged, or made by other features; the message names the folder and the reason.
    """
    version = load_version(path)
    reason = check_compatible(version)
    if reason is not None:
        raise ModelError(f"model {version.path} does not fit today's features: {reason}")
    return version


def list_versions(models_dir: Path | str, kind: str, symbol: str) -> list[str]:
    """Return the names of the versions of one kind and symbol, the oldest first."""
    parent = folder(models_dir, kind, symbol)
    if not parent.is_dir():
        return []
    return sorted(p.name for p in parent.iterdir() if _NAME.fullmatch(p.name) and p.is_dir())


def content_sha256(metadata: dict[str, Any]) -> str:
    """Return the hash of metadata without its own hash; it covers the hashes of the files."""
    rest = {name: value for name, value in metadata.items() if name != "content_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read ({error.strerror})") from error
