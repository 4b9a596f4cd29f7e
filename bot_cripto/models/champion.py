"""The champion file: which version of each model a symbol uses, and which it used before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bot_cripto import atomic
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso

HISTORY_LIMIT = 20
"""How many earlier champions the champion file keeps; the .jsonl beside it keeps all."""


@dataclass(frozen=True)
class Champion:
    """Which models a symbol uses.

    Attributes
    ----------
    symbol, source, timeframe : str
    horizon_steps : int
        What the models are about; a run with others must not use them.
    provisional : bool
        True until a retrain has judged the models: paper trading only.
    kinds : dict of str to ModelUse
        By trend, return, risk or baseline.
    promoted_at : str
        ISO 8601 time.
    reason : str
        Why these models are in use, in a sentence.
    history : tuple of Champion
        Earlier ones, the newest first, each without a history of its own.
    """

    symbol: str
    source: str
    timeframe: str
    horizon_steps: int
    provisional: bool
    kinds: dict[str, ModelUse]
    promoted_at: str
    reason: str
    history: tuple[Champion, ...] = ()

    def same_subject(self, other: Champion) -> bool:
        """Return whether both are about the same source, timeframe and horizon."""
        return (self.source, self.timeframe, self.horizon_steps) == (
            other.source,
            other.timeframe,
            other.horizon_steps,
        )


def champion_path(models_dir: Path | str, symbol: str) -> Path:
    """Return the path of a symbol's champion file."""
    return Path(models_dir) / "champion" / f"{symbol_to_path(symbol)}.json"


def history_path(models_dir: Path | str, symbol: str) -> Path:
    """Return the path of the file that keeps every champion of a symbol, one a line."""
    return Path(models_dir) / "champion" / "history" / f"{symbol_to_path(symbol)}.jsonl"


def read_champion(models_dir: Path | str, symbol: str) -> Champion | None:
    """Return the champion of a symbol, or None where it has none.

    Raises
    ------
    ModelError
        The file cannot be read or is not a champion of that symbol.
    """
    path = champion_path(models_dir, symbol)
    try:
        champion = _parse(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"champion file {path} is damaged ({error!r}); delete it and run again: "
            "it is restored from its history"
        ) from error
    if champion.symbol != symbol:
        raise ModelError(f"champion file {path} is of {champion.symbol}, not of {symbol}")
    return champion


def promote(
    models_dir: Path | str,
    symbol: str,
    kinds: Mapping[str, ModelUse],
    *,
    source: str,
    timeframe: str,
    horizon_steps: int,
    provisional: bool,
    reason: str,
    promoted_at_ms: int,
    keep_others: bool = False,
) -> Champion:
    """Put models in use, atomically, and return the new champion.

    Promoting what is in use already, for the same reason, changes nothing.

    Parameters
    ----------
    models_dir : Path or str
    symbol : str
    kinds : mapping of str to ModelUse
        The versions by kind.
    source, timeframe, horizon_steps, provisional, reason
        As in `Champion`.
    promoted_at_ms : int
        Milliseconds since the epoch, UTC.
    keep_others : bool
        True leaves the other kinds of a champion of the same source, timeframe and horizon
        in use; False leaves `kinds` alone in use.
    """
    unknown = sorted(set(kinds) - set(ALL_KINDS))
    if unknown or not kinds:
        raise ModelError(f"a champion is of {', '.join(ALL_KINDS)}, not of {unknown or 'nothing'}")
    try:
        current = read_champion(models_dir, symbol)
    except ModelError:
        # A damaged file is replaced; what it said is in the history file.
        current = None
    new = Champion(
        symbol,
        source,
        timeframe,
        horizon_steps,
        provisional,
        dict(kinds),
        iso(promoted_at_ms),
        reason,
    )
    earlier = _read_history(models_dir, symbol)
    if current is not None:
        if keep_others and current.same_subject(new):
            new = replace(new, kinds={**current.kinds, **kinds})
        if replace(current, history=(), promoted_at=new.promoted_at) == new:
            return current
        past = replace(current, history=())
        earlier = [past, *current.history]
    new = replace(new, history=tuple(earlier[:HISTORY_LIMIT]))
    _append_history(models_dir, new)
    atomic.write_json(champion_path(models_dir, symbol), _as_json(new))
    return new


def restore_lost(models_dir: Path | str, symbols: Iterable[str]) -> list[str]:
    """Write the champion files that are lost or damaged again from their history.

    Returns
    -------
    list of str
        The symbols whose champion was restored. A symbol without a history is left alone.
    """
    restored = []
    for symbol in symbols:
        try:
            lost = read_champion(models_dir, symbol) is None
        except ModelError:
            lost = True
        history = _read_history(models_dir, symbol) if lost else []
        if history:
            champion = replace(history[0], history=tuple(history[1 : HISTORY_LIMIT + 1]))
            atomic.write_json(champion_path(models_dir, symbol), _as_json(champion))
            restored.append(symbol)
    return restored


def _as_json(champion: Champion) -> dict[str, Any]:
    value = asdict(champion)
    value["history"] = [_without_history(past) for past in champion.history]
    return value


def _without_history(champion: Champion) -> dict[str, Any]:
    value = asdict(champion)
    del value["history"]
    return value


def _parse(value: Mapping[str, Any]) -> Champion:
    """Return the champion of parsed JSON; KeyError, TypeError or ValueError where it is none."""
    kinds = {kind: ModelUse(**use) for kind, use in value["kinds"].items()}
    if not kinds or not set(kinds) <= set(ALL_KINDS):
        raise ValueError(f"unknown kinds {sorted(kinds)}")
    for use in kinds.values():
        if not isinstance(use.version, str) or not isinstance(use.sha256, str):
            raise TypeError("version and sha256 must be text")
    return Champion(
        str(value["symbol"]),
        str(value["source"]),
        str(value["timeframe"]),
        int(value["horizon_steps"]),
        bool(value["provisional"]),
        kinds,
        str(value["promoted_at"]),
        str(value["reason"]),
        tuple(_parse(past) for past in value.get("history", ())),
    )


def _read_history(models_dir: Path | str, symbol: str) -> list[Champion]:
    """Return the champions of the history file, the newest first; broken lines are passed over."""
    try:
        # Bytes, for a line that is no UTF-8 is a broken line like others.
        lines = history_path(models_dir, symbol).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    champions = []
    for line in reversed(lines):
        try:
            champion = _parse(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if champion.symbol == symbol:
            champions.append(champion)
    return champions


def _append_history(models_dir: Path | str, champion: Champion) -> None:
    path = history_path(models_dir, champion.symbol)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        # A line cut by a crash must not swallow this one.
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(_without_history(champion)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
