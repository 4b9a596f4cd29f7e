"""What the doctor works with: the state before it, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bot_cripto.layout import Layout


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    name : str
        Which kind of trouble, the same word always.
    where : str
        The symbol, file or folder.
    text : str
        What is wrong, in a sentence.
    remedy : str
        What a person can do about it.
    mended : bool or None
        None: it was not tried to mend it; True: it is mended; False: that failed.
    """

    name: str
    where: str
    text: str
    remedy: str
    mended: bool | None = None


@dataclass(frozen=True)
class Patient:
    """The state that is examined.

    Attributes
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        The effective settings.
    now_ms : int
        Milliseconds since the epoch, UTC.
    fix : bool
        Whether what is safe to mend is mended.
    """

    layout: Layout
    settings: dict[str, Any]
    now_ms: int
    fix: bool


Check = Callable[[Patient], Iterator[Finding]]
"""A check yields what it finds; with `Patient.fix` it mends what is safe, and says so."""
