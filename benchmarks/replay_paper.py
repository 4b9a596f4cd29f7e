"""Replay months of stored candles through the deployed decision and paper execution.

    python benchmarks/replay_paper.py --since 2024-03-08 --until 2024-09-06 \
        --config source=archive 'symbols=[BTC/USDT,ETH/USDT]' fees_bps=1

Needs a state (STATE_DIR) whose champions were trained before `--since` and whose store holds the
candles. Every candle goes through fills, risk state, decision, signal document, journal, plan and
ledger, as `snakemake signal` and `bot-cripto execute` do it, in one process. Afterwards equity,
drawdowns and the breaker are checked by a second, plain computation, and the state is rebuilt.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bot_cripto.backtest.track import make_track
from bot_cripto.backtest.walk import Walk
from bot_cripto.checkout import ROOT, own_layout
from bot_cripto.config import effective, load_settings
from bot_cripto.execution.book import Book
from bot_cripto.execution.replay import known_from, replay
from bot_cripto.ledger.events import OPEN
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Subject, load_champion
from bot_cripto.reach import REACH
from bot_cripto.timeframes import iso, parse_iso, timeframe_ms

DAY_MS = 86_400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--since", required=True)
    parser.add_argument("--until", required=True)
    parser.add_argument("--config", nargs="*", default=[])
    parser.add_argument("--keep", type=Path, help="folder for ledger and journal")
    given = parser.parse_args()
    overrides = {k: yaml.safe_load(v) for k, v in (item.split("=", 1) for item in given.config)}
    settings = effective(
        load_settings(ROOT / "config" / "config.yaml", os.environ, overrides), Path.cwd()
    )
    since, until = parse_iso(given.since), parse_iso(given.until)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        report = replay_stretch(settings, since, until, folder)
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in report.items()))
    if report["violations"]:
        sys.exit(1)


def replay_stretch(
    settings: dict[str, Any], since: int, until: int, folder: Path
) -> dict[str, Any]:
    """Walk the stretch with a ledger and a journal in `folder`; return what happened."""
    layout, step = own_layout(settings), timeframe_ms(settings["timeframe"])
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    begun = time.process_time()
    tracks = []
    for symbol in settings["symbols"]:
        before = since - (REACH + 8) * step
        candles = to_grid(
            store.read(symbol, before, until),
            settings["timeframe"],
            before,
            until,
            settings["fill_candles"],
        )
        champion = read_champion(layout.models, symbol)
        loaded = load_champion(layout.models, champion, Subject.of(settings, symbol))
        tracks.append(make_track(symbol, candles, settings, loaded, since))
    prepared = time.process_time() - begun
    decisions: Counter[str] = Counter()
    failing: Counter[str] = Counter()
    with (
        Book.open(folder / "paper.db", settings) as book,
        Journal.open(folder / "journal.db") as journal,
    ):

        def on_candle(close: int, rulings: dict[str, Any], documents: dict[str, Any]) -> None:
            for symbol, document in documents.items():
                risk = rulings[symbol].risk
                journal.append(journal.revised(document), risk and risk.to_json())
                decisions[document["decision"]] += 1
                if document["decision"] == "NO_TRADE":
                    failed = [g.name for g in rulings[symbol].decision.gates if not g.passed]
                    failing[failed[0]] += 1

        begun = time.process_time()
        wall = time.monotonic()
        Walk(tracks, book, settings, since).run(on_candle)
        walked, wall = time.process_time() - begun, time.monotonic() - wall
        account = book.account
        candles = len(tracks[0].cases)
        net = [float(trade.net) for trade in account.trades]
        marks = np.array([float(mark.equity) for mark in book.ledger.marks()])
        return {
            "stretch": f"{iso(since)} to {iso(until)}, {candles} candles x {len(tracks)} symbols",
            "preparation": f"{prepared:.1f} CPU s (features and forecasts)",
            "walk": f"{walked:.1f} CPU s, {wall:.1f} s wall: "
            f"{1e6 * walked / candles:.0f} us a candle",
            "decisions": dict(decisions),
            "first failing gate": dict(failing.most_common()),
            "trades": len(net),
            "won": sum(1 for value in net if value > 0),
            "ends by": dict(Counter(trade.reason for trade in account.trades)),
            "equity": f"{settings['initial_equity']} -> {account.equity():.2f}",
            "fees": f"{sum(float(trade.fees) for trade in account.trades):.2f}",
            "deepest drawdown": f"{drawdown(marks):.2%}",
            "days that hit the daily limit": limited_days(book, settings),
            "violations": violations(book, settings, store, step),
        }


def drawdown(equity: np.ndarray) -> float:
    """Return the deepest fall from a peak (decimal)."""
    return float((1 - equity / np.maximum.accumulate(equity)).max())


def daily_depth(book: Book, settings: dict[str, Any]) -> dict[int, list[tuple[int, float]]]:
    """Return by day the deepest drawdown so far at each mark, computed plainly."""
    found: dict[int, list[tuple[int, float]]] = {}
    last = float(settings["initial_equity"])
    peak, depth, day = last, 0.0, None
    for mark in book.ledger.marks():
        equity = float(mark.equity)
        if mark.candle_ms // DAY_MS != day:
            day = mark.candle_ms // DAY_MS
            peak, depth = equity if mark.candle_ms % DAY_MS == 0 else last, 0.0
        peak = max(peak, equity)
        depth = max(depth, 1 - equity / peak)
        found.setdefault(day, []).append((mark.candle_ms, depth))
        last = equity
    return found


def limited_days(book: Book, settings: dict[str, Any]) -> int:
    days = daily_depth(book, settings).values()
    return sum(1 for day in days if day[-1][1] >= settings["max_daily_drawdown"])


def violations(book: Book, settings: dict[str, Any], store: CandleStore, step: int) -> list[str]:
    """Return where the account breaks a rule, by computations of their own."""
    found: list[str] = []
    entries = [intent for intent in book.ledger.intents() if intent.kind == OPEN]
    limits = {time: depth for day in daily_depth(book, settings).values() for time, depth in day}
    for intent in entries:
        if limits.get(intent.candle_ms, 0.0) >= settings["max_daily_drawdown"]:
            found.append(f"{intent.intent_id}: entered after the daily limit")
    losses: dict[str, list[int]] = {}
    for trade in book.account.trades:
        if trade.net < 0:
            losses.setdefault(trade.symbol, []).append(trade.exit_ms)
    rest = settings["risk_cooldown_minutes"] * 60_000
    for intent in entries:
        for exit_ms in losses.get(intent.symbol, []):
            if exit_ms < intent.candle_ms < exit_ms + rest:
                found.append(f"{intent.intent_id}: entered while resting after a loss")
    found += cash_problems(book, settings, store, step)

    def closes(symbol: str, since_ms: int, until_ms: int) -> tuple[np.ndarray, np.ndarray]:
        candles = store.read(symbol, since_ms, until_ms)
        return candles.open_time, candles.close

    last = book.account.last_mark
    if last is not None:
        account, marks, _ = replay(book.ledger, settings, closes, last.candle_ms)
        if marks != book.ledger.marks():
            found.append("the marks made again from fills and candles differ")
        if account.trades != book.account.trades or account.cash != book.account.cash:
            found.append("the account made again from the ledger differs")
    found += book.ledger.check()
    return found


def cash_problems(book: Book, settings: dict[str, Any], store: CandleStore, step: int) -> list[str]:
    """Compare the last equity with initial cash, fills and last closes, in plain floats."""
    cash = float(settings["initial_equity"])
    held: Counter[str] = Counter()
    for fill in sorted(book.ledger.fills(), key=lambda fill: known_from(fill, step)):
        sign = 1 if fill.side == "buy" else -1
        held[fill.symbol] += sign * float(fill.quantity)
        cash -= sign * float(fill.quantity) * float(fill.price) + float(fill.fee)
        if settings["market_type"] == "spot" and (cash < -1e-6 or held[fill.symbol] < -1e-9):
            return [f"{fill.fill_id}: cash {cash:.6f}, holds {held[fill.symbol]:.8f}"]
    last = book.account.last_mark
    if last is None:
        return []
    worth = cash - sum(float(paid.amount) for paid in book.ledger.funding())
    for symbol, quantity in held.items():
        candles = store.read(symbol, last.candle_ms - 50 * step, last.candle_ms)
        worth += quantity * float(candles.close[-1])
    if abs(worth - float(last.equity)) > 0.005:
        return [f"equity is {last.equity:.4f} by the account and {worth:.4f} by its fills"]
    return []


if __name__ == "__main__":
    main()
