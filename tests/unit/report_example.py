"""A backtest result as its JSON holds it, made up but of the usual size."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot_cripto.timeframes import iso

START = 1_735_689_600_000  # 2025-01-01
HOUR = 3_600_000


def example(points: int = 1500, hours: int = 11_000, shown: int = 240) -> dict[str, Any]:
    """Return a result of 15 months with every key."""
    random = np.random.default_rng(7)
    times = (START + np.linspace(0, hours, points).astype(np.int64) * HOUR).tolist()
    equity = _walk(random, points, 0.0022, 1.068)
    held = _walk(random, points, 0.011, 1.214)
    candles, trades = _candles_and_trades(random, times[-1], shown)
    folds = [
        {
            "first_candle": iso(times[i * points // 10]),
            "last_candle": iso(times[(i + 1) * points // 10 - 1]),
            "auc": float(random.normal(0.532, 0.012)),
            "brier": float(random.normal(0.2482, 0.0006)),
            "coverage80": float(random.normal(0.795, 0.018)),
            "net_return": float(random.normal(0.004, 0.02)),
            "trades": int(random.integers(8, 30)),
        }
        for i in range(10)
    ]
    for fold in folds:
        fold["intervals"] = {
            "auc": [fold["auc"] - 0.021, fold["auc"] + 0.022],
            "coverage80": [fold["coverage80"] - 0.03, fold["coverage80"] + 0.027],
        }
    names = ["ret_1", "ret_5", "rsi14", "adx14", "atr14_pct", "ema_gap_50", "volume_z_96"]
    names += ["bb_width", "hour_sin"]
    means = np.sort(random.gamma(1.2, 0.05, len(names)))[::-1]
    final = float(equity[-1])
    return {
        "schema_version": "1.0",
        "symbol": "BTC/USDT",
        "source_name": "binance",
        "timeframe": "1h",
        "horizon_steps": 5,
        "folds": 10,
        "first_candle": iso(times[0]),
        "last_candle": iso(times[-1]),
        "made": "2026-04-05T08:15:00Z",
        "auc": 0.5317,
        "brier": 0.24811,
        "ece": 0.0127,
        "log_loss": 0.6893,
        "brier_parts": {"reliability": 0.00031, "resolution": 0.00222, "uncertainty": 0.25},
        "coverage80": 0.793,
        "net_return": final / 10_000 - 1,
        "gross_return": 0.1411,
        "sharpe": 0.84,
        "sortino": 1.21,
        "max_drawdown": 0.0893,
        "max_drawdown_days": 71.5,
        "calmar": 1.3,
        "hit_rate": 0.523,
        "profit_factor": 1.12,
        "exposure": 0.143,
        "turnover": 38.2,
        "costs_paid": 731.22,
        "average_trade": 0.00043,
        "average_cost": 0.0026,
        "trades": 187,
        "psr": 0.881,
        "dsr": 0.412,
        "trials": 24,
        "pbo": {"probability": 0.31, "configurations": 12, "splits": 70},
        "min_track_record_days": 840.0,
        "track_record_days": 458.0,
        "break_even_cost_bps": 15.1,
        "initial_equity": 10_000.0,
        "final_equity": final,
        "intervals": {
            "auc": [0.524, 0.539],
            "sharpe": [-0.52, 2.1],
            "sortino": [-0.7, 3.2],
            "net_return": [-0.061, 0.213],
        },
        "benchmarks": {
            "cash": {"net_return": 0.0},
            "buy_and_hold": {
                "net_return": float(held[-1]) / 10_000 - 1,
                "sharpe": 0.41,
                "max_drawdown": 0.293,
            },
            "random_trader": {"median": -0.071, "p05": -0.19, "p95": 0.052, "p_value": 0.034},
        },
        "by_fold": folds,
        "reliability": [
            {"from": f - 0.025, "to": f + 0.025, "n": n, "forecast": f, "observed": o}
            for f, o, n in (
                *((0.382, 0.401, 96), (0.428, 0.436, 880), (0.477, 0.482, 4210)),
                *((0.524, 0.519, 4400), (0.571, 0.557, 1180), (0.617, 0.581, 160)),
            )
        ],
        "equity": {
            "t": [iso(t) for t in times],
            "equity": equity.tolist(),
            "buy_and_hold": held.tolist(),
        },
        "interval_sample": _sample(times[:: max(points // 300, 1)]),
        "trade_list": trades,
        "candles": candles,
        "importance": [
            {"name": name, "mean": float(mean), "low": float(mean * 0.5), "high": float(mean * 1.6)}
            for name, mean in zip(names, means, strict=True)
        ],
        "regimes": [
            {"name": "TREND_UP", "share": 0.27, "trades": 88, "net": 0.062},
            {"name": "RANGE", "share": 0.44, "trades": 71, "net": -0.011},
            {"name": "TREND_DOWN", "share": 0.21, "trades": 24, "net": 0.013},
            {"name": "HIGH_VOL", "share": 0.08, "trades": 4, "net": -0.004},
        ],
        "alarms": [
            {"name": "null_control", "passed": True, "text": "AUC 0.502 on permuted returns."},
            {"name": "truncation", "passed": True, "text": "60 of 60 features are the same."},
            {"name": "label_shift", "passed": True, "text": "AUC falls to 0.503 as it must."},
            {"name": "ceiling", "passed": True, "text": "AUC 0.532 is below 0.600."},
        ],
        "settings": {
            "prob_min": 0.55,
            "min_expected_return": 0.0012,
            "risk_max": 0.02,
            "fees_bps": 10.0,
            "spread_bps": 2.0,
            "slippage_bps": 1.5,
            "market_type": "swap",
        },
        "decisions": {"LONG": 139, "SHORT": 48, "NO_TRADE": 10_813},
        "failing_gates": {"probability": 9_120, "expected_return": 8_400, "risk": 611},
        "suspect": False,
        "shown": {"skill": True, "survives_costs": False, "sure": False},
        "verdict": "There is a little skill, and costs take most of it.",
        "verdicts": {
            "skill": {
                "en": "Yes, a little: AUC 0.532 [0.524, 0.539] is above a coin's 0.5.",
                "es": "Sí, un poco: el AUC 0,532 [0,524, 0,539] supera el 0,5 de una moneda.",
            },
            "costs": {
                "en": "Barely: a fill costs 12.5 bp, and at 15.1 bp nothing is left.",
                "es": "Apenas: cada ejecución cuesta 12,5 pb, y con 15,1 pb no queda nada.",
            },
            "certainty": {
                "en": "Not sure: the deflated Sharpe ratio is 41 %, and 840 days would be needed.",
                "es": "Incierto: el Sharpe deflactado es del 41 %, harían falta 840 días.",
            },
        },
    }


def _walk(random: np.random.Generator, points: int, step: float, growth: float) -> np.ndarray:
    """Return a path from 10,000 that ends at `growth` times that."""
    noise = np.r_[0.0, np.cumsum(random.normal(0, step, points - 1))]
    place = np.linspace(0, 1, points)
    return 10_000 * np.exp(noise - place * noise[-1] + place * np.log(growth))


def _sample(times: list[int]) -> dict[str, Any]:
    """Return intervals that widen and narrow, with returns of which about 80 % lie within."""
    random = np.random.default_rng(11)
    spread = 0.004 * np.exp(0.6 * np.sin(np.linspace(0, 19, len(times))))
    middle = random.normal(0, 0.0004, len(times))
    return {
        "t": [iso(t) for t in times],
        "p10": (middle - 1.28 * spread).tolist(),
        "p50": middle.tolist(),
        "p90": (middle + 1.28 * spread).tolist(),
        "realised": (spread * random.standard_t(5, len(times))).tolist(),
    }


def _candles_and_trades(
    random: np.random.Generator, end: int, count: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    close = 64_000 * np.exp(np.cumsum(random.normal(0, 0.006, count)))
    start = np.r_[close[0], close[:-1]]
    high = np.maximum(start, close) * (1 + random.gamma(1, 0.002, count))
    low = np.minimum(start, close) * (1 - random.gamma(1, 0.002, count))
    times = [end - (count - i) * HOUR for i in range(count)]
    candles = {
        "minutes": 60,
        "t": [iso(t) for t in times],
        "open": start.tolist(),
        "high": high.tolist(),
        "low": low.tolist(),
        "close": close.tolist(),
    }
    trades = []
    for first in range(8, count - 8, 19):
        side = "SHORT" if first % 4 == 0 else "LONG"
        moved = float(close[first + 5] / start[first] - 1)
        gain = (moved if side == "LONG" else -moved) - 0.0025
        trades.append(
            {
                "side": side,
                "entry_time": iso(times[first]),
                "exit_time": iso(times[first + 5]),
                "entry_price": float(start[first]),
                "exit_price": float(close[first + 5]),
                "net": gain,
                "reason": "horizon",
            }
        )
    return candles, trades
