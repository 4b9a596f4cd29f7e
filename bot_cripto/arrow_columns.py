"""Arrow columns as NumPy arrays, without pandas: `to_numpy` and `pa.array` import it (0.4 s)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TYPES: dict[np.dtype[Any], pa.DataType] = {
    np.dtype(np.int64): pa.int64(),
    np.dtype(np.float64): pa.float64(),
    np.dtype(np.float32): pa.float32(),
    np.dtype(np.uint8): pa.uint8(),
}
_DTYPES = {kind: dtype for dtype, kind in TYPES.items()}


def to_numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return the values of a column of one of `TYPES`, without nulls; read-only, not copied.

    Returns
    -------
    ndarray of shape (n,)
    """
    dtype = _DTYPES[column.type]
    size = dtype.itemsize
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype=dtype, count=len(chunk), offset=size * chunk.offset)
        for chunk in column.chunks
        if len(chunk)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])


def from_numpy(values: NDArray[Any]) -> pa.Array:
    """Return an array of one of `TYPES` as Arrow, without nulls, not copied if contiguous."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(TYPES[values.dtype], len(values), [None, pa.py_buffer(values)])
