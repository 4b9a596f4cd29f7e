"""The command line of Bot Cripto; every command of the workflow runs its Snakemake target."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot_cripto import __version__, cli_models, clock
from bot_cripto.checkout import own_layout, own_settings
from bot_cripto.cli_trading import add_commands
from bot_cripto.errors import (
    EXIT_ALARM,
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    BotCriptoError,
    DataError,
)
from bot_cripto.secrets import redact, redact_logs
from bot_cripto.timeframes import iso, parse_iso

TARGETS = {
    "features": ("features", "compute the features of the last closed candle"),
    "train-trend": ("trend_model", "train a trend model; in use only where there is none"),
    "train-return": ("return_model", "train a return model; in use only where there is none"),
    "train-risk": ("risk_model", "train a risk model; in use only where there is none"),
    "run-inference": ("signal", "make and publish the signal of the last closed candle"),
}

NO_ROOM_OR_ACCESS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EEXIST),
)
"""What a disk says that is full, read-only, away or of another user: no fault of this program."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with the contract's code (0, 1, 2 or 3)."""
    given = _parser().parse_args(arguments)
    # a service tells what it does, a command prints it
    level = logging.INFO if given.command == "telegram" else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(message)s")
    redact_logs()
    try:
        code = given.run(given)
    except BotCriptoError as error:
        sys.stderr.write(f"bot-cripto {given.command}: {redact(str(error))}\n")
        code = error.exit_code
    except BrokenPipeError:
        # the reader of our output went away; nothing is left to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    except OSError as error:
        if error.errno not in NO_ROOM_OR_ACCESS:
            raise
        said = redact(f"{error}; make room or give access, then run again")
        sys.stderr.write(f"bot-cripto {given.command}: {said}\n")
        code = EXIT_FAILED
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bot-cripto",
        description="Signals that can be traced, replayed and believed.",
        epilog="Settings: config/config.yaml, or the environment. Exit codes: 0 done, 1 failed, "
        "2 wrong usage or configuration, 3 an alarm is raised.",
    )
    parser.add_argument("--version", action="version", version=f"bot-cripto {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def workflow(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = command(name, run, text)
        sub.add_argument("-n", "--dry-run", action="store_true", help="only say what is stale")
        return sub

    fetch = workflow("fetch", _fetch, "fetch the candles of the last days into the store")
    fetch.add_argument(
        "--days", type=_between(1, 3650), required=True, help="how many days of candles"
    )
    for name, (_, text) in TARGETS.items():
        workflow(name, _target, text)
    retrain = workflow(
        "retrain", _retrain, "train challengers and judge them against the champions"
    )
    retrain.add_argument(
        "--cutoff",
        metavar="TIME",
        type=_moment,
        help="train on candles before it, e.g. 2024-09-06 (default: the last midnight, UTC)",
    )
    retrain.add_argument(
        "--force", action="store_true", help="train again although nothing has changed"
    )
    backtest = workflow(
        "backtest", _backtest, "walk the deployed decision over the past, out of sample"
    )
    backtest.add_argument(
        "--folds", type=_between(2, 20), default=4, help="how many folds (default 4)"
    )
    workflow("tune", _tune, "say which thresholds would have been better; change nothing")
    workflow("audit", _audit, "ask the leak alarms about your own candles and configuration")
    workflow("scan", _scan, "look for an edge over timeframes, horizons and costs")
    drift = command("detect-drift", _detect_drift, "look for a drop in a performance history")
    drift.add_argument("--history-file", type=Path, required=True, help="list of {ts, metric}")
    explain = command("explain", _explain, "say why the last signal is what it is")
    explain.add_argument("--symbol", help="e.g. BTC/USDT; left out: the first configured one")
    explain.add_argument("--lang", choices=("en", "es"), default="en")
    add_commands(command)
    cli_models.add_commands(command)
    command("info", _info, "show configuration, folders, models and the last signal")
    return parser


def _between(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range, with the range as its complaint."""

    def whole(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {least} to {most}")
        return int(text)

    return whole


def _moment(text: str) -> str:
    """Parse a moment of the past as the configuration does."""
    try:
        moment = parse_iso(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ISO 8601 time like 2024-09-06T04:45:00Z"
        ) from None
    if moment > clock.now_ms():
        raise argparse.ArgumentTypeError(f"{text} lies after now, {iso(clock.now_ms())}")
    return iso(moment)


def _target(given: argparse.Namespace) -> int:
    from bot_cripto.workflow.runner import run_target

    return run_target(TARGETS[given.command][0], dry_run=given.dry_run)


def _retrain(given: argparse.Namespace) -> int:
    from bot_cripto.workflow.runner import run_target

    return run_target(
        "retrain",
        overrides={"training_cutoff": given.cutoff} if given.cutoff else None,
        dry_run=given.dry_run,
        again=("build_snapshot",) if given.force else (),
    )


def _fetch(given: argparse.Namespace) -> int:
    from bot_cripto.workflow.runner import run_target

    days = {"history_days": str(given.days)}
    return run_target("fetch", overrides=days, dry_run=given.dry_run)


def _evaluate(
    target: str, given: argparse.Namespace, report: str, overrides: dict[str, str] | None = None
) -> tuple[int, dict[str, Path]]:
    """Run a target; return its exit code, and the reports that it published by symbol.

    Of a symbol that has none it is said: the report of an earlier run is not shown for it.
    """
    from bot_cripto.workflow.runner import run_target

    began = clock.system_ms()
    code = run_target(target, overrides=overrides, dry_run=given.dry_run)
    if code == EXIT_USAGE or given.dry_run:
        return code, {}
    settings = own_settings()
    published = {}
    for symbol in settings["symbols"]:
        path = own_layout(settings).reports(symbol) / report
        if path.is_file() and path.stat().st_mtime * 1000 >= began:
            published[symbol] = path
        else:
            sys.stdout.write(f"{symbol}: no result; the reason stands above\n")
    return code, published


def _backtest(given: argparse.Namespace) -> int:
    folds = {"folds": str(given.folds)}
    code, published = _evaluate("backtest", given, "backtest.json", folds)
    for symbol, path in published.items():
        sys.stdout.write(f"{symbol}: {json.loads(path.read_bytes())['verdict']} ({path})\n")
    return code


def _tune(given: argparse.Namespace) -> int:
    code, published = _evaluate("tune", given, "tuning.json")
    for path in published.values():
        sys.stdout.write(json.loads(path.read_bytes())["text"])
    return code


def _audit(given: argparse.Namespace) -> int:
    code, published = _evaluate("audit", given, "audit.json")
    words = {True: "passed", False: "ALARM", None: "unknown"}
    for symbol, path in published.items():
        found = json.loads(path.read_bytes())
        for alarm in found["alarms"]:
            sys.stdout.write(f"{symbol}: {words[alarm['passed']]:7} {alarm['name']}: ")
            sys.stdout.write(f"{alarm['text']}\n")
        if found["suspect"]:
            code = EXIT_ALARM
    return code


def _scan(given: argparse.Namespace) -> int:
    from bot_cripto.backtest.scan.sentences import as_text

    code, published = _evaluate("scan", given, "scan.json")
    for path in published.values():
        text = as_text(json.loads(path.read_bytes()), own_settings()["language"])
        sys.stdout.write(f"{text}\n\n{path.with_suffix('.html')}\n")
    return code


def _detect_drift(given: argparse.Namespace) -> int:
    from bot_cripto.drift.history import DRIFT, read_history, relative_drop

    result = relative_drop(read_history(given.history_file))
    sys.stdout.write(f"{given.history_file}: {result.status}: {result.reason}\n")
    return EXIT_ALARM if result.status == DRIFT else EXIT_OK


def _explain(given: argparse.Namespace) -> int:
    from bot_cripto.signals.explain import explain
    from bot_cripto.signals.publish import signal_path

    settings = own_settings()
    path = signal_path(own_layout(settings).logs, given.symbol or settings["symbols"][0])
    sys.stdout.write(explain(_read_signal(path), lang=given.lang) + "\n")
    return EXIT_OK


def _info(given: argparse.Namespace) -> int:
    from bot_cripto.info import info

    sys.stdout.write(info() + "\n")
    return EXIT_OK


def _read_signal(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no signal yet; run: snakemake signal") from None
    except ValueError as error:
        raise DataError(f"{path}: is no JSON ({error}); run: snakemake signal") from None
    return document


if __name__ == "__main__":
    main()
