"""Which program this is, and whether something was made by another one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from bot_cripto.checkout import ROOT
from bot_cripto.provenance import code_sha256, git_commit


@cache
def present_code() -> str:
    """Return the content hash of the code, as signals state it."""
    return code_sha256(*ROOT.glob("scripts/*.py"))


def other_code(version: Mapping[str, Any]) -> str | None:
    """Return a sentence where a signal was made by other code than this; else None.

    Parameters
    ----------
    version : mapping
        ``git_commit`` and ``code_sha256`` of the signal; None where not known.
    """
    made_by, commit = version["code_sha256"], version["git_commit"]
    if made_by == present_code():
        return None
    if made_by is None:
        return "the signal does not say by which code it was made"
    return (
        f"made by other code, {made_by[:12]}… of commit {commit or '(none)'}; this is "
        f"{present_code()[:12]}… of commit {git_commit(ROOT) or '(none)'}"
    )
