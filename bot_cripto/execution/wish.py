"""What a signal document wishes for, and when nothing at all is done about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot_cripto.execution.account import LONG, SHORT, SPOT, Account
from bot_cripto.execution.market_rules import exact
from bot_cripto.symbols import quote_of
from bot_cripto.timeframes import iso, parse_iso, timeframe_ms

NO_TRADE = "NO_TRADE"

MAX_HORIZON_STEPS = 288
"""As in the schema of the configuration."""

_HUGE = 1e300

_DISTANCES = ("stop_distance", "target_distance")


@dataclass(frozen=True)
class Wish:
    """What a sound document wishes for.

    Attributes
    ----------
    symbol, side : str
        Side LONG, SHORT or NO_TRADE.
    candle_ms : int
        Close of its candle, milliseconds since the epoch, UTC.
    revision : int
    step_ms : int
        Length of a candle.
    exit_ms : int
        Close of the candle at which a position ends that it opens or renews.
    size : Decimal
        Position as a fraction of equity.
    equity : Decimal
        In the quote currency.
    stop_distance, target_distance : float or None
        From the entry price (decimal return); None: no stop, no target.
    """

    symbol: str
    side: str
    candle_ms: int
    revision: int
    step_ms: int
    exit_ms: int
    size: Decimal
    equity: Decimal
    stop_distance: float | None
    target_distance: float | None


def refusal(
    document: Mapping[str, Any], account: Account, settings: Mapping[str, Any], now_ms: int
) -> str | None:
    """Return why nothing at all is done about a document, or None when it may be acted on.

    It may not when it is of another source, timeframe or symbol than the configured ones, of no
    candle that has closed, past its `valid_until`, or says something else in one field than in
    another. A value that is missing, not finite or of another type counts as such.
    """
    for name, key in (("timeframe", "timeframe"), ("source", "source_name")):
        if document.get(name) != settings[key]:
            return (
                f"the signal's {name} is {document.get(name)!r}, the configured one "
                f"{settings[key]!r}: nothing is done"
            )
    symbol = document.get("symbol")
    if symbol not in account.symbols:
        if symbol in settings["symbols"]:
            return (
                f"it is quoted in {quote_of(str(symbol))}, the portfolio in {account.quote}: "
                "not traded"
            )
        return "the symbol is not one of SYMBOLS: nothing is done"
    try:
        closed, until = parse_iso(document["candle_close_time"]), parse_iso(document["valid_until"])
        revision, horizon = document["revision"], document["horizon_steps"]
        step = timeframe_ms(document["timeframe"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return "the signal names no candle or no time until which it is valid: nothing is done"
    if now_ms > until:
        return f"the signal expired at {iso(until)}: nothing is done"
    if now_ms < closed or closed % step:
        return f"the signal's candle, {iso(closed)}, is none that has closed: nothing is done"
    if type(revision) is not int or revision < 0:
        return f"its revision is {revision!r}: nothing is done"
    if type(horizon) is not int or not 1 <= horizon <= MAX_HORIZON_STEPS:
        return f"its horizon_steps is {horizon!r}: nothing is done"
    found = _contradiction(document, account, settings)
    return f"the signal contradicts itself, {found}: nothing is done" if found else None


def _contradiction(
    document: Mapping[str, Any], account: Account, settings: Mapping[str, Any]
) -> str | None:
    side: Any = document.get("decision")
    size: Any = document.get("position_size")
    equity: Any = document.get("equity")
    if side not in (LONG, SHORT, NO_TRADE):
        return f"its decision is {side!r}"
    if not _number(size) or size < 0:
        return f"its position_size is {size!r}"
    if side == NO_TRADE:
        return f"it is NO_TRADE with position_size {size:g}" if size else None
    gates, sizing = _listed(document, "gates"), _listed(document, "sizing")
    if not gates:
        return f"it is {side} and lists no gate"
    for factor in sizing:
        name, value = factor.get("name"), factor.get("value")
        if name in _DISTANCES and value is not None and not (_number(value) and value >= 0):
            return f"its {name} is {value!r}"
    failed = [gate.get("name") for gate in gates if gate.get("passed") is not True]
    if failed:
        return f"it is {side} and the gate {failed[0]} has not passed"
    if document.get("risk_allowed") is not True:
        return f"it is {side} and risk_allowed is not true"
    if side == SHORT and account.market_type == SPOT:
        return None
    if not 0 < size <= settings["max_position_size"]:
        return f"it is {side} with position_size {size:g}"
    if not _number(equity) or equity <= 0:
        return f"it is {side} with equity {equity!r}"
    return None


def _listed(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects that a document lists under a key; what is none fails every test."""
    value = document.get(key)
    entries = value if isinstance(value, list | tuple) else []
    return [entry if isinstance(entry, Mapping) else {} for entry in entries]


def _number(value: Any) -> bool:
    # NaN compares as false, and an int may be too large for a float
    return type(value) in (int, float) and abs(value) < _HUGE


def wish(document: Mapping[str, Any]) -> Wish:
    """Return what a document wishes for; one that `refusal` has nothing against."""
    candle_ms, step = parse_iso(document["candle_close_time"]), timeframe_ms(document["timeframe"])
    equity: Any = document.get("equity")
    distances: dict[str, float] = {
        factor["name"]: float(factor["value"])
        for factor in _listed(document, "sizing")
        if factor.get("name") in _DISTANCES and _number(factor.get("value")) and factor["value"] > 0
    }
    return Wish(
        symbol=document["symbol"],
        side=document["decision"],
        candle_ms=candle_ms,
        revision=document["revision"],
        step_ms=step,
        exit_ms=candle_ms + document["horizon_steps"] * step,
        size=exact(document["position_size"]),
        equity=exact(equity) if _number(equity) else Decimal(0),
        stop_distance=distances.get("stop_distance"),
        target_distance=distances.get("target_distance"),
    )
