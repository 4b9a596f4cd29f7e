"""Whether real orders are allowed: both switches, asked at the start and before every order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.clock import AS_OF_VARIABLE
from bot_cripto.config.load import ENV_FILE_VARIABLE, read_env_file
from bot_cripto.errors import ConfigError
from bot_cripto.secrets import read_secret

CONFIRMATION = "I_UNDERSTAND_LIVE_TRADING"
"""What LIVE_CONFIRM_TOKEN has to hold, letter for letter."""

EXCHANGES = ("binance", "binanceus")
"""Exchanges whose order protocol is known: how a lost reply is resolved depends on it."""


def refusal(settings: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    """Return why real orders are refused, or None where they are allowed.

    Parameters
    ----------
    settings : mapping
        Effective settings (`config.load.effective`).
    environment : mapping
        The environment variables of this moment; a variable ``LIVE_MODE``, in it or in the
        environment file that it names, has to be ``true`` as well, so that turning it off takes
        effect at the next order.

    Returns
    -------
    str or None
        One sentence; it never shows the token.
    """
    if settings.get("live_mode") is not True:
        return "live trading is off: LIVE_MODE is not true"
    try:
        mode = _mode(environment)
    except ConfigError as error:
        return f"live trading is refused: LIVE_MODE cannot be read ({error})"
    if mode is not None and mode.strip().lower() != "true":
        return "live trading is off: LIVE_MODE in the environment is not true"
    try:
        token = read_secret("LIVE_CONFIRM_TOKEN", environment, exact=True).reveal()
    except ConfigError as error:
        return f"live trading is refused: LIVE_CONFIRM_TOKEN cannot be read ({error})"
    if token != CONFIRMATION:
        what = "is not set" if not token else "is not the confirmation"
        return f"live trading is refused: LIVE_CONFIRM_TOKEN {what}; it must be {CONFIRMATION}"
    if settings.get("source") != "exchange":
        return "live trading is refused: it needs source: exchange"
    if settings.get("as_of") or environment.get(AS_OF_VARIABLE, "").strip():
        return f"live trading is refused as of another moment: unset as_of and {AS_OF_VARIABLE}"
    if settings.get("exchange") not in EXCHANGES:
        return (
            f"live trading is refused on {settings.get('exchange')}: its order protocol has not "
            f"been tried; use {' or '.join(EXCHANGES)}, or trade on paper"
        )
    if settings.get("market_type") != "spot":
        return (
            f"live trading is refused with market_type {settings.get('market_type')}: real "
            "orders are for spot alone in this release; margin and swap trade on paper"
        )
    return None


def _mode(environment: Mapping[str, str]) -> str | None:
    """Return LIVE_MODE as the environment or its file has it now; None: it is set in neither."""
    if "LIVE_MODE" in environment:
        return environment["LIVE_MODE"]
    file = environment.get(ENV_FILE_VARIABLE)
    return read_env_file(file).get("LIVE_MODE") if file else None


def require_live(settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Return where real orders are allowed.

    Raises
    ------
    ConfigError
        They are not, with the sentence of `refusal`.
    """
    reason = refusal(settings, environment)
    if reason is not None:
        raise ConfigError(reason)
