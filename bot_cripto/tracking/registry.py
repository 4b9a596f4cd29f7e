"""MLflow's registry as a mirror of the champion file: versions, their aliases and tags.

The champion file is the truth; nothing here decides or changes which models are in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.bad_marks import Marks, read_bad
from bot_cripto.models.champion import Champion, read_champion
from bot_cripto.models.forecast import Subject
from bot_cripto.timeframes import iso, parse_candle_id
from bot_cripto.tracking.client import connect, in_one_line, prepare
from bot_cripto.tracking.database import locked, move_version
from bot_cripto.tracking.registry_view import (
    BAD,
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    Registered,
    bad_text,
    divergence,
    expected_aliases,
    finished_run,
    model_name,
    named_by,
    names_of,
    registered,
    source_of,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Challenge", "divergence", "register", "sync_champion"]


@dataclass(frozen=True)
class Challenge:
    """Versions of one training, and what the judge said of them.

    Attributes
    ----------
    uses : dict of str to ModelUse
        By kind.
    reason : str
        Why they were promoted or not, in a sentence.
    judged : frozenset of str
        The kinds that stood against the champion; others were set aside before.
    """

    uses: Mapping[str, ModelUse]
    reason: str
    judged: frozenset[str]


def sync_champion(layout: Layout, symbol: str) -> list[str]:
    """Make the registry say what the symbol's champion file says.

    A version that is not registered yet is. The file is read while the database is locked, so
    that of two that mirror at once the later one has the later champion.

    Parameters
    ----------
    layout : Layout
    symbol : str

    Returns
    -------
    list of str
        What was mended, as `divergence` says it. Where there was nothing, MLflow is not imported.

    Raises
    ------
    ModelError
        The champion file is damaged.
    DataError, BusyError
        The database cannot be read or written, or another process holds it. Nothing was lost:
        the next retrain, or ``bot-cripto doctor --fix``, mirrors it.
    """
    champion = read_champion(layout.models, symbol)
    found = divergence(layout, symbol)
    if champion is None or not found:
        return []
    prepare(layout.mlflow_db)
    with in_one_line(layout.mlflow_db), locked(layout.mlflow_db):
        champion = read_champion(layout.models, symbol)
        if champion is not None:
            marks = read_bad(layout.models, symbol)
            _mirror(connect(layout.mlflow_db), layout, champion, marks)
    return found


def register(layout: Layout, subject: Subject, challenge: Challenge) -> dict[str, str]:
    """Register the versions of a training, and mirror the champion file.

    Those that were judged, are not in use and not marked bad are challengers of their kind.

    Parameters
    ----------
    layout : Layout
    subject : Subject
        What the versions are about.
    challenge : Challenge

    Returns
    -------
    dict of str to str
        ``NAME/NUMBER`` of each registered version, by kind.

    Raises
    ------
    ModelError, DataError, BusyError
        As of `sync_champion`.
    """
    prepare(layout.mlflow_db)
    path = layout.mlflow_db
    entries: dict[str, str] = {}
    with in_one_line(path), locked(path):
        client = connect(path)
        champion = read_champion(layout.models, subject.symbol)
        marks = read_bad(layout.models, subject.symbol)
        for kind, use in challenge.uses.items():
            name = model_name(layout, subject.symbol, kind, subject.timeframe, subject.source)
            known = registered(path, [name]).get(name, {})
            entry = _entry(client, layout, subject.symbol, kind, name, use, known)
            entries[kind] = f"{name}/{entry.number}"
            in_use = champion.kinds.get(kind) if champion is not None else None
            if in_use is None or in_use.version != use.version:
                if kind in challenge.judged and (kind, use.version) not in marks:
                    client.set_registered_model_alias(name, CHALLENGER, str(entry.number))
                _tag(client, name, entry, {"promoted": "no", "reason": challenge.reason})
        if champion is not None:
            _mirror(client, layout, champion, marks)
    return entries


def _mirror(client: MlflowClient, layout: Layout, champion: Champion, marks: Marks) -> None:
    """Register what the champion file names, and set aliases and tags as it and the marks say."""
    names = names_of(layout, champion)
    known = registered(layout.mlflow_db, names.values())
    for kind, name in names.items():
        versions = known.get(name, {})
        wanted = expected_aliases(champion, kind)
        # the champion first: between two settings a reader sees one version with both names
        for alias in (CHAMPION, PREVIOUS):
            use = wanted.get(alias)
            if use is not None:
                entry = _entry(client, layout, champion.symbol, kind, name, use, versions)
                if alias not in entry.aliases:
                    client.set_registered_model_alias(name, alias, str(entry.number))
            elif any(alias in entry.aliases for entry in versions.values()):
                client.delete_registered_model_alias(name, alias)
        current = wanted.get(CHAMPION)
        if current is not None:
            if named_by(versions, CHALLENGER) == current.version:
                client.delete_registered_model_alias(name, CHALLENGER)
            said = {"promoted": champion.promoted_at, "reason": champion.reason}
            _tag(client, name, versions[current.version], said)
        for version, entry in versions.items():
            place = source_of(layout, kind, champion.symbol, version)
            if entry.is_ours and entry.source != place:
                move_version(layout.mlflow_db, name, entry.number, place)
            mark = marks.get((kind, version))
            if mark is not None:
                _tag(client, name, entry, {BAD: bad_text(mark)})
                if CHALLENGER in entry.aliases:
                    client.delete_registered_model_alias(name, CHALLENGER)
            elif BAD in entry.tags:
                client.delete_model_version_tag(name, str(entry.number), BAD)


def _entry(
    client: MlflowClient,
    layout: Layout,
    symbol: str,
    kind: str,
    name: str,
    use: ModelUse,
    versions: dict[str, Registered],
) -> Registered:
    """Return the registered version, which is registered where it is not, or is another one."""
    found = versions.get(use.version)
    if found is not None and found.tags.get("sha256") == use.sha256:
        return found
    if not _exists(client, name):
        client.create_registered_model(name, {"symbol": symbol, "kind": kind})
    cutoff = iso(parse_candle_id(use.version.partition("-")[0]))
    tags = {"version": use.version, "sha256": use.sha256, "cutoff": cutoff, "promoted": "no"}
    source = source_of(layout, kind, symbol, use.version)
    # a run that another database had would be a dead link
    run_id = finished_run(layout.mlflow_db, use.sha256)
    made = client.create_model_version(name, source, run_id, tags)
    versions[use.version] = Registered(int(made.version), source, tags)
    return versions[use.version]


def _exists(client: MlflowClient, name: str) -> bool:
    return bool(client.search_registered_models(f"name = '{name}'", max_results=1))


def _tag(client: MlflowClient, name: str, entry: Registered, tags: Mapping[str, str]) -> None:
    """Set the tags that the version does not have yet."""
    for key, value in tags.items():
        if entry.tags.get(key) != value:
            client.set_model_version_tag(name, str(entry.number), key, value)
            entry.tags[key] = value
            if key == "reason":
                # the column that MLflow's page of versions has for words
                client.update_model_version(name, str(entry.number), value)
