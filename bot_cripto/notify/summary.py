"""The daily summary: what a UTC day brought, in words and a picture."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from bot_cripto.errors import BotCriptoError, BusyError
from bot_cripto.execution.account import Account
from bot_cripto.execution.drawdown import DAY_MS, Drawdown, day_start, week_start
from bot_cripto.layout import Layout
from bot_cripto.ledger.events import Mark
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.notify import texts
from bot_cripto.notify.outbox import Message
from bot_cripto.notify.signal_news import DRIFT_GATE, FAILED
from bot_cripto.timeframes import iso, parse_iso

log = logging.getLogger(__name__)

MONTH_MS = 30 * DAY_MS
HOUR_MS = 3_600_000
LEAST_MARKS = 2


def day_before(now_ms: int) -> str:
    """Return the UTC day before a moment, e.g. ``2024-09-05``."""
    return iso(day_start(now_ms) - DAY_MS)[:10]


def day_start_of(day: str) -> int:
    """Return 00:00 UTC of a day, milliseconds since the epoch."""
    return parse_iso(day)


def is_due(told: str, settings: dict[str, Any], now_ms: int) -> bool:
    """Return whether the day before is to be summed up now.

    Parameters
    ----------
    told : str
        The last day that was, e.g. ``2024-09-05``.
    """
    hour = (now_ms - day_start(now_ms)) // HOUR_MS
    return told < day_before(now_ms) and hour >= settings["summary_hour"]


def build(layout: Layout, settings: dict[str, Any], day_ms: int, lost: int, now_ms: int) -> Message:
    """Return the summary of a day.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        Effective settings.
    day_ms : int
        00:00 UTC of the day, milliseconds since the epoch.
    lost : int
        Messages that were given up on that day.
    now_ms : int
        When it is made.

    Raises
    ------
    BusyError
        Journal or ledger are being written; the next time will do.
    """
    language = settings["language"]
    live = settings["live_mode"] and layout.ledger("live").exists()
    account = "live" if live else "paper"
    mode = texts.mode_of(settings, account)
    day = iso(day_ms)[:10]
    equity, picture = _equity(layout, settings, account, day_ms, mode, language)
    lines = [
        *equity,
        *_signals(layout, settings, day_ms, language),
        texts.lost(lost, language),
        "" if picture else texts.say(language, "no_picture"),
    ]
    text = texts.headed(mode, texts.say(language, "summary", day=day), *lines)
    return Message(f"summary:{layout.key}:{day}", "summary", now_ms, text, picture)


def _signals(layout: Layout, settings: dict[str, Any], day_ms: int, language: str) -> list[str]:
    """Return the lines on signals, failures and drift."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    try:
        with Journal.open(layout.journal, readonly=True) as journal:
            for symbol in settings["symbols"]:
                # a candle belongs to the day in which it was open
                for document in journal.since(symbol, day_ms + 1, day_ms + DAY_MS + 1):
                    last[symbol, document["candle_close_time"]] = document
    except FileNotFoundError:
        log.debug("there is no journal yet")
    except BusyError:
        raise
    except BotCriptoError as error:
        what = texts.say(language, "signals_file")
        return [texts.say(language, "unreadable", what=what, problem=error)]
    if not last:
        return [texts.say(language, "no_signals")]
    decisions = [document["decision"] for document in last.values()]
    failed = sum(document["reason"].startswith(FAILED) for document in last.values())
    drifted = [
        symbol
        for symbol, document in {key[0]: value for key, value in last.items()}.items()
        if any(g["name"] == DRIFT_GATE and (g["value"] or 0) > 0 for g in document["gates"])
    ]
    counts = {
        "long": decisions.count("LONG"),
        "short": decisions.count("SHORT"),
        "none": decisions.count("NO_TRADE"),
    }
    return [
        texts.say(language, "signals", **counts),
        texts.say(language, "failures", count=failed, all=len(last))
        if failed
        else texts.say(language, "no_failures"),
        texts.say(language, "drift_in", symbols=", ".join(drifted))
        if drifted
        else texts.say(language, "no_drift"),
    ]


def _equity(
    layout: Layout, settings: dict[str, Any], account: str, day_ms: int, mode: str, language: str
) -> tuple[list[str], bytes | None]:
    """Return the lines on equity and trades, and the picture of equity."""
    until = day_ms + DAY_MS
    try:
        with Ledger.open(layout.ledger(account), readonly=True) as ledger:
            marks = [m for m in ledger.marks(until - MONTH_MS) if m.candle_ms <= until]
            loaded = Account.load(ledger, settings)
    except FileNotFoundError:
        return [texts.say(language, "no_equity")], None
    except BusyError:
        raise
    except BotCriptoError as error:
        what = texts.say(language, "ledger_file", account=account)
        return [texts.say(language, "unreadable", what=what, problem=error)], None
    trades = [trade for trade in loaded.trades if day_ms <= trade.exit_ms < until]
    lines = _marked(marks, loaded, day_ms, language)
    if trades:
        net = sum((trade.net for trade in trades), Decimal(0))
        amount = texts.number(net, language, sign=True)
        won = sum(trade.net > 0 for trade in trades)
        lines.append(
            texts.say(
                language, "trades", count=len(trades), won=won, net=amount, quote=loaded.quote
            )
        )
    else:
        lines.append(texts.say(language, "no_trades"))
    held = [f"{position.symbol} {position.side}" for position in loaded.positions.values()]
    if held:
        lines.append(texts.say(language, "open", positions=", ".join(held)))
    return lines, _picture(marks, mode, loaded.quote, language)


def _marked(marks: Sequence[Mark], account: Account, day_ms: int, language: str) -> list[str]:
    """Return the lines on equity, results and drawdowns."""
    if not marks:
        return [texts.say(language, "no_equity")]
    until = day_ms + DAY_MS
    equity = marks[-1].equity
    week_ms = week_start(day_ms)
    results, depths = {}, {}
    for name, since in (("day", day_ms), ("week", week_ms)):
        before = [mark.equity for mark in marks if mark.candle_ms <= since]
        start = before[-1] if before else account.initial_equity
        change = equity - start
        results[name] = texts.say(
            language,
            "amount",
            amount=texts.number(change, language, sign=True),
            quote=account.quote,
            share=texts.percent(float(change / start) if start else 0.0, language, sign=True),
        )
        period = Drawdown.begin(since, start)
        for mark in marks:
            if since < mark.candle_ms <= until:
                period.add(mark.equity)
        depths[name] = texts.percent(period.depth, language)
    peak = max(account.initial_equity if len(marks) == 1 else marks[0].equity,
               *(mark.equity for mark in marks))  # fmt: skip
    month = texts.percent(float((peak - equity) / peak) if peak > 0 else 1.0, language)
    return [
        texts.say(language, "equity", equity=texts.number(equity, language), quote=account.quote),
        texts.say(language, "result", **results),
        texts.say(language, "drawdown", **depths, month=month),
    ]


def _picture(marks: Sequence[Mark], mode: str, quote: str, language: str) -> bytes | None:
    """Return the picture of equity; None where there is too little to show or it cannot be."""
    if len(marks) < LEAST_MARKS:
        return None
    from bot_cripto.notify.chart import equity_chart

    times = [mark.candle_ms for mark in marks]
    values = [float(mark.equity) for mark in marks]
    # the words are worth sending whatever is wrong with the picture
    with suppress(ImportError, OSError, RuntimeError, ValueError):
        return equity_chart(times, values, mode=mode, quote=quote, language=language)
    log.warning("the picture of equity could not be drawn")
    return None
