"""What every feature promises: its window, the past alone, the same bits, never infinite."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feature_samples import garbage_outside, random_candles, thin_candles, with_gap
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import features
from bot_cripto.errors import ConfigError, DataError
from bot_cripto.features import FEATURE_NAMES, FEATURES, compute, feature_window
from bot_cripto.features.context import HIGHER, Context
from bot_cripto.market.candles import concat, empty
from bot_cripto.reach import REACH
from bot_cripto.timeframes import TIMEFRAMES

W5M = feature_window("5m")
REQUIRED = {
    "atr14_pct",
    "adx14",
    "plus_di14",
    "minus_di14",
    "realised_volatility_48",
    "close_location_value",
}


@pytest.fixture(scope="module")
def candles():
    return random_candles(3000)


@pytest.fixture(scope="module")
def matrix(candles):
    return compute(candles, "5m")


def test_catalogue_is_complete_and_bounded() -> None:
    assert 40 <= len(FEATURES) <= 60
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert set(FEATURE_NAMES) >= REQUIRED
    assert all(f.formula and f.unit and f.source and f.group for f in FEATURES)
    assert set(HIGHER) == set(TIMEFRAMES)
    assert all(feature_window(timeframe) <= REACH for timeframe in TIMEFRAMES)


def test_shape_type_and_first_value(matrix) -> None:
    assert matrix.shape == (3000, len(FEATURES))
    assert matrix.dtype == np.float32
    for column, feature in enumerate(FEATURES):
        window = feature.window_at("5m")
        assert np.isnan(matrix[: window - 1, column]).all(), feature.name
        assert np.isfinite(matrix[window - 1 :, column]).all(), feature.name
        assert feature.window_at("5m") == 1 or matrix[window - 1 :, column].std() > 0


def test_no_feature_sees_the_future(candles, matrix) -> None:
    rng = np.random.default_rng(3)
    # every phase of the longest higher timeframe, and random places
    cuts = [*range(2000, 2000 + HIGHER["5m"][1]), *rng.integers(1, 3000, 12)]
    for cut in cuts:
        assert compute(candles[:cut], "5m").tobytes() == matrix[:cut].tobytes(), cut


def test_what_comes_after_changes_nothing(candles, matrix) -> None:
    for t in (W5M, 1500, 1999, 2500):
        other = compute(garbage_outside(candles, slice(0, t + 1)), "5m")
        assert other[: t + 1].tobytes() == matrix[: t + 1].tobytes()


def test_one_new_candle_equals_the_whole_to_the_bit(candles, matrix) -> None:
    for t in np.random.default_rng(4).integers(0, 3000, 200):
        row = compute(candles[: t + 1], "5m", last=1)
        assert row.shape == (1, len(FEATURES))
        assert row.tobytes() == matrix[t : t + 1].tobytes(), t


@given(start=st.integers(0, 1500), length=st.integers(1, 1500), last=st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_any_piece_equals_the_whole_to_the_bit(start: int, length: int, last: int) -> None:
    whole = random_candles(3000)
    piece = whole[start : start + length]
    part = compute(piece, "5m", last=last)
    assert len(part) == min(last, length)
    expected = compute(piece, "5m")[length - len(part) :]
    assert part.tobytes() == expected.tobytes()


def test_start_of_the_data_only_decides_where_values_begin(candles, matrix) -> None:
    for start in (1, 5, 48, 333, 1001):
        part = compute(candles[start:], "5m")
        for column, feature in enumerate(FEATURES):
            ready = feature.window_at("5m") - 1
            assert part[ready:, column].tobytes() == matrix[start + ready :, column].tobytes()


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_phase_of_every_timeframe(timeframe: str) -> None:
    window, phases = feature_window(timeframe), HIGHER[timeframe][1]
    candles = random_candles(window + phases, timeframe, seed=5, start=3)
    whole = compute(candles, timeframe)
    assert np.isfinite(whole[window - 1 :]).all()
    for t in range(window - 1, window + phases):
        row = compute(candles[t - window + 1 : t + 1], timeframe, last=1)
        assert row.tobytes() == whole[t : t + 1].tobytes()


def test_the_candle_before_the_window_changes_nothing(candles, matrix) -> None:
    t = 2900
    for window in sorted({f.window_at("5m") for f in FEATURES}):
        columns = [i for i, f in enumerate(FEATURES) if f.window_at("5m") == window]
        other = compute(garbage_outside(candles, slice(t - window + 1, t + 1)), "5m")
        assert other[t, columns].tobytes() == matrix[t, columns].tobytes(), window


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_windows_are_not_declared_longer_than_they_are(timeframe: str) -> None:
    # in a feature's own function a NaN candle shows in every value that depends on it
    window, size = feature_window(timeframe), HIGHER[timeframe][1]
    candles = random_candles(2 * window + 2 * size, timeframe, start=0)
    step = TIMEFRAMES[timeframe]
    gap = window + int(-(candles.open_time[window] // step) % size)  # first candle of its bars
    with np.errstate(all="ignore"):
        whole = Context(candles, timeframe)
        holed = Context(with_gap(candles, gap), timeframe)
        for feature in FEATURES:
            if feature.group == "time of day":
                continue
            before = np.isnan(feature.function(whole)[window - 1 :])
            hit = np.flatnonzero(np.isnan(feature.function(holed)[window - 1 :]) & ~before)
            rows = hit + window - 1
            assert rows[0] >= gap, feature.name
            assert rows[-1] - gap + 1 == feature.window_at(timeframe), feature.name


def test_a_gap_makes_its_windows_nan_and_nothing_else(candles, matrix) -> None:
    gap = slice(1200, 1203)
    holed = compute(with_gap(candles, gap), "5m")
    for column, feature in enumerate(FEATURES):
        end = gap.stop + feature.window_at("5m") - 1
        assert np.isnan(holed[gap.start : end, column]).all(), feature.name
        expected = matrix[:, column].copy()
        expected[gap.start : end] = np.nan
        assert holed[:, column].tobytes() == expected.tobytes(), feature.name


@pytest.mark.parametrize(
    ("name", "value"), [("close", 0.0), ("low", -1.0), ("high", np.inf), ("volume", -1.0)]
)
def test_an_impossible_candle_counts_as_a_gap(candles, name: str, value: float) -> None:
    column = getattr(candles, name).copy()
    column[700] = value
    damaged = compute(replace(candles, **{name: column}), "5m")
    assert damaged.tobytes() == compute(with_gap(candles, 700), "5m").tobytes()


FLAT_AND_WITHOUT_VOLUME = {
    "volatility_ratio_12_288": 1.0,
    "downside_share_48": 0.5,
    "rsi14": 50.0,
    "stochastic_k14": 50.0,
    "stochastic_rsi14": 50.0,
    "williams_r48": -50.0,
    "ultimate_oscillator": 50.0,
    "true_range_atr": 1.0,
    "bollinger_percent_b_20": 0.5,
    "donchian_position_288": 0.5,
    "volume_ratio_12_288": 1.0,
    "mfi14": 50.0,
    "higher1_bollinger_percent_b_20": 0.5,
    "higher2_bollinger_percent_b_20": 0.5,
}


@pytest.mark.parametrize("price", [0.1, 1.0, 63_123.45])
def test_flat_market_without_volume_gives_the_documented_values(price: float) -> None:
    moving = random_candles(1500)
    flat = np.full(len(moving), price)
    still = replace(moving, open=flat, high=flat, low=flat, close=flat, volume=0.0 * flat)
    row = compute(still, "5m", last=1)[0]
    for feature, value in zip(FEATURES, row, strict=True):
        if feature.group != "time of day":
            assert value == FLAT_AND_WITHOUT_VOLUME.get(feature.name, 0.0), feature.name


@given(
    seed=st.integers(0, 10**6),
    price=st.sampled_from([1e-8, 1e-3, 1.0, 1e5, 1e9]),
    zero_volume=st.booleans(),
    thin=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_never_infinite_and_complete_windows_are_finite(
    seed: int, price: float, zero_volume: bool, thin: bool
) -> None:
    n = W5M + 150
    candles = thin_candles(n, seed=seed) if thin else random_candles(n, seed=seed, price=price)
    if zero_volume:
        candles = replace(candles, volume=np.zeros(n))
    values = compute(candles, "5m")
    assert np.isfinite(values[W5M - 1 :]).all()
    assert not np.isinf(values).any()
    assert not np.signbit(values[values == 0.0]).any()


def test_a_thin_market_has_the_same_bits_in_pieces() -> None:
    candles = thin_candles(2500, seed=8)
    whole = compute(candles, "5m")
    for t in range(1200, 2500, 37):
        assert compute(candles[: t + 1], "5m", last=1).tobytes() == whole[t : t + 1].tobytes()


def test_bounded_features_stay_in_their_bounds() -> None:
    for candles in (random_candles(3000, seed=6), thin_candles(3000, seed=6)):
        values = compute(candles, "5m")
        for column, feature in enumerate(FEATURES):
            bounds = {"0 to 100": (0, 100), "0 to 1": (0, 1), "-1 to 1": (-1, 1)}
            unit = feature.unit.removeprefix("share, ")
            low, high = {**bounds, "-100 to 0": (-100, 0)}.get(unit, (-np.inf, np.inf))
            valid = values[~np.isnan(values[:, column]), column]
            assert low <= valid.min(), feature.name
            assert valid.max() <= high, feature.name


def test_units_of_price_and_volume_do_not_matter(candles, matrix) -> None:
    scaled = replace(
        candles,
        **{name: getattr(candles, name) * 1024.0 for name in ("open", "high", "low", "close")},
        volume=candles.volume / 4096.0,
    )
    np.testing.assert_allclose(compute(scaled, "5m"), matrix, rtol=1e-5, atol=1e-7)


def test_while_no_price_moves_the_stochastic_rsi_stands_in_the_middle() -> None:
    candles = random_candles(400)
    prices = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close")}
    for price in prices.values():
        price[360:] = candles.close[359]
    still = replace(candles, **prices)
    values = compute(still, "5m")
    assert values[-1, FEATURE_NAMES.index("atr14_pct")] > 0.0  # older moves are still in sight
    assert values[-1, FEATURE_NAMES.index("stochastic_rsi14")] == 50.0


def test_a_repeated_typical_price_is_no_money_flow() -> None:
    odd = np.arange(15) % 2 == 1
    high, low, close = np.where(odd, 0.4, 0.3), np.full(15, 0.1), np.where(odd, 0.1, 0.2)
    assert len(set((high + low + close) / 3.0)) == 2  # both 0.2 on paper
    still = replace(random_candles(15), open=close, high=high, low=low, close=close)
    assert compute(still, "5m", last=1)[0, FEATURE_NAMES.index("mfi14")] == 50.0


def test_a_bar_counts_from_the_candle_that_closes_with_it(candles, matrix) -> None:
    size = HIGHER["5m"][0]
    column = FEATURE_NAMES.index("higher1_log_return_1")
    closing = (candles.open_time // TIMEFRAMES["5m"] % size) == size - 1
    values = matrix[W5M:, column]
    changed = np.flatnonzero(values[1:] != values[:-1]) + 1
    assert set(changed) <= set(np.flatnonzero(closing[W5M:]))
    t = int(np.flatnonzero(closing)[-1])
    expected = np.log(candles.close[t] / candles.close[t - size])
    assert matrix[t, column] == pytest.approx(expected, rel=1e-6)


def test_nothing_in_nothing_out() -> None:
    assert compute(empty(), "5m").shape == (0, len(FEATURES))
    assert compute(empty(), "5m", last=1).shape == (0, len(FEATURES))
    assert compute(random_candles(50), "5m", last=0).shape == (0, len(FEATURES))


def test_wrong_input_is_refused_with_a_reason(candles) -> None:
    with pytest.raises(
        DataError, match=r"after 2024-01-01T01:20:00Z.*01:30:00Z.*not the next on the 5m grid"
    ):
        compute(concat([candles[:10], candles[11:20]]), "5m")
    with pytest.raises(DataError, match=r"not the next on the 15m grid|not on the 15m grid"):
        compute(candles, "15m")
    with pytest.raises(ConfigError, match="7m"):
        compute(candles, "7m")
    with pytest.raises(ConfigError, match="7m"):
        feature_window("7m")
    with pytest.raises(ValueError, match="last=-1"):
        compute(candles, "5m", last=-1)


def test_input_is_left_as_it_was() -> None:
    candles, same = random_candles(1200, seed=9), random_candles(1200, seed=9)
    compute(candles, "5m")
    for name in ("open", "high", "low", "close", "volume", "open_time"):
        assert getattr(candles, name).tobytes() == getattr(same, name).tobytes()


ALLOWED = ("bot_cripto.features", "bot_cripto.market.candles", "bot_cripto.errors")
ALLOWED += ("bot_cripto.timeframes", "numpy")


def test_features_import_neither_labels_nor_models() -> None:
    standard = {"__future__", "collections", "dataclasses", "functools", "hashlib", "math"}
    standard |= {"pathlib", "sys", "typing"}
    files = sorted(Path(features.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        names = []
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                if node.module in ("bot_cripto", "bot_cripto.market"):
                    names += [f"{node.module}.{alias.name}" for alias in node.names]
                else:
                    names.append(node.module)
        for name in names:
            assert name.split(".")[0] in standard or name.startswith(ALLOWED), (file.name, name)
