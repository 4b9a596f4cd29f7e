"""What every page has: the head, the style, a policy by which a browser loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot_cripto.backtest.report_parts.head import SIMULATED_SOURCE
from bot_cripto.backtest.report_parts.markup import tag, text
from bot_cripto.backtest.report_parts.style import STYLE
from bot_cripto.backtest.report_parts.values import Speech
from bot_cripto.errors import ConfigError

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: nothing but what it holds itself."""


def check_language(lang: str, known: Iterable[str]) -> None:
    """Raise ConfigError where there are no texts of a language."""
    known = sorted(known)
    if lang not in known:
        raise ConfigError(f"no report in the language {lang!r}; choose one of: {', '.join(known)}")


def titled(title: str, result: Mapping[str, Any], say: Speech) -> str:
    """Return the title of a page; of a made-up market it begins by saying so."""
    if result.get("source_name") == SIMULATED_SOURCE:
        return f"{say('simulated')} · {title}"
    return title


def document(title: str, lang: str, *body: str, style: str = "") -> str:
    """Return a whole HTML document, also well-formed as XML after its first line.

    Parameters
    ----------
    title : str
    lang : str
    *body : str
        Markup.
    style : str
        CSS beside the common one.
    """
    opening = (
        '<meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        '<link rel="icon" href="data:,"/>'
    )
    page = tag(
        "html",
        tag("head", opening, text("title", title), tag("style", STYLE, style)),
        tag("body", tag("main", *body)),
        lang=lang,
    )
    return f"<!DOCTYPE html>\n{page}\n"
