"""The models in use, verified; with their fallbacks: earlier champion, then baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models import apply
from bot_cripto.models.bad_marks import Marks, read_bad
from bot_cripto.models.champion import Champion
from bot_cripto.models.dissimilarity import Dissimilarity, read_dissimilarity
from bot_cripto.models.training_range import TrainingRange, training_range
from bot_cripto.models.version import Version, folder, list_versions, load_compatible
from bot_cripto.timeframes import parse_iso

NO_MODEL = "No trend/return/risk models or baseline model found"


@dataclass(frozen=True)
class Loaded:
    """Models that are verified and fit today's features.

    Attributes
    ----------
    models : dict of str to Model
        The model that speaks for each of trend, return and risk.
    uses : dict of str to ModelUse
        What of it was used, by kind (baseline where that stands in).
    notes : tuple of str
        What an operator must know of fallbacks.
    trained_range : TrainingRange or None
        Range of the features that all of them were trained on; None: not read.
    trained_until_ms : int or None
        Training cutoff of the oldest of them, milliseconds since the epoch, UTC.
    dissimilarity : Dissimilarity or None
        The rows that the one that speaks for trend was trained on; None: it has none.
    """

    models: dict[str, apply.Model]
    uses: dict[str, ModelUse]
    notes: tuple[str, ...]
    trained_range: TrainingRange | None = None
    trained_until_ms: int | None = None
    dissimilarity: Dissimilarity | None = None

    @classmethod
    def of(
        cls, versions: Mapping[str, Version], uses: dict[str, ModelUse], notes: Iterable[str] = ()
    ) -> Loaded:
        """Return the models of verified versions, by the kind that each speaks for.

        Raises
        ------
        ModelError
            They were trained on different features, or a text does not tell their range.
        """
        names = {tuple(version.metadata["features"]) for version in versions.values()}
        if len(names) != 1:
            raise ModelError(
                f"the models in use ({', '.join(versions)}) were trained on different features; "
                "run: snakemake retrain"
            )
        return cls(
            {kind: version.model() for kind, version in versions.items()},
            uses,
            tuple(notes),
            training_range(names.pop(), (version.files for version in versions.values())),
            min(parse_iso(version.metadata["cutoff"]) for version in versions.values()),
            read_dissimilarity(versions["trend"].files) if "trend" in versions else None,
        )


@dataclass(frozen=True)
class Subject:
    """What a run asks a forecast for; models about anything else are refused.

    Attributes
    ----------
    symbol, source, timeframe : str
    horizon_steps : int
    """

    symbol: str
    source: str
    timeframe: str
    horizon_steps: int

    @classmethod
    def of(cls, settings: Mapping[str, Any], symbol: str) -> Subject:
        """Return what a run with these effective settings asks for."""
        return cls(
            symbol, settings["source_name"], settings["timeframe"], settings["horizon_steps"]
        )

    def about(self) -> dict[str, Any]:
        """Return ``source``, ``timeframe`` and ``horizon_steps``, which a champion states too."""
        return {
            "source": self.source,
            "timeframe": self.timeframe,
            "horizon_steps": self.horizon_steps,
        }


def load_champion(
    models_dir: Path | str,
    champion: Champion | None,
    subject: Subject,
    marks: Marks | None = None,
) -> Loaded:
    """Return the models in use; where one is broken or marked bad, the earlier or the baseline.

    Parameters
    ----------
    models_dir : Path or str
    champion : Champion or None
        None where the symbol has none: only its baseline can speak.
    subject : Subject
    marks : Marks, optional
        Which versions are marked bad; default: those that are now.

    Raises
    ------
    ModelError
        The champion is about another source, timeframe or horizon, nothing can be loaded, or the
        bad marks cannot be read.
    """
    if champion is not None:
        _check_subject(champion, subject)
    marks = read_bad(models_dir, subject.symbol) if marks is None else marks
    versions: dict[str, Version] = {}
    uses: dict[str, ModelUse] = {}
    notes: list[str] = []
    missing = []
    planned = champion is not None and not set(champion.kinds) & set(apply.KINDS)
    for kind in apply.KINDS:
        found = (
            None if planned else _first_loadable(models_dir, champion, kind, subject, marks, notes)
        )
        if found is None:
            missing.append(kind)
        else:
            versions[kind], uses[kind] = found
    if missing:
        found = _baseline(models_dir, champion, subject, marks, notes)
        if found is None:
            broken = f" ({' '.join(notes)})" if notes else ""
            raise ModelError(
                f"{NO_MODEL} for {subject.symbol} {subject.timeframe}{broken}; "
                "run: snakemake retrain"
            )
        version, uses["baseline"] = found
        versions |= dict.fromkeys(missing, version)
        why = champion.reason if planned and champion else "no usable trained model"
        rows = version.metadata.get("parts", {}).get("train", {}).get("rows", 0)
        notes.append(
            f"Baseline model (made of {rows} rows) stands in for {', '.join(missing)}: {why}."
        )
    return Loaded.of(versions, uses, notes)


def _check_subject(champion: Champion, subject: Subject) -> None:
    """Raise ModelError where the champion is about something else than the run."""
    differences = [
        f"{name} {getattr(champion, name)}, this run has {wanted}"
        for name, wanted in subject.about().items()
        if getattr(champion, name) != wanted
    ]
    if differences:
        raise ModelError(
            f"the champion of {champion.symbol} was trained for {'; '.join(differences)}; "
            "run: snakemake retrain"
        )


def _load(models_dir: Path | str, kind: str, use: ModelUse, subject: Subject) -> Version:
    """Return the version that a champion names, if it is that one and about the subject."""
    version = load_compatible(folder(models_dir, kind, subject.symbol) / use.version)
    if version.sha256 != use.sha256:
        raise ModelError(f"model {version.path} is not the one that was promoted")
    _check_version(version, kind, subject)
    return version


def _check_version(version: Version, kind: str, subject: Subject) -> None:
    """Raise ModelError where a version is about something else than the run."""
    stated = tuple(
        version.metadata.get(n) for n in ("kind", "symbol", "source", "timeframe", "horizon_steps")
    )
    asked = (kind, subject.symbol, subject.source, subject.timeframe, subject.horizon_steps)
    if stated != asked:
        raise ModelError(f"model {version.path} is of {stated}, not of {asked}")


def _candidates(champion: Champion | None, kind: str) -> list[ModelUse]:
    """Return the versions of a kind in use now and before, the newest first, each once."""
    if champion is None:
        return []
    past = [c for c in champion.history if c.same_subject(champion)]
    uses: dict[str, ModelUse] = {}
    for earlier in (champion, *past):
        if kind in earlier.kinds:
            # A version that was in use twice has its newest place.
            uses.setdefault(earlier.kinds[kind].version, earlier.kinds[kind])
    return list(uses.values())


def _first_loadable(
    models_dir: Path | str,
    champion: Champion | None,
    kind: str,
    subject: Subject,
    marks: Marks,
    notes: list[str],
) -> tuple[Version, ModelUse] | None:
    """Return the newest usable version of a kind; each one passed over leaves a note."""
    failed = False
    for use in _candidates(champion, kind):
        if (kind, use.version) in marks:
            notes.append(_marked(marks, kind, use.version))
            failed = True
            continue
        try:
            version = _load(models_dir, kind, use, subject)
        except ModelError as error:
            notes.append(f"The {kind} model {use.version} cannot be used: {error}.")
            failed = True
            continue
        if failed:
            notes.append(f"The earlier {kind} model {use.version} stands in.")
        return version, use
    return None


def _baseline(
    models_dir: Path | str,
    champion: Champion | None,
    subject: Subject,
    marks: Marks,
    notes: list[str],
) -> tuple[Version, ModelUse] | None:
    """Return the baseline in use, or the newest usable one on disk."""
    found = _first_loadable(models_dir, champion, "baseline", subject, marks, notes)
    if found is not None:
        return found
    tried = {use.version for use in _candidates(champion, "baseline")}
    for name in reversed(list_versions(models_dir, "baseline", subject.symbol)):
        if name in tried:
            continue
        if ("baseline", name) in marks:
            notes.append(_marked(marks, "baseline", name))
            continue
        try:
            version = load_compatible(folder(models_dir, "baseline", subject.symbol) / name)
            _check_version(version, "baseline", subject)
        except ModelError as error:
            notes.append(f"The baseline model {name} cannot be used: {error}.")
            continue
        return version, ModelUse(version.name, version.sha256, None)
    return None


def _marked(marks: Marks, kind: str, version: str) -> str:
    reason = marks[kind, version].reason or "no reason was given"
    return f"The {kind} model {version} cannot be used: it is marked bad: {reason}."
