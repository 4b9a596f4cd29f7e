"""A look at MLflow's registry: what it holds, and where it says other than the champion file.

There is a registered model for each symbol, timeframe, market and kind, for example
``BTC_USDT.5m.binance.trend``. MLflow counts its versions itself; their tag ``version`` is the
name of the version's folder. The database is read by SQL, which takes milliseconds where
importing MLflow takes seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot_cripto.errors import BusyError, DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.bad_marks import BadMark, Marks, read_bad
from bot_cripto.models.champion import Champion, read_champion
from bot_cripto.models.version import ALL_KINDS, folder
from bot_cripto.symbols import symbol_to_path

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases: what is in use; what was last refused; what was in use before."""

BAD = "bad"
"""Tag of a version that is marked bad; its value says why."""

READ_WAIT_S = 2.0
"""How long a look at the registry waits for a writer, in seconds."""


@dataclass(frozen=True)
class Registered:
    """One version as the registry has it.

    Attributes
    ----------
    number : int
        MLflow's own number of the version.
    source : str
        ``file://`` address of the version's folder.
    tags : dict of str to str
    aliases : set of str
    """

    number: int
    source: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    @property
    def is_ours(self) -> bool:
        """False for a version that somebody registered by hand."""
        return "version" in self.tags


def model_name(layout: Layout, symbol: str, kind: str, timeframe: str, source: str) -> str:
    """Return the name of a registered model: symbol, timeframe, market and kind.

    The market is the layout's, for each made-up market has a name of its own; models of another
    source or timeframe than the layout's are named by their source.
    """
    market, _, own = layout.key.rpartition("-")
    if own != timeframe or not f"{market}-".startswith(f"{source}-"):
        market = source
    return f"{symbol_to_path(symbol)}.{timeframe}.{market}.{kind}"


def source_of(layout: Layout, kind: str, symbol: str, version: str) -> str:
    """Return the address under which the registry keeps a version: that of its folder."""
    return (folder(layout.models, kind, symbol) / version).absolute().as_uri()


def expected_aliases(champion: Champion, kind: str) -> dict[str, ModelUse]:
    """Return what the aliases champion and previous of a kind are to name.

    The previous version is the newest that was in use before, for the same source, timeframe
    and horizon, and is not now.
    """
    present = champion.kinds.get(kind)
    named = {} if present is None else {CHAMPION: present}
    for earlier in champion.history:
        use = earlier.kinds.get(kind)
        if use is None or not earlier.same_subject(champion):
            continue
        if present is None or use.version != present.version:
            return named | {PREVIOUS: use}
    return named


def registered(tracking_db: Path | str, names: Iterable[str]) -> dict[str, dict[str, Registered]]:
    """Return the registered versions by model and by name of the version's folder.

    Of a version that was registered twice the newer one counts. A database without tables, or
    none at all, holds nothing.

    Raises
    ------
    BusyError
        A writer has held the database for `READ_WAIT_S`.
    DataError
        The database cannot be read.
    """
    path = Path(tracking_db)
    if not path.exists():
        return {}
    with _reading(path) as connection:
        if not connection.execute(_HAS_REGISTRY).fetchone()[0]:
            return {}
        return {name: _versions(connection, name) for name in names}


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database to read; BusyError or DataError where that fails."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=READ_WAIT_S)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BusyError(
                f"{path}: another program has held MLflow's database for {READ_WAIT_S:.0f} s; "
                "end it, then run again"
            ) from error
        raise _unreadable(path, error, "give access, then run again") from error
    except (sqlite3.Error, OSError) as error:
        raise _unreadable(path, error, "move it aside: the next training begins anew") from error


def finished_run(tracking_db: Path | str, sha256: str) -> str | None:
    """Return the id of the run that recorded the version of that hash, if one is there.

    Raises
    ------
    BusyError, DataError
        As of `registered`.
    """
    path = Path(tracking_db)
    with _reading(path) as connection:
        rows = connection.execute(_RUN, (sha256,)).fetchone()
    return rows and str(rows[0])


def divergence(layout: Layout, symbol: str) -> list[str]:
    """Return in what the registry says other than the champion file, a sentence each.

    It reads only, in milliseconds and without MLflow. `bot_cripto.tracking.registry.sync_champion`
    mends what it finds.

    Parameters
    ----------
    layout : Layout
    symbol : str

    Returns
    -------
    list of str
        Empty where both say the same, or the symbol has no champion. That the champion file
        cannot be read is such a sentence too.

    Raises
    ------
    BusyError, DataError
        As of `registered`.
    """
    try:
        champion = read_champion(layout.models, symbol)
        marks = read_bad(layout.models, symbol)
    except ModelError as error:
        return [f"{symbol}: the registry cannot be held against a champion: {error}"]
    if champion is None:
        return []
    if not layout.mlflow_db.exists():
        return [f"{layout.mlflow_db}: MLflow's database is missing: it knows no {symbol} champion"]
    names = names_of(layout, champion)
    known = registered(layout.mlflow_db, names.values())
    found = []
    for kind, name in names.items():
        found += _differences(layout, champion, kind, name, known.get(name, {}))
        found += _unsaid_marks(marks, kind, name, known.get(name, {}))
    return found


def bad_text(mark: BadMark) -> str:
    """Return what the tag of a version that is marked bad says."""
    return f"{mark.reason} ({mark.by}, {mark.at})" if mark.by else mark.reason


def names_of(layout: Layout, champion: Champion) -> dict[str, str]:
    """Return the names of the registered models that a champion is about, by kind."""
    return {
        kind: model_name(layout, champion.symbol, kind, champion.timeframe, champion.source)
        for kind in ALL_KINDS
    }


def named_by(versions: dict[str, Registered], alias: str) -> str | None:
    """Return the version that an alias names, or None."""
    return next((name for name, entry in versions.items() if alias in entry.aliases), None)


def _differences(
    layout: Layout, champion: Champion, kind: str, name: str, versions: dict[str, Registered]
) -> list[str]:
    """Return the sentences about one registered model."""
    found = []
    wanted = expected_aliases(champion, kind)
    for alias in (CHAMPION, PREVIOUS):
        use, has = wanted.get(alias), named_by(versions, alias)
        if (use.version if use else None) != has:
            should = f"should be {use.version}" if use else "should not be"
            found.append(f"{name}: the alias {alias} is {has or 'missing'} and {should}")
        elif use and versions[use.version].tags.get("sha256") != use.sha256:
            found.append(f"{name}: {use.version} is registered with another sha256 than in use")
    current = wanted.get(CHAMPION)
    if current and named_by(versions, CHALLENGER) == current.version:
        found.append(f"{name}: {current.version} is champion and still challenger")
    for version, entry in versions.items():
        if entry.is_ours and entry.source != source_of(layout, kind, champion.symbol, version):
            found.append(f"{name}: {version} is said to lie in {entry.source}")
    return found


def _unsaid_marks(marks: Marks, kind: str, name: str, versions: dict[str, Registered]) -> list[str]:
    """Return the sentences about versions that are bad on one side only."""
    found = []
    for version, entry in versions.items():
        mark, said = marks.get((kind, version)), entry.tags.get(BAD)
        if mark is not None and said != bad_text(mark):
            found.append(f"{name}: {version} is marked bad and the registry does not say why")
        elif mark is not None and CHALLENGER in entry.aliases:
            found.append(f"{name}: {version} is marked bad and still challenger")
        elif mark is None and said is not None:
            found.append(f"{name}: {version} is not marked bad and the registry says so")
    return found


def _versions(connection: sqlite3.Connection, name: str) -> dict[str, Registered]:
    """Return the versions of one registered model by the tag ``version``."""
    entries = {
        int(number): Registered(int(number), str(source))
        for number, source in connection.execute(_VERSIONS, (name,))
    }
    for number, key, value in connection.execute(_TAGS, (name,)):
        entries[number].tags[key] = value
    for number, alias in connection.execute(_ALIASES, (name,)):
        # MLflow keeps an alias of a version that was deleted
        if number in entries:
            entries[number].aliases.add(alias)
    return {entry.tags.get("version", f"number {n}"): entry for n, entry in entries.items()}


_HAS_REGISTRY = "select count(*) from sqlite_master where name = 'registered_model_aliases'"
_VERSIONS = """
select version, source from model_versions
where name = ? and current_stage != 'Deleted_Internal' order by version
"""
_TAGS = """
select tags.version, tags.key, tags.value from model_version_tags tags
join model_versions using (name, version)
where name = ? and current_stage != 'Deleted_Internal'
"""
_RUN = """
select run_uuid from tags join runs using (run_uuid)
where tags.key = 'model_sha256' and tags.value = ?
    and runs.status = 'FINISHED' and runs.lifecycle_stage = 'active'
order by runs.start_time limit 1
"""
_ALIASES = "select version, alias from registered_model_aliases where name = ?"


def _unreadable(path: Path, error: Exception, remedy: str) -> DataError:
    return DataError(f"{path}: MLflow's registry cannot be read ({error}); {remedy}")
