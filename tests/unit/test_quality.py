from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.market.candles import Candles, empty, make
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.quality import MAX_GAPS, report

STEP = 300_000
T0 = 1_704_067_200_000  # 2024-01-01


def at(*positions: int) -> Candles:
    price = np.ones(len(positions))
    time = T0 + np.array(positions, dtype=np.int64) * STEP
    return make(time, price, price, price, price, price)


def of(candles: Candles, expected: int, max_fill: int = 2, **more):
    result = report(
        candles,
        symbol="BTC/USDT",
        source="archive",
        timeframe="5m",
        since_ms=T0,
        until_ms=T0 + expected * STEP,
        max_fill=max_fill,
        **more,
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    return result


def test_complete_window_is_ok():
    result = of(at(*range(12)), 12)
    assert result["ok"] and result["problems"] == [] and result["notes"] == []
    assert (result["expected"], result["present"], result["missing"]) == (12, 12, 0)
    assert result["since"] == "2024-01-01T00:00:00Z" and result["until"] == "2024-01-01T01:00:00Z"
    assert result["last_candle"] == "2024-01-01T01:00:00Z" and result["stale_candles"] == 0


def test_short_gap_is_noted_and_long_gap_is_a_problem():
    short = of(at(0, 1, 4, 5), 6)
    assert short["ok"] and short["filled"] == 2 and short["notes"]
    assert short["gaps"] == [{"start": "2024-01-01T00:10:00Z", "candles": 2}]
    long = of(at(0, 4, 5), 6)
    assert not long["ok"] and long["filled"] == 2 and long["missing"] == 3
    assert long["problems"] == ["Gaps of more than 2 candles leave 1 of 6 missing."]


def test_missing_end_is_stale_however_short():
    result = of(at(0, 1, 2), 4)
    assert not result["ok"] and result["stale_candles"] == 1
    assert result["last_candle"] == "2024-01-01T00:15:00Z"
    assert result["problems"] == [
        "The data ends at 2024-01-01T00:15:00Z; closed candles missing since: 1."
    ]
    longer = of(at(0, 1, 2), 9)
    assert longer["stale_candles"] == 6 and len(longer["problems"]) == 1


def test_nothing_there():
    result = of(empty(), 5)
    assert not result["ok"] and result["last_candle"] is None
    assert result["stale_candles"] == result["missing"] == 5 and result["filled"] == 0
    assert len(result["problems"]) == 1
    assert not of(empty(), 0)["ok"]


def test_refused_and_conflicting_candles_are_noted():
    result = of(at(0, 1), 2, quarantined={"not finite": 3}, conflicts=1)
    assert result["ok"] and result["quarantined"] == {"not finite": 3}
    assert result["conflicts"] == 1 and len(result["notes"]) == 2
    assert "3 not finite" in result["notes"][0]


def test_list_of_gaps_is_bounded_and_keeps_the_longest():
    candles = at(*(i for i in range(600) if i % 2 and i not in (301, 303)))
    result = of(candles, 600)
    assert result["gaps_total"] > MAX_GAPS == len(result["gaps"])
    assert max(gap["candles"] for gap in result["gaps"]) == 5
    starts = [gap["start"] for gap in result["gaps"]]
    assert starts == sorted(starts)


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(-5, 25)).map(sorted), st.integers(1, 20), st.integers(0, 4))
def test_counts_agree_with_the_grid(places, expected, max_fill):
    candles = at(*places)
    result = of(candles, expected, max_fill)
    until = T0 + expected * STEP
    window = to_grid(candles.between(T0, until), "5m", T0, until, max_fill)
    assert result["filled"] == window.filled.sum()
    assert result["present"] + result["missing"] == expected == len(window)
    assert result["present"] == len(candles.between(T0, until))
    unfilled = int(np.isnan(window.close).sum())
    assert result["ok"] == (unfilled == 0 and result["stale_candles"] == 0)
