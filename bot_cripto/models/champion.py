"""The champion file: which version of each model a symbol uses, and which it used before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from bot_cripto import atomic, clock
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models.champion_lock import champion_lock
from bot_cripto.models.lines import append_line, read_lines
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso, parse_iso

HISTORY_LIMIT = 20
"""How many earlier champions the champion file keeps; the .jsonl beside it keeps all."""

NO_CHAMPION = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What text that is no champion raises; the last is that of a file full of brackets."""

RESTORED = "restored_at"
"""Key of a line of the history that repeats a champion whose file was lost, and says when."""


class _Any(Enum):
    ANY = "any"


ANY: Final = _Any.ANY
"""For `promote`: whatever is in use is replaced."""


class ChampionChangedError(ModelError):
    """Another process has put other versions in use meanwhile; nothing was promoted."""


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
    expected: Champion | _Any | None = ANY,
    by: str | None = None,
) -> Champion:
    """Put models in use, atomically, and return the new champion.

    Promoting what is in use already, for the same reason, changes nothing. It happens under
    `champion_lock`, which the caller must not hold.

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
    expected : Champion or None, optional
        The champion that the choice was made against (None: there was none that can be read).
        Default: any.
    by : str, optional
        Who does it, where that is a person.

    Raises
    ------
    ModelError
        `kinds` are empty or unknown.
    ChampionChangedError
        Other versions than those of `expected` are in use; nothing changed.
    BusyError
        Another process keeps changing the champion.
    """
    unknown = sorted(set(kinds) - set(ALL_KINDS))
    if unknown or not kinds:
        raise ModelError(f"a champion is of {', '.join(ALL_KINDS)}, not of {unknown or 'nothing'}")
    new = Champion(
        symbol,
        source,
        timeframe,
        horizon_steps,
        provisional,
        dict(kinds),
        iso(promoted_at_ms),
        reason,
        by=by,
    )
    with champion_lock(models_dir, symbol):
        try:
            current = read_champion(models_dir, symbol)
        except ModelError:
            # A damaged file is replaced; what it said is in the history file.
            current = None
        if expected is not ANY:
            _check_expected(symbol, current, expected)
        earlier = _read_history(models_dir, symbol)
        if current is not None:
            if keep_others and current.same_subject(new):
                new = replace(new, kinds={**current.kinds, **kinds})
            if replace(current, history=(), promoted_at=new.promoted_at) == new:
                return current
            earlier = [replace(current, history=()), *current.history]
        new = replace(new, history=tuple(earlier[:HISTORY_LIMIT]))
        path = history_path(models_dir, symbol)
        size = path.stat().st_size if path.exists() else None
        try:
            append_line(path, _without_history(new))
            atomic.write_json(champion_path(models_dir, symbol), _as_json(new))
        except BaseException:
            # a full disk: what never was in use must not be restored one day
            if size is None:
                path.unlink(missing_ok=True)
            else:
                os.truncate(path, size)
            raise
    return new


def record_present(models_dir: Path | str, symbol: str) -> None:
    """Add the champion in use to its history, where that ends with another one or is gone.

    So it is where a promotion was killed half-way, or the history was lost.

    Raises
    ------
    ModelError
        The champion file cannot be read.
    BusyError
        Another process keeps changing the champion.
    OSError
        The history cannot be written.
    """
    with champion_lock(models_dir, symbol):
        champion = read_champion(models_dir, symbol)
        if champion is not None and not ends_with(_read_history(models_dir, symbol), champion):
            append_line(history_path(models_dir, symbol), _without_history(champion))


def ends_with(history: list[Champion], champion: Champion) -> bool:
    """Whether the newest of a history has the versions of a champion, for the same subject."""
    return bool(history) and (
        history[0].same_subject(champion) and history[0].versions() == champion.versions()
    )


def _check_expected(symbol: str, current: Champion | None, expected: Champion | None) -> None:
    """Raise ChampionChangedError where other versions are in use than were expected."""
    found = current.versions() if current else {}
    if found != (expected.versions() if expected else {}):
        since = f"since {current.promoted_at}: {current.reason}" if current else "it is gone"
        raise ChampionChangedError(
            f"nothing was promoted: the champion of {symbol} changed while it was being compared "
            f"({since})"
        )


def restore_lost(
    models_dir: Path | str, symbols: Iterable[str], now_ms: int | None = None
) -> list[str]:
    """Write the champion files that are lost or damaged again from their history.

    What is restored is as it was; a line of the history says that it was restored, and when.

    Parameters
    ----------
    models_dir : Path or str
    symbols : iterable of str
    now_ms : int, optional
        Milliseconds since the epoch, UTC; default: now, by the one clock.

    Returns
    -------
    list of str
        The symbols whose champion was restored. A symbol without a history is left alone.
    """
    restored = []
    for symbol in symbols:
        # without a champion ever, there is nothing to lock
        if not is_lost(models_dir, symbol) or not _read_history(models_dir, symbol):
            continue
        with champion_lock(models_dir, symbol):
            if not is_lost(models_dir, symbol):
                continue  # another process was faster
            history = _read_history(models_dir, symbol)
            champion = replace(history[0], history=tuple(history[1 : HISTORY_LIMIT + 1]))
            at = iso(clock.now_ms() if now_ms is None else now_ms)
            append_line(
                history_path(models_dir, symbol), {**_without_history(champion), RESTORED: at}
            )
            atomic.write_json(champion_path(models_dir, symbol), _as_json(champion))
            restored.append(symbol)
    return restored


def is_lost(models_dir: Path | str, symbol: str) -> bool:
    """Whether a symbol has no champion file that can be read."""
    try:
        return read_champion(models_dir, symbol) is None
    except ModelError:
        return True


def _as_json(champion: Champion) -> dict[str, Any]:
    value = _without_history(champion)
    value["history"] = [_without_history(past) for past in champion.history]
    return value


def _without_history(champion: Champion) -> dict[str, Any]:
    value = asdict(champion)
    del value["history"]
    if value["by"] is None:
        del value["by"]
    return value


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
        return _read_history(models_dir, symbol)
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


def _read_history(models_dir: Path | str, symbol: str) -> list[Champion]:
    champions: list[Champion] = []
    restored = []
    for line in reversed(read_lines(history_path(models_dir, symbol))):
        found = _parsed(line)
        if found is not None and found[0].symbol == symbol:
            champions.append(found[0])
            restored.append(found[1])
    # what was restored stands twice, unless the line of its promotion is broken
    return [c for i, c in enumerate(champions) if not restored[i] or c not in champions[i + 1 :]]
