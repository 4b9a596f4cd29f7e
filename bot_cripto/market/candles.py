"""Candles as columns: what every source yields and every later stage reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class Candles:
    """A run of candles of one symbol and timeframe, one array a column.

    Attributes
    ----------
    open_time : ndarray of shape (n,), int64
        Open times in milliseconds since the epoch, UTC.
    open, high, low, close : ndarray of shape (n,), float64
        Prices in the quote currency; NaN in a gap that was not filled.
    volume : ndarray of shape (n,), float64
        Volume in the base currency.
    filled : ndarray of shape (n,), bool
        True where the candle was missing and stands in flat with volume 0.
    """

    open_time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    filled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.open_time)

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Candles:
        """Return the candles of those rows (a slice, a mask or an index array)."""
        return Candles(*(getattr(self, f.name)[rows] for f in fields(self)))

    def between(self, since_ms: int, until_ms: int) -> Candles:
        """Return the candles with ``since_ms <= open_time < until_ms``; they must be sorted."""
        start, stop = np.searchsorted(self.open_time, [since_ms, until_ms])
        return self[int(start) : int(stop)]


def make(
    open_time: NDArray[np.int64],
    open: NDArray[np.float64],  # noqa: A002 - the field's own word
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volume: NDArray[np.float64],
    filled: NDArray[np.bool_] | None = None,
) -> Candles:
    """Return `Candles` of contiguous arrays in the types that it promises."""
    if filled is None:
        filled = np.zeros(len(open_time), dtype=bool)
    return Candles(
        np.ascontiguousarray(open_time, dtype=np.int64),
        np.ascontiguousarray(open, dtype=np.float64),
        np.ascontiguousarray(high, dtype=np.float64),
        np.ascontiguousarray(low, dtype=np.float64),
        np.ascontiguousarray(close, dtype=np.float64),
        np.ascontiguousarray(volume, dtype=np.float64),
        np.ascontiguousarray(filled, dtype=bool),
    )


def empty() -> Candles:
    """Return `Candles` of length 0."""
    none = np.empty(0)
    return make(none.astype(np.int64), none, none, none, none, none)


def concat(parts: Sequence[Candles]) -> Candles:
    """Return the parts one after the other, in the order given."""
    if not parts:
        return empty()
    return Candles(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Candles)))


class CandleSource(Protocol):
    """The one interface of simulated, archive and exchange.

    Attributes
    ----------
    name : str
        ``simulated``, ``archive`` or the exchange id; what `source` says in the signal and in
        the folders that keep made-up and real candles apart.
    """

    name: str

    def now_ms(self) -> int:
        """Return the time by the source's own clock, milliseconds since the epoch, UTC."""
        ...

    def candles(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int
    ) -> Iterator[Candles]:
        """Yield batches of raw **closed** candles with ``since_ms <= open_time < until_ms``.

        Batches come in the order of time and may be stored one by one. Rows are as the source
        gives them: not yet validated, gaps left out. A batch may be empty.

        Raises
        ------
        SourceError
            The source cannot deliver; what was yielded before stays valid.
        """
        ...
