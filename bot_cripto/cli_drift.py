"""The command that measures drift, and retrains because of it where that is on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from bot_cripto import clock
from bot_cripto.checkout import own_layout, own_settings
from bot_cripto.cli_trading import Command
from bot_cripto.errors import EXIT_ALARM, EXIT_OK, EXIT_USAGE
from bot_cripto.layout import Layout


def add_commands(command: Command) -> None:
    """Add the command of this module by `command(name, run, text)`."""
    drift = command("drift", _drift, "is the market still the one that the models learnt from?")
    drift.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="measure and say what would be done; write nothing, retrain nothing",
    )
    drift.add_argument(
        "--retrain",
        action="store_true",
        help="retrain where drift is found, whatever retrain_on_drift says",
    )


def _drift(given: argparse.Namespace) -> int:
    from bot_cripto.drift import retrain
    from bot_cripto.drift.history import DRIFT
    from bot_cripto.timeframes import last_close
    from bot_cripto.workflow.runner import run_target

    settings = own_settings()
    layout = own_layout(settings)
    until = last_close(clock.now_ms(), settings["timeframe"])
    if given.dry_run:
        code, results = EXIT_OK, _measured(layout, settings, until)
    else:
        code = run_target("drift")
        if code == EXIT_USAGE:
            return code
        results = _published(layout, settings["symbols"], until)
    for result in results:
        _show(result, settings["language"])
    drifted = [result["symbol"] for result in results if result["status"] == DRIFT]
    plan = retrain.plan(layout, settings, drifted, until, asked=given.retrain)
    would = "dry run; would be: " if given.dry_run else ""
    sys.stdout.write(f"{would}{plan.reason}\n")
    if plan.due and not given.dry_run:
        sys.stdout.flush()
        retrain.note_begin(layout, plan.cutoff)
        code = run_target("retrain", overrides={"training_cutoff": plan.cutoff}) or code
    return code or (EXIT_ALARM if drifted else EXIT_OK)


def _measured(layout: Layout, settings: Mapping[str, Any], until: int) -> list[dict[str, Any]]:
    """Return the measurements of now, made in this process and written nowhere."""
    from bot_cripto.drift.measure import measure

    return [measure(layout, settings, symbol, until) for symbol in settings["symbols"]]


def _published(layout: Layout, symbols: Iterable[str], until: int) -> list[dict[str, Any]]:
    """Return the published measurements of that candle or a later one; say which are missing."""
    from bot_cripto.timeframes import parse_iso

    found = []
    for symbol in symbols:
        path = layout.reports(symbol) / "drift.json"
        result = json.loads(path.read_bytes()) if path.is_file() else None
        # a candle may have closed since this process looked at the clock
        if result is None or parse_iso(result["candle_close_time"]) < until:
            sys.stdout.write(f"{symbol}: no result; the reason stands above\n")
        else:
            found.append(result)
    return found


def _show(result: Mapping[str, Any], language: str) -> None:
    from bot_cripto.drift.sentences import STATUS

    words = STATUS[language]
    sys.stdout.write(f"{result['symbol']}: {words[result['status']]}\n")
    for part in result["parts"]:
        for check in part["checks"]:
            name, status = check["name"], words[check["status"]]
            sys.stdout.write(f"  {name} ({status}): {check['text'][language]}\n")
