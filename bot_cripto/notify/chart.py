"""The picture of equity and drawdown, to be read on a phone; the one user of matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from bot_cripto.notify import texts
from bot_cripto.timeframes import DAY_MS

INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
LINE, FALL = "#1d4ed8", "#c2410c"


def equity_chart(
    times_ms: Sequence[int], equity: Sequence[float], *, mode: str, quote: str, language: str
) -> bytes:
    """Return a PNG (1080 x 1080) of equity above its drawdown from the highest point so far.

    Parameters
    ----------
    times_ms : sequence of int
        Close times of candles, ascending, milliseconds since the epoch, UTC; at least two.
    equity : sequence of float
        Equity at those times, quote currency, finite.
    mode : str
        SIMULATED, PAPER or LIVE; stands in the title.
    quote : str
        The quote currency.
    language : str

    Raises
    ------
    ValueError
        Fewer than two points, or not as many times as equities.
    ImportError
        matplotlib cannot be loaded.
    """
    if len(times_ms) < 2 or len(times_ms) != len(equity):
        raise ValueError(f"{len(times_ms)} times and {len(equity)} equities make no picture")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    times = date2num([datetime.fromtimestamp(time / 1000, UTC) for time in times_ms])
    peak, falls = equity[0], []
    for value in equity:
        peak = max(peak, value)
        falls.append((value / peak - 1) * 100 if peak > 0 else -100.0)

    figure = Figure(figsize=(7.2, 7.2), dpi=150, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": (2.2, 1), "hspace": 0.12}
    )
    figure.subplots_adjust(left=0.155, right=0.965, top=0.855, bottom=0.09)

    width = 2.0 if len(equity) < 1500 else 1.3
    low, high = min(equity), max(equity)
    # so that next to nothing does not look like much
    room = max((high - low) * 0.06, abs(equity[0]) * 0.001)
    upper.set_ylim(low - room, high + room)
    upper.plot(times, equity, color=LINE, linewidth=width, solid_joinstyle="round")
    upper.fill_between(times, equity, low - room, color=LINE, alpha=0.08, linewidth=0)
    upper.axhline(equity[0], color=QUIET, linewidth=1.2, linestyle=(0, (4, 3)))
    upper.plot(times[-1:], equity[-1:], "o", color=LINE, markersize=7, clip_on=False)
    lower.fill_between(times, falls, 0, color=FALL, alpha=0.25, linewidth=0)
    lower.plot(times, falls, color=FALL, linewidth=width * 0.8)
    lower.set_ylim(min(*falls, -0.5) * 1.1, 0)

    days = (times_ms[-1] - times_ms[0]) / DAY_MS
    change = equity[-1] / equity[0] - 1 if equity[0] else 0.0
    words = {
        "title": texts.say(
            language, "chart_day" if days < 1.5 else "chart_days", mode=mode, days=round(days)
        ),
        "equity": f"{texts.number(equity[-1], language)} {quote}",
        "change": texts.percent(change, language, sign=True),
        "fall": texts.say(language, "chart_fall", fall=texts.percent(-min(falls) / 100, language)),
    }
    figure.text(0.03, 0.945, words["title"], fontsize=17, fontweight="bold", color=INK)
    figure.text(0.03, 0.893, words["equity"], fontsize=15, color=INK)
    rising = LINE if change >= 0 else FALL
    figure.text(0.46, 0.893, words["change"], fontsize=15, ha="center", color=rising)
    figure.text(0.965, 0.893, words["fall"], fontsize=15, ha="right", color=FALL)
    upper.set_ylabel(texts.say(language, "chart_equity", quote=quote), fontsize=13, color=QUIET)
    lower.set_ylabel(texts.say(language, "chart_drawdown"), fontsize=13, color=QUIET)

    for axes, most in ((upper, 6), (lower, 4)):
        axes.yaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
        ticks = axes.yaxis.get_major_locator().tick_values(*axes.get_ylim())
        decimals = max(0, -math.floor(math.log10(abs(ticks[1] - ticks[0])) + 1e-9))

        def written(value: float, _: object, decimals: int = decimals) -> str:
            return texts.number(value, language, decimals)

        axes.yaxis.set_major_formatter(FuncFormatter(written))
        axes.grid(axis="y", color=GRID, linewidth=1)
        axes.tick_params(labelsize=13, colors=INK, length=0)
        axes.margins(x=0.02)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(QUIET)
    figure.align_ylabels()
    lower.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=6))
    day = "%d/%m" if language == "es" else "%b %d"
    lower.xaxis.set_major_formatter(DateFormatter(day if days > 3 else f"%H:%M\n{day}"))

    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()
