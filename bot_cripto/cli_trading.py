"""The commands of the trading room: execution, the operator's switches, state, messages."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bot_cripto import clock
from bot_cripto.checkout import ROOT, own_layout, own_settings, standing
from bot_cripto.errors import EXIT_ALARM, EXIT_FAILED, EXIT_OK, BotCriptoError, ConfigError
from bot_cripto.layout import Layout
from bot_cripto.person import who
from bot_cripto.secrets import redact

Command = Callable[[str, Any, str], argparse.ArgumentParser]

LANGUAGES = ("en", "es")


def add_commands(command: Command) -> None:
    """Add the commands of this module by `command(name, run, text)`."""
    command("execute", _execute, "act on the last signals: on paper, or live where that is on")
    portfolio = command("portfolio", _portfolio, "show equity, positions, trades and limits")
    portfolio.add_argument("--json", action="store_true", help="for programs")
    portfolio.add_argument("--lang", choices=LANGUAGES, help="left out: as configured")
    for name, text in SWITCHES.items():
        switch = command(name, _switch, text)
        switch.add_argument("--reason", default="", help="one line, for the record")
    flatten = command("flatten", _flatten, "close every position and cancel every open order")
    flatten.add_argument("--yes", action="store_true", help="do not ask")
    rebuild = command("rebuild-state", _rebuild, "make the derived state anew from the ledger")
    rebuild.add_argument("--check", action="store_true", help="only compare; 3 where it differs")
    backup = command("backup", _backup, "save ledger, journal, champions and mlflow.db in a file")
    backup.add_argument("file", type=Path)
    restore = command("restore", _restore, "put back what a backup file holds")
    restore.add_argument("file", type=Path)
    restore.add_argument("--force", action="store_true", help="set the present state aside")
    live = command("live", _live, "live trading: check it, or settle a mismatch")
    live.add_argument("what", choices=("check", "accept"))
    live.add_argument("--symbol", help="for accept: whose ledger is to follow the exchange")
    live.add_argument("--reason", default="", help="for accept: one line, for the record")
    command("notify", _notify, "send the messages that are due")
    command("telegram", _telegram, "answer Telegram commands until stopped")


SWITCHES = {
    "kill": "stop entries at once; positions keep their protective stops",
    "release": "take the kill back",
    "pause": "stop entries until resume",
    "resume": "take the pause back",
}


def _here() -> tuple[Layout, dict[str, Any]]:
    settings = own_settings()
    return own_layout(settings), settings


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _execute(given: argparse.Namespace) -> int:
    from bot_cripto.execution.session import execute

    outcome = execute(*_here(), os.environ)
    _say(outcome.lines)
    return outcome.code


def _portfolio(given: argparse.Namespace) -> int:
    from bot_cripto.execution.portfolio import portfolio, text

    layout, settings = _here()
    value = portfolio(layout, settings, clock.now_ms())
    if given.json:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(text(value, given.lang or settings["language"]))
    return EXIT_OK


def _switch(given: argparse.Namespace) -> int:
    from bot_cripto.execution.switches import switch

    layout = _control_layout(given.command)
    try:
        _say([switch(layout, given.command, who(), given.reason)])
    except OSError as error:
        raise BotCriptoError(f"{given.command} has NOT taken effect: {error}") from error
    return EXIT_OK


def _control_layout(command: str) -> Layout:
    """Return where the switches lie; the safe ones work with a faulty configuration too."""
    try:
        return _here()[0]
    except ConfigError as error:
        if command not in ("kill", "pause"):
            raise
        from bot_cripto.config.load import effective, salvage_settings

        settings, known = salvage_settings([ROOT / "config" / "config.yaml"], os.environ, {})
        if not known:
            raise
        sys.stderr.write(f"the configuration is faulty: {redact(str(error))}\n")
        return own_layout(effective(settings, standing()))


def _flatten(given: argparse.Namespace) -> int:
    from bot_cripto.execution.session import flatten

    layout, settings = _here()
    if not given.yes:
        account = "LIVE, with real money" if settings["live_mode"] else "paper"
        sys.stdout.write(f"Close every position of the account ({account})? Type yes: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("yes", "si", "sí"):
            _say(["Nothing was done."])
            return EXIT_FAILED
    outcome = flatten(layout, settings, os.environ, who())
    _say(outcome.lines)
    return outcome.code


def _rebuild(given: argparse.Namespace) -> int:
    from bot_cripto.execution.derived import rebuild
    from bot_cripto.execution.session import one_at_a_time

    layout, settings = _here()
    with nullcontext() if given.check else one_at_a_time(layout):
        differences = rebuild(layout, settings, check=given.check)
    _say(differences or ["The derived state is what ledger, journal and candles say."])
    return EXIT_ALARM if given.check and differences else EXIT_OK


def _backup(given: argparse.Namespace) -> int:
    from bot_cripto.saving.backup import backup

    file = given.file.absolute()
    _say([f"saved to {file}", *backup(_here()[0], file, ROOT).summary()])
    return EXIT_OK


def _restore(given: argparse.Namespace) -> int:
    from bot_cripto.saving.restore import restore

    _say(restore(_here()[0], given.file.absolute(), ROOT, force=given.force))
    return EXIT_OK


def _live(given: argparse.Namespace) -> int:
    from bot_cripto.execution import session

    if given.what == "check":
        outcome = session.live_check(*_here(), os.environ, who())
    elif not given.symbol or not given.reason:
        raise ConfigError("live accept needs --symbol and --reason")
    else:
        outcome = session.live_accept(*_here(), os.environ, given.symbol, who(), given.reason)
    _say(outcome.lines)
    return outcome.code


def _notify(given: argparse.Namespace) -> int:
    from bot_cripto.notify.deliver import notify

    report = notify(*_here(), os.environ)
    _say([str(report)])
    return report.exit_code


def _telegram(given: argparse.Namespace) -> int:
    from bot_cripto.notify.commands import serve

    return serve(*_here(), os.environ)
