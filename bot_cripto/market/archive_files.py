"""Reading one file of candles that people already have: CSV, zipped CSV, feather or Parquet."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bot_cripto.arrow_columns import to_numpy
from bot_cripto.errors import SourceError
from bot_cripto.market.archive_times import UnusableError, open_times
from bot_cripto.market.candles import Candles, concat, empty, make
from bot_cripto.timeframes import parse_iso

MAX_MEMBER_BYTES = 2 * 1024**3
"""A zip member that would unpack to more than this is refused."""

_TIME_NAMES = (
    "opentime",
    "opentimestamp",
    "timestamp",
    "datetime",
    "date",
    "time",
    "unix",
    "ts",
    "start",
    "starttime",
    "t",
    "indexlevel0",
)
_PRICE_NAMES = {
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice", "max"),
    "low": ("low", "l", "lowprice", "min"),
    "close": ("close", "c", "closeprice", "last"),
}
_VOLUME_NAMES = ("volume", "vol", "v", "basevolume", "volumebase", "basevol")
_BINANCE_COLUMNS = 12

# a zip that ends early, or of a compression that zipfile does not know
_ODD_ZIPS = (EOFError, NotImplementedError)

Opener = Callable[[], IO[bytes]]


def read_file(path: Path, base: str) -> Candles:
    """Return the candles of a file as they stand there, in the file's order.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.csv.gz``, ``.zip`` (of CSV files), ``.feather`` or ``.parquet``.
    base : str
        Base currency: a volume column may bear its name (``Volume BTC``).

    Returns
    -------
    Candles
        Times in milliseconds UTC. Numbers are epoch seconds, milliseconds, microseconds or
        nanoseconds, told apart by size; fractions of a millisecond are cut off. Text is ISO
        8601, UTC where it names no zone; date and time of day may be two columns. An absent
        price or volume is NaN.

    Raises
    ------
    SourceError
        The file cannot be read, is no such file, or has not the columns; the text names it.
    """
    try:
        return concat([_to_candles(table) for table in _tables(path, base)])
    except UnusableError as error:
        raise SourceError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError, zipfile.BadZipFile, zlib.error, *_ODD_ZIPS) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise SourceError(
            f"{path}: cannot be read ({why}); download it again, or move it out of the archive"
        ) from error


def _tables(path: Path, base: str) -> list[pa.Table]:
    name = path.name.lower()
    if name.endswith(".zip"):
        return _read_zip(path, base)
    if name.endswith((".csv", ".csv.gz")):
        compression = "gzip" if name.endswith(".gz") else None
        return [_read_csv(lambda: pa.input_stream(path, compression=compression), base)]
    import pyarrow.ipc
    import pyarrow.parquet

    if name.endswith(".feather"):
        with pa.OSFile(str(path)) as file:
            reader = pyarrow.ipc.open_file(file)
            columns = _columns(reader.schema.names, base)
            return [reader.read_all().select(columns)]
    with pyarrow.parquet.ParquetFile(path) as file:
        # nested columns cannot be candles, so the leaves' names are the columns' names
        columns = _columns(file.schema_arrow.names, base)
        return [file.read(columns=columns, use_threads=False).select(columns)]


def _read_zip(path: Path, base: str) -> list[pa.Table]:
    tables = []
    with zipfile.ZipFile(path) as archive:
        members = [
            m
            for m in archive.infolist()
            if m.filename.lower().endswith(".csv") and not m.filename.startswith("__MACOSX/")
        ]
        if not members:
            inside = ", ".join(archive.namelist()[:5]) or "nothing"
            raise UnusableError(f"the zip holds no CSV file (in it: {inside})")
        for member in members:
            if member.file_size > MAX_MEMBER_BYTES:
                raise UnusableError(
                    f"{member.filename} in it would unpack to {member.file_size / 1e9:.1f} GB; "
                    f"{MAX_MEMBER_BYTES / 1e9:.1f} GB is the limit"
                )
            if member.flag_bits & 1:
                raise UnusableError(f"{member.filename} in it is encrypted; unpack it by hand")
            # zipfile hands out no more than file_size bytes, whatever the member unpacks to
            content = archive.read(member)
            tables.append(_read_csv(partial(io.BytesIO, content), base))
    return tables


def _read_csv(opener: Opener, base: str) -> pa.Table:
    from pyarrow import csv

    with opener() as file:
        head = io.BytesIO(file.read(65_536))
    skip, names = _csv_header(head, base)
    columns = _columns(names, base)
    with opener() as file:
        table = csv.read_csv(
            file,
            csv.ReadOptions(use_threads=False, skip_rows=skip, column_names=names),
            csv.ParseOptions(delimiter=_delimiter(head)),
            csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns[1:6], pa.float64())
            ),
        )
    return table.select(columns)


def _delimiter(head: io.BytesIO) -> str:
    lines = head.getvalue().splitlines()[:3]
    return max((",", ";", "\t"), key=lambda d: sum(line.count(d.encode()) for line in lines))


def _csv_header(head: io.BytesIO, base: str) -> tuple[int, list[str]]:
    """Return how many lines to skip and the columns' names, given or those of Binance."""
    lines = head.getvalue().decode("utf-8-sig", errors="replace").splitlines()
    if not lines:
        raise UnusableError("the file is empty")
    delimiter = _delimiter(head)
    for skip, line in enumerate(lines[:3]):
        names = [n.strip().strip('"') for n in line.split(delimiter)]
        if len(names) == 1:
            continue  # a title above the header
        if not _is_time(names[0]):
            return skip + 1, names
        if len(names) not in (6, _BINANCE_COLUMNS):
            raise UnusableError(
                f"no header, and {len(names)} columns: only 6 (time, open, high, low, close, "
                "volume) or the 12 of Binance are understood without one"
            )
        known = ["open_time", "open", "high", "low", "close", "volume"]
        return skip, known + [f"more_{i}" for i in range(len(names) - len(known))]
    raise UnusableError("the first lines hold a single column; candles have six or more")


def _is_time(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        try:
            parse_iso(text)
        except ValueError:
            return False
    return True


def _columns(names: Sequence[str], base: str) -> list[str]:
    """Return the names of time, open, high, low, close, volume as the file spells them.

    A seventh is the time of day, where the time is a date beside a column named time.
    """
    spelt: dict[str, str] = {}
    for name in names:
        spelt.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), name)
    volume = (*_VOLUME_NAMES, f"volume{base.lower()}", f"vol{base.lower()}")
    wanted = {"time": _TIME_NAMES, **_PRICE_NAMES, "volume": volume}
    found = {
        role: next((spelt[a] for a in aliases if a in spelt), None)
        for role, aliases in wanted.items()
    }
    if absent := [role for role, name in found.items() if name is None]:
        raise UnusableError(
            f"no column for {', '.join(absent)} among {', '.join(map(repr, names))}; rename them "
            "to open_time, open, high, low, close, volume"
        )
    names = [name for name in found.values() if name is not None]
    return [*names, spelt["time"]] if names[0] == spelt.get("date") and "time" in spelt else names


def _to_candles(table: pa.Table) -> Candles:
    if not table.num_rows:
        return empty()
    columns = table.columns
    times = open_times(columns[0], columns[6] if len(columns) > 6 else None)
    open_, high, low, close, volume = (_floats(table, i) for i in range(1, 6))
    return make(times, open_, high, low, close, volume)


def _floats(table: pa.Table, index: int) -> NDArray[np.float64]:
    """Return the values of a column, nulls as NaN."""
    column = table.column(index)
    try:
        column = column.cast(pa.float64())
    except pa.ArrowException as error:
        name = table.column_names[index]
        raise UnusableError(f"column {name!r} holds other things than numbers ({error})") from error
    return to_numpy(column.fill_null(float("nan")) if column.null_count else column)
