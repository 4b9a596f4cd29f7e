"""The whole workflow over real sockets: an exchange on the loopback address."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from laboratory import NOW, SMALL, Lab, later

from bot_cripto.timeframes import parse_iso

sys.path.append(str(Path(__file__).resolve().parents[1] / "exchange"))
from binance_server import BinanceServer

LIVE = ["build_features", "fetch_candles", "make_signals"]


@pytest.fixture
def server():
    with BinanceServer(now_ms=parse_iso(NOW)) as running:
        yield running


@pytest.fixture
def exchange_lab(tmp_path, server) -> Lab:
    sources = ("source=exchange", f"exchange_base_url={server.url}", "fetch_budget_s=5")
    return Lab(tmp_path / "state", settings=(*SMALL, *sources))


def test_from_an_exchange_to_a_signal_and_on(exchange_lab, server):
    ran = exchange_lab.run()
    assert ran.code == 0, ran.output
    document = exchange_lab.signal()
    assert (document["source"], document["mode"]) == ("binance", "PAPER")
    assert document["prob_up"] is not None
    asked = len(server.requests)

    server.fixed_now_ms = parse_iso(later(1))
    ran = exchange_lab.run(now=later(1))
    assert ran.code == 0 and ran.rules == LIVE
    assert exchange_lab.signal()["candle_close_time"] == "2024-06-03T12:05:00Z"
    assert len(server.requests) - asked <= 2, "the clock and one page"
    assert exchange_lab.run(now=later(1)).nothing_to_do

    server.fixed_now_ms = parse_iso(later(2))
    server.set_faults({"kind": "status", "status": 451, "path": "*", "times": None})
    ran = exchange_lab.run(now=later(2))
    assert ran.code == 1
    document = exchange_lab.signal()
    assert document["decision"] == "NO_TRADE"
    assert document["candle_close_time"] == "2024-06-03T12:10:00Z"
    assert "EXCHANGE_BASE_URL" in document["reason"] and "451" in document["reason"]

    server.set_faults()
    ran = exchange_lab.run(now=later(2))
    assert ran.code == 0 and ran.rules == LIVE, "a failed candle is tried again"
    assert exchange_lab.signal()["prob_up"] is not None


def test_a_candle_that_has_not_closed_at_the_exchange_is_not_judged(exchange_lab, server):
    """Our clock is ahead of the exchange's: its own clock says what has closed."""
    assert exchange_lab.run().code == 0
    ran = exchange_lab.run(now=later(1))
    assert ran.code == 0
    document = exchange_lab.signal()
    assert document["decision"] == "NO_TRADE"
    assert not next(g for g in document["gates"] if g["name"] == "data_fresh")["passed"]


def test_no_secret_reaches_a_file_or_the_terminal(exchange_lab):
    secrets = {
        "EXCHANGE_API_KEY": "k3y-not-to-be-seen",
        "EXCHANGE_API_SECRET": "s3cret-not-to-be-seen",
        "TELEGRAM_BOT_TOKEN": "123:t0ken-not-to-be-seen",
    }
    exchange_lab.environment = secrets
    ran = exchange_lab.run()
    assert ran.code == 0, ran.output
    assert "not-to-be-seen" not in ran.output
    for path in exchange_lab.state.rglob("*"):
        if path.is_file():
            assert b"not-to-be-seen" not in path.read_bytes(), path
