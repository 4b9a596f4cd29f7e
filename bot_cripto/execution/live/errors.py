"""What may become of a signed request: certainly refused, unknown, or not taken just now."""

from __future__ import annotations

import json
from typing import Any

from bot_cripto.errors import BotCriptoError
from bot_cripto.market.exchange_errors import Reply, one_line, retry_after_s
from bot_cripto.secrets import redact

# The exchange has not decided, or does not say what it decided.
_UNDECIDED = frozenset({-1000, -1001, -1004, -1006, -1007, -1008, -1016})
_BUSY = frozenset({-1003, -1015})
_KEY = frozenset({-1002, -1022, -1099, -2008, -2014, -2015})
_NOT_FOUND = frozenset({-2011, -2013, -2026})

CLOCK, NOT_FOUND, KEY, REJECTED = "clock", "not_found", "key", "rejected"


class LiveError(BotCriptoError):
    """Base of what may go wrong with a signed request; its text is free of secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(redact(text), 400))


class Refused(LiveError):  # noqa: N818 - an outcome, not a fault
    """The exchange certainly did not do it.

    Attributes
    ----------
    kind : str
        ``clock`` (outside of its time window), ``not_found``, ``key`` (wrong key or permission)
        or ``rejected``.
    code : int or None
        The exchange's own code.
    """

    def __init__(self, text: str, kind: str, code: int | None = None) -> None:
        super().__init__(text)
        self.kind, self.code = kind, code


class Unknown(LiveError):  # noqa: N818 - an outcome, not a fault
    """The exchange may have done it: it has to be asked."""


class Busy(LiveError):  # noqa: N818 - an outcome, not a fault
    """The exchange did not do it, and asks to be left alone.

    Attributes
    ----------
    retry_after_s : float or None
        For how long, in seconds, where it says.
    """

    def __init__(self, text: str, retry_after_s: float | None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unresolved(LiveError):  # noqa: N818 - an outcome, not a fault
    """What became of an order could not be found out in this run; the next run asks again."""


def classify(error: Exception, reply: Reply, *, left: bool, what: str, now_ms: int) -> LiveError:
    """Return what an exception of ccxt or the transport means for a signed request.

    Parameters
    ----------
    error : Exception
    reply : Reply
        The HTTP reply that it came with, empty where there was none.
    left : bool
        Whether the request was handed to the connection at all.
    what : str
        What was asked for, as the message shall name it.
    now_ms : int
        Local time in milliseconds.

    Returns
    -------
    LiveError
        `Unknown` wherever it is not certain that nothing happened.

    References
    ----------
    Binance Spot API, "General API Information" (HTTP return codes) and "Error codes".
    """
    name = type(error).__name__
    status = reply.status
    code, said = _said(reply)
    if not left:
        return Refused(f"{what}: not sent ({name}: {one_line(redact(str(error)))})", REJECTED)
    if status is None:
        return Unknown(f"{what}: no reply ({name})")
    words = f"{what}: HTTP {status}" + (f", {code}" if code is not None else "")
    words += f": {said}" if said else f" ({name})"
    if status in (418, 429) or (status < 500 and code in _BUSY):
        return Busy(words, retry_after_s(reply.headers, now_ms))
    if not 400 <= status < 500 or code is None or code in _UNDECIDED or status == 403:
        return Unknown(words)
    if "duplicate" in said.lower():
        # one of that id is there: it is asked for like a lost reply
        return Unknown(words)
    if code == -1021:
        return Refused(words, CLOCK, code)
    if code in _NOT_FOUND:
        return Refused(words, NOT_FOUND, code)
    return Refused(words, KEY if code in _KEY or status == 401 else REJECTED, code)


def _said(reply: Reply) -> tuple[int | None, str]:
    """Return code and message of an error reply in JSON, or None and its first words."""
    body = reply.body.strip()
    if body[:1] == "{":
        try:
            content: Any = json.loads(body)
        except ValueError:
            return None, "JSON cut short"
        code, text = content.get("code"), content.get("msg")
        whole = isinstance(code, int) and not isinstance(code, bool) and code < 0
        return (code if whole else None), one_line(redact(str(text or "")))
    return None, "a web page" if "<" in body[:200] else one_line(redact(body), 80)
