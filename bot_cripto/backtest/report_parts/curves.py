"""Equity against buy and hold, the drawdown, and the months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import NARROW, both, legend, panel
from bot_cripto.backtest.report_parts.svg import Plot, around, decimals, thin, ticks
from bot_cripto.backtest.report_parts.time_axis import time_marks
from bot_cripto.backtest.report_parts.values import (
    Speech,
    finite,
    part,
    rows,
    series,
    time_ms,
)

TINT = 34
"""How strong the colour of the largest month is, in per cent; words on it stay readable."""


def equity(result: Mapping[str, Any], say: Speech) -> str:
    """Return the section of the equity, or nothing where it is absent."""
    holder = part(result, "equity")
    times, (own,) = series(holder, "equity")
    held_times, (held,) = series(holder, "buy_and_hold")
    if len(times) < 2:
        return ""
    start = finite(result.get("initial_equity")) or own[0]
    bounds = around([*own, *held, start])
    entered = _entries(result)

    def draw(width: float, height: float) -> Plot:
        plot = Plot(width, height, (times[0], times[-1]), bounds)
        marks = ticks(*bounds, 5)
        places = decimals(marks)
        plot.grid([(mark, say.number(mark, places)) for mark in marks])
        plot.below(time_marks(times[0], times[-1], 8 if width > NARROW else 4, say))
        plot.across(start, "base")
        plot.line(*thin(held_times, held, int(width / 2)), "two")
        plot.line(*thin(times, own, int(width / 2)), "one")
        for side, moments in entered.items():
            plot.rug([at for at in moments if times[0] <= at <= times[-1]], f"rug {side}")
        return plot

    gained = _first(result.get("net_return"), own[-1] / start - 1 if start else None)
    entries = [("one", say("own_line", change=say.change(gained)))]
    if held:
        gain = held[-1] / held[0] - 1 if held[0] else None
        gain = _first(_held(result).get("net_return"), gain)
        entries.append(("two", say("held_line", change=say.change(gain))))
    if any(entered.values()):
        entries.append(("rug", say("rug_line")))
    description = "; ".join(words for _, words in entries)
    plots = both(draw, (300, 260), "equity-plot", say("equity"), description)
    return panel(
        "equity", say("equity"), legend(entries), plots, note=say("equity_note"), full=True
    )


def drawdown(result: Mapping[str, Any], say: Speech) -> str:
    """Return the section of the drawdown, computed from the points of the equity."""
    holder = part(result, "equity")
    times, (own,) = series(holder, "equity")
    held_times, (held,) = series(holder, "buy_and_hold")
    if len(times) < 2:
        return ""
    below, held_below = _below_peak(own), _below_peak(held)
    bounds = (min(*below, *held_below, -0.001) * 1.08, 0.0)

    def draw(width: float, height: float) -> Plot:
        plot = Plot(width, height, (times[0], times[-1]), bounds)
        marks = ticks(*bounds, 4)
        places = max(decimals(marks) - 2, 0)
        plot.grid([(mark, say.percent(mark, places)) for mark in marks])
        plot.below(time_marks(times[0], times[-1], 8 if width > NARROW else 4, say))
        xs, ys = thin(times, below, int(width / 2))
        plot.area(xs, ys, 0.0, "one-area")
        plot.line(*thin(held_times, held_below, int(width / 2)), "two")
        plot.line(xs, ys, "one")
        return plot

    worst = _first(result.get("max_drawdown"), min(below))
    entries = [("one", say("own_worst", worst=say.percent(-abs(worst or 0.0))))]
    if held:
        worst = _first(_held(result).get("max_drawdown"), min(held_below))
        entries.append(("two", say("held_worst", worst=say.percent(-abs(worst or 0.0)))))
    description = "; ".join(words for _, words in entries)
    plots = both(draw, (210, 200), "drawdown-plot", say("drawdown"), description)
    return panel(
        "drawdown", say("drawdown"), legend(entries), plots, note=say("drawdown_note"), full=True
    )


def monthly_returns(times: Sequence[int], equity: Sequence[float]) -> dict[tuple[int, int], float]:
    """Return the net return of each calendar month (UTC).

    Parameters
    ----------
    times : sequence of int, n of them
        Milliseconds since the epoch, increasing.
    equity : sequence of float, n of them

    Returns
    -------
    dict of (year, month) to float
        Decimal; from the last point of the month before (the first point of all, in the first
        month) to the last one of the month. A month that begins at nothing is left out.
    """
    last: dict[tuple[int, int], float] = {}
    for time, value in zip(times, equity, strict=True):
        moment = datetime.fromtimestamp(time / 1000, UTC)
        last[moment.year, moment.month] = value
    before = equity[0] if equity else 0.0
    found = {}
    for month, value in last.items():
        if before > 0:
            found[month] = value / before - 1
        before = value
    return found


def months(result: Mapping[str, Any], say: Speech) -> str:
    """Return the table of net returns by month, one column for each year."""
    times, (own,) = series(part(result, "equity"), "equity")
    returns = monthly_returns(times, own)
    if not returns:
        return ""
    years = sorted({year for year, _ in returns})
    largest = max(abs(value) for value in returns.values()) or 1.0
    body = []
    for month in sorted({month for _, month in returns}):
        cells = [_tinted(returns.get((year, month)), largest, say) for year in years]
        body.append([esc(say.month(month)), *cells])
    totals = []
    for year in years:
        growth = 1.0
        for (of, _), value in returns.items():
            growth *= 1 + value if of == year else 1
        totals.append(text("b", say.change(growth - 1)))
    body.append([text("b", say("year")), *totals])
    headers = [say("month"), *(str(year) for year in years)]
    filled = table(say("months"), headers, body, class_="months")
    return panel("months", say("months"), filled, note=say("months_note"))


def _held(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return part(part(result, "benchmarks"), "buy_and_hold")


def _entries(result: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return when trades were entered, by whether they came to a loss."""
    found: dict[str, list[int]] = {"gain": [], "loss": []}
    for trade in rows(result, "trade_list"):
        at, net = time_ms(trade.get("entry_time")), finite(trade.get("net"))
        if at is not None:
            found["loss" if net is not None and net < 0 else "gain"].append(at)
    return found


def _first(measured: object, drawn: float | None) -> float | None:
    """Return what was measured on every candle, or else what the points say."""
    exact = finite(measured)
    return drawn if exact is None else exact


def _below_peak(values: Sequence[float]) -> list[float]:
    """Return how far each value is below the highest one so far, as a decimal from -1 to 0."""
    peaks = accumulate(values, max)
    return [v / p - 1 if p > 0 else 0.0 for v, p in zip(values, peaks, strict=True)]


def _tinted(value: float | None, largest: float, say: Speech) -> str:
    if value is None:
        return text("span", "·", class_="quiet")
    strength = round(TINT * abs(value) / largest)
    side = "gain" if value >= 0 else "loss"
    return tag("span", esc(say.change(value)), class_=f"tint {side}", style=f"--s:{strength}%")
