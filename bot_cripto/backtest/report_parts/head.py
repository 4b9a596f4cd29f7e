"""The top of the page: what was tested, on which data, the verdicts, the key figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.conduct import alarm_name
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

VERDICTS = {"skill": "skill", "costs": "survives_costs", "certainty": "sure"}
"""The verdicts, and under which name the result says whether each is shown."""


def head(result: Mapping[str, Any], say: Speech) -> str:
    """Return banners, heading, verdicts and key figures."""
    return "".join(
        (
            _banners(result, say),
            tag("header", text("h1", say.given(result.get("symbol"))), _facts(result, say)),
            _verdicts(result, say),
            _alarm_line(result, say),
            _tiles(result, say),
        )
    )


def simulated_banner(result: Mapping[str, Any], say: Speech) -> str:
    """Return the banner that a made-up market has, empty for every other."""
    if result.get("source_name") != SIMULATED_SOURCE:
        return ""
    words = text("strong", say("simulated")) + esc(say("simulated_help"))
    return tag("div", words, class_="banner", role="note")


def _banners(result: Mapping[str, Any], say: Speech) -> str:
    found = [simulated_banner(result, say)]
    failed = [row for row in rows(result, "alarms") if row.get("passed") is False]
    if failed or result.get("suspect") is True:
        names = ", ".join(alarm_name(row, say) for row in failed) or say("absent")
        words = text("strong", say("alarm_failed"))
        words += esc(say("alarm_failed_help", names=names)) + " "
        if failed:
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
    shown = part(result, "shown")
    cards, told = [], 0
    for name, key in VERDICTS.items():
        answer, question = part(known, name).get(say.lang), say(f"verdict_{name}")
        if isinstance(answer, str):
            told += 1
            # the sentence may begin with the question that stands above it
            answer = answer.removeprefix(question).strip()
        yes = shown.get(key)
        state = {True: "is-shown", False: "not-shown"}.get(yes) if isinstance(yes, bool) else None
        chip = text("span", say(state.replace("-", "_")), class_="chip") if state else ""
        heading = tag("dt", esc(question), " " if chip else "", chip)
        cards.append(tag("div", heading, text("dd", say.given(answer)), class_=state))
    whole = result.get("verdict")
    # it says the same in one go, in English: only for want of the others
    wanted = isinstance(whole, str) and whole and not told
    sentence = text("p", whole, class_="conclusion", lang="en") if wanted else ""
    return sentence + tag("dl", *cards, class_="verdicts")


def _alarm_line(result: Mapping[str, Any], say: Speech) -> str:
    """Say how many of the leak alarms passed, also where none was run."""
    told = [row.get("passed") for row in rows(result, "alarms")]
    ran = [passed for passed in told if isinstance(passed, bool)]
    if not ran:
        return text("p", say("alarms_none"), class_="checks loss")
    words = say("alarms_line", passed=sum(ran), all=len(told))
    if len(ran) < len(told):
        words += f", {say('alarms_unmeasured', count=len(told) - len(ran))}"
    mark = "✗" if not all(ran) else "✓" if len(ran) == len(told) else "–"
    sign = text("span", mark, aria_hidden="true")
    link = text("a", words, href="#alarms")
    return tag("p", sign, " ", link, class_="checks" if all(ran) else "checks warned")


def _tiles(result: Mapping[str, Any], say: Speech) -> str:
    tiles = []
    for name, kind in TILES:
        value = finite(result.get(name))
        ends = interval(part(result, "intervals").get(name))
        unit = f" {say('bps')}" if name == "break_even_cost_bps" and value is not None else ""
        shown = written(value, kind, say) + unit
        below = say(f"{name}_help")
        if value is not None and ends is not None:
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
