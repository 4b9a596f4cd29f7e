"""The walk: every candle of a stretch through fills, risk, decision and plan, as live."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bot_cripto.backtest.track import Track
from bot_cripto.decision.policy import NO_TRADE
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.execution.book import Book
from bot_cripto.execution.correlation import RETURNS, correlations
from bot_cripto.execution.costs import Costs
from bot_cripto.execution.desk import Ruling, decide_all, document_of
from bot_cripto.execution.market_rules import DEFAULT, MarketRules
from bot_cripto.execution.paper import advance
from bot_cripto.execution.performance import MAX_ROWS, drift_of, hit
from bot_cripto.execution.plan import plan
from bot_cripto.execution.risk import risk_state
from bot_cripto.execution.risk_tracker import RiskTracker
from bot_cripto.signals.document import Facts, Provenance
from bot_cripto.timeframes import timeframe_ms

OnCandle = Callable[[int, dict[str, Ruling], dict[str, dict[str, Any]]], None]
"""Told after each close: its time, the rulings and the signal documents, by symbol."""


@dataclass
class Walk:
    """One account taken over a stretch of candles.

    Parameters
    ----------
    tracks : sequence of Track
        Of every symbol, in the order of the configuration, over the same candles.
    book : Book
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
    """

    tracks: Sequence[Track]
    book: Book
    settings: Mapping[str, Any]
    since_ms: int
    rules: Mapping[str, MarketRules] = field(default_factory=dict)
    provenance: Provenance = field(
        default_factory=lambda: Provenance(None, *("0" * 64 for _ in range(4)))
    )

    documents: bool = True

    def run(self, on_candle: OnCandle | None = None) -> RiskTracker:
        """Walk over all candles; return the state of risk at the end."""
        settings, step = self.settings, timeframe_ms(self.settings["timeframe"])
        costs, policy = Costs.of(settings), policy_of(settings)
        tracker = RiskTracker(self.book.account.initial_equity)
        known_trades = 0
        outcomes = {track.symbol: _Outcomes(track, settings) for track in self.tracks}
        for i in range(len(self.tracks[0].cases)):
            close = self.since_ms + (i + 1) * step
            prices = {track.symbol: track.prices[i] for track in self.tracks}
            advance(self.book, prices, close, step, self.rules, costs)
            account = self.book.account
            if account.last_mark is not None:
                tracker.mark(account.last_mark)
            for trade in account.trades[known_trades:]:
                tracker.trade(trade)
            known_trades = len(account.trades)
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
                for track in self.tracks
            }
            cases = {track.symbol: track.cases[i] for track in self.tracks}
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
        settings = self.settings
        facts = Facts(
            made_ms=close_ms,
            candle_close_ms=close_ms,
            source=settings["source_name"],
            symbol=symbol,
            timeframe=settings["timeframe"],
            horizon_steps=settings["horizon_steps"],
            equity=settings["initial_equity"],
            provenance=self.provenance,
        )
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


class _Outcomes:
    """The hits of the forecasts whose horizon has closed, as the performance history has them."""

    def __init__(self, track: Track, settings: Mapping[str, Any]) -> None:
        self.track = track
        self.horizon = settings["horizon_steps"]
        self.hits: deque[float] = deque(maxlen=MAX_ROWS)

    def drift(self, i: int) -> str | None:
        """Return why performance has drifted at the close of candle `i`; to be asked of each."""
        made = i - self.horizon
        if made >= 0:
            forecast = self.track.cases[made].forecast
            realised = float(self.track.closes[i] / self.track.closes[made] - 1.0)
            if forecast is not None and math.isfinite(realised):
                self.hits.append(hit(forecast.prob_up, realised))
        return drift_of(self.hits)
