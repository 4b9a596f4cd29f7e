"""What a scan says: the recommendation in sentences, and the table of all cells as text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from bot_cripto.backtest.report_parts.head import SIMULATED_SOURCE
from bot_cripto.backtest.scan.grid import at_full_cost
from bot_cripto.backtest.scan.words import WORDS, ScanSpeech

Json = Mapping[str, Any]


def sentences(result: Json) -> dict[str, list[str]]:
    """Return the recommendation in sentences, by language; `result` is a scan without it."""
    return {lang: _sentences(result, ScanSpeech(lang)) for lang in WORDS}


def _sentences(result: Json, say: ScanSpeech) -> list[str]:
    cells = result["cells"]
    measured = [cell for cell in cells if cell["measured"]]
    told = []
    if result["best"] is not None:
        told.append(_edge(_find(cells, result["best"]), result, say))
    elif not measured:
        told.append(say("nothing"))
    else:
        counts = {"measured": len(measured), "cells": len(cells), "trials": result["trials"]}
        told.append(say("nowhere", **counts))
        if result["nearest"] is not None:
            told.append(_nearest(_find(cells, result["nearest"]), result, say))
        if not any(row["trades"] for cell in measured for row in cell["costs"]):
            told.append(say("no_trades_at_all"))
    suspects = [say.cell(cell) for cell in measured if cell["ceiling"]["passed"] is False]
    if suspects:
        told.append(say("suspects", cells=", ".join(suspects)))
    told += _not_measured(cells, say)
    if result["left_out"]:
        names = ", ".join(result["left_out"])
        told.append(say("left_out", base=result["base_timeframe"], timeframes=names))
    return told


def _find(cells: list[Json], which: Json) -> Json:
    wanted = (which["timeframe"], which["horizon_steps"])
    return next(c for c in cells if (c["timeframe"], c["horizon_steps"]) == wanted)


def _edge(cell: Json, result: Json, say: ScanSpeech) -> str:
    row = at_full_cost(cell)
    low, high = (say.number(end, 3) for end in cell["auc_interval"])
    return say(
        "edge",
        cell=say.cell(cell),
        net=say.change(row["net_return"]),
        days=row["days"],
        dsr=say.number(row["dsr"], 3),
        trials=result["trials"],
        auc=say.number(cell["auc"], 3),
        low=low,
        high=high,
    )


def _nearest(cell: Json, result: Json, say: ScanSpeech) -> str:
    row, surest = at_full_cost(cell), cell["surest"]
    earns, cost = surest["earns_bps"], row["round_trip_bps"]
    values = {
        "cell": say.cell(cell),
        "earns": say.number(earns, 1),
        "cost": say.bps([cost]),
        "interval": say.span(surest["interval_bps"], 1),
    }
    if earns <= 0:
        return say("nearest_nothing", **values)
    if earns <= cost:
        return say("nearest", share=say.percent(earns / cost, 0), **values)
    facts = {
        "net": say.change(row["net_return"]),
        "dsr": say.number(row["dsr"], 3),
        "trials": result["trials"],
    }
    reasons = [say(name, **facts) for name in result["nearest"]["shortcomings"]]
    return say("nearest_covers", reasons=say("and").join(reasons), **values)


def _not_measured(cells: list[Json], say: ScanSpeech) -> list[str]:
    """Return why cells were not measured, those of a timeframe together."""
    told = []
    absent = [cell for cell in cells if not cell["measured"]]
    for _, group in groupby(absent, lambda cell: cell["timeframe"]):
        some = list(group)
        few = [cell for cell in some if cell["rows"] < cell["rows_needed"]]
        if few:
            rows, needed = (
                say.number(find(cell[name] for cell in few), 0)
                for name, find in (("rows", min), ("rows_needed", max))
            )
            names = ", ".join(say.cell(cell) for cell in few)
            told.append(say("not_measured", cells=names, rows=rows, needed=needed))
        for cell in some:
            if cell not in few:
                reason = cell["reason"]
                told.append(say("not_measured_why", cells=say.cell(cell), reason=reason))
    return told


def table_rows(result: Json, say: ScanSpeech) -> list[list[str]]:
    """Return the table of all cells, its headers first, as text."""
    shares = result["cost_shares"]
    names = ("cell", "auc", "independent", "surest", "cost", "exceeding")
    head = [say(f"column_{name}") for name in names]
    head += [say("column_net", share=say.share(share)) for share in shares]
    rows = [[*head, say("column_psr"), say("column_dsr")]]
    for cell in result["cells"]:
        if not cell["measured"]:
            rows.append([say.cell(cell), say("unmeasured"), *[""] * (len(rows[0]) - 2)])
            continue
        row = at_full_cost(cell)
        auc_span = cell["auc_interval"]
        rows.append(
            [
                say.cell(cell),
                say.number(cell["auc"], 3) + _brackets(auc_span, 3, say),
                say.number(cell["independent_horizons"], 0),
                _or_dash(cell["surest"]["earns_bps"], 1, say)
                + _brackets(cell["surest"]["interval_bps"], 1, say),
                say.bps([row["round_trip_bps"]]),
                say.percent(row["exceeding"]),
                *(f"{say.change(one['net_return'])} ({one['trades']})" for one in cell["costs"]),
                _or_dash(row["psr"], 3, say),
                _or_dash(row["dsr"], 3, say),
            ]
        )
    return rows


def _brackets(ends: Any, decimals: int, say: ScanSpeech) -> str:
    if ends is None:
        return ""
    low, high = (say.number(end, decimals) for end in ends)
    return f" ({low}–{high})" if ends[0] >= 0 else f" ({low} … {high})"


def _or_dash(value: Any, decimals: int, say: ScanSpeech) -> str:
    return "–" if value is None else say.number(value, decimals)


def as_text(result: Json, lang: str) -> str:
    """Return a scan for a terminal: the recommendation, and the table of all cells."""
    say = ScanSpeech(lang)
    rows = table_rows(result, say)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(wide) if not place else text.rjust(wide)
            for place, (text, wide) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    opening = f"{result['symbol']}: {' '.join(result['recommendation'][lang])}"
    if result["source_name"] == SIMULATED_SOURCE:
        opening = f"{say('simulated')}. {opening}"
    return "\n".join([opening, "", *lines])
