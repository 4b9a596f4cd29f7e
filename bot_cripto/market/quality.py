"""The quality report of a window of candles: what is there, what is not, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.market.candles import Candles
from bot_cripto.market.gaps import gaps, grid, real_candles, to_grid
from bot_cripto.timeframes import iso, timeframe_ms

MAX_GAPS = 100


def report(
    candles: Candles,
    *,
    symbol: str,
    source: str,
    timeframe: str,
    since_ms: int,
    until_ms: int,
    max_fill: int,
    quarantined: Mapping[str, int] | None = None,
    conflicts: int = 0,
) -> dict[str, Any]:
    """Describe the stored candles of a window, ready to be written as JSON.

    Parameters
    ----------
    candles : Candles
        What the store has of the window; sorted, unique, on the grid.
    symbol, source, timeframe : str
        Whose candles they are.
    since_ms, until_ms : int
        The window, milliseconds since the epoch, UTC; `until_ms` is the close of the last candle
        that has closed, so that the last open time expected lies one timeframe before it.
    max_fill : int
        How many candles of a gap are filled in; see `bot_cripto.market.gaps.to_grid`.
    quarantined : mapping of str to int, optional
        Refused candles by reason.
    conflicts : int
        Candles that came again with other values than those stored.

    Returns
    -------
    dict
        ``expected``, ``present``, ``missing``, ``filled`` and ``stale_candles`` (closed candles
        missing at the end) count candles. ``gaps`` lists the longest `MAX_GAPS` gaps in the
        order of time, ``gaps_total`` counts all. Times are ISO 8601 in UTC; ``last_candle`` is
        the close of the last candle, None without one. ``problems`` are sentences on what makes
        the window unfit to be computed on (no candles, stale, gaps longer than is filled in),
        ``ok`` says that there are none; ``notes`` are sentences on what was refused or filled.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    step = timeframe_ms(timeframe)
    expected = len(grid(timeframe, since_ms, until_ms))
    runs = gaps(candles, timeframe, since_ms, until_ms)
    missing = sum(count for _, count in runs)
    # those of the window only, so that what is given before it changes nothing
    real = real_candles(candles).between(since_ms, until_ms)
    filled = int(to_grid(real, timeframe, since_ms, until_ms, max_fill).filled.sum())
    last_close = int(real.open_time[-1]) + step if len(real) else None
    stale = runs[-1][1] if runs and runs[-1][0] + runs[-1][1] * step >= until_ms else 0
    refused = dict(quarantined or {})
    problems, notes = [], []
    if not expected:
        problems.append("The window holds no candle that has closed.")
    elif last_close is None:
        problems.append(f"No candle of the window is there (expected: {expected}).")
    else:
        if stale:
            problems.append(
                f"The data ends at {iso(last_close)}; closed candles missing since: {stale}."
            )
        if inside := missing - filled - max(stale - max_fill, 0):
            problems.append(
                f"Gaps of more than {max_fill} candles leave {inside} of {expected} missing."
            )
    if filled:
        notes.append(f"Candles filled in flat, with volume 0: {filled}.")
    if refused:
        reasons = ", ".join(f"{n} {reason}" for reason, n in refused.items())
        notes.append(f"Candles refused: {reasons}.")
    if conflicts:
        notes.append(f"Candles that came again with other values, the first kept: {conflicts}.")
    listed = sorted(sorted(runs, key=lambda run: -run[1])[:MAX_GAPS])
    return {
        "symbol": symbol,
        "source": source,
        "timeframe": timeframe,
        "since": iso(since_ms),
        "until": iso(until_ms),
        "expected": expected,
        "present": expected - missing,
        "missing": missing,
        "filled": filled,
        "stale_candles": stale,
        "last_candle": None if last_close is None else iso(last_close),
        "gaps_total": len(runs),
        "gaps": [{"start": iso(start), "candles": count} for start, count in listed],
        "quarantined": refused,
        "conflicts": conflicts,
        "ok": not problems,
        "problems": problems,
        "notes": notes,
    }
