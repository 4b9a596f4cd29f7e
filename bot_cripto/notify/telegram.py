"""The Telegram Bot API: sending texts and pictures, reading updates, errors in our own words.

The one module that imports python-telegram-bot. The library is asynchronous; here each call is
plain, ends within its own time, and raises only the errors below, none of which holds the token.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram import error as _error
from telegram.request import HTTPXRequest
from telegram.warnings import PTBUserWarning

from bot_cripto.errors import BotCriptoError
from bot_cripto.secrets import Secret, redact, redact_logs

T = TypeVar("T")

# it warns of changes to come that are provided for here, and of raw calls that are meant
warnings.filterwarnings("ignore", category=PTBUserWarning)

# it logs the whole of an answer that it cannot parse; the error that follows says enough
logging.getLogger("telegram.request.BaseRequest").setLevel(logging.CRITICAL)

TEXT_LIMIT = 4096
"""UTF-16 code units of a text message."""
CAPTION_LIMIT = 1024
"""UTF-16 code units under a picture."""
TIMEOUT_S = 10.0

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_UNKNOWN_CHAT = ("chat not found", "chat_id is empty", "peer_id_invalid", "chat was deactivated")


class DeliveryError(BotCriptoError):
    """Telegram did not do what was asked; the text is free of secrets.

    Attributes
    ----------
    may_have_arrived : bool
        The request may have had its effect all the same: only its answer is missing.
    """

    may_have_arrived = False


class RateLimitError(DeliveryError):
    """Too many messages: nothing may be sent for `retry_after_s` seconds."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class RefusedError(DeliveryError):
    """Nothing can be sent with this token and chat until a person changes something."""


class UnfitError(DeliveryError):
    """The message itself cannot be sent; others can."""


class UnreachableError(DeliveryError):
    """No answer, or none that can be understood: another try may help."""

    def __init__(self, text: str, may_have_arrived: bool) -> None:
        super().__init__(text)
        self.may_have_arrived = may_have_arrived


@dataclass(frozen=True)
class Update:
    """What a person wrote, or which button was pressed.

    Attributes
    ----------
    update_id : int
        Ask for the updates from ``update_id + 1`` on to have this one forgotten.
    chat_id : str
        Where it came from; only the configured chat may command.
    user : str
        Who: the user name, or the number of the account.
    time_ms : int
        When the message was written, milliseconds since the epoch, UTC; for a button the
        message that it stands under.
    text : str or None
        The message; None when a button was pressed.
    data : str or None
        What the pressed button stands for.
    callback_id : str or None
        To be given to `Telegram.acknowledge` when a button was pressed.
    message_id : int or None
        The message, or the one that the button stands under.
    """

    update_id: int
    chat_id: str
    user: str
    time_ms: int
    text: str | None = None
    data: str | None = None
    callback_id: str | None = None
    message_id: int | None = None


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 code units, as Telegram counts."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def split_text(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Return the text in parts of at most `limit` UTF-16 code units (at least 2).

    Cut at line ends where that is possible, else at a space, else anywhere between two
    characters. What stands at a cut is dropped when it is blank; nothing else is.
    """
    parts = []
    rest = text.strip()
    while utf16_length(rest) > limit:
        end = units = 0
        for character in rest:
            units += 2 if ord(character) > 0xFFFF else 1
            if units > limit:
                break
            end += 1
        # the character after the cut may be the blank one
        cut = max(rest.rfind("\n", 0, end + 1), 0) or max(rest.rfind(" ", 0, end + 1), 0) or end
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts


class Telegram:
    """One bot and one chat. To be closed; a context manager.

    Parameters
    ----------
    token, chat_id : Secret
        TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID.
    base_url : str
        Another Bot API server, e.g. ``http://127.0.0.1:8081``; empty is Telegram's own. One on
        this machine is asked directly, whatever proxy is set.
    timeout_s : float
        Seconds after which a call gives up, answer or not.

    Raises
    ------
    RefusedError
        The token is empty.
    """

    def __init__(
        self, token: Secret, chat_id: Secret, base_url: str = "", *, timeout_s: float = TIMEOUT_S
    ) -> None:
        redact_logs()
        if not token:
            raise RefusedError("TELEGRAM_BOT_TOKEN is not set")
        base = (base_url or "https://api.telegram.org").rstrip("/").removesuffix("/bot")
        direct = urlsplit(base).hostname in _LOOPBACK
        self._request = HTTPXRequest(
            connection_pool_size=4,
            read_timeout=timeout_s,
            write_timeout=timeout_s,
            connect_timeout=timeout_s,
            httpx_kwargs={"trust_env": False} if direct else None,
        )
        self._chat_id = chat_id
        self._timeout_s = timeout_s
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._bot = Bot(
            token.reveal(),
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=self._request,
            get_updates_request=self._request,
        )

    def __repr__(self) -> str:
        return "Telegram(***)"

    def __reduce__(self) -> Any:
        raise TypeError("a bot is never stored")

    def __enter__(self) -> Telegram:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_group(self) -> bool:
        """Whether the chat is a group or a channel, which Telegram allows fewer messages."""
        return self._chat_id.reveal().startswith(("-", "@"))

    def is_chat(self, chat_id: str) -> bool:
        """Whether that is the configured chat."""
        return bool(self._chat_id) and chat_id == self._chat_id.reveal()

    def send_text(
        self,
        text: str,
        *,
        buttons: Sequence[tuple[str, str]] = (),
        start: int = 0,
        on_part: Callable[[int, int], object] | None = None,
        timeout_s: float | None = None,
    ) -> list[int]:
        """Send a text, in as many parts as it takes, and return the ids of the messages.

        Parameters
        ----------
        text : str
            Plain text; no markup.
        buttons : sequence of (str, str)
            Label and data (at most 64 bytes) of buttons under the last part, in one row.
        start : int
            Parts not to be sent, because they have been.
        on_part : callable, optional
            Told how many parts have been sent now, and the id of the last one.
        timeout_s : float, optional
            Seconds for each part; default: that of the bot.

        Raises
        ------
        DeliveryError
            One of its subclasses; the parts that `on_part` was told of have been sent.
        """
        parts = split_text(_sendable(text))
        keyboard = InlineKeyboardMarkup([[InlineKeyboardButton(a, callback_data=b)
                                          for a, b in buttons]]) if buttons else None  # fmt: skip
        sent = []
        for number, part in enumerate(parts[start:], start + 1):
            message = self._call(
                self._bot.send_message(
                    self._chat_id.reveal(),
                    part,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                    reply_markup=keyboard if number == len(parts) else None,
                ),
                timeout_s,
            )
            sent.append(message.message_id)
            if on_part is not None:
                on_part(number, message.message_id)
        return sent

    def send_photo(self, png: bytes, caption: str = "", *, timeout_s: float | None = None) -> int:
        """Send a picture with at most `CAPTION_LIMIT` units of text; return the message's id.

        Raises
        ------
        DeliveryError
            One of its subclasses; UnfitError where the picture or the caption is not accepted.
        """
        message = self._call(
            self._bot.send_photo(
                self._chat_id.reveal(), png, caption=_sendable(caption), filename="chart.png"
            ),
            timeout_s,
        )
        return int(message.message_id)

    def edit_text(self, message_id: int, text: str) -> None:
        """Replace the text of a message that was sent, and take away its buttons."""
        self._call(
            self._bot.edit_message_text(
                split_text(_sendable(text))[0],
                chat_id=self._chat_id.reveal(),
                message_id=message_id,
            )
        )

    def updates(self, offset: int | None = None, wait_s: int = 0) -> list[Update]:
        """Return what people wrote or pressed, the oldest first; waits up to `wait_s` for it.

        Parameters
        ----------
        offset : int or None
            First update wanted; earlier ones are forgotten by Telegram.
        wait_s : int
            Seconds that the server may hold the answer back (long polling).

        Raises
        ------
        DeliveryError
            RefusedError also where another program reads the updates of the same bot.
        """
        wanted = {
            "offset": offset,
            "timeout": wait_s,
            "allowed_updates": ["message", "callback_query"],
        }
        # raw, for the library gives up the whole batch for one update that it cannot read
        found = self._call(
            self._bot.do_api_request("getUpdates", wanted, read_timeout=self._timeout_s + wait_s),
            self._timeout_s + wait_s,
        )
        if not isinstance(found, list):
            raise UnreachableError("Telegram's answer is no list of updates", True)
        return [update for update in map(_plain, found) if update is not None]

    def interrupt(self) -> None:
        """Make the call that another thread waits for end with ``asyncio.CancelledError``."""

        def cancel() -> None:
            for task in () if self._closing else asyncio.all_tasks(self._loop):
                task.cancel()

        with suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(cancel)

    def acknowledge(self, callback_id: str, text: str = "") -> None:
        """Tell Telegram that a pressed button was noticed, with a short text for the person."""
        self._call(self._bot.answer_callback_query(callback_id, text=_sendable(text)[:200] or None))

    def set_commands(self, commands: Sequence[tuple[str, str]]) -> None:
        """Publish names (without the slash) and descriptions of commands for the chat's menu."""
        self._call(self._bot.set_my_commands(list(commands)))

    def name(self) -> str:
        """Return the user name of the bot: a call that shows whether the token is right."""
        return str(self._call(self._bot.get_me()).username)

    def close(self) -> None:
        """Close the connections; harmless when repeated."""
        if self._loop.is_closed():
            return
        self._closing = True
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with suppress(
            Exception, asyncio.CancelledError
        ):  # a connection that will not close keeps nobody waiting
            self._loop.run_until_complete(asyncio.wait_for(self._request.shutdown(), 1))
        # not through asyncio.run, which would wait for a name server that does not answer
        self._loop.close()

    def _call(self, action: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        problem: DeliveryError
        try:
            whole = asyncio.wait_for(action, timeout_s or self._timeout_s)
            return self._loop.run_until_complete(whole)
        except TimeoutError:
            problem = UnreachableError("Telegram did not answer in time", True)
        except _error.TelegramError as error:
            problem = _translated(error)
        finally:
            action.close()  # one that was interrupted before it began
        # raised out here, so that it does not even hold the library's error, nor the URL in that
        raise problem


def _translated(error: _error.TelegramError) -> DeliveryError:
    """Return the library's error as one of ours, its words redacted."""
    said = redact(" ".join(str(error).split()))[:300]
    if isinstance(error, _error.RetryAfter):
        wait = error.retry_after
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
        return RateLimitError(f"Telegram asks to wait {seconds:.0f} s", seconds)
    if isinstance(error, _error.InvalidToken):
        return RefusedError("Telegram does not know the token: check TELEGRAM_BOT_TOKEN")
    if isinstance(error, _error.Forbidden):
        return RefusedError(
            f"Telegram lets the bot not write to the chat ({said}): unblock the bot, or check "
            "TELEGRAM_CHAT_ID"
        )
    if isinstance(error, _error.ChatMigrated):
        return RefusedError("the group has become a supergroup: set its new TELEGRAM_CHAT_ID")
    if isinstance(error, _error.Conflict):
        return RefusedError("another program reads the messages to this bot: stop one of them")
    if isinstance(error, _error.BadRequest):
        if any(sign in said.lower() for sign in _UNKNOWN_CHAT):
            return RefusedError(
                f"Telegram does not know the chat ({said}): check TELEGRAM_CHAT_ID, and write to "
                "the bot once"
            )
        return UnfitError(f"Telegram refused the message: {said}")
    arrived = not isinstance(error.__cause__, _NOT_SENT)
    return UnreachableError(f"Telegram could not be reached or understood: {said}", arrived)


def _sendable(text: str) -> str:
    """Return the text without secrets and without what cannot be encoded."""
    return redact(text).replace("\x00", "").encode("utf-8", "replace").decode()


def _plain(update: Any) -> Update | None:
    """Return an update as far as it can be understood; None without a number."""
    update = _object(update)
    number = update.get("update_id")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    press = _object(update.get("callback_query"))
    message = _object(press.get("message") if press else update.get("message"))
    chat = _object(message.get("chat"))
    user = _object(press.get("from") if press else message.get("from"))
    date, message_id = message.get("date"), message.get("message_id")
    return Update(
        update_id=number,
        chat_id=str(chat.get("id", "")),
        user=str(user.get("username") or user.get("id", "")),
        time_ms=date * 1000 if isinstance(date, int) else 0,
        text=None if press else _text(message.get("text")),
        data=_text(press.get("data")),
        callback_id=_text(press.get("id")),
        message_id=message_id if isinstance(message_id, int) else None,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
