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
from bot_cripto.backtest.report_parts.document import check_language, document, titled
from bot_cripto.backtest.report_parts.head import head
from bot_cripto.backtest.report_parts.markup import tag, text
from bot_cripto.backtest.report_parts.texts import TEXTS
from bot_cripto.backtest.report_parts.values import Speech

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
    say = _speech(lang)
    symbol = say.given(result.get("symbol"))
    title = titled(say("title", symbol=symbol), result, say)
    made = [(make.__name__, make(result, say)) for make in SECTIONS]
    links = [text("a", say(name), href=f"#{name}") for name, markup in made if markup]
    contents = tag("nav", *links, class_="contents", aria_label=say("contents"))
    sections = tag("div", *(markup for _, markup in made), class_="sections")
    return document(title, lang, head(result, say), contents, sections)


def no_result(symbol: str, reason: str, lang: str = "en") -> str:
    """Return the page of a symbol that could not be backtested.

    Parameters
    ----------
    symbol : str
    reason : str
        Why, as a clause; in English.
    lang : {"en", "es"}
        Language of the page.

    Raises
    ------
    ConfigError
        The language is not known.
    """
    say = _speech(lang)
    words = text("p", say("skipped", reason=reason))
    return document(say("title", symbol=symbol), lang, tag("header", text("h1", symbol)), words)


def _speech(lang: str) -> Speech:
    check_language(lang, TEXTS)
    return Speech(lang)
