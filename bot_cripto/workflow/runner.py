"""The one way from the command line into the workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bot_cripto.checkout import ROOT, STANDING_VARIABLE, own_settings
from bot_cripto.errors import ConfigError


def run_target(
    target: str,
    *,
    overrides: dict[str, str] | None = None,
    dry_run: bool = False,
    again: Sequence[str] = (),
) -> int:
    """Run a target of the workflow as ``snakemake TARGET`` does, and return its exit code.

    Parameters
    ----------
    target : str
        A target rule of the Snakefile.
    overrides : dict of str to str, optional
        Settings for this run alone (``--config``).
    dry_run : bool
        Only say what is stale and why.
    again : sequence of str
        Rules that run although nothing has changed, and so what depends on them.
    """
    command = _command(target, overrides, dry_run, again)
    return subprocess.run(command, env=_environment(), check=False).returncode


def start_target(target: str, *, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a target of the workflow, its words going to an open file, and return at once."""
    return subprocess.Popen(
        _command(target, None, False),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def _command(
    target: str, overrides: dict[str, str] | None, dry_run: bool, again: Sequence[str] = ()
) -> list[str]:
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    # Snakemake's own log goes to the state too, not to where the person stands.
    command += ["--directory", str(_state_dir())]
    if dry_run:
        command.append("--dry-run")
    if again:
        command += ["--forcerun", *again]
    if overrides:
        command += ["--config", *(f"{name}={value}" for name, value in overrides.items())]
    return command


def _environment() -> dict[str, str]:
    return os.environ | {STANDING_VARIABLE: str(Path.cwd())}


def _state_dir() -> Path:
    try:
        return Path(own_settings()["state_dir"] or ROOT)
    except ConfigError:
        return ROOT  # the workflow says what is wrong, where the operator looks for it
