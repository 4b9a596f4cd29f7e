"""The result of a backtest: forecasts, trades and verdict of one symbol, as the report has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.forecast_quality import forecast_quality, importance
from bot_cripto.backtest.money import money, regimes
from bot_cripto.backtest.samples import candles_of_trades
from bot_cripto.backtest.shipped_schema import check_result
from bot_cripto.backtest.verdict import Evidence, verdict
from bot_cripto.backtest.walk import Walk
from bot_cripto.execution.desk import Ruling
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.models.snapshot import Snapshot
from bot_cripto.models.walk_forward import FoldForecast
from bot_cripto.timeframes import iso, timeframe_ms

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("backtest.schema.json")

Json = dict[str, Any]


def backtest(
    symbol: str,
    snapshot: Snapshot,
    results: Sequence[FoldForecast],
    settings: Mapping[str, Any],
    trials: Mapping[str, float | None],
    audit: Json,
    made_ms: int,
) -> Json:
    """Walk the deployed path over what the models of each fold have not seen.

    Parameters
    ----------
    symbol : str
    snapshot : Snapshot
    results : sequence of FoldForecast
        The folds, in the order of time.
    settings : mapping
        The effective settings.
    trials : mapping of str to float or None
        Sharpe ratios (of a day) of the other configurations that were tried for this symbol.
    audit : dict
        What the leak alarms say, from `bot_cripto.backtest.audit`.
    made_ms : int
        When, milliseconds since the epoch, UTC.

    Returns
    -------
    dict
        As `backtest.schema.json` describes it.
    """
    bounds = fold_bounds(results)
    first, last = bounds[0][0], bounds[-1][1]
    step = timeframe_ms(snapshot.timeframe)
    since = int(snapshot.candles.open_time[first])
    track = fold_track(symbol, snapshot, results, settings)
    decisions: Counter[str] = Counter()
    failing: Counter[str] = Counter()

    def count(close: int, rulings: dict[str, Ruling], documents: Json) -> None:
        decision = rulings[symbol].decision
        decisions[decision.side] += 1
        failing.update([gate.name for gate in decision.gates if not gate.passed][:1])

    alone = {**settings, "symbols": [symbol], "live_mode": False}
    walk = Walk([track], MemoryBook(alone), alone, since, documents=False)
    walk.run(count)
    trades = walk.book.account.trades
    candles = snapshot.candles[first:last]
    earned = money(candles, walk.equity, walk.exposure, trades, settings, since, step, trials)
    initial = earned["initial_equity"]
    forecasts = forecast_quality(snapshot, results, bounds, walk.equity, trades, step, initial)
    judged = verdict(
        Evidence(
            auc=forecasts["auc"],
            auc_interval=_pair(forecasts["intervals"]["auc"]),
            net_return=earned["net_return"],
            random_p=earned["benchmarks"]["random_trader"]["p_value"],
            deflated_sharpe=earned["dsr"],
            trials=earned["trials"],
            sharpe=earned["sharpe"],
            sharpe_interval=_pair(earned["intervals"]["sharpe"]),
            days=earned["track_record_days"],
            minimum_days=earned["min_track_record_days"],
            suspect=audit["suspect"],
        )
    )
    spans = forecasts["intervals"] | earned["intervals"]
    sentences = judged.sentences
    return {
        "schema_version": SCHEMA_VERSION,
        "symbol": symbol,
        "source_name": settings["source_name"],
        "timeframe": settings["timeframe"],
        "horizon_steps": settings["horizon_steps"],
        "folds": settings["folds"],
        "first_candle": iso(since),
        "last_candle": iso(since + (len(candles) - 1) * step),
        "made": iso(made_ms),
        **{name: forecasts[name] for name in _FORECAST_KEYS},
        **{name: value for name, value in earned.items() if name != "intervals"},
        "verdict": " ".join(sentences["en"]),
        "intervals": spans,
        **{name: forecasts[name] for name in _FORECAST_TABLES},
        "candles": candles_of_trades(candles, trades, step),
        "importance": importance(results),
        "regimes": regimes(track, trades, since, step, initial),
        "decisions": dict(decisions),
        "failing_gates": dict(failing.most_common()),
        "alarms": audit["alarms"],
        "suspect": audit["suspect"],
        "verdicts": {
            name: {language: sentences[language][place] for language in sentences}
            for place, name in enumerate(("skill", "costs", "certainty"))
        },
        "shown": {
            "skill": judged.skill,
            "survives_costs": judged.survives_costs,
            "sure": judged.sure,
        },
        "settings": {name: settings[name] for name in _SETTINGS},
    }


_FORECAST_KEYS = ("auc", "brier", "ece", "log_loss", "coverage80")
_FORECAST_TABLES = ("by_fold", "reliability", "brier_parts", "interval_sample")
_SETTINGS = (
    *("prob_min", "min_expected_return", "risk_max", "allow_range", "allow_high_vol"),
    *("fees_bps", "spread_bps", "slippage_bps", "funding_bps", "market_type"),
)


def validate(result: Json) -> None:
    """Check a result against the shipped schema.

    Raises
    ------
    DataError
        Something is missing or out of range; names it.
    """
    check_result(result, SCHEMA_FILE, "backtest")


def _pair(span: list[float] | None) -> tuple[float, float] | None:
    return None if span is None else (span[0], span[1])
