"""What a failed request to an exchange means: words for people, and whether to try again."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot_cripto.errors import SourceError
from bot_cripto.timeframes import iso

ALTERNATIVES = (
    "configure another way: EXCHANGE_BASE_URL=https://data-api.binance.vision (Binance's public "
    "data mirror), or EXCHANGE=binanceus, kraken, bybit, okx, bitso or coinbase"
)

# ccxt's names for what may pass; Binance's codes -1000, -1001 and -1006 arrive as the first
_TRANSIENT_NAMES = {"OperationFailed", "NetworkError", "ExchangeNotAvailable", "OnMaintenance"}


class ReplyError(SourceError):
    """A request that brought no usable reply.

    Attributes
    ----------
    kind : str
        ``blocked``, ``banned``, ``busy``, ``symbol``, ``refused``, ``garbage``, ``server``,
        ``timeout`` or ``connection``.
    retryable : bool
        Whether the same request may succeed when it is sent again.
    retry_after_s : float or None
        Seconds that the exchange asked to wait.
    """

    def __init__(
        self, text: str, kind: str, *, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(one_line(text, 600))
        self.kind = kind
        self.retryable = retryable
        self.retry_after_s = retry_after_s


@dataclass
class Reply:
    """What is known of the last HTTP reply; nothing when there was none."""

    status: int | None = None
    reason: str = ""
    headers: Mapping[str, str] | None = None
    body: str = ""


class NotMarketDataError(Exception):
    """A reply of status 200 whose content is not what was asked for."""


def one_line(text: str, limit: int = 160) -> str:
    """Return the text as one line of at most `limit` characters, without queries of URLs."""
    text = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)
    text = re.sub(r"//[^\s/@]+@", "//", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def retry_after_s(headers: Mapping[str, str] | None, now_ms: int) -> float | None:
    """Return the seconds that the header ``Retry-After`` asks for, or None.

    Parameters
    ----------
    headers : mapping or None
        Headers of the reply, looked up without regard to case.
    now_ms : int
        Local time, for the form of the header that gives a date.

    References
    ----------
    RFC 9110, section 10.2.3.
    """
    text = header(headers, "Retry-After")
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    moment = date_ms(text)
    return None if moment is None else max(0.0, (moment - now_ms) / 1000)


def header(headers: Mapping[str, str] | None, name: str) -> str:
    """Return the value of that header without regard to case, or an empty string."""
    return {k.lower(): v for k, v in (headers or {}).items()}.get(name.lower(), "").strip()


def date_ms(text: str) -> int | None:
    """Return the milliseconds since the epoch of an HTTP date, or None when it is none."""
    try:
        return round(email.utils.parsedate_to_datetime(text).timestamp() * 1000)
    except ValueError:
        return None


def translate(
    error: Exception, reply: Reply, who: str, timeout_s: float, now_ms: int
) -> ReplyError:
    """Return the `ReplyError` for an exception that ccxt or the transport raised.

    Parameters
    ----------
    error : Exception
        A ccxt error, a `NotMarketDataError`, or what parsing an unexpected reply raised.
    reply : Reply
        The HTTP reply that it came with, empty where there was none.
    who : str
        Exchange and host, as the message shall name them.
    timeout_s : float
        The timeout, for the message.
    now_ms : int
        Local time in milliseconds, to say until when a ban holds.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    status = reply.status
    wait = retry_after_s(reply.headers, now_ms)
    if wait is None and (banned := re.search(r"banned until (\d{13})", reply.body)):
        wait = max(0.0, (int(banned[1]) - now_ms) / 1000)
    said = _said(reply)
    if status == 451 or "RestrictedLocation" in names:
        text = f"{who} does not serve this region (HTTP {status}{said}); {ALTERNATIVES}"
        return ReplyError(text, "blocked", retryable=False)
    if status == 403:
        text = f"{who} refuses this address (HTTP 403{said}); if that lasts, {ALTERNATIVES}"
        return ReplyError(text, "blocked", retryable=False)
    if status == 418 or status == 429 or names & {"DDoSProtection", "RateLimitExceeded"}:
        until = "" if wait is None else f" until {iso(round(now_ms / 1000 + wait) * 1000)}"
        what = "has banned this address" if status == 418 else "asks for fewer requests"
        kind = "banned" if status == 418 else "busy"
        text = f"{who} {what}{until} (HTTP {status}{said})"
        # to knock during a ban prolongs it: without a known end it is left alone
        again = wait is not None or kind == "busy"
        return ReplyError(text, kind, retryable=again, retry_after_s=wait)
    if "BadSymbol" in names:
        return ReplyError(f"{who} does not know the symbol{said}", "symbol", retryable=False)
    if "AuthenticationError" in names:
        text = f"{who} wants a key for public data (HTTP {status}{said}); {ALTERNATIVES}"
        return ReplyError(text, "refused", retryable=False)
    if names & {"RequestTimeout", "Timeout", "TimeoutError"} and status != 504:
        waited = said or f" within {timeout_s:g} s"
        return ReplyError(f"{who} gave no whole reply{waited}", "timeout", retryable=True)
    if status is None and names & {"NetworkError", "OSError"}:
        text = f"the connection to {who} failed: {_transport(error)}"
        return ReplyError(text, "connection", retryable=True)
    if status is None and "BaseError" in names:
        text = f"{who} cannot be asked: {_transport(error)}: {one_line(str(error))}"
        return ReplyError(text, "refused", retryable=False)
    if status is not None and (status >= 500 or (names & _TRANSIENT_NAMES and status != 404)):
        text = f"{who} is in trouble: HTTP {status} {reply.reason}{said}"
        return ReplyError(text, "server", retryable=True, retry_after_s=wait)
    if status is not None and status >= 300:
        text = f"{who} refuses the request: HTTP {status} {reply.reason}{said}"
        if status == 404:
            text += "; check EXCHANGE_BASE_URL"
        return ReplyError(text, "refused", retryable=False)
    detail = str(error) if isinstance(error, NotMarketDataError) else type(error).__name__
    text = f"the reply of {who} is not market data ({one_line(detail)}{said})"
    return ReplyError(text, "garbage", retryable=True)


def _said(reply: Reply) -> str:
    """Return what the exchange itself gave as its message, as a part of a sentence."""
    body = reply.body.strip()
    if not body or (reply.status == 200 and body[:1] == "["):
        return ""
    if body[:1] == "{":
        try:
            content = json.loads(body)
        except ValueError:
            return ", JSON cut short"
        names = ("msg", "message", "retMsg", "error")
        message = next((str(content[n]) for n in names if content.get(n)), "")
        code = content.get("code", "")
        return f", it says: {one_line(f'{code} {message}')}" if message or code else ""
    if "<" in body[:200]:
        title = re.search(r"<(title|h1)[^>]*>([^<]{1,80})", body, re.IGNORECASE)
        return f", a web page{': ' + one_line(title[2]) if title else ''}"
    return f", it says: {one_line(body, 80)}"


def _transport(error: Exception) -> str:
    """Return the reason of a failed connection in plain words."""
    text = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    for pattern, words in (
        ("NameResolution|not known|getaddrinfo|Failed to resolve", "its name is not found (DNS)"),
        ("refused", "connection refused"),
        ("IncompleteRead|Connection broken", "the reply was cut short"),
        ("CERTIFICATE|SSL", "the encrypted connection failed (certificate or clock)"),
        ("RemoteDisconnected|reset|aborted|BrokenPipe", "the connection was dropped"),
        ("unreachable", "no network route"),
        ("InvalidURL|Invalid URL|LocationParse", "its address is malformed"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return words
    return type(error.__cause__ or error).__name__
