"""The result against simple alternatives, every metric, the costs, the regimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import HALF, panel
from bot_cripto.backtest.report_parts.svg import LETTER, Plot, around, decimals, ticks
from bot_cripto.backtest.report_parts.values import Speech, finite, interval, part, rows

METRICS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "group_forecasts",
        (
            *(("auc", "3"), ("brier", "4"), ("brier_reliability", "5")),
            *(("brier_resolution", "5"), ("brier_uncertainty", "5")),
            *(("log_loss", "4"), ("ece", "4"), ("coverage80", "percent")),
        ),
    ),
    (
        "group_return",
        (
            *(("net_return", "change"), ("gross_return", "change"), ("sharpe", "2")),
            *(("sortino", "2"), ("calmar", "2"), ("initial_equity", "2"), ("final_equity", "2")),
        ),
    ),
    (
        "group_risk",
        (("max_drawdown", "fall"), ("max_drawdown_days", "1"), ("exposure", "percent")),
    ),
    (
        "group_trades",
        (
            *(("trades", "0"), ("hit_rate", "percent"), ("profit_factor", "2")),
            *(("turnover", "1"), ("average_trade", "small")),
        ),
    ),
    (
        "group_certainty",
        (
            *(("psr", "percent"), ("dsr", "percent"), ("trials", "0"), ("pbo", "percent")),
            *(("track_record_days", "0"), ("min_track_record_days", "0")),
        ),
    ),
)

OPTIONAL = ("brier_reliability", "brier_resolution", "brier_uncertainty", "pbo")
"""Metrics that lie deeper in the result; left out where they are absent."""


def written(value: object, kind: str, say: Speech) -> str:
    """Return a metric as its kind is written: per cent, a change, a fall, or so many decimals."""
    if kind == "percent":
        return say.percent(value)
    if kind == "change":
        return say.change(value)
    if kind == "small":
        return say.change(value, 3)
    if kind == "fall":
        number = finite(value)
        return say.percent(None if number is None else -abs(number))
    return say.number(value, int(kind))


def between(ends: tuple[float, float], kind: str, say: Speech) -> str:
    """Return an interval, its ends written as that kind of metric."""
    return f"{written(ends[0], kind, say)} – {written(ends[1], kind, say)}"


def metrics(result: Mapping[str, Any], say: Speech) -> str:
    """Return every metric with its interval, in groups; one without a value says so."""
    ends_of = part(result, "intervals")
    parts, overfit = part(result, "brier_parts"), part(result, "pbo")
    deeper = {f"brier_{name}": value for name, value in parts.items()}
    known = {**result, **deeper, "pbo": overfit.get("probability")}
    filled = {
        "configurations": say.number(overfit.get("configurations"), 0),
        "splits": say.number(overfit.get("splits"), 0),
    }
    groups = []
    for group, names in METRICS:
        body = []
        for name, kind in names:
            ends = interval(ends_of.get(name))
            there = finite(known.get(name)) is not None
            if not there and name in OPTIONAL:
                continue
            value = text("span", written(known.get(name), kind, say), class_="" if there else "no")
            if there and ends is not None:
                value += text("small", between(ends, kind, say))
            label = esc(say(name)) + text("small", say(f"{name}_help", **filled))
            body.append([label, value])
        headers = [say("metric"), say("value")]
        listed = table(say(group), headers, body, class_="metrics")
        groups.append(tag("div", text("h3", say(group)), listed))
    grid = tag("div", *groups, class_="groups")
    return panel("metrics", say("metrics"), grid, note=say("metrics_note"), full=True)


def alternatives(result: Mapping[str, Any], say: Speech) -> str:
    """Return the net return beside cash, buy and hold, and the random trader."""
    known = part(result, "benchmarks")
    held, chance = part(known, "buy_and_hold"), part(known, "random_trader")
    own = interval(part(result, "intervals").get("net_return"))
    lines = [
        ("strategy", finite(result.get("net_return")), own, "one"),
        ("cash", finite(part(known, "cash").get("net_return")), None, "three"),
        ("buy_and_hold", finite(held.get("net_return")), None, "two"),
        (
            "random_trader",
            finite(chance.get("median")),
            interval([chance.get("p05"), chance.get("p95")]),
            "three",
        ),
    ]
    lines = [line for line in lines if line[1] is not None]
    if not lines:
        return ""
    ratios = {"strategy": result, "buy_and_hold": held}
    body = []
    for name, value, ends, _ in lines:
        ratio = ratios.get(name, {})
        net = esc(say.change(value))
        if ends:
            net += text("small", between(ends, "change", say))
        others = [
            esc(written(ratio.get(key), kind, say)) if finite(ratio.get(key)) is not None else ""
            for key, kind in (("sharpe", "2"), ("max_drawdown", "fall"))
        ]
        body.append([esc(say(name)), net, *others])
    names = ("against", "net_range", "sharpe_short", "drawdown_short")
    headers = [say(name) for name in names]
    listed = table(say("alternatives"), headers, body, class_="metrics tight")
    p_value = finite(chance.get("p_value"))
    sentence = "" if p_value is None else say("p_value", p=say.number(p_value, 3))
    return panel(
        "alternatives",
        say("alternatives"),
        _forest(lines, say),
        listed,
        text("p", sentence, class_="note") if sentence else "",
        note=say("alternatives_note"),
    )


def _forest(
    lines: list[tuple[str, float | None, tuple[float, float] | None, str]], say: Speech
) -> str:
    """Draw one dot with its range for each line."""
    ends = [end for _, value, spread, _ in lines for end in (value or 0.0, *(spread or ()))]
    bounds = around([0.0, *ends], 0.07)
    longest = max(len(say(name)) for name, *_ in lines)
    left = 14 + LETTER * longest
    plot = Plot(HALF, 34 + 32 * len(lines), bounds, (len(lines), 0), left=left, right=16)
    plot.upright(0.0, "base")
    marks = ticks(*bounds, 4)
    places = max(decimals(marks) - 2, 0)
    plot.below([(mark, say.percent(mark, places)) for mark in marks])
    for place, (name, value, spread, class_) in enumerate(lines):
        plot.label(plot.left - 10, plot.y(place + 0.5) + 4, say(name), "end")
        if spread:
            plot.error_bar(spread, (place + 0.5, place + 0.5), f"whisker {class_}")
        plot.dot(value or 0.0, place + 0.5, class_, f"{say(name)}: {say.change(value)}", 5.5)
    described = "; ".join(f"{say(name)} {say.change(value)}" for name, value, *_ in lines)
    return plot.svg("alternatives-plot", say("alternatives"), described)


def costs(result: Mapping[str, Any], say: Speech) -> str:
    """Return what trading cost, and the cost at which nothing would be left."""
    if all(
        finite(result.get(name)) is None
        for name in ("costs_paid", "break_even_cost_bps", "average_cost", "gross_return")
    ):
        return ""
    settings = part(result, "settings")
    parts = [finite(settings.get(name)) for name in ("fees_bps", "spread_bps", "slippage_bps")]
    fees, spread, slippage = parts
    assumed = None
    if fees is not None and spread is not None and slippage is not None:
        assumed = fees + spread / 2 + slippage
    facts = (
        ("costs_paid", say.number(result.get("costs_paid"))),
        ("gross_return", say.change(result.get("gross_return"))),
        ("net_return", say.change(result.get("net_return"))),
        ("average_trade", say.change(result.get("average_trade"), 3)),
        ("average_cost", say.percent(result.get("average_cost"), 3)),
        ("break_even_cost_bps", _bps(result.get("break_even_cost_bps"), say)),
        ("assumed_cost", _bps(assumed, say)),
    )
    body = [[esc(say(name)) + text("small", say(f"{name}_help")), esc(v)] for name, v in facts]
    listed = table(say("costs"), [say("metric"), say("value")], body, class_="metrics")
    return panel("costs", say("costs"), listed, note=say("costs_note"))


def regimes(result: Mapping[str, Any], say: Speech) -> str:
    """Return the share of candles, the trades and the result of each regime."""
    body = []
    for row in rows(result, "regimes"):
        share = finite(row.get("share"))
        wide = 0 if share is None else round(100 * min(max(share, 0.0), 1.0))
        bar = tag("span", esc(say.percent(share)), class_="share", style=f"--s:{wide}%")
        net = finite(row.get("net"))
        side = "gain" if net and net > 0 else "loss" if net else ""
        body.append(
            [
                esc(say.given(row.get("name"))),
                bar,
                esc(say.number(row.get("trades"), 0)),
                text("span", say.change(net), class_=side),
            ]
        )
    if not body:
        return ""
    names = ("regime", "share", "trades_count", "net")
    listed = table(say("regimes"), [say(name) for name in names], body, class_="tight")
    return panel("regimes", say("regimes"), listed, note=say("regimes_note"))


def _bps(value: object, say: Speech) -> str:
    known = finite(value) is not None
    return f"{say.number(value, 1)} {say('bps')}" if known else say("absent")
