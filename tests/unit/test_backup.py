import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from backup_state import START, STEP, SYMBOL, build, content, layout, trade

from bot_cripto.errors import BusyError, ConfigError, DataError
from bot_cripto.ledger import control
from bot_cripto.ledger.events import OPEN, intent_id
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.locks import lock_run
from bot_cripto.saving import moves as restore_moves
from bot_cripto.saving.archive import read_archive
from bot_cripto.saving.backup import WATCHED_SECRETS, backup
from bot_cripto.saving.moves import PLAN
from bot_cripto.saving.restore import ROLES, restore

REPOSITORY = Path(__file__).resolve().parents[2]
NOTHING = {}


@pytest.fixture
def state(tmp_path):
    at = layout(tmp_path / "state")
    build(at, tmp_path / "code")
    return at


@pytest.fixture
def archive(state, tmp_path):
    backup(state, tmp_path / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    return tmp_path / "b.tar.gz"


def tree(folder):
    """Every file below a folder with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def as_restored(found):
    """What a restore of this state makes of it: live ledgers say so, the rest as it was
    but for derived files and a version that no champion names."""
    lives = {name: 1 for name in found if name.startswith("restored/") and "-live" in name}
    named = {name: value for name, value in found.items() if "/20240903" not in name}
    return named | lives | {"derived": []}


def test_a_backup_is_private_and_says_what_it_holds(state, tmp_path):
    file = tmp_path / "new" / "b.tar.gz"
    manifest = backup(state, file, tmp_path / "code", environment=NOTHING)
    assert file.stat().st_mode & 0o777 == 0o600
    assert manifest == read_archive(file)
    assert list(manifest.champions) == [SYMBOL]
    assert [p.name for p in file.parent.iterdir()] == ["b.tar.gz"]
    versions = {name.split("/")[3] for name in manifest.files if name.startswith("models/baseline")}
    assert {name[:8] for name in versions} == {"20240901", "20240902"}
    assert manifest.missing == []
    first, second = manifest.summary()
    assert first.startswith(f"{len(manifest.files)} files") and second.startswith(f"{SYMBOL}: 2024")
    assert sum(name.startswith("logs/ledger/") for name in manifest.files) == 3


def test_another_host_gets_the_same_state(state, archive, tmp_path):
    there = tmp_path / "elsewhere"
    at = replace(
        layout(there / "s"), data=there / "d", models=there / "m", logs=there / "l",
    )  # fmt: skip
    notes = restore(at, archive, tmp_path / "no-code")
    assert content(at) == as_restored(content(state))
    assert (there / "s/restored/config.yaml").read_text() == "prob_min: 0.61\n"
    text = "\n".join(notes)
    assert "compare it" in text and "live check" in text and "pause is on" in text
    for path in (at.journal, at.ledger("live"), at.ledger("paper")):
        assert path.stat().st_mode & 0o777 == 0o600
    with Ledger.open(at.ledger("paper")) as ledger:  # the open position
        assert ledger.fills()[0].intent_id == ledger.intents()[0].intent_id
        assert ledger.last_mark().exposure == Decimal("5600.15")
    leftovers = [p.name for p in there.rglob(".restore*")] + [p.name for p in there.rglob(PLAN)]
    assert leftovers == []
    assert control.killed(at.control) is None


def test_a_state_is_replaced_only_by_force_and_is_kept(state, archive, tmp_path):
    with Journal.open(state.journal) as journal, Ledger.open(state.ledger("live")) as ledger:
        trade(journal, ledger, START + STEP)
    before, files = content(state), tree(state.locks.parent)
    with pytest.raises(ConfigError, match=r"--force"):
        restore(state, archive, tmp_path / "code")
    assert content(state) == before
    locks = {f"locks/{role}{end}.lock" for role in ROLES for end in ("", ".jobs")} | {"locks"}
    assert set(tree(state.locks.parent)) == set(files) | locks
    restore(state, archive, tmp_path / "code", force=True)
    with Ledger.open(state.ledger("live"), readonly=True) as ledger:
        assert len(ledger.fills()) == 1
        assert len(ledger.actions("restored")) == 1
    [kept] = state.logs.glob("ledger.before-restore-*")
    with Ledger.open(kept / state.ledger("live").name, readonly=True) as ledger:
        assert len(ledger.fills()) == 2
    assert not state.risk_state(SYMBOL).exists()
    restore(state, archive, tmp_path / "code", force=True)  # within the same second, too
    assert len(list(state.logs.glob("ledger.before-restore-*"))) == 2


def test_no_write_ahead_log_of_another_database_survives(state, archive, tmp_path):
    ledger = Ledger.open(state.ledger("paper"))  # a reader keeps the log there
    with Journal.open(state.journal) as journal:
        trade(journal, ledger, START + STEP)
        Path(f"{state.mlflow_db}-wal").write_bytes(b"of another database")
        assert Path(f"{state.ledger('paper')}-wal").exists()
        restore(state, archive, tmp_path / "code", force=True)
    ledger.close()
    beside = [p for p in state.logs.rglob("*-wal") if "before-restore" not in str(p)]
    assert beside == []
    assert list(state.logs.glob("mlflow.db.before-restore-*-wal"))
    with Ledger.open(state.ledger("paper"), readonly=True) as ledger:
        assert len(ledger.fills()) == 1
        assert ledger.check() == []


def test_every_backup_of_a_bot_at_work_is_sound(state, tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("backup_state.py"))]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    bot = subprocess.Popen(
        [*command, json.dumps(str(state.locks.parent))], env=environment, stdout=subprocess.PIPE
    )
    seen = []
    try:
        bot.stdout.readline()
        for number in range(4):
            for _ in range(25):
                bot.stdout.readline()
            assert bot.poll() is None
            file = tmp_path / f"{number}.tar.gz"
            backup(state, file, tmp_path / "code", environment=NOTHING)
    finally:
        bot.kill()
        bot.wait()
        bot.stdout.close()
    for number in range(4):
        at = layout(tmp_path / f"host{number}")
        restore(at, tmp_path / f"{number}.tar.gz", tmp_path / "code")
        with Ledger.open(at.ledger("paper")) as ledger, Journal.open(at.journal) as journal:
            assert ledger.check() == [] and journal.check() == []
            intents, fills = ledger.intents(), ledger.fills()
            assert {f.intent_id for f in fills} == {i.intent_id for i in intents}
            for intent in intents:  # no trade without its signal
                assert journal.since(SYMBOL, intent.candle_ms, intent.candle_ms + 1)
            seen.append(len(fills))
            # and it goes on from there
            trade(journal, ledger, START + 10_000 * STEP)
            assert ledger.intent(intent_id(SYMBOL, START + 10_000 * STEP, OPEN))
    # what was done before each backup is in it
    assert seen == sorted(seen)
    assert all(count >= 25 * number for number, count in enumerate(seen, 1)), seen


def test_a_damaged_archive_is_refused_before_anything_is_touched(archive, tmp_path):
    whole = archive.read_bytes()
    bad, at = tmp_path / "bad.tar.gz", layout(tmp_path / "host")
    places = {0, 1, 3, 4, 8, 9, 10, 11, len(whole) - 8, len(whole) - 4, len(whole) - 1}
    places |= set(range(12, len(whole), max(1, len(whole) // 60)))
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        bad.write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged|no backup|cut|checksum|format|place"):
            restore(at, bad, tmp_path / "code")
    for size in {0, 1, 9, 10, 100, *range(0, len(whole), max(1, len(whole) // 25)), len(whole) - 1}:
        bad.write_bytes(whole[:size])
        with pytest.raises(DataError):
            restore(at, bad, tmp_path / "code")
    assert not (tmp_path / "host").exists()
    with pytest.raises(ConfigError, match="no such file"):
        restore(at, tmp_path / "none", tmp_path / "code")


def packed(file, members):
    """Write a gzip-sound archive by hand; a member is a name and content, or a TarInfo."""
    with (
        file.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        "/etc/passwd",
        "../outside",
        "logs/../../outside",
        "logs/control/../../../outside",
        "logs/mlartifacts/../../../outside",
        "logs/mlartifacts//outside",
        "logs/mlartifacts/./x",
        "models/baseline/../../outside/x",
        "models/champion/history/../../../../x.jsonl",
        "data/configs/../x.json",
        "logs/locks",
        "Snakefile",
        "config/config.yaml\nx",
        special("logs/control/kill", tarfile.SYMTYPE, "/etc/passwd"),
        special("logs/control/kill", tarfile.LNKTYPE, "../../x"),
        special("logs/control/kill", tarfile.CHRTYPE),
        special("logs/control/kill", tarfile.BLKTYPE),
        special("logs/control/kill", tarfile.FIFOTYPE),
        special("logs/control", tarfile.DIRTYPE),
    ],
    ids=lambda m: m if isinstance(m, str) else f"{m.type} {m.name}",
)
def test_what_no_backup_holds_is_refused(member, tmp_path):
    file, at = tmp_path / "evil.tar.gz", layout(tmp_path / "host")
    manifest = {"format": 1, "created": "", "git_commit": None, "program": "", "champions": {},
                "missing": [], "files": {}}  # fmt: skip
    packed(file, [(member, b""), ("manifest.json", json.dumps(manifest).encode())])
    before = tree(tmp_path)
    with pytest.raises(DataError, match="nothing was touched"):
        restore(at, file, tmp_path / "code")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("config/config.yaml", b"a")], "no manifest"),
        ([("config/config.yaml", b"a"), ("manifest.json", b"[]")], "manifest"),
        ([("config/config.yaml", b"a"), ("manifest.json", b'{"format": 99}')], "format 99"),
        ([("config/config.yaml", b"a"), ("manifest.json", b'{"format": 1}')], "manifest"),
        ([("config/config.yaml", b"a"), ("config/config.yaml", b"b")], "twice"),
        ([("manifest.json", b"{}"), ("config/config.yaml", b"a")], "last"),
    ],
)
def test_an_archive_that_does_not_fit_its_manifest_is_refused(members, says, tmp_path):
    packed(tmp_path / "bad.tar.gz", members)
    with pytest.raises(DataError, match=says):
        restore(layout(tmp_path / "host"), tmp_path / "bad.tar.gz", tmp_path / "code")
    assert not (tmp_path / "host").exists()


def test_a_file_that_the_manifest_does_not_name_is_refused(archive, tmp_path):
    with tarfile.open(archive) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]
    members.insert(0, ("logs/control/kill", b"{}"))
    packed(tmp_path / "more.tar.gz", members)
    packed(tmp_path / "less.tar.gz", members[2:])
    for name in ("more", "less"):
        with pytest.raises(DataError, match="not what the manifest says"):
            restore(layout(tmp_path / "host"), tmp_path / f"{name}.tar.gz", tmp_path / "code")


def test_secrets_never_get_into_a_backup(state, tmp_path):
    values = {name: f"very-secret-{name.lower()}-8642097531" for name in WATCHED_SECRETS[:3]}
    values["TELEGRAM_BOT_TOKEN"] = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
    (tmp_path / "bot.env").write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    file = tmp_path / "b.tar.gz"
    for environment in (values, {"BOT_CRIPTO_ENV_FILE": str(tmp_path / "bot.env")}):
        backup(state, file, tmp_path / "code", environment=environment)
        plain = gzip.decompress(file.read_bytes())
        assert not [v for v in values.values() if v.encode() in plain]
    # and a file that holds one by a mistake makes none
    good = file.read_bytes()
    artefact = state.mlflow_artifacts / "1" / "env.txt"
    for name, value in values.items():
        artefact.write_bytes(b"x" * ((1 << 20) - 5) + value.encode())  # across two chunks
        with pytest.raises(DataError, match=f"env.txt.* holds the value of {name}|env.txt: holds"):
            backup(state, file, tmp_path / "code", environment=values)
    assert file.read_bytes() == good
    assert not list(tmp_path.glob(".b.tar.gz*"))


def with_little_room(limit, work):
    """Do work in a child that cannot write a file beyond so many bytes; return what it raised."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            work()
        except DataError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0
    with os.fdopen(reader) as pipe:
        return pipe.read()


@pytest.mark.parametrize("limit", [500, 5000, 100_000, None])
def test_a_full_disk_leaves_no_part_of_a_backup(state, tmp_path, limit):
    out = tmp_path / "out"
    (state.mlflow_artifacts / "model.bin").write_bytes(os.urandom(200_000))
    backup(state, out / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    good = (out / "b.tar.gz").read_bytes()
    limit = limit or len(good) - 100  # all but the last bytes
    said = with_little_room(
        limit, lambda: backup(state, out / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    )
    assert "b.tar.gz" in said or ".db" in said
    assert [p.name for p in out.iterdir()] == ["b.tar.gz"]
    assert (out / "b.tar.gz").read_bytes() == good


def test_a_full_disk_leaves_the_state_as_it_was(state, archive, tmp_path):
    before = content(state)
    for limit in (10, 5000):
        said = with_little_room(
            limit, lambda: restore(state, archive, tmp_path / "code", force=True)
        )
        assert "there is there still" in said or ".db" in said
        assert content(state) == before
        assert control.killed(state.control) is None


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_restore_leaves_the_old_state(state, archive, tmp_path, monkeypatch, force):
    at = state if force else layout(tmp_path / "host")
    if force:
        with Journal.open(at.journal) as journal, Ledger.open(at.ledger("live")) as ledger:
            trade(journal, ledger, START + STEP)
    before = content(at)
    real, step = restore_moves.rename, int(force)
    while True:
        step += 2  # before each rename, or after it
        count = 0

        def rename(source, target, step=step):
            nonlocal count
            count += 1
            if count == step // 2 and step % 2 == 0:
                raise Interrupted  # before it
            real(source, target)
            if count == step // 2 and step % 2 == 1:
                raise Interrupted  # after it

        monkeypatch.setattr(restore_moves, "rename", rename)
        try:
            restore(at, archive, tmp_path / "code", force=force)
        except Interrupted:
            monkeypatch.setattr(restore_moves, "rename", real)
            found = content(at)
            added = {k: v for k, v in found.items() if k not in before}
            assert {k.split("/")[0] for k in added} <= {"risk", "configs"}, step
            assert {k: found.get(k) for k in before} == before, step
            assert not (at.logs / PLAN).exists()
            continue
        break
    assert step > 10
    assert content(at) == as_restored(content(state)) if not force else before != content(at)


def test_a_killed_restore_is_taken_back_by_the_next(state, archive, tmp_path, monkeypatch):
    at = layout(tmp_path / "host")
    with Journal.open(at.journal) as journal, Ledger.open(at.ledger("live")) as ledger:
        trade(journal, ledger, START + 7 * STEP)
    before = content(at)
    real = restore_moves.rename
    for step in (1, 3, 4, 6, 9):
        child = os.fork()
        if child == 0:
            count = 0

            def rename(source, target, step=step):
                nonlocal count
                count += 1
                real(source, target)
                if count == step:
                    os._exit(9)

            restore_moves.rename = rename
            restore(at, archive, tmp_path / "code", force=True)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        if (at.logs / PLAN).exists():
            with pytest.raises(DataError, match="not ended"):
                backup(at, tmp_path / "c.tar.gz", tmp_path / "code", environment=NOTHING)
            assert "restore has begun" in control.killed(at.control)
        with pytest.raises(ConfigError, match="--force"):  # asked for as if nothing had been
            restore(at, archive, tmp_path / "code")
        found = content(at)
        assert {k: found.get(k) for k in before} == before
        assert control.killed(at.control) is None
    notes = restore(at, archive, tmp_path / "code", force=True)
    assert content(at) == as_restored(content(state))
    assert not [note for note in notes if "taken back" in note]


def test_a_switch_that_is_on_stays_on(state, tmp_path):
    control.kill(state.control, "ana", "from the backup", START)
    backup(state, tmp_path / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    at = layout(tmp_path / "host")
    restore(at, tmp_path / "b.tar.gz", tmp_path / "code")
    assert "from the backup" in control.killed(at.control)
    assert "lunch" in control.paused(at.control)
    control.resume(at.control)
    control.kill(at.control, "eva", "of this host", START)
    restore(at, tmp_path / "b.tar.gz", tmp_path / "code", force=True)
    assert "of this host" in control.killed(at.control)
    assert "lunch" in control.paused(at.control)


def test_a_switch_that_cannot_be_read_is_on_after_the_restore(state, tmp_path):
    os.mkfifo(state.control / "kill")
    backup(state, tmp_path / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    at = layout(tmp_path / "host")
    restore(at, tmp_path / "b.tar.gz", tmp_path / "code")
    assert control.killed(at.control) is not None


@pytest.mark.parametrize("role", ROLES)
def test_a_restore_waits_for_nobody_and_disturbs_nobody(archive, tmp_path, role):
    at = layout(tmp_path / "host")
    with closing(lock_run(at.locks, role)), pytest.raises(BusyError, match=role):
        restore(at, archive, tmp_path / "code", wait_s=0.05)
    assert not at.logs.exists()


def test_a_damaged_version_is_replaced_and_a_missing_one_is_told(state, archive, tmp_path):
    [newest] = (state.models / "baseline/BTC_USDT").glob("20240902*")
    (newest / "reference.json").write_text("altered")
    restore(state, archive, tmp_path / "code", force=True)
    assert (newest / "reference.json").read_text() == '{"some": "rows"}'
    (newest / "metadata.json").unlink()
    manifest = backup(state, tmp_path / "c.tar.gz", tmp_path / "code", environment=NOTHING)
    assert manifest.missing == [f"baseline/BTC_USDT/{newest.name}"]


def test_a_damaged_ledger_makes_no_backup(state, tmp_path):
    ledger = state.ledger("paper")
    ledger.write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=ledger.name):
        backup(state, tmp_path / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    assert not list(tmp_path.glob("*b.tar.gz*"))


def test_a_backup_of_nothing_restores_to_nothing(tmp_path):
    at = layout(tmp_path / "empty")
    manifest = backup(at, tmp_path / "b.tar.gz", tmp_path / "code", environment=NOTHING)
    assert manifest.files == {}
    restore(layout(tmp_path / "host"), tmp_path / "b.tar.gz", tmp_path / "code")
    with pytest.raises(ConfigError, match="folder"):
        backup(at, tmp_path, tmp_path / "code", environment=NOTHING)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_no_files_of_its_own_in_the_state_of_a_service(archive, tmp_path):
    host = tmp_path / "host"
    host.mkdir()
    os.chown(host, 12345, 12345)
    with pytest.raises(ConfigError, match="user 12345"):
        restore(layout(host), archive, tmp_path / "code")
    assert list(host.iterdir()) == []
