"""The champion file: which version of each model a symbol uses, and which it used before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models.lines import read_lines
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import parse_iso

NO_CHAMPION = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What text that is no champion raises; the last is that of a file full of brackets."""

RESTORED = "restored_at"
"""Key of a line of the history that repeats a champion whose file was lost, and says when."""


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
    by : str or None
        Who put them in use, where that was a person.
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
    by: str | None = None

    def versions(self) -> dict[str, str]:
        """Return the names of the versions by kind."""
        return {kind: use.version for kind, use in self.kinds.items()}

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
    except (OSError, *NO_CHAMPION) as error:
        raise ModelError(
            f"champion file {path} is damaged ({error!r}); delete it and run again: "
            "it is restored from its history"
        ) from error
    if champion.symbol != symbol:
        raise ModelError(f"champion file {path} is of {champion.symbol}, not of {symbol}")
    return champion


def is_lost(models_dir: Path | str, symbol: str) -> bool:
    """Whether a symbol has no champion file that can be read."""
    try:
        return read_champion(models_dir, symbol) is None
    except ModelError:
        return True


def ends_with(history: list[Champion], champion: Champion) -> bool:
    """Whether the newest of a history has the versions of a champion, for the same subject."""
    return bool(history) and (
        history[0].same_subject(champion) and history[0].versions() == champion.versions()
    )


def _parse(value: Mapping[str, Any]) -> Champion:
    """Return the champion of parsed JSON; one of `NO_CHAMPION` is raised where it is none."""
    kinds = {kind: ModelUse(**use) for kind, use in value["kinds"].items()}
    if not kinds or not set(kinds) <= set(ALL_KINDS):
        raise ValueError(f"unknown kinds {sorted(kinds)}")
    for use in kinds.values():
        if not isinstance(use.version, str) or not isinstance(use.sha256, str):
            raise TypeError("version and sha256 must be text")
    parse_iso(value["promoted_at"])
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
        None if value.get("by") is None else str(value["by"]),
    )


def read_history(models_dir: Path | str, symbol: str) -> list[Champion]:
    """Return every champion that a symbol ever had, the newest first.

    Broken lines are passed over, and so are those that only say that a file was restored.

    Raises
    ------
    ModelError
        The file is there and cannot be read.
    """
    path = history_path(models_dir, symbol)
    try:
        return champions_ever(models_dir, symbol)
    except OSError as error:
        raise ModelError(f"the history {path} cannot be read ({error.strerror})") from error


def broken_history(models_dir: Path | str, symbol: str) -> int:
    """Return how many lines of the history of a symbol are damaged.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    return sum(_parsed(line) is None for line in read_lines(history_path(models_dir, symbol)))


def _parsed(line: bytes) -> tuple[Champion, bool] | None:
    """Return the champion of a line and whether it was restored; None where it is damaged."""
    try:
        value = json.loads(line)
        return _parse(value), RESTORED in value
    except NO_CHAMPION:
        return None


def champions_ever(models_dir: Path | str, symbol: str) -> list[Champion]:
    """Return what `read_history` does; OSError where the file is there and cannot be read."""
    champions: list[Champion] = []
    restored = []
    for line in reversed(read_lines(history_path(models_dir, symbol))):
        found = _parsed(line)
        if found is not None and found[0].symbol == symbol:
            champions.append(found[0])
            restored.append(found[1])
    # what was restored stands twice, unless the line of its promotion is broken
    return [c for i, c in enumerate(champions) if not restored[i] or c not in champions[i + 1 :]]
