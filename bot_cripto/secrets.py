"""Secrets: where they come from, a wrapper that never shows one, and a filter for logs.

They come from a credentials folder (systemd's ``CREDENTIALS_DIRECTORY``, a file for each name),
from the environment, or from the environment file, in this order.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_cripto.errors import ConfigError

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

SHOWN = "***"

_known: set[str] = set()

# A bot token of Telegram, a signature or key in a query: hidden whether known here or not.
_PATTERNS = (
    (re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"), SHOWN),
    (re.compile(r"(?i)\b(signature|apikey|api_key|secret|token)=[^&\s\"']+"), rf"\1={SHOWN}"),
)


class Secret:
    """A secret that shows itself only when asked by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= 6:
            _known.add(value)

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


def read_secret(name: str, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the secret of that name; an empty one (falsy) where it is set nowhere.

    Parameters
    ----------
    name : str
        One of `bot_cripto.config.schema.SECRETS`.
    environment : mapping, optional
        Default: the process's own.

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
                return Secret(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the credential cannot be read: {error}") from None
    value = environment.get(name, "").strip()
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
        record.msg, record.args = redact(record.getMessage()), ()
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
