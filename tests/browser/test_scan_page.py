"""The page of a scan in a real browser: silent, asking nobody, readable at every width."""

from __future__ import annotations

import copy

import pytest
from browser import SCHEMES, WIDTHS
from test_report_page import faults_of

from bot_cripto.backtest.scan.grid import scan_grid
from bot_cripto.backtest.scan.html import html
from bot_cripto.backtest.scan.result import scan

MAPS = ["auc", "surest", "net-0", "net-1", "net-2", "net-3", "dsr"]


def example() -> dict:
    """Return a made-up scan of nine cells, of which one is not measured."""
    settings = {
        "timeframe": "5m",
        "scan": {
            "timeframes": ["15m", "1h"],
            "horizons": [1, 5, 12],
            "cost_shares": [0, 0.25, 0.5],
        },
        "source_name": "binance",
        "market_type": "spot",
        "folds": 4,
    }
    grid = scan_grid(settings)
    cells = [_cell(timeframe, steps, place) for place, (timeframe, steps) in enumerate(grid.cells)]
    cells[-1] |= {"measured": False, "reason": "too few"}
    return scan("BTC/USDT", cells, grid, {"a": 0.01, "b": -0.02}, settings, 1_725_580_800_000)


def _cell(timeframe: str, steps: int, place: int) -> dict:
    row = {"round_trip_bps": 28.0, "exceeding": 0.001, "net_return": -0.1234, "trades": 1234}
    row |= {"day_sharpe": 0.01, "days": 144, "skewness": -0.5, "kurtosis": 7.0, "psr": 0.55}
    shares = (0.0, 0.25, 0.5, 1.0)
    return {
        "timeframe": timeframe,
        "horizon_steps": steps,
        "measured": True,
        "reason": None,
        "rows": 2331,
        "rows_needed": 10_043,
        "independent_horizons": 41_000 // steps,
        "auc": 0.53 + 0.002 * place,
        "auc_interval": [0.521, 0.562],
        "ceiling": {"passed": True, "text": ""},
        "surest": {
            "forecasts": 410,
            "hit_rate": 0.571,
            "earns_bps": 12.3 - 3 * place,
            "interval_bps": [-11.1, 12.9],
        },
        "costs": [copy.deepcopy(row) | {"share": share} for share in shares],
    }


@pytest.mark.parametrize("lang", ["en", "es"])
def test_it_looks_right_at_every_width_and_asks_nobody(view, tmp_path, lang):
    file = tmp_path / "scan.html"
    file.write_text(html(example(), lang), encoding="utf-8")
    view.open(file)
    faults = []
    for width in WIDTHS:
        for scheme in SCHEMES:
            view.look(width, scheme)
            seen = view.measured()
            assert seen["sections"] == ["recommendation", *MAPS, "table"]
            faults += [f"{width} {scheme}: {fault}" for fault in faults_of(seen, width, scheme)]
    colours = view.page.evaluate(
        "[...document.querySelectorAll('#surest .tint')].map(e => getComputedStyle(e)"
        ".backgroundColor)"
    )
    assert len(set(colours)) == len(colours) == 8, "a heat map has a colour for each value"
    assert faults == []
    assert view.complaints == []
    assert set(view.asked) == {file.as_uri()}
