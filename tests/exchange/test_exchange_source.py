"""The exchange source over real sockets: right candles, or one clear sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from binance_server import BinanceServer
from loopback import CLOSED, NOW, STEP, Waits, rows_of

from bot_cripto.errors import ConfigError, SourceError
from bot_cripto.market.candles import concat
from bot_cripto.market.exchange_client import Client, check_base_url, rewritten
from bot_cripto.market.exchange_errors import ReplyError, date_ms, one_line, retry_after_s
from bot_cripto.market.exchange_loader import exchange_ids, load_exchange_class
from bot_cripto.market.exchange_pace import Pace
from bot_cripto.market.retry import RetryPolicy


def ask(source, n=20, symbol="BTC/USDT", until=CLOSED):
    """Return the rows that the source gives for the n candles before `until`."""
    return rows_of(concat(list(source.candles(symbol, "5m", until - n * STEP, until))))


def truth(server, n=20, until=CLOSED, symbol="BTCUSDT"):
    return server.series(symbol, "5m", until - n * STEP, until, now_ms=10**14)


def refusal(source, **options):
    """Return the text of the SourceError that asking raises; it must be one clean line."""
    with pytest.raises(SourceError) as caught:
        ask(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 800
    assert "?" not in text
    assert "startTime" not in text
    return text


# ---- pages and time ---------------------------------------------------------------------------


def test_pages_follow_each_other_without_overlap(server, make_source):
    assert ask(make_source(), 2345) == truth(server, 2345)
    starts = [int(r["query"]["startTime"]) for r in server.asked()]
    assert starts == [CLOSED - (2345 - 1000 * k) * STEP for k in range(3)]


def test_a_whole_number_of_pages_needs_no_further_one(server, make_source):
    assert ask(make_source(), 2000) == truth(server, 2000)
    assert len(server.asked()) == 2


def test_the_open_candle_is_left_out(server, make_source):
    rows = ask(make_source(), 5, until=CLOSED + 10 * STEP)
    assert rows == []
    rows = rows_of(concat(list(make_source().candles("BTC/USDT", "5m", CLOSED - STEP, 10**13))))
    assert rows == truth(server, 1)


def test_times_between_candles_are_rounded_up(server, make_source):
    batches = make_source().candles("BTC/USDT", "5m", CLOSED - 3 * STEP + 1, CLOSED)
    assert rows_of(concat(list(batches))) == truth(server, 2)


def test_nothing_to_ask_asks_nothing_but_the_time(server, make_source):
    assert ask(make_source(), 0) == []
    assert server.asked("klines") == []


@pytest.mark.parametrize("hours", [-7, -1, 5])
def test_the_exchange_clock_decides_what_has_closed(make_source, hours):
    # the machine's own clock is off by hours, and nothing comes of it
    with BinanceServer(offset_ms=hours * 3_600_000) as server:
        source = make_source(base_url=server.url)
        before = server.now_ms()
        now = source.now_ms()
        assert before - 5_000 <= now <= server.now_ms()
        closed = now // STEP * STEP
        rows = rows_of(concat(list(source.candles("BTC/USDT", "5m", closed - 3 * STEP, 10**13))))
        assert rows[:3] == truth(server, 3, until=closed)
        assert rows[-1][0] + STEP <= server.now_ms()


def test_the_time_is_asked_for_once(server, make_source):
    source = make_source()
    first = source.now_ms()
    ask(source)
    assert source.now_ms() >= first >= NOW
    assert len(server.asked("time")) == 1


def test_a_pinned_moment_is_the_time(server, make_source, monkeypatch):
    monkeypatch.setenv("BOT_CRIPTO_NOW", "2024-09-05T00:02:00Z")
    source = make_source()
    assert source.now_ms() == 1_725_494_520_000
    rows = rows_of(concat(list(source.candles("BTC/USDT", "5m", CLOSED - 500 * STEP, CLOSED))))
    assert rows[-1][0] == 1_725_494_400_000 - STEP


def test_a_pinned_moment_ahead_of_the_exchange_closes_nothing(server, make_source, monkeypatch):
    monkeypatch.setenv("BOT_CRIPTO_NOW", "2024-09-06T05:00:00Z")
    until = CLOSED + 3 * STEP
    assert ask(make_source(), 5, until=until) == truth(server, 5, until=until)[:2]


def test_the_date_header_stands_in_for_a_missing_time_endpoint(server):
    client = Client(load_exchange_class("binance"), server.url, 5, lambda _: None)
    client.exchange.has["fetchTime"] = False
    assert client.server_ms() == NOW // 1000 * 1000
    assert server.asked("*") == []


def test_a_gap_does_not_end_the_download(server, make_source):
    server.gaps["BTCUSDT"] = [[CLOSED - 5000 * STEP, CLOSED - 20 * STEP]]
    rows = ask(make_source(), 5100)
    assert rows == truth(server, 5100)
    assert len(rows) == 120


def test_empty_pages_are_walked_over_up_to_the_end(server, make_source):
    server.set_faults({"kind": "empty", "times": 4})
    rows = ask(make_source(), 4000)
    # asked twice, then two pages on: what was never there is left out, the rest comes
    assert rows == truth(server, 4000)[3000:]
    assert len(server.asked()) == 5


def test_one_empty_reply_is_asked_again(server, make_source):
    server.set_faults({"kind": "empty", "skip": 1})
    assert ask(make_source(), 1500) == truth(server, 1500)


def test_before_the_listing_there_is_nothing(server, make_source):
    server.first_ms = CLOSED - 30 * STEP
    assert ask(make_source(), 3000) == truth(server, 30)
    assert len(server.asked()) == 1


def test_an_exchange_without_deeper_history_ends(server, make_source, monkeypatch):
    # like Kraken: whatever is asked for, the newest rows come
    newest = [[str(v) if k else v for k, v in enumerate(row)] for row in truth(server, 720)]
    klines = json.dumps(newest)
    server.set_faults({"kind": "body", "text": klines, "times": None})
    rows = ask(make_source(), 5000)
    assert rows == truth(server, 720)
    assert len(server.asked()) == 1


def test_another_exchange_of_the_same_format(server, make_source):
    source = make_source("binanceus")
    assert source.name == "binanceus"
    assert ask(source) == truth(server)


# ---- faults that pass, and faults that stay ---------------------------------------------------

PASSING = {
    "500 page": ({"kind": "status", "status": 500, "html": True}, "HTTP 500"),
    "502 page": ({"kind": "status", "status": 502, "html": True}, "a web page: 502 Bad Gateway"),
    "503 json": ({"kind": "status", "status": 503, "msg": "busy"}, "busy"),
    "504 page": ({"kind": "status", "status": 504, "html": True}, "HTTP 504"),
    "429": ({"kind": "status", "status": 429, "code": -1003, "msg": "too many"}, "fewer requests"),
    "400 -1003": ({"kind": "status", "status": 400, "code": -1003, "msg": "way"}, "fewer requests"),
    "400 -1000": ({"kind": "status", "status": 400, "code": -1000, "msg": "unknown"}, "-1000"),
    "400 -1001": ({"kind": "status", "status": 400, "code": -1001, "msg": "gone"}, "-1001 gone"),
    "400 -1006": ({"kind": "status", "status": 400, "code": -1006, "msg": "odd"}, "-1006 odd"),
    "400 -1007": ({"kind": "status", "status": 400, "code": -1007, "msg": "late"}, "-1007 late"),
    "page": ({"kind": "html"}, "not market data (no JSON, a web page: Welcome)"),
    "empty body": ({"kind": "body", "text": ""}, "not market data"),
    "text": ({"kind": "body", "text": '"maintenance"'}, "not market data"),
    "null": ({"kind": "body", "text": "null"}, "not market data"),
    "object": ({"kind": "body", "text": "{}"}, "not market data (no list of candles)"),
    "numbers": ({"kind": "body", "text": "[1, 2, 3]"}, "not market data"),
    "objects": ({"kind": "body", "text": '[{"a": 1}]'}, "not market data"),
    "seconds": ({"kind": "body", "text": '[[1725597900,"1","1","1","1","1"]]'}, "is no time"),
    "truncated": ({"kind": "truncated"}, "the reply was cut short"),
    "cut json": ({"kind": "cut_json"}, "not market data"),
    "dropped": ({"kind": "drop"}, "the connection was dropped"),
    "dropped in headers": ({"kind": "drop_headers"}, "not market data"),
    "short rows": ({"kind": "short_rows"}, "a candle of 4 values"),
    "rows of nothing": ({"kind": "null_rows"}, "not market data"),
    "text as time": ({"kind": "bad_time"}, "not market data"),
}


@pytest.mark.parametrize(("fault", "_words"), PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_changes_nothing(server, make_source, fault, _words):
    server.set_faults(fault | {"times": 2, "skip": 1})
    assert ask(make_source(), 1100) == truth(server, 1100)
    assert len(server.asked()) == 4


@pytest.mark.parametrize(("fault", "words"), PASSING.values(), ids=PASSING)
def test_a_fault_that_stays_is_one_clear_line(server, make_source, fault, words):
    server.set_faults(fault | {"times": None})
    text = refusal(make_source())
    assert words in text
    assert "BTC/USDT" in text
    assert "binance" in text
    assert "tried 4 times" in text
    assert len(server.asked()) == 4


@pytest.mark.parametrize("path", ["time", "exchangeInfo"])
@pytest.mark.parametrize("name", ["503 json", "page", "object", "null", "truncated", "dropped"])
def test_the_other_endpoints_are_as_patient(server, make_source, path, name):
    server.set_faults(PASSING[name][0] | {"times": 2, "path": path})
    assert ask(make_source()) == truth(server)
    server.set_faults(PASSING[name][0] | {"times": None, "path": path})
    with pytest.raises(SourceError, match="binance"):
        ask(make_source(cache_dir=None))


@pytest.mark.parametrize("time", ["0", "1725597900", '"noon"', "null", "99999999999999"])
def test_a_time_that_is_none_is_refused(server, make_source, time):
    reply = '{"serverTime": ' + time + "}"
    server.set_faults({"kind": "body", "text": reply, "path": "time", "times": None})
    with pytest.raises(SourceError, match="time of binance"):
        make_source().now_ms()


def test_markets_without_one_are_refused(server, make_source):
    server.set_faults(
        {"kind": "body", "text": '{"symbols": []}', "path": "exchangeInfo", "times": None}
    )
    assert "no markets in it" in refusal(make_source())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 451, "html": True}, "EXCHANGE_BASE_URL=https://data-api.binance.vision"),
        ({"status": 451, "code": 0, "msg": "restricted location"}, "kraken, bybit, okx, bitso or"),
        ({"status": 403, "html": True}, "refuses this address (HTTP 403"),
        ({"status": 404, "html": True}, "check EXCHANGE_BASE_URL"),
        ({"status": 401, "code": -2015, "msg": "Invalid API-key"}, "wants a key"),
        ({"status": 418, "code": -1003, "msg": "banned"}, "has banned this address"),
        ({"status": 400, "code": -1100, "msg": "Illegal characters"}, "-1100 Illegal characters"),
    ],
    ids=lambda value: str(value["status"]) if isinstance(value, dict) else "",
)
def test_what_does_not_pass_is_not_tried_again(server, make_source, waits, fault, words):
    server.set_faults({"kind": "status", "times": None} | fault)
    assert words in refusal(make_source())
    assert len(server.asked()) == 1
    assert waits.slept == [] or max(waits.slept) < 0.2  # the rate limit alone


def test_a_blocked_region_is_asked_once_for_all_symbols(server, make_source):
    server.set_faults({"kind": "status", "status": 451, "times": None, "path": "*"})
    source = make_source()
    assert "does not serve this region" in refusal(source)
    assert "does not serve this region" in refusal(source, symbol="ETH/USDT")
    assert len(server.asked("*")) == 1


@pytest.mark.parametrize("status", [418, 429, 503])
def test_retry_after_is_honoured(server, make_source, waits, status):
    fault = {"kind": "status", "status": status, "headers": {"Retry-After": 17}}
    server.set_faults(fault)
    assert ask(make_source()) == truth(server)
    assert any(wait >= 17 for wait in waits.slept)


def test_a_ban_longer_than_the_budget_fails_at_once_and_says_until_when(server, make_source, waits):
    fault = {"kind": "status", "status": 418, "headers": {"Retry-After": 7200}, "times": None}
    server.set_faults(fault)
    source = make_source()
    text = refusal(source)
    assert re.search(r"has banned this address until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert sum(waits.slept) < 1
    assert "has banned" in refusal(source, symbol="ETH/USDT")
    assert len(server.asked()) == 1


def test_a_ban_told_in_words_is_understood(server, make_source, waits):
    message = "Way too much request weight used; IP banned until 4102444799000. Please use ..."
    server.set_faults({"kind": "status", "status": 418, "code": -1003, "msg": message})
    assert "until 2099-12-31T23:59:59Z" in refusal(make_source())


def test_the_budget_ends_the_retries(server, make_source, waits):
    server.set_faults({"kind": "status", "status": 503, "times": None})
    text = refusal(make_source(budget_s=3.0, attempts=50))
    assert "HTTP 503" in text
    assert sum(waits.slept) < 4


def test_a_slow_reply_is_given_up_and_asked_again(server, make_source):
    server.set_faults({"kind": "slow", "seconds": 20})
    assert ask(make_source(timeout_s=0.7)) == truth(server)
    assert len(server.asked()) == 2


@pytest.mark.parametrize("path", ["klines", "exchangeInfo"])
def test_a_trickling_reply_is_given_up(server, make_source, path):
    # each piece comes well within the timeout, the whole would take minutes
    server.set_faults({"kind": "trickle", "seconds": 0.1, "bytes": 1, "path": path, "times": None})
    text = refusal(make_source(timeout_s=0.7, attempts=2))
    assert "no whole reply within 0.7 s" in text


def test_a_trickling_head_is_given_up(make_source):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            for letter in "HTTP/1.1 200 OK\r\nX: " + "x" * 200:
                try:
                    connection.sendall(letter.encode())
                except OSError:
                    return
                if ending.wait(0.1):
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(SourceError, match=r"no whole reply within 0\.7 s"):
            make_source(base_url=url, timeout_s=0.7, attempts=1).now_ms()
    finally:
        ending.set()
        thread.join(5)
        listener.close()


def test_an_exchange_that_is_down_is_named(make_source):
    with BinanceServer(now_ms=NOW) as gone:
        url = gone.url
    with pytest.raises(SourceError, match=r"binance \(127\.0\.0\.1\) failed: connection refused"):
        make_source(base_url=url).now_ms()


def test_a_dead_exchange_costs_one_budget_then_one_attempt_a_symbol(server, make_source, waits):
    source = make_source(budget_s=5, attempts=50)
    ask(source)
    server.set_faults({"kind": "status", "status": 503, "times": None})
    for _ in range(12):
        server.forget()
        refusal(source)
    assert len(server.asked()) == 1
    assert sum(wait for wait in waits.slept if wait > 0.2) <= 5
    server.set_faults()
    assert ask(source) == truth(server)
    server.set_faults({"kind": "status", "status": 503})
    assert ask(source) == truth(server)


# ---- rows that are odd, not the reply ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["nan", "string"])
def test_a_value_that_is_no_number_arrives_as_nan(server, make_source, kind):
    server.set_faults({"kind": kind, "row": 3})
    rows, right = ask(make_source()), truth(server)
    assert rows[3][4] != rows[3][4]
    assert rows[3][:4] == right[3][:4]
    assert rows[:3] + rows[4:] == right[:3] + right[4:]


def test_rows_come_sorted(server, make_source):
    server.set_faults({"kind": "unsorted", "times": None})
    assert ask(make_source(), 1500) == truth(server, 1500)


def test_a_repeated_row_does_not_move_the_page(server, make_source):
    server.set_faults({"kind": "duplicates", "row": 4, "times": None})
    rows, right = ask(make_source(), 1500), truth(server, 1500)
    assert rows[:6] == [*right[:5], right[4]]
    assert [row for k, row in enumerate(rows) if row not in rows[:k]] == right


# ---- markets ----------------------------------------------------------------------------------


def test_a_steady_run_asks_for_the_time_and_one_page(server, make_source):
    ask(make_source())
    assert [r["path"] for r in server.asked("*")] == ["time", "exchangeInfo", "klines"]
    server.forget()
    assert ask(make_source(), 1) == truth(server, 1)
    assert [r["path"] for r in server.asked("*")] == ["time", "klines"]


def kept_file(tmp_path):
    (path,) = (tmp_path / "cache").rglob("BTC_USDT.json")
    return path


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_an_old_description_is_renewed(server, make_source, tmp_path):
    ask(make_source())
    change(kept_file(tmp_path), made_ms=1_700_000_000_000)
    assert ask(make_source()) == truth(server)
    assert len(server.asked("exchangeInfo")) == 2
    ask(make_source())
    assert len(server.asked("exchangeInfo")) == 2


def test_an_old_description_does_where_there_is_no_new_one(server, make_source, tmp_path):
    ask(make_source())
    change(kept_file(tmp_path), made_ms=1_700_000_000_000)
    server.set_faults({"kind": "html", "path": "exchangeInfo", "times": None})
    assert ask(make_source()) == truth(server)


def test_a_description_that_has_become_wrong_is_renewed(server, make_source, tmp_path):
    ask(make_source())
    path = kept_file(tmp_path)
    market = json.loads(path.read_text())["market"]
    change(path, market=market | {"id": "BTCOLD"})
    assert ask(make_source()) == truth(server)
    assert json.loads(path.read_text())["market"]["id"] == "BTCUSDT"


def test_a_symbol_that_was_delisted_says_so(server, make_source):
    ask(make_source())
    del server.markets["BTCUSDT"]
    text = refusal(make_source())
    assert "binance has no spot market BTC/USDT" in text
    assert len(server.asked("exchangeInfo")) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"market": 3}'])
def test_a_damaged_description_is_asked_for_again(server, make_source, tmp_path, content):
    ask(make_source())
    kept_file(tmp_path).write_text(content)
    assert ask(make_source()) == truth(server)


def test_a_description_of_another_host_does_not_count(server, make_source):
    ask(make_source())
    with BinanceServer(now_ms=NOW) as other:
        assert ask(make_source(base_url=other.url)) == truth(other)
        assert len(other.asked("exchangeInfo")) == 1


def test_without_a_cache_every_run_asks(server, make_source):
    ask(make_source(cache_dir=None))
    ask(make_source(cache_dir=None))
    assert len(server.asked("exchangeInfo")) == 2


def test_an_unknown_symbol_names_similar_ones(server, make_source):
    text = refusal(make_source(), symbol="BTC/USD")
    assert "binance has no spot market BTC/USD" in text
    assert "similar: BTC/USDT" in text
    assert "SYMBOLS" in text
    assert server.asked("klines") == []


def test_a_timeframe_that_the_exchange_lacks_is_named(server, make_source, monkeypatch):
    source = make_source()
    ask(source)
    source._client().exchange.timeframes = {"1m": "1m", "1h": "1h"}
    assert "has no 5m candles of BTC/USDT; it has: 1m, 1h" in refusal(source)


def test_threads_share_one_download_of_the_markets(make_source):
    symbols = [f"C{k}/USDT" for k in range(12)]
    with BinanceServer(symbols, now_ms=NOW) as server:
        source = make_source(base_url=server.url)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda s: ask(source, 30, symbol=s), symbols))
        for symbol, rows in zip(symbols, results, strict=True):
            assert rows == truth(server, 30, symbol=symbol.replace("/", ""))
        assert len(server.asked("exchangeInfo")) == 1
        assert len(server.asked("time")) == 1


# ---- the parts --------------------------------------------------------------------------------


def test_the_rate_limit_is_one_for_all_threads():
    waits = Waits()
    frozen = RetryPolicy(1, 0, 0, 0)
    pace = Pace(frozen, waits.sleep, lambda: 0.0, lambda: 0.5)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pace.wait_for_turn, [0.1] * 40))
    assert sorted(round(wait, 6) for wait in waits.slept) == [
        round(0.1 * k, 6) for k in range(1, 40)
    ]


def test_busy_makes_the_other_threads_keep_still_too():
    waits, outcomes = Waits(), [ReplyError("slow down", "busy", retryable=True, retry_after_s=9.0)]
    pace = Pace(RetryPolicy(3, 0, 0, 60), waits.sleep, lambda: 0.0, lambda: 0.5)

    def function():
        if outcomes:
            raise outcomes.pop()
        pace.wait_for_turn(0.1)
        return "done"

    assert pace.ask("candles", function) == "done"
    assert waits.slept == [9.0, 9.0]


def python(code):
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_one_exchange_is_imported_without_the_others():
    out = python(
        "import sys\n"
        "from bot_cripto.market.exchange_loader import load_exchange_class\n"
        "light = load_exchange_class('binance')\n"
        "print([m for m in sys.modules if m in ('ccxt', 'ccxt.kraken')])\n"
        "import ccxt\n"
        "assert ccxt.kraken and ccxt.__version__\n"
        "assert ccxt.binance is light and load_exchange_class('binance') is light\n"
        "assert load_exchange_class('kraken') is ccxt.kraken\n"
        "assert issubclass(ccxt.BadSymbol, sys.modules['ccxt.base.errors'].BaseError)\n"
        "print(sys.modules['ccxt'].__name__)\n"
    )
    assert out == ["[]", "ccxt"]


def test_a_package_imported_before_is_left_alone():
    out = python(
        "import ccxt, sys\n"
        "from bot_cripto.market.exchange_loader import load_exchange_class\n"
        "print(load_exchange_class('binance') is ccxt.binance, sys.modules['ccxt'] is ccxt)\n"
    )
    assert out == ["True", "True"]


def test_importing_the_modules_imports_no_library_of_the_network():
    out = python(
        "import sys\n"
        "import bot_cripto.market.exchange, bot_cripto.market.fetch, bot_cripto.market.source\n"
        "print([m for m in ('ccxt', 'ccxt.base', 'requests', 'urllib3') if m in sys.modules])\n"
    )
    assert out == ["[]"]


def test_an_unknown_exchange_names_the_nearest():
    with pytest.raises(ConfigError, match="binance"):
        load_exchange_class("binanse")
    for name in ("", "base", "../os", "__init__", "Binance"):
        with pytest.raises(ConfigError, match="unknown to ccxt"):
            load_exchange_class(name)
    assert {"binance", "kraken", "bybit", "okx", "bitso", "coinbase"} <= set(exchange_ids())


@pytest.mark.parametrize("url", ["localhost:80", "ftp://x", "http://", "https://h/?key=1"])
def test_a_base_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="exchange_base_url"):
        check_base_url(url)


@pytest.mark.parametrize("name", ["binance", "kraken", "bybit", "okx", "bitso", "coinbase", "gate"])
def test_every_address_of_an_exchange_moves_to_the_base_url(name):
    exchange = load_exchange_class(name)()

    def leaves(urls):
        return [u for v in urls.values() for u in leaves(v)] if isinstance(urls, dict) else [urls]

    before, after = (
        leaves(u)
        for u in (exchange.urls["api"], rewritten(exchange.urls["api"], "http://127.0.0.1:9"))
    )
    assert len(after) == len(before) > 0
    for old, new in zip(before, after, strict=True):
        assert new.startswith("http://127.0.0.1:9")
        assert old.endswith(new.removeprefix("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("Fri, 06 Sep 2024 04:46:00 GMT", 60.0),
        ("Fri, 06 Sep 2024 04:44:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_in_its_forms(text, seconds):
    assert retry_after_s({"retry-AFTER": text}, CLOSED) == seconds


def test_dates_and_lines():
    assert date_ms("Fri, 06 Sep 2024 04:45:00 GMT") == CLOSED
    assert date_ms("yesterday") is None
    assert one_line("GET https://user:word@host/path?key=secret&x=1\n no") == (
        "GET https://host/path no"
    )
    assert len(one_line("x" * 999, 50)) == 50
