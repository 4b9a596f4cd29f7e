"""Features: finite-window functions of closed candles, the same live and in training.

`compute` gives the matrix, `FEATURE_NAMES` its columns, `feature_window` the candles that it takes.
"""

from bot_cripto.features.catalogue import FEATURE_NAMES, FEATURES, compute, feature_window
from bot_cripto.features.feature import Feature

__all__ = ["FEATURES", "FEATURE_NAMES", "Feature", "compute", "feature_window"]
