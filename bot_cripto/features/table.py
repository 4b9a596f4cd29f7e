"""The table of features for people: ``python -m bot_cripto.features.table > docs/features.md``."""

from __future__ import annotations

import sys

from bot_cripto.features.catalogue import FEATURES, feature_window
from bot_cripto.features.context import HIGHER
from bot_cripto.timeframes import MINUTE_MS, TIMEFRAMES

_INTRODUCTION = """\
# Features

Made by `python -m bot_cripto.features.table > docs/features.md`; do not edit by hand.

Each feature is a finite-window function of closed candles: its value depends on the last
*window* candles alone, the current one included, and is the same number to the bit whether it is
computed over a year, over a month or for one new candle. No feature sees the candle after. All
are free of scale: prices and volumes in other units give the same features but for rounding.

- A window that holds a missing candle, or reaches before the first one, gives NaN. A gap that was
  filled (flat, volume 0) counts as it stands. No feature is ever infinite: where a formula would
  divide by 0 the value is given with it.
- *Wilder average* and *EMA* are exponential averages over the least power of two of candles that
  leaves out less than 0.00000001 of the weight, normalised to 1.
- *Deviation* is the standard deviation divided by n. *True range* is
  max(high, previous close) - min(low, previous close). `r` is ln(close / previous close).
- Only addition, subtraction, multiplication, division and square roots, which every processor
  rounds alike, go into a value (logarithms are built from them; sines come from a rounded table),
  so that another machine gives the same bits. Values are float32.
"""


def render(timeframe: str = "5m") -> str:
    """Return the page in Markdown, with the windows at that timeframe.

    Raises
    ------
    ConfigError
        The timeframe is unknown.
    """
    longest = feature_window(timeframe)
    lines = [
        _INTRODUCTION,
        f"{len(FEATURES)} features; the longest window at {timeframe} is {longest} candles.",
        "",
        f"| name | group | formula | window at {timeframe} | unit | source |",
        "|---|---|---|---:|---|---|",
    ]
    for f in FEATURES:
        formula = f.formula.replace("|", "\\|")
        lines.append(
            f"| `{f.name}` | {f.group} | {formula} | {f.window_at(timeframe)} "
            f"| {f.unit} | {f.source} |"
        )
    lines += [
        "",
        "## Higher timeframes",
        "",
        "Bars lie on the grid of the UTC epoch. A bar counts from the candle that closes with it;",
        "between two closes its features stand still. The window covers the worst case, a candle",
        "just before the next close.",
        "",
        "| timeframe | first higher | second higher | longest window in candles |",
        "|---|---|---|---:|",
    ]
    for name, ms in TIMEFRAMES.items():
        first, second = (_duration(size * ms) for size in HIGHER[name])
        lines.append(f"| {name} | {first} | {second} | {feature_window(name)} |")
    return "\n".join(lines) + "\n"


def _duration(ms: int) -> str:
    for unit, minutes in (("d", 1440), ("h", 60)):
        if ms % (minutes * MINUTE_MS) == 0:
            return f"{ms // (minutes * MINUTE_MS)}{unit}"
    return f"{ms // MINUTE_MS}m"


if __name__ == "__main__":
    sys.stdout.write(render())
