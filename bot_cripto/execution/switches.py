"""The operator's switches with their record: the file takes effect, the ledgers remember it."""

from __future__ import annotations

from bot_cripto import clock
from bot_cripto.errors import BusyError, LedgerError
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.events import Action, action_id
from bot_cripto.ledger.store import Ledger

ACCOUNTS = ("paper", "live")


def switch(layout: Layout, kind: str, who: str, reason: str) -> str:
    """Turn kill or pause on or off, and record it in every ledger that there is.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    kind : str
        ``kill``, ``release``, ``pause`` or ``resume``.
    who, reason : str
        For the record.

    Returns
    -------
    str
        What holds now, as a sentence. A ledger that could not take the record is named in it:
        the switch has taken effect all the same.

    Raises
    ------
    OSError
        The switch could not be written.
    """
    now = clock.system_ms()
    reason = " ".join(reason.split())
    turn(layout, kind, who, reason, now)
    problems = record(layout, kind, who, reason, now)
    killed, paused = control.killed(layout.control), control.paused(layout.control)
    stopped = [text for text in (killed, paused) if text]
    state = f"entries are stopped: {'; '.join(stopped)}" if stopped else "entries are allowed"
    return "; ".join([f"{kind}: {state}", *problems])


def turn(layout: Layout, kind: str, who: str, reason: str, now_ms: int) -> None:
    """Turn kill or pause on or off, at once and without a record; see `switch`."""
    if kind == "kill":
        control.kill(layout.control, who, reason, now_ms)
    elif kind == "pause":
        control.pause(layout.control, who, reason, now_ms)
    elif kind == "release":
        control.release(layout.control)
    elif kind == "resume":
        control.resume(layout.control)
    else:
        raise ValueError(f"{kind!r} is no switch")


def record(layout: Layout, kind: str, who: str, reason: str, now_ms: int) -> list[str]:
    """Write what was switched into every ledger that there is; return what could not be."""
    action = Action(action_id(kind, now_ms, who, reason), kind, now_ms, who, reason)
    problems = []
    for account in ACCOUNTS:
        path = layout.ledger(account)
        if not path.exists():
            continue
        try:
            with Ledger.open(path) as ledger:
                ledger.add(action)
        except (LedgerError, BusyError) as error:
            problems.append(f"the {account} ledger could not record it ({error})")
    return problems
