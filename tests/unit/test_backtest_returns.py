import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.returns import (
    DAY_MS,
    account_metrics,
    calmar,
    daily_returns,
    maximum_drawdown,
    period_sharpe,
    sharpe,
    simple_returns,
    sortino,
    total_return,
)
from bot_cripto.errors import DataError

HOUR = 3_600_000

equities = st.lists(st.floats(1.0, 1e6), min_size=2, max_size=80).map(np.array)
dailies = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60).map(np.array)


def hours(n, start=0):
    return start + HOUR * np.arange(1, n + 1)


@settings(max_examples=100, deadline=None)
@given(equities, st.integers(0, 23))
def test_daily_returns_compound_to_the_total_return(equity, start):
    daily = daily_returns(hours(len(equity), start * HOUR), equity, 100.0)
    assert total_return(daily) == pytest.approx(equity[-1] / 100.0 - 1.0)
    assert len(daily) == (start + len(equity) - 1) // 24 + 1


def test_a_close_at_midnight_belongs_to_the_day_that_ends_with_it():
    equity = np.linspace(101, 148, 48)
    daily = daily_returns(hours(48), equity, 100.0)
    assert daily == pytest.approx([equity[23] / 100 - 1, equity[47] / equity[23] - 1])


def test_a_day_without_a_mark_returns_nothing_and_the_next_one_all():
    daily = daily_returns(np.array([1, 3]) * DAY_MS, np.array([110.0, 121.0]), 100.0)
    assert daily == pytest.approx([0.1, 0.0, 0.1])


def test_no_marks_no_days():
    assert len(daily_returns(np.empty(0, np.int64), np.empty(0), 100.0)) == 0


def test_a_ruined_account_stays_ruined():
    assert simple_returns(np.array([100.0, 50.0, -5.0, 20.0])).tolist() == [-0.5, -1.0, 0.0]
    assert total_return(simple_returns(np.array([100.0, -5.0, 20.0]))) == -1.0


@pytest.mark.parametrize("equity", [[100.0, math.nan], [0.0, 1.0], [], [100.0, math.inf]])
def test_equity_that_cannot_be_is_refused(equity):
    with pytest.raises(DataError, match="equity"):
        simple_returns(np.array(equity))


def test_times_out_of_order_are_refused():
    with pytest.raises(DataError, match="order of time"):
        daily_returns(np.array([2, 1]), np.array([1.0, 1.0]), 1.0)


def test_sharpe_and_sortino_by_hand():
    daily = np.array([0.01, -0.02, 0.03, 0.0])
    assert sharpe(daily) == pytest.approx(0.005 / np.std(daily, ddof=1) * math.sqrt(365))
    assert sortino(daily) == pytest.approx(0.005 / math.sqrt(0.0004 / 4) * math.sqrt(365))


@pytest.mark.parametrize("daily", [[], [0.1], [0.0, 0.0, 0.0], [0.001] * 7])
def test_no_ratio_without_two_days_that_vary(daily):
    assert sharpe(np.array(daily)) is None
    assert sortino(np.array(daily)) is None


def test_no_sortino_without_a_loss():
    assert sortino(np.array([0.1, 0.2])) is None
    assert sharpe(np.array([0.1, 0.2])) > 0


@settings(max_examples=100, deadline=None)
@given(dailies, st.floats(0.01, 100.0))
def test_ratios_do_not_depend_on_the_size_of_the_bets(daily, scale):
    for ratio in (period_sharpe, sortino):
        value = ratio(daily)
        if value is not None and np.max(np.abs(daily)) > 1e-6 and np.std(daily) > 1e-6:
            assert ratio(daily * scale) == pytest.approx(value, rel=1e-6, abs=1e-9)


def slow_drawdown(value):
    """Return depth and length of the deepest fall, in steps, by going through all pairs."""
    best, length, recovered = 0.0, 0, True
    for i, peak in enumerate(value):
        if peak < max(value[: i + 1]) or (i + 1 < len(value) and value[i + 1] >= peak):
            continue
        back = next((j for j in range(i + 1, len(value)) if value[j] >= peak), None)
        end = len(value) - 1 if back is None else back
        depth = 1 - min(value[i : end + 1]) / peak
        if depth > best:
            best, length, recovered = depth, end - i, back is not None
    return best, length, recovered


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(50, 150), min_size=1, max_size=30))
def test_drawdown_is_what_going_through_all_peaks_finds(values):
    equity = np.array(values, dtype=float)
    found = maximum_drawdown(hours(len(equity)), equity, 100.0, HOUR)
    depth, length, recovered = slow_drawdown([100.0, *equity.tolist()])
    assert found.depth == pytest.approx(depth)
    assert found.days == pytest.approx(length / 24)
    assert found.recovered is recovered
    assert 0 <= found.depth < 1


def test_drawdown_lasts_from_the_peak_to_the_recovery_or_the_end():
    equity = np.array([110.0, 88.0, 110.0, 100.0])
    found = maximum_drawdown(DAY_MS * np.arange(1, 5), equity, 100.0, DAY_MS)
    assert found.depth == pytest.approx(0.2)
    assert (found.days, found.recovered) == (2.0, True)
    open_end = maximum_drawdown(DAY_MS * np.arange(1, 3), equity[:2], 100.0, DAY_MS)
    assert (open_end.days, open_end.recovered) == (1.0, False)


def test_calmar_is_the_annual_mean_over_the_drawdown():
    assert calmar(np.array([0.01, -0.005]), 0.1) == pytest.approx(0.0025 * 365 / 0.1)
    assert calmar(np.array([0.01, 0.02]), 0.0) is None
    assert calmar(np.array([0.01]), 0.1) is None


@pytest.mark.parametrize("minutes", [5, 60, 240, 1440])
def test_ratios_do_not_depend_on_the_timeframe_of_the_marks(minutes):
    steps = np.random.default_rng(1).normal(1e-6, 1e-3, 40 * 288)
    equity = 1000.0 * np.exp(np.cumsum(steps))
    every, step = minutes // 5, minutes * 60_000
    times = step * np.arange(1, len(equity) // every + 1)
    found = account_metrics(times, equity[every - 1 :: every], 1000.0, step)
    by_day = np.diff(np.append(1000.0, equity[287::288])) / np.append(1000.0, equity[287:-1:288])
    assert found["net_return"] == pytest.approx(equity[-1] / 1000.0 - 1.0)
    assert found["sharpe"] == pytest.approx(sharpe(by_day))
    assert found["sortino"] == pytest.approx(sortino(by_day))
    # what happens between two marks is not seen
    deepest = maximum_drawdown(300_000 * np.arange(1, len(equity) + 1), equity, 1000.0, 300_000)
    assert 0 < found["max_drawdown"] <= deepest.depth
    assert found["calmar"] == pytest.approx(calmar(by_day, found["max_drawdown"]))


def test_an_account_that_does_nothing_has_no_ratios():
    found = account_metrics(hours(72), np.full(72, 500.0), 500.0, HOUR)
    assert (found["net_return"], found["max_drawdown"], found["max_drawdown_days"]) == (0, 0, 0)
    assert found["sharpe"] is found["sortino"] is found["calmar"] is None
