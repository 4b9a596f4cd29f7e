"""The one way from the command line into the workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bot_cripto.checkout import ROOT, STANDING_VARIABLE, own_settings
from bot_cripto.errors import ConfigError


def run_target(
    target: str, *, overrides: dict[str, str] | None = None, dry_run: bool = False
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
    """
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    # Snakemake's own log goes to the state too, not to where the person stands.
    command += ["--directory", str(_state_dir())]
    if dry_run:
        command.append("--dry-run")
    if overrides:
        command += ["--config", *(f"{name}={value}" for name, value in overrides.items())]
    environment = os.environ | {STANDING_VARIABLE: str(Path.cwd())}
    return subprocess.run(command, env=environment, check=False).returncode


def _state_dir() -> Path:
    try:
        return Path(own_settings()["state_dir"] or ROOT)
    except ConfigError:
        return ROOT  # the workflow says what is wrong, where the operator looks for it
