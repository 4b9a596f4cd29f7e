"""From a source into the store: for each symbol what is missing, and nothing else."""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np

from bot_cripto.errors import BotCriptoError, DataError
from bot_cripto.market.absences import DAY_MS, MAX_TRIES, Absences, Range, clip, join_near, subtract
from bot_cripto.market.candles import Candles, CandleSource, concat
from bot_cripto.market.gaps import gaps
from bot_cripto.market.progress import Progress
from bot_cripto.market.store import CandleStore
from bot_cripto.market.validate import Quarantine, validate
from bot_cripto.symbols import check_symbol, symbol_to_path
from bot_cripto.timeframes import timeframe_ms

log = logging.getLogger(__name__)

JOIN_CANDLES = 500
"""Missing ranges no further apart than this are asked for as one: one request instead of two."""

NOT_REMEMBERED = frozenset({"archive"})
"""Sources whose absences are not kept: people add files, and asking again costs little."""


@dataclass
class FetchResult:
    """What became of one symbol.

    Attributes
    ----------
    error : str or None
        One sentence where the download failed or stopped; what is counted below is stored.
    added, known, conflicts : int
        Candles newly stored, stored before with the same values, and with others.
    quarantined : Counter of str
        Candles refused, by reason.
    duplicates : int
        Exact repetitions that were dropped.
    damaged : list of str
        Damaged files of the store that were set aside, and fetched again.
    """

    error: str | None = None
    added: int = 0
    known: int = 0
    conflicts: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    damaged: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for has been answered and stored."""
        return self.error is None


class _Stopped(Exception):  # noqa: N818 - no error, a request
    """The run shall end; what is stored stays."""


def fetch(
    source: CandleSource,
    store: CandleStore,
    symbols: Sequence[str],
    timeframe: str,
    since_ms: int,
    until_ms: int,
    *,
    workers: int = 4,
    progress: TextIO | None = None,
) -> dict[str, FetchResult]:
    """Download what the store lacks of ``[since_ms, until_ms)``, all symbols concurrently.

    Each batch is validated and stored before the next is asked for, so that an interruption at
    any moment loses nothing that had come and the next call goes on from there. A damaged month
    of the range is set aside and downloaded again. What the source has once said not to have is
    asked for again after a day, then after two, four, … (`Absences`, kept beside the store);
    the last day is asked for at every call.

    Parameters
    ----------
    source : CandleSource
        Asked from several threads at once.
    store : CandleStore
        The store of that source and timeframe.
    symbols : sequence of str
        Like ``BTC/USDT``.
    timeframe : str
        Length of a candle, e.g. ``5m``.
    since_ms, until_ms : int
        Open times in milliseconds since the epoch, UTC; the first included, the last not. With
        the close of the last candle as `until_ms`, that candle is included.
    workers : int, default=4
        Threads, and so connections.
    progress : TextIO, optional
        Where to write a line every two seconds; None keeps silent.

    Returns
    -------
    dict of str to FetchResult
        In the order of `symbols`. A symbol that fails has its `error` and harms no other.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    KeyboardInterrupt
        Ctrl-C, after the batches at hand have been stored. SIGTERM likewise ends the process
        after that, when this runs in the main thread.
    """
    step = timeframe_ms(timeframe)
    first, last = -(-since_ms // step) * step, -(-until_ms // step) * step
    names = list(dict.fromkeys(symbols))
    shown = Progress(progress, len(names))
    stop = threading.Event()
    with _stopping_on_sigterm(stop):
        pool = ThreadPoolExecutor(max_workers=max(1, min(workers, len(names))))
        try:
            jobs = {
                name: pool.submit(_fetch_one, source, store, name, (first, last), shown, stop)
                for name in names
            }
            wait(jobs.values())
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return {name: job.result() for name, job in jobs.items()}


def _fetch_one(
    source: CandleSource,
    store: CandleStore,
    symbol: str,
    span: Range,
    progress: Progress,
    stop: threading.Event,
) -> FetchResult:
    result = FetchResult()
    try:
        check_symbol(symbol)
        _Symbol(source, store, symbol, span, result, progress, stop).fetch()
    except _Stopped:
        result.error = f"{symbol}: stopped on request; the next run goes on from there"
    except (BotCriptoError, OSError) as error:
        result.error = str(error) if symbol in str(error) else f"{symbol}: {error}"
    except Exception as error:  # a defect in one symbol must not take the others with it
        log.exception("%s: unexpected error while fetching", symbol)
        result.error = f"{symbol}: unexpected {type(error).__name__}: {error}"
    finally:
        progress.done()
    return result


class _Symbol:
    """The download of one symbol."""

    def __init__(
        self,
        source: CandleSource,
        store: CandleStore,
        symbol: str,
        span: Range,
        result: FetchResult,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self.source, self.store, self.symbol, self.span = source, store, symbol, span
        self.result, self.progress, self.stop = result, progress, stop
        self.step = store.step_ms
        self.now_ms = 0
        self.memory = store.folder / "absent" / f"{symbol_to_path(symbol)}.json"
        self.remember = source.name not in NOT_REMEMBERED
        self.absences = Absences.read(self.memory) if self.remember else Absences()

    def fetch(self) -> None:
        """Ask for every range that is missing and not known to be absent."""
        since, until = self.span
        stored = self._stored()
        missing = _missing(stored, self.store.timeframe, since, until)
        if not missing:
            return
        self.now_ms = min(until, self.source.now_ms())
        # what has not closed yet cannot be absent
        missing = clip(missing, self.now_ms // self.step * self.step)
        ranges = join_near(self.absences.unknown(missing, self.now_ms), JOIN_CANDLES * self.step)
        total = sum(stop - start for start, stop in ranges)
        done = 0
        for start, stop in ranges:
            self._range(start, stop, stored, done, total)
            done += stop - start

    def _stored(self) -> Candles:
        """Return the stored candles of the span; damaged months are set aside."""
        since, until = self.span
        try:
            return self.store.read(self.symbol, since, until)
        except DataError as error:
            log.warning("%s", error)
            self.result.damaged += [str(path) for path in self.store.heal(self.symbol)]
            return self.store.read(self.symbol, since, until)

    def _range(self, start: int, stop: int, stored: Candles, done: int, total: int) -> None:
        """Download one range, each batch stored at once; note what the source has not."""
        if self.stop.is_set():
            raise _Stopped
        sound, refused = [stored], []
        answered = start
        try:
            for raw in self.source.candles(self.symbol, self.store.timeframe, start, stop):
                candles, quarantine = validate(raw, self.store.timeframe)
                self._store(quarantine)
                report = self.store.append(self.symbol, candles)
                self.result.added += report.added
                self.result.known += report.known
                self.result.conflicts += report.conflicts
                sound.append(candles)
                refused.append(quarantine.candles)
                if len(raw):
                    newest = int(raw.open_time.max()) // self.step * self.step + self.step
                    answered = min(max(answered, newest), stop)
                share = (done + answered - start) / total
                self.progress.advance(self.symbol, report.added, share)
                if self.stop.is_set():
                    raise _Stopped
            answered = stop
        finally:
            if self.remember:
                self._note(start, answered, _union(sound), concat(refused))

    def _store(self, quarantine: Quarantine) -> None:
        self.result.duplicates += quarantine.duplicates
        if len(quarantine):
            self.result.quarantined.update(quarantine.counts())
            self.store.quarantine(self.symbol, quarantine)

    def _note(self, start: int, answered: int, present: Candles, refused: Candles) -> None:
        """Remember what is absent of ``[start, answered)``, given what is present and refused."""
        # the candles of the last day may only be late
        settled = max(start, min(answered, self.now_ms - DAY_MS))
        absent = _missing(present, self.store.timeframe, start, settled)
        cells = set((refused.open_time // self.step * self.step).tolist())
        cells -= set(present.open_time.tolist())
        doubtful = {
            cell: tries
            for cell, tries in self.absences.doubtful.items()
            if not start <= cell < answered
        }
        for cell in cells:
            doubtful[cell] = self.absences.doubtful.get(cell, 0) + 1
        again = [(c, c + self.step) for c in sorted(cells) if doubtful[c] <= MAX_TRIES]
        hopeless = [
            (c, c + self.step) for c in sorted(cells) if doubtful[c] > MAX_TRIES and c >= settled
        ]
        before = (list(self.absences.ranges), dict(self.absences.doubtful))
        self.absences.answered(start, answered, subtract(absent, again) + hopeless, self.now_ms)
        self.absences.doubtful = doubtful
        if before != (self.absences.ranges, self.absences.doubtful):
            try:
                self.absences.write(self.memory)
            except OSError as error:
                # only costs requests
                log.warning("%s: not written (%s)", self.memory, error)


def _missing(candles: Candles, timeframe: str, since: int, until: int) -> list[Range]:
    """Return the ranges of ``[since, until)`` that hold none of the candles, sorted."""
    step = timeframe_ms(timeframe)
    return [(time, time + n * step) for time, n in gaps(candles, timeframe, since, until)]


def _union(parts: list[Candles]) -> Candles:
    """Return the candles of all parts in the order of time, one for each time."""
    whole = concat(parts)
    return whole[np.unique(whole.open_time, return_index=True)[1]]


@contextmanager
def _stopping_on_sigterm(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM set the event, and take its usual effect at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = threading.Event()

    def note(*_: object) -> None:
        came.set()
        stop.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came.is_set():
            signal.raise_signal(signal.SIGTERM)
