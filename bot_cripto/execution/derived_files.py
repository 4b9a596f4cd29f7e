"""Files that are functions of ledger, journal and candles, and the record of their hashes.

A file that is not as the record says was edited or damaged: it is kept aside, never overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.timeframes import candle_id

RECORD = "derived.json"
FORMAT = 1


class DerivedFiles:
    """The derived files of one folder; what is put is written together by `commit`.

    Parameters
    ----------
    folder : Path
        Where the files and their record lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record_problem = ""
        self._record = self._read_record()
        self._queue: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def _read_record(self) -> dict[str, dict[str, Any]]:
        try:
            record = json.loads((self.folder / RECORD).read_bytes())
            files = dict(record["files"])
            if record["sha256"] == _record_sha256(files):
                return files
            self._record_problem = "it was edited or damaged"
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._record_problem = " ".join(str(error).split()) or type(error).__name__
        return {}

    def names(self) -> list[str]:
        """Return the names of all files that the record knows."""
        return list(self._record)

    def is_new(self, name: str) -> bool:
        """Return whether a file neither exists nor is known to the record."""
        return name not in self._record and not _exists(self.folder / name)

    def facts(self, name: str) -> dict[str, Any]:
        """Return what was recorded with a file; empty when it is unknown."""
        return dict(self._record.get(name, {}).get("facts", {}))

    def read(self, name: str) -> bytes | None:
        """Return the content of a file that is as the record says, else None."""
        content = self._content(name)
        entry = self._record.get(name)
        if content is None or entry is None or _sha256(content) != entry["sha256"]:
            return None
        return content

    def problem(self, name: str) -> str | None:
        """Return in words what is wrong with a file, None where it is as the record says."""
        entry = self._record.get(name)
        content = self._content(name)
        if content is None and not _exists(self.folder / name):
            return f"{self.folder / name} is gone" if entry else None
        if entry is None:
            return f"{self.folder / name} is not in the record {RECORD}"
        if content is None:
            return f"{self.folder / name} cannot be read"
        # the hash before: a run that died between record and file changed nothing by hand
        if _sha256(content) not in (entry["sha256"], entry.get("before")):
            return f"{self.folder / name} is not as it was written: it was edited or damaged"
        return None

    def record_problem(self) -> str | None:
        """Return in words what is wrong with the record itself, or None."""
        if not self._record_problem:
            return None
        return f"{self.folder / RECORD} cannot be used ({self._record_problem})"

    def put(self, name: str, text: str, facts: Mapping[str, Any]) -> None:
        """Set what a file shall hold, and what to remember of how it was made (JSON values)."""
        self._queue[name] = (text.encode(), dict(facts))

    def commit(self, now_ms: int) -> list[str]:
        """Write the record, then what was put; keep aside what was edited.

        Parameters
        ----------
        now_ms : int
            Milliseconds since the epoch, UTC; part of the name of what is kept aside.

        Returns
        -------
        list of str
            One sentence for each file that was not as it was written.

        Raises
        ------
        OSError
            A file could not be written; it is as it was before.
        """
        told = []
        if self._record_problem:
            told.append(f"{self.record_problem()}: {self._aside(RECORD, now_ms)}")
        record, writes = dict(self._record), {}
        for name, (content, facts) in self._queue.items():
            present = self._content(name)
            problem = None if present == content else self.problem(name)
            if problem and _exists(self.folder / name):
                problem = f"{problem}; {self._aside(name, now_ms)}"
                present = None
            if problem:
                told.append(f"{problem}; it was made again from ledger, journal and candles")
            before = None if present is None else _sha256(present)
            record[name] = {"sha256": _sha256(content), "before": before, "facts": facts}
            if present != content:
                writes[name] = content
        if record != self._record or self._record_problem:
            whole = {"format": FORMAT, "sha256": _record_sha256(record), "files": record}
            atomic.write_json(self.folder / RECORD, whole)
        for name, content in writes.items():
            atomic.write_bytes(self.folder / name, content)
        self._record, self._record_problem, self._queue = record, "", {}
        return told

    def _content(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def _aside(self, name: str, now_ms: int) -> str:
        path = self.folder / name
        aside = free = path.with_name(f"{name}.edited-{candle_id(now_ms)}")
        number = 0
        while _exists(free):
            number += 1
            free = aside.with_name(f"{aside.name}.{number}")
        path.rename(free)
        return f"it is kept as {free.name}"


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _record_sha256(files: Mapping[str, Any]) -> str:
    return _sha256(json.dumps([FORMAT, files], sort_keys=True).encode())
