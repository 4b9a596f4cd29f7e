"""Train one kind of model on a snapshot and write it as a version (rule train_model).

Too little data is no failure: the output then says why there is no version.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import BotCriptoError
from bot_cripto.layout import Layout
from bot_cripto.models.reference import make_reference
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import read_snapshot, training_data
from bot_cripto.models.training import train
from bot_cripto.models.version_writer import Origin, library_versions, write_version
from bot_cripto.provenance import sha256_json
from bot_cripto.symbols import symbol_from_path
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.workflow.jobs import job

log = logging.getLogger("bot_cripto")


def train_version(
    layout: Layout,
    settings: dict[str, Any],
    *,
    kind: str,
    symbol: str,
    cutoff_ms: int,
    snapshot_file: Path,
    code_sha256: str,
) -> dict[str, Any]:
    """Return the record of a new version; raise ModelError where there is too little data."""
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    snapshot = read_snapshot(snapshot_file)
    data = training_data(snapshot)
    reference = make_reference(snapshot.candles, snapshot.timeframe)
    trained = train(kind, data, training)
    origin = Origin(
        symbol=symbol,
        source=settings["source_name"],
        timeframe=settings["timeframe"],
        cutoff_ms=cutoff_ms,
        data_sha256=data.snapshot_sha256,
        code_sha256=code_sha256,
        config_sha256=sha256_json(settings),
        libraries=library_versions(),
    )
    version = write_version(layout.models, trained, origin, reference)
    return {
        "version": version.name,
        "sha256": version.sha256,
        "rows": len(data),
        "metrics": trained.metrics,
        "importance": trained.importance,
    }


def train_model(
    layout: Layout,
    settings: dict[str, Any],
    cutoff: str,
    symbol: str,
    kind: str,
    history: str,
    snapshot: str,
    code_sha256: str,
    output: str,
) -> None:
    """Train one kind of model of one symbol."""
    record: dict[str, Any] = {"kind": kind, "symbol": symbol_from_path(symbol), "skipped": None}
    error = json.loads(Path(history).read_bytes())["error"]
    if error is not None:
        record["skipped"] = f"the history could not be fetched: {error}"
    else:
        try:
            record |= train_version(
                layout,
                settings,
                kind=kind,
                symbol=record["symbol"],
                cutoff_ms=parse_candle_id(cutoff),
                snapshot_file=Path(snapshot),
                code_sha256=code_sha256,
            )
        except BotCriptoError as too_little:
            record["skipped"] = str(too_little)
    if record["skipped"]:
        log.warning("%s %s: no model: %s", record["symbol"], kind, record["skipped"])
    else:
        log.info("%s %s: %s %s", record["symbol"], kind, record["version"], record["metrics"])
    atomic.write_json(output, record)


if __name__ == "__main__":
    job(
        train_model,
        *("cutoff", "symbol", "kind", "history", "snapshot", "code_sha256", "output"),
    )
