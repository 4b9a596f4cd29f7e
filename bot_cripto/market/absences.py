"""What a source was asked for and did not have, so that it is not asked again at every run."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from bot_cripto import atomic

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
MAX_DAYS = 32
"""An answer holds for a day at first, and for twice as long after each repetition, up to this."""

MAX_TRIES = 3
"""How many further times a candle is asked for that came in a form that was quarantined."""

Range = tuple[int, int]
"""``[since, until)`` in milliseconds since the epoch, UTC."""


@dataclass
class Absences:
    """Ranges of one symbol that its source has no candles for.

    Attributes
    ----------
    ranges : list of (since_ms, until_ms, asked_ms, days)
        Sorted, without overlap; when they were asked for and for how many days that holds.
    doubtful : dict of int to int
        Open times whose candle was quarantined, and how many times that has happened.
    """

    ranges: list[tuple[int, int, int, int]] = field(default_factory=list)
    doubtful: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Absences:
        """Return what the file holds; without a usable file nothing is known to be absent."""
        try:
            content = json.loads(path.read_bytes())
            ranges = [(int(a), int(b), int(c), int(d)) for a, b, c, d in content["absent"]]
            doubtful = {int(t): int(n) for t, n in content["doubtful"].items()}
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: not readable (%r), the source is asked again", path, error)
            return cls()
        return cls(sorted(ranges), doubtful)

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises
        ------
        OSError
            It could not be written; it is as it was before.
        """
        doubtful = {str(time): tries for time, tries in sorted(self.doubtful.items())}
        content = {"absent": self.ranges, "doubtful": doubtful}
        atomic.write_bytes(path, json.dumps(content, separators=(",", ":")).encode())

    def unknown(self, missing: list[Range], now_ms: int) -> list[Range]:
        """Return the parts of the missing ranges that no valid answer covers.

        Parameters
        ----------
        missing : list of (since_ms, until_ms)
            Sorted, without overlap.
        now_ms : int
            The time that answers are held against; answers of a later time do not count: the
            clock was wrong then.
        """
        valid = [
            (a, b)
            for a, b, asked, days in self.ranges
            if asked <= now_ms < asked + days * DAY_MS and b <= now_ms
        ]
        return subtract(missing, valid)

    def answered(self, since_ms: int, until_ms: int, missing: list[Range], now_ms: int) -> None:
        """Note the answer to one question.

        Parameters
        ----------
        since_ms, until_ms : int
            What was asked for.
        missing : list of (since_ms, until_ms)
            What of it the source does not have; sorted, within the range.
        now_ms : int
            When it was asked.
        """
        before = self.ranges
        kept = [
            (a, b, asked, days)
            for start, stop, asked, days in before
            for a, b in subtract([(start, stop)], [(since_ms, until_ms)])
        ]
        new = []
        for a, b in missing:
            repeated = [days for start, stop, _, days in before if start <= a and b <= stop]
            new.append((a, b, now_ms, min(2 * repeated[0], MAX_DAYS) if repeated else 1))
        self.ranges = sorted(kept + new)


def subtract(ranges: list[Range], others: list[Range]) -> list[Range]:
    """Return the parts of the ranges that lie in none of the others; all sorted, not overlapping.

    Examples
    --------
    >>> subtract([(0, 10)], [(2, 3), (8, 20)])
    [(0, 2), (3, 8)]
    """
    parts, first = [], 0
    for start, stop in ranges:
        while first < len(others) and others[first][1] <= start:
            first += 1
        at = start
        for low, high in others[first:]:
            if low >= stop:
                break
            if low > at:
                parts.append((at, low))
            at = max(at, high)
        if at < stop:
            parts.append((at, stop))
    return parts


def clip(ranges: list[Range], until_ms: int) -> list[Range]:
    """Return the parts of sorted ranges that lie before a time.

    Examples
    --------
    >>> clip([(0, 4), (6, 9)], 7)
    [(0, 4), (6, 7)]
    """
    return [(a, min(b, until_ms)) for a, b in ranges if a < until_ms]


def join_near(ranges: list[Range], distance: int) -> list[Range]:
    """Return sorted ranges with those joined that lie no further apart than `distance`.

    Examples
    --------
    >>> join_near([(0, 1), (3, 4), (9, 10)], 2)
    [(0, 4), (9, 10)]
    """
    joined: list[Range] = []
    for start, stop in ranges:
        if joined and start - joined[-1][1] <= distance:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
