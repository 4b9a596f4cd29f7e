"""Going back to the models that a symbol used before."""

from __future__ import annotations

from pathlib import Path

from bot_cripto.errors import ModelError
from bot_cripto.models.champion import Champion, promote, read_champion
from bot_cripto.models.version import folder, load_compatible


def roll_back(models_dir: Path | str, symbol: str, *, reason: str, now_ms: int) -> Champion:
    """Put the newest earlier champion with other versions back in use, and return the new one.

    Going back twice returns to where one was: what is replaced becomes the newest earlier one.
    The caller holds the lock of the role ``retrain``, for that too replaces champions.

    Parameters
    ----------
    models_dir : Path or str
    symbol : str
    reason : str
        Why, in a sentence; it stays with the champion.
    now_ms : int
        Milliseconds since the epoch, UTC.

    Raises
    ------
    ModelError
        The symbol has no champion or none before it of the same source, timeframe and horizon,
        or a version of that one is damaged or does not fit today's features; nothing changed.
    """
    current = read_champion(models_dir, symbol)
    if current is None:
        raise ModelError(f"{symbol} has no models yet; run: snakemake signal")
    in_use = {kind: use.version for kind, use in current.kinds.items()}
    for past in current.history:
        versions = {kind: use.version for kind, use in past.kinds.items()}
        if versions != in_use and past.same_subject(current):
            break
    else:
        raise ModelError(f"{symbol} has no other models to go back to")
    for kind, use in past.kinds.items():
        if load_compatible(folder(models_dir, kind, symbol) / use.version).sha256 != use.sha256:
            raise ModelError(f"{kind} {use.version} of {symbol} is not the one that was in use")
    return promote(
        models_dir,
        symbol,
        past.kinds,
        source=past.source,
        timeframe=past.timeframe,
        horizon_steps=past.horizon_steps,
        provisional=past.provisional,
        reason=reason,
        promoted_at_ms=now_ms,
    )
