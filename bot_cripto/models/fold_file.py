"""One fold of a walk-forward as a file: its models as text, so that its forecasts can be remade."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import ModelError
from bot_cripto.models import apply
from bot_cripto.models.snapshot import TrainingData
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.walk_forward import Fold, FoldForecast


class NoFoldError(ModelError):
    """There is no fold, because there was too little to train or forecast; the text says what."""


def write_fold(path: Path | str, result: FoldForecast, snapshot_sha256: str) -> None:
    """Write a fold; `snapshot_sha256` is the digest of the snapshot that it was made of."""
    models: dict[str, Any] = {
        kind: {
            "files": {name: content.decode() for name, content in model.files.items()},
            "metadata": model.metadata,
            "metrics": model.metrics,
            "importance": model.importance,
        }
        for kind, model in result.trained.items()
    }
    atomic.write_json(
        path, {"snapshot": snapshot_sha256, "fold": asdict(result.fold), "models": models}
    )


def write_no_fold(path: Path | str, reason: str) -> None:
    """Write why there is no fold."""
    atomic.write_json(path, {"skipped": reason})


def read_folds(paths: Iterable[Path | str], data: TrainingData) -> list[FoldForecast]:
    """Return the folds of `write_fold`, with their forecasts made by the functions of live.

    Parameters
    ----------
    paths : iterable of Path or str
        In the order of the folds.
    data : TrainingData
        Of the snapshot that they were made of.

    Raises
    ------
    NoFoldError
        There is no fold in a file, for the reason that it states.
    ModelError
        A fold is of another snapshot.
    """
    return [_read(Path(path), data) for path in paths]


def _read(path: Path, data: TrainingData) -> FoldForecast:
    value = json.loads(path.read_bytes())
    if "skipped" in value:
        raise NoFoldError(value["skipped"])
    if value["snapshot"] != data.snapshot_sha256:
        raise ModelError(f"{path}: belongs to another snapshot; remove it and run again")
    trained = {
        kind: TrainedModel(
            kind,
            {name: text.encode() for name, text in model["files"].items()},
            model["metadata"],
            model["metrics"],
            model["importance"],
        )
        for kind, model in value["models"].items()
    }
    fold = Fold(**value["fold"])
    rows = slice(fold.start, fold.stop)
    forecasts: apply.Columns = {}
    for kind, model in trained.items():
        made = apply.make_model(kind, model.metadata, model.files)
        forecasts |= apply.predict(made, data.features[rows])
    return FoldForecast(fold, data.index[rows], forecasts, trained)
