"""Removing what a failed or overtaken attempt left, so that the same moment can be tried again.

Snakemake takes a file that exists for done. What states an error, was late, or names a model
version that is no longer there must not pass for that.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bot_cripto.errors import ModelError
from bot_cripto.layout import Layout
from bot_cripto.models.version import folder, load_version
from bot_cripto.symbols import symbol_to_path

LIVE_REPORTS = ("candles/*.quality.json", "features/*.json", "signals.status.json")


def discard_live(live: Path, *, reports_too: bool) -> list[str]:
    """Make one candle stale again if a symbol of it failed or its candles were late.

    Parameters
    ----------
    live : Path
        Folder of the candle.
    reports_too : bool
        False removes the last output alone, so that people can read the reports and a dry run
        has something to say; True removes every report, so that all steps run again.

    Returns
    -------
    list of str
        A sentence for each failure; a late candle is none.
    """
    reports = [path for pattern in LIVE_REPORTS for path in sorted(live.glob(pattern))]
    failures = [failure for path in reports for failure in _failures(path)]
    if failures or any(_is_late(path) for path in reports):
        for path in reports if reports_too else live.glob(LIVE_REPORTS[-1]):
            path.unlink(missing_ok=True)
    return failures


def discard_history(layout: Layout, cutoff: str, *, reports_too: bool) -> list[str]:
    """Remove the histories up to a cutoff that failed or end early, and what was trained on them.

    Returns
    -------
    list of str
        A sentence for each failure; a history that ends early is none.
    """
    failures = []
    for path in sorted(layout.history(cutoff, "").parent.glob("*.json")):
        failed = _failures(path)
        failures += failed
        if reports_too and (failed or _is_late(path)):
            path.unlink(missing_ok=True)
            shutil.rmtree(layout.training(cutoff, path.stem), ignore_errors=True)
    return failures


REGISTERED = "registered.json"
"""What a retrain leaves when MLflow was told of it, below the training's folder."""


def discard_unusable_training(layout: Layout, cutoff: str, symbols: list[str]) -> None:
    """Remove the records of trainings whose version is gone or damaged, or that MLflow missed.

    With the record its consequences go too, so that the next run makes all of it again.
    """
    for symbol in symbols:
        training = layout.training(cutoff, symbol_to_path(symbol))
        usable = True
        for path in training.glob("*.json"):
            record = read_json(path)
            if "version" in record and not _is_whole(layout, symbol, record):
                path.unlink()
                usable = False
            if record.get("mlflow_error"):
                # who is champion does not depend on whether the registry was told
                usable &= path.name == REGISTERED
                path.unlink(missing_ok=True)
        if not usable:
            for pattern in ("*.mlflow.json", "*.adopted.json", "judgement.json", REGISTERED):
                for path in training.glob(pattern):
                    path.unlink()


def _is_whole(layout: Layout, symbol: str, record: dict[str, str]) -> bool:
    try:
        path = folder(layout.models, record["kind"], symbol) / record["version"]
        return load_version(path).sha256 == record["sha256"]
    except ModelError:
        return False


def _failures(path: Path) -> list[str]:
    record = read_json(path)
    error = record.get("error", "no report") if record else "unreadable"
    return [] if error is None else [f"{path.name}: {error}"]


def _is_late(path: Path) -> bool:
    return bool(read_json(path).get("stale_candles"))


def read_json(path: Path) -> dict[str, str]:
    """Return the object in a file; empty where there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
