"""Forecast, decide and write the stamped signal of the last closed candle, for all symbols."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bot_cripto import atomic, clock
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import BotCriptoError, LedgerError
from bot_cripto.execution.desk import decide_all, facts_of
from bot_cripto.execution.state import outlook
from bot_cripto.inference.signals import Seen, failed_case, look_at, write_signal
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.signals.document import Provenance
from bot_cripto.timeframes import parse_candle_id
from bot_cripto.workflow.jobs import job, provenance

log = logging.getLogger("bot_cripto")


def make_signals(layout: Layout, settings: dict[str, Any], candle: str) -> None:
    """Make the signal of one candle, for every symbol."""
    folder, close_ms = layout.live(candle), parse_candle_id(candle)
    seen: dict[str, Seen] = {}
    for symbol in settings["symbols"]:
        try:
            seen[symbol] = look_at(layout, settings, folder, symbol)
        except (BotCriptoError, OSError, ValueError) as error:
            failed = f"make_signals: {error}"
            seen[symbol] = Seen(failed_case(failed), {}, failed)
    view = outlook(layout, settings, close_ms)
    cases = {symbol: found.case for symbol, found in seen.items()}
    rulings = decide_all(cases, view.risks, view.correlated, policy_of(settings))
    failures = {symbol: found.failed for symbol, found in seen.items() if found.failed}
    with open_journal(layout) as journal:
        for symbol, ruling in rulings.items():
            origin = Provenance(**provenance(), **seen[symbol].hashes)
            facts = facts_of(
                settings, symbol, close_ms, clock.now_ms(), origin, live=settings["live_mode"]
            )
            document = write_signal(folder, ruling, facts, view.problem, journal)
            log.info("%s: %s. %s", symbol, document["decision"], document["reason"])
    summary = "; ".join(f"{symbol}: {text}" for symbol, text in failures.items())
    atomic.write_json(folder / "signals.status.json", {"error": summary or None})


@contextmanager
def open_journal(layout: Layout) -> Iterator[Journal | None]:
    """Open the journal for reading; None where there is none yet or it is damaged.

    A damaged one is no reason to stay silent here: publishing, which writes it, says so.
    """
    try:
        journal = Journal.open(layout.journal, readonly=True)
    except (FileNotFoundError, LedgerError):
        yield None
        return
    with journal:
        yield journal


if __name__ == "__main__":
    job(make_signals, "candle")
