"""The commands of live trading as processes, with a state that moves to another host, and secrets.

The clock is the system's; candles are a day long, so that none closes meanwhile.
"""

from __future__ import annotations

import gzip
import io
import logging
import shutil
import tarfile
import traceback
from functools import partial

import live_world
import pytest
from session_world import BTC, KEYS, LIVE, SessionWorld

from bot_cripto.checkout import ROOT
from bot_cripto.errors import ConfigError
from bot_cripto.execution.derived import rebuild
from bot_cripto.layout import Layout
from bot_cripto.saving.backup import backup
from bot_cripto.saving.restore import restore
from bot_cripto.secrets import redact_logs

ENTERED = [("MARKET", "BUY", "FILLED"), ("STOP_LOSS_LIMIT", "SELL", "NEW")]
ENDED = [
    ("MARKET", "BUY", "FILLED"), ("STOP_LOSS_LIMIT", "SELL", "CANCELED"),
    ("MARKET", "SELL", "FILLED"),
]  # fmt: skip


@pytest.fixture(scope="module")
def exchange():
    with live_world.exchange() as running:
        yield running


def secrets_in(content):
    """Return which of the world's secrets stand in some bytes."""
    return [name for name, value in KEYS.items() if value.encode() in content]


def assert_no_secret_below(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = gzip.decompress(content)
            assert not secrets_in(content), path


def test_a_life_in_processes_and_a_move_to_another_host(exchange, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    world = SessionWorld(exchange, here, monkeypatch, real=True)
    texts = []

    def run(*words, code=0, **options):
        done = world.process(*words, **LIVE, **options)
        texts.append(done.stdout + done.stderr)
        assert done.returncode == code, (words, texts[-1])
        assert "Traceback" not in done.stderr
        return done.stdout

    world.signal("LONG")
    assert "live check" in run("execute")
    assert "may enter" in run("live", "check")
    run("execute")
    assert world.orders() == ENTERED
    assert "LIVE" in run("portfolio")
    assert "what ledger, journal and candles say" in run("rebuild-state", "--check")
    file = tmp_path / "backup.tar.gz"
    assert "saved to" in run("backup", str(file))

    # the other host has the candles, and nothing else
    shutil.copytree(here / "data", there / "data")
    run("restore", str(file), STATE_DIR=str(there))
    run("restore", str(file), STATE_DIR=str(there), code=2)
    monkeypatch.setattr(world, "process", partial(world.process, STATE_DIR=str(there)))
    run("rebuild-state")
    # revision 1 of the candle closes, as it would anywhere
    assert "bought" not in run("execute")
    assert world.orders() == ENTERED
    assert "live check" in texts[-1] or "held" in texts[-1]
    assert "Nothing was done" in run("flatten", input_text="no\n", code=1)
    assert world.orders() == ENTERED
    run("kill", "--reason", "enough")
    assert "closed" in run("flatten", input_text="yes\n")
    assert world.orders() == ENDED
    run("flatten", "--yes")
    run("rebuild-state", "--check")
    assert world.account.violations == []
    assert not secrets_in("".join(texts).encode())
    for folder in (here, there, tmp_path):
        assert_no_secret_below(folder)


def test_a_backup_that_was_cut_changes_nothing(exchange, tmp_path, monkeypatch):
    world = SessionWorld(exchange, tmp_path / "here", monkeypatch)
    world.enter()
    file = tmp_path / "backup.tar.gz"
    backup(world.layout, file, ROOT)
    file.write_bytes(file.read_bytes()[:-3000])
    before = {p: p.read_bytes() for p in world.layout.logs.rglob("*") if p.is_file()}
    done = world.process("restore", str(file), "--force")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in before} == before


def test_every_backup_made_beside_runs_can_be_restored_and_traded_on(
    exchange, tmp_path, monkeypatch
):
    world = SessionWorld(exchange, tmp_path / "here", monkeypatch)
    assert world.check().code == 0
    archives = []
    answer_order = exchange.answer

    def answering(name, *rest):
        # at every order of the run, before and after it
        if name == "POST order":
            archives.append(tmp_path / f"{len(archives)}.tar.gz")
            backup(world.layout, archives[-1], ROOT)
        answer = answer_order(name, *rest)
        if name == "POST order":
            archives.append(tmp_path / f"{len(archives)}.tar.gz")
            backup(world.layout, archives[-1], ROOT)
        return answer

    world.signal("LONG")
    with monkeypatch.context() as patched:
        patched.setattr(exchange, "answer", answering)
        world.execute()
    assert len(archives) == 4
    for number, file in enumerate(archives):
        folder = tmp_path / f"restored-{number}"
        layout = Layout.of(world.settings).below(folder)
        restore(layout, file, ROOT)
        shutil.copytree(world.layout.store, layout.store)
        shutil.copytree(world.layout.models, layout.models, dirs_exist_ok=True)
        world.layout = layout
        outcome = world.execute()
        # an order that was sent after the backup may be an alarm, once
        assert outcome.code in (0, 3), outcome.lines
        assert "bought" not in "\n".join(outcome.lines)
        outcome = world.execute()
        assert outcome.code == 0, (number, outcome.lines)
        assert world.orders() == ENTERED
        assert world.positions() and rebuild(layout, world.settings, check=True) == []


@pytest.mark.parametrize("fault", ["none", "key", "lost"])
def test_no_secret_is_anywhere_at_the_most_talkative_logging(
    exchange, tmp_path, monkeypatch, fault
):
    world = SessionWorld(exchange, tmp_path / "state", monkeypatch)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    redact_logs()
    root.setLevel(logging.DEBUG)
    for name in ("urllib3", "ccxt", "requests"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    try:
        assert world.check().code == 0
        world.signal("LONG")
        if fault == "key":
            monkeypatch.setattr(exchange, "key", "x" * 64)
        if fault == "lost":
            exchange.set_faults({"path": "*", "kind": "drop", "times": None})
        outcome = world.execute()
        texts = [*outcome.lines, stream.getvalue()]
        exchange.set_faults()
        try:
            world.environment = {"LIVE_MODE": "true", "LIVE_CONFIRM_TOKEN": "my-other-secret"}
            world.execute()
        except ConfigError:
            texts.append(traceback.format_exc())
        assert "my-other-secret" not in "".join(texts)
        backup(world.layout, tmp_path / "state" / "backup.tar.gz", ROOT)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert not secrets_in("".join(texts).encode())
    assert_no_secret_below(tmp_path)
    with tarfile.open(tmp_path / "state" / "backup.tar.gz") as archive:
        assert any(name.endswith("-live.db") for name in archive.getnames())
    assert world.orders()[:1] == ([("MARKET", "BUY", "FILLED")] if fault == "none" else [])
    assert BTC in "".join(outcome.lines) or fault != "none"
