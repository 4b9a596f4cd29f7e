"""The walk: every candle of a stretch through fills, risk, decision and plan, as live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bot_cripto.backtest.track import Track
from bot_cripto.decision.policy import NO_TRADE
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.thresholds import Policy, policy_of
from bot_cripto.execution.account import Account
from bot_cripto.execution.book import Bookkeeping
from bot_cripto.execution.correlation import RETURNS, correlations
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.desk import Ruling, decide_all, document_of, facts_of
from bot_cripto.execution.market_rules import DEFAULT, MarketRules, exact
from bot_cripto.execution.paper import advance, through
from bot_cripto.execution.performance import DRIFT_RECENT, DRIFT_REFERENCE, drift_of_means
from bot_cripto.execution.plan import plan
from bot_cripto.execution.risk import risk_state
from bot_cripto.execution.risk_tracker import RiskTracker
from bot_cripto.signals.document import Provenance
from bot_cripto.timeframes import timeframe_ms

_NAN = float("nan")

OnCandle = Callable[[int, dict[str, Ruling], dict[str, dict[str, Any]]], None]
"""Told after each close: its time, the rulings and the signal documents, by symbol."""


@dataclass
class Walk:
    """One account taken over a stretch of candles.

    Parameters
    ----------
    tracks : sequence of Track
        Of every symbol, in the order of the configuration, over the same candles.
    book : Book or MemoryBook
        Of an account that has not begun, or has been through the candle before the first one.
    settings : mapping
        The effective settings.
    since_ms : int
        Open time of the first candle, milliseconds since the epoch, UTC.
    rules : mapping of str to MarketRules
    provenance : Provenance
        What the documents say of themselves.
    documents : bool
        Whether the signal documents of NO_TRADE are made too, for `on_candle`.
    sparse : bool
        Whether candles are left out in which nothing can happen; see Notes.

    Attributes
    ----------
    equity, exposure : ndarray of shape (n,), float64
        After `run`: at the close of every candle, quote currency.

    Notes
    -----
    A sparse walk leaves out the candles at which nothing is held, no intent waits, and the screen
    of no symbol lets an entry through; of the others it decides only those symbols whose screen
    does. Trades, fills, equity and the state of risk are those of a full walk, to the digit: flat
    equity does not move, and so neither do drawdowns. What it lacks are the marks of the candles
    left out, in the book, and the rulings that would have been NO_TRADE anyhow, in `on_candle`.
    """

    tracks: Sequence[Track]
    book: Bookkeeping
    settings: Mapping[str, Any]
    since_ms: int
    rules: Mapping[str, MarketRules] = field(default_factory=dict)
    provenance: Provenance = field(
        default_factory=lambda: Provenance(None, *("0" * 64 for _ in range(4)))
    )

    documents: bool = True
    sparse: bool = False
    equity: np.ndarray = field(init=False, default_factory=lambda: np.empty(0))
    exposure: np.ndarray = field(init=False, default_factory=lambda: np.empty(0))

    def run(self, on_candle: OnCandle | None = None) -> RiskTracker:
        """Walk over all candles; return the state of risk at the end."""
        settings, step = self.settings, timeframe_ms(self.settings["timeframe"])
        costs, policy = Costs.of(settings), policy_of(settings)
        tracker = RiskTracker(self.book.account.initial_equity)
        outcomes = {track.symbol: _Outcomes(track, settings) for track in self.tracks}
        n = len(self.tracks[0].cases)
        self.equity, self.exposure = np.empty(n), np.zeros(n)
        go = through if self.sparse else advance
        route = _Route(self.tracks, policy) if self.sparse else None
        known_trades = done = 0
        while done < n:
            i = done if route is None else route.next(self.book.account, done)
            # nothing is held in what was left out: equity stayed as it was
            self.equity[done:i] = float(tracker.equity)
            done = i + 1
            close = self.since_ms + done * step
            prices = {track.symbol: track.prices[i] for track in self.tracks}
            go(self.book, prices, close, step, self.rules, costs)
            account = self.book.account
            if account.last_mark is not None:
                tracker.mark(account.last_mark)
                self.equity[i] = float(account.last_mark.equity)
                self.exposure[i] = float(account.last_mark.exposure)
            for trade in account.trades[known_trades:]:
                tracker.trade(trade)
            known_trades = len(account.trades)
            asked = self.tracks if route is None else route.asked(i)
            if not asked:
                continue
            correlated = self._correlated(i)
            risks: dict[str, RiskState | None] = {
                track.symbol: risk_state(
                    account,
                    tracker,
                    track.symbol,
                    close,
                    account_name="paper",
                    correlated=correlated,
                    settings=settings,
                    drift=outcomes[track.symbol].drift(i),
                )
                for track in asked
            }
            cases = {track.symbol: track.cases[i] for track in asked}
            rulings = decide_all(cases, risks, correlated, policy)
            # a NO_TRADE asks for nothing: where nobody reads it, it need not be written
            documents = {
                symbol: self._document(symbol, ruling, close)
                for symbol, ruling in rulings.items()
                if self.documents or ruling.decision.side != NO_TRADE
            }
            if on_candle is not None:
                on_candle(close, rulings, documents)
            for document in documents.values():
                self._follow(document, close)
        return tracker

    def _correlated(self, i: int) -> dict[str, frozenset[str]]:
        if len(self.tracks) < 2:
            return {}
        closes = {track.symbol: _last_closes(track, i) for track in self.tracks}
        return correlations(closes, self.settings["correlation_min"])

    def _document(self, symbol: str, ruling: Ruling, close_ms: int) -> dict[str, Any]:
        facts = facts_of(self.settings, symbol, close_ms, close_ms, self.provenance, live=False)
        return document_of(ruling, facts)

    def _follow(self, document: dict[str, Any], close_ms: int) -> None:
        rules = self.rules.get(document["symbol"])
        planned = plan(
            document,
            self.book.account,
            rules or DEFAULT,
            self.settings,
            now_ms=close_ms,
            can_open=None,
        )
        if planned.intents:
            with self.book.transaction():
                for intent in planned.intents:
                    self.book.add(intent)


def _last_closes(track: Track, i: int) -> np.ndarray:
    """Return the closes of `RETURNS` candles and the one before, up to candle `i`."""
    since = i - RETURNS
    within = track.closes[max(0, since) : i + 1]
    if since >= 0:
        return within
    return np.concatenate((track.earlier[-RETURNS:][since:], within))


class _Route:
    """Which candles a sparse walk goes through, and which symbols it decides there."""

    def __init__(self, tracks: Sequence[Track], policy: Policy) -> None:
        self.tracks = tracks
        self.sides = [track.screen.sides(policy) for track in tracks]
        # flat on a spot market a SHORT closes nothing
        spot = policy.market_type == "spot"
        enters = [side > 0 if spot else side != 0 for side in self.sides]
        self.entries = np.flatnonzero(np.any(enters, axis=0))
        self.last = len(tracks[0].cases) - 1
        self.known = [
            np.maximum.accumulate(np.where(np.isfinite(track.closes), np.arange(self.last + 1), -1))
            for track in tracks
        ]

    def next(self, account: Account, start: int) -> int:
        """Return the next candle from `start` on at which something may happen, or the last."""
        if account.positions or account.waiting:
            return start
        place = int(np.searchsorted(self.entries, start))
        i = int(self.entries[place]) if place < len(self.entries) else self.last
        if i > start:
            self._recall(account, i - 1)
        return i

    def asked(self, i: int) -> list[Track]:
        """Return the symbols that may be LONG or SHORT at a candle."""
        return [track for track, side in zip(self.tracks, self.sides, strict=True) if side[i]]

    def _recall(self, account: Account, i: int) -> None:
        """Let the account know the last closes up to a candle, as if it had been through it."""
        for track, known in zip(self.tracks, self.known, strict=True):
            if known[i] >= 0:
                account.last_price[track.symbol] = exact(track.closes[known[i]])


class _Outcomes:
    """The hits of the forecasts whose horizon has closed, as the performance history has them."""

    def __init__(self, track: Track, settings: Mapping[str, Any]) -> None:
        horizon = settings["horizon_steps"]
        n = len(track.cases)
        made = np.arange(max(0, n - horizon))
        closes = np.asarray(track.closes, dtype=np.float64)[:n]
        forecasts = [case.forecast for case in track.cases[: len(made)]]
        prob_up = np.array([_NAN if f is None else f.prob_up for f in forecasts])
        realised = closes[made + horizon] / closes[made] - 1.0
        there = np.array([f is not None for f in forecasts], dtype=bool) & np.isfinite(realised)
        hits = np.where(realised == 0, 0.5, (prob_up - 0.5) * realised > 0)[there]
        # sums of halves are exact, so that means are those of the hits one by one
        self.sums = np.concatenate(([0.0], np.cumsum(hits)))
        self.counts = np.concatenate((np.zeros(min(horizon, n), int), np.cumsum(there)))

    def drift(self, i: int) -> str | None:
        """Return why performance has drifted at the close of candle `i`."""
        count = int(self.counts[i])
        if count < DRIFT_RECENT + DRIFT_REFERENCE:
            return None
        now, middle, before = (
            float(self.sums[count - back])
            for back in (0, DRIFT_RECENT, DRIFT_RECENT + DRIFT_REFERENCE)
        )
        return drift_of_means((now - middle) / DRIFT_RECENT, (middle - before) / DRIFT_REFERENCE)
