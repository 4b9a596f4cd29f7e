import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto import atomic
from bot_cripto.ledger import control

NOW_MS = 1_725_597_900_000

SWITCHES = pytest.mark.parametrize(
    ("on", "off", "read", "name", "past"),
    [
        (control.kill, control.release, control.killed, "kill", "killed"),
        (control.pause, control.resume, control.paused, "pause", "paused"),
    ],
)


@SWITCHES
def test_a_switch_says_who_when_and_why(tmp_path, on, off, read, name, past):
    folder = tmp_path / "logs" / "control"
    assert read(folder) is None and not folder.exists()
    on(folder, "ana", "exchange is\n odd", NOW_MS)
    assert read(folder) == f"{past} by ana at 2024-09-06T04:45:00Z: exchange is odd"
    assert json.loads((folder / name).read_text()) == {
        "ts": "2024-09-06T04:45:00Z",
        "who": "ana",
        "reason": "exchange is odd",
    }
    assert off(folder) is True and read(folder) is None
    assert off(folder) is False
    assert list(folder.iterdir()) == []


def test_without_a_reason_the_sentence_ends(tmp_path):
    control.kill(tmp_path, "eva", "", 0)
    assert control.killed(tmp_path) == "killed by eva at 1970-01-01T00:00:00Z"


def test_the_switches_are_apart(tmp_path):
    control.kill(tmp_path, "ana", "a", NOW_MS)
    assert control.paused(tmp_path) is None
    control.pause(tmp_path, "bob", "b", NOW_MS)
    assert control.release(tmp_path) and control.killed(tmp_path) is None
    assert control.paused(tmp_path) == "paused by bob at 2024-09-06T04:45:00Z: b"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.builds(lambda value: json.dumps(value).encode(), st.text()))
def test_a_file_counts_as_on_whatever_it_holds(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("control")
    (folder / "kill").write_bytes(content)
    assert "killed" in control.killed(folder)
    assert control.state(folder).startswith("kill:")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"who": "ana"}', "[" * 100_000])
def test_a_file_that_says_nothing_of_use_is_named(tmp_path, content):
    (tmp_path / "pause").write_text(content)
    assert control.paused(tmp_path) == (
        f"paused: {tmp_path / 'pause'} is there, but does not say by whom"
    )


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def make_loop(path):
    path.symlink_to(path)


@SWITCHES
@pytest.mark.parametrize("make", [make_folder, make_pipe, make_dangling_link, make_loop])
def test_anything_in_its_place_counts_as_on(tmp_path, make, on, off, read, name, past):
    make(tmp_path / name)
    assert read(tmp_path) == f"{past}: {tmp_path / name} is there, though it is no ordinary file"


def test_a_folder_that_is_a_file_counts_as_on(tmp_path):
    (tmp_path / "control").write_text("x")
    for read in (control.killed, control.paused):
        assert "cannot be looked for (Not a directory), which counts as" in read(
            tmp_path / "control"
        )


@pytest.mark.parametrize("below", ["", "control", "logs/control"])
def test_a_folder_that_is_a_link_to_nowhere_counts_as_on(tmp_path, below):
    (tmp_path / "mount").symlink_to(tmp_path / "not-mounted")
    folder = tmp_path / "mount" / below
    assert "mount leads nowhere, which counts as killed" in control.killed(folder)
    (tmp_path / "not-mounted").mkdir()
    assert control.killed(folder) is None


def test_a_relative_folder_that_is_not_there_is_off(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert control.killed("logs/control") is None and control.state(Path("logs")) == ""


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
@pytest.mark.parametrize("call", ["lstat", "open"])
def test_what_cannot_be_read_counts_as_on(tmp_path, monkeypatch, error, call):
    control.kill(tmp_path, "ana", "why", NOW_MS)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(Path, call, fail)
    text = control.killed(tmp_path)
    assert text.endswith(f"({error.strerror}), which counts as killed")
    assert control.state(tmp_path) != ""


def test_what_is_taken_back_while_it_is_read_is_off(tmp_path, monkeypatch):
    control.kill(tmp_path, "ana", "why", NOW_MS)
    real = Path.open

    def late(path, *args, **kwargs):
        control.release(tmp_path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", late)
    assert control.killed(tmp_path) is None


def test_a_full_disk_cannot_keep_the_switch_off(tmp_path, monkeypatch):
    def full(path, fill, mode=0o644):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "write", full)
    control.kill(tmp_path, "ana", "why", NOW_MS)
    assert "is there, but does not say by whom" in control.killed(tmp_path)
    monkeypatch.undo()
    control.kill(tmp_path, "ana", "why", NOW_MS)
    monkeypatch.setattr(atomic, "write", full)
    control.kill(tmp_path, "bob", "too", NOW_MS)
    assert "killed by ana" in control.killed(tmp_path)


def test_a_switch_that_cannot_be_turned_on_says_so(tmp_path):
    (tmp_path / "control").write_text("x")
    folder = tmp_path / "control"
    control.kill(folder, "ana", "why", NOW_MS)  # what cannot be looked into counts as on
    assert control.killed(folder) is not None
    with pytest.raises(OSError, match="Not a directory"):
        control.release(folder)


def test_names_and_reasons_are_one_line_that_can_be_stored(tmp_path):
    control.kill(tmp_path, "a\tb\n", "half \ud800 pair " + "x" * 9_000, NOW_MS)
    text = control.killed(tmp_path)
    assert text.startswith("killed by a b at 2024-09-06T04:45:00Z: half \\ud800 pair xxx")
    assert len(text) < 600


def test_the_state_is_short_stable_and_changes_with_each_switch(tmp_path):
    seen = [control.state(tmp_path)]
    for change in (
        lambda: control.kill(tmp_path, "ana", "why", NOW_MS),
        lambda: control.kill(tmp_path, "ana", "another", NOW_MS),
        lambda: control.pause(tmp_path, "ana", "why", NOW_MS),
        lambda: control.release(tmp_path),
        lambda: (tmp_path / "kill").touch(),
    ):
        change()
        seen.append(control.state(tmp_path))
        assert control.state(tmp_path) == seen[-1]
    control.release(tmp_path)
    control.resume(tmp_path)
    assert control.state(tmp_path) == seen[0] == ""
    assert len(set(seen)) == len(seen) and max(map(len, seen)) < 60
