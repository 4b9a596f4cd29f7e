"""What the target `rollback` does before and after its signal is made, and `retrain` at its end."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from bot_cripto import clock
from bot_cripto.errors import BotCriptoError
from bot_cripto.lifecycle.mirror import mirror
from bot_cripto.lifecycle.retention import prune
from bot_cripto.lifecycle.rollback import ordered
from bot_cripto.person import who
from bot_cripto.workflow.runs import Run


class Switching:
    """The switch of models that a run was ordered to make, once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.switched: str | None = None

    def switch(self, look: bool) -> None:
        """Put the versions of the order in use; with `look` only say it.

        An order that cannot be followed ends the process: what Snakemake would make of it has a
        page of traceback, and always the exit code 1.
        """
        if self.switched:
            return
        settings, now = self.run.settings, clock.now_ms()
        order = settings["rollback"]
        try:
            lines = ordered(self.run.layout, settings, order, by=who(), now_ms=now, look=look)
        except BotCriptoError as error:
            _say(f"rollback: {error}", sys.stderr)
            os._exit(error.exit_code)
        _say("\n".join(lines))
        if not look:
            self.switched = order["symbol"]

    def mirror(self, code: int) -> None:
        """Let MLflow's registry say what the champion file says, whatever became of the signal."""
        problem = mirror(self.run.layout, self.switched) if self.switched else None
        if problem:
            _say(problem, sys.stderr)


def prune_old(run: Run, code: int) -> None:
    """Remove what is not kept, after a retrain that ended well."""
    if code:
        return
    try:
        now = clock.now_ms()
        for gone in prune(run.layout, run.settings, now, spare=run.cutoff, locked=True):
            # at the end of the process Snakemake's logger is silent
            _say(f"Removed {gone.path}: {gone.why}.")
    except (BotCriptoError, OSError) as error:
        _say(f"Old versions were not removed: {error}", sys.stderr)


def _say(text: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
