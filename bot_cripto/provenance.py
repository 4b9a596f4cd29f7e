"""Where things came from: hashes of code, configuration and content."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text.

    Raises
    ------
    ValueError
        `value` holds NaN or an infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_json(value: Any) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


# Parsing a hundred files at every start would take half a second; a test holds this against ast.
_IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+({PACKAGE.name}[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)"
    rf"|import[ \t]+({PACKAGE.name}[\w.]*))",
    re.MULTILINE,
)


def imported_names(source: str) -> set[str]:
    """Return the dotted names of this package that a source text imports, anywhere in it."""
    names: set[str] = set()
    for module, members, alone in _IMPORT.findall(source):
        names.add(module or alone)
        for part in re.sub(r"#[^\n]*", "", members).strip("() \n").split(","):
            if part.strip():
                names.add(f"{module}.{part.split()[0]}")
    return names


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Return the files of this package that a source file names in its import statements."""
    found: set[Path] = set()
    for name in imported_names(path.read_text(encoding="utf-8")):
        parts = name.split(".")[1:]
        for depth in range(1, len(parts) + 1):
            place = PACKAGE.joinpath(*parts[:depth])
            candidates = (place.with_suffix(".py"), place / "__init__.py")
            found.update(file for file in candidates if _is_file(file))
    return tuple(found)


@cache
def _is_file(path: Path) -> bool:
    return path.is_file()


@cache
def _content_sha256(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def code_files(*entries: Path) -> list[Path]:
    """Return the entries and every file of the package that they import, directly or not.

    Imports inside functions count too, and so do data files (``*.json``) beside a module.
    """
    seen: set[Path] = set()
    waiting = [Path(entry).resolve() for entry in entries]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _imports(path)
    rooms = {path.parent for path in seen if PACKAGE in path.parent.parents}
    data = {file for room in rooms for file in room.glob("*.json")}
    return sorted(seen | data)


def code_sha256(*entries: Path) -> str:
    """Return the SHA-256 (hex) of the content of `code_files`, names included.

    The time of the files plays no part, so a deploy that touches them changes nothing.
    """
    digest = hashlib.sha256()
    for path in code_files(*entries):
        name = path.relative_to(PACKAGE.parent) if PACKAGE.parent in path.parents else path.name
        digest.update(f"{name}\0".encode() + _content_sha256(path))
    return digest.hexdigest()


def git_commit(root: Path) -> str | None:
    """Return the commit that a checkout is at, read from its files; None outside a checkout."""
    git = root / ".git"
    try:
        if git.is_file():  # a worktree: "gitdir: PATH"
            git = (root / git.read_text().split(":", 1)[1].strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        shared = git / "commondir"
        common = git / shared.read_text().strip() if shared.is_file() else git
        if (common / name).is_file():
            return (common / name).read_text().strip()
        for line in (common / "packed-refs").read_text().splitlines():
            if line.endswith(f" {name}"):
                return line.split()[0]
    except OSError:
        return None
    return None
