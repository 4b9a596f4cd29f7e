"""Writing files so that a reader sees the old content or the new, never a part."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write(path: Path | str, fill: Callable[[BinaryIO], object], mode: int = 0o644) -> None:
    """Write a file through a temporary name in its folder, flushed, then renamed.

    Parameters
    ----------
    path : Path or str
        The file; missing parent folders are made.
    fill : callable
        Called with the open binary file; whatever it writes is the new content.
    mode : int
        Permissions of the file.

    Raises
    ------
    OSError
        The disk is full or the folder not writable; `path` is as it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write bytes atomically; see `write`."""
    write(path, lambda file: file.write(content))


def write_text(path: Path | str, content: str) -> None:
    """Write text as UTF-8 atomically; see `write`."""
    write_bytes(path, content.encode())


def json_text(value: Any) -> str:
    """Return JSON as it is published: indented by two spaces, keys in their own order.

    Raises
    ------
    ValueError
        `value` holds NaN or an infinity, which JSON has no word for.
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically, as `json_text` gives it.

    Raises
    ------
    ValueError
        `value` holds NaN or an infinity, which JSON has no word for.
    """
    write_text(path, json_text(value))
