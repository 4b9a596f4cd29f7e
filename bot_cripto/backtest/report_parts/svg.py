"""Plots as inline SVG: one frame with two scales, and the few marks that reports need."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot_cripto.backtest.report_parts.markup import esc, tag, text

LETTER = 7.6
"""Width that a letter of the labels takes at most, in units of the drawing (font size 12)."""

Range = tuple[float, float]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers within a range, about `count` of them.

    Notes
    -----
    Steps are 1, 2 or 5 times a power of ten. An empty or endless range has none.
    """
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def decimals(marks: Sequence[float]) -> int:
    """Return how many decimals tell neighbouring marks apart."""
    if len(marks) < 2:
        return 2
    return max(0, -math.floor(math.log10(abs(marks[1] - marks[0])) + 1e-9))


def around(values: Iterable[float], margin: float = 0.06) -> Range:
    """Return a range that holds the finite values with some room, never an empty one."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * margin or abs(high) * 0.05 or 1.0
    return low - room, high + room


def thin(xs: Sequence[float], ys: Sequence[float], columns: int) -> tuple[list[float], list[float]]:
    """Return at most two points for each of so many columns: the lowest and the highest.

    Notes
    -----
    The first and the last point stay, so what is drawn begins and ends where the series does.
    """
    n = len(xs)
    if n <= 2 * columns:
        return list(xs), list(ys)
    keep = {0, n - 1}
    for first, last in itertools.pairwise(round(i * n / columns) for i in range(columns + 1)):
        keep.add(min(range(first, last), key=ys.__getitem__))
        keep.add(max(range(first, last), key=ys.__getitem__))
    order = sorted(keep)
    return [xs[i] for i in order], [ys[i] for i in order]


def _n(value: float) -> str:
    """Return a coordinate to a tenth of a unit."""
    written = f"{value:.1f}"
    return written[:-2] if written.endswith(".0") else written


@dataclass
class Plot:
    """A frame to draw in.

    Attributes
    ----------
    width, height : float
        Units of the drawing; labels have size 12.
    x_range, y_range : (float, float)
        What the left and the right edge, the lower and the upper edge stand for.
    left, right, top, bottom : float
        Room around the frame.
    parts, tips : list of str
        The markup so far, and what its marks say when pointed at.
    """

    width: float
    height: float
    x_range: Range
    y_range: Range
    left: float = 8
    right: float = 10
    top: float = 10
    bottom: float = 24
    parts: list[str] = field(default_factory=list)
    tips: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Return where a value lies from the left."""
        low, high = self.x_range
        inner = self.width - self.left - self.right
        return self.left + (value - low) / (high - low or 1.0) * inner

    def y(self, value: float) -> float:
        """Return where a value lies from above."""
        low, high = self.y_range
        inner = self.height - self.top - self.bottom
        return self.top + (high - value) / (high - low or 1.0) * inner

    def grid(self, marks: Sequence[tuple[float, str]]) -> None:
        """Draw horizontal lines, labelled on the left; makes room for the labels."""
        self.left = max(self.left, 10 + LETTER * max((len(label) for _, label in marks), default=0))
        for value, label in marks:
            at = _n(self.y(value))
            self.parts.append(
                f'<path class="grid" d="M{_n(self.left)} {at}H{_n(self.width - self.right)}"/>'
            )
            self.label(self.left - 7, self.y(value) + 4, label, "end")

    def below(self, marks: Sequence[tuple[float, str]]) -> None:
        """Label the horizontal axis; labels that would touch the one before are left out."""
        free = -math.inf
        for value, label in marks:
            half = LETTER * len(label) / 2
            at = min(max(self.x(value), half), self.width - half)
            if at - half < free:
                continue
            free = at + half + 8
            self.label(at, self.height - 7, label, "middle")

    def label(self, x: float, y: float, words: str, anchor: str = "start", **more: str) -> None:
        """Write at a place of the drawing (not of the scales)."""
        self.parts.append(text("text", words, x=_n(x), y=_n(y), text_anchor=anchor, **more))

    def across(self, value: float, class_: str = "mark") -> None:
        """Draw a horizontal line at a value."""
        self._path(f"M{_n(self.left)} {_n(self.y(value))}H{_n(self.width - self.right)}", class_)

    def upright(self, value: float, class_: str = "mark") -> None:
        """Draw a vertical line at a value."""
        self._path(f"M{_n(self.x(value))} {_n(self.top)}V{_n(self.height - self.bottom)}", class_)

    def line(self, xs: Sequence[float], ys: Sequence[float], class_: str) -> None:
        """Draw a line through the points."""
        self._path(self._points(xs, ys), class_)

    def area(self, xs: Sequence[float], ys: Sequence[float], base: float, class_: str) -> None:
        """Fill between the points and a level."""
        if len(xs):
            foot = _n(self.y(base))
            edge = self._points(xs, ys)[1:]
            self._path(f"M{_n(self.x(xs[0]))} {foot}L{edge}V{foot}Z", class_)

    def bar(self, x: Range, y: Range, class_: str, tip: str | None = None) -> None:
        """Draw a rectangle that spans two values on each scale."""
        left, right = sorted((self.x(x[0]), self.x(x[1])))
        upper, lower = sorted((self.y(y[0]), self.y(y[1])))
        size = {"width": _n(right - left), "height": _n(max(lower - upper, 0.8))}
        self.parts.append(
            tag("rect", self._tip(tip), x=_n(left), y=_n(upper), **size, class_=class_, rx="1")
        )

    def dot(self, x: float, y: float, class_: str, tip: str | None = None, r: float = 4.5) -> None:
        """Draw a dot."""
        place = {"cx": _n(self.x(x)), "cy": _n(self.y(y))}
        self.parts.append(tag("circle", self._tip(tip), **place, r=_n(r), class_=class_))

    def error_bar(self, x: Range, y: Range, class_: str) -> None:
        """Draw a line between two values; one of the two ranges is a single value."""
        start, end = (self.x(x[0]), self.y(y[0])), (self.x(x[1]), self.y(y[1]))
        self._path(f"M{_n(start[0])} {_n(start[1])}L{_n(end[0])} {_n(end[1])}", class_)

    def triangle(self, x: float, y: float, up: bool, class_: str, tip: str | None = None) -> None:
        """Draw a triangle whose tip touches the point, from below or from above."""
        at, on, side = self.x(x), self.y(y), 9 if up else -9
        d = f"M{_n(at)} {_n(on)}L{_n(at - 5.5)} {_n(on + side)}H{_n(at + 5.5)}Z"
        self.parts.append(tag("path", self._tip(tip), d=d, class_=class_))

    def spans(self, places: Sequence[tuple[float, float, float]], class_: str) -> None:
        """Draw many upright lines as one path: where, from, to."""
        self._path(
            "".join(f"M{_n(self.x(x))} {_n(self.y(a))}V{_n(self.y(b))}" for x, a, b in places),
            class_,
        )

    def points(self, places: Sequence[tuple[float, float]], class_: str) -> None:
        """Draw many dots as one path; their size is the width of its stroke, with round caps."""
        self._path("".join(f"M{_n(self.x(x))} {_n(self.y(y))}h0" for x, y in places), class_)

    def rug(self, xs: Sequence[float], class_: str) -> None:
        """Draw short lines on the lower edge, at most one for each unit of the drawing."""
        foot = self.height - self.bottom
        columns = sorted({round(self.x(x)) for x in xs})
        self._path("".join(f"M{at} {_n(foot)}v-8" for at in columns), class_)

    def candles(
        self, times: Sequence[float], prices: Sequence[Sequence[float]], width: float
    ) -> None:
        """Draw candles.

        Parameters
        ----------
        times : sequence of float, n of them
            Middle of each candle.
        prices : four sequences of float, n in each
            Open, high, low, close.
        width : float
            Of a body, on the scale of the times.
        """
        wicks: list[str] = []
        bodies: dict[bool, list[str]] = {True: [], False: []}
        for time, start, high, low, end in zip(times, *prices, strict=True):
            middle, upper, lower = self.x(time), self.y(max(start, end)), self.y(min(start, end))
            half = max((self.x(time + width) - middle) / 2, 0.6)
            lower = max(lower, upper + 0.8)
            wicks.append(f"M{_n(middle)} {_n(self.y(high))}V{_n(self.y(low))}")
            left, right = _n(middle - half), _n(middle + half)
            bodies[end >= start].append(f"M{left} {_n(upper)}H{right}V{_n(lower)}H{left}Z")
        self._path("".join(wicks), "wick")
        self._path("".join(bodies[True]), "rise")
        self._path("".join(bodies[False]), "fall")

    def told(self) -> str:
        """Return in words what the marks show, for who does not see them."""
        return "; ".join(self.tips)

    def svg(self, name: str, title: str, description: str, class_: str | None = None) -> str:
        """Return the drawing.

        Parameters
        ----------
        name : str
            Unique on the page.
        title, description : str
            What a screen reader says of it.
        class_ : str, optional
        """
        return (
            f'<svg role="img" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
            f' aria-labelledby="{esc(name)}-t {esc(name)}-d" class="{esc(class_ or "plot")}">'
            + text("title", title, id=f"{name}-t")
            + text("desc", description, id=f"{name}-d")
            + "".join(self.parts)
            + "</svg>"
        )

    def _path(self, d: str, class_: str) -> None:
        if d:
            self.parts.append(f'<path class="{class_}" d="{d}"/>')

    def _points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        places = [f"{_n(self.x(x))} {_n(self.y(y))}" for x, y in zip(xs, ys, strict=True)]
        return "M" + "L".join(places) if places else ""

    def _tip(self, words: str | None) -> str:
        if words is None:
            return ""
        self.tips.append(words)
        return text("title", words)
