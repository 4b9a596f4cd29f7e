"""What became of the signals: forecast against outcome, once the horizon has closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bot_cripto.decision.thresholds import policy_of, round_trip_cost
from bot_cripto.drift.history import DRIFT, compare_means
from bot_cripto.execution.prices import ReadCloses
from bot_cripto.timeframes import iso, parse_iso, timeframe_ms

MAX_ROWS = 2000
"""A history holds so many of the newest rows."""

DRIFT_RECENT, DRIFT_REFERENCE = 500, 1500
"""How many of the newest outcomes are compared with how many before them."""

_SIGNS = {"LONG": 1.0, "SHORT": -1.0}


@dataclass(frozen=True)
class History:
    """Rows of outcomes, and what has none.

    Attributes
    ----------
    rows : list of dict
        One a candle, in the order of time; see `performance_history`.
    open : int
        Signals whose horizon has not closed yet.
    gaps : tuple of (int, int)
        Signals whose horizon has closed, but a candle at one of its ends is missing: close times
        of the signal's candle and of the horizon, milliseconds since the epoch, UTC.
    without_forecast : int
        Signals without a forecast, mostly of failed runs.
    open_since_ms : int or None
        Close time of the first candle whose horizon has not closed.
    """

    rows: list[dict[str, Any]]
    open: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    without_forecast: int = 0
    open_since_ms: int | None = None


def performance_history(
    documents: Iterable[Mapping[str, Any]],
    read_closes: ReadCloses,
    symbol: str,
    settings: Mapping[str, Any],
    now_ms: int,
    most: int = MAX_ROWS,
) -> History:
    """Return the outcomes of a symbol's signals, one row for each candle.

    Parameters
    ----------
    documents : iterable of mapping
        Signal documents; of another symbol, source or timeframe, or without a candle: passed
        over. Of several revisions of a candle the newest counts.
    read_closes : callable
        Closes of the candle store, gaps left out or NaN; asked once.
    symbol : str
    settings : mapping
        The effective settings: source_name, timeframe and the costs are asked for.
    now_ms : int
        Milliseconds since the epoch, UTC: a horizon that closes later has no outcome.
    most : int
        So many of the newest rows are returned, at most.

    Returns
    -------
    History
        Its rows, the last `most`: ``ts`` (when the horizon closed), ``candle_close_time``,
        ``metric`` (1.0 where the sign of ``prob_up - 0.5`` is that of the realised return, 0.0
        where not, 0.5 where the price did not change), ``prob_up``, ``expected_return``,
        ``realised_return`` (decimal, from the candle's close to the horizon's), ``decision`` and
        ``net_return_after_cost`` (decimal: in the direction of LONG or SHORT, less the round
        trip; null with NO_TRADE). It is what `bot_cripto.drift.history.relative_drop` reads.

    Notes
    -----
    A signal with ``prob_up`` of exactly 0.5 names no direction and is wrong unless the price did
    not change.
    """
    step = timeframe_ms(settings["timeframe"])
    newest = _newest(documents, symbol, settings)
    judged = [(close, newest[close]) for close in sorted(newest) if _is_forecast(newest[close])]
    closed = [(close, doc) for close, doc in judged if _end(close, doc, step) <= now_ms]
    still = [close for close, doc in judged if _end(close, doc, step) > now_ms]
    rows, gaps = _rows(closed, read_closes, symbol, step, round_trip_cost(policy_of(settings)))
    return History(
        rows[-most:],
        open=len(still),
        gaps=tuple(gaps),
        without_forecast=len(newest) - len(judged),
        open_since_ms=still[0] if still else None,
    )


def hit(prob_up: float, realised: float) -> float:
    """Return 1.0 where the forecast named the direction of the return, 0.0 where not.

    A return of exactly 0 counts 0.5; a probability of exactly 0.5 names no direction.
    """
    return 0.5 if realised == 0 else float((prob_up - 0.5) * realised > 0)


def drift_reason(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why the rows of a performance history are held to have drifted, or None."""
    return drift_of([row["metric"] for row in rows])


def drift_of(hits: Sequence[float]) -> str | None:
    """Return why hits, in the order of time, are held to have drifted, or None.

    The last `DRIFT_RECENT` are compared with the `DRIFT_REFERENCE` before them as
    ``bot-cripto detect-drift`` compares a history, whose short windows are for metrics of which
    there is one a day: horizons of neighbouring candles overlap, so that 500 hits are 100
    independent ones at five candles ahead. With fewer nothing is told.
    """
    needed = DRIFT_RECENT + DRIFT_REFERENCE
    if len(hits) < needed:
        return None
    newest = list(hits)[-needed:]
    return drift_of_means(fmean(newest[DRIFT_REFERENCE:]), fmean(newest[:DRIFT_REFERENCE]))


def drift_of_means(recent: float, reference: float) -> str | None:
    """Return why the last `DRIFT_RECENT` hits have drifted from those before, or None."""
    result = compare_means(recent, reference, DRIFT_RECENT, DRIFT_REFERENCE)
    return result.reason if result.status == DRIFT else None


def _newest(
    documents: Iterable[Mapping[str, Any]], symbol: str, settings: Mapping[str, Any]
) -> dict[int, Mapping[str, Any]]:
    """Return the newest revision by the candle's close time, of this symbol and market alone."""
    ours = (symbol, settings["source_name"], settings["timeframe"])
    newest: dict[int, Mapping[str, Any]] = {}
    for document in documents:
        if (document["symbol"], document["source"], document["timeframe"]) != ours:
            continue
        if document["candle_close_time"] is None:
            continue
        close = parse_iso(document["candle_close_time"])
        if close not in newest or document["revision"] >= newest[close]["revision"]:
            newest[close] = document
    return newest


def _is_forecast(document: Mapping[str, Any]) -> bool:
    return document["prob_up"] is not None and document["horizon_steps"] is not None


def _end(close_ms: int, document: Mapping[str, Any], step: int) -> int:
    """Return when the horizon closes: as long as it was when the signal was made."""
    return close_ms + int(document["horizon_steps"]) * step


def known_closes(
    read_closes: ReadCloses, symbol: str, since_ms: int, until_ms: int, step_ms: int
) -> dict[int, float]:
    """Return the closes above 0 of the candles that close in [since, until], by close time."""
    times, closes = read_closes(symbol, since_ms - step_ms, until_ms)
    sound = closes > 0  # also False for NaN
    return dict(zip((times[sound] + step_ms).tolist(), closes[sound].tolist(), strict=True))


def _rows(
    closed: list[tuple[int, Mapping[str, Any]]],
    read_closes: ReadCloses,
    symbol: str,
    step: int,
    cost: float,
) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """Return the outcomes, and the signals that have none."""
    if not closed:
        return [], []
    until = max(_end(close, document, step) for close, document in closed)
    price = known_closes(read_closes, symbol, closed[0][0], until, step)
    rows, gaps = [], []
    for close, document in closed:
        end = _end(close, document, step)
        if close in price and end in price:
            rows.append(_row(close, end, document, price[end] / price[close] - 1.0, cost))
        else:
            gaps.append((close, end))
    return rows, gaps


def _row(
    close: int, end: int, document: Mapping[str, Any], realised: float, cost: float
) -> dict[str, Any]:
    sign = _SIGNS.get(document["decision"])
    return {
        "ts": iso(end),
        "candle_close_time": iso(close),
        "metric": hit(document["prob_up"], realised),
        "prob_up": document["prob_up"],
        "expected_return": document["expected_return"],
        "realised_return": realised,
        "decision": document["decision"],
        "net_return_after_cost": None if sign is None else sign * realised - cost,
    }
