"""Where is there an edge? All cells of a scan together: deflated, and the recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot_cripto.backtest.scan.grid import ScanGrid, at_full_cost
from bot_cripto.backtest.scan.sentences import sentences
from bot_cripto.backtest.shipped_schema import check_result
from bot_cripto.backtest.statistics import deflation
from bot_cripto.timeframes import iso

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("scan.schema.json")

LEVEL = 0.95
"""Least deflated Sharpe ratio of a cell that is recommended."""

Json = dict[str, Any]


def scan(
    symbol: str,
    cells: Sequence[Json],
    grid: ScanGrid,
    trials: Mapping[str, float | None],
    settings: Mapping[str, Any],
    made_ms: int,
) -> Json:
    """Return the result of a scan.

    Parameters
    ----------
    symbol : str
    cells : sequence of dict
        Of every timeframe and horizon, from `bot_cripto.backtest.scan.cell.measure`.
    grid : ScanGrid
    trials : mapping of str to float or None
        Sharpe ratios (of a day) of every configuration that was ever tried for the symbol, those
        of this scan included, by their hash; None where it is undefined.
    settings : mapping
        The effective settings.
    made_ms : int
        When, milliseconds since the epoch, UTC.

    Returns
    -------
    dict
        As `scan.schema.json` describes it.
    """
    judged = [deflated(cell, trials) for cell in cells]
    result: Json = {
        "schema_version": SCHEMA_VERSION,
        "symbol": symbol,
        "source_name": settings["source_name"],
        "market_type": settings["market_type"],
        "base_timeframe": grid.base,
        "timeframes": list(grid.timeframes),
        "left_out": list(grid.left_out),
        "horizons": list(grid.horizons),
        "cost_shares": list(grid.cost_shares),
        "folds": settings["folds"],
        "made": iso(made_ms),
        "trials": len(trials),
        "cells": judged,
    }
    best, nearest = recommended(judged), nearest_of(judged)
    result |= {"edge": best is not None, "best": named(best), "nearest": named(nearest)}
    return result | {"recommendation": sentences(result)}


def deflated(cell: Json, trials: Mapping[str, float | None]) -> Json:
    """Return the cell with a deflated Sharpe ratio (``dsr``, None without one) at each cost."""
    if not cell["measured"]:
        return cell
    known = [ratio for ratio in trials.values() if ratio is not None]
    rows = []
    for row in cell["costs"]:
        dsr = None
        if row["day_sharpe"] is not None:
            spread = deflation.variance_of_trials(known, row["days"])
            dsr = deflation.deflated_sharpe(
                row["day_sharpe"],
                row["days"],
                row["skewness"],
                row["kurtosis"],
                max(len(trials), 1),
                spread,
            )
        rows.append(row | {"dsr": dsr})
    return cell | {"costs": rows}


def recommended(cells: Sequence[Json]) -> Json | None:
    """Return the best of the cells in which an edge is shown at full costs, or None.

    It is shown by a net profit, a deflated Sharpe ratio of at least `LEVEL`, an interval of the
    AUC above one half, and an AUC that can be reached without knowing the future.
    """
    shown = [cell for cell in cells if cell["measured"] and not shortcomings(cell)]
    return max(shown, key=lambda cell: at_full_cost(cell)["dsr"], default=None)


def shortcomings(cell: Mapping[str, Any]) -> list[str]:
    """Return the names of the reasons why no edge is shown in a measured cell."""
    row, interval = at_full_cost(cell), cell["auc_interval"]
    found = []
    if cell["ceiling"]["passed"] is not True:
        found.append("suspect")
    if interval is None or not interval[0] > 0.5:
        found.append("no_skill")
    if not row["trades"]:
        return [*found, "no_trades"]
    if not row["net_return"] > 0:
        found.append("loss")
    if row["dsr"] is None or not row["dsr"] >= LEVEL:
        found.append("deflated")
    return found


def nearest_of(cells: Sequence[Json]) -> Json | None:
    """Return the cell whose surest forecasts earn the most of their costs, or None.

    A cell with an AUC that is too good is none.
    """

    def share(cell: Json) -> float:
        cost = at_full_cost(cell)["round_trip_bps"]
        earns: float = cell["surest"]["earns_bps"]
        # without costs every gain covers them
        return earns / max(cost, 1e-9)

    there = [
        cell
        for cell in cells
        if cell["measured"] and cell["ceiling"]["passed"] and cell["surest"]["forecasts"]
    ]
    return max(there, key=share, default=None)


def named(cell: Mapping[str, Any] | None) -> Json | None:
    """Return which cell it is, and what is missing for an edge to be shown there."""
    if cell is None:
        return None
    about: Json = {name: cell[name] for name in ("timeframe", "horizon_steps")}
    return about | {"shortcomings": shortcomings(cell)}


def validate(result: Json) -> None:
    """Check a result against the shipped schema.

    Raises
    ------
    DataError
        Something is missing or out of range; names it.
    """
    check_result(result, SCHEMA_FILE, "scan")
