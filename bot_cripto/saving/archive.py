"""The form of a backup: one .tar.gz of regular files, their hashes in a manifest at its end.

Every byte is read and compared before a byte of the state is touched: what is cut, altered, or
would lie anywhere but where a backup's files lie is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from bot_cripto.errors import ConfigError, DataError

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1 << 20

_GZIP_START = bytes.fromhex("1f8b08000000000000ff")
_MANIFEST_LIMIT = 64 << 20
_PLACES = re.compile(
    r"(logs/(journal|ledger)/[^/]+\.db|logs/(outbox|mlflow)\.db|logs/mlartifacts/.+"
    r"|logs/control/[^/]+|models/champion/([^/]+\.json|(history|bad)/[^/]+\.jsonl)"
    r"|models/(trend|return|risk|baseline)/[^/]+/[^/]+/.+|data/configs/[^/]+\.json"
    r"|config/config\.yaml)"
)


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Attributes
    ----------
    created : str
        ISO 8601 UTC.
    git_commit : str or None
        Commit of the code that made it.
    program : str
        Version of the program.
    champions : dict
        Versions in use: symbol to kind to version.
    missing : list of str
        Versions that a champion or its history names and that were not there.
    files : dict
        Name in the archive to ``{"size": bytes, "sha256": hex}``.
    """

    created: str
    git_commit: str | None
    program: str
    champions: dict[str, dict[str, str]]
    missing: list[str]
    files: dict[str, dict[str, Any]]

    def summary(self) -> list[str]:
        """Return what the backup holds, as lines for people."""
        size = sum(entry["size"] for entry in self.files.values())
        lines = [f"{len(self.files)} files, {size / 1e6:.1f} MB before compression"]
        lines += [
            f"{symbol}: {', '.join(kinds.values())}" for symbol, kinds in self.champions.items()
        ]
        return lines + [f"missing, named by a champion: {name}" for name in self.missing]


class ArchiveWriter:
    """Writes files into a backup as they come, and the manifest when all are in.

    Parameters
    ----------
    file : BinaryIO
        Open for writing.
    secrets : mapping of str to bytes
        Values by name that no file may hold.
    """

    def __init__(self, file: BinaryIO, secrets: Mapping[str, bytes]) -> None:
        self._gzip = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._secrets = secrets
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, content: IO[bytes], size: int) -> None:
        """Add `size` bytes of a file under a name.

        Raises
        ------
        DataError
            The file holds a secret or has become shorter while it was read.
        """
        if not _PLACES.fullmatch(name):
            raise DataError(f"{name}: a file of this name is no part of a backup; rename it")
        reader = _Watched(content, name, self._secrets)
        self._put(name, reader, size)
        self.files[name] = {"size": size, "sha256": reader.digest.hexdigest()}

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file of that content."""
        self.add(name, io.BytesIO(content), len(content))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the end of the archive."""
        content = json.dumps({"format": FORMAT, **vars(manifest)}, indent=1).encode()
        self._put(MANIFEST, io.BytesIO(content), len(content))
        self._tar.close()
        self._gzip.close()

    def _put(self, name: str, content: Any, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        try:
            self._tar.addfile(member, content)
        except OSError as error:
            if "unexpected end of data" not in str(error):
                raise
            raise DataError(f"{name}: became shorter while it was read; try again") from None


class _Watched:
    """Reads through to a file, hashing what passes and looking for secrets in it."""

    def __init__(self, content: IO[bytes], name: str, secrets: Mapping[str, bytes]) -> None:
        self._content, self._name, self._secrets = content, name, secrets
        self._longest = max(map(len, secrets.values()), default=1)
        self._tail = b""
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self._content.read(size)
        self.digest.update(chunk)
        seen = self._tail + chunk
        for name, value in self._secrets.items():
            if value in seen:
                raise DataError(
                    f"{self._name}: holds the value of {name}, which no backup may carry; "
                    "remove it from that file, or change the secret, then try again"
                )
        self._tail = seen[-self._longest :]
        return chunk


def read_archive(
    file: Path, take: Callable[[str, Iterator[bytes]], object] | None = None
) -> Manifest:
    """Read a backup to its last byte and return its manifest if all of it is as it was written.

    Parameters
    ----------
    file : Path
    take : callable, optional
        Called for each file with its name and the chunks of its content, which it need not
        exhaust. They are not known to be sound before this function has returned.

    Raises
    ------
    ConfigError
        There is no such file.
    DataError
        It is no backup, of another format, damaged, cut, or holds what a backup never holds.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        with file.open("rb") as raw:
            if raw.read(len(_GZIP_START)) != _GZIP_START:
                raise DataError(f"{file}: is no backup of this program, or its start is damaged")
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                content = _members(file, unzipped, found, take)
                while rest := unzipped.read(CHUNK):  # to the end, for the checksum stands there
                    if rest.strip(b"\0"):
                        raise DataError(f"{file}: something follows the end of the archive")
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{file}: there is no such file") from None
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"{file}: is damaged or cut ({error}); nothing was touched") from None
    manifest = _parse(file, content)
    if manifest.files != found:
        wrong = sorted(
            n for n in {*found, *manifest.files} if found.get(n) != manifest.files.get(n)
        )
        raise DataError(
            f"{file}: is damaged: {wrong[0]} is not what the manifest says; nothing was touched"
        )
    return manifest


def _members(
    file: Path,
    unzipped: gzip.GzipFile,
    found: dict[str, dict[str, Any]],
    take: Callable[[str, Iterator[bytes]], object] | None,
) -> bytes:
    """Read every member into `found`; return the content of the manifest, which is the last."""
    with tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for member in tar:
            name = member.name
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.issparse():
                raise DataError(f"{file}: {name!r} is no regular file; nothing was touched")
            if name == MANIFEST:
                manifest = content.read(_MANIFEST_LIMIT)
                if tar.next() is not None:
                    raise DataError(f"{file}: is damaged: the manifest is not the last file")
                return manifest
            parts = name.split("/")
            if not _PLACES.fullmatch(name) or {"", ".", ".."} & set(parts) or "\0" in name:
                raise DataError(f"{file}: {name!r} is no place of a backup; nothing was touched")
            if name in found:
                raise DataError(f"{file}: holds {name!r} twice; nothing was touched")
            digest = hashlib.sha256()
            chunks = _chunks(content, digest)
            if take:
                take(name, chunks)
            for _ in chunks:  # what `take` left
                pass
            found[name] = {"size": member.size, "sha256": digest.hexdigest()}
    raise DataError(f"{file}: is cut: it has no manifest; nothing was touched")


def _chunks(content: IO[bytes], digest: Any) -> Iterator[bytes]:
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        yield chunk


def _parse(file: Path, content: bytes) -> Manifest:
    try:
        values = json.loads(content)
        found = values.pop("format")
        if found != FORMAT:
            raise DataError(f"{file}: has the format {found!r}, this program reads {FORMAT}")
        return Manifest(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: its manifest is damaged ({error!r})") from None
