"""What the commands that only look answer: made from the files that everybody else reads too."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

from bot_cripto import clock
from bot_cripto.drift.history import read_history, relative_drop
from bot_cripto.errors import BotCriptoError, DataError
from bot_cripto.execution.portfolio import portfolio
from bot_cripto.execution.portfolio_text import text
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.store import Ledger
from bot_cripto.models.champion import Champion, read_champion
from bot_cripto.notify.command_texts import COMMANDS, TEXTS, drift_status, duration
from bot_cripto.notify.texts import headed, mode_of, moment, number, percent
from bot_cripto.signals.explain import explain
from bot_cripto.signals.publish import signal_path
from bot_cripto.timeframes import parse_iso

RECENT = 50
"""How many of the last outcomes are told apart."""

EARLIER = 3
"""How many earlier champions are shown."""


class Answers:
    """Pages of text on one state, in the language of the settings.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    settings : dict
        The effective settings.
    """

    def __init__(self, layout: Layout, settings: dict[str, Any]) -> None:
        self._layout = layout
        self._settings = settings
        self._language = settings["language"]
        self._texts = TEXTS[self._language]
        self._mode = mode_of(settings, "live" if settings["live_mode"] else "paper")

    def say(self, name: str, /, **values: object) -> str:
        """Return the text of that name, filled in."""
        return self._texts[name].format(**values)

    def symbols(self, argument: str) -> list[str]:
        """Return the configured symbol that a person means (``btc``, ``BTC_USDT``), or all.

        Raises
        ------
        DataError
            None of that name is configured; the text lists those that are.
        """
        known: list[str] = self._settings["symbols"]
        if not argument:
            return known
        asked = argument.upper().replace("_", "/").replace("-", "/")
        found = [symbol for symbol in known if asked in (symbol, symbol.split("/")[0])]
        if not found:
            raise DataError(self.say("no_symbol", symbol=argument[:40], known=", ".join(known)))
        return found[:1]

    def help(self) -> str:
        """Every command with what it does."""
        lines = [f"/{name} {self.say(f'{name}.help')}" for name in COMMANDS]
        return headed(self._mode, self.say("help"), *lines)

    def status(self) -> str:
        """Mode, the last signal of each symbol, switches, ledgers."""
        name, timeframe = self._settings["source_name"], self._settings["timeframe"]
        lines = [self._signal_line(symbol) for symbol in self._settings["symbols"]]
        return headed(self._mode, f"{name} {timeframe}", *lines, self.switches(), *self._ledgers())

    def switches(self) -> str:
        """Whether entries are stopped, by whom and why."""
        killed, paused = control.killed(self._layout.control), control.paused(self._layout.control)
        reasons = "; ".join(text for text in (killed, paused) if text)
        return self.say("entries_stopped", reasons=reasons) if reasons else self.say(
            "entries_allowed"
        )  # fmt: skip

    def signal(self, argument: str) -> str:
        """The last signal of a symbol, or of every one, in a few lines."""
        lines = [self._signal_line(symbol) for symbol in self.symbols(argument)]
        return headed(self._mode, lines[0], *lines[1:])

    def why(self, argument: str) -> str:
        """The page of `explain` on a symbol's last signal; without a name the first one's."""
        symbol = self.symbols(argument)[0]
        try:
            document = self._document(symbol)
        except FileNotFoundError:
            return headed(self._mode, self.say("no_signal", symbol=symbol))
        return explain(document, lang=self._language)

    def portfolio(self) -> str:
        """The page of ``bot-cripto portfolio``."""
        found = portfolio(self._layout, self._settings, clock.system_ms())
        return text(found, self._language)

    def performance(self, argument: str) -> str:
        """How often forecasts were right, and what signals brought after costs."""
        lines = [self._performance(symbol) for symbol in self.symbols(argument)]
        return headed(self._mode, lines[0], *lines[1:])

    def drift(self, argument: str) -> str:
        """Whether the hit rate has fallen, as ``bot-cripto detect-drift`` tells it."""
        lines = []
        for symbol in self.symbols(argument):
            rows = self._history(symbol)
            if isinstance(rows, str):
                lines.append(rows)
                continue
            result = relative_drop(rows)
            status = drift_status(result.status, self._language)
            lines.append(self.say("drift", symbol=symbol, status=status, reason=result.reason))
        return headed(self._mode, lines[0], *lines[1:])

    def versions(self) -> str:
        """Which models each symbol uses, since when and why, and those before."""
        lines = []
        for symbol in self._settings["symbols"]:
            champion = read_champion(self._layout.models, symbol)
            if champion is None:
                lines.append(self.say("no_champion", symbol=symbol))
                continue
            lines.append(
                self.say(
                    "champion",
                    symbol=symbol,
                    since=moment(parse_iso(champion.promoted_at)),
                    provisional=self.say("provisional") if champion.provisional else "",
                    kinds=kinds_of(champion),
                    reason=champion.reason,
                )
            )
            for past in champion.history[:EARLIER]:
                since = moment(parse_iso(past.promoted_at))
                lines.append(self.say("before", kinds=kinds_of(past), since=since))
        return headed(self._mode, lines[0], *lines[1:])

    def _document(self, symbol: str) -> dict[str, Any]:
        path = signal_path(self._layout.logs, symbol)
        try:
            document = json.loads(path.read_bytes())
        except ValueError as error:
            raise DataError(f"{path.name}: {error}") from None
        if not isinstance(document, dict):
            raise DataError(f"{path.name}: is no signal")
        return document

    def _signal_line(self, symbol: str) -> str:
        now = clock.system_ms()
        try:
            document = self._document(symbol)
            candle, valid = document["candle_close_time"], document["valid_until"]
            expired = valid is None or parse_iso(valid) < now
            return self.say(
                "signal_line",
                symbol=symbol,
                decision=document["decision"],
                candle=moment(parse_iso(candle)) if candle else self.say("no_candle"),
                age=duration(now - parse_iso(document["ts"])),
                expired=self.say("past_validity") if expired else "",
                reason=document["reason"],
            )
        except FileNotFoundError:
            return self.say("no_signal", symbol=symbol)
        except (OSError, ValueError, KeyError, TypeError, DataError) as error:
            return self.say("unreadable", symbol=symbol, error=error)

    def _ledgers(self) -> list[str]:
        lines = []
        quote = self._settings["symbols"][0].partition("/")[2].partition(":")[0]
        for account in ("paper", "live"):
            path = self._layout.ledger(account)
            if not path.exists():
                continue
            try:
                with Ledger.open(path, readonly=True) as ledger:
                    mark = ledger.last_mark()
            except BotCriptoError as error:
                lines.append(self.say("ledger_bad", account=account.upper(), error=error))
                continue
            if mark is None:
                lines.append(self.say("ledger_empty", account=account))
                continue
            equity, candle = number(mark.equity, self._language), moment(mark.candle_ms)
            lines.append(
                self.say("ledger", account=account, equity=equity, quote=quote, candle=candle)
            )
        return lines or [self.say("ledger_none")]

    def _history(self, symbol: str) -> list[dict[str, Any]] | str:
        """Return the rows of a symbol's performance, or the sentence why there are none."""
        path: Path = self._layout.performance(symbol)
        if not path.exists():
            return self.say("no_history", symbol=symbol)
        try:
            return read_history(path) or self.say("no_history", symbol=symbol)
        except DataError as error:
            return self.say("history_bad", symbol=symbol, error=error)

    def _performance(self, symbol: str) -> str:
        rows = self._history(symbol)
        if isinstance(rows, str):
            return rows
        try:
            return self._summary(symbol, rows)
        except (KeyError, TypeError, ValueError) as error:
            return self.say("history_bad", symbol=symbol, error=repr(error))

    def _summary(self, symbol: str, rows: list[dict[str, Any]]) -> str:
        hits = [row["metric"] for row in rows]
        page = self.say(
            "performance",
            symbol=symbol,
            count=len(rows),
            since=moment(parse_iso(rows[0]["ts"])),
            hits=percent(fmean(hits), self._language, 1),
            recent=len(hits[-RECENT:]),
            recent_hits=percent(fmean(hits[-RECENT:]), self._language, 1),
            forecast=self._return(fmean(row["expected_return"] for row in rows)),
            outcome=self._return(fmean(row["realised_return"] for row in rows)),
        )
        nets = [row["net_return_after_cost"] for row in rows]
        nets = [net for net in nets if net is not None]
        if not nets:
            return f"{page}\n{self.say('no_results')}"
        results = self.say(
            "results",
            count=len(nets),
            mean=self._return(fmean(nets)),
            total=self._return(sum(nets)),
            won=sum(net > 0 for net in nets),
        )
        return f"{page}\n{results}"

    def _return(self, ratio: float) -> str:
        return percent(ratio, self._language, 3, sign=True)


def kinds_of(champion: Champion) -> str:
    """Return the versions of a champion on one line."""
    return ", ".join(f"{kind} {use.version}" for kind, use in sorted(champion.kinds.items()))
