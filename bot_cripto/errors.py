"""Errors meant for people: what happened, where, and what to do about it."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ALARM = 3


class BotCriptoError(Exception):
    """Base of every error that is reported as one line, without a traceback."""

    exit_code = EXIT_FAILED


class ConfigError(BotCriptoError):
    """The configuration or the command line is wrong; nothing was changed."""

    exit_code = EXIT_USAGE


class DataError(BotCriptoError):
    """Candles or an artefact are missing, damaged or do not fit together."""


class LedgerError(DataError):
    """The ledger or the journal is damaged, of another format, or refuses an entry."""


class SourceError(DataError):
    """A market-data source could not deliver what was asked of it."""


class ModelError(BotCriptoError):
    """A model version is missing, damaged or made by incompatible features."""


class BusyError(BotCriptoError):
    """Another run of the same role holds the lock."""
