"""What follows a roll back: the signal is made anew, and MLflow's registry is told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from bot_cripto.layout import Layout
from bot_cripto.lifecycle.mirror import mirror
from bot_cripto.workflow.runner import start_target


def remake(
    layout: Layout,
    symbol: str,
    log: Path,
    start: Callable[..., subprocess.Popen[bytes]] = start_target,
) -> list[str]:
    """Make the signal of the last closed candle anew and mirror the champion; return problems.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    symbol : str
        Whose champion was switched.
    log : Path
        Where the run writes what it says; replaced by each one.
    start : callable, optional
        Starts a target of the workflow with its output going to an open file.
    """
    problems = []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        code = start("signal", output=output).wait()
    if code:
        problems.append(f"the signal could not be made anew (exit code {code}); see {log}")
    problem = mirror(layout, symbol)
    return [*problems, problem] if problem else problems
