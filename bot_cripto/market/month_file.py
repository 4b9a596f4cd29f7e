"""One month of candles as a Parquet file: plain, checksummed, the same bytes for the same rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bot_cripto import atomic
from bot_cripto.arrow_columns import from_numpy, to_numpy
from bot_cripto.errors import DataError
from bot_cripto.market.candles import PRICES, Candles, make

COLUMNS = ("open_time", *PRICES, "volume")
NAME = re.compile(r"\d{4}-\d{2}\.parquet")


class DamagedError(DataError):
    """The content of a month file is not what was written; `CandleStore.heal` sets it aside."""


_SCHEMA = pa.schema(
    [pa.field("open_time", pa.int64(), nullable=False)]
    + [pa.field(name, pa.float64(), nullable=False) for name in COLUMNS[1:]]
)


def month_of(open_time: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Return the month (UTC) of each open time in milliseconds, as ``datetime64[M]``."""
    return open_time.astype("datetime64[ms]").astype("datetime64[M]")


def write(path: Path, candles: Candles) -> None:
    """Write a month of sorted candles atomically.

    Raises
    ------
    OSError
        The disk is full or the folder not writable; the file is as it was before.
    """
    columns = [from_numpy(getattr(candles, name)) for name in COLUMNS]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)

    def fill(file: object) -> None:
        pq.write_table(
            table,
            file,
            row_group_size=len(candles),  # one group, so that its statistics are the file's
            compression="none",
            use_dictionary=False,
            write_statistics=["open_time"],
            write_page_checksum=True,
            store_schema=False,
        )

    atomic.write(path, fill)


def read(path: Path) -> Candles:
    """Read a month of candles and check that it is whole.

    Raises
    ------
    DamagedError
        The file was cut or altered (page checksums), has other columns, or its times are not
        increasing within the month of its name.
    DataError
        The system refuses to read it.
    FileNotFoundError
        There is no such file.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=list(COLUMNS), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _reading_failed(path, error) from error
    if not table.schema.equals(_SCHEMA):
        raise _damaged(path, "it has other columns")
    candles = make(*(to_numpy(table.column(name)) for name in COLUMNS))
    time = candles.open_time
    if not len(time) or not bool((time[1:] > time[:-1]).all()):
        raise _damaged(path, "its times are not increasing")
    first, last = month_of(time[[0, -1]])
    if not str(first) == str(last) == path.stem:
        raise _damaged(path, f"it holds candles of {first} to {last}")
    return candles


def span(path: Path) -> tuple[int, int]:
    """Return the first and the last open time of the file from its footer alone.

    Raises
    ------
    DamagedError
        The footer is not what was written.
    DataError
        The system refuses to read it.
    FileNotFoundError
        There is no such file.
    """
    try:
        with pq.ParquetFile(path) as file:
            statistics = file.metadata.row_group(0).column(0).statistics
            return int(statistics.min), int(statistics.max)
    except (pa.ArrowException, OSError) as error:
        raise _reading_failed(path, error) from error
    except (AttributeError, IndexError) as error:
        raise _damaged(path, "it says nothing of its times") from error


def _reading_failed(path: Path, error: Exception) -> Exception:
    """Return the error to raise: what the system refuses (rights, disk) is no damage."""
    if isinstance(error, FileNotFoundError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(
            f"{path}: cannot be read ({error.strerror}); give access or check the disk"
        )
    return _damaged(path, str(error).splitlines()[0])


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(
        f"{path}: the candle file is damaged ({why.rstrip('.')}); the next fetch sets it aside as "
        f"{path.name}.damaged and downloads the month again"
    )
