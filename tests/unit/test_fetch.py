"""The fetch over sources made of arrays: what is asked, what is stored, what is isolated."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import SourceError
from bot_cripto.market.candles import make
from bot_cripto.market.fetch import fetch
from bot_cripto.market.progress import Progress
from bot_cripto.market.store import CandleStore

STEP = 300_000
START = 1_725_148_800_000  # 2024-09-01
DAY = 288  # candles
PAIR = ["BTC/USDT"]


def candles_at(times, scale=1.0):
    times = np.asarray(times, dtype=np.int64)
    price = scale * (100 + np.sin(times / 1e7))
    return make(times, price, price + 1, price - 1, price, price * 0 + 5)


class Source:
    """Candles of START … in pages, without those of `lacking` (numbers of candles)."""

    def __init__(self, name="binance", lacking=(), page=100, end=10**6):
        self.name, self.page, self.end = name, page, end
        self.lacking = set(lacking)
        self.asked: list[tuple[str, int, int]] = []
        self.spoil = lambda symbol, batch: batch

    def now_ms(self):
        return START + 10**6 * STEP

    def candles(self, symbol, timeframe, since_ms, until_ms):
        first, last = (since_ms - START) // STEP, (until_ms - START) // STEP
        self.asked.append((symbol, first, last))
        for page in range(first, last, self.page):
            numbers = range(max(page, 0), min(page + self.page, last, self.end))
            times = [START + k * STEP for k in numbers if k not in self.lacking]
            yield self.spoil(symbol, candles_at(times))

    def ranges(self):
        """Return what has been asked for since the last call, as numbers of candles."""
        asked, self.asked = [(a, b) for _, a, b in self.asked], []
        return asked


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path, "binance", "5m")


def run(source, store, first, last, symbols=PAIR, **options):
    return fetch(source, store, symbols, "5m", START + first * STEP, START + last * STEP, **options)


def held(store, symbol="BTC/USDT"):
    return ((store.read(symbol, 0, 10**14).open_time - START) // STEP).tolist()


def test_only_what_is_missing_is_asked_for(store):
    source = Source()
    assert run(source, store, 1000, 1500)["BTC/USDT"].added == 500
    assert source.ranges() == [(1000, 1500)]
    run(source, store, 1000, 1500)
    assert source.ranges() == []
    run(source, store, 100, 1700)
    # both missing parts and the 500 candles between, in one go
    assert source.ranges() == [(100, 1700)]
    assert held(store) == list(range(100, 1700))


def test_ranges_far_apart_are_asked_for_one_by_one(store):
    source = Source()
    run(source, store, 1000, 3000)
    source.ranges()
    run(source, store, 900, 3001)
    assert source.ranges() == [(900, 1000), (3000, 3001)]


def test_times_off_the_grid_are_rounded_up(store):
    source = Source()
    fetch(source, store, PAIR, "5m", START + 1, START + 10 * STEP + 1)
    assert source.ranges() == [(1, 11)]


def test_what_the_source_lacks_is_asked_for_once_a_day(store):
    source = Source(lacking=range(200, 300))
    run(source, store, -2000, 1000)
    assert source.ranges() == [(-2000, 1000)]
    assert held(store) == [*range(200), *range(300, 1000)]
    for _ in range(3):
        run(source, store, -2000, 1000)
    assert source.ranges() == []
    run(source, store, -2000, 1000 + DAY)
    # one day later: the old question again, joined with the new candles where they are near
    assert source.ranges() == [(-2000, 300), (1000, 1000 + DAY)]
    run(source, store, -2000, 1000 + 2 * DAY)
    assert source.ranges() == [(1000 + DAY, 1000 + 2 * DAY)]
    run(source, store, -2000, 1000 + 3 * DAY)
    assert source.ranges()[0] == (-2000, 300)


def test_what_came_later_is_stored(store):
    source = Source(lacking=[50])
    run(source, store, 0, 100)
    source.lacking.clear()
    run(source, store, 0, 100 + DAY)
    assert held(store) == list(range(100 + DAY))


def test_the_newest_day_is_asked_for_at_every_run(store):
    source = Source(end=500)
    for last in (600, 601, 602):
        run(source, store, 0, last)
    assert source.ranges() == [(0, 600), (500, 601), (500, 602)]
    # a market that has died is not walked through from its last candle each time
    run(source, store, 0, 500 + 3 * DAY)
    source.ranges()
    run(source, store, 0, 501 + 3 * DAY)
    assert source.ranges() == [(500 + 2 * DAY, 501 + 3 * DAY)]


def test_a_clock_that_ran_ahead_hides_no_candle(store):
    """A run whose clock is ahead must not note the future as absent."""
    source = Source(end=500)
    source.now_ms = lambda: START + 500 * STEP
    run(source, store, 0, 500)
    run(source, store, 0, 500 + 30 * DAY)
    source.end, source.now_ms = 10**6, lambda: START + (500 + 2 * DAY) * STEP
    run(source, store, 0, 500 + 2 * DAY)
    assert held(store) == list(range(500 + 2 * DAY))


def test_a_candle_that_came_late_is_stored_by_the_next_run(store):
    source = Source(lacking=[498])
    run(source, store, 0, 500)
    source.lacking.clear()
    run(source, store, 0, 501)
    assert held(store) == list(range(501))


def test_an_archive_is_asked_again_for_people_add_files(tmp_path):
    store = CandleStore(tmp_path, "archive", "5m")
    source = Source("archive", lacking=range(100))
    run(source, store, 0, 300)
    source.ranges()
    run(source, store, 0, 300)
    assert source.ranges() == [(0, 100)]
    assert not (store.folder / "absent").exists()
    source.lacking.clear()
    run(source, store, 0, 300)
    assert held(store) == list(range(300))


def test_each_batch_is_stored_before_the_next_is_asked_for(store):
    source = Source()
    seen = []

    def spoil(symbol, batch):
        seen.append(len(store.read(symbol, 0, 10**14)))
        if len(seen) == 4:
            raise SourceError("the line went dead")
        return batch

    source.spoil = spoil
    (result,) = run(source, store, 0, 1000).values()
    assert seen == [0, 100, 200, 300]
    assert (result.ok, result.added) == (False, 300)
    assert result.error == "BTC/USDT: the line went dead"
    source.spoil = lambda symbol, batch: batch
    source.ranges()
    run(source, store, 0, 1000)
    assert source.ranges() == [(300, 1000)]


def test_an_older_part_broken_off_leaves_its_rest_to_ask_for(store):
    source = Source()
    run(source, store, 2000, 2100)

    def spoil(symbol, batch):
        if (batch.open_time >= START + 500 * STEP).any():
            raise SourceError("the line went dead")
        return batch

    source.spoil = spoil
    assert not run(source, store, 0, 2100)["BTC/USDT"].ok
    source.spoil = lambda symbol, batch: batch
    source.ranges()
    assert run(source, store, 0, 2100)["BTC/USDT"].ok
    assert source.ranges() == [(500, 2000)]
    assert held(store) == list(range(2100))


def test_refused_candles_are_counted_and_asked_for_three_times_more(store):
    source = Source()

    def spoil(symbol, batch):
        low = batch.low.copy()
        low[batch.open_time == START + 7 * STEP] = np.nan
        return make(batch.open_time, batch.open, batch.high, low, batch.close, batch.volume)

    source.spoil = spoil
    (result,) = run(source, store, 0, 50).values()
    assert result.ok
    assert result.quarantined == {"not finite": 1}
    assert source.ranges() == [(0, 50)]
    for _ in range(6):
        run(source, store, 0, 50)
    assert source.ranges() == [(7, 8)] * 3
    source.spoil = lambda symbol, batch: batch
    run(source, store, 0, 50 + DAY)
    assert held(store) == list(range(50 + DAY))


def test_duplicates_and_conflicts_are_counted(store):
    source = Source()
    run(source, store, 0, 30)
    source.spoil = lambda symbol, batch: candles_at(np.repeat(batch.open_time, 2), scale=2.0)
    (result,) = run(source, store, -10, 40).values()
    assert (result.added, result.conflicts, result.duplicates) == (10, 30, 40)
    assert held(store) == list(range(40))


def test_a_damaged_month_is_set_aside_and_asked_for_again(store):
    source = Source()
    run(source, store, 0, 12_000)
    paths = sorted(store.folder.rglob("*.parquet"))
    assert len(paths) == 2
    paths[0].write_bytes(b"nonsense")
    source.ranges()
    (result,) = run(source, store, 0, 12_000).values()
    assert result.ok
    assert result.damaged == [str(paths[0]) + ".damaged"]
    assert source.ranges() == [(0, 30 * DAY)]
    assert held(store) == list(range(12_000))


class Odd(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SourceError("BTC/USDT is gone"), "BTC/USDT is gone"),
        (OSError(28, "No space left on device"), "BTC/USDT: [Errno 28] No space left on device"),
        (Odd("what now"), "BTC/USDT: unexpected Odd: what now"),
        (ZeroDivisionError("oh"), "BTC/USDT: unexpected ZeroDivisionError: oh"),
    ],
)
def test_one_failing_symbol_is_isolated(store, error, words):
    source = Source()

    def spoil(symbol, batch):
        if symbol == "BTC/USDT":
            raise error
        return batch

    source.spoil = spoil
    symbols = ["ETH/USDT", "BTC/USDT", "XRP/USDT"]
    results = run(source, store, 0, 250, symbols, workers=2)
    assert list(results) == symbols
    assert [r.error for r in results.values()] == [None, words, None]
    assert held(store, "ETH/USDT") == held(store, "XRP/USDT") == list(range(250))


def test_a_disk_that_cannot_be_written_is_the_result(store, monkeypatch):
    store.folder.parent.mkdir(parents=True, exist_ok=True)
    store.folder.write_text("a file where the folder should be")
    (result,) = run(Source(), store, 0, 10).values()
    assert "BTC/USDT" in result.error


def test_a_symbol_named_twice_is_fetched_once(store):
    source = Source()
    assert list(run(source, store, 0, 10, ["BTC/USDT", "BTC/USDT"])) == PAIR
    assert source.ranges() == [(0, 10)]


def test_no_symbols_no_results(store):
    assert run(Source(), store, 0, 10, []) == {}


def test_symbols_are_fetched_at_the_same_time(store):
    source, barrier = Source(), threading.Barrier(3, timeout=20)
    source.spoil = lambda symbol, batch: (barrier.wait(), batch)[1]
    symbols = ["A/USDT", "B/USDT", "C/USDT"]
    results = run(source, store, 0, 300, symbols, workers=3)
    assert all(result.ok for result in results.values())


def test_ctrl_c_ends_after_the_batch_at_hand(store, monkeypatch):
    source, started = Source(page=10), threading.Event()

    def interrupted(jobs):
        assert started.wait(20)
        raise KeyboardInterrupt

    def spoil(symbol, batch):
        started.set()
        return batch

    source.spoil = spoil
    monkeypatch.setattr("bot_cripto.market.fetch.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(source, store, 0, 100_000, ["A/USDT", "B/USDT", "C/USDT"], workers=1)
    assert 10 <= len(held(store, "A/USDT")) < 100_000
    assert held(store, "A/USDT") == list(range(len(held(store, "A/USDT"))))
    assert held(store, "C/USDT") == []


def test_progress_is_a_line_every_two_seconds():
    now, stream = [0.0], io.StringIO()
    progress = Progress(stream, 3, lambda: now[0])
    for k in range(1, 10):
        now[0] = k * 0.7
        progress.advance("BTC/USDT", 700, k / 20)
        if k == 4:
            progress.done()
    assert stream.getvalue().splitlines() == [
        "fetch BTC/USDT 15 % (0 of 3 symbols done, 1000 candles/s)",
        "fetch BTC/USDT 30 % (1 of 3 symbols done, 1000 candles/s)",
        "fetch BTC/USDT 45 % (1 of 3 symbols done, 1000 candles/s)",
    ]


def test_a_short_download_says_nothing(store):
    stream = io.StringIO()
    progress = Progress(stream, 1, lambda: 1.9)
    progress.advance("BTC/USDT", 5000, 1.0)
    assert stream.getvalue() == ""
    Progress(None, 1, iter([0.0, 100.0]).__next__).advance("BTC/USDT", 1, 1.0)


@given(
    windows=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 150)), min_size=1, max_size=4),
    lacking=st.sets(st.integers(0, 350), max_size=40),
    fails=st.lists(st.integers(0, 6), max_size=5),
    page=st.integers(15, 60),
)
@settings(max_examples=20, deadline=None)
def test_pieces_and_failures_come_to_the_same_store(
    tmp_path_factory, windows, lacking, fails, page
):
    store = CandleStore(tmp_path_factory.mktemp("s"), "binance", "5m")
    source, batches = Source(lacking=lacking, page=page), [0]

    def spoil(symbol, batch):
        batches[0] += 1
        if batches[0] in fails:
            raise SourceError("no")
        return batch

    source.spoil = spoil
    for first, length in windows:
        run(source, store, first, first + length)
    fails.clear()
    wanted = {k for first, length in windows for k in range(first, first + length)} - lacking
    for first, length in windows:
        assert run(source, store, first, first + length)["BTC/USDT"].ok
    assert wanted <= set(held(store))
    assert not set(held(store)) & lacking
    source.ranges()
    for first, length in windows:
        run(source, store, first, first + length)
    assert all(set(range(a, b)) & lacking for a, b in source.ranges())
