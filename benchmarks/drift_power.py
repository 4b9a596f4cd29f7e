"""How often the checks of drift raise a false alarm, and how soon they find a change.

Many simulated markets, each with one trend model trained on its first 120 days and in use from
then on, measured every week as ``bot-cripto drift`` measures it:

    python benchmarks/drift_power.py --seeds 40 > drift_power.md

In the unchanged market every alarm is false. On day 150 one thing changes: the size of moves
(twice or three times), the edge (prices no longer follow the order flow), or how widely volume
varies (half).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bot_cripto.drift.check import CHECKS, PARTS, Check, level
from bot_cripto.drift.history import DRIFT, INSUFFICIENT
from bot_cripto.drift.measure import Learnt, Moment, check_results, check_rows
from bot_cripto.execution.performance import hit
from bot_cripto.features import catalogue
from bot_cripto.labels import forward_return
from bot_cripto.market.candles import Candles, concat
from bot_cripto.market.simulated import SimulatedSource
from bot_cripto.market.simulated_process import EPOCH_MS
from bot_cripto.models import apply
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import build_snapshot, training_data
from bot_cripto.models.training import train
from bot_cripto.timeframes import DAY_MS, iso, parse_iso

TIMEFRAME, STEP = "5m", 300_000
TRAINED, CHANGE, WEEK, LAST = 120, 150, 7, 178
RATE, RECENT_DAYS, RESULT_DAYS = 0.05, 7, 60
NULL_DAYS = range(TRAINED + WEEK, LAST + 1, WEEK)
CHANGED_DAYS = range(CHANGE + WEEK, LAST + 1, WEEK)


def market(seed: int, edge: float) -> Candles:
    """Return the candles of a simulated market."""
    batches = SimulatedSource(seed, edge).candles(
        "BTC/USDT", TIMEFRAME, EPOCH_MS, EPOCH_MS + LAST * DAY_MS
    )
    return concat(list(batches))


def same(candles: Candles, other: Candles, at: int) -> Candles:
    """Return the market as it is."""
    return candles


def moves(factor: float) -> Callable[[Candles, Candles, int], Candles]:
    """Return a change of the size of all moves by a factor."""

    def change(candles: Candles, other: Candles, at: int) -> Candles:
        base = np.log(candles.close[at - 1])
        prices = {}
        for name in ("open", "high", "low", "close"):
            column = getattr(candles, name).copy()
            column[at:] = np.exp(base + factor * (np.log(column[at:]) - base))
            prices[name] = column
        return replace(candles, **prices)

    return change


def edge_gone(candles: Candles, other: Candles, at: int) -> Candles:
    """Return the market going on as the one without an edge, from the same price."""
    ratio = candles.close[at - 1] / other.close[at - 1]
    prices = {}
    for name in ("open", "high", "low", "close"):
        column = getattr(candles, name).copy()
        column[at:] = getattr(other, name)[at:] * ratio
        prices[name] = column
    volume = candles.volume.copy()
    volume[at:] = other.volume[at:] / ratio
    return replace(candles, volume=volume, **prices)


def even_volume(candles: Candles, other: Candles, at: int) -> Candles:
    """Return the market with half the spread of the logarithm of volume."""
    volume = candles.volume.copy()
    middle = np.median(np.log(volume[:at]))
    volume[at:] = np.exp(middle + 0.5 * (np.log(volume[at:]) - middle))
    return replace(candles, volume=volume)


CHANGES = {
    "none": same,
    "moves x 2": moves(2.0),
    "moves x 3": moves(3.0),
    "edge gone": edge_gone,
    "volume half as varied": even_volume,
}


def checks_of(candles: Candles, learnt: Learnt, days: range) -> dict[int, list[Check]]:
    """Return the checks of each of those days."""
    features = catalogue.compute(candles, TIMEFRAME)
    horizon = learnt.model.metadata["horizon_steps"]
    realised = forward_return(candles.close, horizon)
    live = (candles.open_time >= learnt.until_ms) & np.isfinite(realised)
    prob = apply.predict(learnt.model, features[live])["prob_up"]
    closes = candles.open_time[live] + STEP
    rows = [
        {"candle_close_time": iso(int(close)), "metric": hit(float(p), float(r))}
        for close, p, r in zip(closes, prob, realised[live], strict=True)
    ]
    found = {}
    for day in days:
        until = EPOCH_MS + day * DAY_MS
        moment = Moment(until, RECENT_DAYS * DAY_MS, STEP, horizon, level(RATE))
        known = int(np.searchsorted(candles.open_time, until))
        # an outcome is known when its horizon has closed
        last = int(np.searchsorted(closes, until - horizon * STEP, side="right"))
        first = int(np.searchsorted(closes, until - RESULT_DAYS * DAY_MS))
        found[day] = check_rows(candles[:known], features[:known], learnt, moment)
        found[day] += check_results(rows[first:last], moment)
    return found


def one_market(seed: int, edge: float, horizon: int) -> dict[str, dict[int, list[Check]]]:
    """Return the checks of a market by change and day."""
    settings = TrainingSettings(horizon_steps=horizon)
    before, without = market(seed, edge), market(seed, 0.0)
    cutoff = EPOCH_MS + TRAINED * DAY_MS
    data = training_data(build_snapshot(before, TIMEFRAME, settings, cutoff))
    trained = train("trend", data, settings)
    model = apply.make_model("trend", trained.metadata, trained.files)
    parts = trained.metadata["parts"]
    learnt = Learnt(
        model,
        parse_iso(parts["train"]["first_candle"]),
        cutoff,
        parse_iso(parts["holdout"]["first_candle"]),
    )
    at = CHANGE * DAY_MS // STEP
    return {
        name: checks_of(
            change(before, without, at), learnt, NULL_DAYS if name == "none" else CHANGED_DAYS
        )
        for name, change in CHANGES.items()
    }


def share(hits: list[bool]) -> str:
    """Return a share with its standard error."""
    p = float(np.mean(hits)) if hits else float("nan")
    return f"{p:.1%} ± {np.sqrt(p * (1 - p) / max(len(hits), 1)):.1%}"


def tables(found: list[dict[str, dict[int, list[Check]]]]) -> str:
    """Return the tables of all markets."""
    null = [checks for one in found for checks in one["none"].values()]
    lines = [f"Markets: {len(found)}; weekly checks without a change: {len(null)}.", ""]
    lines += ["| Check | False alarms | Insufficient data |", "|---|---|---|"]
    for place, name in enumerate(CHECKS):
        alarms = [checks[place].status == DRIFT for checks in null]
        few = np.mean([checks[place].status == INSUFFICIENT for checks in null])
        lines.append(f"| {name} | {share(alarms)} | {few:.0%} |")
    whole = [any(check.status == DRIFT for check in checks) for checks in null]
    lines += [f"| any of them | {share(whole)} | |", ""]
    lines += [
        "| Change | Part | 1 week | 2 weeks | 3 weeks | 4 weeks |",
        "|---|---|---|---|---|---|",
    ]
    for change in CHANGES:
        if change == "none":
            continue
        for part, names in {**PARTS, "any": CHECKS}.items():
            by_week = [
                np.mean(
                    [
                        any(
                            check.status == DRIFT
                            for day in CHANGED_DAYS[: week + 1]
                            for check in one[change][day]
                            if check.name in names
                        )
                        for one in found
                    ]
                )
                for week in range(len(CHANGED_DAYS))
            ]
            shown = " | ".join(f"{value:.0%}" for value in by_week)
            lines.append(f"| {change} | {part} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--edge", type=float, default=0.35)
    parser.add_argument("--horizon", type=int, default=5)
    given = parser.parse_args()
    found = []
    for seed in range(given.first, given.first + given.seeds):
        found.append(one_market(seed, given.edge, given.horizon))
        sys.stderr.write(f"{seed}\n")
        if len(found) % 4 == 0:
            sys.stderr.write(tables(found))
    sys.stdout.write(tables(found))


if __name__ == "__main__":
    main()
