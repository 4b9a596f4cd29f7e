import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.random_ratios import (
    booked_by_day,
    booked_ratios,
    ratio_against_random,
)
from bot_cripto.backtest.statistics.returns import account_metrics
from bot_cripto.timeframes import DAY_MS


def test_a_trade_counts_on_the_day_in_which_it_is_closed():
    made = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    closed = np.array([[11, DAY_MS, DAY_MS + 1], [DAY_MS, 2 * DAY_MS + 5, 2 * DAY_MS + 9]])
    booked = booked_by_day(made, closed, 10, 3 * DAY_MS)
    assert booked.tolist() == [[3.0, 4.0, 0.0], [8.0, 0.0, 48.0]]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=6))
def test_ratios_are_those_of_an_account_with_a_mark_a_day(rows):
    booked = np.array(rows)
    found = booked_ratios(booked, 1000.0)
    for number, made in enumerate(booked):
        equity = 1000.0 + np.cumsum(made)
        expected = account_metrics(DAY_MS * np.arange(1, 4), equity, 1000.0, DAY_MS)
        for name, values in found.items():
            value = expected[name]
            if value is not None and np.std(made) > 1e-6:
                assert values[number] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_who_does_nothing_has_nothing_and_who_never_loses_has_no_bound():
    found = booked_ratios(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [-2000.0, 5000.0, 1.0]]), 1e3)
    assert [values[0] for values in found.values()] == [0.0, 0.0, 0.0, 0.0]
    assert found["sortino"][1] == found["calmar"][1] == math.inf
    assert found["max_drawdown"][2] == 1.0


def test_the_strategy_is_one_of_the_traders():
    random = np.arange(1.0, 100.0)
    best = ratio_against_random(1000.0, random)
    assert (best.p_value, best.median, best.low, best.high) == (0.01, 50.0, 6.0, 94.0)
    assert ratio_against_random(0.0, random).p_value == 1.0
    assert ratio_against_random(0.0, random, more_is_better=False).p_value == 0.01
    assert ratio_against_random(50.0 + 1e-12, random).p_value == pytest.approx(0.51)


def test_a_strategy_that_is_random_is_seldom_called_better():
    random = np.random.default_rng(1)
    closed = np.broadcast_to(DAY_MS * np.arange(1, 31), (200, 30))
    claims = 0
    for _ in range(100):
        made = random.normal(size=(200, 30))
        ratios = booked_ratios(booked_by_day(made, closed, 0, 30 * DAY_MS), 1000.0)["sharpe"]
        claims += ratio_against_random(float(ratios[0]), ratios[1:]).p_value <= 0.05
    # 5 are expected; more than 13 come once in 2000 times
    assert claims <= 13
