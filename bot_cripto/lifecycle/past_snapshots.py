"""The training snapshot of a version, found by its digest or built again from the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.past_signals import MissingLinkError
from bot_cripto.market.store import CandleStore
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, read_snapshot
from bot_cripto.models.stored_history import stored_snapshot
from bot_cripto.provenance import sha256_json
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import candle_id, parse_iso


@dataclass(frozen=True, eq=False)
class Found:
    """A snapshot whose digest is the one that was looked for.

    Attributes
    ----------
    snapshot : Snapshot
    place : str
        Where it is from, in words.
    stored : bool
        Whether its file was still there; False: built again from the candles.
    """

    snapshot: Snapshot
    place: str
    stored: bool


def snapshot_file(layout: Layout, metadata: Mapping[str, Any]) -> Path | None:
    """Return the file that states the digest of a version's snapshot; None where there is none.

    Parameters
    ----------
    layout : Layout
        The folder of every source and timeframe is looked through.
    metadata : mapping
        Of the version.
    """
    cutoff = candle_id(parse_iso(metadata["cutoff"]))
    where = f"*/{cutoff}/{symbol_to_path(metadata['symbol'])}/snapshot.parquet"
    for path in sorted((layout.data / "training").glob(where)):
        if _stated(path) == metadata["hashes"]["data"]:
            return path
    return None


def _stated(path: Path) -> str | None:
    """Return the digest that a snapshot's file states; None where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        header = json.loads(pq.read_schema(path).metadata[b"snapshot"])
        return str(header["sha256"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def find_snapshot(layout: Layout, here: dict[str, Any], metadata: Mapping[str, Any]) -> Found:
    """Return the snapshot that a version was trained on.

    Its file comes first. Where that is gone or damaged, the snapshot is built again from the
    candle store, by the present configuration and every one that is kept, until one gives the
    digest.

    Parameters
    ----------
    layout : Layout
    here : dict
        The present effective settings.
    metadata : mapping
        Of the version.

    Raises
    ------
    MissingLinkError
        Neither gives the digest.
    """
    wanted, tried = metadata["hashes"]["data"], []
    path = snapshot_file(layout, metadata)
    if path is None:
        tried.append("its file is gone or damaged")
    else:
        try:
            return Found(read_snapshot(path), str(path), True)
        except DataError as error:
            tried.append(str(error))
    training = TrainingSettings(**metadata["settings"])
    cutoff, symbol = parse_iso(metadata["cutoff"]), metadata["symbol"]
    for market, days, fill in _ways(layout, here, metadata):
        store = CandleStore(layout.store, market, metadata["timeframe"])
        try:
            built = stored_snapshot(
                store, symbol, cutoff, training, history_days=days, fill_candles=fill
            )
        except DataError as error:
            tried.append(f"{store.folder}: {error}")
            continue
        if built.digest() == wanted:
            return Found(built, f"built again from {store.folder}, {days} days", False)
        tried.append(f"the candles of {store.folder} ({days} days) give {built.digest()[:12]}…")
    raise MissingLinkError("training snapshot", f"{wanted[:12]}…: {'; '.join(tried)}")


def _ways(
    layout: Layout, here: dict[str, Any], metadata: Mapping[str, Any]
) -> Iterator[tuple[str, int, int]]:
    """Yield market, days of history and length of gaps filled in, of every known configuration."""
    known = [here]
    for path in sorted(layout.configs.glob("*.json")):
        try:
            settings = json.loads(path.read_bytes())
            whole = sha256_json(settings) == path.stem
        except (OSError, ValueError):
            continue  # another one may do
        if whole:
            known.append(settings)
    subject = ("timeframe", "horizon_steps")
    yield from dict.fromkeys(
        (str(one["market"]), int(one["history_days"]), int(one["fill_candles"]))
        for one in known
        if one.get("source_name") == metadata["source"]
        and all(one.get(name) == metadata[name] for name in subject)
        and {"market", "history_days", "fill_candles"} <= set(one)
    )
