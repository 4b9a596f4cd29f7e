"""Mirroring a champion in MLflow's registry from a process that shall not import MLflow itself.

``python -m bot_cripto.lifecycle.mirror LAYOUT SYMBOL`` is that other process.
"""

from __future__ import annotations

import subprocess
import sys

from bot_cripto.errors import BotCriptoError
from bot_cripto.layout import Layout
from bot_cripto.secrets import redact
from bot_cripto.tracking.registry_view import divergence

TIMEOUT_S = 120.0

REMEDY = "mirror it later with: bot-cripto doctor --fix"


def mirror(layout: Layout, symbol: str) -> str | None:
    """Make the registry say what the champion file says; return why that failed, else None.

    The champion file is the truth for every signal, so a failure here stops nothing.

    Parameters
    ----------
    layout : Layout
        With whole paths.
    symbol : str
    """
    command = [sys.executable, "-m", "bot_cripto.lifecycle.mirror", layout.to_json(), symbol]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"MLflow's registry was not told of the champion of {symbol} ({error}); {REMEDY}"
    if done.returncode == 0:
        return None
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason")
    return redact(f"MLflow's registry was not told of the champion of {symbol} ({last}); {REMEDY}")


def untold(layout: Layout, symbol: str) -> str:
    """Return why the registry does not say what the champion file says; empty where it does.

    It reads only, without MLflow, and waits two seconds at most for a database that is locked.
    """
    try:
        return "; ".join(divergence(layout, symbol))
    except (BotCriptoError, OSError) as error:
        return redact(str(error))


def _main(layout: str, symbol: str) -> int:
    from bot_cripto.tracking.registry import sync_champion

    try:
        sync_champion(Layout.from_json(layout), symbol)
    except BotCriptoError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
