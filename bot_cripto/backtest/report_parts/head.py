"""The top of the page: what was tested, on which data, the verdicts, the key figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, tag, text
from bot_cripto.backtest.report_parts.money import between, written
from bot_cripto.backtest.report_parts.values import Speech, finite, interval, part, rows

SIMULATED_SOURCE = "simulated"

TILES = (
    ("net_return", "change"),
    ("sharpe", "2"),
    ("max_drawdown", "fall"),
    ("auc", "3"),
    ("trades", "0"),
    ("break_even_cost_bps", "1"),
)


def head(result: Mapping[str, Any], say: Speech) -> str:
    """Return banners, heading, verdicts and key figures."""
    return "".join(
        (
            _banners(result, say),
            tag("header", text("h1", say.given(result.get("symbol"))), _facts(result, say)),
            _verdicts(result, say),
            _tiles(result, say),
        )
    )


def _banners(result: Mapping[str, Any], say: Speech) -> str:
    found = []
    if result.get("source_name") == SIMULATED_SOURCE:
        words = text("strong", say("simulated")) + esc(say("simulated_help"))
        found.append(tag("div", words, class_="banner", role="note"))
    failed = [row for row in rows(result, "alarms") if row.get("passed") is False]
    if failed:
        names = ", ".join(say.given(row.get("name")) for row in failed)
        words = text("strong", say("alarm_failed"))
        words += esc(say("alarm_failed_help", names=names)) + " "
        words += text("a", say("see_alarms"), href="#alarms")
        found.append(tag("div", words, class_="banner", role="alert"))
    return "".join(found)


def _facts(result: Mapping[str, Any], say: Speech) -> str:
    lines = []
    if result.get("first_candle") and result.get("last_candle"):
        first, last = say.day(result["first_candle"]), say.day(result["last_candle"])
        lines.append(say("period_line", first=first, last=last))
    kind = say(
        "facts",
        timeframe=say.given(result.get("timeframe")),
        horizon=say.number(result.get("horizon_steps"), 0),
        folds=say.number(result.get("folds"), 0),
    )
    lines.append(kind)
    source = result.get("source_name")
    simulated = source == SIMULATED_SOURCE
    shown = say("simulated") if simulated else say.given(source)
    lines.append(say("source_real", source=shown))
    facts = text("p", " · ".join(lines), class_="facts")
    return facts + text("p", say("made_line", made=say.moment(result.get("made"))), class_="facts")


def _verdicts(result: Mapping[str, Any], say: Speech) -> str:
    known = part(result, "verdicts")
    cards, told = [], 0
    for name in ("skill", "costs", "certainty"):
        answer, question = part(known, name).get(say.lang), say(f"verdict_{name}")
        if isinstance(answer, str):
            told += 1
            # the sentence may begin with the question that stands above it
            answer = answer.removeprefix(question).strip()
        cards.append(tag("div", text("dt", question), text("dd", say.given(answer))))
    whole = result.get("verdict")
    # it says the same in one go, in English: only for want of the others
    wanted = isinstance(whole, str) and whole and not told
    sentence = text("p", whole, class_="conclusion", lang="en") if wanted else ""
    return sentence + tag("dl", *cards, class_="verdicts")


def _tiles(result: Mapping[str, Any], say: Speech) -> str:
    tiles = []
    for name, kind in TILES:
        value = finite(result.get(name))
        ends = interval(part(result, "intervals").get(name))
        unit = f" {say('bps')}" if name == "break_even_cost_bps" and value is not None else ""
        shown = written(value, kind, say) + unit
        below = say(f"{name}_help")
        if ends is not None:
            below = between(ends, kind, say)
        tiles.append(
            tag(
                "div",
                text("dt", say(name)),
                text("dd", shown, class_="no" if value is None else None),
                text("dd", below, class_="under"),
            )
        )
    return tag("dl", *tiles, class_="tiles")
