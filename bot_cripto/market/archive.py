"""The archive source: candles from files that people already have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bot_cripto import clock
from bot_cripto.errors import ConfigError, SourceError
from bot_cripto.market.archive_files import read_file
from bot_cripto.market.archive_names import SUFFIXES, FileName, as_pair, read_name
from bot_cripto.market.candles import Candles, concat
from bot_cripto.timeframes import TIMEFRAMES, timeframe_ms

_MAGIC = re.compile(r"[*?\[]")
_LISTED = 20
_ENOUGH_TO_TELL = 50


@dataclass(frozen=True)
class _File:
    path: Path
    name: FileName


class ArchiveSource:
    """A `CandleSource` over a folder, a file or a glob of candle files.

    Folders are read with all that is below them. Files of one symbol and timeframe are merged in
    the order of time; where they overlap, both rows are yielded and validation tells whether they
    agree. Nothing is resampled. The archive may end long before now: it yields what it has.

    Parameters
    ----------
    archive : str
        Folder, file or glob; ``~`` is the home folder, ``**`` any depth.
    base : Path
        Where a relative `archive` starts.
    symbol, timeframe : str, optional
        What is in files whose name does not tell it.

    Raises
    ------
    ConfigError
        `archive` is empty.
    """

    name = "archive"

    def __init__(
        self,
        archive: str,
        base: Path,
        symbol: str | None = None,
        timeframe: str | None = None,
    ) -> None:
        if not archive.strip():
            raise ConfigError(
                "source is archive, but archive is empty: set ARCHIVE to a folder, a file or a "
                "glob of candle files"
            )
        self.archive = Path(base) / Path(archive).expanduser()
        self._symbol = symbol
        self._timeframe = timeframe

    def now_ms(self) -> int:
        """Return the time of the one clock, milliseconds since the epoch, UTC."""
        return clock.now_ms()

    def candles(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int
    ) -> Iterator[Candles]:
        """Yield the closed candles with ``since_ms <= open_time < until_ms``, a batch per file.

        Files that overlap come as one batch. Batches are sorted by time and follow each other in
        time; rows are as in the files, not validated. Nothing in the range yields nothing.

        Raises
        ------
        SourceError
            There is no file of that symbol and timeframe (the text lists what was found), or one
            cannot be read, has not the columns, or holds candles of another length than it says.
        ConfigError
            The timeframe is unknown.
        """
        step = timeframe_ms(timeframe)
        until_ms = min(until_ms, self.now_ms() - step + 1)
        base = symbol.partition("/")[0]
        for group in _groups(self._matching(symbol, timeframe), since_ms, until_ms, base):
            parts = []
            for file in group:
                rows = read_file(file.path, base)
                _check_spacing(file.path, rows, timeframe)
                parts.append(rows[(rows.open_time >= since_ms) & (rows.open_time < until_ms)])
            batch = concat(parts)
            if len(batch):
                yield batch[np.argsort(batch.open_time, kind="stable")]

    def found(self) -> list[str]:
        """Return what the archive holds by its file names, e.g. ``BTC/USDT 5m``; sorted."""
        return sorted({file.name.describe() for file in self._files})

    @cached_property
    def _files(self) -> list[_File]:
        """All candle files, listed once for the life of the source."""
        if self.archive.exists():
            paths = [self.archive]
        else:
            parts = self.archive.parts
            depth = next((i for i, p in enumerate(parts) if _MAGIC.search(p)), None)
            if depth is None:
                raise SourceError(
                    f"archive {self.archive}: there is no such file or folder; set ARCHIVE to a "
                    "folder, a file or a glob of candle files"
                )
            paths = sorted(Path(*parts[:depth]).glob(str(Path(*parts[depth:]))))
        files: dict[Path, FileName] = {}
        for path in paths:
            for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
                name = read_name(each)
                if name and each.is_file():
                    files[each] = name
        return [_File(path, name) for path, name in files.items()]

    def _matching(self, symbol: str, timeframe: str) -> list[_File]:
        mine = [f for f in self._files if self._is_of(f.name, symbol)]
        matching = [f for f in mine if (f.name.timeframe or self._timeframe) == timeframe]
        if matching:
            return matching
        raise SourceError(self._nothing_found(symbol, timeframe, mine))

    def _is_of(self, name: FileName, symbol: str) -> bool:
        if name.is_of(symbol):
            return True
        told = name.symbol is not None and as_pair(name.symbol) is not None
        return not told and self._symbol == symbol

    def _nothing_found(self, symbol: str, timeframe: str, mine: list[_File]) -> str:
        where = f"archive {self.archive}: no {timeframe} candles of {symbol}"
        step = timeframe_ms(timeframe)
        others = {f.name.timeframe for f in mine if f.name.timeframe}
        finer = sorted((t for t in others if TIMEFRAMES.get(t, step) < step), key=TIMEFRAMES.get)  # type: ignore[arg-type]
        if finer:
            return (
                f"{where}; there are {', '.join(finer)} candles of it, but candles are not "
                f"resampled: add {timeframe} files or set the timeframe to {finer[-1]}"
            )
        found = self.found()
        if not found:
            return f"{where}, nor any other candle file ({', '.join(SUFFIXES)})"
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        return (
            f"{where}; found {', '.join(found[:_LISTED])}{more}. Where a file's name does not tell "
            "the symbol or the timeframe, rename it like BTC_USDT-5m.csv"
        )


def _groups(files: list[_File], since_ms: int, until_ms: int, base: str) -> Iterator[list[_File]]:
    """Yield the files of the range in the order of time, those that overlap together."""
    spans = []
    for file in files:
        span = file.name.span_ms
        if span is None and len(files) > 1:
            times = read_file(file.path, base).open_time
            span = (int(times.min()), int(times.max()) + 1) if len(times) else (0, 0)
        first, end = span or (since_ms, until_ms)
        if first < until_ms and end > since_ms:
            spans.append((first, end, file))
    spans.sort(key=lambda s: (s[0], s[1], s[2].path))
    group: list[_File] = []
    group_end = 0
    for first, end, file in spans:
        if group and first >= group_end:
            yield group
            group = []
        group.append(file)
        group_end = max(group_end, end)
    if group:
        yield group


def _check_spacing(path: Path, rows: Candles, timeframe: str) -> None:
    """Refuse a file of candles of another length: each fifth 1m candle would pass as a 5m one."""
    step = timeframe_ms(timeframe)
    gaps = np.diff(np.unique(rows.open_time))
    if not len(gaps):
        return
    typical, common = int(np.median(gaps)), int(np.gcd.reduce(gaps))
    if typical < step or (common > step and len(gaps) >= _ENOUGH_TO_TELL):
        really = typical if typical < step else common
        length = next((n for n, ms in TIMEFRAMES.items() if ms == really), f"{really / 1000:g} s")
        raise SourceError(
            f"{path}: holds candles of {length}, not {timeframe}; give the file its right name or "
            "move it out of the archive"
        )
