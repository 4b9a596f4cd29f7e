"""Whether `bot-cripto live check` has passed for the account that is traded on now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIVE_CHECK, RESTORED = "live_check", "restored"


def account_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a check is valid for."""
    return {
        "exchange": settings["exchange"],
        "base_url": settings["exchange_base_url"].rstrip("/"),
        "market_type": settings["market_type"],
    }


def needs_check(ledger: Any, settings: Mapping[str, Any]) -> str | None:
    """Return why entries have to wait for `bot-cripto live check`, or None.

    It is needed before the first entry, after a restore, and when exchange, address or kind of
    market have changed since.
    """
    checked = None
    for action in ledger.actions():
        if action.kind == LIVE_CHECK:
            checked = action.data
        elif action.kind == RESTORED:
            checked = None
    now = account_of(settings)
    if checked is None:
        return "`bot-cripto live check` has not passed yet"
    if any(checked.get(name) != value for name, value in now.items()):
        return "`bot-cripto live check` has passed for another exchange, address or market type"
    return None
