"""Who is at the keyboard, for the record."""

from __future__ import annotations

import getpass
import os


def who() -> str:
    """Return the name of the person at the keyboard."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        # a user without a name, as in a container
        return f"user {os.getuid()}"
