from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import ConfigError
from bot_cripto.market.candles import Candles, concat, empty, make
from bot_cripto.market.validate import CONFLICTING, join, no_quarantine, validate

STEP = 300_000
T0 = 1_704_067_200_000


def rows(*each: tuple[float, ...]) -> Candles:
    """Candles of (position on the grid, open, high, low, close, volume)."""
    table = np.array(each, dtype=float).reshape(-1, 6)
    return make((T0 + table[:, 0] * STEP).astype(np.int64), *table[:, 1:].T)


GOOD = (0, 10.0, 12.0, 9.0, 11.0, 5.0)


def test_sound_candles_pass_unchanged():
    raw = rows(GOOD, (1, 11.0, 11.0, 11.0, 11.0, 0.0))
    candles, quarantine = validate(raw, "5m")
    assert len(quarantine) == 0 and quarantine.counts() == {} and quarantine.duplicates == 0
    assert candles.open_time.tolist() == [T0, T0 + STEP]
    assert candles.volume.tolist() == [5.0, 0.0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((1, np.nan, 12.0, 9.0, 11.0, 5.0), "not finite"),
        ((1, 10.0, np.inf, 9.0, 11.0, 5.0), "not finite"),
        ((1, 10.0, 12.0, 9.0, 11.0, np.nan), "not finite"),
        ((1, 10.0, 12.0, 0.0, 11.0, 5.0), "price not positive"),
        ((1, -10.0, 12.0, -11.0, 11.0, 5.0), "price not positive"),
        ((1, 10.0, 12.0, 9.0, 11.0, -1e-9), "negative volume"),
        ((1, 10.0, 12.0, 10.5, 11.0, 5.0), "inconsistent OHLC"),
        ((1, 10.0, 10.9, 9.0, 11.0, 5.0), "inconsistent OHLC"),
        ((1, 10.0, 9.0, 12.0, 11.0, 5.0), "inconsistent OHLC"),
        ((1.5, 10.0, 12.0, 9.0, 11.0, 5.0), "off the grid"),
        ((-T0 / STEP - 1, 10.0, 12.0, 9.0, 11.0, 5.0), "time out of range"),
        ((T0, 10.0, 12.0, 9.0, 11.0, 5.0), "time out of range"),
    ],
)
def test_each_fault_is_refused_with_its_reason(row, reason):
    candles, quarantine = validate(rows(GOOD, row), "5m")
    assert candles.open_time.tolist() == [T0]
    assert quarantine.reasons == (reason,)
    refused = quarantine.candles
    np.testing.assert_array_equal(
        [refused.open[0], refused.high[0], refused.low[0], refused.close[0], refused.volume[0]],
        row[1:],
    )


def test_input_is_sorted_and_repetitions_are_dropped_and_counted():
    second = (1, 11.0, 12.0, 10.0, 11.5, 2.0)
    candles, quarantine = validate(rows(second, GOOD, second, GOOD, GOOD), "5m")
    assert candles.open_time.tolist() == [T0, T0 + STEP]
    assert quarantine.duplicates == 3 and len(quarantine) == 0


def test_repeated_unsound_row_is_refused_once():
    bad = (1, np.nan, 12.0, 9.0, 11.0, 5.0)
    _, quarantine = validate(rows(bad, bad), "5m")
    assert quarantine.reasons == ("not finite",) and quarantine.duplicates == 1


def test_rows_of_one_time_that_differ_are_all_refused():
    other = (0, 10.0, 12.0, 9.0, 11.0, 6.0)
    broken = (0, np.nan, 12.0, 9.0, 11.0, 6.0)
    after = (1, 11.0, 12.0, 10.0, 11.5, 2.0)
    candles, quarantine = validate(rows(GOOD, other, GOOD, after, broken), "5m")
    assert candles.open_time.tolist() == [T0 + STEP]
    assert quarantine.counts() == {CONFLICTING: 3} and quarantine.duplicates == 1


def test_nothing_in_nothing_out():
    candles, quarantine = validate(empty(), "1h")
    assert len(candles) == 0 and len(quarantine) == 0


def test_unknown_timeframe_is_refused():
    with pytest.raises(ConfigError, match="7m"):
        validate(empty(), "7m")


def test_quarantines_are_joined():
    _, one = validate(rows((0, np.nan, 1, 1, 1, 1), GOOD, GOOD), "5m")
    _, two = validate(rows((0.5, 10, 12, 9, 11, 1)), "5m")
    both = join([no_quarantine(), one, two])
    assert both.reasons == (CONFLICTING, CONFLICTING, "off the grid")
    assert len(both.candles) == 3 and both.duplicates == 1
    assert len(join([])) == 0


VALUE = st.sampled_from([np.nan, np.inf, -1.0, 0.0, -0.0, 1.0, 2.0, 3.0])
ROW = st.tuples(st.sampled_from([0, 0.5, 1, 2, 3]), VALUE, VALUE, VALUE, VALUE, VALUE)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, max_size=12), st.randoms(use_true_random=False))
def test_every_row_goes_one_way_and_order_does_not_matter(each, random):
    raw = rows(*each)
    candles, quarantine = validate(raw, "5m")
    assert len(candles) + len(quarantine) + quarantine.duplicates == len(raw)
    assert (np.diff(candles.open_time) > 0).all() and (candles.open_time % STEP == 0).all()
    for o, h, low, c, v in zip(
        candles.open, candles.high, candles.low, candles.close, candles.volume, strict=True
    ):
        assert 0 < low <= min(o, c) <= max(o, c) <= h < np.inf and 0 <= v < np.inf
    assert not set(candles.open_time) & {
        t
        for t, r in zip(quarantine.candles.open_time, quarantine.reasons, strict=True)
        if r == CONFLICTING
    }
    order = list(range(len(raw)))
    random.shuffle(order)
    again, refused = validate(raw[np.array(order, dtype=int)], "5m")
    assert again.open_time.tolist() == candles.open_time.tolist()
    assert refused.counts() == quarantine.counts()


@settings(max_examples=50, deadline=None)
@given(st.lists(ROW, max_size=12))
def test_what_passed_passes_again(each):
    candles, _ = validate(rows(*each), "5m")
    again, quarantine = validate(concat([candles, candles]), "5m")
    assert again.open_time.tolist() == candles.open_time.tolist()
    assert len(quarantine) == 0 and quarantine.duplicates == len(candles)
