import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.overfitting import path_sharpes, probability_of_overfitting


def splits(n, blocks, tested, purge, embargo):
    """Return the periods of training and test of each split, by going through all pairs."""
    parts = np.array_split(np.arange(n), blocks)
    for chosen in combinations(range(blocks), tested):
        test = np.concatenate([parts[i] for i in chosen])
        gap = np.arange(n)[:, None] - test
        near = ((gap >= -purge) & (gap <= purge + embargo)).any(axis=1)
        yield np.flatnonzero(~near), [parts[i] for i in chosen]


def ratio(returns):
    return returns.mean(axis=0) / returns.std(axis=0)


def slow(returns, blocks, purge=1, embargo=0):
    """Return the logits, split by split."""
    logits = []
    for train, test in splits(len(returns), blocks, blocks // 2, purge, embargo):
        best = np.argmax(ratio(returns[train]))
        ratios = ratio(returns[np.concatenate(test)])
        rank = 1 + np.sum(ratios < ratios[best])
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return np.array(logits)


@pytest.mark.parametrize(
    ("n", "m", "blocks", "purge", "embargo"),
    [(64, 5, 4, 1, 0), (71, 8, 6, 0, 0), (200, 3, 8, 1, 0), (130, 6, 6, 3, 2)],
)
def test_it_is_what_going_through_the_splits_finds(n, m, blocks, purge, embargo):
    returns = np.random.default_rng(n).normal(0.001, 0.01, (n, m))
    found = probability_of_overfitting(returns, blocks, purge=purge, embargo=embargo)
    expected = slow(returns, blocks, purge, embargo)
    assert found.logits == pytest.approx(expected)
    assert found.probability == pytest.approx(np.mean(expected <= 0))
    assert (found.configurations, found.idle) == (m, 0)


def test_purging_cuts_off_what_runs_from_one_day_into_the_next():
    # half of each day's luck is still paid on the next day: seen on both sides of a border
    leaking, purged = [], []
    for seed in range(120):
        luck = np.random.default_rng(seed).normal(size=(33, 12))
        returns = luck[1:] + luck[:-1]
        leaking.append(probability_of_overfitting(returns, 8, purge=0).probability)
        purged.append(probability_of_overfitting(returns, 8).probability)
    assert np.mean(leaking) < np.mean(purged) - 0.03
    assert np.mean(purged) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("groups", "tested", "purge", "embargo"), [(6, 2, 1, 0), (5, 3, 2, 1), (8, 1, 0, 0)]
)
def test_paths_are_what_going_through_the_splits_finds(groups, tested, purge, embargo):
    returns = np.random.default_rng(groups).normal(0.001, 0.01, (90, 5))
    pieces = [[] for _ in range(groups)]
    for train, test in splits(90, groups, tested, purge, embargo):
        best = np.argmax(ratio(returns[train]))
        for part in test:
            pieces[part[0] * groups // 90].append(returns[part, best])
    expected = [ratio(np.concatenate(path)) for path in zip(*pieces, strict=True)]
    found = path_sharpes(returns, groups, tested, purge=purge, embargo=embargo)
    assert len(found) == math.comb(groups, tested) * tested // groups
    assert found == pytest.approx(np.array(expected))


def test_choosing_the_best_of_noise_earns_nothing_over_the_paths():
    # the best of twenty has an annual Sharpe ratio near 2 over 300 days; choosing it has none
    found, best = [], []
    for seed in range(40):
        returns = np.random.default_rng(seed).normal(size=(300, 20))
        found.append(path_sharpes(returns).mean())
        best.append(ratio(returns).max())
    assert np.mean(best) > 0.09
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(40) < 0.05


def test_about_one_half_on_noise():
    found = [
        probability_of_overfitting(np.random.default_rng(seed).normal(size=(240, 20)), 8)
        for seed in range(60)
    ]
    assert np.mean([each.probability for each in found]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([each.loss_probability for each in found]) == pytest.approx(0.5, abs=0.1)


def test_near_nothing_with_one_that_dominates():
    returns = np.random.default_rng(1).normal(size=(320, 20))
    returns[:, 7] += 0.5
    found = probability_of_overfitting(returns)
    assert len(found.logits) == 12_870
    assert found.probability < 0.01
    assert found.loss_probability < 0.01


def test_near_certain_where_each_is_good_once():
    # each configuration shines in one block alone: the best of the past is bad afterwards
    blocks, random = 8, np.random.default_rng(2)
    returns = random.normal(-0.5, 1.0, (blocks * 40, blocks))
    for i in range(blocks):
        returns[40 * i : 40 * (i + 1), i] += 4.0
    assert probability_of_overfitting(returns, blocks).probability > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50.0))
def test_scale_and_order_of_the_configurations_do_not_matter(seed, scale):
    random = np.random.default_rng(seed)
    returns = random.normal(0.01, 1.0, (48, 6))
    found = probability_of_overfitting(returns, 4)
    other = probability_of_overfitting(scale * returns[:, random.permutation(6)], 4)
    assert 0 <= found.probability <= 1
    assert other.logits == pytest.approx(found.logits)


def test_copies_of_one_configuration_are_all_in_the_middle():
    # of another size each, so that their ratios are equal but for rounding
    returns = np.random.default_rng(3).normal(size=(64, 1)) * [0.1, 0.3, 1.0, 3.0, 7.0]
    assert probability_of_overfitting(returns, 4).logits == pytest.approx(np.zeros(6), abs=1e-12)


def test_who_never_trades_has_a_ratio_of_nothing():
    returns = np.zeros((64, 2))
    returns[:, 1] = np.random.default_rng(4).normal(-1.0, 1.0, 64)
    found = probability_of_overfitting(returns, 4)
    assert found.probability == 0.0
    assert found.loss_probability == 0.0


def test_idle_configurations_are_counted_and_have_the_ratio_of_cash():
    returns = np.zeros((64, 5))
    returns[:, 3] = np.random.default_rng(6).normal(0.5, 1.0, 64)
    found = probability_of_overfitting(returns, 4)
    assert (found.configurations, found.idle) == (5, 4)
    assert found.probability == 0.0


@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_where_nobody_trades_there_is_nothing_to_measure(constant):
    returns = np.full((64, 3), constant)
    assert probability_of_overfitting(returns, 4) is None
    assert path_sharpes(returns, 4) is None


def test_a_path_without_a_trade_has_a_ratio_of_nothing():
    returns = np.zeros((64, 2))
    returns[:, 1] = np.random.default_rng(4).normal(-1.0, 1.0, 64)
    assert path_sharpes(returns, 4).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("returns", "blocks"),
    [
        (np.ones((64, 1)), 4),
        (np.ones(64), 4),
        (np.ones((64, 2)), 5),
        (np.ones((64, 2)), 22),
        (np.ones((7, 2)), 4),
        (np.ones((15, 2)), 4),
        (np.full((64, 2), np.nan), 4),
    ],
)
def test_what_cannot_be_split_is_refused(returns, blocks):
    with pytest.raises(ValueError):
        probability_of_overfitting(returns, blocks)


@pytest.mark.parametrize("far", [{"purge": -1}, {"embargo": -1}, {"purge": 8}, {"embargo": 13}])
def test_more_than_a_block_cannot_be_purged(far):
    returns = np.random.default_rng(7).normal(size=(64, 2))
    with pytest.raises(ValueError, match=r"purge|periods"):
        probability_of_overfitting(returns, 4, **far)


@pytest.mark.parametrize(("groups", "tested"), [(2, 1), (21, 2), (6, 0), (6, 6)])
def test_groups_that_cannot_be_tested_are_refused(groups, tested):
    with pytest.raises(ValueError, match="cannot be tested"):
        path_sharpes(np.random.default_rng(8).normal(size=(200, 2)), groups, tested)
