"""Judge new versions against the champion, and promote them if they are better (rule retrain)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.jobs import job
from bot_cripto.layout import Layout
from bot_cripto.models.champion import Champion, promote, read_champion
from bot_cripto.models.forecast import Loaded, Subject, forecast_rows, load_champion
from bot_cripto.models.judge import Verdict, judge, unseen_rows
from bot_cripto.models.record import read_record
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.models.version import folder, load_compatible
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import parse_iso

log = logging.getLogger("bot_cripto")

NEEDED = ("trend", "return", "risk")


def verdict_of(
    layout: Layout, subject: Subject, uses: dict[str, ModelUse], snapshot_file: Path
) -> tuple[Verdict, Champion | None]:
    """Return who wins and the champion that there was."""
    try:
        champion = read_champion(layout.models, subject.symbol)
        if champion is None:
            return Verdict(True, "there was no champion", {}), None
        mine = load_champion(layout.models, champion, subject)
    except ModelError as error:
        return Verdict(True, f"the champion cannot be used: {error}", {}), None
    if all(champion.kinds.get(kind) == use for kind, use in uses.items()):
        return Verdict(False, "the champion is this very version", {}), champion
    if set(mine.uses) == {"baseline"}:
        return Verdict(True, "only the baseline was in use", {}), champion
    data = training_data(read_snapshot(snapshot_file))
    versions = {
        kind: load_compatible(folder(layout.models, kind, subject.symbol) / uses[kind].version)
        for kind in NEEDED
    }
    cutoffs = [
        parse_iso(
            load_compatible(folder(layout.models, kind, subject.symbol) / use.version).metadata[
                "cutoff"
            ]
        )
        for kind, use in mine.uses.items()
    ]
    holdout = versions["trend"].metadata["parts"]["holdout"]
    rows = unseen_rows(data, holdout, max(cutoffs))
    theirs = Loaded({kind: version.model() for kind, version in versions.items()}, uses, ())
    features = data.features[rows]
    if not len(features):
        return judge({}, {}, data, rows), champion
    return judge(
        forecast_rows(theirs, features), forecast_rows(mine, features), data, rows
    ), champion


def judge_challenger(
    layout: Layout,
    settings: dict[str, Any],
    symbol: str,
    record: str,
    snapshot: str,
    output: str,
) -> None:
    """Judge the versions of one training; replace the champion file where they win."""
    name = symbol_from_path(symbol)
    uses, skipped = read_record(Path(record))
    mine = {"source": settings["source_name"]} | {
        key: settings[key] for key in ("timeframe", "horizon_steps")
    }
    if any(kind not in uses for kind in NEEDED):
        verdict = Verdict(False, "there is no challenger: " + "; ".join(skipped.values()), {})
        champion = None
    else:
        verdict, champion = verdict_of(layout, Subject(name, **mine), uses, Path(snapshot))
    judged = champion is not None and not verdict.promote
    if verdict.promote or (judged and champion is not None and champion.provisional):
        promote(
            layout.models,
            name,
            uses if verdict.promote or champion is None else champion.kinds,
            **mine,
            provisional=False,
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
    job(judge_challenger, "symbol", "record", "snapshot", "output")
