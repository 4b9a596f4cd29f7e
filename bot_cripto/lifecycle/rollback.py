"""Putting other versions in use by hand: those before, or one by name; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot_cripto.errors import BotCriptoError, ConfigError, DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.versions import champions, examine, mlflow_runs
from bot_cripto.models.apply import KINDS
from bot_cripto.models.bad_marks import Marks, mark_bad, read_bad
from bot_cripto.models.champion import Champion, read_champion
from bot_cripto.models.champion_change import promote, restore_lost
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import ALL_KINDS, folder, list_versions
from bot_cripto.secrets import redact


@dataclass(frozen=True)
class Switch:
    """What a roll back does.

    Attributes
    ----------
    before : Champion
        What was in use.
    after : Champion
        What is in use now (of `plan`: would be).
    passed_over : tuple of str
        Earlier versions that were not chosen, and why, a sentence each.
    unmarked : tuple of str
        Replaced versions that could not be marked bad, and why, a sentence each.
    """

    before: Champion
    after: Champion
    passed_over: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()

    def replaced(self) -> dict[str, str]:
        """Return the versions that are no longer in use, by kind."""
        now = self.after.versions()
        return {k: name for k, name in self.before.versions().items() if now.get(k) != name}

    def lines(self) -> list[str]:
        """Return what changed, for people."""
        before, after = self.before.versions(), self.after.versions()
        lines = [
            f"{self.after.symbol} {kind}: {before.get(kind, 'none')} -> {after.get(kind, 'none')}"
            for kind in ALL_KINDS
            if before.get(kind) != after.get(kind)
        ]
        if self.after.provisional:
            lines.append(
                "These models are provisional, for paper only, until a retrain has judged them."
            )
        return [*self.passed_over, *lines, *self.unmarked]


def roll_back(
    layout: Layout,
    subject: Subject,
    *,
    reason: str,
    by: str,
    now_ms: int,
    kind: str | None = None,
    to: str | None = None,
    mark: bool = False,
) -> Switch:
    """Put earlier models of a symbol back in use, or any version by name.

    Going back twice returns to where one was, unless what was replaced is marked bad. A lost or
    damaged champion file is restored first. A retrain may be at work meanwhile.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    subject : Subject
        Symbol, source, timeframe and horizon that the models must be about.
    reason, by : str
        Why, in a sentence, and who; both stay with the champion.
    now_ms : int
        Milliseconds since the epoch, UTC.
    kind : str, optional
        Only this kind changes.
    to : str, optional
        Name of the version; its kind is told from where it lies. Default: the newest earlier
        champion, of `kind` its newest earlier version, that is whole and not marked bad.
    mark : bool
        Mark the versions that are replaced bad; a baseline only where `kind` says so, for it is
        what stands in when nothing else can.

    Raises
    ------
    ModelError
        There is nothing to go back to, or the version does not exist, is damaged, does not fit
        today's features, is about something else or marked bad; nothing changed.
    ChampionChangedError
        Another process changed the champion at the same moment; nothing changed.
    DataError
        The champion file cannot be written; nothing changed.
    """
    try:
        restore_lost(layout.models, [subject.symbol])
        planned = plan(layout, subject, reason=reason, by=by, kind=kind, to=to)
        after = promote(
            layout.models,
            subject.symbol,
            planned.after.kinds,
            **subject.about(),
            provisional=planned.after.provisional,
            reason=reason,
            promoted_at_ms=now_ms,
            expected=planned.before,
            by=by,
        )
    except OSError as error:
        raise DataError(
            f"the champion of {subject.symbol} was not changed ({error}); make room or give "
            "access, then try again"
        ) from error
    done = Switch(planned.before, after, planned.passed_over)
    # after the switch, which is what is urgent
    bad = {each: name for each, name in done.replaced().items() if each in (kind, *KINDS)}
    failed = []
    for each, name in bad.items() if mark else ():
        try:
            mark_bad(layout.models, subject.symbol, each, name, reason=reason, by=by, now_ms=now_ms)
        except (BotCriptoError, OSError) as error:
            # what is urgent is done, and what follows it must be
            failed.append(f"{each} {name} could not be marked bad ({error}): mark it again.")
    return replace(done, unmarked=tuple(failed))


def ordered(
    layout: Layout,
    settings: Mapping[str, Any],
    order: Mapping[str, Any],
    *,
    by: str,
    now_ms: int,
    look: bool = False,
) -> list[str]:
    """Do what an operator has ordered, and return what changed, for people.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : mapping
        The effective settings.
    order : mapping
        The keys of the section ``rollback`` of the settings; empty text for what is left out.
    by, now_ms
        As of `roll_back`.
    look : bool
        Only say what would change.

    Raises
    ------
    ConfigError
        The order has no reason, or a symbol that is not configured.
    ModelError, BusyError
        As of `roll_back`.
    """
    # it stays for ever, and is shown on MLflow's pages
    symbol, reason = order["symbol"], redact(" ".join(order["reason"].split()))
    if symbol not in settings["symbols"]:
        said = f"{symbol} is not configured" if symbol else "say which symbol"
        raise ConfigError(f"{said}; configured: {', '.join(settings['symbols'])}")
    if not reason:
        raise ConfigError("say the reason, for the record")
    subject = Subject.of(settings, symbol)
    kind, to = order["kind"] or None, order["to"] or None
    if look:
        planned = plan(layout, subject, reason=reason, by=by, kind=kind, to=to)
        return [
            "This would change:",
            *planned.lines(),
            "Then the signal of the last closed candle would be made anew.",
        ]
    done = roll_back(
        layout,
        subject,
        reason=reason,
        by=by,
        now_ms=now_ms,
        kind=kind,
        to=to,
        mark=order["mark_bad"],
    )
    all_marked = order["mark_bad"] and not done.unmarked
    marked = "; what was replaced is marked bad" if all_marked else ""
    return [*done.lines(), f"In use since {done.after.promoted_at}{marked}."]


def plan(
    layout: Layout,
    subject: Subject,
    *,
    reason: str,
    by: str,
    kind: str | None = None,
    to: str | None = None,
) -> Switch:
    """Return what `roll_back` would do; nothing changes.

    Raises
    ------
    ModelError
        As of `roll_back`; or the champion file is damaged.
    """
    current = read_champion(layout.models, subject.symbol)
    if current is None:
        raise ModelError(f"{subject.symbol} has no models yet; run: snakemake signal")
    marks = read_bad(layout.models, subject.symbol)
    passed: list[str] = []
    if to is not None:
        kinds, provisional = _named(layout, subject, current, marks, kind, to)
    else:
        kinds, provisional = _earlier(layout, subject, current, marks, kind, passed)
    after = Champion(
        subject.symbol,
        **subject.about(),
        provisional=provisional,
        kinds=kinds,
        promoted_at=current.promoted_at,
        reason=reason,
        by=by,
    )
    if current.same_subject(after) and after.versions() == current.versions():
        raise ModelError(f"{to} of {subject.symbol} is in use already")
    return Switch(current, after, tuple(passed))


def _named(
    layout: Layout, subject: Subject, current: Champion, marks: Marks, kind: str | None, to: str
) -> tuple[dict[str, ModelUse], bool]:
    """Return the kinds with the version of that name, and whether they are provisional."""
    symbol = subject.symbol
    known = {each: list_versions(layout.models, each, symbol) for each in ALL_KINDS}
    found = [each for each, names in known.items() if to in names and kind in (None, each)]
    if len(found) != 1:
        of = {each: names for each, names in known.items() if kind in (None, each) and names}
        there = "; ".join(f"{each} {', '.join(names)}" for each, names in of.items()) or "nothing"
        named = f"{kind} version" if kind else "version"
        raise ModelError(f"{symbol} has no {named} {to}; there is: {there}")
    kind = found[0]
    if (kind, to) in marks:
        raise ModelError(
            f"{kind} {to} of {symbol} is marked bad ({marks[kind, to].reason}); to use it all the "
            f"same: bot-cripto mark-bad --symbol {symbol} --kind {kind} {to} --undo"
        )
    version, problem = examine(folder(layout.models, kind, symbol) / to, kind, subject)
    if version is None or problem is not None:
        raise ModelError(f"{kind} {to} of {symbol} cannot be used: {problem}")
    run = mlflow_runs(layout, symbol).get((kind, to))
    mine = _about(current, subject)
    kept = current.kinds if mine else {}
    judged = any(
        not past.provisional and past.versions().get(kind) == to
        for past in champions(layout.models, symbol)
        if _about(past, subject)
    )
    use = ModelUse(to, version.sha256, run)
    return {**kept, kind: use}, (mine and current.provisional) or not judged


def _earlier(
    layout: Layout,
    subject: Subject,
    current: Champion,
    marks: Marks,
    kind: str | None,
    passed: list[str],
) -> tuple[dict[str, ModelUse], bool]:
    """Return the kinds of the newest earlier champion that can be used, and its provisional."""
    mine = _about(current, subject)
    seen = [current.versions()] if mine else []
    for past in current.history:
        if not _about(past, subject):
            continue
        kinds, provisional = past.kinds, past.provisional
        if kind is not None:
            if kind not in past.kinds:
                continue
            kinds = {**(current.kinds if mine else {}), kind: past.kinds[kind]}
            provisional |= mine and current.provisional
        names = {each: use.version for each, use in kinds.items()}
        if names in seen:
            continue
        seen.append(names)
        changed = kinds if kind is None else {kind: kinds[kind]}
        problem = _first_problem(layout, subject, changed, marks)
        if problem is None:
            return dict(kinds), provisional
        passed.append(problem)
    what = f"no other {kind} version" if kind else "no other models"
    why = f": {'; '.join(passed)}" if passed else ""
    raise ModelError(f"{subject.symbol} has {what} to go back to{why}")


def _first_problem(
    layout: Layout, subject: Subject, kinds: Mapping[str, ModelUse], marks: Marks
) -> str | None:
    """Return why one of the versions cannot be used, None where all can."""
    for kind, use in kinds.items():
        if (kind, use.version) in marks:
            return f"{kind} {use.version} is marked bad: {marks[kind, use.version].reason}"
        path = folder(layout.models, kind, subject.symbol) / use.version
        version, problem = examine(path, kind, subject)
        if problem is None and version is not None and version.sha256 != use.sha256:
            problem = "it is not the one that was in use"
        if problem is not None:
            return f"{kind} {use.version} cannot be used: {problem}"
    return None


def _about(champion: Champion, subject: Subject) -> bool:
    wanted: dict[str, Any] = subject.about()
    return all(getattr(champion, name) == value for name, value in wanted.items())
