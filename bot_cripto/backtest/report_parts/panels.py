"""The frame of a section, and plots that exist in a wide and a narrow drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot_cripto.backtest.report_parts.markup import tag, text
from bot_cripto.backtest.report_parts.svg import Plot

WIDE, NARROW, HALF = 800.0, 360.0, 360.0
"""Widths that plots are drawn for; letters keep a readable size on a phone and on a desk."""


def panel(name: str, title: str, *content: str, note: str | None = None, full: bool = False) -> str:
    """Return a section with a heading, or nothing where it would be empty.

    Parameters
    ----------
    name : str
        Its anchor on the page.
    title : str
    *content : str
        Markup.
    note : str, optional
        One sentence on how to read it.
    full : bool
        Whether it takes the whole width.
    """
    inside = "".join(content)
    if not inside:
        return ""
    return tag(
        "section",
        text("h2", title),
        text("p", note, class_="note") if note else "",
        inside,
        id=name,
        class_="panel full" if full else "panel",
    )


def both(
    draw: Callable[[float, float], Plot | None],
    heights: tuple[float, float],
    name: str,
    title: str,
    description: str,
) -> str:
    """Return a plot drawn twice, of which the page shows the one that fits its width."""
    drawn = []
    for kind, width, height in (("wide", WIDE, heights[0]), ("narrow", NARROW, heights[1])):
        plot = draw(width, height)
        if plot is not None:
            drawn.append(plot.svg(f"{name}-{kind}", title, description, f"plot {kind}"))
    return "".join(drawn)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return what the marks of a plot mean.

    Parameters
    ----------
    entries : sequence of (str, str)
        Class of the sample, and words.
    """
    items = [
        tag("li", tag("i", class_=f"key {kind}", aria_hidden="true"), text("span", words))
        for kind, words in entries
    ]
    return tag("ul", *items, class_="legend")
