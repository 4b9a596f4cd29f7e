"""What every script of the workflow shares: its arguments, its lock, its log, its errors."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.checkout import own_settings
from bot_cripto.errors import EXIT_FAILED, EXIT_USAGE, BotCriptoError
from bot_cripto.layout import Layout
from bot_cripto.locks import job_lock
from bot_cripto.secrets import redact, redact_logs
from bot_cripto.symbols import symbol_from_path

ROLES_VARIABLE = "BOT_CRIPTO_ROLES"
ERRORS_VARIABLE = "BOT_CRIPTO_ERRORS"
FOLDERS_VARIABLE = "BOT_CRIPTO_FOLDERS"
PROVENANCE_VARIABLE = "BOT_CRIPTO_PROVENANCE"

log = logging.getLogger("bot_cripto")


def job(work: Callable[..., None], *arguments: str) -> None:
    """Run the work of one rule as a process of its own, and exit with the contract's code.

    The command line gives ``--settings`` (JSON: the rule's slice of the configuration); the
    environment says where files lie. Without them the project's own config.yaml and environment
    count, so that a script can be run by hand. `work` is called as
    ``work(layout, settings, **arguments)``.

    Parameters
    ----------
    work : callable
        Its name names the step in logs and errors.
    *arguments : str
        Names of further options, all texts and all required; one that ends with ``+`` takes
        several.
    """
    parser = argparse.ArgumentParser(description=work.__doc__)
    parser.add_argument("--settings", help="JSON; left out: config.yaml and the environment")
    for name in arguments:
        option = f"--{name.removesuffix('+').replace('_', '-')}"
        parser.add_argument(option, required=True, nargs="+" if name.endswith("+") else None)
    given = vars(parser.parse_args())
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    redact_logs()
    step = work.__name__
    try:
        text, folders = given.pop("settings"), os.environ.get(FOLDERS_VARIABLE)
        settings = json.loads(text) if text else own_settings()
        layout = Layout.from_json(folders) if folders else Layout.of(own_settings())
        with ExitStack() as held:
            for role in filter(None, os.environ.get(ROLES_VARIABLE, "").split(",")):
                held.enter_context(job_lock(layout.locks, role))
            work(layout, settings, **given)
    except BotCriptoError as error:
        text = _with_symbol(str(error), given.get("symbol"))
        _record(step, text)
        log.error("%s: %s", step, text)
        sys.exit(error.exit_code)
    except json.JSONDecodeError as error:
        log.error("%s: --settings is no JSON: %s", step, error)
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - the process ends here; nothing is swallowed
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = _with_symbol(f"{error.strerror}: make room, then run again", given.get("symbol"))
            _record(step, text)
            log.error("%s: %s", step, text)
            sys.exit(EXIT_FAILED)
        _record(step, redact(f"{type(error).__name__}: {error}"))
        sys.stderr.write(redact(traceback.format_exc()))
        sys.exit(EXIT_FAILED)


def provenance() -> dict[str, str | None]:
    """Return what the run is made with: ``git_commit``, ``code_sha256``, ``config_sha256``.

    It reaches jobs by the environment, because a new commit alone makes nothing stale. Empty
    where a script is run by hand.
    """
    known: dict[str, str | None] = json.loads(os.environ.get(PROVENANCE_VARIABLE) or "{}")
    return known


def _with_symbol(text: str, symbol: str | None) -> str:
    """Return an error's text with the symbol before it, where it does not begin with it."""
    name = symbol_from_path(symbol) if symbol else ""
    return text if text.startswith(name) else f"{name}: {text}"


def _record(step: str, text: str) -> None:
    """Leave the error where the end of the run looks for the reason of a NO_TRADE."""
    folder = os.environ.get(ERRORS_VARIABLE)
    if not folder:
        return
    try:
        atomic.write_json(Path(folder) / f"{step}.json", {"step": step, "error": text})
    except OSError as error:
        log.error("%s: the error could not be recorded in %s: %s", step, folder, error)
