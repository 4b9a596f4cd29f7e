"""Replies in the formats of other exchanges, as their public documentation shows them."""

from __future__ import annotations

import json

import pytest
from loopback import CLOSED

from bot_cripto.market.exchange_client import Client
from bot_cripto.market.exchange_errors import ReplyError
from bot_cripto.market.exchange_loader import load_exchange_class

T = CLOSED - 300_000
FORMATS = {
    "kraken": {
        "error": [],
        "result": {
            "BTCUSDT": [[T // 1000, "1", "2", "0.5", "1.5", "1.2", "10", 5]],
            "last": T // 1000,
        },
    },
    "okx": {
        "code": "0",
        "msg": "",
        "data": [[str(T), "1", "2", "0.5", "1.5", "10", "15", "15", "1"]],
    },
    "bybit": {
        "retCode": 0,
        "retMsg": "OK",
        "result": {
            "category": "spot",
            "symbol": "BTCUSDT",
            "list": [[str(T), "1", "2", "0.5", "1.5", "10", "15"]],
        },
        "time": CLOSED,
    },
    "coinbase": {
        "candles": [
            {
                "start": str(T // 1000),
                "low": "0.5",
                "high": "2",
                "open": "1",
                "close": "1.5",
                "volume": "10",
            }
        ]
    },
    "bitso": {
        "success": True,
        "payload": [
            {
                "bucket_start_time": T,
                "first_trade_time": T + 5,
                "last_trade_time": T + 9,
                "first_rate": "1",
                "last_rate": "1.5",
                "min_rate": "0.5",
                "max_rate": "2",
                "trade_count": 3,
                "volume": "10",
                "vwap": "1.2",
            }
        ],
    },
}


def client_of(name, reply, monkeypatch):
    """Return a client of the exchange whose every request brings that reply."""
    client = Client(load_exchange_class(name), "http://127.0.0.1:9", 5, lambda _: None)
    client.exchange.set_markets(
        [
            {
                "id": "BTCUSDT",
                "symbol": "BTC/USDT",
                "base": "BTC",
                "quote": "USDT",
                "type": "spot",
                "spot": True,
                "active": True,
                "info": {},
            }
        ]
    )
    monkeypatch.setattr(client, "_fetch", lambda *a, **k: json.loads(json.dumps(reply)))
    return client


@pytest.mark.parametrize("name", FORMATS)
def test_candles_of_other_exchanges_are_understood(name, monkeypatch):
    client = client_of(name, FORMATS[name], monkeypatch)
    assert client.exchange.feature_value("BTC/USDT", "fetchOHLCV", "limit") in (300, 720, 1000)
    rows = client.rows("BTC/USDT", "5m", T - 300_000, 10)
    assert rows == [[T, 1.0, 2.0, 0.5, 1.5, 10.0]]


@pytest.mark.parametrize("name", FORMATS)
def test_a_reply_without_candles_is_none_of_them(name, monkeypatch):
    client = client_of(name, {"status": "fine"}, monkeypatch)
    with pytest.raises(ReplyError, match="not market data"):
        client.rows("BTC/USDT", "5m", T - 300_000, 10)
