from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.market.candles import Candles, empty, make
from bot_cripto.market.gaps import gaps, grid, to_grid

STEP = 300_000
T0 = 1_704_067_200_000


def at(*positions: int) -> Candles:
    """Candles at those places of the grid, each with its own prices."""
    place = np.array(positions, dtype=float)
    return make(
        (T0 + place * STEP).astype(np.int64), place + 10, place + 12, place + 9, place + 11, place
    )


def ms(position: float) -> int:
    return round(T0 + position * STEP)


def equal(left: Candles, right: Candles) -> bool:
    return all(
        np.array_equal(
            getattr(left, f.name), getattr(right, f.name), equal_nan=f.name not in ("filled",)
        )
        for f in fields(Candles)
    )


def test_short_gap_is_filled_flat():
    full = to_grid(at(0, 1, 4), "5m", ms(0), ms(5), max_fill=3)
    assert full.open_time.tolist() == [ms(i) for i in range(5)]
    assert full.filled.tolist() == [False, False, True, True, False]
    for column in (full.open, full.high, full.low, full.close):
        assert column[2] == column[3] == 12.0
    assert full.open.tolist() == [10.0, 11.0, 12.0, 12.0, 14.0]
    assert full.volume.tolist() == [0.0, 1.0, 0.0, 0.0, 4.0]


def test_long_gap_is_filled_only_at_its_beginning():
    full = to_grid(at(0, 6), "5m", ms(0), ms(7), max_fill=2)
    assert full.filled.tolist() == [False, True, True, False, False, False, False]
    assert np.isnan(full.close).tolist() == [False, False, False, True, True, True, False]
    assert np.isnan(full.volume).tolist() == np.isnan(full.open).tolist()


def test_gap_at_the_start_is_nan_and_at_the_end_is_filled():
    full = to_grid(at(2), "5m", ms(0), ms(5), max_fill=1)
    assert np.isnan(full.close).tolist() == [True, True, False, False, True]
    assert full.filled.tolist() == [False, False, False, True, False]


def test_no_candles_give_a_grid_of_nan():
    full = to_grid(empty(), "5m", ms(0), ms(3), max_fill=5)
    assert len(full) == 3 and np.isnan(full.high).all() and not full.filled.any()
    assert len(to_grid(at(1), "5m", ms(3), ms(3), max_fill=5)) == 0


def test_window_need_not_lie_on_the_grid():
    assert grid("5m", ms(0.5), ms(2.5)).tolist() == [ms(1), ms(2)]
    assert to_grid(at(0, 1, 2, 3), "5m", ms(0.5), ms(2.5), 0).close.tolist() == [12.0, 13.0]


def test_negative_limit_is_refused():
    with pytest.raises(ValueError, match="max_fill"):
        to_grid(at(0), "5m", ms(0), ms(1), max_fill=-1)


def test_gaps_are_listed_with_start_and_length():
    assert gaps(at(1, 2, 5), "5m", ms(0), ms(8)) == [(ms(0), 1), (ms(3), 2), (ms(6), 2)]
    assert gaps(at(0, 1), "5m", ms(0), ms(2)) == []
    assert gaps(empty(), "5m", ms(0), ms(2)) == [(ms(0), 2)]


PLACES = st.sets(st.integers(0, 30)).map(sorted)


@settings(max_examples=200, deadline=None)
@given(PLACES, st.integers(0, 4), st.integers(0, 31))
def test_cutting_the_data_changes_no_row_before_the_cut(places, max_fill, cut):
    candles = at(*places)
    whole = to_grid(candles, "5m", ms(0), ms(31), max_fill)
    part = to_grid(candles.between(0, ms(cut)), "5m", ms(0), ms(cut), max_fill)
    assert equal(part, whole[:cut])


@settings(max_examples=200, deadline=None)
@given(PLACES, st.integers(0, 4), st.integers(0, 31))
def test_starting_later_changes_no_row_if_the_candles_before_are_given(places, max_fill, start):
    candles = at(*places)
    whole = to_grid(candles, "5m", ms(0), ms(31), max_fill)
    assert equal(to_grid(candles, "5m", ms(start), ms(31), max_fill), whole[start:])


@settings(max_examples=100, deadline=None)
@given(PLACES, st.integers(0, 4))
def test_grid_agrees_with_a_loop_and_with_itself(places, max_fill):
    full = to_grid(at(*places), "5m", ms(0), ms(31), max_fill)
    age = None
    for i in range(31):
        age = 0 if i in places else None if age is None else age + 1
        assert full.filled[i] == (age is not None and 1 <= age <= max_fill)
        assert np.isnan(full.close[i]) == (age is None or age > max_fill)
        if age is not None and age <= max_fill:
            assert full.close[i] == i - age + 11
    assert equal(to_grid(full, "5m", ms(0), ms(31), max_fill), full)
    missing = gaps(full, "5m", ms(0), ms(31))
    assert missing == gaps(at(*places), "5m", ms(0), ms(31))
    assert sum(count for _, count in missing) == 31 - len(places)
