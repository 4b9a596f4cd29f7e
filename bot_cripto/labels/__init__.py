"""Labels: what happened after a candle. The only room that looks at the future."""

from bot_cripto.labels.forward import direction, forward_return, realised_volatility
from bot_cripto.labels.triple_barrier import triple_barrier
from bot_cripto.labels.uniqueness import average_uniqueness

__all__ = [
    "average_uniqueness",
    "direction",
    "forward_return",
    "realised_volatility",
    "triple_barrier",
]
