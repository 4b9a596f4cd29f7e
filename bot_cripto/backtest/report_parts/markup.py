"""Well-formed HTML from text that may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

_FORBIDDEN = re.compile(r"[^\t\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def esc(value: object) -> str:
    """Return a text that is safe in content and attributes.

    Notes
    -----
    Characters that XML 1.0 forbids become U+FFFD, so that the page can be parsed strictly.
    """
    return escape(_FORBIDDEN.sub("\ufffd", str(value)), quote=True)


def tag(name: str, /, *content: str, **attributes: object) -> str:
    """Return an element.

    Parameters
    ----------
    name : str
    *content : str
        Markup, not text.
    **attributes : object
        Text; ``_`` stands for ``-`` and a trailing one is dropped (``class_``). One that is None
        is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{esc(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(content)
    return f"<{name}{given}>{inside}</{name}>"


def text(name: str, value: object, **attributes: object) -> str:
    """Return an element that holds text."""
    return tag(name, esc(value), **attributes)


def table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Sequence[int] = (0,),
    class_: str | None = None,
) -> str:
    """Return a table whose columns and rows have headers; it scrolls where it is too wide.

    Parameters
    ----------
    caption : str
        Text for who does not see the page.
    headers : sequence of str
        Text of each column.
    rows : iterable of sequence of str
        Markup of each cell; the first one heads its row.
    words : sequence of int
        Columns that hold words, not numbers.
    class_ : str, optional
    """

    def align(column: int) -> str | None:
        return "w" if column in words else None

    head = "".join(
        text("th", name, scope="col", class_=align(column)) for column, name in enumerate(headers)
    )
    body = []
    for row in rows:
        cells = [
            tag("th", cell, scope="row", class_=align(0))
            if column == 0
            else tag("td", cell, class_=align(column))
            for column, cell in enumerate(row)
        ]
        body.append(tag("tr", *cells))
    whole = tag(
        "table",
        text("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", *body),
        class_=class_,
    )
    # a region that scrolls must be reachable by keyboard
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)
