"""The record of a training: which versions it made, and why it made none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.forecast import ModelUse


def write_record(
    path: Path | str, symbol: str, uses: Mapping[str, ModelUse], skipped: Mapping[str, str]
) -> None:
    """Write the versions of a training by kind, and the reason by kind that has none."""
    used = {kind: asdict(use) for kind, use in uses.items()}
    atomic.write_json(path, {"symbol": symbol, "used": used, "skipped": dict(skipped)})


def read_record(path: Path | str) -> tuple[dict[str, ModelUse], dict[str, str]]:
    """Return versions and reasons of `write_record`."""
    value = json.loads(Path(path).read_bytes())
    return {kind: ModelUse(**use) for kind, use in value["used"].items()}, value["skipped"]
