"""Higher timeframes: features of the last bars that had closed when the candle closed."""

from __future__ import annotations

from collections.abc import Callable

from bot_cripto.features.bands import bollinger_percent_b
from bot_cripto.features.context import HIGHER, Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.trend import efficiency_ratio
from bot_cripto.features.volatility import realised_volatility
from bot_cripto.features.windows import FloatArray

_OF_BARS: tuple[tuple[str, str, str, str, int, Callable[[Context], FloatArray]], ...] = (
    (
        "log_return_1",
        "ln(close / previous close)",
        "decimal log return",
        "Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        2,
        lambda bars: bars.log_return,
    ),
    (
        "realised_volatility_20",
        "sqrt(mean over 20 of squared log returns)",
        "decimal, per bar",
        "Andersen, Bollerslev, Diebold, Labys (2003), Econometrica 71",
        21,
        lambda bars: realised_volatility(bars, 20),
    ),
    (
        "bollinger_percent_b_20",
        "(close - lower) / (upper - lower), bands: mean of 20 ± 2 deviations; ½ when they are 0",
        "0 at the lower band, 1 at the upper",
        "Bollinger (2001), Bollinger on Bollinger Bands",
        20,
        lambda bars: bollinger_percent_b(bars, 20),
    ),
    (
        "efficiency_ratio_10",
        "|close - close 10 ago| / sum over 10 of |close - previous close|; 0 when no price moved",
        "0 to 1",
        "Kaufman (1995), Smarter Trading",
        11,
        lambda bars: efficiency_ratio(bars, 10),
    ),
)


def _feature(
    level: int,
    name: str,
    formula: str,
    unit: str,
    source: str,
    bars: int,
    of_bars: Callable[[Context], FloatArray],
) -> Feature:
    def window(timeframe: str) -> int:
        # the newest bar may have closed up to size - 1 candles ago
        size = HIGHER[timeframe][level]
        return bars * size + size - 1

    def function(c: Context) -> FloatArray:
        higher = c.higher(level)
        return higher.expand(of_bars(higher.context))

    place = ("first", "second")[level]
    return Feature(
        f"higher{level + 1}_{name}",
        "higher timeframes",
        f"{formula}; of closed bars of the {place} higher timeframe",
        unit,
        source,
        window,
        function,
    )


FEATURES = tuple(_feature(level, *row) for level in (0, 1) for row in _OF_BARS)
