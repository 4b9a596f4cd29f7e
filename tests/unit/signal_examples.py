"""Decisions and documents that the tests of the signal start from."""

from dataclasses import replace

from bot_cripto.decision import (
    TRADED,
    TREND_DOWN,
    TREND_UP,
    Context,
    Policy,
    Regime,
    RiskState,
    decide,
)
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.signals.document import KINDS, Facts, Provenance, build

CLOSE_MS = 1_725_597_900_000  # 2024-09-06T04:45:00Z

UP = Regime(TREND_UP, "ADX14 27 is at least 20 and +DI is above -DI")
DOWN = Regime(TREND_DOWN, "ADX14 27 is at least 20 and +DI is below -DI")
GOOD = Context(stale_candles=0, last_candle=TRADED, missing_features=(), model_age_days=1.0)
RISK = RiskState(candle_close_time="2024-09-06T04:45:00Z", account="paper", equity=10_000.0)
MODELS = {kind: ModelUse(f"20240901T000000Z-{kind}", "ab" * 32, None) for kind in KINDS}
BULL = Forecast(0.64, 0.004, -0.003, 0.003, 0.008, 0.005, 0.2, 0.5, MODELS, dissimilarity=0.6)
BEAR = replace(BULL, prob_up=0.36, expected_return=-0.004, p10=-0.008, p50=-0.003, p90=0.003)
FACTS = Facts(
    made_ms=CLOSE_MS + 1_250,
    candle_close_ms=CLOSE_MS,
    source="simulated",
    symbol="BTC/USDT",
    timeframe="5m",
    horizon_steps=5,
    equity=10_000.0,
    provenance=Provenance("c0ffee", "11" * 32, "22" * 32, "33" * 32, "44" * 32, "55" * 32),
)


def document(
    forecast=BULL,
    regime=UP,
    context=GOOD,
    policy=Policy(),  # noqa: B008
    risk=RISK,
    **facts,
):
    decision = decide(forecast, regime, context, risk, policy)
    return build(decision, forecast, regime, replace(FACTS, **facts))
