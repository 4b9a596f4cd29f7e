"""The forecast of the models in use, with its fallbacks: earlier champion, then baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import DataError, ModelError
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.models import apply
from bot_cripto.models.champion import Champion
from bot_cripto.models.version import Version, folder, list_versions, load_compatible

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
    """

    models: dict[str, apply.Model]
    uses: dict[str, ModelUse]
    notes: tuple[str, ...]


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


def load_champion(models_dir: Path | str, champion: Champion | None, subject: Subject) -> Loaded:
    """Return the models in use; where one is broken, the earlier one or the baseline.

    Parameters
    ----------
    models_dir : Path or str
    champion : Champion or None
        None where the symbol has none: only its baseline can speak.
    subject : Subject

    Raises
    ------
    ModelError
        The champion is about another source, timeframe or horizon, or nothing can be loaded.
    """
    if champion is not None:
        _check_subject(champion, subject)
    models: dict[str, apply.Model] = {}
    uses: dict[str, ModelUse] = {}
    notes: list[str] = []
    missing = []
    planned = champion is not None and not set(champion.kinds) & set(apply.KINDS)
    for kind in apply.KINDS:
        found = None if planned else _first_loadable(models_dir, champion, kind, subject, notes)
        if found is None:
            missing.append(kind)
        else:
            version, uses[kind] = found
            models[kind] = version.model()
    if missing:
        found = _baseline(models_dir, champion, subject, notes)
        if found is None:
            broken = f" ({' '.join(notes)})" if notes else ""
            raise ModelError(
                f"{NO_MODEL} for {subject.symbol} {subject.timeframe}{broken}; "
                "run: snakemake retrain"
            )
        version, uses["baseline"] = found
        models |= dict.fromkeys(missing, version.model())
        why = champion.reason if planned and champion else "no usable trained model"
        rows = version.metadata.get("parts", {}).get("train", {}).get("rows", 0)
        notes.append(
            f"Baseline model (made of {rows} rows) stands in for {', '.join(missing)}: {why}."
        )
    return Loaded(models, uses, tuple(notes))


def forecast_rows(loaded: Loaded, features: NDArray[np.float32]) -> apply.Columns:
    """Return the forecast columns of many rows, one value each.

    Parameters
    ----------
    loaded : Loaded
    features : ndarray of shape (n, n_features), float32
        All finite, in the order of today's features.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Every column of `bot_cripto.models.apply.COLUMNS`.
    """
    columns: apply.Columns = {}
    for kind, names in apply.COLUMNS.items():
        forecast = apply.predict(loaded.models[kind], features)
        columns |= {name: forecast[name] for name in names}
    return columns


def risk_score(volatility: NDArray[np.float64], vol_ref: float) -> NDArray[np.float64]:
    """Return the volatility relative to MODEL_RISK_VOL_REF, clipped to [0, 1]."""
    return np.clip(volatility / vol_ref, 0.0, 1.0)


def forecast_row(
    models_dir: Path | str,
    champion: Champion | None,
    subject: Subject,
    names: tuple[str, ...],
    row: NDArray[np.float32],
    *,
    vol_ref: float,
) -> Forecast:
    """Return the forecast of the models in use for one closed candle.

    Parameters
    ----------
    models_dir : Path or str
    champion : Champion or None
    subject : Subject
    names : tuple of str
        Names of the features of `row`, in order.
    row : ndarray of shape (n_features,), float32
    vol_ref : float
        MODEL_RISK_VOL_REF: volatility over the horizon (decimal) that scores 1.

    Raises
    ------
    ModelError
        See `load_champion`; or `names` are not what the models were trained on.
    DataError
        A feature is NaN or infinite, or a forecast is.
    """
    broken = [name for name, value in zip(names, row, strict=True) if not np.isfinite(value)]
    if broken:
        more = f" and {len(broken) - 8} more" if len(broken) > 8 else ""
        raise DataError(
            f"{subject.symbol} {subject.timeframe}: no value for {', '.join(broken[:8])}{more}: "
            "the candles that they look back on are missing or too few; fetch them"
        )
    loaded = load_champion(models_dir, champion, subject)
    for model in loaded.models.values():
        if tuple(model.metadata["features"]) != tuple(names):
            raise ModelError(
                f"the {model.kind} model of {subject.symbol} was trained on other features; "
                "run: snakemake retrain"
            )
    columns = forecast_rows(loaded, np.asarray(row, dtype=np.float32)[None, :])
    values = {name: float(column[0]) for name, column in columns.items()}
    if not np.isfinite(list(values.values())).all():
        raise DataError(f"{subject.symbol} {subject.timeframe}: a forecast is not finite: {values}")
    return Forecast(
        **values,
        risk_score=float(risk_score(columns["volatility"], vol_ref)[0]),
        models=loaded.uses,
        notes=loaded.notes,
    )


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
    notes: list[str],
) -> tuple[Version, ModelUse] | None:
    """Return the newest usable version of a kind; each one passed over leaves a note."""
    failed = False
    for use in _candidates(champion, kind):
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
    models_dir: Path | str, champion: Champion | None, subject: Subject, notes: list[str]
) -> tuple[Version, ModelUse] | None:
    """Return the baseline in use, or the newest usable one on disk."""
    found = _first_loadable(models_dir, champion, "baseline", subject, notes)
    if found is not None:
        return found
    tried = {use.version for use in _candidates(champion, "baseline")}
    for name in reversed(list_versions(models_dir, "baseline", subject.symbol)):
        if name in tried:
            continue
        try:
            version = load_compatible(folder(models_dir, "baseline", subject.symbol) / name)
            _check_version(version, "baseline", subject)
        except ModelError as error:
            notes.append(f"The baseline model {name} cannot be used: {error}.")
            continue
        return version, ModelUse(version.name, version.sha256, None)
    return None
