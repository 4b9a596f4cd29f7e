"""Fixtures: one browser for all tests of a module."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from browser import NAMES, found, watched

# the made-up result of a backtest, and the laboratory for Snakemake
for folder in ("unit", "workflow"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / folder))


@pytest.fixture(scope="module")
def view():
    """A watched page of a browser that runs; skipped where none is installed, never in CI."""
    executable = found()
    if executable is None:
        reason = f"no browser found: install one of {', '.join(NAMES)}, or set CHROMIUM"
        if os.environ.get("CI") or os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    # playwright's event loop runs until it is closed: tests of other modules begin their own
    with watched(executable) as page:
        yield page
