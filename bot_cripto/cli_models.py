"""The commands of the life of models: versions, rolling back, marks, pruning, the doctor."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bot_cripto import cli_drift, clock
from bot_cripto.checkout import own_layout, own_settings
from bot_cripto.cli_trading import Command
from bot_cripto.errors import EXIT_ALARM, EXIT_OK, ConfigError, DataError
from bot_cripto.layout import Layout
from bot_cripto.person import who
from bot_cripto.secrets import redact

KINDS = ("trend", "return", "risk", "baseline")


def add_commands(command: Command) -> None:
    """Add the commands of this module by `command(name, run, text)`."""
    versions = command("versions", _versions, "list the versions of the models")
    _subject(versions)
    versions.add_argument("--json", action="store_true", help="for programs")
    rollback = command("rollback", _rollback, "put earlier models back in use, or any version")
    _subject(rollback, required=True)
    rollback.add_argument("--to", metavar="VERSION", default="", help="left out: the one before")
    rollback.add_argument("--reason", required=True, help="one line, for the record")
    rollback.add_argument(
        "--mark-bad", action="store_true", help="never choose what is replaced again"
    )
    bad = command("mark-bad", _mark_bad, "never choose a version again, or take that back")
    bad.add_argument("version", metavar="VERSION")
    bad.add_argument("--symbol", required=True, help="e.g. BTC/USDT")
    bad.add_argument("--kind", required=True, choices=KINDS)
    bad.add_argument("--reason", default="", help="one line, for the record")
    bad.add_argument("--undo", action="store_true", help="take the mark back")
    prune = command("prune", _prune, "remove old versions and what they were trained on")
    prune.add_argument("-n", "--dry-run", action="store_true", help="only say what would go")
    doctor = command("doctor", _doctor, "find what is wrong with models, champions and MLflow")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    doctor.add_argument("--json", action="store_true", help="for programs")

    again = command("replay", _replay, "make signals again and compare them byte for byte")
    again.add_argument("signals", nargs="*", metavar="SIGNAL", help="a file, or an id")
    again.add_argument("--all", action="store_true", help="every signal of the journal")
    again.add_argument("--random", type=int, metavar="N", help="so many of the journal")
    again.add_argument("--seed", type=int, default=0, help="of the choice (default 0)")
    again.add_argument("--json", action="store_true", help="for programs")
    chain = command("lineage", _lineage, "show what a signal was made of, link by link")
    chain.add_argument("signal", metavar="SIGNAL", help="a file, or an id of the journal")
    chain.add_argument("--json", action="store_true", help="for programs")
    pages = command("mlflow", _mlflow, "serve MLflow's pages on this machine alone")
    pages.add_argument("--port", type=_port, default=5000, help="default 5000")
    made = command("reproduce", _reproduce, "train a version again and compare every byte")
    made.add_argument("version", metavar="VERSION")
    _subject(made)
    made.add_argument("--threads", type=int, default=1, help="of training (default 1)")
    cli_drift.add_commands(command)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port of 1024 to 65535")
    return int(text)


def _subject(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add --symbol and --kind."""
    parser.add_argument("--symbol", required=required, help="e.g. BTC/USDT")
    parser.add_argument("--kind", choices=KINDS)


def _here(given: argparse.Namespace) -> tuple[Layout, dict[str, Any], list[str]]:
    """Return layout, settings and the symbols that are meant: the one given, or all configured.

    Raises
    ------
    ConfigError
        The symbol is not configured.
    """
    settings = own_settings()
    symbol = getattr(given, "symbol", None)
    if symbol is not None and symbol not in settings["symbols"]:
        raise ConfigError(
            f"{symbol} is not configured; configured: {', '.join(settings['symbols'])}"
        )
    return own_layout(settings), settings, [symbol] if symbol else list(settings["symbols"])


def _versions(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.versions import as_text, list_all

    layout, settings, symbols = _here(given)
    found = list_all(layout, settings, symbols, given.kind, clock.now_ms())
    if given.json:
        rows = [version.to_json() for version in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(as_text(found))
    return EXIT_OK


def _rollback(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.mirror import mirror
    from bot_cripto.lifecycle.rollback import ordered
    from bot_cripto.workflow.runner import run_target

    layout, settings, (symbol,) = _here(given)
    order = {
        "symbol": symbol,
        "kind": given.kind or "",
        "to": given.to,
        "reason": given.reason,
        "mark_bad": given.mark_bad,
    }
    _say(ordered(layout, settings, order, by=who(), now_ms=clock.now_ms()))
    code = run_target("signal")
    problem = mirror(layout, symbol)
    if problem:
        sys.stderr.write(f"{problem}\n")
    return code


def _mark_bad(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.mirror import mirror
    from bot_cripto.models.bad_marks import mark_bad
    from bot_cripto.models.champion import read_champion

    layout, _, (symbol,) = _here(given)
    reason = redact(" ".join(given.reason.split()))
    if not reason and not given.undo:
        raise ConfigError("mark-bad needs --reason")
    mark = mark_bad(
        layout.models,
        symbol,
        given.kind,
        given.version,
        reason=reason,
        by=who(),
        now_ms=clock.now_ms(),
        bad=not given.undo,
    )
    named = f"{symbol} {mark.kind} {mark.version}"
    if mark.bad:
        _say([f"{named} is marked bad since {mark.at}: {mark.reason}"])
    else:
        _say([f"{named} may be chosen again."])
    champion = read_champion(layout.models, symbol)
    if mark.bad and champion is not None and champion.versions().get(mark.kind) == mark.version:
        _say(
            [
                "It is in use: from the next signal on an earlier one or the baseline stands in. "
                f"Better: bot-cripto rollback --symbol {symbol} --reason ..."
            ]
        )
    problem = mirror(layout, symbol)
    if problem:
        sys.stderr.write(f"{problem}\n")
    return EXIT_OK


def _prune(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.retention import prune

    layout, settings, _ = _here(given)
    removed = prune(layout, settings, clock.now_ms(), dry_run=given.dry_run)
    verb = "would be removed" if given.dry_run else "removed"
    _say([f"{verb}: {removal.path} ({removal.why})" for removal in removed])
    if not removed:
        _say(["Nothing is old enough."])
    return EXIT_OK


def _doctor(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.doctor.examination import as_text, examine
    from bot_cripto.lifecycle.doctor.finding import Patient

    layout, settings, _ = _here(given)
    found = examine(Patient(layout, settings, clock.now_ms(), given.fix))
    if given.json:
        rows = [vars(finding) for finding in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(as_text(found))
    return EXIT_OK if all(finding.mended for finding in found) else EXIT_ALARM


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _replay(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.comparison import exit_code
    from bot_cripto.lifecycle.past_signals import journalled
    from bot_cripto.lifecycle.replay import IMPOSSIBLE, Replayed, replay, summary, told

    if given.random is not None and given.random < 1:
        raise ConfigError(f"--random {given.random}: at least 1")
    settings = own_settings()
    names = list(given.signals)
    if given.all or given.random is not None:
        names += journalled(settings, None if given.all else given.random, given.seed)
    if not names:
        raise ConfigError("name a signal (a file, or an id of the journal), --all or --random N")
    found = []
    for name in names:
        try:
            found.append(replay(settings, name))
        except DataError as error:
            # one that is not there hides nothing of the others
            found.append(Replayed(name, IMPOSSIBLE, str(error)))
        if not given.json:
            sys.stdout.write(told(found[-1]))
    if given.json:
        rows = [result.to_json() for result in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    elif len(found) > 1:
        sys.stdout.write(summary(found))
    return exit_code(result.outcome for result in found)


def _lineage(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.lineage import as_text, lineage

    links = lineage(own_settings(), given.signal)
    if given.json:
        rows = [link.to_json() for link in links]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(as_text(links))
    return EXIT_ALARM if any(link.broken for link in links) else EXIT_OK


def _reproduce(given: argparse.Namespace) -> int:
    from bot_cripto.lifecycle.comparison import exit_code
    from bot_cripto.lifecycle.reproduce import as_text, find_version, reproduce

    if given.threads < 1:
        raise ConfigError(f"--threads {given.threads}: at least 1")
    settings = own_settings()
    layout = own_layout(settings)
    path = find_version(layout, given.version, given.symbol, given.kind)
    result = reproduce(layout, settings, path, num_threads=given.threads)
    sys.stdout.write(as_text(result))
    return exit_code([result.outcome])


def _mlflow(given: argparse.Namespace) -> int:
    from bot_cripto.tracking.server import serve

    serve(own_layout(own_settings()), given.port)
    return EXIT_OK
