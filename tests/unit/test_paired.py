"""How sure differences are: against what is known of series that were made for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot_cripto.backtest.statistics.paired import return_difference_interval, standard_error


def test_independent_rows_have_the_textbook_standard_error():
    random = np.random.default_rng(1)
    errors = [standard_error(random.normal(0.0, 2.0, 4000), 40) for _ in range(50)]
    assert np.mean(errors) == pytest.approx(2.0 / math.sqrt(4000), rel=0.06)


def test_overlapping_rows_are_not_taken_for_independent_ones():
    """A moving sum over five rows: its mean varies as that of the sums' common innovations."""
    random = np.random.default_rng(2)
    errors, means = [], []
    for _ in range(200):
        noise = random.normal(size=3004)
        moving = np.convolve(noise, np.ones(5), "valid")
        errors.append(standard_error(moving, 50))
        means.append(moving.mean())
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    naive = 5**0.5 / math.sqrt(3000)
    assert np.mean(errors) > 1.8 * naive


def test_a_constant_is_certain_and_a_single_block_is_not_known():
    assert standard_error(np.full(100, 0.3), 10) == 0.0
    assert math.isnan(standard_error(np.arange(19.0), 10))


def test_what_both_went_through_alike_is_no_uncertainty():
    random = np.random.default_rng(3)
    market = random.normal(0, 0.05, 60)
    ours, theirs = market + 0.001, market
    low, high = return_difference_interval(ours, theirs)
    assert 0 < low < high
    shuffled = random.permutation(theirs)
    wide_low, wide_high = return_difference_interval(ours, shuffled)
    assert wide_high - wide_low > 3 * (high - low) and wide_low < 0 < wide_high


def test_the_measured_difference_lies_within_and_the_seed_decides():
    random = np.random.default_rng(4)
    ours, theirs = random.normal(0, 0.01, (2, 30))
    gap = np.prod(1 + ours) - np.prod(1 + theirs)
    low, high = return_difference_interval(ours, theirs)
    assert low < gap < high
    assert (low, high) == return_difference_interval(ours, theirs)
    mirrored = return_difference_interval(theirs, ours)
    assert mirrored == pytest.approx((-high, -low))


def test_few_days_give_no_interval():
    assert return_difference_interval(np.zeros(9), np.zeros(9)) is None
    assert return_difference_interval(np.zeros(10), np.zeros(10)) == (0.0, 0.0)
