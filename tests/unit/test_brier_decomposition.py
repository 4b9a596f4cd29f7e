"""The parts of the Brier score add up, and say what they are for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import metrics
from bot_cripto.backtest.statistics.brier_decomposition import (
    brier_columns,
    brier_decomposition,
    brier_parts,
)

rows = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.4, 0.5]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=60,
)


def total(parts):
    within = parts["within_bin_variance"] - parts["within_bin_covariance"]
    return parts["reliability"] - parts["resolution"] + parts["uncertainty"] + within


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(1, 12))
def test_the_parts_add_up_to_the_score(pairs, bins):
    p, up = (np.array(column) for column in zip(*pairs, strict=True))
    parts = brier_decomposition(p, up, bins)
    assert total(parts) == pytest.approx(metrics.brier(p, up), abs=1e-12)
    for name in ("reliability", "resolution", "uncertainty", "within_bin_variance"):
        assert parts[name] >= -1e-15, name
    assert parts["resolution"] <= parts["uncertainty"] + 1e-12


def test_by_hand():
    # two bins: 0.2, 0.4 with outcomes 0, 1 and 0.8, 0.8 with outcomes 1, 1
    parts = brier_decomposition(np.array([0.2, 0.4, 0.8, 0.8]), np.array([0.0, 1.0, 1.0, 1.0]), 2)
    assert parts == pytest.approx(
        {
            "reliability": 0.5 * 0.2**2 + 0.5 * 0.2**2,
            "resolution": 0.5 * 0.25**2 + 0.5 * 0.25**2,
            "uncertainty": 0.75 * 0.25,
            "within_bin_variance": 0.5 * 0.1**2,
            "within_bin_covariance": 2 * 0.5 * 0.5 * 0.1,
        }
    )


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(pairs, random):
    mixed = list(pairs)
    random.shuffle(mixed)
    p, up = (np.array(column) for column in zip(*pairs, strict=True))
    q, down = (np.array(column) for column in zip(*mixed, strict=True))
    assert brier_decomposition(q, down) == pytest.approx(brier_decomposition(p, up), abs=1e-12)
    assert metrics.ece(q, down) == pytest.approx(metrics.ece(p, up), abs=1e-12)


def test_a_constant_forecast_resolves_nothing():
    up = (np.arange(1000) % 10 < 3).astype(float)
    parts = brier_decomposition(np.full(1000, 0.5), up)
    assert parts["reliability"] == pytest.approx(0.2**2)
    assert parts["resolution"] == pytest.approx(0.0, abs=1e-15)
    assert parts["uncertainty"] == pytest.approx(0.21)


def test_a_shifted_forecast_loses_reliability_alone():
    random = np.random.default_rng(1)
    p = random.uniform(0.2, 0.6, 100_000)
    up = (random.random(len(p)) < p).astype(float)
    right, wrong = brier_decomposition(p, up), brier_decomposition(p + 0.2, up)
    assert right["reliability"] < 1e-3
    assert wrong["reliability"] == pytest.approx(0.04, abs=0.004)
    assert wrong["resolution"] == pytest.approx(right["resolution"])
    # of a right forecast, the resolution with what bins hide is its variance
    hidden = right["within_bin_covariance"] - right["within_bin_variance"]
    assert right["resolution"] + hidden == pytest.approx(np.var(p), abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 1000))
def test_weights_are_repeated_rows(pairs, seed):
    p, up = (np.array(column) for column in zip(*pairs, strict=True))
    weight = np.random.default_rng(seed).integers(0, 4, len(p))
    weight[0] += 1
    place = np.minimum((p * 3).astype(int), 2)

    def sums(q, o, bins, w):
        return np.array([np.bincount(bins, w * each, 3) for each in brier_columns(q, o)])

    weighted = brier_parts(sums(p, up, place, weight))
    again = np.repeat(np.arange(len(p)), weight)
    repeated = brier_parts(sums(p[again], up[again], place[again], np.ones(len(again))))
    assert total(weighted) == pytest.approx(metrics.brier(p[again], up[again]), abs=1e-12)
    for name, value in weighted.items():
        assert value == pytest.approx(repeated[name], abs=1e-12), name
