"""The portfolio in words, English or Spanish."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "SIMULATED": "SIMULATED: made-up candles, made-up money",
        "PAPER": "PAPER: real candles, no real money",
        "LIVE": "LIVE: real money",
        "nothing": "Nothing has been traded yet: the bot has marked no candle in this account.",
        "equity": "Equity {equity} {quote} ({result} since the start with {initial})",
        "cash": "Cash {cash} {quote}, exposure {exposure} of equity",
        "mark": "Last mark {mark}, {age} ago",
        "late": " - LATE: no candle was marked since; see that the bot runs",
        "day": "Today {money} {quote} ({fraction}), drawdown {drawdown} of at most {limit}",
        "week": "This week {money} {quote} ({fraction}), drawdown {drawdown} of at most {limit}",
        "reached": " - LIMIT REACHED: no entries until the period ends",
        "loss": "Live trading enters no more after a loss of {limit} within a day",
        "killed": "STOPPED (kill): {why}",
        "paused": "STOPPED (pause): {why}",
        "free": "Entries: neither killed nor paused",
        "problems": "TO BE LOOKED AT: {problem}",
        "positions": "Positions:",
        "no positions": "Positions: none",
        "position": "{symbol} {side} {quantity} since {entered} at {entry}, now {price}: "
        "{gain} {quote} ({fraction})",
        "funding": ", less funding {funding} {quote}",
        "stop": "stop {stop}",
        "no stop": "NO STOP",
        "target": "target {target}",
        "no target": "no target",
        "ends": "ends {ends}",
        "no end": "ends with a signal or its stop",
        "waiting": "Waiting orders:",
        "no waiting": "Waiting orders: none",
        "order": "{symbol} {kind} {side} {quantity} ({reason}), made {made}",
        "trades": "Last {shown} of {count} trades, the newest first:",
        "no trades": "Trades: none yet",
        "trade": "{left} {symbol} {side} {quantity}, {entry} to {exit}: {net} {quote} "
        "({fraction} of equity), {reason}",
        "paid": ", funding {funding} {quote} paid",
    },
    "es": {
        "SIMULATED": "SIMULADO: velas inventadas, dinero inventado",
        "PAPER": "PAPEL: velas reales, sin dinero real",
        "LIVE": "REAL: dinero de verdad",
        "nothing": "Todavía no se ha operado: el bot no ha valorado ninguna vela en esta cuenta.",
        "equity": "Patrimonio {equity} {quote} ({result} desde el inicio con {initial})",
        "cash": "Efectivo {cash} {quote}, exposición {exposure} del patrimonio",
        "mark": "Última valoración {mark}, hace {age}",
        "late": " - CON RETRASO: desde entonces no se valoró ninguna vela; revise que el bot corra",
        "day": "Hoy {money} {quote} ({fraction}), caída {drawdown} de {limit} como máximo",
        "week": "Esta semana {money} {quote} ({fraction}), caída {drawdown} de {limit} como máximo",
        "reached": " - LÍMITE ALCANZADO: sin entradas hasta que acabe el período",
        "loss": "En real no se entra más tras una pérdida de {limit} en un día",
        "killed": "DETENIDO (kill): {why}",
        "paused": "DETENIDO (pausa): {why}",
        "free": "Entradas: ni kill ni pausa",
        "problems": "POR REVISAR: {problem}",
        "positions": "Posiciones:",
        "no positions": "Posiciones: ninguna",
        "position": "{symbol} {side} {quantity} desde {entered} a {entry}, ahora {price}: "
        "{gain} {quote} ({fraction})",
        "funding": ", menos financiación {funding} {quote}",
        "stop": "stop {stop}",
        "no stop": "SIN STOP",
        "target": "objetivo {target}",
        "no target": "sin objetivo",
        "ends": "termina {ends}",
        "no end": "termina con una señal o su stop",
        "waiting": "Órdenes en espera:",
        "no waiting": "Órdenes en espera: ninguna",
        "order": "{symbol} {kind} {side} {quantity} ({reason}), hecha {made}",
        "trades": "Últimas {shown} de {count} operaciones, la más reciente primero:",
        "no trades": "Operaciones: ninguna todavía",
        "trade": "{left} {symbol} {side} {quantity}, de {entry} a {exit}: {net} {quote} "
        "({fraction} del patrimonio), {reason}",
        "paid": ", financiación {funding} {quote} pagada",
    },
}

_TERMS = {
    "es": {
        "open": "abrir",
        "close": "cerrar",
        "extend": "prolongar",
        "buy": "compra",
        "sell": "venta",
        "signal": "señal",
        "horizon": "horizonte",
        "opposite": "señal contraria",
        "flatten": "cierre pedido",
        "target": "objetivo",
    }
}

LANGUAGES = tuple(_WORDS)


def text(portfolio: Mapping[str, Any], lang: str) -> str:
    """Return a portfolio (see `portfolio.portfolio`) as lines of text, the mode first.

    Parameters
    ----------
    portfolio : mapping
    lang : str
        One of `LANGUAGES`.
    """
    words, quote = _WORDS[lang], portfolio["quote"]
    terms = _TERMS.get(lang, {})
    lines = [words[portfolio["mode"]], *_switches(portfolio, words)]
    lines += [words["problems"].format(problem=problem) for problem in portfolio["problems"]]
    if not portfolio["begun"]:
        lines.append(words["nothing"])
    lines += _account(portfolio, words)
    positions = [_position(position, quote, words) for position in portfolio["positions"]]
    waiting = [_order(order, words, terms) for order in portfolio["waiting"]]
    trades = [_trade(trade, quote, words, terms) for trade in portfolio["trades"]]
    lines += _listed(positions, words["positions"], words["no positions"])
    lines += _listed(waiting, words["waiting"], words["no waiting"])
    title = words["trades"].format(shown=len(trades), count=portfolio["trades_in_all"])
    lines += _listed(trades, title, words["no trades"])
    return "\n".join(lines) + "\n"


def _listed(lines: list[str], title: str, none: str) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else [none]


def _switches(portfolio: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    on = [
        words[name].format(why=portfolio[name])
        for name in ("killed", "paused")
        if portfolio[name] is not None
    ]
    return on or [words["free"]]


def _account(portfolio: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    quote = portfolio["quote"]
    lines = [
        words["equity"].format(
            equity=_money(portfolio["equity"]),
            quote=quote,
            result=_percent(portfolio["result"], "+"),
            initial=_money(portfolio["initial_equity"]),
        ),
        words["cash"].format(
            cash=_money(portfolio["cash"]), quote=quote, exposure=_percent(portfolio["exposure"])
        ),
    ]
    for name in ("day", "week"):
        period = portfolio[name]
        line = words[name].format(
            money=_money(period["result"], "+"),
            quote=quote,
            fraction=_percent(period["result_fraction"], "+"),
            drawdown=_percent(period["drawdown"]),
            limit=_percent(period["limit"]),
        )
        lines.append(line + (words["reached"] if period["reached"] else ""))
    if portfolio["live_max_daily_loss"] is not None:
        lines.append(words["loss"].format(limit=_percent(portfolio["live_max_daily_loss"])))
    if portfolio["last_mark"] is not None:
        age = _duration(portfolio["last_mark_age_minutes"])
        late = words["late"] if portfolio["late"] else ""
        lines.append(words["mark"].format(mark=portfolio["last_mark"], age=age) + late)
    return lines


def _position(position: Mapping[str, Any], quote: str, words: Mapping[str, str]) -> str:
    def or_else(name: str, none: str) -> str:
        value = position[name]
        shown = value if isinstance(value, str) or value is None else _price(value)
        return words[none] if shown is None else words[name].format(**{name: shown})

    held = words["position"].format(
        symbol=position["symbol"],
        side=position["side"],
        quantity=_plain(position["quantity"]),
        entered=position["entered"],
        entry=_price(position["entry_price"]),
        price=_price(position["price"]),
        gain=_money(position["unrealised"], "+"),
        quote=quote,
        fraction=_percent(position["unrealised_fraction"], "+"),
    )
    held += _funding(position, "funding", quote, words)
    stop, target = or_else("stop", "no stop"), or_else("target", "no target")
    return "; ".join([held, stop, target, or_else("ends", "no end")])


def _order(order: Mapping[str, Any], words: Mapping[str, str], terms: Mapping[str, str]) -> str:
    return words["order"].format(
        symbol=order["symbol"],
        kind=terms.get(order["kind"], order["kind"]),
        side=terms.get(order["side"], order["side"]),
        quantity=_plain(order["quantity"]),
        reason=terms.get(order["reason"], order["reason"]),
        made=order["made"],
    )


def _trade(
    trade: Mapping[str, Any], quote: str, words: Mapping[str, str], terms: Mapping[str, str]
) -> str:
    told = words["trade"].format(
        left=trade["left"],
        symbol=trade["symbol"],
        side=trade["side"],
        quantity=_plain(trade["quantity"]),
        entry=_price(trade["entry_price"]),
        exit=_price(trade["exit_price"]),
        net=_money(trade["net"], "+"),
        quote=quote,
        fraction=_percent(trade["net_fraction"], "+"),
        reason=terms.get(trade["reason"], trade["reason"]),
    )
    return told + _funding(trade, "paid", quote, words)


def _funding(row: Mapping[str, Any], name: str, quote: str, words: Mapping[str, str]) -> str:
    """Return what a position or trade paid for being held; nothing where it paid nothing."""
    paid = row["funding"]
    return words[name].format(funding=_money(paid), quote=quote) if paid else ""


def _money(value: float, sign: str = "-") -> str:
    """Return money to the cent; less than one unit with the digits that tell."""
    if 0 < abs(value) < 1:
        return ("+" if sign == "+" and value > 0 else "") + _plain(float(f"{value:.4g}"))
    return f"{value:{sign},.2f}"


def _percent(value: float | None, sign: str = "-") -> str:
    return "?" if value is None else f"{value:{sign}.2%}"


def _plain(value: float) -> str:
    """Return a number in its shortest form, never with an exponent."""
    shown = f"{Decimal(repr(value)):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _price(value: float) -> str:
    return _plain(float(f"{value:.10g}"))


def _duration(minutes: float) -> str:
    whole = max(0, int(minutes))
    days, hours = whole // 1440, whole // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {whole % 60} min" if hours else f"{whole} min"
