"""The page of a measurement of drift: one HTML file that needs nothing else to be read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.document import check_language, document, titled
from bot_cripto.backtest.report_parts.head import simulated_banner
from bot_cripto.backtest.report_parts.markup import table, tag, text
from bot_cripto.backtest.report_parts.panels import NARROW, both, legend, panel
from bot_cripto.backtest.report_parts.svg import Plot, around, decimals, ticks
from bot_cripto.backtest.report_parts.time_axis import time_marks
from bot_cripto.backtest.report_parts.values import series, time_ms
from bot_cripto.drift.history import DRIFT, NO_DRIFT
from bot_cripto.drift.report.words import WORDS, DriftSpeech
from bot_cripto.drift.sentences import STATUS

Json = Mapping[str, Any]

SHOWN = 20
"""So many of the most unlike features are drawn; the table holds all."""


def html(result: Json, lang: str = "en") -> str:
    """Return the page of a measurement.

    Parameters
    ----------
    result : mapping
        As `drift.schema.json` describes it.
    lang : {"en", "es"}
        Language of the page.

    Returns
    -------
    str
        A whole HTML document, also well-formed as XML after its first line. It loads nothing and
        runs no script, and every text of the result is escaped.

    Raises
    ------
    ConfigError
        The language is not known.
    """
    check_language(lang, WORDS)
    say = DriftSpeech(lang)
    title = titled(say("drift_title", symbol=result["symbol"]), result, say)
    checks = [_check(check, say) for part in result["parts"] for check in part["checks"]]
    return document(title, lang, _head(result, say), tag("div", *checks, class_="sections"))


def _head(result: Json, say: DriftSpeech) -> str:
    facts = say(
        "drift_facts",
        candle=say.moment(result["candle_close_time"]),
        days=f"{result['recent_days']:g}",
        rate=say.percent(result["false_alarm_rate"], 0),
    )
    named = ", ".join(f"{kind} {version}" for kind, version in result["models"].items())
    cards = [
        tag(
            "div",
            text("dt", say(part["name"])),
            text("dd", STATUS[say.lang][part["status"]]),
            class_=_state(part["status"]),
        )
        for part in result["parts"]
    ]
    return simulated_banner(result, say) + tag(
        "header",
        text("h1", say("drift_title", symbol=result["symbol"])),
        text("p", STATUS[say.lang][result["status"]], class_="conclusion"),
        text("p", facts, class_="facts"),
        text("p", say("drift_models", models=named or say("no_models")), class_="facts"),
        tag("dl", *cards, class_="verdicts", aria_label=say("status_of")),
    )


def _state(status: str) -> str | None:
    return {DRIFT: "not-shown", NO_DRIFT: "is-shown"}.get(status)


def _check(check: Json, say: DriftSpeech) -> str:
    chip = text("span", STATUS[say.lang][check["status"]], class_="chip")
    known = check["p_value"]
    p = "" if known is None else text("span", " " + say("p", p=f"{known:.2g}"), class_="quiet")
    draw = _DRAWN.get(check["name"])
    content = draw(check["values"], say) if draw else ""
    return panel(
        check["name"],
        say(check["name"]),
        tag("p", chip, p, class_=_state(check["status"])),
        text("p", check["text"][say.lang], class_="figure"),
        content,
        full=check["name"] in ("features", "sequential"),
    )


def _features(values: Json, say: DriftSpeech) -> str:
    rows = values.get("features")
    if not rows:
        return ""
    shown = rows[:SHOWN]
    limit = values["limit"]
    bounds = around([0.0, limit, *(row["score"] for row in shown)])

    def draw(width: float, height: float) -> Plot:
        plot = Plot(width, height, (-0.5, len(shown) - 0.5), bounds)
        marks = ticks(*bounds, 5)
        plot.grid([(mark, say.number(mark, decimals(marks))) for mark in marks])
        for place, row in enumerate(shown):
            plot.bar(
                (place - 0.35, place + 0.35),
                (0.0, row["score"]),
                "loss" if row["score"] > limit else "gain",
                f"{row['name']}: {say.number(row['score'], 1)}",
            )
        plot.across(limit, "base")
        return plot

    description = "; ".join(f"{row['name']} {say.number(row['score'], 1)}" for row in shown)
    plots = both(draw, (240, 220), "scores-plot", say("scores"), description)
    headers = [say(n) for n in ("feature", "psi", "usual_psi", "ks", "usual_ks", "score")]
    body = [
        [
            text("code", row["name"]),
            *(say.number(row[n], 3) for n in ("psi", "usual_psi", "ks", "usual_ks")),
            say.number(row["score"], 1),
        ]
        for row in rows
    ]
    listed = table(say("scores"), headers, body, class_="tight")
    heading = text("h3", say("scores")) + text("p", say("scores_note"), class_="note")
    whole = tag("details", text("summary", say("all_features")), listed)
    return heading + plots + whole


def _distribution(values: Json, say: DriftSpeech) -> str:
    now, before = values.get("shares"), values.get("reference_shares")
    if not now or not before:
        return ""
    bounds = around([0.0, *now, *before])
    edges = [0.0, *values["edges"], 1.0]
    names = [
        f"{say.number(low, 3)}–{say.number(high, 3)}" for low, high in itertools.pairwise(edges)
    ]
    plot = Plot(NARROW, 220, (-0.5, len(now) - 0.5), (0.0, bounds[1]))
    marks = ticks(0.0, bounds[1], 4)
    plot.grid([(mark, say.percent(mark, 0)) for mark in marks])
    for shares, side, class_, word in ((before, -0.4, "gain", "before"), (now, 0.0, "loss", "now")):
        for place, (share, name) in enumerate(zip(shares, names, strict=True)):
            tip = f"{name}: {say(word)} {say.percent(share)}"
            plot.bar((place + side, place + side + 0.4), (0.0, share), class_, tip)
    key = legend([("one-dot", say("before")), ("exit-loss", say("now"))])
    return key + plot.svg("shares-plot", say("shares"), plot.told())


def _calibration(values: Json, say: DriftSpeech) -> str:
    tables = (("reference_reliability", "one", "before"), ("reliability", "two", "now"))
    points = [row for name, _, _ in tables for row in values.get(name, ())]
    if not points:
        return ""
    known = [value for row in points for value in (row["forecast"], row["observed"])]
    bounds = around(known)
    plot = Plot(NARROW, 260, bounds, bounds)
    marks = ticks(*bounds, 5)
    plot.grid([(mark, say.number(mark, 2)) for mark in marks])
    plot.below([(mark, say.number(mark, 2)) for mark in marks])
    plot.line(bounds, bounds, "base")
    for name, class_, word in tables:
        rows = values.get(name, ())
        xs, ys = [row["forecast"] for row in rows], [row["observed"] for row in rows]
        plot.line(xs, ys, class_)
        for x, y, row in zip(xs, ys, rows, strict=True):
            plot.dot(
                x, y, class_, f"{say(word)}: {say.number(x, 3)} → {say.number(y, 3)}, {row['n']}"
            )
    key = legend([("one", say("before")), ("two", say("now"))])
    return key + plot.svg("reliability-plot", say("reliability"), plot.told())


def _sequential(values: Json, say: DriftSpeech) -> str:
    held = values.get("series") or {}
    times, (hits,) = series(held, "hits")
    if len(times) < 2:
        return ""
    bounds = around([*hits, 0.5])
    falls = [at for at in map(time_ms, held["falls"]) if at is not None]

    def draw(width: float, height: float) -> Plot:
        plot = Plot(width, height, (times[0], times[-1]), bounds, right=14)
        marks = ticks(*bounds, 5)
        plot.grid([(mark, say.percent(mark, 0)) for mark in marks])
        plot.below(time_marks(times[0], times[-1], 8 if width > NARROW else 4, say))
        plot.across(0.5, "base")
        plot.line(times, hits, "one faint")
        for at in falls:
            plot.upright(at, "two")
        return plot

    description = f"{say('hits')}: {say.percent(min(hits))} – {say.percent(max(hits))}"
    entries = [("one", say("hits"))] + ([("two", say("falls"))] if falls else [])
    plots = both(draw, (240, 220), "hits-plot", say("hits"), description)
    return legend(entries) + plots


_DRAWN = {
    "features": _features,
    "distribution": _distribution,
    "calibration": _calibration,
    "sequential": _sequential,
}
