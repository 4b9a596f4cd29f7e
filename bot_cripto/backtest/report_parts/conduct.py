"""What was decided, under which settings, and whether anything leaked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import panel
from bot_cripto.backtest.report_parts.values import Speech, finite, part, rows

ALARMS = ("alarm_ceiling", "alarm_truncation", "alarm_null_control", "alarm_label_shift")
"""The alarms that the page has words for."""


def decisions(result: Mapping[str, Any], say: Speech) -> str:
    """Return how often each decision was made and what stood against a trade."""
    counts = _counts(result, "decisions")
    gates = _counts(result, "failing_gates")
    total = sum(counts.values())
    content = []
    if total:
        body = [[esc(name), *_share(count, total, say)] for name, count in counts.items()]
        headers = [say("decision"), say("candles"), say("share")]
        content.append(table(say("decisions"), headers, body))
    if gates:
        ordered = sorted(gates.items(), key=lambda one: -one[1])
        most = total or max(gates.values())
        body = [[esc(name), *_share(count, most, say)] for name, count in ordered]
        content.append(text("h3", say("gates")))
        headers = [say("gate"), say("candles"), say("share")]
        content.append(table(say("gates"), headers, body))
    return panel("decisions", say("decisions"), *content, note=say("decisions_note"))


def alarms(result: Mapping[str, Any], say: Speech) -> str:
    """Return what every leak alarm found."""
    items = []
    for row in rows(result, "alarms"):
        told, found = row.get("passed"), row.get("text")
        state = "passed" if told is True else "failed" if told is False else "absent"
        sign = {"passed": "✓", "failed": "✗", "absent": "–"}[state]
        items.append(
            tag(
                "li",
                text("span", sign, class_="sign", aria_hidden="true"),
                tag(
                    "div",
                    text("b", alarm_name(row, say)),
                    " ",
                    text("span", say(state), class_="state"),
                    _explained(row, say),
                    text("p", found, lang="en") if isinstance(found, str) else "",
                ),
                class_=state,
            )
        )
    if not items:
        return ""
    return panel("alarms", say("alarms"), tag("ul", *items), note=say("alarms_note"))


def alarm_name(row: Mapping[str, Any], say: Speech) -> str:
    """Return what an alarm is called in the language of the page."""
    key = f"alarm_{row.get('name')}"
    return say(key) if key in ALARMS else say.given(row.get("name"))


def _explained(row: Mapping[str, Any], say: Speech) -> str:
    key = f"alarm_{row.get('name')}"
    return text("p", say(f"{key}_help"), class_="help") if key in ALARMS else ""


def settings(result: Mapping[str, Any], say: Speech) -> str:
    """Return the settings that the backtest ran under."""
    body = []
    for name, value in part(result, "settings").items():
        number = finite(value)
        if isinstance(value, bool):
            words = say("yes" if value else "no")
        elif number is None:
            words = say.given(value)
        else:
            words = say.number(number, _places(number))
        body.append([tag("code", esc(name)), esc(words)])
    if not body:
        return ""
    listed = table(say("settings"), [say("setting"), say("value")], body)
    return panel("settings", say("settings"), listed, note=say("settings_note"))


def _places(number: float) -> int:
    """Return the decimals of a number as a person wrote it, at most eight."""
    return len(f"{number:.8f}".rstrip("0").partition(".")[2])


def _counts(result: Mapping[str, Any], name: str) -> dict[str, float]:
    found = {str(key): finite(value) for key, value in part(result, name).items()}
    return {key: value for key, value in found.items() if value is not None and value >= 0}


def _share(count: float, total: float, say: Speech) -> list[str]:
    share = min(count / total, 1.0) if total else 0.0
    bar = tag("span", esc(say.percent(share)), class_="share", style=f"--s:{round(100 * share)}%")
    return [esc(say.number(count, 0)), bar]
