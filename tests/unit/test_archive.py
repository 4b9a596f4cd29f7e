from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.clock import AS_OF_VARIABLE
from bot_cripto.errors import ConfigError, SourceError
from bot_cripto.market import archive_files
from bot_cripto.market.archive import ArchiveSource
from bot_cripto.market.archive_files import read_file
from bot_cripto.market.archive_names import as_pair, read_name
from bot_cripto.market.archive_times import epoch_ms
from bot_cripto.market.candles import Candles, CandleSource, concat
from bot_cripto.timeframes import parse_iso

STEP = 300_000
T0 = 1_704_067_200_000  # 2024-01-01
DAY = 288
EVER = (0, 10**14)
ROOT = Path(__file__).resolve().parents[2]
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def ms(place: int) -> int:
    return T0 + place * STEP


def values(place: int) -> tuple[float, ...]:
    return place + 10.0, place + 12.0, place + 9.0, place + 11.0, place + 0.5


def binance(places, factor: float = 1, header: bool = False) -> str:
    """Lines as in Binance's public data; `factor` 1000 is microseconds."""
    lines = [HEADER] if header else []
    for i in places:
        prices = ",".join(f"{v:.8f}" for v in values(i))
        end = int((ms(i) + STEP) * factor) - 1
        lines.append(f"{int(ms(i) * factor)},{prices},{end},1.0,7,1.0,1.0,0")
    return "\n".join(lines) + "\n"


def zipped(path: Path, member: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)


def freqtrade(path: Path, places, unit: str = "ms") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    o, h, low, c, v = np.array([values(i) for i in places]).reshape(-1, 5).T
    date = pa.array([ms(i) for i in places], pa.timestamp("ms", "UTC"))
    table = {"date": date.cast(pa.timestamp(unit, "UTC")), "open": o, "high": h, "low": low}
    feather.write_feather(pa.table({**table, "close": c, "volume": v}), path, compression="lz4")


def batches(folder: Path | str, symbol="BTC/USDT", timeframe="5m", window=EVER):
    source = ArchiveSource(str(folder), Path("/"))
    found = list(source.candles(symbol, timeframe, *window))
    whole = concat(found)
    assert (np.diff(whole.open_time) >= 0).all(), "batches follow each other in time"
    return found


def assert_places(candles: Candles | list[Candles], places) -> None:
    rows = candles if isinstance(candles, Candles) else concat(candles)
    assert ((rows.open_time - T0) / STEP).tolist() == list(places)
    table = np.array([values(i) for i in places]).reshape(-1, 5).T
    for name, column in zip(("open", "high", "low", "close", "volume"), table, strict=True):
        np.testing.assert_array_equal(getattr(rows, name), column)
    assert not rows.filled.any()


def test_it_is_a_source(tmp_path, monkeypatch):
    source: CandleSource = ArchiveSource("x", tmp_path)
    monkeypatch.setenv(AS_OF_VARIABLE, "2024-01-01T00:00:00Z")
    assert source.name == "archive" and source.now_ms() == T0


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("factor", [0.001, 1, 1000, 1_000_000], ids=["s", "ms", "us", "ns"])
def test_binance_csv_with_and_without_header_in_any_unit(tmp_path, header, factor):
    (tmp_path / "BTCUSDT-5m-2024-01-01.csv").write_text(binance(range(10), factor, header))
    assert_places(batches(tmp_path), range(10))


def test_binance_zips_monthly_and_daily_come_in_the_order_of_time(tmp_path):
    monthly, daily = tmp_path / "spot/monthly/klines", tmp_path / "spot/daily/klines"
    zipped(monthly / "BTCUSDT-5m-2024-02.zip", "BTCUSDT-5m-2024-02.csv", binance([31 * DAY]))
    zipped(monthly / "BTCUSDT-5m-2024-01.zip", "BTCUSDT-5m-2024-01.csv", binance([0, 1, 700]))
    # a day that the month lacks, and one of the time after
    zipped(daily / "BTCUSDT-5m-2024-01-02.zip", "x.csv", binance([DAY, DAY + 1], 1000))
    zipped(daily / "BTCUSDT-5m-2024-03-01.zip", "x.csv", binance([60 * DAY], header=True))
    zipped(monthly / "ETHUSDT-5m-2024-01.zip", "x.csv", binance([5]))
    found = batches(tmp_path)
    assert_places(found, [0, 1, DAY, DAY + 1, 700, 31 * DAY, 60 * DAY])
    assert [len(batch) for batch in found] == [5, 1, 1]


def test_files_outside_the_range_are_not_opened(tmp_path):
    (tmp_path / "BTCUSDT-5m-2023-12.zip").write_bytes(b"no zip")
    (tmp_path / "BTCUSDT-5m-2024-01-02.csv").write_bytes(b"\xff\xfe no csv")
    (tmp_path / "BTCUSDT-5m-2024-01-01.csv").write_text(binance(range(DAY)))
    assert_places(batches(tmp_path, window=(ms(3), ms(DAY))), range(3, DAY))
    with pytest.raises(SourceError, match=r"BTCUSDT-5m-2023-12\.zip"):
        batches(tmp_path, window=(ms(-1), ms(5)))


def test_freqtrade_feather_spot_and_futures(tmp_path):
    freqtrade(tmp_path / "binance/BTC_USDT-5m.feather", range(20))
    freqtrade(tmp_path / "binance/BTC_USDT-1h.feather", range(0, 240, 12), "ns")
    freqtrade(tmp_path / "binance/futures/BTC_USDT_USDT-5m-futures.feather", range(30, 40))
    freqtrade(tmp_path / "binance/futures/BTC_USDT_USDT-5m-mark.feather", range(50, 60))
    freqtrade(tmp_path / "binance/futures/BTC_USDT_USDT-8h-funding_rate.feather", [0])
    assert_places(batches(tmp_path), range(20))
    assert_places(batches(tmp_path, "BTC/USDT", "1h"), range(0, 240, 12))
    assert_places(batches(tmp_path, "BTC/USDT:USDT"), range(30, 40))
    found = ArchiveSource(str(tmp_path), Path("/")).found()
    assert found == ["BTC/USDT 1h", "BTC/USDT 5m", "BTC/USDT:USDT 5m"]


def test_spot_and_futures_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for market, place in (("spot", 1), ("futures/um", 2)):
        folder = tmp_path / market / "monthly/klines/BTCUSDT/5m"
        zipped(folder / "BTCUSDT-5m-2024-01.zip", "x.csv", binance([place]))
    mark = tmp_path / "futures/um/monthly/markPriceKlines/BTCUSDT/5m/BTCUSDT-5m-2024-01.zip"
    zipped(mark, "x.csv", binance([3]))
    assert_places(batches(tmp_path), [1])
    assert_places(batches(tmp_path, "BTC/USDT:USDT"), [2])
    assert_places(batches(tmp_path / "futures", "BTC/USDT:USDT"), [2])
    with pytest.raises(SourceError, match="found BTC/USDT:USDT 5m"):
        batches(tmp_path / "futures")


CSV_FORMS = {
    "iso naive": ("Date,Open,High,Low,Close,Volume", "%Y-%m-%d %H:%M:%S", ","),
    "iso zone": ("timestamp,open,high,low,close,volume", "%Y-%m-%dT%H:%M:%SZ", ","),
    "iso offset": ("Datetime,OPEN,HIGH,LOW,CLOSE,VOLUME", "%Y-%m-%d %H:%M:%S+00:00", ","),
    "short": ("t;o;h;l;c;v", "%Y-%m-%dT%H:%M", ";"),
    "spelling": ("Open Time\tOpen_Price\tHigh\tLow\tClose\tBase Volume", "%Y-%m-%d %H:%M", "\t"),
    "own name": ("unix,Open,High,Low,Close,Volume BTC", "%s", ","),
    "quoted": ('"time","open","high","low","close","vol"', '"%Y-%m-%d %H:%M"', ","),
    "no header": (None, "%Y-%m-%d %H:%M:%S", ","),
}


@pytest.mark.parametrize("form", CSV_FORMS)
def test_any_csv_with_the_usual_columns(tmp_path, form):
    header, pattern, delimiter = CSV_FORMS[form]
    lines = [header] if header else []
    for i in (3, 2, 1, 0):  # newest first, as some sites give it
        moment = datetime.fromtimestamp(ms(i) / 1000, UTC)
        text = str(ms(i) // 1000) if pattern == "%s" else moment.strftime(pattern)
        lines.append(delimiter.join([text, *map(str, values(i))]))
    (tmp_path / "Binance_BTCUSDT_5m.csv").write_text("\n".join(lines))
    assert_places(batches(tmp_path), range(4))


def hours(times: list[str], dates="2024-01-01", header="Date,Time,Open,High,Low,Close,Volume"):
    lines = [f"{dates},{time}," + ",".join(map(str, values(i))) for i, time in enumerate(times)]
    return "\n".join([header, *lines]) + "\n"


def test_date_and_time_of_day_in_two_columns(tmp_path):
    for name, text in {
        "seconds": hours([f"00:{i * 5:02}:00" for i in range(4)]),
        "minutes": hours([f"00:{i * 5:02}" for i in range(4)]),
        "time first": hours(
            [f"2024-01-01,00:{i * 5:02}" for i in range(4)], "x", "y,Date,Time,o,h,l,c,v"
        ),
        "whole date": hours(
            [f"2024-01-01 00:{i * 5:02}:00,x" for i in range(4)], "x", "y,date,time,o,h,l,c,v"
        ),
        "whole time": hours([str(ms(i)) for i in range(4)]),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "BTCUSDT-5m.csv").write_text(text)
        assert_places(batches(tmp_path / name), range(4))


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ns"), pa.string()])
def test_parquet_with_date_and_time_of_day(tmp_path, kind):
    o, h, low, c, v = np.array([values(i) for i in range(4)]).T
    date = pa.array(["2024-01-01"] * 4).cast(kind)
    time = pa.array([i * STEP * 1000 for i in range(4)], pa.time64("us"))
    table = pa.table({"date": date, "time": time, "o": o, "h": h, "l": low, "c": c, "v": v})
    pq.write_table(table, tmp_path / "BTC_USDT_5m.parquet")
    assert_places(batches(tmp_path), range(4))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["000000", "000500", "001000"], "time of day is not understood: 0; write it as HH:MM:SS"),
        (["noon", "one", "two"], "time of day is not understood: 'noon'"),
        (["00:05", "", "00:15"], "missing in 1 rows"),
    ],
)
def test_a_time_of_day_that_is_not_understood_is_refused(tmp_path, times, message):
    (tmp_path / "BTCUSDT-5m.csv").write_text(hours(times))
    with pytest.raises(SourceError, match=message) as caught:
        batches(tmp_path)
    assert str(tmp_path / "BTCUSDT-5m.csv") in str(caught.value)


@pytest.mark.parametrize("first", [202401010000, 20240101, 20240101000000, 0])
def test_numbers_that_are_no_epoch_are_refused(tmp_path, first):
    lines = [f"{first + 5 * i}," + ",".join(map(str, values(i))) for i in range(4)]
    path = tmp_path / "BTCUSDT-5m.csv"
    path.write_text("\n".join(["time,open,high,low,close,volume", *lines]))
    with pytest.raises(SourceError, match=f"none of 2009 to 2099 .the first is {first}") as caught:
        batches(tmp_path)
    assert str(path) in str(caught.value)
    # one odd row among sound ones is for the quarantine to judge
    path.write_text(
        "time,open,high,low,close,volume\n"
        + "\n".join([lines[0], *(f"{ms(i)}," + ",".join(map(str, values(i))) for i in range(3))])
    )
    assert len(read_file(path, "BTC")) == 4


def test_title_line_byte_order_mark_and_gzip(tmp_path):
    text = "\ufeffhttps://example.org\nopen,high,low,close,volume,date\n"
    text += "".join(",".join(map(str, [*values(i), ms(i)])) + "\r\n" for i in range(3))
    with gzip.open(tmp_path / "BTC-USDT-5m.csv.gz", "wb") as file:
        file.write(text.encode())
    assert_places(batches(tmp_path), range(3))
    (tmp_path / "ETHUSDT-5m.csv").write_bytes(b"\xef\xbb\xbf" + binance(range(3)).encode())
    assert_places(batches(tmp_path, "ETH/USDT"), range(3))


@pytest.mark.parametrize(
    "times",
    [
        pa.array([ms(i) for i in range(4)], pa.int64()),
        pa.array([ms(i) / 1000 for i in range(4)], pa.float64()),
        pa.array([ms(i) * 1000 for i in range(4)], pa.int64()),
        pa.array([ms(i) for i in range(4)], pa.timestamp("ms")),
        pa.array([ms(i) for i in range(4)], pa.timestamp("ms", "America/Mexico_City")),
        pa.array([ms(i) * 10**6 for i in range(4)], pa.timestamp("ns")),
        pa.array([f"2024-01-01T00:{i * 5:02}:00" for i in range(4)]),
        pa.array([f"2024-01-01T02:{i * 5:02}:00+02:00" for i in range(4)]).dictionary_encode(),
    ],
    ids=["ms", "s", "us", "naive", "zone", "ns", "text", "offset"],
)
def test_parquet_with_any_kind_of_time(tmp_path, times):
    o, h, low, c, v = np.array([values(i) for i in range(4)]).T
    table = pa.table(
        {"more": o, "Time": times, "low": low, "Close": c, "high": h, "open": o, "Volume": v}
    )
    pq.write_table(table, tmp_path / "BTC_USDT_5m.parquet", row_group_size=2)
    assert_places(batches(tmp_path), range(4))


def test_parquet_with_integer_prices_and_absent_values(tmp_path):
    table = pa.table(
        {
            "date": pa.array([ms(0), ms(1)]),
            **{name: pa.array([3, 4], pa.int32()) for name in ("open", "high", "low", "close")},
            "volume": pa.array([None, 2.0]),
        }
    )
    pq.write_table(table, tmp_path / "BTC_USDT-5m.parquet")
    (rows,) = batches(tmp_path)
    assert rows.open.tolist() == [3.0, 4.0]
    assert np.isnan(rows.volume[0]) and rows.volume[1] == 2.0


def test_daily_dates_without_a_time(tmp_path):
    text = "Date,Open,High,Low,Close,Volume\n2024-01-01,1,1,1,1,1\n2024-01-02,1,1,1,1,1\n"
    (tmp_path / "BTC_USDT-1d.csv").write_text(text)
    (rows,) = batches(tmp_path, timeframe="1d")
    assert rows.open_time.tolist() == [T0, T0 + 86_400_000]


def test_folder_file_glob_and_relative_path(tmp_path):
    freqtrade(tmp_path / "a/b/BTC_USDT-5m.feather", range(3))
    freqtrade(tmp_path / "a/c [old]/BTC_USDT-5m.feather", range(3, 6))
    for archive, places in (
        (tmp_path, range(6)),
        (tmp_path / "a/b/BTC_USDT-5m.feather", range(3)),
        (tmp_path / "*/b/*.feather", range(3)),
        (tmp_path / "**/*.feather", range(6)),
        (tmp_path / "a/*", range(6)),
        (tmp_path / "a/c [old]", range(3, 6)),
    ):
        assert_places(batches(archive), places)
    relative = ArchiveSource("a/b", tmp_path).candles("BTC/USDT", "5m", *EVER)
    assert_places(list(relative), range(3))


def test_undated_files_that_overlap_are_one_batch(tmp_path):
    freqtrade(tmp_path / "z/BTC_USDT-5m.feather", range(5))
    freqtrade(tmp_path / "y/BTC_USDT-5m.feather", range(3, 8))
    freqtrade(tmp_path / "x/BTC_USDT-5m.feather", range(20, 25))
    found = batches(tmp_path)
    assert [len(batch) for batch in found] == [10, 5]
    assert_places(found, [0, 1, 2, 3, 3, 4, 4, 5, 6, 7, *range(20, 25)])


def test_only_closed_candles_of_the_range(tmp_path, monkeypatch):
    freqtrade(tmp_path / "BTC_USDT-5m.feather", range(10))
    assert_places(batches(tmp_path, window=(ms(2), ms(4))), [2, 3])
    assert batches(tmp_path, window=(ms(50), ms(60))) == []
    monkeypatch.setenv(AS_OF_VARIABLE, "2024-01-01T00:15:00Z")
    assert_places(batches(tmp_path), [0, 1, 2])
    monkeypatch.setenv(AS_OF_VARIABLE, "2024-01-01T00:14:59.999Z")
    assert_places(batches(tmp_path), [0, 1])


def test_setting_tells_what_the_name_does_not(tmp_path):
    (tmp_path / "prices.csv").write_text(binance(range(4)))
    source = ArchiveSource("prices.csv", tmp_path, symbol="BTC/USDT", timeframe="5m")
    assert_places(list(source.candles("BTC/USDT", "5m", *EVER)), range(4))
    with pytest.raises(SourceError, match="no 5m candles of ETH/USDT; found PRICES of a timeframe"):
        list(source.candles("ETH/USDT", "5m", *EVER))
    with pytest.raises(SourceError, match="no 1h candles of BTC/USDT"):
        list(source.candles("BTC/USDT", "1h", *EVER))
    (tmp_path / "prices.csv").rename(tmp_path / "BTC-USDT.csv")
    source = ArchiveSource(str(tmp_path), Path("/"), timeframe="5m")
    assert_places(list(source.candles("BTC/USDT", "5m", *EVER)), range(4))
    with pytest.raises(SourceError, match="does not tell"):
        batches(tmp_path)


def test_setting_does_not_overrule_a_name(tmp_path):
    freqtrade(tmp_path / "ETH_USDT-5m.feather", range(4))
    source = ArchiveSource(str(tmp_path), Path("/"), symbol="BTC/USDT", timeframe="5m")
    with pytest.raises(SourceError, match="found ETH/USDT 5m"):
        list(source.candles("BTC/USDT", "5m", *EVER))


def test_empty_setting_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="ARCHIVE"):
        ArchiveSource(" ", tmp_path)


def test_what_is_not_there_is_answered_with_what_is(tmp_path):
    with pytest.raises(SourceError, match="nowhere: there is no such file or folder"):
        batches(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="nor any other candle file"):
        batches(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".BTC_USDT-5m.csv").write_text("x")
    with pytest.raises(SourceError, match="nor any other candle file"):
        batches(tmp_path / "*")
    freqtrade(tmp_path / "ETH_USDT-5m.feather", range(3))
    freqtrade(tmp_path / "BTC_USDT-1h.feather", range(0, 36, 12))
    with pytest.raises(SourceError, match="no 5m candles of BTC/USDT; found BTC/USDT 1h, ETH"):
        batches(tmp_path)
    with pytest.raises(SourceError, match=r"1h candles of it, but candles are not resampled"):
        batches(tmp_path, timeframe="4h")
    for i in range(30):
        freqtrade(tmp_path / f"C{i:02}_USDT-5m.feather", [0])
    with pytest.raises(SourceError, match="and 12 more"):
        batches(tmp_path, "SOL/USDT")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("BTC_USDT-5m.csv", b"", "empty"),
        ("BTC_USDT-5m.csv", b"a\nb\nc\n", "single column"),
        ("BTC_USDT-5m.csv", b"1,2,3\n", "no header, and 3 columns"),
        ("BTC_USDT-5m.csv", b"date,open,high,low,last_trade\n1,1,1,1,1\n", "close, volume among"),
        ("BTC_USDT-5m.csv", b"date,o,h,l,c,v\n1,2,3\n", "cannot be read"),
        ("BTC_USDT-5m.csv", b"date,o,h,l,c,v\n1704067200,1,1,1,x,1\n", "cannot be read"),
        ("BTC_USDT-5m.csv", b"date,o,h,l,c,v\nsoon,1,1,1,1,1\n", "not understood"),
        ("BTC_USDT-5m.csv", b"date,o,h,l,c,v\n,1,1,1,1,1\n1704067200,1,1,1,1,1\n", "1 rows"),
        ("BTC_USDT-5m.csv", b"date,o,h,l,c,v\ntrue,1,1,1,1,1\n", "no time"),
        ("BTC_USDT-5m.csv.gz", b"\x1f\x8b no gzip", "cannot be read"),
        ("BTC_USDT-5m.zip", b"PK no zip", "cannot be read"),
        ("BTC_USDT-5m.feather", b"no feather", "cannot be read"),
        ("BTC_USDT-5m.parquet", b"PAR1 no parquet PAR1", "cannot be read"),
    ],
)
def test_unusable_file_is_named_with_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        batches(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_files_cut_short_are_refused(tmp_path):
    freqtrade(tmp_path / "f/BTC_USDT-5m.feather", range(5000))
    zipped(tmp_path / "z/BTC_USDT-5m.zip", "x.csv", binance(range(500)))
    with gzip.open(tmp_path / "BTC_USDT-5m.csv.gz", "wb") as file:
        file.write(binance(range(5000)).encode())
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        content = path.read_bytes()
        for part in (0.5, 0.9):
            path.write_bytes(content[: int(len(content) * part)])
            with pytest.raises(SourceError, match=path.name):
                read_file(path, "BTC")


def test_zip_that_is_damaged_holds_no_csv_or_would_fill_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "BTCUSDT-5m-2024-01.zip"
    zipped(path, "readme.txt", "hello")
    with pytest.raises(SourceError, match=r"no CSV file \(in it: readme.txt\)"):
        batches(tmp_path)
    zipped(path, "x.csv", binance(range(500)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read"):
        batches(tmp_path)
    zipped(path, "x.csv", binance(range(500)))
    monkeypatch.setattr(archive_files, "MAX_MEMBER_BYTES", 1000)
    with pytest.raises(SourceError, match=r"x\.csv in it would unpack to"):
        batches(tmp_path)


def test_zip_that_understates_its_size_is_not_unpacked_beyond_it(tmp_path):
    path = tmp_path / "BTCUSDT-5m-2024-01.zip"
    text = binance(range(3)) + "0" * 5_000_000
    zipped(path, "x.csv", text)
    real = len(text).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(real, (300).to_bytes(4, "little")))
    with pytest.raises(SourceError, match="cannot be read"):
        batches(tmp_path)


def test_candles_of_another_length_than_the_name_says_are_refused(tmp_path):
    path = tmp_path / "BTC_USDT-15m.feather"
    freqtrade(path, range(20))
    with pytest.raises(SourceError, match="holds candles of 5m, not 15m"):
        batches(tmp_path, timeframe="15m")
    path.unlink()
    freqtrade(tmp_path / "BTC_USDT-5m.feather", range(0, 1200, 12))
    with pytest.raises(SourceError, match="holds candles of 1h, not 5m"):
        batches(tmp_path)
    freqtrade(tmp_path / "BTC_USDT-5m.feather", [*range(0, 1200, 12), 1201])
    assert len(concat(batches(tmp_path))) == 101  # a market that seldom trades


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTC_USDT-5m.feather", "BTCUSDT", "5m"),
        ("BTCUSDT-5m-2024-01.zip", "BTCUSDT", "5m"),
        ("btcusdt_1H.csv", "BTCUSDT", "1h"),
        ("BTC-USDT 15min.parquet", "BTCUSDT", "15m"),
        ("Kraken_BTCUSD_1d.csv", "BTCUSD", "1d"),
        ("1000PEPEUSDT-1mo-2024-01.zip", "1000PEPEUSDT", "1mo"),
        ("BTCUSDT-1M.csv", "BTCUSDT", "1mo"),
        ("5m.csv", None, "5m"),
        ("candles.csv", "CANDLES", None),
    ],
)
def test_names(name, symbol, timeframe):
    told = read_name(Path("/data") / name)
    assert told is not None and (told.symbol, told.timeframe) == (symbol, timeframe)


@pytest.mark.parametrize(
    "name", ["x.txt", "BTCUSDT-5m-2024-01.zip.CHECKSUM", ".BTC_USDT-5m.csv", "a/b.pkl"]
)
def test_other_files_are_no_candle_files(name):
    assert read_name(Path(name)) is None


def test_month_and_day_of_a_binance_name():
    def span(name: str):
        return read_name(Path(name)).span_ms

    assert span("BTCUSDT-5m-2024-12.zip") == (
        parse_iso("2024-12-01"),
        parse_iso("2025-01-01"),
    )
    assert span("BTCUSDT-5m-2024-02-29.csv") == (parse_iso("2024-02-29"), parse_iso("2024-03-01"))
    # a date in another form of name may be that of the download: nothing is skipped by it
    assert span("BTC_USDT-5m-2024-01-03.csv") is None
    assert span("BTCUSDT-5m-2024-13.zip") is None
    assert span("BTCUSDT-5m.zip") is None


def test_pairs_are_guessed_from_the_usual_quotes():
    assert as_pair("ETHBTC") == "ETH/BTC" and as_pair("BTCUSDTUSDT") == "BTC/USDT:USDT"
    assert as_pair("BTCTUSD") == "BTC/TUSD" and as_pair("USDCUSDT") == "USDC/USDT"
    assert as_pair("PRICES") is None and as_pair("USDT") is None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.integers(parse_iso("1980-01-01") // 1000, parse_iso("2100-01-01") // 1000), min_size=1
    ),
    st.sampled_from([1, 1000, 10**6, 10**9]),
)
def test_unit_of_an_epoch_number_is_told_by_its_size(seconds, factor):
    whole = np.array([s * factor for s in seconds], dtype=np.int64)
    expected = [s * 1000 for s in seconds]
    assert epoch_ms(whole).tolist() == expected
    assert epoch_ms(whole.astype(float)).tolist() == expected


def test_archive_does_not_import_pandas(tmp_path):
    freqtrade(tmp_path / "BTC_USDT-5m.feather", range(9))
    zipped(tmp_path / "ETHUSDT-5m-2024-01.zip", "x.csv", binance(range(9)))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bot_cripto.market.archive import ArchiveSource\n"
        "source = ArchiveSource(sys.argv[1], Path('/'))\n"
        "for symbol in ('BTC/USDT', 'ETH/USDT'):\n"
        "    print(*(len(b) for b in source.candles(symbol, '5m', 0, 10**14)))\n"
        "print(*(m for m in ('pandas', 'pyarrow.dataset') if m in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["9", "9", ""]
