import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle_state import DAY, SETTINGS, SYMBOL, day, layout, path_of, put, use

from bot_cripto import atomic
from bot_cripto.errors import BusyError
from bot_cripto.forecast import ModelUse
from bot_cripto.lifecycle.retention import in_use_since, prune
from bot_cripto.locks import lock_run
from bot_cripto.models.bad_marks import mark_bad
from bot_cripto.models.champion import Champion
from bot_cripto.models.version import list_versions
from bot_cripto.timeframes import candle_id, iso, parse_iso


@pytest.fixture
def at(tmp_path):
    return layout(tmp_path)


def pruned(at, number=100, **how):
    return [r.path.name for r in prune(at, SETTINGS, day(number), **how)]


def left(at, kind="baseline"):
    return list_versions(at.models, kind, SYMBOL)


def test_the_newest_stay(at):
    names = [use(at, number).version for number in range(5)]
    assert pruned(at, dry_run=True) == names[2::-1]
    assert left(at) == names, "a dry run removes nothing"
    assert pruned(at) == names[2::-1]
    assert left(at) == names[3:]
    assert pruned(at) == []
    assert not list((at.models / "baseline" / "BTC_USDT").glob(".*")), "no leftovers"


def test_kinds_and_subjects_are_counted_apart(at):
    trends = [use(at, number, "trend").version for number in range(2)]
    names = [use(at, number).version for number in range(2)]
    others = [use(at, number, source="binance").version for number in range(2)]
    assert pruned(at) == []
    assert left(at, "trend") == trends and set(left(at)) == {*names, *others}


def test_recent_champions_stay_from_the_end_of_their_use(at):
    uses = [use(at, number) for number in range(6)]
    put(at, {"baseline": uses[0]}, 0)
    put(at, {"baseline": uses[1]}, 50)
    put(at, {"baseline": uses[5]}, 89)  # the one of day 50 was in use until 11 days ago
    assert set(left(at)) - set(pruned(at, 100, dry_run=True)) >= {uses[1].version}, "stands in"
    assert uses[0].version in pruned(at, 100, dry_run=True)
    assert uses[0].version in pruned(at, 61, dry_run=True)
    assert uses[0].version not in pruned(at, 59, dry_run=True), "in use until day 50"


def test_the_present_champion_and_what_stands_in_stay_whatever_their_age(at):
    uses = [use(at, number) for number in range(7)]
    for number in (0, 1, 2):
        put(at, {"baseline": uses[number]}, number)
    broken = path_of(at, "baseline", uses[1].version) / "reference.json"
    broken.write_bytes(b"cut")
    gone = pruned(at)
    assert uses[2].version not in gone, "in use"
    assert uses[0].version not in gone, "what can stand in, for the one after it is broken"
    assert uses[1].version in gone


def test_bad_and_damaged_versions_take_no_place(at):
    uses = [use(at, number) for number in range(5)]
    mark_bad(at.models, SYMBOL, "baseline", uses[4].version, reason="r", by="a", now_ms=day(5))
    (path_of(at, "baseline", uses[3].version) / "reference.json").unlink()
    assert pruned(at) == [uses[0].version]
    assert left(at) == [each.version for each in uses[1:]], "two good ones, and what is newer"


def test_what_nobody_can_read_is_left(at):
    uses = [use(at, number) for number in range(4)]
    (path_of(at, "baseline", uses[0].version) / "metadata.json").write_text("{")
    assert pruned(at) == [uses[1].version]


def training(at, number, made=True):
    folder = at.training(candle_id(day(number)), "BTC_USDT")
    atomic.write_text(folder / "snapshot.parquet", "rows")
    if made:
        atomic.write_json(folder / "baseline.json", {"kind": "baseline", "version": "v"})
    atomic.write_text(at.history(candle_id(day(number)), "BTC_USDT"), "{}")
    return folder


def test_trainings_go_with_their_versions_and_downloads_with_them(at):
    for number in range(4):
        use(at, number)
    folders = [training(at, number) for number in range(4)]
    lone = [training(at, number, made=False) for number in (4, 5, -1)]
    prune(at, SETTINGS, day(100))
    assert [f.exists() for f in folders] == [False, False, True, True]
    assert [f.exists() for f in lone] == [True, True, False], "the newest cutoffs stay"
    kept = {path.parent.name for path in at.history("*", "x").parent.parent.glob("*/*.json")}
    assert kept == {candle_id(day(number)) for number in (2, 3, 4, 5)}
    assert not (at.data / "training" / at.key / candle_id(day(0))).exists()


def test_another_symbols_training_of_a_cutoff_stays(at):
    for number in range(4):
        use(at, number)
    mine = training(at, 0)
    other = mine.parent / "ETH_USDT" / "snapshot.parquet"
    atomic.write_text(other, "rows")
    prune(at, SETTINGS, day(100))
    assert not mine.exists() and other.exists()
    assert at.history(candle_id(day(0)), "BTC_USDT").exists()


def test_the_cutoff_of_the_present_retrain_is_spared(at):
    names = [use(at, number).version for number in range(4)]
    mine = training(at, 0)
    assert pruned(at, spare=candle_id(day(0))) == [names[1]]
    assert mine.exists()


def test_a_retrain_at_work_is_left_alone(at):
    names = [use(at, number).version for number in range(4)]
    with lock_run(at.locks, "retrain"):
        with pytest.raises(BusyError, match="retrain"):
            prune(at, SETTINGS, day(100))
        assert left(at) == names
        prune(at, SETTINGS, day(100), locked=True)
    assert left(at) == names[2:]


def test_of_one_cutoff_the_version_made_later_is_the_newer(at):
    early, late = use(at, 0, code_sha256="0" * 64), use(at, 0)
    for when, each in ((9, early), (1, late)):
        path = path_of(at, "baseline", each.version) / "metadata.json"
        os.utime(path, (when, when))
    names = [use(at, 1).version]
    assert pruned(at) == [late.version] and set(left(at)) == {early.version, *names}


@given(
    steps=st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc")), min_size=1, max_size=8),
    since=st.integers(-5, 60),
)
@settings(max_examples=60, deadline=None)
def test_in_use_since_is_what_a_calendar_says(steps, since):
    base, time, rows = parse_iso("2024-01-01T00:00:00Z"), 0, []
    for gap, name in steps:
        time += gap
        rows.append((time, name))
    known = [
        Champion(SYMBOL, "s", "5m", 3, False, {"trend": ModelUse(name, "", None)},
                 iso(base + when * DAY), "r")
        for when, name in reversed(rows)
    ]  # fmt: skip
    ends = [when for when, _ in rows[1:]] + [float("inf")]
    wanted = {("trend", name) for (_, name), end in zip(rows, ends, strict=True) if end >= since}
    assert in_use_since(known, base + since * DAY) == wanted


def test_what_was_in_use_lately_stays_where_the_clock_went_back(at):
    uses = [use(at, number) for number in range(6)]
    for number, when in ((0, 1), (1, 95), (2, 20), (5, 21)):  # the last two as of the past
        put(at, {"baseline": uses[number]}, when)
    assert uses[1].version not in pruned(at, 100)


def test_trainings_stay_where_every_version_is_out_of_sight(at):
    training = at.training(candle_id(day(0)), "BTC_USDT")
    atomic.write_json(training / "trend.json", {"kind": "trend", "version": "v", "sha256": "s"})
    assert pruned(at) == [] and training.is_dir(), "as of a disk that is not mounted"
