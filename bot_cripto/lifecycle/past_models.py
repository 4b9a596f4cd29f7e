"""The models that a signal names, verified, and the champion file as it was then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.lifecycle.past_signals import MissingLinkError
from bot_cripto.models.apply import KINDS
from bot_cripto.models.bad_marks import read_bad
from bot_cripto.models.champion import Champion, read_history
from bot_cripto.models.in_use import Loaded, Subject, load_champion
from bot_cripto.models.version import Version, folder, load_compatible
from bot_cripto.timeframes import parse_iso

BASELINE = "baseline"


@dataclass(frozen=True)
class Named:
    """The versions that a signal names.

    Attributes
    ----------
    folders : dict of str to Path
        Folder of the version that spoke for each of trend, return and risk.
    uses : dict of str to ModelUse
        As in `Loaded.uses`: by kind, under ``baseline`` where that stood in.
    """

    folders: dict[str, Path]
    uses: dict[str, ModelUse]


def named_models(
    models_dir: Path, symbol: str, models: Mapping[str, Mapping[str, Any] | None]
) -> Named | None:
    """Return the versions of ``version.models`` of a signal; None where it had no forecast."""
    folders: dict[str, Path] = {}
    uses: dict[str, ModelUse] = {}
    for kind in KINDS:
        use = models.get(kind)
        if use is None:
            continue
        folders[kind] = path = version_folder(models_dir, kind, symbol, str(use["version"]))
        spoke = BASELINE if path.parent == folder(models_dir, BASELINE, symbol) else kind
        uses[spoke] = ModelUse(**use)
    return Named(folders, uses) if folders else None


def version_folder(models_dir: Path, kind: str, symbol: str, version: str) -> Path:
    """Return the folder of a version that spoke for a kind: its own, or the baseline's."""
    stand_in = folder(models_dir, BASELINE, symbol) / version
    return stand_in if stand_in.is_dir() else folder(models_dir, kind, symbol) / version


def load_named(named: Named, subject: Subject, notes: tuple[str, ...] = ()) -> Loaded:
    """Return the models of a signal, verified by the hashes that it names.

    Raises
    ------
    MissingLinkError
        One is gone, damaged, another one, or does not fit today's features.
    """
    versions = {}
    for kind, path in named.folders.items():
        use = named.uses.get(kind) or named.uses[BASELINE]
        if not path.is_dir():
            raise MissingLinkError(f"{kind} model", f"the version {path} is gone")
        try:
            version = _version(path)
        except ModelError as error:
            raise MissingLinkError(f"{kind} model", str(error)) from None
        if version.sha256 != use.sha256:
            raise MissingLinkError(
                f"{kind} model", f"{path} has the hash {version.sha256}, not {use.sha256}"
            )
        versions[kind] = version
    try:
        return Loaded.of(versions, named.uses, notes)
    except ModelError as error:
        raise MissingLinkError("models", str(error)) from None


@lru_cache(maxsize=16)
def _version(path: Path) -> Version:
    return load_compatible(path)


OVERLAP_MS = 60_000
"""So long after a champion was replaced a signal may still speak by it."""


@dataclass(frozen=True)
class Then:
    """What the champion file may have said when a signal was made.

    Attributes
    ----------
    champion : Champion or None
        With the history that it had then.
    note : str
        Why it is not simply the newest one of that moment; empty: it is.
    """

    champion: Champion | None
    note: str = ""


def champions_then(
    models_dir: Path, subject: Subject, made_ms: int, named: Named | None
) -> list[Then]:
    """Return what the champion file may have said, the likeliest first.

    That is the newest champion of the history that was promoted by then. Behind it come those
    that name the signal's versions: later ones, for a run as of an earlier moment finds a champion
    that is dated later than its signal; and earlier ones that gave way less than `OVERLAP_MS`
    before, for the signal may have read them, and runs as of one moment all have the same time.
    """
    history = [c for c in read_history(models_dir, subject.symbol) if _about(c) == subject.about()]
    then: list[Then] = []
    others: list[Then] = []
    gave_way_ms: int | None = None
    for at, champion in enumerate(history):
        whole = replace(champion, history=tuple(history[at + 1 :]))
        promoted_ms = parse_iso(champion.promoted_at)
        if promoted_ms <= made_ms and not then:
            then.append(Then(whole))
        elif gave_way_ms is not None and gave_way_ms <= made_ms - OVERLAP_MS:
            break
        elif named and _names(champion, named):
            others.append(Then(whole, f"the champion is that of {champion.promoted_at}"))
        gave_way_ms = promoted_ms
    return then + others or [Then(None)]


def _about(champion: Champion) -> dict[str, Any]:
    return {n: getattr(champion, n) for n in ("source", "timeframe", "horizon_steps")}


def _names(champion: Champion, named: Named) -> bool:
    return all(
        kind in champion.kinds and champion.kinds[kind].version == use.version
        for kind, use in named.uses.items()
    )


def as_planned(then: Then, named: Named) -> bool:
    """Whether what spoke is what the champion names, so that nothing was wrong with it."""
    champion = then.champion
    if champion is None or not _names(champion, named):
        return False
    return set(named.uses) == set(KINDS) or not set(champion.kinds) & set(KINDS)


def as_recorded(then: Then, named: Named) -> tuple[Named, tuple[str, ...]]:
    """Return the versions with the MLflow runs that the champion and those before it name.

    What none of them names keeps the signal's run, and its kind is returned too; a baseline that
    was found on disk has none.
    """
    uses, unknown = dict(named.uses), []
    past = () if then.champion is None else (then.champion, *then.champion.history)
    for kind, use in named.uses.items():
        same = (c.kinds[kind] for c in past if kind in c.kinds)
        known = next((one for one in same if one.version == use.version), None)
        if known is not None or (past and kind == BASELINE):
            uses[kind] = replace(use, mlflow_run_id=known.mlflow_run_id if known else None)
        else:
            unknown.append(kind)
    return replace(named, uses=uses), tuple(unknown)


def notes_then(
    models_dir: Path, then: Then, subject: Subject, named: Named, made_ms: int
) -> tuple[str, ...]:
    """Return what the live path said of these models, if it loads the same ones today.

    Bad marks that were made later play no part.
    """
    if set(named.uses) == set(KINDS) and as_planned(then, named):
        return ()
    try:
        marks = read_bad(models_dir, subject.symbol, as_of_ms=made_ms)
        loaded = load_champion(models_dir, then.champion, subject, marks)
    except ModelError:
        return ()
    same = {k: (u.version, u.sha256) for k, u in loaded.uses.items()} == {
        k: (u.version, u.sha256) for k, u in named.uses.items()
    }
    return loaded.notes if same else ()
