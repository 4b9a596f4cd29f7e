"""Trades on the last candles, and the last trades in a table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import NARROW, both, legend, panel
from bot_cripto.backtest.report_parts.svg import Plot, around, decimals, ticks
from bot_cripto.backtest.report_parts.time_axis import time_marks
from bot_cripto.backtest.report_parts.values import (
    Speech,
    finite,
    part,
    rows,
    series,
    time_ms,
)

CANDLES, CANDLES_NARROW, TABLE_ROWS = 240, 80, 30
AFTER = 6
"""Candles that are shown after the last trade."""


def trades(result: Mapping[str, Any], say: Speech) -> str:
    """Return the section of the trades, or nothing where there is none to show."""
    known = rows(result, "trade_list")
    plots = _plots(result, known, say)
    if plots:
        keys = ("candle", "entry_long", "entry_short", "exit_gain", "exit_loss")
        plots = legend([(key.replace("_", "-"), say(key)) for key in keys]) + plots
    none = result.get("trades") == 0 and not known
    return panel(
        "trades",
        say("trades"),
        text("p", say("no_trades"), class_="figure") if none else "",
        plots,
        _listed(known, say),
        note=_note(result, say) if plots else None,
        full=True,
    )


def _note(result: Mapping[str, Any], say: Speech) -> str:
    minutes = finite(part(result, "candles").get("minutes"))
    wide = "" if minutes is None else f" {say('trades_minutes', minutes=say.number(minutes, 0))}"
    return say("trades_note") + wide


def _plots(result: Mapping[str, Any], known: list[Mapping[str, Any]], say: Speech) -> str:
    times, prices = series(part(result, "candles"), "open", "high", "low", "close")
    if len(times) < 2:
        return ""
    end = _end(times, known)
    times, prices = times[:end], [column[:end] for column in prices]

    def draw(width: float, height: float) -> Plot:
        count = CANDLES if width > NARROW else CANDLES_NARROW
        shown = times[-count:]
        columns = [column[-count:] for column in prices]
        step = min(b - a for a, b in pairwise(shown)) or 1
        bounds = around([*columns[1], *columns[2]], 0.09)
        plot = Plot(width, height, (shown[0] - step, shown[-1] + step), bounds)
        marks = ticks(*bounds, 5)
        places = decimals(marks)
        plot.grid([(mark, say.number(mark, places)) for mark in marks])
        plot.below(time_marks(shown[0], shown[-1], 7 if width > NARROW else 4, say))
        plot.candles(shown, columns, step * 0.32)
        for trade in known:
            _mark(plot, trade, (shown[0], shown[-1] + step), say)
        return plot

    description = say("trades_described", candles=min(len(times), CANDLES), trades=len(known))
    return both(draw, (340, 300), "trades-plot", say("trades"), description)


def _end(times: list[int], known: list[Mapping[str, Any]]) -> int:
    """Return where to stop drawing candles: a little after the last trade was left."""
    moments = (time_ms(trade.get(key)) for trade in known for key in ("entry_time", "exit_time"))
    within = [at for at in moments if at is not None and times[0] <= at <= times[-1]]
    if not within:
        return len(times)
    return max(bisect_right(times, max(within)) + AFTER, CANDLES_NARROW)


def _mark(plot: Plot, trade: Mapping[str, Any], shown: tuple[float, float], say: Speech) -> None:
    """Mark a trade that was entered within the candles that are shown."""
    entry, price = time_ms(trade.get("entry_time")), finite(trade.get("entry_price"))
    if entry is None or price is None or not shown[0] <= entry <= shown[1]:
        return
    net = finite(trade.get("net"))
    side = "gain" if net is None or net >= 0 else "loss"
    tip = f"{say.given(trade.get('side'))}, {say.change(net)}, {say.moment(entry)}"
    leaving, out = time_ms(trade.get("exit_time")), finite(trade.get("exit_price"))
    if leaving is not None and out is not None and leaving <= shown[1]:
        plot.error_bar((entry, leaving), (price, out), f"way {side}")
        plot.dot(leaving, out, f"exit {side}", tip, 3.6)
    plot.triangle(entry, price, trade.get("side") != "SHORT", f"entry {side}", tip)


def _listed(known: Sequence[Mapping[str, Any]], say: Speech) -> str:
    if not known:
        return ""
    body = []
    for trade in reversed(known[-TABLE_ROWS:]):
        net = finite(trade.get("net"))
        side = "" if net is None else "gain" if net >= 0 else "loss"
        body.append(
            [
                say.lines(*say.moment(trade.get("entry_time")).removesuffix(" UTC").split(", ")),
                esc(say.given(trade.get("side"))),
                esc(say.price(trade.get("entry_price"))),
                esc(say.price(trade.get("exit_price"))),
                text("span", say.change(net), class_=side),
                esc(say.given(trade.get("reason"))),
            ]
        )
    names = ("entered", "side", "entry_price", "exit_price", "net", "reason")
    title = say("last_trades", shown=len(body), all=len(known))
    filled = table(title, [say(name) for name in names], body, words=(0, 1, 5))
    return tag("details", text("summary", title), filled)
