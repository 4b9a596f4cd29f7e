"""Judge new versions against the champion, and promote them if they are better (rule retrain).

A champion stays provisional until a comparison on candles that neither had seen was possible.
When a leak alarm went off nothing is promoted, and a provisional champion gives way to the
baseline.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.duel import duel, unseen_rows
from bot_cripto.lifecycle.promotion import Verdict, enough, judge, no_leak, of_settings
from bot_cripto.models.apply import KINDS
from bot_cripto.models.bad_marks import read_bad
from bot_cripto.models.champion import Champion, read_champion
from bot_cripto.models.champion_change import ChampionChangedError, promote
from bot_cripto.models.forecast import Loaded, Subject, load_champion
from bot_cripto.models.record import read_record
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.models.version import Version, folder, load_version
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import DAY_MS, iso, parse_iso
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")

Uses = dict[str, ModelUse]


def loadable(layout: Layout, subject: Subject) -> tuple[Champion | None, Loaded | None, str]:
    """Return the champion, its models where they can all be used, and else why not."""
    champion = None
    try:
        champion = read_champion(layout.models, subject.symbol)
        if champion is None:
            return None, None, "there was no champion"
        mine = load_champion(layout.models, champion, subject)
    except ModelError as error:
        return champion, None, f"the champion cannot be used: {error}"
    if any(kind not in champion.kinds for kind in KINDS):
        return champion, None, "not every kind of model was in use"
    if any(mine.uses.get(kind) != champion.kinds[kind] for kind in KINDS):
        return champion, None, " ".join(("the champion is not whole:", *mine.notes))
    return champion, mine, ""


def version_of(layout: Layout, subject: Subject, kind: str, use: ModelUse) -> Version:
    """Return a version, verified."""
    version = load_version(folder(layout.models, kind, subject.symbol) / use.version)
    if version.sha256 != use.sha256:
        raise ModelError(f"model {version.path} is not the one that was trained")
    return version


def is_this_very(champion: Champion, uses: Uses) -> bool:
    """Whether the new versions are those in use, whatever MLflow calls their runs."""
    return all(
        kind in champion.kinds and champion.kinds[kind].sha256 == uses[kind].sha256
        for kind in KINDS
    )


def compared(
    layout: Layout,
    settings: dict[str, Any],
    subject: Subject,
    uses: Uses,
    mine: Loaded,
    snapshot_file: Path,
) -> Verdict:
    """Return who wins on the candles that neither champion nor challenger has seen."""
    snapshot = read_snapshot(snapshot_file)
    data = training_data(snapshot)
    versions = {kind: version_of(layout, subject, kind, uses[kind]) for kind in KINDS}
    cutoffs = [
        parse_iso(version_of(layout, subject, kind, use).metadata["cutoff"])
        for kind, use in mine.uses.items()
    ]
    rows = unseen_rows(data, versions["trend"].metadata["parts"]["holdout"], max(cutoffs))
    candles = enough((rows.stop - rows.start) // data.horizon_steps)
    if not candles.passed:
        reason = f"the champion stays: only {candles.text}"
        return Verdict(False, reason, (no_leak(""), candles))
    theirs = Loaded.of(versions, {kind: uses[kind] for kind in KINDS})
    fight = duel(subject.symbol, snapshot, data, rows, theirs, mine, settings)
    age_days = (snapshot.cutoff_ms - min(cutoffs)) / DAY_MS
    return judge(fight, of_settings(settings), age_days)


def gone_off(audit: Path) -> str:
    """Return what the leak alarms that went off say; empty where none did."""
    alarms = json.loads(audit.read_bytes())["alarms"]
    return "; ".join(f"{a['name']}: {a['text']}" for a in alarms if a["passed"] is False)


def without_bad(layout: Layout, symbol: str, uses: Uses, skipped: dict[str, str]) -> Uses:
    """Return the versions that are not marked bad; the others are added to `skipped`."""
    marks = read_bad(layout.models, symbol)
    good = {}
    for kind, use in uses.items():
        mark = marks.get((kind, use.version))
        if mark is None:
            good[kind] = use
        else:
            skipped[kind] = f"{use.version} is marked bad ({mark.reason})"
    return good


def verdict_of(
    layout: Layout,
    settings: dict[str, Any],
    subject: Subject,
    uses: Uses,
    skipped: dict[str, str],
    standing: tuple[Champion | None, Loaded | None, str],
    leak: str,
    snapshot_file: Path,
) -> tuple[Verdict, Uses]:
    """Return who wins, and which versions are to be in use where the challenger does."""
    champion, loaded, problem = standing
    alarm = (no_leak(leak),)
    if leak and champion is not None and loaded is not None and not champion.provisional:
        return Verdict(False, f"the champion stays: a leak alarm went off: {leak}", alarm), uses
    if leak:
        # what the same pipeline made before is no better; constants leak nothing
        uses = {kind: use for kind, use in uses.items() if kind == "baseline"}
        reason = f"baseline only: a leak alarm went off: {leak}"
        return Verdict(bool(uses), reason, alarm), uses
    if any(kind not in uses for kind in KINDS):
        why = "; ".join(f"no {kind} model: {reason}" for kind, reason in skipped.items())
        return Verdict(False, f"there is no challenger: {why}", alarm), uses
    if champion is None or loaded is None:
        return Verdict(True, problem, alarm), uses
    if is_this_very(champion, uses):
        since = f"{champion.promoted_at} ({champion.reason})"
        reason = f"it is this very version that is in use since {since}"
        return Verdict(False, reason, alarm, in_use=True), uses
    return compared(layout, settings, subject, uses, loaded, snapshot_file), uses


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
    subject = Subject.of(settings, name)
    trained, skipped = read_record(Path(record))
    uses = without_bad(layout, name, trained, skipped)
    standing = loadable(layout, subject)
    champion = standing[0]
    leak = gone_off(Path(audit))
    verdict, uses = verdict_of(
        layout, settings, subject, uses, skipped, standing, leak, Path(snapshot)
    )
    judged = verdict.duel is not None
    if verdict.promote or (judged and champion is not None and champion.provisional):
        try:
            promote(
                layout.models,
                name,
                uses if verdict.promote or champion is None else champion.kinds,
                **subject.about(),
                provisional=not judged,
                reason=verdict.reason,
                promoted_at_ms=clock.now_ms(),
                expected=champion,
            )
        except ChampionChangedError as changed:
            verdict = replace(verdict, promote=False, reason=f"{changed}; {verdict.reason}")
    log.info("%s: %s", name, verdict.reason)
    atomic.write_json(
        output,
        {
            "symbol": name,
            "promoted": verdict.promote or verdict.in_use,
            **verdict.to_json(),
            "challenger": {kind: use.version for kind, use in uses.items()},
            "champion": None if champion is None else champion.versions(),
            "no_model": skipped,
            "judged_at": iso(clock.now_ms()),
        },
    )


if __name__ == "__main__":
    job(judge_challenger, "symbol", "record", "snapshot", "audit", "output")
