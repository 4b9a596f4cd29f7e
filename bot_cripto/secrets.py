"""Secrets: where they come from, a wrapper that never shows one, and a filter for logs.

They come from a credentials folder (systemd's ``CREDENTIALS_DIRECTORY``, a file for each name),
from the environment, or from the environment file, in this order.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from bot_cripto.errors import ConfigError

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

SHOWN = "***"

_known: set[str] = set()

# A bot token of Telegram, a signature or key in a query: hidden whether known here or not.
_PATTERNS = (
    (re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"), SHOWN),
    (re.compile(r"(?i)\b(signature|apikey|api_key|secret|token)=[^&\s\"']+"), rf"\1={SHOWN}"),
)


def _shapes(value: str) -> set[str]:
    """Return how a secret may stand in a URL, in JSON, or in what Python shows of it."""
    shown = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return shown | {quote(value, safe=""), quote_plus(value), repr(value.encode())[2:-1]}


class Secret:
    """A secret that shows itself only when asked by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= 6:
            _known.update(_shapes(value))

    def __repr__(self) -> str:
        return f"Secret({SHOWN})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is never stored")

    def reveal(self) -> str:
        """Return the secret itself; for the library that needs it, never for a text."""
        return self._value


def read_secret(
    name: str, environment: Mapping[str, str] | None = None, *, exact: bool = False
) -> Secret:
    """Return the secret of that name; an empty one (falsy) where it is set nowhere.

    Parameters
    ----------
    name : str
        One of `bot_cripto.config.schema.SECRETS`.
    environment : mapping, optional
        Default: the process's own.
    exact : bool
        Leave blanks around it, but for the end of a file's line; they are dropped otherwise.

    Raises
    ------
    ConfigError
        A credentials or environment file is there and cannot be read.
    """
    from bot_cripto.config.load import ENV_FILE_VARIABLE, read_env_file

    environment = os.environ if environment is None else environment
    folder = environment.get(CREDENTIALS_VARIABLE)
    if folder:
        path = Path(folder) / name
        try:
            if path.exists():  # else the environment may hold it
                content = path.read_text(encoding="utf-8")
                return Secret(content.removesuffix("\n") if exact else content.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the credential cannot be read: {error}") from None
    value = environment.get(name, "")
    value = value if exact else value.strip()
    if not value and environment.get(ENV_FILE_VARIABLE):
        value = read_env_file(environment[ENV_FILE_VARIABLE]).get(name, "")
    return Secret(value)


def redact(text: str) -> str:
    """Return the text without any secret that this process has read, or that looks like one."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, SHOWN)
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts every record of a handler, its arguments and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's message by its redacted one."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - whatever another library's arguments raise
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redact(message), ()
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def redact_logs() -> None:
    """Put a `RedactingFilter` on every handler of the root logger; silence chatty libraries."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(f, RedactingFilter) for f in handler.filters):
            handler.addFilter(RedactingFilter())
    for name, level in (("httpx", logging.WARNING), ("httpcore", logging.WARNING)):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("telegram").setLevel(logging.INFO)
    logging.getLogger("ccxt").setLevel(logging.INFO)
