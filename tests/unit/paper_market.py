"""Candles, signals and books that the tests of execution start from."""

from decimal import Decimal

import numpy as np

from bot_cripto.execution.market_rules import DEFAULT, MarketRules
from bot_cripto.execution.plan import expiries, plan
from bot_cripto.timeframes import iso

STEP = 300_000
START = 1_725_597_900_000  # 2024-09-06T04:45:00Z
BTC, ETH = "BTC/USDT", "ETH/USDT"
LEAST = 1.0
FINE = MarketRules(DEFAULT.price_tick, DEFAULT.amount_step, DEFAULT.min_amount, Decimal(1))
"""A grid as fine as floats, so that these can tell; no order is worth less than `LEAST`."""

SETTINGS = {
    "symbols": [BTC, ETH],
    "timeframe": "5m",
    "source": "simulated",
    "source_name": "simulated",
    "market_type": "spot",
    "initial_equity": 10_000.0,
    "max_position_size": 1.0,
    "max_total_exposure": 1.0,
    "fees_bps": 10.0,
    "spread_bps": 2.0,
    "slippage_bps": 3.0,
    "funding_bps": 1.0,
}
SWAP = {**SETTINGS, "market_type": "swap"}


def document(side="LONG", close_ms=START, *, symbol=BTC, size=0.5, equity=10_000.0, **changes):
    """Return as much of a signal document as execution reads."""
    stop, target = changes.pop("stop", None), changes.pop("target", None)
    given = {"volatility": 0.01, "stop_distance": stop, "target_distance": target}
    return {
        "symbol": symbol,
        "timeframe": "5m",
        "source": "simulated",
        "candle_close_time": iso(close_ms),
        "valid_until": iso(close_ms + 2 * STEP),
        "horizon_steps": 5,
        "decision": side,
        "position_size": 0.0 if side == "NO_TRADE" else size,
        "equity": equity,
        "sizing": [{"name": n, "value": v} for n, v in given.items() if v is not None],
        "gates": [{"name": "risk", "passed": side != "NO_TRADE"}],
        "risk_allowed": side != "NO_TRADE",
        "revision": 0,
        **changes,
    }


def random_candles(rng, steps, *, gaps=0.05, volatility=0.004, price=100.0):
    """Return (open, high, low, close) or None for each step, prices with two digits."""
    rows, last = [], price
    for _ in range(steps):
        jump = rng.normal(0, volatility / 3)
        open_ = max(1.0, round(last * (1 + jump), 2))
        path = open_ * (1 + np.cumsum(rng.normal(0, volatility / 2, 4)))
        path = np.maximum(np.round(path, 2), 1.0)
        high, low = max(open_, path.max()), min(open_, path.min())
        last = float(path[-1])
        candle = (open_, float(high), float(low), last)
        rows.append(None if rng.random() < gaps else candle)
    return rows


def random_signals(rng, steps, *, share=0.35, revised=0.1):
    """Return a dict of a signal's fields or None for each step."""
    return [
        {
            "side": "LONG" if rng.random() < 0.6 else "SHORT",
            "size": round(float(rng.uniform(0.05, 1.0)), 3),
            "horizon_steps": int(rng.integers(1, 9)),
            "stop": [None, 0.002, 0.006, 0.02][rng.integers(4)],
            "target": [None, None, 0.003, 0.01][rng.integers(4)],
            "revision": int(rng.random() < revised),
        }
        if rng.random() < share
        else None
        for _ in range(steps)
    ]


def follow(book, signals, close_ms, settings, *, end=True):
    """Plan the signals of one candle and what ends at it, as a session does."""
    now = close_ms + 3_000
    for symbol, signal in signals.items():
        if signal is not None:
            equity = float(book.account.equity())
            made = plan(
                document(close_ms=close_ms, symbol=symbol, equity=equity, **signal),
                book.account,
                FINE,
                settings,
                now_ms=now,
                can_open=None,
            )
            for intent in made.intents:
                assert book.add(intent)
    if end:
        for intent in expiries(book.account, close_ms, now_ms=now, rules={}):
            assert book.add(intent)
