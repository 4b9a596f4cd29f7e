"""What a job says of its failure: one line, with the symbol, or the traceback of a fault."""

from __future__ import annotations

import errno
import json
import logging
import sys

import pytest

from bot_cripto.errors import DataError
from bot_cripto.layout import Layout
from bot_cripto.workflow.jobs import ERRORS_VARIABLE, FOLDERS_VARIABLE, ROLES_VARIABLE, job


@pytest.fixture
def failed(tmp_path, monkeypatch, caplog, capsys):
    """Run a job that raises; return its code, its log, its stderr and what it left."""
    layout = Layout(*(tmp_path / name for name in ("data", "models", "logs", "locks")), "x")
    monkeypatch.setenv(FOLDERS_VARIABLE, layout.to_json())
    monkeypatch.setenv(ERRORS_VARIABLE, str(tmp_path))
    monkeypatch.delenv(ROLES_VARIABLE, raising=False)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    def run(error, *options):
        def walk_thresholds(layout, settings, symbol=""):
            raise error

        monkeypatch.setattr(sys, "argv", ["x", "--settings", "{}", *options])
        with pytest.raises(SystemExit) as end:
            job(walk_thresholds, *(["symbol"] if options else []))
        left = json.loads((tmp_path / "walk_thresholds.json").read_text())
        return end.value.code, caplog.text, capsys.readouterr().err, left["error"]

    return run


@pytest.mark.parametrize("text", ["too few rows", "BTC/USDT:USDT: too few rows"])
def test_an_error_names_its_symbol_once(failed, text):
    code, said, error, left = failed(DataError(text), "--symbol", "BTC_USDT-USDT")
    assert code == 1 and "Traceback" not in error
    assert left == "BTC/USDT:USDT: too few rows" and f"walk_thresholds: {left}" in said


def test_a_step_without_a_symbol_says_what_happened(failed):
    assert failed(DataError("nothing is there"))[3] == "nothing is there"


def test_a_full_disk_is_no_fault_of_the_program(failed):
    full = OSError(errno.ENOSPC, "No space left on device")
    code, said, error, left = failed(full, "--symbol", "BTC_USDT")
    assert code == 1 and "Traceback" not in error
    assert left == "BTC/USDT: No space left on device: make room, then run again" and left in said


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "Input/output error"), KeyError("x")])
def test_a_fault_leaves_its_traceback(failed, fault):
    code, _, error, left = failed(fault, "--symbol", "BTC_USDT")
    assert code == 1 and "Traceback" in error and type(fault).__name__ in left
