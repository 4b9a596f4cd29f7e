"""Where things came from: hashes of code, configuration and content."""

from __future__ import annotations

import ast
import hashlib
import json
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


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Return the files of this package that a source file names in its import statements."""
    found: list[Path] = []
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head != PACKAGE.name:
                continue
            for depth in range(1, len(rest) + 1):
                place = PACKAGE.joinpath(*rest[:depth])
                candidates = (place.with_suffix(".py"), place / "__init__.py")
                found += [file for file in candidates if file.is_file()]
    return tuple(found)


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
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
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
