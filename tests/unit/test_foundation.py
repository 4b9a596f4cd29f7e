"""Atomic files, the clock, the grid of candle times, symbols and the layout of folders."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_cripto import atomic, clock
from bot_cripto.errors import ConfigError
from bot_cripto.layout import Layout
from bot_cripto.symbols import check_symbol, symbol_from_path, symbol_to_path
from bot_cripto.timeframes import (
    TIMEFRAMES,
    candle_id,
    iso,
    last_close,
    parse_candle_id,
    parse_iso,
    timeframe_ms,
)

MOMENTS = st.integers(0, 4_000_000_000_000)


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(path, {"a": float("nan")})

    def half(file):
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        atomic.write(path, half)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_file_is_readable_for_others_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "a.txt"
    atomic.write_text(path, "é")
    assert path.read_text(encoding="utf-8") == "é"
    assert path.stat().st_mode & 0o777 == 0o644


@given(MOMENTS, st.sampled_from(sorted(TIMEFRAMES)))
def test_the_last_close_is_on_the_grid_and_not_after_now(now, timeframe):
    close = last_close(now, timeframe)
    assert close % timeframe_ms(timeframe) == 0
    assert close <= now < close + timeframe_ms(timeframe)


@given(MOMENTS)
def test_times_survive_being_written(moment):
    assert parse_iso(iso(moment)) == moment
    second = moment // 1000 * 1000
    assert parse_candle_id(candle_id(second)) == second


def test_times_without_an_offset_are_utc(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_iso("2024-09-06 04:45") == parse_iso("2024-09-06T04:45:00Z")
        assert parse_iso("2024-09-06T06:45:00+02:00") == parse_iso("2024-09-06T04:45:00Z")
        assert candle_id(parse_iso("2024-09-06T04:45Z")) == "20240906T044500Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_clock_stands_where_it_is_set(monkeypatch):
    monkeypatch.setenv(clock.AS_OF_VARIABLE, "2024-09-06T04:45:00Z")
    assert clock.now_ms() == clock.as_of_ms() == parse_iso("2024-09-06T04:45:00Z")
    assert clock.system_ms() > clock.now_ms()
    monkeypatch.delenv(clock.AS_OF_VARIABLE)
    assert clock.as_of_ms() is None
    assert abs(clock.now_ms() - time.time() * 1000) < 60_000


@pytest.mark.parametrize(("value", "word"), [("soon", "ISO 8601"), ("2099-01-01", "future")])
def test_a_wrong_moment_is_refused(monkeypatch, value, word):
    monkeypatch.setenv(clock.AS_OF_VARIABLE, value)
    with pytest.raises(ConfigError, match=word):
        clock.now_ms()


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT", "1INCH/BTC"])
def test_symbols_survive_as_paths(symbol):
    assert symbol_from_path(symbol_to_path(check_symbol(symbol))) == symbol
    assert "/" not in symbol_to_path(symbol)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc/usdt", "../etc/passwd", "A/B/C", "", "A/B\n"])
def test_other_forms_of_symbols_are_refused(symbol):
    with pytest.raises(ConfigError, match="BASE/QUOTE"):
        check_symbol(symbol)


def test_a_layout_survives_as_text_and_finds_its_state(tmp_path):
    settings = {"data_dir": "", "models_dir": "/apart", "logs_dir": "", "market": "m"}
    layout = Layout.of(settings | {"timeframe": "5m"})
    assert Layout.from_json(layout.to_json()) == layout
    below = layout.below(tmp_path)
    assert below.data == tmp_path / "data" and below.models == Path("/apart")
    assert below.live("C") == tmp_path / "data" / "live" / "m-5m" / "C"
    assert os.fspath(layout.history("C", "S")) == "data/history/m-5m/C/S.json"
