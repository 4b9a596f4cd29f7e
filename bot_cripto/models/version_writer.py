"""Writing model versions: whole or not at all, the same model to the same bytes."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import ModelError
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.version import (
    METADATA,
    REFERENCE,
    SCHEMA_VERSION,
    Version,
    content_sha256,
    folder,
    load_version,
)
from bot_cripto.timeframes import candle_id, iso


@dataclass(frozen=True)
class Origin:
    """Where a trained model comes from; part of its version.

    Attributes
    ----------
    symbol, source, timeframe : str
    cutoff_ms : int
        Nothing after this time took part.
    data_sha256, code_sha256, config_sha256 : str
        Hashes of the training snapshot, of the code and of the configuration.
    libraries : dict of str to str
        Versions of the libraries that shape the model; see `library_versions`.
    """

    symbol: str
    source: str
    timeframe: str
    cutoff_ms: int
    data_sha256: str
    code_sha256: str
    config_sha256: str
    libraries: dict[str, str]


def library_versions() -> dict[str, str]:
    """Return the installed versions of Python, lightgbm and numpy."""
    found = {name: installed_version(name) for name in ("lightgbm", "numpy")}
    return {"python": platform.python_version()} | found


def write_version(
    models_dir: Path | str, trained: TrainedModel, origin: Origin, reference_rows: bytes
) -> Version:
    """Write a trained model as a version, whole or not at all, and return it verified.

    The same model of the same origin is the same version; writing it again changes nothing.
    A damaged folder in its place is replaced.

    Parameters
    ----------
    models_dir : Path or str
    trained : TrainedModel
    origin : Origin
    reference_rows : bytes
        What `bot_cripto.models.reference.make_reference` returns for the training window.
    """
    files = dict(sorted({**trained.files, REFERENCE: reference_rows}.items()))
    metadata: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": trained.kind,
        "symbol": origin.symbol,
        "source": origin.source,
        "cutoff": iso(origin.cutoff_ms),
        **trained.metadata,
        "metrics": trained.metrics,
        "hashes": {
            "data": origin.data_sha256,
            "code": origin.code_sha256,
            "config": origin.config_sha256,
        },
        "libraries": origin.libraries,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    if metadata["timeframe"] != origin.timeframe:
        raise ModelError(
            f"the model was trained on {metadata['timeframe']} candles, "
            f"its origin says {origin.timeframe}"
        )
    metadata["content_sha256"] = content_sha256(metadata)
    parent = folder(models_dir, trained.kind, origin.symbol)
    path = parent / f"{candle_id(origin.cutoff_ms)}-{metadata['content_sha256'][:10]}"
    if path.is_dir():
        try:
            return load_version(path)
        except ModelError:
            shutil.rmtree(path)
    parent.mkdir(parents=True, exist_ok=True)
    for left_over in parent.glob(f".{path.name}.*.tmp"):
        shutil.rmtree(left_over)
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        for name, content in files.items():
            atomic.write_bytes(temporary / name, content)
        atomic.write_json(temporary / METADATA, metadata)
        temporary.chmod(0o755)
        atomic.flush_folder(temporary)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    atomic.flush_folder(parent)
    return load_version(path)
