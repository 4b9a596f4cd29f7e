"""What versions there are: how good, how old, in use or not, and whether they can be loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.bad_marks import BadMark, read_bad
from bot_cripto.models.champion import Champion, read_champion, read_history
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import (
    ALL_KINDS,
    Version,
    check_compatible,
    folder,
    list_versions,
    load_version,
)
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.tracking.registry_view import expected_aliases

MAIN_METRICS = {
    "trend": ("auc", "log_loss", "ece"),
    "return": ("coverage80", "pinball50", "mean_r2"),
    "risk": ("volatility_r2_log", "volatility_bias"),
    "baseline": ("log_loss", "coverage80"),
}
"""What a list shows of the holdout's metrics, by kind; the metadata has all."""

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Listed:
    """One version, as a list shows it.

    Attributes
    ----------
    symbol, kind, version : str
    cutoff_ms : int
        Nothing after it took part in the training, milliseconds since the epoch, UTC.
    age_days : float
        Days since the cutoff.
    metrics : dict of str to float
        Of the holdout, the kind's main ones; empty where the version cannot be read.
    alias : str or None
        ``champion`` or ``previous``.
    bad : str or None
        Why it is marked bad.
    problem : str or None
        Why it cannot be loaded by a run with the present settings; None: it can.
    mlflow_run_id : str or None
    """

    symbol: str
    kind: str
    version: str
    cutoff_ms: int
    age_days: float
    metrics: dict[str, float]
    alias: str | None
    bad: str | None
    problem: str | None
    mlflow_run_id: str | None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, all fields by name."""
        return asdict(self)


def list_all(
    layout: Layout,
    settings: dict[str, Any],
    symbols: Iterable[str],
    kind: str | None,
    now_ms: int,
) -> list[Listed]:
    """Return every version of some symbols, by symbol and kind, the newest first.

    Each is read whole and verified. A champion file that cannot be read costs the aliases alone.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        Effective settings: what the versions must be about to be loaded.
    symbols : iterable of str
    kind : str or None
        None: every kind.
    now_ms : int
        Milliseconds since the epoch, UTC.
    """
    found = []
    for symbol in symbols:
        subject = Subject.of(settings, symbol)
        marks = read_bad(layout.models, symbol)
        aliases = _aliases(layout, symbol)
        run_ids = mlflow_runs(layout, symbol)
        for each in ALL_KINDS if kind is None else (kind,):
            for name in reversed(list_versions(layout.models, each, symbol)):
                path = folder(layout.models, each, symbol) / name
                cutoff_ms = parse_candle_id(name.partition("-")[0])
                version, problem = examine(path, each, subject)
                metrics = version.metadata.get("metrics", {}) if version else {}
                found.append(
                    Listed(
                        symbol,
                        each,
                        name,
                        cutoff_ms,
                        (now_ms - cutoff_ms) / DAY_MS,
                        {name: metrics[name] for name in MAIN_METRICS[each] if name in metrics},
                        aliases.get((each, name)),
                        _why_bad(marks.get((each, name))),
                        problem,
                        run_ids.get((each, name)),
                    )
                )
    return found


def examine(path: Path, kind: str, subject: Subject) -> tuple[Version | None, str | None]:
    """Return a version where its files are whole, and why it cannot be used, None where it can."""
    try:
        version = load_version(path)
    except ModelError as error:
        return None, str(error)
    wanted = {"kind": kind, "symbol": subject.symbol, **subject.about()}
    other = [
        f"{name} {version.metadata.get(name)}, not {value}"
        for name, value in wanted.items()
        if version.metadata.get(name) != value
    ]
    if other:
        return version, f"made for {'; '.join(other)}"
    return version, check_compatible(version)


def mlflow_runs(layout: Layout, symbol: str) -> dict[tuple[str, str], str]:
    """Return the MLflow runs that recorded versions, by (kind, version), as far as files tell."""
    uses = []
    for path in sorted((layout.data / "training" / layout.key).glob(_records(symbol))):
        try:
            used = json.loads(path.read_bytes())["used"]
            uses += [(kind, ModelUse(**use)) for kind, use in used.items()]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # a record of another form tells nothing of runs
    for champion in reversed(champions(layout.models, symbol)):
        uses += champion.kinds.items()
    return {(kind, use.version): use.mlflow_run_id for kind, use in uses if use.mlflow_run_id}


def champions(models_dir: Path | str, symbol: str) -> list[Champion]:
    """Return the present champion and every earlier one, the newest first, as far as readable.

    The present one is the file's, where that can be read, else the newest of the history.
    """
    try:
        present = read_champion(models_dir, symbol)
    except ModelError:
        present = None
    try:
        known = read_history(models_dir, symbol)
    except ModelError:
        known = []
    if present is not None:
        known = [replace(present, history=()), *known, *present.history]
    return [c for i, c in enumerate(known) if c not in known[:i]]


def as_text(found: Sequence[Listed]) -> str:
    """Return a table for people."""
    if not found:
        return "There are no versions yet; run: snakemake signal\n"
    head = ("symbol", "kind", "version", "age", "alias", "holdout metrics", "state", "MLflow run")
    rows = [head, *(_row(version) for version in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


def _row(version: Listed) -> tuple[str, ...]:
    metrics = " ".join(f"{name} {value:.4g}" for name, value in version.metrics.items())
    state = [f"cannot be loaded: {version.problem}"] if version.problem else []
    state += [f"BAD: {version.bad}"] if version.bad else []
    return (
        version.symbol,
        version.kind,
        version.version,
        f"{version.age_days:.1f} d",
        version.alias or "-",
        metrics or "-",
        "; ".join(state) or "ready",
        version.mlflow_run_id or "-",
    )


def _aliases(layout: Layout, symbol: str) -> dict[tuple[str, str], str]:
    try:
        champion = read_champion(layout.models, symbol)
    except ModelError:
        return {}
    if champion is None:
        return {}
    return {
        (kind, use.version): alias
        for kind in ALL_KINDS
        for alias, use in expected_aliases(champion, kind).items()
    }


def _why_bad(mark: BadMark | None) -> str | None:
    return None if mark is None else mark.reason or "no reason was given"


def _records(symbol: str) -> str:
    return f"*/{symbol_to_path(symbol)}/*.mlflow.json"
