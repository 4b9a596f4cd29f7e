"""From a faulty exchange into the store: nothing lost, nothing asked for twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from binance_server import BinanceServer
from loopback import CLOSED, STEP, rows_of

from bot_cripto.market.fetch import fetch
from bot_cripto.market.store import CandleStore

HERE = Path(__file__).parent
DAY = 86_400_000


@pytest.fixture
def run(server, make_source, store):
    """Return a function that is one run: a new source, the same store."""

    def go(n=50, symbols=("BTC/USDT",), until=CLOSED, workers=2, **options):
        source = make_source(**options)
        since = until - n * STEP
        return fetch(source, store, symbols, "5m", since, until, workers=workers)

    return go


def stored(store, symbol="BTC/USDT"):
    return rows_of(store.read(symbol, 0, 10**14))


def truth(server, n=50, until=CLOSED, symbol="BTCUSDT"):
    return server.series(symbol, "5m", until - n * STEP, until, now_ms=10**14)


def starts(server, symbol=None):
    return [int(r["query"]["startTime"]) for r in server.asked(symbol=symbol)]


def test_the_first_run_stores_all_and_the_second_asks_nothing(server, run, store):
    (result,) = run(2500).values()
    assert result.ok
    assert (result.added, result.known, result.conflicts) == (2500, 0, 0)
    assert stored(store) == truth(server, 2500)
    server.forget()
    (again,) = run(2500).values()
    assert again.ok
    assert again.added == 0
    assert server.asked("*") == []


def test_one_new_candle_is_one_request_and_the_time(server, run, store):
    run(300)
    server.forget()
    server.fixed_now_ms += STEP
    (result,) = run(301, until=CLOSED + STEP).values()
    assert result.added == 1
    assert [r["path"] for r in server.asked("*")] == ["time", "klines"]
    assert starts(server) == [CLOSED]
    assert stored(store) == truth(server, 301, until=CLOSED + STEP)


def test_a_longer_history_asks_for_the_older_part_only(server, run, store):
    run(100)
    server.forget()
    run(3000)
    assert starts(server) == [CLOSED - (3000 - 1000 * k) * STEP for k in range(3)]
    assert stored(store) == truth(server, 3000)


STAYING = {
    "503": {"kind": "status", "status": 503, "html": True},
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": 3}},
    "418": {"kind": "status", "status": 418, "headers": {"Retry-After": 9999}},
    "451": {"kind": "status", "status": 451, "html": True},
    "403": {"kind": "status", "status": 403, "html": True},
    "page": {"kind": "html"},
    "truncated": {"kind": "truncated"},
    "cut json": {"kind": "cut_json"},
    "dropped": {"kind": "drop"},
    "dropped in headers": {"kind": "drop_headers"},
    "short rows": {"kind": "short_rows"},
    "rows of nothing": {"kind": "null_rows"},
    "text as time": {"kind": "bad_time"},
    "object": {"kind": "body", "text": "{}"},
}


@pytest.mark.parametrize("fault", STAYING.values(), ids=STAYING)
def test_a_download_broken_off_goes_on_where_it_was(server, run, store, fault):
    server.set_faults(fault | {"skip": 1, "times": None})
    (result,) = run(2500, attempts=2).values()
    assert not result.ok
    assert "BTC/USDT" in result.error
    assert "\n" not in result.error
    assert result.added == 1000
    assert stored(store) == truth(server, 2500)[:1000]
    server.set_faults()
    server.forget()
    (result,) = run(2500).values()
    assert result.ok
    assert stored(store) == truth(server, 2500)
    assert starts(server) == [CLOSED - 1500 * STEP, CLOSED - 500 * STEP]


def test_a_slow_download_broken_off_goes_on_where_it_was(server, run, store):
    server.set_faults({"kind": "slow", "seconds": 20, "skip": 1, "times": None})
    (result,) = run(1200, attempts=1, timeout_s=0.7).values()
    assert "no whole reply within 0.7 s" in result.error
    server.set_faults()
    (result,) = run(1200).values()
    assert result.ok
    assert stored(store) == truth(server, 1200)


def test_an_older_part_broken_off_is_no_gap_for_ever(server, run, store):
    run(100)
    server.set_faults({"kind": "drop", "skip": 1, "times": None})
    (result,) = run(4000, attempts=1).values()
    assert not result.ok
    assert len(stored(store)) == 1100
    server.set_faults()
    server.forget()
    (result,) = run(4000).values()
    assert result.ok
    assert stored(store) == truth(server, 4000)
    assert starts(server)[0] == CLOSED - 3000 * STEP


@pytest.mark.parametrize("kind", ["nan", "string", "broken"])
def test_a_candle_that_was_unusable_is_asked_for_again(server, run, store, kind):
    server.set_faults({"kind": kind, "row": 7})
    (result,) = run().values()
    right = truth(server)
    assert result.ok
    assert sum(result.quarantined.values()) == 1
    assert stored(store) == right[:7] + right[8:]
    (result,) = run().values()
    assert result.added == 1
    assert stored(store) == right


def test_a_candle_that_stays_unusable_is_not_asked_for_at_every_run(server, run, store):
    server.set_faults({"kind": "nan", "row": 7, "skip": 0, "times": 1})
    run()
    asked = []
    for _ in range(8):
        server.set_faults({"kind": "nan", "row": 0, "times": None})
        server.forget()
        run()
        asked.append(len(server.asked()))
    assert asked == [1, 1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", ["duplicates", "unsorted", "off_grid"])
def test_odd_rows_beside_the_right_ones_lose_nothing(server, run, store, kind):
    server.set_faults({"kind": kind, "row": 7, "times": None})
    (result,) = run(1500).values()
    assert result.ok
    assert stored(store) == truth(server, 1500)
    assert result.duplicates == (2 if kind == "duplicates" else 0)
    assert sum(result.quarantined.values()) == (2 if kind == "off_grid" else 0)


def test_what_is_stored_stays_when_the_exchange_changes_its_mind(server, run, store):
    server.gaps["BTCUSDT"] = [[CLOSED - 20 * STEP, CLOSED - 19 * STEP]]
    run()
    before = stored(store)
    server.gaps.clear()
    # the gap is asked for again a day later; by then its neighbour has other prices
    server.fixed_now_ms += 2 * DAY
    server.set_faults({"kind": "changed", "row": 1})
    (result,) = run(50 + 576, until=CLOSED + 2 * DAY).values()
    assert result.ok
    assert result.conflicts == 1
    assert result.quarantined == {}
    after = stored(store)
    assert [row for row in after if row in before] == before
    assert [row[0] for row in after] == [r[0] for r in truth(server, 626, CLOSED + 2 * DAY)]


def test_a_gap_of_the_exchange_is_asked_for_once_a_day(server, run, store):
    server.gaps["BTCUSDT"] = [[CLOSED - 800 * STEP, CLOSED - 400 * STEP]]
    server.first_ms = CLOSED - 2000 * STEP
    (result,) = run(3000).values()
    assert result.ok
    assert result.added == 1600
    for _ in range(3):
        server.forget()
        run(3000)
        assert server.asked("klines") == []
    server.fixed_now_ms += DAY
    server.gaps.clear()
    run(3000 + 288, until=CLOSED + DAY)
    assert stored(store) == truth(server, 3288, until=CLOSED + DAY)


def test_the_newest_candle_that_was_late_is_asked_for_again(server, run, store):
    run(50)
    server.fixed_now_ms += STEP
    server.set_faults({"kind": "empty", "times": 2})
    (result,) = run(51, until=CLOSED + STEP).values()
    assert (result.ok, result.added) == (True, 0)
    (result,) = run(51, until=CLOSED + STEP).values()
    assert (result.ok, result.added) == (True, 1)


def test_a_damaged_month_is_set_aside_and_downloaded_again(server, run, store):
    run(4000)  # 23 August to 6 September
    (path,) = store.folder.rglob("2024-08.parquet")
    path.write_bytes(path.read_bytes()[:-50])
    server.forget()
    (result,) = run(4000).values()
    assert result.ok
    assert [Path(name).name for name in result.damaged] == ["2024-08.parquet.damaged"]
    assert stored(store) == truth(server, 4000)
    assert starts(server)[0] == CLOSED - 4000 * STEP
    assert len(starts(server)) == 3


def test_a_lost_month_is_downloaded_again(server, run, store):
    run(4000)
    (path,) = store.folder.rglob("2024-08.parquet")
    path.unlink()
    (result,) = run(4000).values()
    assert result.ok
    assert stored(store) == truth(server, 4000)


def test_one_bad_symbol_harms_no_other(server, run, store):
    server.set_faults({"kind": "status", "status": 500, "symbol": "ETHUSDT", "times": None})
    symbols = ["NONE/USDT", "ETH/USDT", "bad", "BTC/USDT"]
    results = run(symbols=symbols, attempts=2)
    assert list(results) == symbols
    assert [r.ok for r in results.values()] == [False, False, False, True]
    assert "no spot market NONE/USDT" in results["NONE/USDT"].error
    assert "HTTP 500" in results["ETH/USDT"].error
    assert "BASE/QUOTE" in results["bad"].error
    assert stored(store) == truth(server)


def test_many_symbols_at_once(make_source, tmp_path):
    symbols = [f"C{k}/USDT" for k in range(10)]
    with BinanceServer(symbols, now_ms=CLOSED) as server:
        server.set_faults({"kind": "drop", "times": 3, "skip": 2})
        store = CandleStore(tmp_path, "binance", "5m")
        source = make_source(base_url=server.url)
        since = CLOSED - 200 * STEP
        results = fetch(source, store, symbols, "5m", since, CLOSED, workers=6)
        assert all(result.ok for result in results.values())
        for symbol in symbols:
            name = symbol.replace("/", "")
            assert stored(store, symbol) == truth(server, 200, symbol=name)
        assert len(server.asked("klines")) == 13


FAULTS = [
    *STAYING.values(),
    {"kind": "nan", "row": 0},
    {"kind": "string", "row": -1},
    {"kind": "broken", "row": 3},
    {"kind": "duplicates", "row": 2},
    {"kind": "unsorted"},
    {"kind": "off_grid", "row": 1},
    {"kind": "empty"},
    {"kind": "status", "status": 400, "code": -1003, "msg": "slow down"},
    {"kind": "status", "status": 400, "code": -1001, "msg": "gone"},
    {"kind": "html", "path": "time"},
    {"kind": "drop", "path": "exchangeInfo"},
    {"kind": "status", "status": 504, "html": True, "path": "*"},
]


@pytest.mark.parametrize("seed", range(5))
def test_after_any_schedule_of_faults_the_candles_are_right(server, run, store, seed):
    # ten episodes each: time passes, the history asked for grows or shrinks, things go wrong
    rng = random.Random(seed)
    now = CLOSED
    for _ in range(10):
        now += rng.choice([0, STEP, STEP, 40 * STEP])
        server.fixed_now_ms = now + rng.randrange(STEP)
        chosen = rng.sample(FAULTS, rng.randrange(4))
        server.set_faults(
            *(f | {"skip": rng.randrange(3), "times": rng.randrange(1, 4)} for f in chosen)
        )
        n = rng.choice([30, 400, 1700])
        run(n, until=now, attempts=3, rng=rng.random)
        right = truth(server, 2500, until=now)
        by_time = {row[0]: row for row in right}
        assert all(by_time[row[0]] == row for row in stored(store))
    server.set_faults()
    # a page that came empty twice counts as absent for a day: let that day pass
    shutil.rmtree(store.folder / "absent", ignore_errors=True)
    server.forget()
    result = run(2500, until=now)["BTC/USDT"]
    assert result.ok
    assert stored(store) == truth(server, 2500, until=now)
    server.forget()
    run(2500, until=now)
    assert server.asked("*") == []


# ---- as processes -----------------------------------------------------------------------------


@pytest.fixture
def process():
    """Return a function that starts a program, whose first line it also returns."""
    running = []

    def start(*arguments, first_line=True):
        program = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(program)
        return program, program.stdout.readline().strip() if first_line else ""

    yield start
    for program in running:
        program.kill()
        program.communicate(timeout=20)


def test_the_server_as_a_process(process):
    faults = [{"kind": "status", "status": 418, "headers": {"Retry-After": 60}}]
    _, port = process(
        HERE / "binance_server.py", "--port", "0", "--now", "2024-09-06T04:46:01Z",
        "--symbols", "BTC/USDT", "--first", "2024-09-01", "--faults", json.dumps(faults),
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def get(path):
        with urllib.request.urlopen(url + path, timeout=10) as reply:
            return json.load(reply)

    assert get("/api/v3/time") == {"serverTime": CLOSED + 61_000}
    with pytest.raises(urllib.error.HTTPError, match="418"):
        get("/api/v3/klines?symbol=BTCUSDT&interval=5m")
    rows = get("/api/v3/klines?symbol=BTCUSDT&interval=5m&startTime=0&limit=2")
    assert [row[0] for row in rows] == [1_725_148_800_000, 1_725_149_100_000]
    assert len(rows[0]) == 12
    assert get("/api/v3/klines?symbol=BTCUSDT&interval=5m")[-1][0] == CLOSED
    order = json.dumps({"now_ms": CLOSED, "forget": True}).encode()
    urllib.request.urlopen(url + "/control", data=order, timeout=10).close()
    assert get("/api/v3/time") == {"serverTime": CLOSED}
    assert [r["path"] for r in get("/control")] == ["time"]


LONG_FETCH = """
import sys
from pathlib import Path
from bot_cripto.market.fetch import fetch
from bot_cripto.market.source import make_source
from bot_cripto.market.store import CandleStore
url, folder, until = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
settings = {"source": "exchange", "exchange": "binance", "exchange_base_url": url,
            "fetch_timeout_s": 10, "fetch_budget_s": 20, "fetch_attempts": 3}
store = CandleStore(folder, "binance", "5m")
results = fetch(make_source(settings, folder), store, ["BTC/USDT"], "5m",
                until - 12_000 * 300_000, until, progress=sys.stderr)
print("finished", results)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_an_interrupted_process_leaves_what_it_had(server, process, tmp_path, run, store, name):
    # slow enough to be in the middle when the signal comes
    server.set_faults({"kind": "slow", "seconds": 0.2, "times": None})
    folder = tmp_path / "store"
    program, _ = process("-c", LONG_FETCH, server.url, folder, CLOSED, first_line=False)
    deadline = time.monotonic() + 30
    while len(server.asked()) < 3 and time.monotonic() < deadline and program.poll() is None:
        time.sleep(0.02)
    os.kill(program.pid, getattr(signal, name))
    out, err = program.communicate(timeout=30)
    assert "finished" not in out
    assert program.returncode == -getattr(signal, name), err
    had, right = stored(store), truth(server, 12_000)
    assert 1000 <= len(had) < 12_000
    assert had == right[: len(had)]
    if name != "SIGKILL":
        # whatever had been asked for was stored before the end
        assert len(had) == 1000 * len(server.asked())
    server.set_faults()
    server.forget()
    assert run(12_000)["BTC/USDT"].ok
    assert stored(store) == right
    assert len(server.asked()) == 12 - len(had) // 1000
