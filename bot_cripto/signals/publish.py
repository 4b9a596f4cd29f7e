"""Publishing: the validated documents become the files that other programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import DataError
from bot_cripto.signals.document import validate
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

WRITTEN = "written"
UNCHANGED = "unchanged"
SKIPPED = "skipped"


@dataclass(frozen=True)
class Publication:
    """What became of one file.

    Attributes
    ----------
    path : Path
        The file.
    action : str
        WRITTEN, UNCHANGED (it said the same already) or SKIPPED (it tells of a newer candle).
    reason : str
        Why it was not written; empty when it was.
    """

    path: Path
    action: str
    reason: str = ""


def signal_path(logs_dir: Path | str, symbol: str | None = None) -> Path:
    """Return where a symbol's signal is published; without a symbol, `signal.json`."""
    if symbol is None:
        return Path(logs_dir) / "signal.json"
    return Path(logs_dir) / "signals" / f"{symbol_to_path(symbol)}.json"


def publish(
    documents: Mapping[str, dict[str, Any]],
    logs_dir: Path | str,
    first_symbol: str,
    now_ms: int,
) -> list[Publication]:
    """Write ``signals/<SYMBOL>.json`` of every symbol and ``signal.json`` of the first one.

    Each file is replaced atomically. One that says the same but for `ts` is left alone. One that
    tells of a newer candle of the same source and timeframe is kept: a run as of an earlier
    moment publishes nothing. What is on disk and is no valid signal never stands in the way.

    Parameters
    ----------
    documents : mapping of str to dict
        Signal documents by symbol.
    logs_dir : Path or str
        The folder of the logs; made if missing.
    first_symbol : str
        The first configured symbol, whose document is `signal.json`.
    now_ms : int
        The system's time, milliseconds since the epoch, UTC: what is published of a candle that
        closes after it came from a wrong clock and is replaced.

    Returns
    -------
    list of Publication
        One per file, in the order of `documents`, `signal.json` after the first symbol's own.

    Raises
    ------
    DataError
        A document is invalid or of another symbol, or the first symbol has none. What is valid
        has been published all the same; the message names every symbol that was not.
    OSError
        A file could not be written; it is as it was before.
    """
    done: list[Publication] = []
    problems: list[str] = []
    for symbol, document in documents.items():
        try:
            validate(document)
            if document["symbol"] != symbol:
                raise DataError(f"signal of {document['symbol']} was handed in for {symbol}")
        except DataError as error:
            problems.append(f"{symbol}: {error}")
            continue
        paths = [signal_path(logs_dir, symbol)]
        if symbol == first_symbol:
            paths.append(signal_path(logs_dir))
        # read before the first is written: a deleted one has forgotten its candle
        known = [_read(path) for path in paths]
        done += [_put(path, document, known, now_ms) for path in paths]
    if first_symbol not in documents:
        problems.append(f"{first_symbol}: it has no signal, so signal.json is not published")
    if problems:
        raise DataError("not published: " + "; ".join(problems))
    return done


def publish_failure(document: dict[str, Any], logs_dir: Path | str) -> Publication:
    """Write a NO_TRADE as `signal.json` alone, whatever stands there.

    For a failure before the symbols or the candle are known, such as a configuration error:
    better no signal than an old one that looks valid.

    Raises
    ------
    DataError
        The document is invalid, or no NO_TRADE.
    """
    validate(document)
    if document["decision"] != "NO_TRADE":
        raise DataError(f"a failure is NO_TRADE, not {document['decision']}")
    path = signal_path(logs_dir)
    atomic.write_json(path, document)
    return Publication(path, WRITTEN)


def _read(path: Path) -> dict[str, Any] | None:
    """Return the valid signal at `path`, or None: a damaged file is no reason to keep it."""
    try:
        document = json.loads(path.read_bytes())
        validate(document)
    except (FileNotFoundError, ValueError, DataError):
        return None
    return dict(document)


def _put(
    path: Path, document: dict[str, Any], known: list[dict[str, Any] | None], now_ms: int
) -> Publication:
    for published in known:
        if published and _is_older(document, published, now_ms):
            return Publication(
                path,
                SKIPPED,
                f"the candle {document['candle_close_time']} is older than the published "
                f"{published['candle_close_time']} of {published['symbol']}",
            )
    present = _read(path)
    if present and {**document, "ts": present["ts"]} == present:
        return Publication(path, UNCHANGED, "it says the same already")
    atomic.write_json(path, document)
    return Publication(path, WRITTEN)


def _is_older(document: dict[str, Any], published: dict[str, Any], now_ms: int) -> bool:
    ours, theirs = document["candle_close_time"], published["candle_close_time"]
    if ours is None or theirs is None:
        return False
    if any(document[key] != published[key] for key in ("source", "timeframe")):
        return False
    return parse_iso(ours) < parse_iso(theirs) <= now_ms
