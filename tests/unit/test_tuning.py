"""Thresholds chosen by the past, and what that is worth; the grid of walks that it chooses from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from model_market import SETTINGS
from test_backtest_result import settings, snapshot

from bot_cripto.backtest.folds import fold_bounds, fold_track
from bot_cripto.backtest.statistics.returns import daily_returns
from bot_cripto.backtest.threshold_grid import (
    ThresholdGrid,
    combinations,
    overfitting_of,
    walk_thresholds,
)
from bot_cripto.backtest.tuning import MIN_TRADES, _mean_interval, choose, tune, words
from bot_cripto.backtest.walk import Walk
from bot_cripto.execution.book import Book
from bot_cripto.models.snapshot import training_data
from bot_cripto.models.walk_forward import make_fold_before, make_folds, run_fold
from bot_cripto.timeframes import DAY_MS

DAYS = 120
CONFIGURED = {"prob_min": 0.6, "min_expected_return": 0.002, "risk_max": 0.3}


def grid_of(returns, trades_a_day=2):
    returns = np.asarray(returns, dtype=float)
    days = np.arange(len(returns)) * DAY_MS
    thresholds = [CONFIGURED | {"risk_max": (30 - i) / 100} for i in range(returns.shape[1])]
    traded = np.where(returns != 0, trades_a_day, 0)
    return ThresholdGrid(thresholds, days, returns, traded)


def noise(columns, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 0.01, (DAYS, columns))


def trials(number, spread=0.02):
    """Return what is known of so many trials, their Sharpe ratios as far apart as that."""
    return {str(i): spread * (-1) ** i for i in range(number)}


STARTS = [30 * DAY_MS + 5, 60 * DAY_MS, 90 * DAY_MS]


def test_what_was_better_throughout_is_chosen_and_its_worth_is_shown():
    returns = noise(3)
    returns[:, 2] += 0.01
    found = tune(grid_of(returns), STARTS, DAYS * DAY_MS, trials(3))
    assert found["change"] == {"risk_max": [0.3, 0.28]}
    assert [fold["thresholds"]["risk_max"] for fold in found["by_fold"]] == [0.28] * 3
    assert found["shown"] and found["nested"]["net_return"] > 0
    assert found["proposal_dsr"] > 0.95
    assert "RISK_MAX 0.3 -> 0.28" in words("BTC/USDT", found)


def test_a_proposal_is_deflated_by_all_that_was_tried_not_by_its_neighbours_alone():
    """Thresholds beside each other come to nearly the same: their spread says little of luck."""
    alike = noise(1, 0.002) + 0.0001 * np.random.default_rng(2).normal(size=(DAYS, 6))
    near, far = (
        tune(grid_of(alike), STARTS, DAYS * DAY_MS, trials(100, spread)) for spread in (0.02, 0.2)
    )
    assert near["trials"] == far["trials"] == 100
    assert near["proposal_dsr"] - far["proposal_dsr"] > 0.1


def test_the_result_of_tuning_is_not_that_of_what_was_chosen_by_looking_back():
    """The best of many that are luck shines on all days, and is worth nothing afterwards."""
    gains = []
    for seed in range(20):
        grid = grid_of(noise(30, seed=seed))
        found = tune(grid, STARTS, DAYS * DAY_MS, trials(30))
        best = grid.thresholds.index(found["proposal"])
        gains.append((np.prod(1 + grid.returns[:, best]) - 1, found["nested"]["net_return"]))
    shining, nested = np.mean(gains, axis=0)
    assert shining > 0.15 and abs(nested) < 0.05


@given(seed=st.integers(0, 10_000), day=st.integers(0, DAYS - 1))
@examples(max_examples=60, deadline=None)
def test_a_fold_is_tuned_by_days_that_ended_a_day_before_it(seed, day):
    returns = noise(6, seed=seed)
    other = returns.copy()
    other[day:] = noise(6, seed=seed + 1)[day:]
    one, two = (
        tune(grid_of(r), STARTS, DAYS * DAY_MS, trials(6))["by_fold"] for r in (returns, other)
    )
    for a, b, start in zip(one, two, STARTS, strict=True):
        if day * DAY_MS >= -(-start // DAY_MS) * DAY_MS - DAY_MS:
            assert a["thresholds"] == b["thresholds"]


def test_without_trades_or_profit_nothing_is_chosen():
    assert choose(grid_of(np.zeros((DAYS, 4)))) == 0
    assert choose(grid_of(-np.abs(noise(4)))) == 0
    rare = grid_of(noise(4, 0.01), trades_a_day=0)
    assert rare.trades.sum() < MIN_TRADES and choose(rare) == 0
    found = tune(grid_of(np.zeros((DAYS, 4))), STARTS, DAYS * DAY_MS, trials(4))
    assert found["change"] == {} and not found["shown"] and found["proposal_dsr"] is None
    assert "would change nothing" in words("BTC/USDT", found)


def test_that_tuning_is_worth_it_is_seldom_claimed_of_a_short_record_without_worth():
    """The interval of a mean of 12 days is Student's: 95 % of them hold the truth."""
    random = np.random.default_rng(0)
    found = [_mean_interval(random.normal(0.0, 0.01, 12)) for _ in range(300)]
    assert np.mean([low > 0 or high < 0 for _, low, high in found]) < 0.08


def test_what_lasts_for_days_is_purged_for_as_many():
    """Where ten days share a return, days on both sides of a border flatter the choice."""
    short, long = [], []
    for seed in range(40):
        shared = np.random.default_rng(seed).normal(0, 0.01, (40, 8)).repeat(10, axis=0)[3:]
        short.append(overfitting_of(grid_of(shared))["probability"])
        long.append(overfitting_of(grid_of(shared), 10 * DAY_MS)["probability"])
    assert np.mean(short) + 0.02 < np.mean(long) < 0.55
    assert overfitting_of(grid_of(shared), 10 * DAY_MS)["purged_days"] == 10
    assert overfitting_of(grid_of(shared), 288 * 300_000)["purged_days"] == 1
    assert overfitting_of(grid_of(shared[:100]), 10 * DAY_MS) is None


def test_overfitting_is_measured_where_there_is_something_to_measure():
    luck = [overfitting_of(grid_of(noise(20, seed=s)))["probability"] for s in range(8)]
    assert 0.3 < np.mean(luck) < 0.7
    real = noise(20)
    real[:, 3] += 0.01
    assert overfitting_of(grid_of(real))["probability"] < 0.05
    assert overfitting_of(grid_of(np.zeros((DAYS, 5)))) is None
    assert overfitting_of(grid_of(noise(5)[:20])) is None


def test_the_combinations_hold_the_configured_one_once_and_first():
    for changes in ({}, {"prob_min": 0.53, "fees_bps": 0.0, "spread_bps": 0.0}):
        tried = combinations(settings(**changes))
        assert len({tuple(t.items()) for t in tried}) == len(tried)
        assert tried[0]["prob_min"] == settings(**changes)["prob_min"]


def test_every_column_is_the_walk_of_its_thresholds():
    data = training_data(snapshot())
    values = settings(fees_bps=0.0, spread_bps=0.0, slippage_bps=0.0)
    folds = make_folds(data, 2, SETTINGS)
    training = replace(SETTINGS, min_rows=700)
    before = make_fold_before(data, 2, training)
    assert before.train_stop < before.start < before.stop == folds[0].start
    results = [run_fold(data, training, fold) for fold in (before, folds[0])]
    since = int(snapshot().candles.open_time[fold_bounds(results)[0][0]])
    track = fold_track("BTC/USDT", snapshot(), results, values)
    anything = {"prob_min": 0.5, "min_expected_return": 0.0, "risk_max": 1.0}
    tried = [CONFIGURED, CONFIGURED | {"prob_min": 0.53}, anything]
    grid = walk_thresholds(track, values, since, tried)
    assert ThresholdGrid.from_json(grid.to_json()).to_json() == grid.to_json()
    assert grid.trades[:, 2].sum() > 0
    times = since + 300_000 * np.arange(1, len(track.cases) + 1)
    for place, thresholds in enumerate(tried):
        with Book.in_memory(values | thresholds | {"symbols": ["BTC/USDT"]}) as book:
            Walk([track], book, values | thresholds, since, documents=False).run()
            equity = np.array([float(mark.equity) for mark in book.ledger.marks()])
            assert grid.trades[:, place].sum() == len(book.account.trades)
        assert grid.returns[:, place] == pytest.approx(daily_returns(times, equity, 10_000.0))
    assert len(grid.days) == len(grid.returns)
