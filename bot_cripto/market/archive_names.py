"""What the name of a candle file tells: symbol, timeframe, month or day, spot or futures.

Names read: those of Binance public data (``BTCUSDT-5m-2024-01.zip``, ``…-2024-01-03.csv``), of
freqtrade (``BTC_USDT-5m.feather``, ``BTC_USDT_USDT-5m-futures.feather``), and any of the form
SYMBOL, timeframe, anything, parted by ``-``, ``_`` or blanks, an exchange's name first or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath

SUFFIXES = (".csv.gz", ".csv", ".zip", ".feather", ".parquet")

_TIMEFRAME = re.compile(r"[1-9]\d{0,3}(?:s|m|min|[hH]|[dD]|w|mo|M)")
_BINANCE = re.compile(r"[A-Z0-9]+-\w+-(\d{4})-(\d{2})(?:-(\d{2}))?")
_EXCHANGES = frozenset(
    {
        "BINANCE",
        "BINANCEUS",
        "BITFINEX",
        "BITGET",
        "BITSO",
        "BITSTAMP",
        "BYBIT",
        "COINBASE",
        "GATEIO",
        "GEMINI",
        "KRAKEN",
        "KUCOIN",
        "MEXC",
        "OKX",
    }
)
_QUOTES = (
    "FDUSD",
    "USDT",
    "USDC",
    "BUSD",
    "TUSD",
    "USD",
    "EUR",
    "GBP",
    "TRY",
    "BRL",
    "MXN",
    "ARS",
    "JPY",
    "AUD",
    "DAI",
    "BTC",
    "ETH",
    "BNB",
)
# candles of something else than trades, under names that look alike
_OTHER_PRICES = frozenset({"mark", "index", "premiumindex", "funding"})
_OTHER_FOLDERS = frozenset({"markPriceKlines", "indexPriceKlines", "premiumIndexKlines"})


@dataclass(frozen=True)
class FileName:
    """What the name of a file tells; None where it tells nothing.

    Attributes
    ----------
    symbol : str or None
        Upper-case letters and digits of all its parts, e.g. ``BTCUSDT`` (``BTCUSDTUSDT`` where
        freqtrade names the settlement currency).
    timeframe : str or None
        Like ``5m``; may be one that the bot does not know, e.g. ``1w``.
    futures : bool or None
        True or False where the name or its folders say ``futures`` or ``spot``.
    span_ms : (int, int) or None
        First and end (exclusive) of the month or day of a Binance file, milliseconds UTC.
    """

    symbol: str | None
    timeframe: str | None
    futures: bool | None = None
    span_ms: tuple[int, int] | None = None

    def is_of(self, symbol: str) -> bool:
        """Tell whether this is the name of a file of the symbol (``BTC/USDT``)."""
        pair, _, settle = symbol.partition(":")
        key = pair.replace("/", "")
        if settle:
            # a name that does not say futures is of the spot market, whose prices differ
            return self.futures is True and self.symbol in (key, key + settle)
        return self.futures is not True and self.symbol == key

    def describe(self) -> str:
        """Return the symbol and timeframe for people, e.g. ``BTC/USDT 5m``."""
        pair = as_pair(self.symbol) if self.symbol else "a symbol that the name does not tell"
        name = pair or self.symbol
        if self.futures and pair and ":" not in pair:
            name = f"{pair}:{pair.partition('/')[2]}"
        return f"{name} {self.timeframe or 'of a timeframe that the name does not tell'}"


def read_name(path: PurePath) -> FileName | None:
    """Return what a path tells, or None for a file that holds no candles of trades.

    Parameters
    ----------
    path : PurePath
        The whole path: the innermost folder named ``futures`` or ``spot`` tells which it is,
        unless the file's name does.
    """
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None or path.name.startswith(".") or _OTHER_FOLDERS.intersection(path.parts):
        return None
    stem = path.name[: -len(suffix)]
    words = [w for w in re.split(r"[-_ ]+", stem) if w]
    at = next((i for i, w in enumerate(words) if i and _TIMEFRAME.fullmatch(w)), None)
    if at is None and words and _TIMEFRAME.fullmatch(words[0]):
        at = 0
    after = [] if at is None else words[at + 1 :]
    if any(w.lower() in _OTHER_PRICES for w in after):
        return None
    before = [w.upper() for w in (words if at is None else words[:at])]
    if len(before) > 1 and before[0] in _EXCHANGES:
        before = before[1:]
    places = [w.lower() for w in (*path.parts[:-1], *after)]
    market = [p for p in places if p in ("futures", "spot")]
    futures = market[-1] == "futures" if market else None
    timeframe = None if at is None else _canonical(words[at])
    span = _BINANCE.fullmatch(stem)
    return FileName(
        re.sub(r"[^A-Z0-9]", "", "".join(before)) or None,
        timeframe,
        futures,
        _span_ms(*span.groups()) if span else None,
    )


def as_pair(name: str) -> str | None:
    """Return ``BTC/USDT`` for ``BTCUSDT`` by the usual quote currencies, None for other words.

    ``BTCUSDTUSDT``, as freqtrade's names of futures give it, is ``BTC/USDT:USDT``.
    """
    for quote in _QUOTES:
        base = name.removesuffix(quote)
        if base == name or not 2 <= len(base) <= 12:
            continue
        inner = base.removesuffix(quote)
        return f"{inner}/{quote}:{quote}" if inner != base and inner else f"{base}/{quote}"
    return None


def _canonical(word: str) -> str:
    if word.endswith(("mo", "M")):
        return word.replace("M", "mo")
    return word.lower().replace("min", "m")


def _span_ms(year: str, month: str, day: str | None) -> tuple[int, int] | None:
    try:
        first = datetime(int(year), int(month), int(day or 1), tzinfo=UTC)
    except ValueError:
        return None
    after = first + timedelta(days=1 if day else 32)
    end = after if day else after.replace(day=1)
    return round(first.timestamp() * 1000), round(end.timestamp() * 1000)
