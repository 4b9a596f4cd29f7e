"""How good the forecasts were: calibration, coverage, folds, what the models look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import HALF, legend, panel
from bot_cripto.backtest.report_parts.svg import LETTER, Plot, around, decimals, ticks
from bot_cripto.backtest.report_parts.values import Speech, finite, interval, part, rows

COVERAGE = 0.8
"""What the interval from the 10% to the 90% quantile promises to hold."""

FEATURES = 20
NAME_LENGTH = 22


def wilson(share: float, count: float, z: float = 1.96) -> tuple[float, float]:
    """Return the 95% interval of a share.

    Parameters
    ----------
    share : float
        Observed, in [0, 1].
    count : float
        Observations, above 0.
    z : float
        Quantile of the normal distribution.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    wide = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / wide
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / wide
    return middle - half, middle + half


Bin = tuple[float, float, float, tuple[float, float]]
"""Mean forecast, observed share, count, and the interval of the share."""


def _bins(result: Mapping[str, Any]) -> list[Bin]:
    """Return the bins that hold anything."""
    bins: list[Bin] = []
    for row in rows(result, "reliability"):
        forecast, observed = finite(row.get("forecast")), finite(row.get("observed"))
        count = finite(row.get("count", row.get("n")))
        if forecast is None or observed is None or not count or count < 0:
            continue
        bounds = interval([row.get("low"), row.get("high")])
        share = min(max(observed, 0.0), 1.0)
        bins.append((forecast, observed, count, bounds or wilson(share, count)))
    return bins


def reliability_plot(result: Mapping[str, Any], say: Speech) -> Plot | None:
    """Return the reliability curve over the counts of its bins, None where it has no bins."""
    bins = _bins(result)
    if not bins:
        return None
    bounds = around([value for f, o, _, ends in bins for value in (f, o, *ends)], 0.04)
    bounds = (max(bounds[0], -0.02), min(bounds[1], 1.02))
    plot = Plot(HALF, 330, bounds, bounds, bottom=112)
    marks = ticks(*bounds, 5)
    places = max(decimals(marks), 1)
    plot.grid([(mark, say.number(mark, places)) for mark in marks])
    plot.line(bounds, bounds, "base")
    plot.line([f for f, *_ in bins], [o for _, o, *_ in bins], "one faint")
    most = max(count for _, _, count, _ in bins)
    counts = Plot(HALF, 330, bounds, (0, most), left=plot.left, top=246, bottom=38)
    wide = (bounds[1] - bounds[0]) / 60
    for forecast, observed, count, ends in bins:
        low, high = max(ends[0], bounds[0]), min(ends[1], bounds[1])
        plot.error_bar((forecast, forecast), (low, high), "whisker")
        tip = say("bin_tip", forecast=say.number(forecast, 3), observed=say.number(observed, 3))
        plot.dot(forecast, observed, "one", tip)
        whole = say.number(count, 0)
        counts.bar((forecast - wide, forecast + wide), (0, count), "count", whole)
    plot.parts += counts.parts
    plot.label(plot.left, 239, say("count_most", most=say.number(most, 0)))
    for mark in marks:
        plot.label(plot.x(mark), 309, say.number(mark, places), "middle")
    plot.label((plot.left + HALF) / 2, 326, say("forecast_axis"), "middle")
    return plot


def reliability(result: Mapping[str, Any], say: Speech) -> str:
    """Return the section of the reliability curve, drawn and as a table."""
    plot = reliability_plot(result, say)
    if plot is None:
        return ""
    body = [
        [
            esc(say.number(forecast, 3)),
            esc(say.number(observed, 3)),
            esc(f"{say.number(ends[0], 3)} – {say.number(ends[1], 3)}"),
            esc(say.number(count, 0)),
        ]
        for forecast, observed, count, ends in _bins(result)
    ]
    names = [say("forecast"), say("observed"), say("interval"), say("count")]
    listed = table(say("reliability"), names, body)
    return panel(
        "reliability",
        say("reliability"),
        legend([("one-dot", say("observed_key")), ("base", say("perfect"))]),
        plot.svg("reliability-plot", say("reliability"), plot.told()),
        tag("details", text("summary", say("as_table")), listed),
        note=say("reliability_note"),
    )


def coverage(result: Mapping[str, Any], say: Speech) -> str:
    """Return how much of what came lay within the forecast intervals, fold by fold."""
    whole = finite(result.get("coverage80"))
    known = rows(result, "by_fold")
    plot = _by_fold(
        known, "coverage80", COVERAGE, say, lambda v, n: say.percent(v, max(n - 2, 0)), bars=False
    )
    if whole is None and plot is None:
        return ""
    sentence = say("coverage_all", share=say.percent(whole))
    drawn = "" if plot is None else plot.svg("coverage-plot", say("coverage"), plot.told())
    ends = interval(part(result, "intervals").get("coverage80"))
    if whole is not None and ends is not None:
        sentence += f" ({say.percent(ends[0])} – {say.percent(ends[1])})"
    key = legend([("one-dot", say("fold")), ("base", say("promised"))]) if drawn else ""
    return panel(
        "coverage",
        say("coverage"),
        text("p", sentence, class_="figure"),
        key,
        drawn,
        note=say("coverage_note"),
    )


def folds(result: Mapping[str, Any], say: Speech) -> str:
    """Return AUC and net return by fold, drawn and as a table."""
    known = rows(result, "by_fold")
    if not known:
        return ""
    drawn = []
    wanted: tuple[tuple[str, float, Callable[[float, int], str], bool], ...] = (
        ("auc", 0.5, say.number, False),
        ("net_return", 0.0, lambda v, n: say.percent(v, max(n - 2, 0)), True),
    )
    for key, level, write, bars in wanted:
        if bars and not any(finite(row.get(key)) for row in known):
            continue  # without a trade every fold comes to nothing
        plot = _by_fold(known, key, level, say, write, bars=bars)
        if plot is not None:
            title = say(f"fold_{key}")
            figure = plot.svg(f"fold-{key.replace('_', '-')}", title, plot.told())
            drawn.append(tag("div", text("h3", title), figure))
    body = []
    for number, row in enumerate(known, 1):
        net = finite(row.get("net_return"))
        side = "gain" if net and net > 0 else "loss" if net else ""
        ends = interval(part(row, "intervals").get("auc"))
        spread = f"{say.number(ends[0], 3)} – {say.number(ends[1], 3)}" if ends else None
        body.append(
            [
                esc(number),
                say.lines(say.day(row.get("first_candle")), say.day(row.get("last_candle"))),
                esc(say.number(row.get("auc"), 3)) + (text("small", spread) if spread else ""),
                esc(say.number(row.get("brier"), 4)),
                text("span", say.change(net), class_=side),
                esc(say.number(row.get("trades"), 0)),
            ]
        )
    names = ("fold_number", "period", "auc", "brier_short", "net", "trades_count")
    listed = table(say("folds"), [say(name) for name in names], body, words=(0, 1), class_="tight")
    return panel(
        "folds",
        say("folds"),
        tag("div", *drawn, class_="pair") if drawn else "",
        listed,
        note=say("folds_note"),
        full=True,
    )


def importance_plot(result: Mapping[str, Any], say: Speech) -> Plot | None:
    """Return the features that matter most, with their spread; None where none is known."""
    known: list[tuple[str, float, tuple[float, float]]] = []
    for row in rows(result, "importance"):
        mean = finite(row.get("mean"))
        if mean is not None:
            spread = interval([row.get("low"), row.get("high")]) or (mean, mean)
            known.append((say.given(row.get("name")), mean, spread))
    if not known:
        return None
    known = sorted(known, key=lambda one: -one[1])[:FEATURES]
    bounds = around([0.0, *(end for _, mean, ends in known for end in (mean, *ends))], 0.03)
    height = 40 + 20 * len(known)
    longest = max(min(len(name), NAME_LENGTH) for name, *_ in known)
    plot = Plot(HALF, height, bounds, (len(known), 0), left=12 + LETTER * longest, bottom=28)
    marks = ticks(*bounds, 4)
    plot.upright(0.0, "base")
    places = decimals(marks)
    plot.below([(mark, say.number(mark, places)) for mark in marks])
    for place, (name, mean, ends) in enumerate(known):
        short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
        plot.label(plot.left - 8, plot.y(place + 0.5) + 4, short, "end")
        plot.error_bar(ends, (place + 0.5, place + 0.5), "whisker")
        plot.dot(mean, place + 0.5, "one", f"{name}: {say.number(mean, places + 2)}")
    return plot


def importance(result: Mapping[str, Any], say: Speech) -> str:
    """Return the section of the features that matter most."""
    plot = importance_plot(result, say)
    if plot is None:
        return ""
    return panel(
        "importance",
        say("importance"),
        plot.svg("importance-plot", say("importance"), plot.told()),
        note=say("importance_note"),
    )


def _by_fold(
    folds: Sequence[Mapping[str, Any]],
    key: str,
    level: float,
    say: Speech,
    write: Callable[[float, int], str],
    *,
    bars: bool,
) -> Plot | None:
    """Draw one value for each fold, with its interval where one is known, against a level."""
    known = []
    for place, row in enumerate(folds, 1):
        value = finite(row.get(key))
        if value is not None:
            known.append((place, value, interval(part(row, "intervals").get(key))))
    if not known:
        return None
    bounds = around([level, *(end for _, v, ends in known for end in (v, *(ends or ())))], 0.12)
    plot = Plot(HALF, 190, (0.4, len(folds) + 0.6), bounds)
    marks = ticks(*bounds, 4)
    places = decimals(marks)
    plot.grid([(mark, write(mark, places)) for mark in marks])
    plot.below([(place, str(place)) for place, *_ in known])
    for place, value, ends in known:
        tip = f"{say('fold')} {place}: {write(value, places + 1)}"
        if bars:
            side = "gain" if value >= level else "loss"
            plot.bar((place - 0.32, place + 0.32), (level, value), side, tip)
        else:
            plot.error_bar((place, place), ends or (level, value), "whisker" if ends else "stem")
            plot.dot(place, value, "one", tip)
    plot.across(level, "base")
    return plot
