"""How far a download has come: a line now and then when it is long, nothing when it is short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

EVERY_S = 2.0


class Progress:
    """Lines like ``fetch BTC/USDT 34 % (2 of 5 symbols done, 8400 candles/s)``.

    Parameters
    ----------
    stream : TextIO or None
        Where the lines go; None keeps silent.
    symbols : int
        How many symbols are downloaded in all.
    monotonic : callable
        The clock, in seconds.
    """

    def __init__(
        self,
        stream: TextIO | None,
        symbols: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._symbols, self._monotonic = stream, symbols, monotonic
        self._lock = threading.Lock()
        self._start = self._last = monotonic()
        self._candles = self._done = 0

    def advance(self, symbol: str, candles: int, share: float) -> None:
        """Count candles of a symbol of which `share` in [0, 1] has been asked for."""
        with self._lock:
            self._candles += candles
            now = self._monotonic()
            if self._stream is None or now - self._last < EVERY_S:
                return
            self._last = now
            rate = self._candles / (now - self._start)
            self._stream.write(
                f"fetch {symbol} {100 * min(share, 1):.0f} % ({self._done} of {self._symbols} "
                f"symbols done, {rate:.0f} candles/s)\n"
            )
            self._stream.flush()

    def done(self) -> None:
        """Count a symbol as finished."""
        with self._lock:
            self._done += 1
