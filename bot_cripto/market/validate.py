"""Validation of raw candles: what is sound goes on, the rest is quarantined, nothing repaired."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bot_cripto.market.candles import PRICES, Candles, concat, empty
from bot_cripto.timeframes import timeframe_ms

OUT_OF_RANGE = "time out of range"
OFF_GRID = "off the grid"
NOT_FINITE = "not finite"
PRICE = "price not positive"
VOLUME = "negative volume"
INCONSISTENT = "inconsistent OHLC"
CONFLICTING = "conflicting"
STORED_DIFFERS = "differs from stored"

LATEST_MS = 4_102_444_800_000
"""2100-01-01: a later open time is no time of a candle (a wrong unit, most often)."""


@dataclass(frozen=True, eq=False)
class Quarantine:
    """Candles that were refused, each with its reason.

    Attributes
    ----------
    candles : Candles
        The rows as they came, sorted by open time; may hold NaN.
    reasons : tuple of str
        One a row; the words are constants of this module.
    duplicates : int
        How many exact repetitions of a row were dropped; they are in neither result.
    """

    candles: Candles
    reasons: tuple[str, ...]
    duplicates: int = 0

    def __len__(self) -> int:
        return len(self.reasons)

    def counts(self) -> dict[str, int]:
        """Return how many rows were refused for each reason, most frequent first."""
        return dict(Counter(self.reasons).most_common())


def no_quarantine() -> Quarantine:
    """Return a quarantine that holds nothing."""
    return Quarantine(empty(), ())


def join(parts: list[Quarantine]) -> Quarantine:
    """Return the parts as one, in the order given."""
    return Quarantine(
        concat([p.candles for p in parts]),
        tuple(reason for p in parts for reason in p.reasons),
        sum(p.duplicates for p in parts),
    )


def same_rows(left: Candles, right: Candles) -> NDArray[np.bool_]:
    """Return where two runs of one length agree in every price and the volume; NaN equals NaN.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    same = np.ones(len(left), dtype=bool)
    for name in (*PRICES, "volume"):
        a, b = getattr(left, name), getattr(right, name)
        same &= (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def validate(raw: Candles, timeframe: str) -> tuple[Candles, Quarantine]:
    """Part sound candles from unsound ones; no value is ever changed.

    Parameters
    ----------
    raw : Candles
        n candles in any order; may hold NaN, infinities and repeated times.
    timeframe : str
        Its length is the grid: every open time must be a multiple of it.

    Returns
    -------
    candles : Candles
        Sorted by open time, unique, on the grid, finite, prices > 0, volume >= 0, and
        ``low <= min(open, close) <= max(open, close) <= high``.
    quarantine : Quarantine
        The other rows. A row repeated exactly counts once. Where rows of one time differ, all
        of them are refused as conflicting, for nothing here knows which one is right.
        A row with several faults is given the first of: conflicting, time out of range, off the
        grid, not finite, price not positive, negative volume, inconsistent OHLC.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    step = timeframe_ms(timeframe)
    rows, duplicates = _sorted_unique(raw)
    time = rows.open_time
    repeated = np.zeros(len(rows), dtype=bool)
    if len(rows) > 1:
        tie = time[1:] == time[:-1]
        repeated[1:] |= tie
        repeated[:-1] |= tie
    prices = np.stack([getattr(rows, name) for name in PRICES])
    finite = np.isfinite(prices).all(axis=0) & np.isfinite(rows.volume)
    checks = (
        (CONFLICTING, repeated),
        (OUT_OF_RANGE, (time < 0) | (time >= LATEST_MS)),
        (OFF_GRID, time % step != 0),
        (NOT_FINITE, ~finite),
        (PRICE, ~(prices > 0).all(axis=0)),
        (VOLUME, ~(rows.volume >= 0)),
        (INCONSISTENT, ~_consistent(rows)),
    )
    bad = np.logical_or.reduce([fault for _, fault in checks])
    if not bad.any():
        return rows, Quarantine(empty(), (), duplicates)
    which = np.argmax(np.stack([fault for _, fault in checks]), axis=0)[bad]
    return rows[~bad], Quarantine(rows[bad], tuple(checks[i][0] for i in which), duplicates)


def _consistent(rows: Candles) -> NDArray[np.bool_]:
    body_low, body_high = np.minimum(rows.open, rows.close), np.maximum(rows.open, rows.close)
    return (rows.low <= body_low) & (rows.high >= body_high)


def _sorted_unique(raw: Candles) -> tuple[Candles, int]:
    """Return the rows in the order of time without exact repetitions, and how many those were."""
    if len(raw) < 2 or bool((raw.open_time[1:] > raw.open_time[:-1]).all()):
        return raw, 0
    # open time is the last and so the first key; the rest puts equal rows side by side
    keys = [getattr(raw, f.name) for f in reversed(fields(Candles)) if f.name != "filled"]
    rows = raw[np.lexsort(keys)]
    repeats = np.zeros(len(rows), dtype=bool)
    repeats[1:] = (rows.open_time[1:] == rows.open_time[:-1]) & same_rows(rows[1:], rows[:-1])
    return rows[~repeats], int(repeats.sum())
