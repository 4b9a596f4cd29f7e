"""What MLflow's record of a retrain costs: CPU seconds, wall seconds, and growth of the database.

One symbol is retrained `--retrains` times with made-up versions in a fresh database; the costs are
those of the first retrain and of the mean of the last ten, so that growth with the past would show.
Run: ``python benchmarks/mlflow_cost.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion_change import promote
from bot_cripto.models.forecast import Subject
from bot_cripto.timeframes import candle_id, iso
from bot_cripto.tracking.client import prepare
from bot_cripto.tracking.registry import Challenge, divergence, register, sync_champion
from bot_cripto.tracking.retrain import RetrainRecord, record_retrain
from bot_cripto.tracking.runs import TrainingRecord, record_training

KINDS = ("trend", "return", "risk", "baseline")
DAY_MS, START_MS = 86_400_000, 1_704_067_200_000
SUBJECT = Subject("BTC/USDT", "binance", "5m", 5)
PAGE = "x" * 250_000
"""As large as the page of a backtest."""


def measured(
    costs: dict[str, list[tuple[float, float]]], name: str, work: Callable[[], Any]
) -> Any:
    """Do some work, note its CPU and wall seconds, and return what it returns."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    costs[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return result


def retrain(layout: Layout, number: int, costs: dict[str, list[tuple[float, float]]]) -> None:
    """Record, promote, register and show one made-up retrain."""
    cutoff_ms = START_MS + number * DAY_MS
    uses, records = {}, []
    for kind in KINDS:
        sha256 = hashlib.sha256(f"{kind}{number}".encode()).hexdigest()
        version = f"{candle_id(cutoff_ms)}-{sha256[:10]}"
        params = {f"setting_{i}": i for i in range(35)}
        metrics = {f"metric_{i}": i / 7 for i in range(12)}
        shares = {"model": {f"feature_{i}": 1 / 60 for i in range(60)}}
        records.append(
            TrainingRecord(kind, version, sha256, params, metrics, shares, sha256, "snapshot")
        )
        uses[kind] = ModelUse(version, sha256, None)
    name = f"{iso(cutoff_ms)[:10]} taken"
    runs = measured(
        costs,
        "record the training",
        lambda: record_training(
            layout.mlflow_db, layout.mlflow_artifacts, "BTC/USDT 5m binance", name, records
        ),
    )
    promote(
        layout.models,
        SUBJECT.symbol,
        uses,
        **SUBJECT.about(),
        provisional=False,
        reason="better",
        promoted_at_ms=cutoff_ms,
    )
    challenge = Challenge(uses, "better", frozenset(uses))
    measured(costs, "register the versions", lambda: register(layout, SUBJECT, challenge))
    shown = RetrainRecord(
        name,
        {f"settings/{i}": i for i in range(40)},
        {f"walk-forward/{i}": i / 7 for i in range(80)},
        {"promoted": "yes", "reason": "better"},
        {"backtest.html": PAGE, "backtest.json": PAGE, "judgement.json": "{}"},
        "better",
    )
    measured(costs, "complete the run", lambda: record_retrain(layout.mlflow_db, runs, shown))
    measured(costs, "look for divergence", lambda: divergence(layout, SUBJECT.symbol))
    measured(costs, "sync, nothing to do", lambda: sync_champion(layout, SUBJECT.symbol))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--retrains", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        layout = Layout(root / "data", root / "models", root / "logs", root / "locks", "binance-5m")
        costs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        measured(costs, "make the database", lambda: prepare(layout.mlflow_db))
        empty = layout.mlflow_db.stat().st_size
        for number in range(given.retrains):
            retrain(layout, number, costs)
        grown = (layout.mlflow_db.stat().st_size - empty) / given.retrains
        for name, spent in costs.items():
            last = spent[-10:]
            means = [sum(one[i] for one in last) / len(last) for i in (0, 1)]
            first = {"cpu_s": spent[0][0], "wall_s": spent[0][1]}
            row = {"step": name, "first": first, "last_ten": dict(zip(first, means, strict=True))}
            sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.write(json.dumps({"database_bytes_a_retrain": round(grown)}) + "\n")


if __name__ == "__main__":
    main()
