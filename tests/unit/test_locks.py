"""Locks: one run a role, orphaned jobs noticed, nothing left behind by a kill."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from bot_cripto.errors import BusyError
from bot_cripto.locks import job_lock, lock_run


def holder(folder, code):
    """Start a process that holds a lock, and return it once it does."""
    prelude = "import sys, time; from pathlib import Path; from bot_cripto.locks import *; "
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + code + "; print('held', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FOLDER": str(folder)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_a_second_run_is_told_who_holds_the_lock(tmp_path):
    first = lock_run(tmp_path, "signal", wait_s=0)
    with pytest.raises(BusyError, match=rf"another signal run is at work \(process {os.getpid()}"):
        lock_run(tmp_path, "signal", wait_s=0)
    lock_run(tmp_path, "retrain", wait_s=0).close()
    first.close()
    lock_run(tmp_path, "signal", wait_s=0).close()


def test_a_killed_run_leaves_no_lock(tmp_path):
    process = holder(tmp_path, f"kept = lock_run(Path({str(tmp_path)!r}), 'signal')")
    with pytest.raises(BusyError, match=f"process {process.pid}"):
        lock_run(tmp_path, "signal", wait_s=0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock_run(tmp_path, "signal", wait_s=0).close()


def test_a_job_that_outlives_its_run_is_noticed(tmp_path):
    code = f"kept = job_lock(Path({str(tmp_path)!r}), 'signal'); kept.__enter__()"
    orphan = holder(tmp_path, code)
    with pytest.raises(BusyError, match="a job of a killed signal run is still at work"):
        lock_run(tmp_path, "signal", wait_s=0)
    orphan.kill()
    orphan.wait()
    lock_run(tmp_path, "signal", wait_s=0).close()


def test_jobs_of_one_run_share_their_lock(tmp_path):
    run = lock_run(tmp_path, "retrain", wait_s=0)
    with job_lock(tmp_path, "retrain"), job_lock(tmp_path, "retrain"):
        assert run.fileno() >= 0
    run.close()


def test_a_full_disk_does_not_keep_a_run_from_its_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lock_run(tmp_path, "execute", 0), pytest.raises(BusyError, match="unknown process"):
        lock_run(tmp_path, "execute", 0)
