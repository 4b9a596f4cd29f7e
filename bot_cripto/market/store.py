"""The candle store: one Parquet file a month, many readers, one writer a symbol at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot_cripto.errors import DataError
from bot_cripto.market import month_file, quarantine_file
from bot_cripto.market.candles import Candles, concat, empty
from bot_cripto.market.symbol_lock import locked
from bot_cripto.market.validate import LATEST_MS, STORED_DIFFERS, Quarantine, same_rows
from bot_cripto.symbols import check_symbol, symbol_to_path
from bot_cripto.timeframes import timeframe_ms


@dataclass(frozen=True)
class AppendReport:
    """What became of the candles of one `CandleStore.append`; reports can be added up.

    Attributes
    ----------
    added : int
        New times, now stored.
    known : int
        Times that were stored with the same values.
    conflicts : int
        Times that were stored with other values: the stored ones stay, the new ones are in
        quarantine.
    """

    added: int = 0
    known: int = 0
    conflicts: int = 0

    def __add__(self, other: AppendReport) -> AppendReport:
        return AppendReport(
            self.added + other.added, self.known + other.known, self.conflicts + other.conflicts
        )


class CandleStore:
    """Validated candles of one source and timeframe, in ``ROOT/SOURCE-TIMEFRAME/SYMBOL/``.

    A month is one file, ``2024-01.parquet``, only ever replaced as a whole: readers need no lock
    and see every month as it was before or after an append. Writers of one symbol exclude each
    other by an flock on ``.lock``, which the system frees when its holder dies.

    Parameters
    ----------
    root : Path
        The folder of all stores.
    source : str
        ``simulated``, ``archive`` or the exchange id.
    timeframe : str
        Length of a candle, e.g. ``5m``.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """

    def __init__(self, root: Path, source: str, timeframe: str) -> None:
        self.step_ms = timeframe_ms(timeframe)
        self.source = source
        self.timeframe = timeframe
        self.folder = Path(root) / f"{source}-{timeframe}"

    def append(self, symbol: str, candles: Candles) -> AppendReport:
        """Store validated candles; what is stored already stays as it is.

        Each month is replaced atomically, in the order of time. When the process dies between
        two months, the earlier ones are stored and the same append can be made again.

        Parameters
        ----------
        symbol : str
            Like ``BTC/USDT``.
        candles : Candles
            As `validate` returns them, none of them filled in.

        Returns
        -------
        AppendReport
            Counts by what became of the candles.

        Raises
        ------
        DataError
            A month file that the candles belong to is damaged (`heal` sets it aside), or could
            not be written (it is then as it was before).
        BusyError
            Another process has held the symbol's lock for 30 seconds.
        ValueError
            The candles are not validated: not increasing, off the grid, not finite, filled in, or
            of a time that `validate` refuses.
        """
        self._check(candles)
        folder = self._folder(symbol)
        if not len(candles):
            return AppendReport()
        months = month_file.month_of(candles.open_time)
        starts = np.flatnonzero(np.r_[True, months[1:] != months[:-1]])
        report = AppendReport()
        with locked(folder):
            for start, stop in zip(starts, [*starts[1:], len(candles)], strict=True):
                path = folder / f"{months[start]}.parquet"
                report += self._append_month(path, candles[int(start) : int(stop)])
        return report

    def read(self, symbol: str, since_ms: int, until_ms: int) -> Candles:
        """Return the stored candles with ``since_ms <= open_time < until_ms``, sorted.

        Parameters
        ----------
        symbol : str
            Like ``BTC/USDT``; one that was never stored has no candles.
        since_ms, until_ms : int
            Milliseconds since the epoch, UTC.

        Returns
        -------
        Candles
            Finite and on the grid; what is missing is left out, ``filled`` is False.

        Raises
        ------
        DataError
            A month file within the range is damaged.
        """
        parts = []
        for path in self._months(self._folder(symbol), since_ms, until_ms):
            try:
                parts.append(month_file.read(path))
            except FileNotFoundError:
                continue  # set aside by a writer since the folder was listed
        candles = parts[0] if len(parts) == 1 else concat(parts)
        return candles.between(since_ms, until_ms)

    def span(self, symbol: str) -> tuple[int, int] | None:
        """Return the first and the last stored open time, or None when nothing is stored.

        Reads two file footers at most.

        Raises
        ------
        DataError
            The first or the last month file is damaged.
        """
        paths = self._months(self._folder(symbol))
        if not paths:
            return None
        first = month_file.span(paths[0])
        last = first if len(paths) == 1 else month_file.span(paths[-1])
        return first[0], last[1]

    def digest(self, symbol: str, since_ms: int, until_ms: int) -> str:
        """Return the SHA-256 of the stored candles of a range, in hexadecimal.

        It is taken over their number and the little-endian bytes of open_time, open, high, low,
        close and volume, column by column: neither the files' layout nor the library that wrote
        them matters.

        Raises
        ------
        DataError
            A month file within the range is damaged.
        """
        return candles_digest(self.read(symbol, since_ms, until_ms))

    def quarantine(self, symbol: str, quarantine: Quarantine) -> None:
        """Record refused candles in the symbol's ``quarantine.jsonl``; each is recorded once.

        Raises
        ------
        DataError
            The file could not be written.
        BusyError
            Another process has held the symbol's lock for 30 seconds.
        """
        if not len(quarantine):
            return
        folder = self._folder(symbol)
        with locked(folder):
            self._quarantine(folder, quarantine)

    def quarantined(self, symbol: str) -> dict[str, int]:
        """Return how many candles of the symbol were ever quarantined, by reason."""
        return quarantine_file.counts(self._folder(symbol) / quarantine_file.NAME)

    def heal(self, symbol: str, since_ms: int = 0) -> list[Path]:
        """Set damaged month files aside, so that the next fetch can download them again.

        Parameters
        ----------
        symbol : str
            Like ``BTC/USDT``.
        since_ms : int
            Months that end before this time are not looked at.

        Returns
        -------
        list of Path
            Where the damaged files are now (``2024-01.parquet.damaged``); none is deleted.

        Raises
        ------
        DataError
            The system refuses to read a file; it stays where it is.
        BusyError
            Another process has held the symbol's lock for 30 seconds.
        """
        folder = self._folder(symbol)
        if not folder.is_dir():
            return []
        aside = []
        with locked(folder):
            for path in self._months(folder, since_ms):
                try:
                    month_file.read(path)
                except month_file.DamagedError:
                    aside.append(path.rename(_free_name(path)))
        return aside

    def _folder(self, symbol: str) -> Path:
        return self.folder / symbol_to_path(check_symbol(symbol))

    def _months(self, folder: Path, since_ms: int = 0, until_ms: int | None = None) -> list[Path]:
        """Return the month files that can hold candles of the range, in the order of time."""
        try:
            names = sorted(p.name for p in folder.iterdir() if month_file.NAME.fullmatch(p.name))
        except FileNotFoundError:
            return []
        first = str(month_file.month_of(np.array([since_ms]))[0])
        names = [n for n in names if n[:7] >= first]
        if until_ms is not None:
            last = str(month_file.month_of(np.array([until_ms - 1]))[0])
            names = [n for n in names if n[:7] <= last]
        return [folder / n for n in names]

    def _check(self, candles: Candles) -> None:
        times = candles.open_time
        prices = (candles.open, candles.high, candles.low, candles.close, candles.volume)
        if (
            not bool((times[1:] > times[:-1]).all())
            or bool((times % self.step_ms).any())
            or bool(((times < 0) | (times >= LATEST_MS)).any())
            or not all(np.isfinite(p).all() for p in prices)
            or bool(candles.filled.any())
        ):
            raise ValueError("only validated candles can be stored: pass them through validate()")

    def _append_month(self, path: Path, new: Candles) -> AppendReport:
        try:
            stored = month_file.read(path)
        except FileNotFoundError:
            stored = empty()
        at = np.searchsorted(stored.open_time, new.open_time)
        inside = np.minimum(at, max(len(stored) - 1, 0))
        here = np.zeros(len(new), dtype=bool)
        if len(stored):
            here = stored.open_time[inside] == new.open_time
        same = same_rows(new[here], stored[inside[here]])
        differing, added = new[here][~same], new[~here]
        if len(differing):
            self._quarantine(path.parent, Quarantine(differing, (STORED_DIFFERS,) * len(differing)))
        if len(added):
            merged = concat([stored, added])
            if len(stored) and added.open_time[0] < stored.open_time[-1]:
                merged = merged[np.argsort(merged.open_time, kind="stable")]
            _written(path, lambda: month_file.write(path, merged))
        return AppendReport(len(added), int(same.sum()), len(differing))

    def _quarantine(self, folder: Path, quarantine: Quarantine) -> None:
        path = folder / quarantine_file.NAME
        _written(path, lambda: quarantine_file.add(path, quarantine))


def candles_digest(candles: Candles) -> str:
    """Return the SHA-256 of candles by their values; see `CandleStore.digest`.

    ``filled`` has no part in it; a zero counts as positive whatever its sign.
    """
    digest = hashlib.sha256(f"candles {len(candles)}\n".encode())
    digest.update(candles.open_time.astype("<i8").tobytes())
    for name in month_file.COLUMNS[1:]:
        digest.update((getattr(candles, name) + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


def _free_name(path: Path) -> Path:
    """Return the first of NAME.damaged, NAME.damaged.1, … that is not taken."""
    name, number = path.with_name(path.name + ".damaged"), 0
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.damaged.{number}")
    return name


def _written(path: Path, write: Callable[[], object]) -> None:
    """Call `write`, turning a failure of the disk into an error for people."""
    try:
        write()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); what was stored before is "
            "whole; make room or access there, then run again"
        ) from error
