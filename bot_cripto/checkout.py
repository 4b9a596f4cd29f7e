"""The checkout that this package runs from: its root, its configuration, its state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bot_cripto.layout import Layout

ROOT = Path(__file__).resolve().parent.parent
"""Where Snakefile, rules and configuration lie."""


STANDING_VARIABLE = "BOT_CRIPTO_STANDING"
"""Where the person stands whose relative paths are meant, when another process goes elsewhere."""


def standing() -> Path:
    """Return the folder that relative paths of a person count from."""
    return Path(os.environ.get(STANDING_VARIABLE) or Path.cwd())


def own_settings() -> dict[str, Any]:
    """Return the effective settings of config.yaml and the environment, as a person has them.

    Raises
    ------
    ConfigError
        The configuration is wrong.
    """
    from bot_cripto.config import effective, load_settings

    settings = load_settings(ROOT / "config" / "config.yaml", os.environ)
    return effective(settings, standing())


def own_layout(settings: dict[str, Any]) -> Layout:
    """Return the layout of the settings, its folders absolute."""
    return Layout.of(settings).below(Path(settings["state_dir"] or ROOT))
