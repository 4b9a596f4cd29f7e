"""Random tracks for walks: prices, gaps, and forecasts that trade often or hardly ever."""

import numpy as np

from bot_cripto.backtest.track import Track
from bot_cripto.decision.gates import FILLED, MISSING, TRADED, Context
from bot_cripto.decision.regime import Regime
from bot_cripto.execution.desk import Case
from bot_cripto.forecast import Forecast, ModelUse

REGIMES = [Regime(name, "made up") for name in ("TREND_UP", "TREND_DOWN", "RANGE", "HIGH_VOL")]
MODELS = {kind: ModelUse("v", "0" * 64, None) for kind in ("trend", "return", "risk")}


def make_track(symbol, candles, rng, *, eager=0.2, skill=0.0, gaps=0.02, volatility=0.004):
    """Return a track of made-up candles.

    `eager` is the share of forecasts that are strong, `skill` how much they know of the next
    candle's return.
    """
    steps = rng.normal(0, volatility, candles)
    closes = 100 * np.exp(np.cumsum(steps))
    opens = np.concatenate(([100.0], closes[:-1])) * np.exp(rng.normal(0, volatility / 4, candles))
    highs = np.maximum(opens, closes) * np.exp(np.abs(rng.normal(0, volatility / 2, candles)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(rng.normal(0, volatility / 2, candles)))
    missing = rng.random(candles) < gaps
    prices = [
        None if gap else row
        for gap, row in zip(
            missing.tolist(),
            zip(*(c.tolist() for c in (opens, highs, lows, closes)), strict=True),
            strict=True,
        )
    ]
    ahead = np.append(steps[1:], 0.0)
    cases = [_case(rng, eager, skill * ahead[i], bool(missing[i])) for i in range(candles)]
    return Track(symbol, prices, cases, np.where(missing, np.nan, closes))


def _case(rng, eager, known, missing):
    strong = rng.random() < eager
    lean = rng.choice((-1.0, 1.0)) * (rng.uniform(0.02, 0.4) if strong else rng.uniform(0, 0.02))
    expected = np.sign(lean) * rng.uniform(0, 0.02 if strong else 0.004)
    lean, expected = np.clip(lean + 30 * known, -0.5, 0.5), expected + known
    features = 10
    forecast = Forecast(
        prob_up=float(0.5 + lean),
        expected_return=float(expected),
        p10=-0.01,
        p50=0.0,
        p90=0.01,
        volatility=float(
            rng.choice((0.0, 0.002, 0.005, 0.01, 0.6), p=(0.01, 0.3, 0.4, 0.28, 0.01))
        ),
        risk_score=float(rng.uniform(0, 0.35)),
        risk_rank=0.5,
        models=MODELS,
        outside=("a",) * int(rng.integers(0, 3)),
        features=features,
        dissimilarity=float(rng.uniform(0, 1.1)) if rng.random() > 0.02 else None,
    )
    context = Context(
        stale_candles=int(rng.random() < 0.01),
        last_candle=str(rng.choice((FILLED, MISSING))) if missing else TRADED,
        quality_problems=("a hole",) if rng.random() < 0.02 else (),
        missing_features=("x",) if rng.random() < 0.02 else (),
        model_age_days=None if rng.random() < 0.01 else float(rng.uniform(-0.2, 35)),
    )
    made = None if rng.random() < 0.03 else forecast
    regime = None if rng.random() < 0.02 else REGIMES[int(rng.integers(0, 4))]
    return Case(made, regime, context)
