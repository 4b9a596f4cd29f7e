"""All checks, one after the other; one that fails is itself a finding."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bot_cripto.errors import BotCriptoError
from bot_cripto.lifecycle.doctor import champions, leftovers, registry, versions
from bot_cripto.lifecycle.doctor.finding import Check, Finding, Patient

CHECKS: tuple[Check, ...] = (
    champions.check_files,
    champions.check_histories,
    champions.check_models,
    champions.check_marks,
    versions.check_versions,
    leftovers.check_leftovers,
    registry.check_registry,
)
"""In this order: what a check mends, the later ones find whole."""


def examine(patient: Patient, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return what is wrong; with `patient.fix` what is safe is mended first."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check(patient)
        except (BotCriptoError, OSError, sqlite3.Error, ValueError) as error:
            name = check.__name__.removeprefix("check_")
            remedy = "mend what it names, then run: bot-cripto doctor"
            found.append(Finding(name, name, f"could not be examined: {error}", remedy))
    return found


def as_text(found: Sequence[Finding]) -> str:
    """Return findings for people."""
    if not found:
        return "Nothing is wrong.\n"
    words = {None: "", True: " MENDED.", False: " It could not be mended."}
    lines = []
    for finding in found:
        lines.append(f"{finding.name}: {finding.where}: {finding.text}.{words[finding.mended]}\n")
        if not finding.mended:
            lines.append(f"    {finding.remedy}\n")
    return "".join(lines)
