"""Replaying a signal: made again from what it names, and compared byte for byte.

What is computed again: window and features from the candles, forecast from the versions named,
regime, decision, size and the document. What is taken from the signal: its moment (``ts``), its
revision, and the names of commit and code. A signal that tells of something that was broken then
(a step that failed, a model or a ledger that could not be read) is made again given those words,
and that is said.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot_cripto.atomic import json_text
from bot_cripto.decision.policy import decide
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import BotCriptoError
from bot_cripto.execution.desk import Case, Ruling, document_of, facts_of
from bot_cripto.forecast import Forecast
from bot_cripto.inference.features import row_of
from bot_cripto.inference.signals import as_row, case_of, failed_case, plain_row
from bot_cripto.lifecycle.comparison import DIFFERENT, IDENTICAL, Difference, differences
from bot_cripto.lifecycle.past_candles import find_window
from bot_cripto.lifecycle.past_models import (
    Named,
    Then,
    as_planned,
    as_recorded,
    champions_then,
    load_named,
    named_models,
    notes_then,
)
from bot_cripto.lifecycle.past_signals import MissingLinkError, PastSignal, find_signal
from bot_cripto.lifecycle.program import other_code
from bot_cripto.models.forecast import forecast_of
from bot_cripto.signals.document import Facts, Provenance

IMPOSSIBLE = "cannot be replayed"

FAILED = "a step failed: "
PROVISIONAL = "; the models are provisional, for paper only"
RISK_UNKNOWN = "; the risk state is not known: "
UNUSABLE = "the forecast may not be used: "
_FALLBACK = re.compile(r"; (The (earlier )?(trend|return|risk|baseline) model |Baseline model )")


@dataclass(frozen=True)
class Replayed:
    """What became of the replay of one signal.

    Attributes
    ----------
    signal : str
        Its id, or the path that was given.
    outcome : str
        IDENTICAL, DIFFERENT or IMPOSSIBLE.
    problem : str or None
        Which link is missing, where it cannot be replayed.
    differences : tuple of Difference
        The fields that differ.
    notes : tuple of str
        What else is to be known: other code, what was taken from the signal's own words.
    """

    signal: str
    outcome: str
    problem: str | None = None
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        found = [vars(difference) for difference in self.differences]
        return {**vars(self), "differences": found, "notes": list(self.notes)}


@dataclass(frozen=True)
class Attempt:
    """A document made again, and under which assumptions."""

    document: dict[str, Any]
    notes: tuple[str, ...]


def replay(here: dict[str, Any], name: str) -> Replayed:
    """Make a signal again and compare it byte for byte.

    Parameters
    ----------
    here : dict
        The present effective settings; only their folders count, for the configuration is the
        signal's own.
    name : str
        The path of a signal file, or an id of the journal.

    Raises
    ------
    DataError
        There is no such signal.
    """
    signal = find_signal(here, name)
    code = other_code(signal.document["version"])
    noted = (code,) if code else ()
    first: Attempt | None = None
    try:
        for attempt in attempts(signal):
            if json_text(attempt.document).encode() == signal.content:
                return Replayed(name, IDENTICAL, notes=noted + attempt.notes)
            first = first or attempt
    except MissingLinkError as error:
        return Replayed(name, IMPOSSIBLE, str(error), notes=noted)
    except (BotCriptoError, KeyError, TypeError, ValueError, OSError) as error:
        # e.g. a setting that this program asks for and the stored configuration lacks
        problem = str(error) if isinstance(error, BotCriptoError) else repr(error)
        return Replayed(name, IMPOSSIBLE, f"this program cannot make it: {problem}", notes=noted)
    if first is None:
        return Replayed(name, IMPOSSIBLE, "nothing that it could be made of", notes=noted)
    found = tuple(differences(signal.document, first.document))
    if not found:
        found = (Difference("(bytes)", "other line breaks or spaces", "the same values"),)
    return Replayed(name, DIFFERENT, differences=found, notes=noted + first.notes)


def attempts(signal: PastSignal) -> Iterator[Attempt]:
    """Yield the documents that a signal's sources make, the likeliest first.

    Raises
    ------
    MissingLinkError
        Something that it names is gone or damaged.
    """
    risk = signal.risk
    if signal.document["reason"].startswith(FAILED):
        yield from _failure(signal, risk)
    else:
        yield from _judged(signal, risk)


def _failure(signal: PastSignal, risk: RiskState | None) -> Iterator[Attempt]:
    """Yield what a failed step becomes, given that it failed with those words."""
    failure = signal.document["reason"].removeprefix(FAILED)
    note = (f"the failure is taken from the signal: {failure}",)
    origin = _origin(signal)
    for name in ("candles_sha256", "features_sha256"):
        origin = replace(origin, **{name: signal.document["version"][name]})
    facts = _facts(signal, origin)
    case = failed_case(failure)
    yield Attempt(_document(signal, case, risk, facts), note)
    # where the run itself failed nobody asked whether it was to send orders
    yield Attempt(_document(signal, case, risk, replace(facts, live=False)), note)


def _judged(signal: PastSignal, risk: RiskState | None) -> Iterator[Attempt]:
    """Yield what candles, models and risk state become."""
    window = find_window(signal)
    columns, found = row_of(window.candles, signal.settings["timeframe"])
    status = {**window.status, **found}
    row = plain_row(columns)
    named = named_models(signal.layout.models, signal.symbol, signal.document["version"]["models"])
    notes: tuple[str, ...] = (window.note,) if window.note else ()
    origin = replace(
        _origin(signal),
        candles_sha256=signal.document["version"]["candles_sha256"],
        features_sha256=found["features_sha256"],
    )
    facts = _facts(signal, origin)
    problem = _told_risk(signal, risk)
    if problem is not None:
        notes += (f"that the risk state was not known is taken from the signal: {problem}",)
    for then in champions_then(signal.layout.models, signal.subject, signal.made_ms, named):
        told = notes + ((then.note,) if then.note else ())
        for forecast, problems, words in _forecasts(signal, then, named, row, status, risk):
            provisional = then.champion is not None and then.champion.provisional
            case = case_of(
                status, row, signal.settings, signal.close_ms, forecast, provisional, problems
            )
            yield Attempt(_document(signal, case, risk, facts, problem), told + words)
            if then.champion is None and PROVISIONAL in signal.document["reason"]:
                words += ("that the models were provisional is taken from the signal",)
                case = replace(case, context=replace(case.context, model_provisional=True))
                yield Attempt(_document(signal, case, risk, facts, problem), told + words)


def _forecasts(
    signal: PastSignal,
    then: Then,
    named: Named | None,
    row: dict[str, float],
    status: dict[str, Any],
    risk: RiskState | None,
) -> Iterator[tuple[Forecast | None, tuple[str, ...], tuple[str, ...]]]:
    """Yield forecasts with the problems of the models, and what was taken from the signal."""
    if named is None:
        if status["missing"]:
            yield None, (), ()
        why = _told_problem(signal)
        yield None, (why,), (f"why there was no forecast is taken from the signal: {why}",)
        return
    named, unknown = as_recorded(then, named)
    words = tuple(f"that this {k} model was in use is taken from the signal" for k in unknown)
    loaded = load_named(named, signal.subject)
    forecast = forecast_of(
        loaded,
        signal.subject,
        tuple(row),
        as_row(row),
        vol_ref=signal.settings["model_risk_vol_ref"],
    )
    known = notes_then(signal.layout.models, then, signal.subject, named, signal.made_ms)
    planned = as_planned(then, named)
    if not known and not planned and then.champion is not None:
        other = f"the champion of {then.champion.promoted_at} names other models than the signal"
        yield replace(forecast, notes=known), (), (*words, other)
    else:
        yield replace(forecast, notes=known), (), words
    if planned:
        return
    bare = case_of(status, row, signal.settings, signal.close_ms, forecast, False)
    told = _told_notes(signal, bare, risk)
    if told and (told,) != known:
        taken = f"what was wrong with the models then is taken from the signal: {told}"
        yield replace(forecast, notes=(told,)), (), (*words, taken)


def _origin(signal: PastSignal) -> Provenance:
    """Return what is taken from the signal: the names of commit, code and configuration."""
    version = signal.document["version"]
    names = ("git_commit", "code_sha256", "config_sha256")
    return Provenance(**{name: version[name] for name in names})


def _facts(signal: PastSignal, origin: Provenance) -> Facts:
    settings = signal.settings
    return facts_of(
        settings,
        signal.symbol,
        signal.close_ms,
        signal.made_ms,
        origin,
        signal.document["revision"],
        live=settings["live_mode"],
    )


def _document(
    signal: PastSignal,
    case: Case,
    risk: RiskState | None,
    facts: Facts,
    problem: str | None = None,
) -> dict[str, Any]:
    """Return the document by the functions of the live path."""
    policy = policy_of(signal.settings)
    decision = decide(case.forecast, case.regime, case.context, risk, policy)
    return document_of(Ruling(case, risk, decision), facts, problem)


def _told_risk(signal: PastSignal, risk: RiskState | None) -> str | None:
    """Return why the risk state was not known, as the signal says."""
    if risk is not None:
        return None
    _, found, problem = signal.document["reason"].partition(RISK_UNKNOWN)
    return problem if found else None


def _told_problem(signal: PastSignal) -> str:
    """Return why there was no forecast although the features were whole, as the signal says.

    Where another gate was the first to fail, its words say nothing of it, and any will do.
    """
    reason = signal.document["reason"].partition(RISK_UNKNOWN)[0].removesuffix(PROVISIONAL)
    return str(reason.removeprefix(UNUSABLE)) if reason.startswith(UNUSABLE) else "not told"


def _told_notes(signal: PastSignal, case: Case, risk: RiskState | None) -> str | None:
    """Return what the signal says of models that could not be used; None where it does not.

    Its reason must begin with that of the case, which has no such note and is not provisional.
    """
    policy = policy_of(signal.settings)
    plain = decide(case.forecast, case.regime, case.context, risk, policy).reason
    reason = signal.document["reason"].partition(RISK_UNKNOWN)[0].removesuffix(PROVISIONAL)
    rest = reason.removeprefix(plain)
    if not reason.startswith(plain) or not _FALLBACK.match(rest):
        return None
    return str(rest.removeprefix("; "))


def told(result: Replayed) -> str:
    """Return a result as lines for people."""
    lines = [f"{result.signal}: {result.outcome}"]
    if result.problem:
        lines[0] += f": {result.problem}"
    for found in result.differences:
        one, other = (
            json.dumps(value, ensure_ascii=False) for value in (found.signal, found.replayed)
        )
        lines += [f"  {found.field}", f"    signal:   {one}", f"    replayed: {other}"]
    lines += [f"  note: {note}" for note in result.notes]
    return "".join(f"{line}\n" for line in lines)


def summary(results: Sequence[Replayed]) -> str:
    """Return one line for people: how many signals were identical, and how many were not."""
    counts = Counter(result.outcome for result in results)
    parts = [f"{counts[name]} {name}" for name in (IDENTICAL, DIFFERENT, IMPOSSIBLE)]
    return f"{len(results)} signals: {', '.join(parts)}\n"
