import itertools
from dataclasses import replace

import model_market as market
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import DataError
from bot_cripto.features import catalogue
from bot_cripto.models.snapshot import (
    build_snapshot,
    read_snapshot,
    training_data,
    write_snapshot,
)
from bot_cripto.models.split import split


def test_nothing_after_the_cutoff_is_in_it():
    candles = market.random_candles(1500)
    cut = market.cutoff(1400)
    snapshot = build_snapshot(candles, "5m", market.SETTINGS, cut)
    assert len(snapshot.candles) == 1400
    assert snapshot.candles.open_time[-1] + market.STEP_MS == cut
    assert np.isnan(snapshot.forward_return[-3:]).all()
    assert np.isfinite(snapshot.forward_return[-4])
    future = market.random_candles(1500, seed=9)
    mixed = build_snapshot(
        type(candles)(
            *(
                np.where(np.arange(1500) < 1400, getattr(candles, n), getattr(future, n))
                for n in ("open_time", "open", "high", "low", "close", "volume", "filled")
            )
        ),
        "5m",
        market.SETTINGS,
        cut,
    )
    assert mixed.digest() == snapshot.digest()


def test_a_cutoff_within_a_candle_leaves_that_candle_out():
    candles = market.random_candles(1200)
    one = build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(1100) + 1)
    assert len(one.candles) == 1100
    two = build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(1100) - 1)
    assert len(two.candles) == 1099


def test_features_at_hand_are_used_and_equal():
    candles = market.random_candles(1200)
    features = catalogue.compute(candles, "5m")
    given_ = build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(1150), features)
    computed = build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(1150))
    assert given_.digest() == computed.digest()


def test_no_candle_and_a_broken_grid_are_refused():
    candles = market.random_candles(20)
    with pytest.raises(DataError, match="no 5m candle had closed"):
        build_snapshot(candles, "5m", market.SETTINGS, market.START_MS)
    rows = np.r_[0:5, 6:20]
    with pytest.raises(DataError, match="full grid"):
        build_snapshot(candles[rows], "5m", market.SETTINGS, market.cutoff())


def test_the_file_gives_the_same_back_and_is_the_same_bytes(tmp_path):
    snapshot = market.snapshot()
    digest = write_snapshot(snapshot, tmp_path / "a.parquet")
    write_snapshot(snapshot, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    back = read_snapshot(tmp_path / "a.parquet")
    assert back.digest() == digest == snapshot.digest()
    assert np.array_equal(back.features, snapshot.features, equal_nan=True)
    assert back.names == snapshot.names
    assert back.cutoff_ms == snapshot.cutoff_ms


def test_a_damaged_or_altered_file_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        read_snapshot(path)
    write_snapshot(market.snapshot(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        read_snapshot(path)
    import pyarrow.parquet as pq

    path.write_bytes(whole)
    table = pq.read_table(path)
    altered = table.set_column(4, "close", [np.asarray(table["close"]) + 1e-9])
    pq.write_table(altered, path)
    with pytest.raises(DataError, match="was altered"):
        read_snapshot(path)


def test_the_digest_changes_with_any_number_but_not_with_the_kind_of_nan():
    snapshot = market.snapshot()
    features = snapshot.features.copy()
    features[-1, 0] = np.nextafter(features[-1, 0], np.float32(1))
    assert replace(snapshot, features=features).digest() != snapshot.digest()
    other_nan = snapshot.features.copy()
    other_nan.view(np.uint32)[np.isnan(other_nan)] = 0xFFC00001
    assert replace(snapshot, features=other_nan).digest() == snapshot.digest()


def test_rows_of_training_are_whole_and_really_traded():
    candles = market.random_candles(1600)
    candles.filled[1300] = True
    for column in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        column[200] = np.nan
    data = training_data(build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(1600)))
    assert len(data) > 0
    assert np.isfinite(data.features).all()
    assert np.isfinite(data.forward_return).all()
    assert 1300 not in data.index
    assert data.index[0] >= 200 + catalogue.feature_window("5m")
    assert data.index[-1] == 1600 - 1 - market.SETTINGS.horizon_steps
    assert np.array_equal(data.open_time, candles.open_time[data.index])


def test_neutral_rows_are_those_within_the_band():
    snapshot = market.snapshot()
    known = np.isfinite(snapshot.features).all(axis=1) & np.isfinite(snapshot.forward_return)
    column = snapshot.names.index("realised_volatility_48")
    unit = snapshot.features[known, column].astype(float) * np.sqrt(3)
    inside = np.abs(snapshot.forward_return[known]) <= 0.1 * unit
    assert np.array_equal(np.isnan(snapshot.trend_label[known]), inside)
    assert 0.02 < inside.mean() < 0.3


def test_triple_barrier_labels_are_an_option():
    settings_ = replace(market.SETTINGS, label="triple_barrier", horizon_steps=12)
    snapshot = build_snapshot(market.random_candles(2000), "5m", settings_, market.cutoff(2000))
    known = np.isfinite(snapshot.trend_label)
    assert 0.3 < known[1100:1980].mean() < 1
    length = snapshot.label_end[known] - np.flatnonzero(known)
    assert length.min() >= 1
    assert length.max() <= 12
    assert len(np.unique(length)) > 5


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=20, max_size=120),
    st.integers(0, 12),
    st.sampled_from([(0.7, 0.1, 0.1, 0.1), (0.5, 0.25, 0.25, 0.0), (0.34, 0.33, 0.33, 0.0)]),
)
def test_parts_are_in_order_and_no_label_reaches_the_next(steps, gap, shares):
    index = np.cumsum(steps)
    parts = split(index, dict(zip("abcd", shares, strict=True)), gap)
    rows = [index[p] for p in parts.values() if p.stop > p.start]
    for before, after in itertools.pairwise(rows):
        assert before[-1] + gap < after[0]
    assert parts["a"].start == 0
    last = [p for p, share in zip(parts.values(), shares, strict=True) if share > 0][-1]
    assert last.stop == len(index)


def test_fractions_must_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1"):
        split(np.arange(10), {"a": 0.5, "b": 0.4}, 1)
