"""Import many symbols from an archive into a candle store: time and peak memory.

    python benchmarks/import_many.py [--symbols 136] [--candles 72000] [--form feather|zip]

Makes the files first (in a process of its own, so that their making does not count), imports
them one symbol after the other as a fetch does (read, validate, store), then reads one window
back and appends one candle to each symbol, which is what a live run does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.feather as feather

from bot_cripto.market.archive import ArchiveSource
from bot_cripto.market.candles import Candles, make
from bot_cripto.market.month_file import month_of
from bot_cripto.market.store import AppendReport, CandleStore
from bot_cripto.market.validate import validate

STEP = 300_000
T0 = 1_704_067_200_000  # 2024-01-01
DAY = 86_400_000


def walk(seed: int, n: int) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n)))
    opened = np.r_[100.0, close[:-1]]
    wick = 1 + np.abs(rng.normal(0, 5e-4, (2, n)))
    high, low = np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1]
    return make(T0 + np.arange(n) * STEP, opened, high, low, close, rng.exponential(10, n))


def write_archive(folder: Path, symbols: list[str], n: int, form: str) -> None:
    for seed, symbol in enumerate(symbols):
        candles = walk(seed, n)
        prices = {k: getattr(candles, k) for k in ("open", "high", "low", "close", "volume")}
        if form == "feather":
            date = pa.array(candles.open_time).cast(pa.timestamp("ms", "UTC"))
            path = folder / f"{symbol.replace('/', '_')}-5m.feather"
            feather.write_feather(pa.table({"date": date, **prices}), path, compression="lz4")
            continue
        table = pa.table({"open_time": candles.open_time, **prices})
        for name in [f"more_{i}" for i in range(6)]:
            table = table.append_column(name, pa.array(np.zeros(n)))
        months = month_of(candles.open_time)
        for month in np.unique(months):
            stem = f"{symbol.replace('/', '')}-5m-{month}"
            sink = pa.BufferOutputStream()
            csv.write_csv(table.filter(pa.array(months == month)), sink)
            with zipfile.ZipFile(folder / f"{stem}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{stem}.csv", sink.getvalue().to_pybytes())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{what:28} {wall:7.2f} s wall, {cpu:7.2f} s CPU, {1e3 * cpu / count:7.2f} ms CPU a "
        f"symbol, peak RSS {peak_mb():5.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=136)
    parser.add_argument("--candles", type=int, default=72_000)
    parser.add_argument("--form", choices=["feather", "zip"], default="feather")
    options = parser.parse_args()
    symbols = [f"C{i:03}/USDT" for i in range(options.symbols)]
    n = options.candles
    with tempfile.TemporaryDirectory() as name:
        archive, data = Path(name) / "archive", Path(name) / "data"
        archive.mkdir()
        making = multiprocessing.get_context("spawn").Process(
            target=write_archive, args=(archive, symbols, n, options.form)
        )
        making.start()
        making.join()
        size = sum(p.stat().st_size for p in archive.iterdir()) / 2**20
        print(f"{len(symbols)} symbols x {n} candles of 5m, {options.form}, {size:.0f} MB")
        print(f"{'at the start':28} peak RSS {peak_mb():5.0f} MB")
        source = ArchiveSource(str(archive), Path("/"))
        store = CandleStore(data, source.name, "5m")
        end = T0 + n * STEP
        total = AppendReport()
        with timed("import of all but one candle", len(symbols)):
            for symbol in symbols:
                for raw in source.candles(symbol, "5m", 0, end - STEP):
                    candles, quarantine = validate(raw, "5m")
                    store.quarantine(symbol, quarantine)
                    total += store.append(symbol, candles)
        assert total == AppendReport(added=len(symbols) * (n - 1)), total
        # an index array copies the row; a slice would keep the whole walk in memory
        last = {s: walk(i, n)[np.array([-1])] for i, s in enumerate(symbols)}
        with timed("append of one candle", len(symbols)):
            for symbol in symbols:
                assert store.append(symbol, last[symbol]).added == 1
        with timed("read of 12 days", len(symbols)):
            for symbol in symbols:
                expected = min(12 * DAY // STEP, n)
                assert len(store.read(symbol, end - 12 * DAY, end)) == expected
        with timed("span", len(symbols)):
            for symbol in symbols:
                assert store.span(symbol) == (T0, end - STEP)
        with timed("digest of everything", len(symbols)):
            for symbol in symbols:
                store.digest(symbol, 0, end)


if __name__ == "__main__":
    main()
