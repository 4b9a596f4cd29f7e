"""The open times of a file of candles that people already have, in whatever form it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bot_cripto.arrow_columns import to_numpy
from bot_cripto.market.validate import LATEST_MS
from bot_cripto.timeframes import TIMEFRAMES, parse_iso

EARLIEST_MS = parse_iso("2009-01-01")
"""No cryptocurrency is older: a file of earlier times alone has them in an unknown form."""


class UnusableError(Exception):
    """What is wrong with a file's content; `archive_files.read_file` adds the file's name."""


def open_times(date: pa.ChunkedArray, time: pa.ChunkedArray | None = None) -> NDArray[np.int64]:
    """Return milliseconds UTC of a column of times, or of one of dates and one of times of day.

    Parameters
    ----------
    date : pyarrow.ChunkedArray of length n >= 1
        Timestamps, dates, epoch numbers (see `epoch_ms`) or ISO text.
    time : pyarrow.ChunkedArray, optional
        Times of day. Where one column is whole by itself (a timestamp beside the same time as
        an epoch number), that one alone counts.

    Returns
    -------
    ndarray of shape (n,), int64

    Raises
    ------
    UnusableError
        A time is missing or not understood, or not one lies in 2009 to 2099.
    """
    times = _times(date) if time is None else _joined_times(date, time)
    if not ((times >= EARLIEST_MS) & (times < LATEST_MS)).any():
        given = " ".join(str(c[0].as_py()) for c in (date, time) if c is not None)
        raise UnusableError(
            f"its times are none of 2009 to 2099 (the first is {given}); write them as ISO 8601 or "
            "epoch milliseconds"
        )
    return times


def _times(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return milliseconds UTC of a column of timestamps, epoch numbers or ISO text."""
    kind = column.type
    if column.null_count:
        raise UnusableError(f"the time is missing in {column.null_count} rows; remove those rows")
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_date(kind):
        return to_numpy(column.cast(pa.timestamp("ms")).cast(pa.int64()))
    if pa.types.is_timestamp(kind):
        # Arrow stores UTC whatever the zone; safe=False cuts off what a millisecond cannot hold
        milliseconds = column.cast(pa.timestamp("ms", kind.tz), safe=False)
        return to_numpy(milliseconds.cast(pa.int64()))
    if pa.types.is_integer(kind):
        return epoch_ms(to_numpy(column.cast(pa.int64())))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return epoch_ms(to_numpy(column.cast(pa.float64())))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            return np.array([parse_iso(text) for text in column.to_pylist()], dtype=np.int64)
        except ValueError as error:
            raise UnusableError(f"the time is not understood: {error}; use ISO 8601") from error
    raise UnusableError(f"the time column is of type {kind}, which is no time")


def _joined_times(date: pa.ChunkedArray, time: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return milliseconds UTC of a column of dates and one of times of day.

    Either may also be whole by itself, as epoch numbers or timestamps are: then it alone counts.
    """
    if not (pa.types.is_time(time.type) or pa.types.is_string(time.type)):
        times = _times(time)
        if (times >= EARLIEST_MS).any():
            return times
    days = _times(date)
    if (days % TIMEFRAMES["1d"]).any():
        return days
    if time.null_count:
        raise UnusableError(f"the time is missing in {time.null_count} rows; remove those rows")
    if not pa.types.is_time(time.type):
        raise UnusableError(
            f"the time of day is not understood: {time[0].as_py()!r}; write it as HH:MM:SS, or put "
            "date and time into one column"
        )
    return days + to_numpy(time.cast(pa.time64("ns")).cast(pa.int64())) // 1_000_000


def epoch_ms(number: NDArray[Any]) -> NDArray[np.int64]:
    """Return milliseconds of epoch numbers in s, ms, us or ns, told apart one by one by size.

    Parameters
    ----------
    number : ndarray of shape (n,), int64 or float64
        Seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else nanoseconds:
        for milliseconds that is 1973 to 5138.

    Returns
    -------
    ndarray of shape (n,), int64
        Milliseconds since the epoch, UTC; what is finer is cut off.
    """
    if number.dtype.kind == "f":
        if not np.isfinite(number).all():
            raise UnusableError("the time is not a number in some rows; remove those rows")
        # fractions matter in seconds only, and only down to the millisecond
        seconds = np.abs(number) < 1e11
        number = np.where(seconds, np.round(number * 1000), number)
        whole = number.astype(np.int64)
        return np.where(seconds, whole, _down_to_ms(whole))
    whole = number.astype(np.int64)
    return np.where(np.abs(whole) < 10**11, whole * 1000, _down_to_ms(whole))


def _down_to_ms(whole: NDArray[np.int64]) -> NDArray[np.int64]:
    size = np.abs(whole)
    return whole // np.where(size < 10**14, 1, np.where(size < 10**17, 1000, 1_000_000))
