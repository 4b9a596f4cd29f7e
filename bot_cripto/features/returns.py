"""Returns: how far the close has moved over several lags."""

from __future__ import annotations

from bot_cripto.features.context import Context
from bot_cripto.features.feature import Feature
from bot_cripto.features.windows import FloatArray

LAGS = (1, 3, 6, 12, 24, 48, 288)


def _log_return(lag: int) -> Feature:
    def function(c: Context) -> FloatArray:
        return c.log_return_over(lag)

    return Feature(
        f"log_return_{lag}",
        "returns",
        f"ln(close / close {lag} candle{'s' * (lag > 1)} ago)",
        "decimal log return",
        "Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        lag + 1,
        function,
    )


FEATURES = tuple(_log_return(lag) for lag in LAGS)
