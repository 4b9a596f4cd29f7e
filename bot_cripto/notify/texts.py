"""What messages say: the mode first, a first line that stands alone, numbers for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bot_cripto.ledger.events import BUY, Action
from bot_cripto.notify.words import WORDS
from bot_cripto.secrets import redact
from bot_cripto.timeframes import MINUTE_MS, iso, parse_iso

LANGUAGES = tuple(WORDS)
SIMULATED, PAPER, LIVE = "SIMULATED", "PAPER", "LIVE"

MERGED_LINES = 60
"""First lines shown in a message that stands for several."""
DETAIL_LIMIT = 500


def mode_of(settings: dict[str, Any], account: str = "paper") -> str:
    """Return what every message says first: SIMULATED, PAPER or LIVE."""
    if account == "live":
        return LIVE
    return SIMULATED if settings["source"] == "simulated" else PAPER


def say(language: str, name: str, /, **values: object) -> str:
    """Return the words of that name, filled in; on one line, without secrets, not endless."""
    clean = {key: _short(value) for key, value in values.items()}
    return WORDS[language][name].format(**clean)


def number(value: Decimal | float, language: str, decimals: int = 2, sign: bool = False) -> str:
    """Return a number as people of the language write it, e.g. ``1,234.50`` or ``1.234,50``."""
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")  # no -0.00
    return text.translate(str.maketrans(",.", ".,")) if language == "es" else text


def percent(ratio: float, language: str, decimals: int = 2, sign: bool = False) -> str:
    """Return a ratio as per cent, e.g. 0.002 as ``0.20 %``."""
    return f"{number(ratio * 100, language, decimals, sign)} %"


def price(value: Decimal | float, language: str) -> str:
    """Return a price with at least two decimals, and six digits that count where it is small."""
    size = abs(float(value))
    decimals = 2 if size >= 1000 or size == 0 else 4 if size >= 1 else 8
    return number(value, language, decimals)


def quantity(value: Decimal, language: str) -> str:
    """Return a quantity without trailing zeros, to eight decimals."""
    exponent = value.normalize().as_tuple().exponent
    decimals = min(max(-int(exponent), 0), 8)
    return number(value, language, decimals)


def moment(time_ms: int) -> str:
    """Return a time for people: ``2024-09-06 04:45 UTC``."""
    return f"{iso(time_ms)[:16].replace('T', ' ')} UTC"


def held(ms: int, language: str) -> str:
    """Return how long something lasted."""
    hours, minutes = divmod(max(ms, 0) // MINUTE_MS, 60)
    return say(language, "hours" if hours else "minutes", hours=hours, minutes=minutes)


def headed(mode: str, first: str, *lines: str) -> str:
    """Return a message: the mode and its first line, then the others that are not empty."""
    return "\n".join([f"{mode} · {first}", *(line for line in lines if line)])


def decision(document: dict[str, Any], before: str | None, language: str) -> str:
    """Return the message that the decision of a symbol changed.

    Parameters
    ----------
    document : dict
        The signal.
    before : str or None
        Decision of the signal before; None: there was none.
    """
    name = "decision" if before else "decision_first"
    words = {"symbol": document["symbol"], "decision": document["decision"], "before": before}
    when = say(language, "candle", time=moment(parse_iso(document["candle_close_time"])))
    if document["revision"]:
        when += ", " + say(language, "revision", revision=document["revision"])
    forecast = size = ""
    if document["prob_up"] is not None:
        forecast = say(
            language,
            "forecast",
            up=percent(document["prob_up"], language, 1),
            expected=percent(document["expected_return"], language, sign=True),
            risk=number(document["risk_score"], language),
            regime=document["regime"] or "?",
        )
    if document["position_size"]:
        size = say(language, "size", share=percent(document["position_size"], language, 1))
    why = say(language, "why", reason=document["reason"])
    return headed(document["mode"], say(language, name, **words), when, forecast, size, why)


def entry(mode: str, symbol: str, position: Any, language: str) -> str:
    """Return the message that a position was entered, from `execution.account.Position`."""
    base, quote = currencies(symbol)
    first = say(
        language,
        "entry",
        symbol=symbol,
        side=position.side,
        price=price(position.entry_price, language),
    )
    size = say(
        language,
        "entry_size",
        quantity=quantity(position.quantity, language),
        base=base,
        notional=number(position.quantity * position.entry_price, language),
        quote=quote,
        fees=number(position.fees, language),
    )
    limits = []
    for name, level in (("stop", position.stop_price), ("target", position.target_price)):
        if level is not None:
            limits.append(say(language, name, price=price(level, language)))
    if position.exit_ms is not None:
        limits.append(say(language, "ends", time=moment(position.exit_ms)))
    return headed(mode, first, size, ", ".join(limits))


def exited(mode: str, trade: Any, language: str) -> str:
    """Return the message that a position was left, from `execution.account.Trade`."""
    base, quote = currencies(trade.symbol)
    first = say(
        language,
        "exit",
        symbol=trade.symbol,
        side=trade.side,
        price=price(trade.exit_price, language),
        net=number(trade.net, language, sign=True),
        quote=quote,
        share=percent(float(trade.net_fraction), language, sign=True),
    )
    funding = ""
    if trade.funding:
        amount = number(trade.funding, language)
        funding = say(language, "exit_funding", amount=amount, quote=quote)
    detail = say(
        language,
        "exit_detail",
        price=price(trade.entry_price, language),
        quantity=quantity(trade.quantity, language),
        base=base,
        fees=number(trade.fees, language),
        funding=funding,
        quote=quote,
        held=held(trade.exit_ms - trade.entry_ms, language),
        reason=_reason(trade.reason, language),
    )
    return headed(mode, first, detail)


def part(mode: str, symbol: str, side: str, price_: Decimal, size: Decimal, language: str) -> str:
    """Return the message that a position was left in part."""
    name = "part_cover" if side == BUY else "part_exit"
    words = {"symbol": symbol, "price": price(price_, language), "base": currencies(symbol)[0]}
    return headed(mode, say(language, name, quantity=quantity(size, language), **words))


def action(mode: str, done: Action, language: str) -> str:
    """Return the message of something that a person or the bot did beside trading."""
    name = {"blocked": "blocked_action"}.get(done.kind, done.kind)
    known = name in WORDS[language]
    first = say(language, name) if known else say(language, "action", kind=done.kind)
    who = say(language, "by", who=done.who, time=moment(done.time_ms))
    why = say(language, "why", reason=done.reason) if done.reason else ""
    return headed(mode, first, who, why)


def blocked(mode: str, gate: dict[str, Any], reason: str, language: str) -> str:
    """Return the message that a gate of risk stops entries."""
    shares = "losses" not in gate["name"]
    numbers = [percent(gate[key] or 0.0, language) for key in ("value", "threshold")]
    what = say(
        language,
        f"gate_{gate['name']}",
        value=numbers[0] if shares else "",
        limit=numbers[1] if shares else "",
        count=f"{gate['value'] or 0:.0f}",
    )
    why = say(language, "why", reason=reason) if reason else ""
    return headed(mode, say(language, "blocked", what=what), why)


def lost(count: int, language: str) -> str:
    """Return the sentence that messages were lost; empty for none."""
    if not count:
        return ""
    return say(language, "lost_one") if count == 1 else say(language, "lost_many", count=count)


def merged(messages: list[tuple[int, str]], language: str) -> str:
    """Return one text for several messages: (time in ms, text), the oldest first."""
    shown = messages[-MERGED_LINES:]
    hidden = len(messages) - len(shown)
    lines = [say(language, "merged", count=len(messages))]
    if hidden:
        lines.append(say(language, "merged_more", count=hidden))
    lines += [f"{iso(time)[5:16].replace('T', ' ')} {text.splitlines()[0]}" for time, text in shown]
    return "\n".join(lines)


def currencies(symbol: str) -> tuple[str, str]:
    """Return base and quote currency of a symbol."""
    base, _, rest = symbol.partition("/")
    return base, rest.partition(":")[0]


def _reason(reason: str, language: str) -> str:
    words = WORDS[language]
    return words.get(f"{reason}_reason") or words.get(reason) or reason


def _short(value: object) -> str:
    text = redact(" ".join(str(value).split()))
    return text if len(text) <= DETAIL_LIMIT else text[: DETAIL_LIMIT - 3] + "..."
