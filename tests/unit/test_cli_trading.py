"""Commands of the operator that have to work whatever else does not."""

from __future__ import annotations

import errno
import getpass

import pytest

from bot_cripto import cli, cli_trading
from bot_cripto.ledger import control


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line: exit code, output and errors."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    for name in ("BOT_CRIPTO_NOW", "BOT_CRIPTO_ENV_FILE", "LIVE_MODE"):
        monkeypatch.delenv(name, raising=False)

    def main(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return ended.value.code, *capsys.readouterr()

    return main


def test_a_switch_is_turned_and_taken_back(run, tmp_path):
    code, said, _ = run("kill", "--reason", "enough")
    assert code == 0 and "enough" in said
    assert control.killed(tmp_path / "logs" / "control")
    code, said, _ = run("release")
    assert code == 0 and "entries are allowed" in said
    assert control.killed(tmp_path / "logs" / "control") is None


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no name")])
def test_a_user_without_a_name_can_kill(run, monkeypatch, error):
    def nameless():
        raise error

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nameless)
    code, said, _ = run("kill")
    assert code == 0 and "killed by user " in said


@pytest.mark.parametrize("command", ["kill", "pause"])
def test_a_faulty_configuration_keeps_nobody_from_stopping_entries(
    run, monkeypatch, tmp_path, command
):
    monkeypatch.setenv("PROB_MIN", "seven")
    code, said, errors = run(command)
    assert code == 0 and "entries are stopped" in said and "PROB_MIN" in errors
    assert (tmp_path / "logs" / "control" / command).exists()
    assert run("release" if command == "kill" else "resume")[0] == 2


def test_a_switch_that_cannot_be_written_is_said_without_a_traceback(run, tmp_path):
    (tmp_path / "logs").write_text("a file in the way")
    code, _, errors = run("release")
    assert code == 1 and "release has NOT taken effect" in errors


def test_the_person_at_the_keyboard_is_named(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ana")
    assert cli_trading.who() == "ana"


def test_a_disk_without_room_or_access_is_said_in_a_line(run, monkeypatch):
    def fail(number):
        def info(given):
            raise OSError(number, "No luck", "/somewhere")

        monkeypatch.setattr(cli, "_info", info)

    fail(errno.ENOSPC)
    code, _, said = run("info")
    assert code == 1 and "No luck" in said and "make room" in said and said.count("\n") == 1
    fail(errno.ENOENT)
    with pytest.raises(FileNotFoundError):
        cli.main(["info"])
