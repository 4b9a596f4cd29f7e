"""The one way from the command line into the workflow."""

from __future__ import annotations

import os
import subprocess
import sys

from bot_cripto.checkout import ROOT


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
    if dry_run:
        command.append("--dry-run")
    if overrides:
        command += ["--config", *(f"{name}={value}" for name, value in overrides.items())]
    return subprocess.run(command, env=dict(os.environ), check=False).returncode
