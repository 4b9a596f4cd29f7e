"""A loopback exchange, sources that wait without taking time, and a store."""

from __future__ import annotations

import pytest
from binance_server import BinanceServer
from loopback import NOW, Waits

from bot_cripto.market.exchange import ExchangeSource
from bot_cripto.market.store import CandleStore


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def server():
    with BinanceServer(now_ms=NOW) as running:
        yield running


@pytest.fixture
def make_source(server, waits, tmp_path, monkeypatch):
    """Return a function that makes a source over the server, as each run makes its own."""
    monkeypatch.delenv("BOT_CRIPTO_NOW", raising=False)

    def make(exchange="binance", **options):
        settings = {
            "cache_dir": tmp_path / "cache",
            "timeout_s": 5.0,
            "budget_s": 60.0,
            "attempts": 4,
            "sleep": waits.sleep,
            "monotonic": waits.monotonic,
            "rng": lambda: 0.5,
        }
        url = options.pop("base_url", server.url)
        return ExchangeSource(exchange, url, **settings | options)

    return make


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path / "store", "binance", "5m")
