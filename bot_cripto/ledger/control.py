"""The operator's switches, kill and pause: a file each, on while anything stands in its place.

Whatever cannot be read counts as on; only "it does not exist" is off.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.timeframes import iso

KILL, PAUSE = "kill", "pause"

_PAST = {KILL: "killed", PAUSE: "paused"}
_MAX_LENGTH = 500
"""Of a name or a reason, in characters."""


def kill(folder: Path | str, who: str, reason: str, now_ms: int) -> None:
    """Stop new entries at once, until `release`.

    Parameters
    ----------
    folder : Path or str
        Of the switches; made if missing.
    who, reason : str
        Whose wish it is and why, free of secrets; one line, cut after 500
        characters.
    now_ms : int
        Milliseconds since the epoch, UTC.

    Raises
    ------
    OSError
        The switch is not on: not even an empty file could be made.
    """
    _turn_on(Path(folder) / KILL, who, reason, now_ms)


def release(folder: Path | str) -> bool:
    """Take a `kill` back; True if there was one.

    Raises
    ------
    OSError
        The switch is still on.
    """
    return _turn_off(Path(folder) / KILL)


def pause(folder: Path | str, who: str, reason: str, now_ms: int) -> None:
    """Stop new entries until `resume`; takes and raises what `kill` does."""
    _turn_on(Path(folder) / PAUSE, who, reason, now_ms)


def resume(folder: Path | str) -> bool:
    """Take a `pause` back; True if there was one.

    Raises
    ------
    OSError
        The switch is still on.
    """
    return _turn_off(Path(folder) / PAUSE)


def killed(folder: Path | str) -> str | None:
    """Return who stopped entries by `kill`, when and why, in a sentence; None: nobody."""
    return _sentence(Path(folder) / KILL)


def paused(folder: Path | str) -> str | None:
    """Return who stopped entries by `pause`, when and why, in a sentence; None: nobody."""
    return _sentence(Path(folder) / PAUSE)


def state(folder: Path | str) -> str:
    """Return a short text that changes whenever a switch does; empty when both are off."""
    sentences = {name: _sentence(Path(folder) / name) for name in (KILL, PAUSE)}
    return " ".join(
        f"{name}:{hashlib.sha256(sentence.encode()).hexdigest()[:12]}"
        for name, sentence in sentences.items()
        if sentence is not None
    )


def _turn_on(path: Path, who: str, reason: str, now_ms: int) -> None:
    content = {"ts": iso(now_ms), "who": _one_line(who), "reason": _one_line(reason)}
    try:
        atomic.write_json(path, content)
    except OSError:
        # an empty file needs no space on a full disk, and counts as on
        if _sentence(path) is None:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _turn_off(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    atomic.flush_folder(path.parent)
    return True


def _sentence(path: Path) -> str | None:
    past = _PAST[path.name]
    try:
        found = path.lstat()
    except FileNotFoundError:
        missing = _missing_folder(path)
        return f"{past}: {missing} leads nowhere, which counts as {past}" if missing else None
    except OSError as error:
        return f"{past}: {path} cannot be looked for ({error.strerror}), which counts as {past}"
    try:
        # anything else, a pipe for one, could keep the reader waiting
        if not stat.S_ISREG(found.st_mode):
            return f"{past}: {path} is there, though it is no ordinary file"
        with path.open("rb") as file:
            content = json.loads(file.read())
        who, when, reason = (_one_line(str(content[key])) for key in ("who", "ts", "reason"))
    except FileNotFoundError:
        return None  # taken back a moment ago
    except OSError as error:
        return f"{past}: {path} cannot be read ({error.strerror}), which counts as {past}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{past}: {path} is there, but does not say by whom"
    return f"{past} by {who} at {when}" + (f": {reason}" if reason else "")


def _missing_folder(path: Path) -> Path | None:
    """Return the folder above that is a link to nowhere, as to a disk that is not mounted."""
    for folder in path.parents:
        if folder.is_symlink():
            return None if folder.exists() else folder
        if folder.exists():
            return None
    return None


def _one_line(text: str) -> str:
    # half a surrogate pair, as a message may hold it, has no UTF-8
    return " ".join(text.encode(errors="backslashreplace").decode().split())[:_MAX_LENGTH]
