"""Whether live trading would work, tried out without placing an order: `bot-cripto live check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from bot_cripto.errors import BotCriptoError
from bot_cripto.execution.live.check_record import LIVE_CHECK, account_of, needs_check
from bot_cripto.execution.live.errors import LiveError
from bot_cripto.execution.live.mismatches import open_mismatches
from bot_cripto.execution.live.permission import refusal
from bot_cripto.execution.market_rules import MarketRules, of_ccxt
from bot_cripto.ledger.events import BUY, CLIENT_ID_PREFIX, Action, action_id, client_order_id

__all__ = ["live_check", "needs_check"]

MAX_SKEW_MS = 30_000

Finding = tuple[bool, str]


def live_check(
    book: Any,
    exchange: Any,
    settings: Mapping[str, Any],
    *,
    who: str,
    now_ms: int,
    environment: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Look at everything that live trading needs; places nothing.

    When all of it is well the ledger gets the action ``live_check``, which entries wait for.

    Parameters
    ----------
    book : Book
        Of the live ledger.
    exchange : ExchangeAccount or callable
        The account, or a function that makes it (whose ConfigError becomes a finding).
    settings : mapping
        Effective settings.
    who : str
        For the record.
    now_ms : int
        This machine's time in milliseconds.
    environment : mapping, optional
        Default: the process's own.

    Returns
    -------
    list of (bool, str)
        Whether it is well, and a sentence, for each thing looked at.
    """
    environment = os.environ if environment is None else environment
    reason = refusal(settings, environment)
    findings = [(reason is None, reason or "both switches allow live trading")]
    findings.append(_ledger(book.ledger))
    try:
        account = exchange() if callable(exchange) else exchange
        findings.append((True, "a key is set"))
    except BotCriptoError as error:
        return [*findings, (False, str(error))]
    try:
        findings.append(_time(account))
        markets = account.describe(settings["symbols"])
    except BotCriptoError as error:
        return [*findings, (False, f"the exchange cannot be asked: {error}")]
    findings += _tried("the key's permissions", partial(_key, account))
    findings += _tried("the account", partial(_account, account))
    findings += _tried("balances", partial(_money, account, book.account))
    for symbol in settings["symbols"]:
        rules = of_ccxt(markets[symbol])
        active = markets[symbol].get("active") is not False
        findings += _tried(symbol, partial(_market, book, account, symbol, rules, active))
        if reason is None:
            findings += _tried(f"{symbol}: test order", partial(_test, account, symbol, rules))
    if all(ok for ok, _ in findings):
        text = f"{len(findings)} checks passed"
        identity = action_id(LIVE_CHECK, now_ms, who, text)
        book.add(Action(identity, LIVE_CHECK, now_ms, who, text, account_of(settings)))
    return findings


def _tried(what: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except BotCriptoError as error:
        return [(False, f"{what}: {error}")]


def _ledger(ledger: Any) -> Finding:
    problems = ledger.check() + list(open_mismatches(ledger).values())
    return not problems, "; ".join(problems) or "the ledger is sound"


def _time(account: Any) -> Finding:
    account.server_ms()
    skew = account.skew_ms()
    ok = abs(skew) <= MAX_SKEW_MS
    text = f"{account.name} answers; this machine's clock differs by {skew / 1000:+.1f} s"
    return ok, text + ("" if ok else "; set it right, candles are judged by it")


def _key(account: Any) -> list[Finding]:
    told = account.key_permissions()
    if told is None:
        sentence = f"what the key may do is not told by {account.name}: make sure that it cannot "
        return [(True, sentence + "withdraw")]
    return [
        (
            not told["withdraw"],
            "the key can withdraw: take that permission away, live trading needs none"
            if told["withdraw"]
            else "the key cannot withdraw",
        ),
        (told["trade"], "the key may trade" if told["trade"] else "the key may not trade on spot"),
    ]


def _account(account: Any) -> list[Finding]:
    told = account.may_trade()
    if told is None:
        return [(True, f"whether the account may trade is not told by {account.name}")]
    return [(told, "the account may trade" if told else "the account may not trade")]


def _money(account: Any, ours: Any) -> list[Finding]:
    balance = account.balances().get(ours.quote)
    free = Decimal(0) if balance is None else balance.free
    text = f"{free:.2f} {ours.quote} are free; live trading counts on {ours.cash:.2f} of them"
    return [(free >= ours.cash, text)]


def _market(
    book: Any, account: Any, symbol: str, rules: MarketRules, active: bool
) -> list[Finding]:
    stop = account.stop_kind(symbol)
    grid = f"{symbol}: least order {rules.min_notional:f}, step {rules.amount_step:f}"
    findings = [
        (active, f"{grid}, tick {rules.price_tick:f}"),
        (
            stop is not None,
            f"{symbol}: protective stops as {stop}"
            if stop
            else f"{symbol}: the exchange offers no protective stops",
        ),
    ]
    known = book.ledger.orders()
    strange = [
        order.client_id
        for order in account.open_orders(symbol)
        if order.client_id.startswith(CLIENT_ID_PREFIX) and order.client_id not in known
    ]
    if strange:
        text = f"{symbol}: open orders of this program that the ledger lacks: {', '.join(strange)}"
        findings.append((False, f"{text}; is another bot on this account?"))
    return findings


def _test(account: Any, symbol: str, rules: MarketRules) -> list[Finding]:
    price = account.last_price(symbol)
    least = max(rules.min_amount, rules.min_notional * Decimal("1.5") / price)
    quantity = rules.floor_amount(least) + rules.amount_step
    client_id = client_order_id(f"check-{symbol}-{account.stamp()}")
    try:
        account.send_order(
            symbol, BUY, quantity, client_id, timestamp_ms=account.stamp(), test=True
        )
    except LiveError as error:
        return [(False, f"{symbol}: a test order was refused: {error}")]
    return [(True, f"{symbol}: a test order was accepted (nothing was placed)")]
