"""The page of a backtest: one HTML file that needs nothing else to be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts import (
    conduct,
    curves,
    forecasts,
    money,
    outcomes,
    trades,
)
from bot_cripto.backtest.report_parts.head import SIMULATED_SOURCE, head
from bot_cripto.backtest.report_parts.markup import tag, text
from bot_cripto.backtest.report_parts.style import STYLE
from bot_cripto.backtest.report_parts.texts import TEXTS
from bot_cripto.backtest.report_parts.values import Speech
from bot_cripto.errors import ConfigError

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: nothing but what it holds itself."""

SECTIONS = (
    curves.equity,
    curves.drawdown,
    money.alternatives,
    curves.months,
    money.metrics,
    trades.trades,
    forecasts.reliability,
    forecasts.coverage,
    outcomes.outcomes,
    forecasts.folds,
    forecasts.importance,
    money.costs,
    money.regimes,
    conduct.decisions,
    conduct.alarms,
    conduct.settings,
)
"""The sections below the verdicts, in the order in which they are read."""


def html(result: Mapping[str, Any], lang: str = "en") -> str:
    """Return the page of a backtest.

    Parameters
    ----------
    result : mapping
        The backtest result as its JSON holds it: returns, shares and drawdowns as decimals,
        equity and costs paid in the quote currency, costs of a fill in basis points, times as
        ISO 8601 in UTC. Any key may be absent.
    lang : {"en", "es"}
        Language of the page.

    Returns
    -------
    str
        A whole HTML document, also well-formed as XML after its first line. It loads nothing,
        runs no script, and every text of the result is escaped.

    Raises
    ------
    ConfigError
        The language is not known.

    Notes
    -----
    What is absent, null, NaN or infinite is shown as not measured; a section without any content
    is left out.
    """
    if lang not in TEXTS:
        known = ", ".join(sorted(TEXTS))
        raise ConfigError(f"no report in the language {lang!r}; choose one of: {known}")
    say = Speech(lang)
    symbol = say.given(result.get("symbol"))
    title = say("title", symbol=symbol)
    if result.get("source_name") == SIMULATED_SOURCE:
        title = f"{say('simulated')} · {title}"
    made = [(make.__name__, make(result, say)) for make in SECTIONS]
    links = [text("a", say(name), href=f"#{name}") for name, markup in made if markup]
    contents = tag("nav", *links, class_="contents", aria_label=say("contents"))
    sections = tag("div", *(markup for _, markup in made), class_="sections")
    opening = (
        '<meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        '<link rel="icon" href="data:,"/>'
    )
    page = tag(
        "html",
        tag("head", opening, text("title", title), tag("style", STYLE)),
        tag("body", tag("main", head(result, say), contents, sections)),
        lang=lang,
    )
    return f"<!DOCTYPE html>\n{page}\n"
