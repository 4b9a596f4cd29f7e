import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT, relative_drop
from bot_cripto.errors import ConfigError, DataError


def history(*metrics):
    return [
        {"ts": f"2024-01-01T00:{minute:02d}:00Z", "metric": metric}
        for minute, metric in enumerate(metrics)
    ]


def test_a_drop_above_the_threshold_is_drift():
    result = relative_drop(history(1, 1, 1, 0.7, 0.7), recent=2, reference=3, threshold=0.2)
    assert result.status == DRIFT
    assert result.drop == pytest.approx(0.3)
    assert (result.recent_mean, result.reference_mean) == (pytest.approx(0.7), 1)
    assert "30.0%" in result.reason


def test_a_drop_of_exactly_the_threshold_or_a_rise_is_no_drift():
    assert relative_drop(history(4, 4, 3), 1, 2, 0.25).status == NO_DRIFT
    rise = relative_drop(history(1, 1, 2), 1, 2, 0.25)
    assert rise.status == NO_DRIFT and rise.drop == -1


def test_only_the_windows_count_and_time_sets_the_order():
    rows = history(100, 1, 1, 0.5)
    assert relative_drop(rows[::-1], 1, 2, 0.2) == relative_drop(rows[1:], 1, 2, 0.2)


def test_numbers_serve_as_times():
    rows = [{"ts": ts, "metric": metric} for ts, metric in ((3, 0.1), (1, 1), (2, 1))]
    assert relative_drop(rows, 1, 2, 0.2).status == DRIFT


@pytest.mark.parametrize("metrics", [(), (1, 1), (0, 0, 1), (-1, -1, -2)])
def test_what_cannot_be_told_is_insufficient_data(metrics):
    result = relative_drop(history(*metrics), 1, 2, 0.2)
    assert result.status == INSUFFICIENT and result.drop is None and result.reason


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "x",
        {"metric": 1},
        {"ts": "2024-01-01"},
        {"ts": "yesterday", "metric": 1},
        {"ts": None, "metric": 1},
        {"ts": True, "metric": 1},
        {"ts": "2024-01-01", "metric": None},
        {"ts": "2024-01-01", "metric": "0.5"},
        {"ts": "2024-01-01", "metric": True},
        {"ts": "2024-01-01", "metric": math.nan},
        {"ts": "2024-01-01", "metric": math.inf},
    ],
)
def test_a_malformed_entry_is_named(entry):
    with pytest.raises(DataError, match="entry 3"):
        relative_drop([*history(1, 1, 1), entry], 1, 2, 0.2)


@pytest.mark.parametrize("wrong", [{"ts": 1}, "text", 5, None])
def test_a_history_that_is_no_list_is_refused(wrong):
    with pytest.raises(DataError, match="list"):
        relative_drop(wrong, 1, 2, 0.2)


def test_mixed_kinds_of_time_are_refused():
    with pytest.raises(DataError, match="alike"):
        relative_drop([{"ts": 1, "metric": 1}, *history(1, 1)], 1, 2, 0.2)


@pytest.mark.parametrize("wrong", [(0, 2, 0.2), (1, 0, 0.2), (1, 2, 0.0), (1, 2, math.nan)])
def test_windows_and_threshold_are_checked(wrong):
    with pytest.raises(ConfigError, match="drift windows"):
        relative_drop(history(1, 1, 1), *wrong)


@given(st.lists(st.floats(0.01, 100), min_size=6, max_size=20), st.floats(0.01, 100))
@settings(max_examples=200, deadline=None)
def test_the_verdict_does_not_depend_on_the_unit(metrics, unit):
    one = relative_drop(history(*metrics), 2, 4, 0.2)
    other = relative_drop(history(*(unit * metric for metric in metrics)), 2, 4, 0.2)
    assert other.drop == pytest.approx(one.drop, abs=1e-9)
