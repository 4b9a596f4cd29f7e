"""Changing the champion: promotion, and restoring a file that was lost, under a short lock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from bot_cripto import atomic, clock
from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models.champion import (
    RESTORED,
    Champion,
    champion_path,
    champions_ever,
    ends_with,
    history_path,
    is_lost,
    read_champion,
)
from bot_cripto.models.champion_lock import champion_lock
from bot_cripto.models.lines import append_line
from bot_cripto.models.version import ALL_KINDS
from bot_cripto.timeframes import iso

HISTORY_LIMIT = 20
"""How many earlier champions the champion file keeps; the .jsonl beside it keeps all."""


class _Any(Enum):
    ANY = "any"


ANY: Final = _Any.ANY
"""For `promote`: whatever is in use is replaced."""


class ChampionChangedError(ModelError):
    """Another process has put other versions in use meanwhile; nothing was promoted."""


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
        earlier = champions_ever(models_dir, symbol)
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
        if champion is not None and not ends_with(champions_ever(models_dir, symbol), champion):
            append_line(history_path(models_dir, symbol), _without_history(champion))


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
        if not is_lost(models_dir, symbol) or not champions_ever(models_dir, symbol):
            continue
        with champion_lock(models_dir, symbol):
            if not is_lost(models_dir, symbol):
                continue  # another process was faster
            history = champions_ever(models_dir, symbol)
            champion = replace(history[0], history=tuple(history[1 : HISTORY_LIMIT + 1]))
            at = iso(clock.now_ms() if now_ms is None else now_ms)
            append_line(
                history_path(models_dir, symbol), {**_without_history(champion), RESTORED: at}
            )
            atomic.write_json(champion_path(models_dir, symbol), _as_json(champion))
            restored.append(symbol)
    return restored


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
