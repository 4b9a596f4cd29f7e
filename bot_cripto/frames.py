"""Columns of numbers in a Parquet file: no pandas, the same bytes for the same numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bot_cripto import atomic
from bot_cripto.arrow_columns import from_numpy, to_numpy
from bot_cripto.errors import DataError


def write_columns(path: Path | str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length as a Parquet file, atomically.

    Parameters
    ----------
    path : Path or str
    columns : mapping of str to ndarray of shape (n,)
        int64, float64, float32, or bool (kept as 0 and 1); NaN stays NaN.

    Raises
    ------
    OSError
        The file could not be written; it is as it was before.
    """
    arrays = [
        from_numpy(column.astype(np.uint8) if column.dtype == np.bool_ else column)
        for column in columns.values()
    ]
    table = pa.Table.from_arrays(
        arrays,
        schema=pa.schema(
            [
                pa.field(name, array.type, nullable=False)
                for name, array in zip(columns, arrays, strict=True)
            ]
        ),
    )
    atomic.write(
        path,
        lambda file: pq.write_table(
            table,
            file,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
            store_schema=False,
        ),
    )


def read_columns(path: Path | str) -> dict[str, NDArray[Any]]:
    """Return the columns of a file of `write_columns`, in their order.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    DataError
        The file is cut or altered.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: the file is damaged ({str(error).splitlines()[0]}); delete it, and the "
            "next run makes it again"
        ) from error
    return {name: to_numpy(table.column(name)) for name in table.column_names}


def columns_sha256(columns: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 (hex) of names and numbers, whatever file they came from."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        values = np.ascontiguousarray(column)
        digest.update(f"{name} {values.dtype.str} {len(values)}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
