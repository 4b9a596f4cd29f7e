from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import BusyError, ConfigError, DataError
from bot_cripto.market import quarantine_file, symbol_lock
from bot_cripto.market.candles import Candles, concat, empty, make
from bot_cripto.market.store import AppendReport, CandleStore
from bot_cripto.market.validate import STORED_DIFFERS, Quarantine

HOUR = 3_600_000
T0 = 1_704_067_200_000  # 2024-01-01
FEBRUARY = 31 * 24
SYMBOL = "BTC/USDT"
ROOT = Path(__file__).resolve().parents[2]


def at(hours, price: float = 100.0) -> Candles:
    """Hourly candles at those hours after the start of 2024; the price is the rows' content."""
    hours = np.array(hours, dtype=np.int64)
    close = np.full(len(hours), price) + hours
    return make(T0 + hours * HOUR, close, close + 1, close - 1, close, hours + 0.5)


def everything(store: CandleStore) -> Candles:
    return store.read(SYMBOL, 0, 2**50)


def hours_of(candles: Candles) -> list[int]:
    return ((candles.open_time - T0) // HOUR).tolist()


@pytest.fixture
def store(tmp_path) -> CandleStore:
    return CandleStore(tmp_path, "archive", "1h")


def month(store: CandleStore, name: str = "2024-01") -> Path:
    return store.folder / "BTC_USDT" / f"{name}.parquet"


def test_candles_come_back_as_they_went_in(store):
    given_ = at([0, 1, 3, FEBRUARY - 1, FEBRUARY, FEBRUARY + 5])
    assert store.append(SYMBOL, given_) == AppendReport(added=6)
    back = everything(store)
    for name in ("open_time", "open", "high", "low", "close", "volume", "filled"):
        column = getattr(back, name)
        assert column.dtype == getattr(given_, name).dtype
        np.testing.assert_array_equal(column, getattr(given_, name))
    assert sorted(p.name for p in month(store).parent.glob("*.parquet")) == [
        "2024-01.parquet",
        "2024-02.parquet",
    ]


def test_range_is_half_open_and_absent_symbols_are_empty(store):
    store.append(SYMBOL, at([0, 1, 2, FEBRUARY]))
    assert hours_of(store.read(SYMBOL, T0 + HOUR, T0 + FEBRUARY * HOUR)) == [1, 2]
    assert hours_of(store.read(SYMBOL, T0 + 2 * HOUR, T0 + FEBRUARY * HOUR + 1)) == [2, FEBRUARY]
    assert len(store.read(SYMBOL, T0 + 5, T0 + 5)) == 0
    assert len(store.read("ETH/USDT", 0, 2**50)) == 0
    assert store.span("ETH/USDT") is None and store.heal("ETH/USDT") == []
    assert store.append("ETH/USDT", empty()) == AppendReport()
    assert not (store.folder / "ETH_USDT").exists()
    assert store.quarantined("ETH/USDT") == {}


def test_known_candles_do_not_rewrite_the_file(store):
    store.append(SYMBOL, at([0, 1, 2]))
    before = month(store).stat().st_mtime_ns, month(store).stat().st_ino
    assert store.append(SYMBOL, at([1, 2])) == AppendReport(known=2)
    assert (month(store).stat().st_mtime_ns, month(store).stat().st_ino) == before


def test_conflicting_candle_is_quarantined_and_the_stored_one_stays(store):
    store.append(SYMBOL, at([0, 1, 2]))
    new = concat([at([0]), at([1], price=200.0), at([2, 3])])
    for expected in (AppendReport(1, 2, 1), AppendReport(0, 3, 1)):
        assert store.append(SYMBOL, new) == expected
    assert everything(store).close.tolist() == [100.0, 101.0, 102.0, 103.0]
    assert store.quarantined(SYMBOL) == {STORED_DIFFERS: 1}  # once, though it came twice
    line = json.loads((month(store).parent / "quarantine.jsonl").read_text())
    assert line["close"] == 201.0 and line["time"] == "2024-01-01T01:00:00Z"


def test_span_is_the_first_and_last_time(store):
    store.append(SYMBOL, at([5, 7]))
    assert store.span(SYMBOL) == (T0 + 5 * HOUR, T0 + 7 * HOUR)
    store.append(SYMBOL, at([3, FEBRUARY + 30 * 24]))
    assert store.span(SYMBOL) == (T0 + 3 * HOUR, T0 + (FEBRUARY + 30 * 24) * HOUR)


def test_symbols_sources_and_timeframes_are_apart(tmp_path):
    stores = [CandleStore(tmp_path, *key) for key in (("a", "1h"), ("b", "1h"), ("a", "2h"))]
    stores[0].append(SYMBOL, at([0]))
    stores[0].append("BTC/USDT:USDT", at([2]))
    assert [len(everything(s)) for s in stores] == [1, 0, 0]
    assert hours_of(stores[0].read("BTC/USDT:USDT", 0, 2**50)) == [2]
    with pytest.raises(ConfigError):
        stores[0].read("../x", 0, 1)


@pytest.mark.parametrize(
    "candles",
    [
        at([1, 0]),
        at([1, 1]),
        make(np.array([T0 + 1]), *np.ones((5, 1))),
        make(np.array([-HOUR]), *np.ones((5, 1))),
        make(np.array([T0]), *np.full((5, 1), np.nan)),
        make(np.array([T0]), *np.ones((5, 1)), np.array([True])),
    ],
    ids=["unsorted", "repeated", "off grid", "out of range", "nan", "filled"],
)
def test_only_validated_candles_are_stored(store, candles):
    with pytest.raises(ValueError, match="validate"):
        store.append(SYMBOL, candles)
    assert not store.folder.exists()


def test_digest_is_of_the_values_alone(tmp_path):
    candles = at(range(20, 800, 3))
    whole, pieces = (CandleStore(tmp_path / name, "a", "1h") for name in ("whole", "pieces"))
    whole.append(SYMBOL, candles)
    for part in (candles[100:], candles[:40], candles[30:120]):
        pieces.append(SYMBOL, part)
    digest = whole.digest(SYMBOL, 0, 2**50)
    assert digest == pieces.digest(SYMBOL, 0, 2**50)
    assert month(whole).read_bytes() == month(pieces).read_bytes()
    n = len(candles)
    columns = [candles.open, candles.high, candles.low, candles.close, candles.volume]
    raw = b"candles %d\n" % n + struct.pack(f"<{n}q", *candles.open_time.tolist())
    raw += b"".join(struct.pack(f"<{n}d", *c.tolist()) for c in columns)
    assert digest == hashlib.sha256(raw).hexdigest()
    assert whole.digest(SYMBOL, 0, T0 + 100 * HOUR) != digest
    assert whole.digest(SYMBOL, 0, 0) == hashlib.sha256(b"candles 0\n").hexdigest()


BATCH = st.lists(
    st.tuples(st.integers(FEBRUARY - 8, FEBRUARY + 8), st.sampled_from([100.0, 200.0])),
    max_size=12,
    unique_by=lambda pair: pair[0],
).map(sorted)


@settings(max_examples=40, deadline=None)
@given(st.lists(BATCH, min_size=1, max_size=6))
def test_store_agrees_with_a_dictionary(tmp_path_factory, batches):
    store = CandleStore(tmp_path_factory.mktemp("store"), "a", "1h")
    model: dict[int, float] = {}
    for batch in batches:
        added = [h for h, _ in batch if h not in model]
        known = [h for h, price in batch if model.get(h) == price]
        conflicts = len(batch) - len(added) - len(known)
        report = store.append(SYMBOL, concat([at([h], price) for h, price in batch]))
        assert report == AppendReport(len(added), len(known), conflicts)
        model.update({h: price for h, price in batch if h in added})
    back = everything(store)
    assert dict(zip(hours_of(back), (back.close - hours_of(back)).tolist(), strict=True)) == model
    assert hours_of(back) == sorted(model)
    span = (T0 + min(model) * HOUR, T0 + max(model) * HOUR) if model else None
    assert store.span(SYMBOL) == span


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(0, 900), min_size=5, max_size=5).map(sorted))
def test_pieces_in_any_order_equal_the_whole(tmp_path_factory, order, cuts):
    candles = at(range(900))
    edges = [0, *cuts, 900]
    pieces, whole = (CandleStore(tmp_path_factory.mktemp("s"), "a", "1h") for _ in range(2))
    whole.append(SYMBOL, candles)
    reports = [pieces.append(SYMBOL, candles[edges[i] : edges[i + 1]]) for i in order]
    assert sum(reports, AppendReport()) == AppendReport(added=900)
    for name in ("2024-01", "2024-02"):
        assert month(pieces, name).read_bytes() == month(whole, name).read_bytes()


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def damage_flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1  # within the values, far from the footer
    path.write_bytes(content)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def damage_columns(path: Path) -> None:
    pq.write_table(pa.table({"open_time": [T0], "open": [1.0]}), path)


def damage_swapped(path: Path) -> None:
    path.write_bytes(path.with_name("2024-02.parquet").read_bytes())


@pytest.mark.parametrize(
    "damage",
    [damage_cut, damage_flip, damage_empty, damage_zeros, damage_columns, damage_swapped],
)
def test_damaged_month_is_reported_set_aside_and_filled_again(store, damage):
    candles = at(range(700, 800))
    store.append(SYMBOL, candles)
    digest = store.digest(SYMBOL, 0, 2**50)
    damage(month(store))
    content = month(store).read_bytes()
    for call in (
        lambda: everything(store),
        lambda: store.digest(SYMBOL, 0, 2**50),
        lambda: store.append(SYMBOL, candles),
    ):
        with pytest.raises(DataError, match=r"2024-01\.parquet: .*damaged"):
            call()
    assert month(store).read_bytes() == content
    assert hours_of(store.read(SYMBOL, T0 + FEBRUARY * HOUR, 2**50)) == list(range(744, 800))
    assert store.heal(SYMBOL, since_ms=T0 + FEBRUARY * HOUR) == []
    aside = store.heal(SYMBOL)
    assert aside == [month(store).with_name("2024-01.parquet.damaged")]
    assert aside[0].read_bytes() == content
    assert store.heal(SYMBOL) == []
    assert store.append(SYMBOL, candles) == AppendReport(added=44, known=56)
    assert store.digest(SYMBOL, 0, 2**50) == digest


def test_file_that_the_system_refuses_to_read_is_not_set_aside(store, monkeypatch):
    store.append(SYMBOL, at([0, 1]))

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    for call in (store.heal, lambda _: everything(store), store.span):
        with pytest.raises(DataError, match=r"2024-01\.parquet: cannot be read"):
            call(SYMBOL)
    monkeypatch.undo()
    assert hours_of(everything(store)) == [0, 1]


def test_span_names_a_damaged_file_and_no_damaged_file_is_lost(store):
    for number in range(3):
        store.append(SYMBOL, at([number]))
        damage_cut(month(store))
        with pytest.raises(DataError, match=r"2024-01\.parquet"):
            store.span(SYMBOL)
        store.heal(SYMBOL)
    names = sorted(p.name for p in month(store).parent.glob("*damaged*"))
    assert names == [
        "2024-01.parquet.damaged",
        "2024-01.parquet.damaged.1",
        "2024-01.parquet.damaged.2",
    ]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_full_disk_leaves_the_old_content(store, monkeypatch, code):
    store.append(SYMBOL, at([0, 1]))

    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match=r"2024-01\.parquet.*" + os.strerror(code)):
        store.append(SYMBOL, at([2, 3]))
    with pytest.raises(DataError, match=r"quarantine\.jsonl"):
        store.quarantine(SYMBOL, Quarantine(at([2]), ("not finite",)))
    monkeypatch.undo()
    assert hours_of(everything(store)) == [0, 1]
    assert sorted(p.name for p in month(store).parent.iterdir()) == [".lock", "2024-01.parquet"]
    assert store.append(SYMBOL, at([2, 3])).added == 2


def test_full_disk_between_months_keeps_the_first_and_can_be_repeated(store, monkeypatch):
    real, calls = os.fsync, []

    def fail_second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:  # a file, its folder, the next file
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fail_second)
    with pytest.raises(DataError, match="2024-02"):
        store.append(SYMBOL, at([0, FEBRUARY]))
    assert hours_of(everything(store)) == [0]
    assert store.append(SYMBOL, at([0, FEBRUARY])) == AppendReport(added=1, known=1)


def run(code: str, *arguments: object, **more) -> subprocess.Popen:
    """Start a process that has `CandleStore` and the builder of this file's candles."""
    prelude = (
        "import os, sys, signal, numpy as np\n"
        "from pathlib import Path\n"
        "from bot_cripto.market.store import CandleStore\n"
        "from bot_cripto.market.candles import make\n"
        f"HOUR, T0 = {HOUR}, {T0}\n"
        "def at(hours):\n"
        "    hours = np.array(hours, dtype=np.int64)\n"
        "    close = np.full(len(hours), 100.0) + hours\n"
        "    return make(T0 + hours * HOUR, close, close + 1, close - 1, close, hours + 0.5)\n"
        "store = CandleStore(Path(sys.argv[1]), 'archive', '1h')\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )


def test_writer_killed_just_before_the_rename_leaves_the_old_content(store, tmp_path):
    store.append(SYMBOL, at([0, 1]))
    code = (
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.append('BTC/USDT', at([2]))\n"
    )
    with run(code, tmp_path) as writer:
        assert writer.wait() == -signal.SIGKILL
    folder = month(store).parent
    assert len(list(folder.glob(".*.tmp"))) == 1
    assert hours_of(everything(store)) == [0, 1] and store.heal(SYMBOL) == []
    assert store.append(SYMBOL, at([2, 3])) == AppendReport(added=2)
    assert list(folder.glob(".*.tmp")) == []


def test_writer_killed_at_any_time_loses_nothing_it_had_reported(store, tmp_path):
    code = (
        "first = int(sys.argv[2])\n"
        "for hour in range(first, 5000):\n"
        "    store.append('BTC/USDT', at([hour]))\n"
        "    print(hour, flush=True)\n"
    )
    first = 0
    for reports in (3, 17, 29):
        with run(code, tmp_path, first) as writer:
            for _ in range(reports):
                done = int(writer.stdout.readline())
            writer.kill()  # SIGKILL, while it goes on writing
            rest = writer.stdout.read().split()
        done = int(rest[-1]) if rest else done
        stored = hours_of(everything(store))
        assert stored in (list(range(done + 1)), list(range(done + 2)))
        assert store.heal(SYMBOL) == []
        first = len(stored)
    assert store.append(SYMBOL, at(range(first + 2))) == AppendReport(added=2, known=first)


def test_two_writers_lose_nothing(store, tmp_path):
    code = (
        "for hour in range(int(sys.argv[2]), 80, 2):\n"
        "    assert store.append('BTC/USDT', at([hour, hour + 700])).conflicts == 0\n"
    )
    writers = [run(code, tmp_path, start) for start in (0, 1)]
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    assert hours_of(everything(store)) == [*range(80), *range(700, 780)]


def test_reader_beside_a_writer_never_sees_a_part(store, tmp_path):
    store.append(SYMBOL, at([0]))
    code = "for hour in range(1, 120):\n    store.append('BTC/USDT', at([hour]))\n"
    with run(code, tmp_path) as writer:
        seen = 1
        while writer.poll() is None:
            hours = hours_of(everything(store))
            assert hours == list(range(len(hours))) and len(hours) >= seen
            seen = len(hours)
            assert store.span(SYMBOL)[1] >= T0 + (seen - 1) * HOUR
        assert writer.returncode == 0
    assert len(everything(store)) == 120


def test_second_writer_waits_and_then_says_who_is_in_the_way(tmp_path):
    folder = tmp_path / "BTC_USDT"
    with symbol_lock.locked(folder):
        with pytest.raises(BusyError, match="BTC_USDT"), symbol_lock.locked(folder, wait_s=0.05):
            pass
        waited = threading.Event()

        def wait() -> None:
            with symbol_lock.locked(folder, wait_s=20):
                waited.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not waited.wait(0.1)
    thread.join(20)
    assert waited.is_set()


def test_quarantine_is_recorded_once_with_values_and_counts(store):
    bad = make(
        np.array([T0 + 1, -5, 2**60]),
        np.array([np.nan, 1, 1]),
        np.array([np.inf, 1, 1]),
        np.array([-np.inf, 1, 1]),
        *np.ones((2, 3)),
    )
    refused = Quarantine(bad, ("off the grid", "time out of range", "time out of range"))
    for _ in range(2):
        store.quarantine(SYMBOL, refused)
    store.quarantine(SYMBOL, Quarantine(empty(), ()))
    assert store.quarantined(SYMBOL) == {"time out of range": 2, "off the grid": 1}
    lines = (store.folder / "BTC_USDT" / "quarantine.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 3 and first["open"] == "nan" and first["low"] == "-inf"
    assert json.loads(lines[2])["open_time"] == 2**60


def test_quarantine_file_is_bounded_and_its_counts_stay_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(quarantine_file, "MAX_LINES", 10)
    path = tmp_path / "quarantine.jsonl"
    for start in range(0, 40, 4):
        reason = "not finite" if start < 20 else "off the grid"
        rows = at(range(start, start + 4))
        assert quarantine_file.add(path, Quarantine(rows, (reason,) * 4)) == 4
    lines = path.read_text().splitlines()
    assert len(lines) == 11
    assert json.loads(lines[0]) == {"dropped": {"not finite": 20, "off the grid": 10}}
    assert json.loads(lines[-1])["open_time"] == T0 + 39 * HOUR
    assert quarantine_file.counts(path) == {"not finite": 20, "off the grid": 20}


DAMAGED = [
    b"no json\n",
    b'{"a": 1}\n',
    b"[1]\n",
    b"3\n",
    b'"a reason"\n',
    b'{"reason": 1}\n',
    b'{"dropped": {"off the grid": "many"}}\n',
    b'{"dropped": 3}\n',
    b"\xff\xfe\n",
    b"\x00" * 100,
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_quarantine_file_is_set_aside_and_the_symbol_goes_on(store, content, caplog):
    path = store.folder / "BTC_USDT" / "quarantine.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"quarantine\.jsonl: not a list of quarantined candles"):
        quarantine_file.counts(path)
    store.append(SYMBOL, at([0, 1]))
    assert store.append(SYMBOL, concat([at([1], price=200.0), at([2])])) == AppendReport(1, 0, 1)
    assert store.quarantined(SYMBOL) == {STORED_DIFFERS: 1}
    assert path.with_name("quarantine.jsonl.damaged").read_bytes() == content
    assert "quarantine.jsonl.damaged" in caplog.text
    store.quarantine(SYMBOL, Quarantine(at([5]), ("not finite",)))
    assert store.quarantined(SYMBOL) == {STORED_DIFFERS: 1, "not finite": 1}
    assert len(caplog.records) == 1


def test_a_quarantine_file_that_the_system_refuses_to_read_is_set_aside(tmp_path, caplog):
    path = tmp_path / "quarantine.jsonl"
    path.mkdir()
    assert quarantine_file.add(path, Quarantine(at([0]), ("not finite",))) == 1
    assert quarantine_file.counts(path) == {"not finite": 1}
    assert "Is a directory" in caplog.text


def test_store_does_not_import_pandas(tmp_path):
    code = (
        "store.append('BTC/USDT', at(range(50)))\n"
        "assert len(store.read('BTC/USDT', 0, 2**50)) == 50\n"
        "print(store.span('BTC/USDT'), store.digest('BTC/USDT', 0, 2**50))\n"
        "print(*(m for m in ('pandas', 'pyarrow.dataset') if m in sys.modules))\n"
    )
    with run(code, tmp_path) as process:
        output = process.stdout.read().splitlines()
    assert process.returncode == 0 and output[-1] == ""
