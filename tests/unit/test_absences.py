"""What a source does not have is remembered, but not for ever."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.market.absences import DAY_MS, MAX_DAYS, Absences, join_near, subtract


@st.composite
def ranges(draw):
    """Sorted ranges that do not overlap, some of them touching."""
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
    pairs = list(itertools.pairwise(edges))
    return [pair for pair in pairs if draw(st.booleans())]


def cells(parts):
    return [t for a, b in parts for t in range(a, b)]


@given(ranges(), ranges())
@settings(max_examples=150, deadline=None)
def test_subtract_is_the_difference_of_the_cells(left, right):
    parts = subtract(left, right)
    assert all(a < b for a, b in parts)
    assert cells(parts) == sorted(set(cells(left)) - set(cells(right)))


@given(ranges(), st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_join_near_covers_all_and_leaves_only_wider_distances(parts, distance):
    joined = join_near(parts, distance)
    assert set(cells(parts)) <= set(cells(joined))
    assert all(c - b > distance for (_, b), (c, _) in itertools.pairwise(joined))
    added = set(cells(joined)) - set(cells(parts))
    for cell in added:
        before = max(b for _, b in parts if b <= cell)
        after = min(a for a, _ in parts if a > cell)
        assert after - before <= distance


def test_an_answer_holds_for_a_day():
    absences = Absences()
    absences.answered(0, 100, [(20, 30)], now_ms=1000)
    missing = [(10, 40)]
    assert absences.unknown(missing, 1000) == [(10, 20), (30, 40)]
    assert absences.unknown(missing, 999) == missing, "the clock was ahead when it was noted"
    assert absences.unknown(missing, 1000 + DAY_MS - 1) == [(10, 20), (30, 40)]
    assert absences.unknown(missing, 1000 + DAY_MS) == [(10, 40)]


def test_each_repetition_doubles_the_days_up_to_a_limit():
    absences, now, days = Absences(), 0, []
    for _ in range(8):
        absences.answered(0, 100, [(20, 30)], now)
        (kept,) = absences.ranges
        days.append(kept[3])
        now += kept[3] * DAY_MS
    assert days == [1, 2, 4, 8, 16, 32, MAX_DAYS, MAX_DAYS]


def test_a_smaller_absence_is_a_repetition_and_a_larger_one_is_new():
    absences = Absences()
    absences.answered(0, 100, [(20, 30)], 0)
    absences.answered(0, 100, [(22, 25), (40, 50)], 7)
    assert absences.ranges == [(22, 25, 7, 2), (40, 50, 7, 1)]
    absences.answered(0, 100, [(20, 60)], 9)
    assert absences.ranges == [(20, 60, 9, 1)]


def test_an_answer_replaces_only_what_was_asked():
    absences = Absences()
    absences.answered(0, 100, [(0, 60)], 5)
    absences.answered(20, 40, [], 6)
    assert absences.ranges == [(0, 20, 5, 1), (40, 60, 5, 1)]


def test_the_file_keeps_everything(tmp_path):
    path = tmp_path / "absent" / "BTC_USDT.json"
    absences = Absences([(0, 20, 5, 1), (40, 60, 6, 8)], {300: 2, 600: 1})
    absences.write(path)
    assert Absences.read(path) == absences


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"absent": [[1, 2]], "doubtful": {}}', '{"absent": 3, "doubtful": []}'],
)
def test_without_a_usable_file_nothing_is_known(tmp_path, caplog, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    assert Absences.read(path) == Absences()
    assert "asked again" in caplog.text
    assert Absences.read(tmp_path / "none.json") == Absences()


@given(
    st.lists(
        st.tuples(ranges(), st.integers(0, 40), st.integers(1, 20), st.integers(0, 3)), max_size=6
    )
)
@settings(max_examples=80, deadline=None)
def test_ranges_stay_sorted_apart_and_as_json(questions):
    absences, now = Absences(), 0
    for missing, since, length, days in questions:
        now += days * DAY_MS
        inside = [(max(a, since), min(b, since + length)) for a, b in missing]
        absences.answered(since, since + length, [r for r in inside if r[0] < r[1]], now)
        assert cells([r[:2] for r in absences.ranges]) == sorted(
            set(cells([r[:2] for r in absences.ranges]))
        )
        assert json.loads(json.dumps(absences.ranges)) == [list(r) for r in absences.ranges]
        known = set(cells([r[:2] for r in absences.ranges]))
        assert known & set(range(since, since + length)) == set(cells(missing)) & set(
            range(since, since + length)
        )
