"""How often a backtest claims what is not there, and finds what is: the tables of docs/power.md.

    python benchmarks/power_and_size.py RESULTS.jsonl [--processes 2]
    python benchmarks/power_tables.py RESULTS.jsonl [--plot docs/power.svg]

Made-up markets of known predictability, each through snapshot, walk-forward, leak alarms, walk and
verdict as in a backtest. RESULTS has one line a market; a run that was stopped goes on where it
ended, and lines of another set-up are passed over. Run from the project's root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np

from bot_cripto.backtest.audit import audit
from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.money import money
from bot_cripto.backtest.result import backtest
from bot_cripto.backtest.statistics.forecast_intervals import forecast_intervals
from bot_cripto.backtest.track import Track
from bot_cripto.backtest.verdict import Evidence, verdict
from bot_cripto.backtest.walk import Walk
from bot_cripto.config.load import effective, load_settings
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.market.candles import concat
from bot_cripto.market.simulated import SimulatedSource
from bot_cripto.models.apply import KINDS
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot, build_snapshot, training_data
from bot_cripto.models.walk_forward import FoldForecast, join, walk_forward
from bot_cripto.timeframes import DAY_MS, parse_iso, timeframe_ms

Json = dict[str, Any]
Task = tuple[float, int, bool]
"""Edge, seed, and whether the market is traded too."""

CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
SYMBOL, TIMEFRAME, HORIZON, DAYS = "BTC/USDT", "5m", 5, 60
UNTIL = parse_iso("2024-01-01T00:00:00Z")
EDGES = (0.05, 0.1, 0.15, 0.2, 0.35)
FAINT = (0.025, 0.05, 0.075, 0.1)
"""Edges at which skill is asked about on more markets."""

BPS = 10_000.0
EAGER: Json = {
    "fees_bps": 1.0,
    "spread_bps": 1.0,
    "slippage_bps": 0.5,
    "market_type": "swap",
    "funding_bps": 0.0,
    "prob_min": 0.51,
    "min_expected_return": 0.0,
    "risk_max": 1.0,
    "kelly_fraction": 1.0,
    "allow_range": True,
    "allow_high_vol": True,
    "block_on_drift": False,
    "max_daily_drawdown": 1.0,
    "max_weekly_drawdown": 1.0,
    "max_tail_loss": 1.0,
    "max_consecutive_losses": 1_000_000,
    "stop_volatilities": 8.0,
}
"""A policy that trades both ways on any lean, with nothing that ends its trading. A round trip
costs it 4 basis points; stops are far, so that positions are held over the horizon."""

FREE = {"fees_bps": 0.0, "spread_bps": 0.0, "slippage_bps": 0.0}
"""Without costs nothing is lost on average either: where a profit is claimed by luck most often."""

PARTS = ("net_return", "trades", "psr", "dsr")


def settings_of(edge: float, seed: int) -> Json:
    """Return the shipped settings, on one made-up market."""
    market = {"seed": seed, "edge": edge, "outages": 0.0}
    chosen = {"source": "simulated", "simulated": market, "symbols": [SYMBOL]}
    values = effective(load_settings(CONFIG, {}, chosen), Path.cwd())
    return values | {"timeframe": TIMEFRAME, "horizon_steps": HORIZON, "live_mode": False}


def setup() -> str:
    """Return what tells the lines of one set-up from those of another."""
    values = {**settings_of(0.0, 0), "until": UNTIL, "days": DAYS, "eager": EAGER}
    folders = [name for name in values if name.endswith("_dir")]
    known = {name: value for name, value in values.items() if name not in folders}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


def eager(track: Track) -> Track:
    """Return a track whose forecasts expect one volatility in the direction that they lean to."""
    cases = []
    for case in track.cases:
        made = case.forecast
        if made is not None:
            lean = math.copysign(made.volatility, made.prob_up - 0.5)
            made = replace(made, expected_return=lean)
        cases.append(replace(case, forecast=made))
    return replace(track, cases=cases)


def measure(edge: float, seed: int, whole: bool) -> Json:
    """Return what a backtest says of one market.

    With `whole` False it is asked about skill alone: only the direction is forecast, by the same
    models, and nothing is traded.
    """
    began = time.process_time()
    settings = settings_of(edge, seed)
    source = SimulatedSource(seed, edge)
    candles = concat(list(source.candles(SYMBOL, TIMEFRAME, UNTIL - DAYS * DAY_MS, UNTIL)))
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    snapshot = build_snapshot(candles, TIMEFRAME, training, UNTIL)
    kinds = KINDS if whole else ("trend",)
    results = walk_forward(training_data(snapshot), training, settings["folds"], kinds)
    alarms = audit(snapshot, results, "", settings)
    index, columns = join(results)
    unknown = {name: np.zeros(len(index)) for name in ("p10", "p50", "p90")}
    low, high = forecast_intervals(
        candles.open_time[index], unknown | columns, snapshot.forward_return[index]
    )["auc"]
    up, forward = np.sign(columns["prob_up"] - 0.5), snapshot.forward_return[index]
    row = {
        "edge": edge,
        "seed": seed,
        "whole": whole,
        "setup": setup(),
        "auc": alarms["auc"],
        "low": low,
        "high": high,
        "lean_bps": float(np.mean(up * forward)) * BPS,
        "skill": low > 0.5 and not alarms["suspect"],
        "suspect": alarms["suspect"],
        "alarms": {alarm["name"]: alarm["passed"] for alarm in alarms["alarms"]},
    }
    if whole:
        row["policies"] = trade(snapshot, results, alarms, row, settings)
    return row | {"seconds": round(time.process_time() - began, 1)}


def trade(
    snapshot: Snapshot, results: list[FoldForecast], alarms: Json, row: Json, settings: Json
) -> Json:
    """Return what a backtest says of the money, by policy."""
    edge, seed, candles = row["edge"], row["seed"], snapshot.candles
    bounds, step = fold_bounds(results), timeframe_ms(TIMEFRAME)
    first, last = bounds[0][0], bounds[-1][1]
    since = int(candles.open_time[first])
    track = fold_track(SYMBOL, snapshot, results, settings)

    def judged(track: Track, settings: Json) -> Json:
        """Return what the report says, as it puts it together."""
        walk = Walk([track], MemoryBook(settings), settings, since, documents=False, sparse=True)
        walk.run()
        trades = walk.book.account.trades
        stretch = candles[first:last]
        earned = money(stretch, walk.equity, walk.exposure, trades, settings, since, step, {})
        random_p = earned["benchmarks"]["random_trader"]["p_value"]
        evidence = Evidence(
            auc=row["auc"],
            auc_interval=(row["low"], row["high"]),
            net_return=earned["net_return"],
            random_p=random_p,
            deflated_sharpe=earned["dsr"],
            trials=1,
            sharpe=earned["sharpe"],
            sharpe_interval=earned["intervals"]["sharpe"],
            days=earned["track_record_days"],
            minimum_days=earned["min_track_record_days"],
            suspect=alarms["suspect"],
        )
        shown = verdict(evidence)
        return {
            **{name: earned[name] for name in PARTS},
            "nets": [round(trade["net"] * BPS, 2) for trade in earned["trade_list"]],
            "random_p": random_p,
            "skill": shown.skill,
            "survives_costs": shown.survives_costs,
            "sure": shown.sure,
        }

    lean = eager(track)
    policies = {"configured": judged(track, settings), "eager": judged(lean, settings | EAGER)}
    if edge == 0:
        policies["free"] = judged(lean, settings | EAGER | FREE)
    if seed == 1:
        _same(backtest(SYMBOL, snapshot, results, settings, {}, alarms, UNTIL), policies, row)
    return policies


def _same(report: Json, policies: Json, row: Json) -> None:
    """Hold what is measured here against the report, once an edge."""
    found = policies["configured"]
    for name, value in report["shown"].items():
        assert found[name] == value, name
    for name in ("net_return", "trades", "psr", "dsr"):
        assert found[name] == report[name], name
    assert report["intervals"]["auc"] == [row["low"], row["high"]]
    assert report["shown"]["skill"] == row["skill"]


def _one(task: Task) -> Json:
    return measure(*task)


def run(path: Path, tasks: list[Task], processes: int) -> None:
    """Measure the markets that the file lacks, one line each as soon as it is known."""
    known = {(row["edge"], row["seed"]) for row in read(path)}
    missing = [task for task in tasks if task[:2] not in known]
    text = path.read_text() if path.exists() else ""
    cut_off = bool(text) and not text.endswith("\n")
    with (
        path.open("a") as file,
        multiprocessing.get_context("spawn").Pool(processes) as pool,
    ):
        file.write("\n" if cut_off else "")
        for row in pool.imap_unordered(_one, missing):
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"edge {row['edge']:g} seed {row['seed']}: AUC {row['auc']:.4f}", flush=True)


def read(path: Path) -> list[Json]:
    """Return the rows of this set-up; a line that was cut off is none."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print("a line that was cut off is measured again")
    own = setup()
    return sorted((r for r in rows if r["setup"] == own), key=lambda r: (r["edge"], r["seed"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--traded", type=int, default=60, help="traded markets without an edge")
    parser.add_argument("--seeds", type=int, default=16, help="markets of each edge above 0")
    parser.add_argument("--seeds0", type=int, default=400, help="all markets without an edge")
    parser.add_argument("--faint", type=int, default=60, help="all markets of each faint edge")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    tasks = [(0.0, seed, True) for seed in range(1, given.traded + 1)]
    tasks += [(edge, seed, True) for seed in range(1, given.seeds + 1) for edge in EDGES]
    tasks += [(0.0, seed, False) for seed in range(given.traded + 1, given.seeds0 + 1)]
    tasks += [(edge, seed, False) for edge in FAINT for seed in range(1, given.faint + 1)]
    # a market that is traded is not measured a second time
    tasks = list({task[:2]: task for task in reversed(tasks)}.values())[::-1]
    run(given.results, tasks, given.processes)


if __name__ == "__main__":
    main()
