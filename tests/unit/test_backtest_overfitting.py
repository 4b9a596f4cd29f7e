import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.overfitting import probability_of_overfitting


def slow(returns, blocks):
    """Return the logits, split by split."""
    parts = np.array_split(np.arange(len(returns)), blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        rows = np.concatenate([parts[i] for i in chosen])
        inside, outside = returns[rows], np.delete(returns, rows, axis=0)
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0))
        ratios = outside.mean(axis=0) / outside.std(axis=0)
        rank = 1 + np.sum(ratios < ratios[best])
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return np.array(logits)


@pytest.mark.parametrize(("n", "m", "blocks"), [(64, 5, 4), (71, 8, 6), (200, 3, 8)])
def test_it_is_what_going_through_the_splits_finds(n, m, blocks):
    returns = np.random.default_rng(n).normal(0.001, 0.01, (n, m))
    found = probability_of_overfitting(returns, blocks)
    expected = slow(returns, blocks)
    assert found.logits == pytest.approx(expected)
    assert found.probability == pytest.approx(np.mean(expected <= 0))


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


@pytest.mark.parametrize(
    ("returns", "blocks"),
    [
        (np.ones((64, 1)), 4),
        (np.ones(64), 4),
        (np.ones((64, 2)), 5),
        (np.ones((64, 2)), 22),
        (np.ones((7, 2)), 4),
        (np.full((64, 2), np.nan), 4),
    ],
)
def test_what_cannot_be_split_is_refused(returns, blocks):
    with pytest.raises(ValueError):
        probability_of_overfitting(returns, blocks)
