"""Judge new versions against the champion, and promote them if they are better (rule retrain).

A champion stays provisional until a comparison on candles that neither had seen was possible.
When a leak alarm went off nothing is promoted, and a provisional champion gives way to the
baseline.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion import Champion, promote, read_champion
from bot_cripto.models.forecast import Loaded, Subject, forecast_rows, load_champion
from bot_cripto.models.judge import Verdict, judge, unseen_rows
from bot_cripto.models.record import read_record
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.models.version import Version, folder, load_version
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import parse_iso
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")

NEEDED = ("trend", "return", "risk")


def loadable(layout: Layout, subject: Subject) -> tuple[Champion | None, Loaded | None, str]:
    """Return the champion, its models where they can all be used, and else why not."""
    try:
        champion = read_champion(layout.models, subject.symbol)
        if champion is None:
            return None, None, "there was no champion"
        mine = load_champion(layout.models, champion, subject)
    except ModelError as error:
        return None, None, f"the champion cannot be used: {error}"
    if any(kind not in champion.kinds for kind in NEEDED):
        return champion, None, "not every kind of model was in use"
    if any(mine.uses.get(kind) != champion.kinds[kind] for kind in NEEDED):
        return champion, None, " ".join(("the champion is not whole:", *mine.notes))
    return champion, mine, ""


def version_of(layout: Layout, subject: Subject, kind: str, use: ModelUse) -> Version:
    """Return a version, verified."""
    return load_version(folder(layout.models, kind, subject.symbol) / use.version)


def verdict_of(
    layout: Layout,
    subject: Subject,
    uses: dict[str, ModelUse],
    champion: Champion,
    mine: Loaded,
    snapshot_file: Path,
) -> Verdict:
    """Return who wins on the candles that neither champion nor challenger has seen."""
    if all(champion.kinds.get(kind) == uses[kind] for kind in NEEDED):
        return Verdict(False, "the champion stays: it is this very version", {})
    data = training_data(read_snapshot(snapshot_file))
    versions = {kind: version_of(layout, subject, kind, uses[kind]) for kind in NEEDED}
    seen_until = max(
        parse_iso(version_of(layout, subject, kind, use).metadata["cutoff"])
        for kind, use in mine.uses.items()
    )
    rows = unseen_rows(data, versions["trend"].metadata["parts"]["holdout"], seen_until)
    theirs = Loaded({kind: version.model() for kind, version in versions.items()}, uses, ())
    features = data.features[rows]
    if not len(features):
        return judge({}, {}, data, rows)
    return judge(forecast_rows(theirs, features), forecast_rows(mine, features), data, rows)


def gone_off(audit: Path) -> str:
    """Return what the leak alarms that went off say; empty where none did."""
    alarms = json.loads(audit.read_bytes())["alarms"]
    return "; ".join(f"{a['name']}: {a['text']}" for a in alarms if a["passed"] is False)


def judge_challenger(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    record: str,
    snapshot: str,
    audit: str,
    output: str,
) -> None:
    """Judge the versions of one training; replace the champion file where they win."""
    name = symbol_from_path(symbol)
    uses, skipped = read_record(Path(record))
    subject = Subject.of(settings, name)
    champion, loaded, problem = loadable(layout, subject)
    leak = gone_off(Path(audit))
    if leak and champion is not None and loaded is not None and not champion.provisional:
        verdict = Verdict(False, f"the champion stays: a leak alarm went off: {leak}", {})
    elif leak:
        # what the same pipeline made before is no better; constants leak nothing
        uses = {kind: use for kind, use in uses.items() if kind == "baseline"}
        verdict = Verdict(bool(uses), f"baseline only: a leak alarm went off: {leak}", {})
    elif any(kind not in uses for kind in NEEDED):
        why = "; ".join(f"no {kind} model: {reason}" for kind, reason in skipped.items())
        verdict = Verdict(False, f"there is no challenger: {why}", {})
    elif champion is None or loaded is None:
        verdict = Verdict(True, problem, {})
    else:
        verdict = verdict_of(layout, subject, uses, champion, loaded, Path(snapshot))
    judged = bool(verdict.losses)
    if verdict.promote or (judged and champion is not None and champion.provisional):
        promote(
            layout.models,
            name,
            uses if verdict.promote or champion is None else champion.kinds,
            **subject.about(),
            provisional=not judged,
            reason=verdict.reason,
            promoted_at_ms=clock.now_ms(),
        )
    log.info("%s: %s", name, verdict.reason)
    atomic.write_json(
        output,
        {
            "symbol": name,
            "promoted": verdict.promote,
            "reason": verdict.reason,
            "losses": verdict.losses,
            "challenger": {kind: use.version for kind, use in uses.items()},
        },
    )


if __name__ == "__main__":
    job(judge_challenger, "symbol", "record", "snapshot", "audit", "output")
