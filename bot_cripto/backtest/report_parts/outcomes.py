"""Single forecasts beside what came: the interval of each, and where the return fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot_cripto.backtest.report_parts.panels import NARROW, both, legend, panel
from bot_cripto.backtest.report_parts.svg import Plot, around, decimals, ticks
from bot_cripto.backtest.report_parts.time_axis import time_marks
from bot_cripto.backtest.report_parts.values import Speech, part, series

SHOWN, SHOWN_NARROW = 260, 100


def outcomes(result: Mapping[str, Any], say: Speech) -> str:
    """Return the forecast intervals of a sample of candles with the returns that came."""
    times, (low, high, came) = series(part(result, "interval_sample"), "p10", "p90", "realised")
    if len(times) < 2:
        return ""
    bounds = around([*low, *high, *came, 0.0])

    def draw(width: float, height: float) -> Plot:
        plot = Plot(width, height, (times[0], times[-1]), bounds, right=14)
        marks = ticks(*bounds, 5)
        places = max(decimals(marks) - 2, 0)
        plot.grid([(mark, say.percent(mark, places)) for mark in marks])
        plot.below(time_marks(times[0], times[-1], 8 if width > NARROW else 4, say))
        kept = _spread(len(times), SHOWN if width > NARROW else SHOWN_NARROW)
        plot.spans([(times[i], low[i], high[i]) for i in kept], "span")
        for inside, class_ in ((True, "came"), (False, "came out")):
            chosen = [i for i in kept if (low[i] <= came[i] <= high[i]) is inside]
            plot.points([(times[i], came[i]) for i in chosen], class_)
        return plot

    within = sum(a <= value <= b for a, value, b in zip(low, came, high, strict=True))
    share = say.percent(within / len(times), 0)
    entries = [
        ("span", say("outcomes_span")),
        ("came", say("outcomes_within", share=share, all=say.number(len(times), 0))),
        ("came-out", say("outcomes_outside")),
    ]
    description = "; ".join(words for _, words in entries)
    plots = both(draw, (280, 260), "outcomes-plot", say("outcomes"), description)
    return panel(
        "outcomes", say("outcomes"), legend(entries), plots, note=say("outcomes_note"), full=True
    )


def _spread(n: int, most: int) -> Sequence[int]:
    """Return at most so many places, evenly over all."""
    if n <= most:
        return range(n)
    return [round(i * (n - 1) / (most - 1)) for i in range(most)]
