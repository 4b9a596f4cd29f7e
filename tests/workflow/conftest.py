"""Fixtures: laboratories with and without trained models."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
import yaml
from laboratory import MANY_TRADES, ROOT, SMALL, Lab, Ran


def made_once(tmp_path_factory, name: str, make) -> Path:
    """Return a folder that the first of all test processes makes, for all of them."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    with (shared / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.ready").exists():
            (shared / f"{name}.ready").write_text(make(shared / name))
    return shared / name


@pytest.fixture(scope="session")
def trained_state(tmp_path_factory) -> Path:
    """A state that has made its first models and a signal at NOW; never changed by a test."""

    def make(state: Path) -> str:
        ran = Lab(state).run()
        assert ran.code == 0, ran.output
        return ran.output

    return made_once(tmp_path_factory, "trained-state", make)


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


def copy_of_the_checkout(copy: Path) -> None:
    for name in ("bot_cripto", "scripts", "rules", "config", "profiles", "envs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", copy / "Snakefile")


@pytest.fixture
def edited_lab(lab, tmp_path) -> Lab:
    """A laboratory with a checkout of its own, whose code a test may edit."""
    copy_of_the_checkout(tmp_path / "checkout")
    lab.checkout = tmp_path / "checkout"
    return lab


@pytest.fixture
def edited_empty_lab(empty_lab, tmp_path) -> Lab:
    """A laboratory where nothing has happened yet, with a checkout that a test may edit."""
    copy_of_the_checkout(tmp_path / "checkout")
    empty_lab.checkout, empty_lab.settings = tmp_path / "checkout", ()
    return empty_lab


@pytest.fixture(scope="session")
def trading_checkout(tmp_path_factory) -> Path:
    """A checkout whose config.yaml lets many signals pass; never changed by a test."""

    def make(copy: Path) -> str:
        copy_of_the_checkout(copy)
        path = copy / "config" / "config.yaml"
        configured = yaml.safe_load(path.read_text())
        for item in (*SMALL, *MANY_TRADES):
            name, value = item.split("=", 1)
            value = yaml.safe_load(value)
            section = configured[name]
            configured[name] = {**section, **value} if isinstance(section, dict) else value
        path.write_text(yaml.safe_dump(configured))
        return "done"

    return made_once(tmp_path_factory, "trading-checkout", make)


@pytest.fixture
def trading_lab(lab, trading_checkout) -> Lab:
    """A laboratory whose configuration, in config.yaml, lets many signals pass."""
    lab.checkout, lab.settings = trading_checkout, ()
    return lab


@pytest.fixture(scope="session")
def holding_state(trained_state, trading_checkout, tmp_path_factory) -> Path:
    """A state that holds a position on paper at `held_at`; never changed by a test."""

    def make(state: Path) -> str:
        shutil.copytree(trained_state, state)
        lab = Lab(state, trading_checkout, settings=())
        for candle in range(1, 20):
            lab.cycle(candle)
            if lab.positions(candle):
                return str(candle)
        raise AssertionError("no signal of twenty candles became a position")

    return made_once(tmp_path_factory, "holding-state", make)


@pytest.fixture
def holding_lab(holding_state, trading_checkout, tmp_path) -> Lab:
    """A laboratory of one's own that holds a position after candle number `held_at`."""
    state = tmp_path / "state"
    shutil.copytree(holding_state, state)
    lab = Lab(state, trading_checkout, settings=())
    lab.held_at = int((holding_state.parent / "holding-state.ready").read_text())
    return lab
