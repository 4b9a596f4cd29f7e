"""Drawings of a result that stand alone: SVG files that need no page around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.forecasts import importance_plot, reliability_plot
from bot_cripto.backtest.report_parts.markup import text
from bot_cripto.backtest.report_parts.style import STYLE
from bot_cripto.backtest.report_parts.svg import Plot
from bot_cripto.backtest.report_parts.values import Speech

_HEAD = '<svg xmlns="http://www.w3.org/2000/svg" '


def figures(result: Mapping[str, Any], lang: str = "en") -> dict[str, str]:
    """Return the drawings of a backtest's result by file name.

    Parameters
    ----------
    result : mapping
        As of `bot_cripto.backtest.report_html.html`; any key may be absent.
    lang : {"en", "es"}

    Returns
    -------
    dict of str to str
        ``reliability.svg`` and ``importance.svg``, each where there is something to draw.
    """
    say = Speech(lang)
    drawn = {
        "reliability": reliability_plot(result, say),
        "importance": importance_plot(result, say),
    }
    return {
        f"{name}.svg": _alone(plot, name, say(name))
        for name, plot in drawn.items()
        if plot is not None
    }


def importance_figures(
    importance: Mapping[str, Mapping[str, float]], lang: str = "en"
) -> dict[str, str]:
    """Return a drawing of the features that each model file splits on, by file name.

    Parameters
    ----------
    importance : mapping of str to mapping of str to float
        Share of the gain by feature, by model file; NaN and empty files are left out.
    lang : {"en", "es"}
    """
    say = Speech(lang)
    found = {}
    for model, shares in importance.items():
        rows = [{"name": name, "mean": share} for name, share in shares.items() if share]
        plot = importance_plot({"importance": rows}, say)
        if plot is not None:
            found[f"importance-{model}.svg"] = _alone(plot, "importance", say("importance"))
    return found


_COLOURS = STYLE.split("*{", 1)[0]
_STYLE = (
    _COLOURS
    + "text{font-family:system-ui,sans-serif}"
    + "".join(line for line in STYLE.splitlines() if line.startswith("svg "))
    + "svg .title{fill:var(--ink);font-size:15px}"
)
_ABOVE = 26
"""Room for the title, which a page has as its heading."""


def _alone(plot: Plot, name: str, title: str) -> str:
    """Return a drawing with colours, a title and a size of its own."""
    width, height = plot.width, plot.height + _ABOVE
    inside = plot.svg(name, title, plot.told()).split(">", 1)[1]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-_ABOVE} {width:g} {height:g}"'
        f' width="{2 * width:g}" height="{2 * height:g}"><style>{_STYLE}</style>'
        # outside a page nothing paints what is behind it
        f'<rect y="{-_ABOVE}" width="100%" height="100%" style="fill:var(--card)"/>'
        f"{text('text', title, x='8', y='-6', class_='title')}{inside}\n"
    )
