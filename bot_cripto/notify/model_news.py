"""What a signal says of its models: which cannot be used, so that others stand in, or none."""

from __future__ import annotations

import re
from typing import Any

_BROKEN = re.compile(r"The (\w+) model (\S+) cannot be used")
_STANDS_IN = re.compile(
    r"The earlier \w+ model \S+ stands in|Baseline model .*? stands in for [\w, ]+"
)

VALID_GATE = "model_valid"


def trouble(document: dict[str, Any]) -> str | None:
    """Return what is wrong with the models of a signal, the same text for the same state.

    Returns
    -------
    str or None
        Empty: nothing is wrong. None: the signal does not tell, for it came to no forecast for
        another reason.
    """
    reason = str(document["reason"])
    broken = [f"{kind} {version}" for kind, version in _BROKEN.findall(reason)]
    if broken:
        return ", ".join(dict.fromkeys(broken))
    if document["prob_up"] is not None:
        return ""
    failed = [gate["name"] for gate in document["gates"] if not gate["passed"]]
    # the reason is the first failing gate's
    return reason if failed[:1] == [VALID_GATE] else None


def stand_ins(document: dict[str, Any]) -> str:
    """Return what stands in for models that cannot be used, in the signal's own words."""
    found = _STANDS_IN.findall(str(document["reason"]))
    return "; ".join(found)
