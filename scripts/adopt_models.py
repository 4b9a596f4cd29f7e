"""Put the first models of a symbol in use, provisionally (rule adopt_models).

A kind that is in use already is left alone: then `retrain` judges. A version that is marked bad
is not put in use.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.mirror import mirror
from bot_cripto.models.bad_marks import read_bad
from bot_cripto.models.champion import read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.forecast import Subject
from bot_cripto.models.record import read_record
from bot_cripto.symbols import symbol_from_path
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def adopt_models(
    layout: Layout, settings: dict[str, Any], symbol: str, record: str, output: str
) -> None:
    """Put each kind of a training record in use where the champion has none."""
    name = symbol_from_path(symbol)
    uses, skipped = read_record(Path(record))
    marks = read_bad(layout.models, name)
    for kind in [kind for kind, use in uses.items() if (kind, use.version) in marks]:
        version = uses.pop(kind).version
        skipped[kind] = f"{version} is marked bad: {marks[kind, version].reason}"
    champion = read_champion(layout.models, name)
    mine = Subject.of(settings, name).about()
    if champion is not None and all(getattr(champion, key) == mine[key] for key in mine):
        uses = {kind: use for kind, use in uses.items() if kind not in champion.kinds}
    if uses:
        reason = "the first models of this symbol; no retrain has judged them yet"
        if skipped:
            reason += "; " + "; ".join(f"no {kind} model: {why}" for kind, why in skipped.items())
        promote(
            layout.models,
            name,
            uses,
            **mine,
            provisional=True,
            reason=reason,
            promoted_at_ms=clock.now_ms(),
            keep_others=True,
            expected=champion,
        )
        problem = mirror(layout, name)
        if problem:
            log.warning("%s: %s", name, problem)
    for kind, why in skipped.items():
        log.warning("%s: no %s model: %s", name, kind, why)
    adopted = {kind: use.version for kind, use in uses.items()}
    log.info("%s: in use from now on: %s", name, adopted or "nothing new")
    atomic.write_json(output, {"symbol": name, "adopted": adopted, "skipped": skipped})


if __name__ == "__main__":
    job(adopt_models, "symbol", "record", "output")
