"""The frozen training snapshot: candles, features and labels up to a cutoff."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto import atomic
from bot_cripto.errors import DataError
from bot_cripto.features import catalogue
from bot_cripto.labels import direction, forward_return, realised_volatility, triple_barrier
from bot_cripto.market.candles import Candles
from bot_cripto.models.apply import scale
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.timeframes import iso, timeframe_ms

CANDLE_COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "filled")
LABEL_COLUMNS = ("forward_return", "realised_volatility", "trend_label", "label_end")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What training reads: one row a candle of the full grid, none after the cutoff.

    Attributes
    ----------
    timeframe : str
    horizon_steps : int
    cutoff_ms : int
        Nothing that happened after this time is in here.
    candles : Candles of length n
        On the full grid, NaN in gaps.
    names : tuple of str
        Names of the features, in order.
    features : ndarray of shape (n, n_features), float32
        NaN where a feature's window is not whole.
    forward_return, realised_volatility : ndarray of shape (n,), float64
        Over the next `horizon_steps` candles (decimal); NaN where they end after the cutoff.
    trend_label : ndarray of shape (n,), float64
        1 up, 0 down, NaN neutral or unknown.
    label_end : ndarray of shape (n,), int64
        Row of the last candle that the trend label depends on; -1 where it is unknown.
    """

    timeframe: str
    horizon_steps: int
    cutoff_ms: int
    candles: Candles
    names: tuple[str, ...]
    features: NDArray[np.float32]
    forward_return: NDArray[np.float64]
    realised_volatility: NDArray[np.float64]
    trend_label: NDArray[np.float64]
    label_end: NDArray[np.int64]

    def header(self) -> dict[str, Any]:
        """Return what is not a column, as JSON can hold it."""
        return {
            "timeframe": self.timeframe,
            "horizon_steps": self.horizon_steps,
            "cutoff": iso(self.cutoff_ms),
            "cutoff_ms": self.cutoff_ms,
            "features": list(self.names),
        }

    def digest(self) -> str:
        """Return the SHA-256 of the content: the same numbers give the same digest."""
        total = hashlib.sha256(json.dumps(self.header(), sort_keys=True).encode())
        for name, column in self._columns().items():
            if column.dtype.kind == "f":
                # One NaN among the many bit patterns of NaN.
                column = np.where(np.isnan(column), column.dtype.type(np.nan), column)
            total.update(f"\n{name} {column.dtype.str} {column.shape}\n".encode())
            total.update(np.ascontiguousarray(column).tobytes())
        return total.hexdigest()

    def _columns(self) -> dict[str, NDArray[Any]]:
        """Return every column, features as one matrix, by name."""
        columns: dict[str, NDArray[Any]] = {n: getattr(self.candles, n) for n in CANDLE_COLUMNS}
        columns |= {n: getattr(self, n) for n in LABEL_COLUMNS}
        return columns | {"features": self.features}


def build_snapshot(
    candles: Candles,
    timeframe: str,
    settings: TrainingSettings,
    cutoff_ms: int,
    features: NDArray[np.float32] | None = None,
) -> Snapshot:
    """Return the snapshot of those candles that had closed at the cutoff.

    Parameters
    ----------
    candles : Candles
        On the full grid, NaN in gaps.
    timeframe : str
    settings : TrainingSettings
        Its horizon and label settings are used.
    cutoff_ms : int
        Candles that close later are left out, before anything is computed.
    features : ndarray of shape (len(candles), n_features), float32, optional
        The features of these candles where they are at hand; computed otherwise.

    Raises
    ------
    DataError
        No candle has closed at the cutoff, or the candles are not on their full grid.
    """
    step = timeframe_ms(timeframe)
    keep = int(np.searchsorted(candles.open_time, cutoff_ms - step, side="right"))
    if keep == 0:
        raise DataError(f"no {timeframe} candle had closed at {iso(cutoff_ms)}; fetch candles")
    candles = candles[:keep]
    if np.any(np.diff(candles.open_time) != step) or candles.open_time[0] % step:
        raise DataError(f"the {timeframe} candles are not on their full grid; fill gaps with NaN")
    matrix = catalogue.compute(candles, timeframe) if features is None else features[:keep]
    names = tuple(catalogue.FEATURE_NAMES)
    horizon = settings.horizon_steps
    returns = forward_return(candles.close, horizon)
    unit = scale(matrix, names, horizon)
    rows = np.arange(keep, dtype=np.int64)
    if settings.label == "triple_barrier":
        touched, label_end = triple_barrier(
            candles.high,
            candles.low,
            candles.close,
            unit,
            up=settings.barrier_up,
            down=settings.barrier_down,
            horizon=horizon,
        )
        trend_label = direction(touched)
    else:
        trend_label = direction(
            returns, np.where(np.isnan(unit), 0.0, settings.neutral_band * unit)
        )
        label_end = np.where(np.isfinite(returns), rows + horizon, -1)
    return Snapshot(
        timeframe,
        horizon,
        cutoff_ms,
        candles,
        names,
        matrix,
        returns,
        realised_volatility(candles.close, horizon),
        trend_label,
        label_end,
    )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The rows of a snapshot that models can learn from, m of them.

    Attributes
    ----------
    snapshot_sha256 : str
        Digest of the snapshot that the rows are from.
    timeframe, horizon_steps, names
        As in the snapshot.
    index : ndarray of shape (m,), int64
        Row in the snapshot, which is the position on the grid.
    open_time, features, forward_return, realised_volatility, trend_label, label_end
        As in the snapshot, those rows; all finite but for neutral trend labels.
    """

    snapshot_sha256: str
    timeframe: str
    horizon_steps: int
    names: tuple[str, ...]
    index: NDArray[np.int64]
    open_time: NDArray[np.int64]
    features: NDArray[np.float32]
    forward_return: NDArray[np.float64]
    realised_volatility: NDArray[np.float64]
    trend_label: NDArray[np.float64]
    label_end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)


def training_data(snapshot: Snapshot) -> TrainingData:
    """Return the rows with whole features and labels whose own candle was really traded."""
    usable = (
        np.isfinite(snapshot.features).all(axis=1)
        & np.isfinite(snapshot.forward_return)
        & np.isfinite(snapshot.realised_volatility)
        & ~snapshot.candles.filled
    )
    return TrainingData(
        snapshot.digest(),
        snapshot.timeframe,
        snapshot.horizon_steps,
        snapshot.names,
        np.flatnonzero(usable).astype(np.int64),
        snapshot.candles.open_time[usable],
        snapshot.features[usable],
        snapshot.forward_return[usable],
        snapshot.realised_volatility[usable],
        snapshot.trend_label[usable],
        snapshot.label_end[usable],
    )


def write_snapshot(snapshot: Snapshot, path: Path | str) -> str:
    """Write the snapshot as Parquet, atomically, and return its digest.

    The same snapshot gives the same bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = snapshot.digest()
    columns: dict[str, Any] = {
        name: column for name, column in snapshot._columns().items() if name != "features"
    }
    columns |= {f"feature.{name}": snapshot.features[:, i] for i, name in enumerate(snapshot.names)}
    header = snapshot.header() | {"sha256": digest}
    table = pa.table(columns).replace_schema_metadata({b"snapshot": json.dumps(header).encode()})
    atomic.write(
        path,
        lambda file: pq.write_table(table, file, compression="zstd", use_dictionary=False),
    )
    return digest


def read_snapshot(path: Path | str) -> Snapshot:
    """Return the snapshot of a file that `write_snapshot` wrote.

    Raises
    ------
    DataError
        The file is missing, damaged, or its content has not the digest that it states.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bot_cripto.arrow_columns import to_numpy

    try:
        # Unlike `read_table` and its columns' own `to_numpy`, this imports no pandas.
        with pq.ParquetFile(path) as file:
            table = file.read(use_threads=False)
        header: Mapping[str, Any] = json.loads(table.schema.metadata[b"snapshot"])
        numbers = {n: table.column(n) for n in (*CANDLE_COLUMNS, *LABEL_COLUMNS)}
        numbers["filled"] = numbers["filled"].cast(pa.uint8())
        columns = {n: to_numpy(column) for n, column in numbers.items()}
        columns["filled"] = columns["filled"].astype(bool)
        names = tuple(header["features"])
        features = np.empty((table.num_rows, len(names)), dtype=np.float32)
        for i, name in enumerate(names):
            features[:, i] = to_numpy(table.column(f"feature.{name}"))
        snapshot = Snapshot(
            header["timeframe"],
            header["horizon_steps"],
            header["cutoff_ms"],
            Candles(*(np.array(columns[n]) for n in CANDLE_COLUMNS)),
            names,
            features,
            *(np.array(columns[n]) for n in LABEL_COLUMNS),
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"training snapshot {path} cannot be read ({error}); delete it and run it again"
        ) from error
    if snapshot.digest() != header["sha256"]:
        raise DataError(f"training snapshot {path} was altered; delete it and run it again")
    return snapshot
