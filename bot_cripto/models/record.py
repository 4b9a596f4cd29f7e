"""The record of a training: which versions it made, and why it made none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.forecast import ModelUse


def write_record(
    path: Path | str,
    symbol: str,
    uses: Mapping[str, ModelUse],
    skipped: Mapping[str, str],
    mlflow_error: str | None,
) -> None:
    """Write the versions of a training by kind, and the reason by kind that has none.

    `mlflow_error` says why MLflow could not record them; the versions are sound all the same.
    """
    atomic.write_json(
        path,
        {
            "symbol": symbol,
            "used": {kind: asdict(use) for kind, use in uses.items()},
            "skipped": dict(skipped),
            "mlflow_error": mlflow_error,
        },
    )


def read_record(path: Path | str) -> tuple[dict[str, ModelUse], dict[str, str]]:
    """Return versions and reasons of `write_record`."""
    value = json.loads(Path(path).read_bytes())
    return {kind: ModelUse(**use) for kind, use in value["used"].items()}, value["skipped"]
