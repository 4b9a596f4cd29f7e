"""Fixtures: laboratories with and without trained models."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from laboratory import ROOT, Lab, Ran


@pytest.fixture(scope="session")
def trained_state(tmp_path_factory) -> Path:
    """A state that has made its first models and a signal at NOW; never changed by a test."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    state = shared / "trained-state"
    with (shared / "trained-state.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "trained-state.ready").exists():
            ran = Lab(state).run()
            assert ran.code == 0, ran.output
            (shared / "trained-state.ready").write_text(ran.output)
    return state


@pytest.fixture
def first_run(trained_state) -> Ran:
    """The run that made the trained state."""
    return Ran(0, (trained_state.parent / "trained-state.ready").read_text())


@pytest.fixture
def lab(trained_state, tmp_path) -> Lab:
    """A laboratory of one's own, with models trained and a signal made at NOW."""
    state = tmp_path / "state"
    shutil.copytree(trained_state, state)
    return Lab(state)


@pytest.fixture
def empty_lab(tmp_path) -> Lab:
    """A laboratory where nothing has happened yet."""
    return Lab(tmp_path / "state")


@pytest.fixture
def edited_lab(lab, tmp_path) -> Iterator[Lab]:
    """A laboratory with a checkout of its own, whose code a test may edit."""
    copy = tmp_path / "checkout"
    for name in ("bot_cripto", "scripts", "rules", "config", "profiles", "envs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", copy / "Snakefile")
    lab.checkout = copy
    yield lab
