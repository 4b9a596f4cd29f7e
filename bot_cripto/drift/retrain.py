"""Whether drift that was found starts a retrain, and why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot_cripto import atomic
from bot_cripto.timeframes import iso, parse_candle_id, parse_iso

if TYPE_CHECKING:
    from bot_cripto.layout import Layout

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Plan:
    """What is to be done about drift.

    Attributes
    ----------
    due : bool
        Whether a retrain is to start.
    cutoff : str
        Up to when it would train, ISO 8601 in UTC.
    reason : str
        Why, or why not, in a sentence.
    """

    due: bool
    cutoff: str
    reason: str


def plan(
    layout: Layout,
    settings: Mapping[str, Any],
    drifted: list[str],
    until_ms: int,
    *,
    asked: bool = False,
) -> Plan:
    """Return whether drift starts a retrain.

    Parameters
    ----------
    layout : Layout
    settings : mapping
        ``retrain_on_drift`` and ``retrain_min_hours`` count.
    drifted : list of str
        The symbols in which drift was found.
    until_ms : int
        Close of the last candle: the cutoff; milliseconds since the epoch, UTC.
    asked : bool
        The operator asked for it, whatever ``retrain_on_drift`` says; the least hours count all
        the same.
    """
    cutoff = iso(until_ms)
    if not drifted:
        return Plan(False, cutoff, "no retrain: no drift was found")
    if not (asked or settings["retrain_on_drift"]):
        return Plan(False, cutoff, "no retrain: retrain_on_drift is off")
    last, hours = last_retrain_ms(layout), settings["retrain_min_hours"]
    if last is not None and until_ms - last < hours * HOUR_MS:
        return Plan(
            False,
            cutoff,
            f"no retrain: the last one was up to {iso(last)}, less than {hours:g} hours before "
            f"{cutoff} (retrain_min_hours)",
        )
    return Plan(True, cutoff, f"retrain up to {cutoff}, because of drift in {', '.join(drifted)}")


def last_retrain_ms(layout: Layout) -> int | None:
    """Return the cutoff of the last retrain of any symbol, or of one that drift has begun.

    None where there was none; milliseconds since the epoch, UTC.
    """
    pattern = layout.training("*", "*").relative_to(layout.data) / "judgement.json"
    ended = [parse_candle_id(path.parts[-3]) for path in layout.data.glob(str(pattern))]
    try:
        begun = [parse_iso(json.loads((layout.drift / "retrain.json").read_bytes())["cutoff"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        begun = []
    return max([*ended, *begun], default=None)


def note_begin(layout: Layout, cutoff: str) -> None:
    """Remember that drift has begun a retrain, so that one that fails is not begun again."""
    atomic.write_json(layout.drift / "retrain.json", {"cutoff": cutoff})
