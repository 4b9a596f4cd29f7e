"""The candle window of a past moment, found again by its hash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot_cripto.errors import DataError
from bot_cripto.lifecycle.past_signals import MissingLinkError, PastSignal
from bot_cripto.market.candles import Candles
from bot_cripto.market.download import describe
from bot_cripto.market.fetch import FetchResult
from bot_cripto.market.live_window import read_window, window_of, window_sha256, window_start
from bot_cripto.market.store import CandleStore
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import candle_id, timeframe_ms


@dataclass(frozen=True, eq=False)
class Window:
    """The candles that a signal's features were computed from.

    Attributes
    ----------
    candles : Candles
        On the full grid, filled rows flagged, gaps NaN.
    status : dict
        ``problems`` and ``stale_candles`` of their quality report.
    place : str
        Where they were found, in words.
    note : str
        What an operator must know of it; empty: they are what the store holds.
    """

    candles: Candles
    status: dict[str, Any]
    place: str
    note: str = ""


def find_window(signal: PastSignal) -> Window:
    """Return the window whose hash a signal names.

    The store comes first. What it has received since, at the end of the window, is left out
    where the signal says that so many candles were late. Else the file of that moment counts.

    Raises
    ------
    MissingLinkError
        None of them has that hash.
    """
    wanted = signal.document["version"]["candles_sha256"]
    if wanted is None:
        raise MissingLinkError("candles", "the signal names no candles")
    tried: list[str] = []
    for window in _windows(signal, tried):
        found = window_sha256(window.candles)
        if found == wanted:
            return window
        tried.append(f"{window.place} give {found[:12]}…")
    raise MissingLinkError(
        "candles", f"none has the signal's hash {wanted[:12]}…: {'; '.join(tried) or 'none left'}"
    )


def _windows(signal: PastSignal, problems: list[str]) -> Iterator[Window]:
    settings, close = signal.settings, signal.close_ms
    timeframe, fill = settings["timeframe"], settings["fill_candles"]
    step, since = timeframe_ms(timeframe), window_start(close, timeframe)
    store = CandleStore(signal.layout.store, settings["market"], timeframe)
    try:
        stored = store.read(signal.symbol, since - fill * step, close)
    except DataError as error:
        problems.append(str(error))
    else:

        def of_store(candles: Candles, note: str) -> Window:
            report = describe(candles, signal.symbol, settings, since, close, FetchResult())
            window = window_of(candles, timeframe, close, fill)
            return Window(window, report, f"the candles of {store.folder}", note)

        yield of_store(stored, "")
        late = _late(signal)
        if late:
            yield of_store(
                stored.between(since - fill * step, close - late * step),
                f"candles that came later are left out, {late} at the end of the window",
            )
    yield from _frozen(signal, problems)


def _frozen(signal: PastSignal, problems: list[str]) -> Iterator[Window]:
    """Yield the window that the run itself left, if it still lies there."""
    folder = signal.layout.live(candle_id(signal.close_ms)) / "candles"
    path = folder / f"{symbol_to_path(signal.symbol)}.parquet"
    try:
        candles, _ = read_window(path)
        report = json.loads(path.with_suffix(".quality.json").read_bytes())
        status = {name: report[name] for name in ("problems", "stale_candles")}
    except FileNotFoundError:
        problems.append(f"{folder} is gone")
    except (DataError, OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{path} cannot be read: {error}")
    else:
        note = "the candle store has changed since: the window is the file of that moment"
        yield Window(candles, status, f"those of {path}", note)


def _late(signal: PastSignal) -> int:
    """Return how many candles were missing at the end, as the signal says."""
    gates = {gate["name"]: gate["value"] for gate in signal.document["gates"]}
    return int(gates.get("data_fresh") or 0)
