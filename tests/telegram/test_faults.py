"""The notifier against everything that a chat, a network and a power cut can do."""

from __future__ import annotations

import random
import re
import sqlite3

import pytest
from bot_server import CHAT, TOKEN, BotServer
from world import SECRETS, START, World

from bot_cripto.notify.outbox import Message, Outbox
from bot_cripto.notify.telegram import Telegram

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBUserWarning")

FAULTS = (
    {"kind": "retry_after", "seconds": 7},
    {"kind": "status", "status": 500, "description": "Internal Server Error"},
    {"kind": "status", "status": 502, "html": True},
    {"kind": "status", "status": 403, "description": "Forbidden: bot was kicked"},
    {"kind": "status", "status": 401, "description": "Unauthorized"},
    {"kind": "status", "status": 400, "description": "Bad Request: chat not found"},
    {"kind": "status", "status": 400, "description": "Bad Request: can't parse"},
    {"kind": "timeout_before"},
    {"kind": "timeout_after"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "html"},
    {"kind": "garbage"},
    {"kind": "trickle"},
    {"kind": "slow", "seconds": 0.02},
)


def enqueue(world, *numbers, kind=None):
    """Put numbered messages into the outbox."""
    with Outbox(world.layout.outbox) as outbox, outbox.transaction():
        outbox.enqueue(
            [Message(f"n{n}", kind or f"kind{n}", world.now(), f"message {n}.") for n in numbers],
            world.now(),
        )


def numbers_of(text):
    return [int(found) for found in re.findall(r"message (\d+)\.", text)]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_nothing_is_lost_uncounted_doubled_or_out_of_order(seed, tmp_path):
    draw = random.Random(seed)
    world = World(tmp_path, notify_retry_hours=12.0)
    world.rng = draw.random
    with BotServer(clock=world.monotonic) as server:
        world.settings["telegram_base_url"] = server.url
        world.run()
        made, killed = 0, set()
        for _ in range(8):
            count = draw.randrange(4)
            # each of its own kind: merging is looked at elsewhere
            enqueue(world, *range(made, made + count))
            made += count
            server.faults = [dict(draw.choice(FAULTS)) for _ in range(draw.randrange(4))]
            if draw.random() < 0.2:
                killed |= set(kill_while_sending(world, server, draw))
            else:
                report = world.run(timeout_s=0.3, budget_s=60)
                assert (report.exit_code == 0) == (not report.problem)
            if draw.random() < 0.2:
                server.stop()
                assert world.run(timeout_s=0.3, budget_s=5).sent == 0
                server.restart()
            world.passed += draw.choice((5, 400, 4000))
        server.faults = []
        world.passed += 3700
        enqueue(world, made)
        made += 1
        assert world.run(budget_s=120).pending == 0
        seen = [number for text in server.texts() for number in numbers_of(text)]
        doubtful = [number for text in server.doubtful for number in numbers_of(text)]
        first = list(dict.fromkeys(seen))
        assert first == sorted(first), "out of order"
        with Outbox(world.layout.outbox) as outbox:
            lost = outbox.counts()["lost"]
            assert outbox.note("lost_untold") is None
        assert made - len(first) <= lost, "lost without being counted"
        copies = {
            number: [t for t in server.texts() if number in numbers_of(t)] for number in first
        }
        for number, texts in copies.items():
            allowed = 1 + doubtful.count(number) + (number in killed)
            assert len(texts) <= allowed, f"message {number} came twice"
            assert all("may be a repetition" in text for text in texts[1:])
        assert sum(told_lost(texts[-1]) for texts in copies.values()) == lost


def told_lost(text):
    found = re.search(r"(\d+) earlier messages? could not be delivered", text)
    return int(found[1]) if found else 0


def kill_while_sending(world, server, draw):
    """Run until a random call of SQLite or Telegram, and die there; return what was in hand."""
    left = draw.randrange(40)

    def step(_statement):
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    before = len(server.delivered)
    with pytest.MonkeyPatch.context() as patch:
        real_do, real_send = Outbox._do, Telegram.send_text

        def do(self, sql, *values):
            step(sql)
            return real_do(self, sql, *values)

        def send(self, *args, **kwargs):
            step("send")
            done = real_send(self, *args, **kwargs)
            step("sent")
            return done

        patch.setattr(Outbox, "_do", do)
        patch.setattr(Telegram, "send_text", send)
        try:
            world.run(timeout_s=0.3, budget_s=60)
        except Killed:
            # only the last one may be sent without being noted
            return numbers_of(server.texts()[-1]) if len(server.delivered) > before else []
    return []


def test_killed_at_every_step_each_fact_becomes_one_message(tmp_path):
    """Whatever step it dies at, the next run tells each fact, and only what was sent twice."""
    for death in range(1, 400, 9):
        world = World(tmp_path / str(death))
        with BotServer(clock=world.monotonic) as server:
            world.settings["telegram_base_url"] = server.url
            world.run()
            opened = world.enter()
            world.signal("LONG")
            world.leave(opened)
            with pytest.MonkeyPatch.context() as patch:
                reached = die_at(patch, death)
                try:
                    world.run()
                    survived = True
                except Killed:
                    survived = False
            at_death = len(server.delivered)
            world.passed += 2
            world.run()
            lines = [text.splitlines()[0] for text in server.texts()]
            assert list(dict.fromkeys(lines)) == [
                "SIMULATED · entered BTC/USDT LONG at 50,000.00",
                "SIMULATED · BTC/USDT: LONG",
                "SIMULATED · left BTC/USDT LONG at 50,500.00: +7.99 USDT (+0.08 % of equity)",
            ]
            assert len(lines) <= 3 + (reached["sent"] and not survived)
            if len(lines) > 3:
                assert "may be a repetition" in server.texts()[at_death]
            if survived:
                return
    raise AssertionError("it never came to its end")


def die_at(patch, death):
    """Let the process die at that statement, transaction or message."""
    state = {"steps": 0, "sent": False}
    real_do, real_send, real_open = Outbox._do, Telegram.send_text, sqlite3.connect

    def step():
        state["steps"] += 1
        if state["steps"] == death:
            raise Killed

    def do(self, sql, *values):
        step()
        done = real_do(self, sql, *values)
        step()
        return done

    def send(self, *args, **kwargs):
        state["sent"] = False
        step()
        done = real_send(self, *args, **kwargs)
        state["sent"] = True
        step()
        return done

    def connect(*args, **kwargs):
        step()
        return real_open(*args, **kwargs)

    patch.setattr(Outbox, "_do", do)
    patch.setattr(Telegram, "send_text", send)
    patch.setattr(sqlite3, "connect", connect)
    return state


def test_retry_after_is_waited_for_and_never_less(world, server):
    world.run()
    enqueue(world, 1, 2)
    server.faults = [{"kind": "retry_after", "seconds": 9}]
    assert world.run(budget_s=30).sent == 2
    assert max(world.slept) >= 8.9
    enqueue(world, 3)
    server.faults = [{"kind": "retry_after", "seconds": 600}]
    asked = len(server.calls)
    report = world.run()
    assert (report.pending, report.exit_code) == (1, 0), "waiting as asked is no fault"
    world.passed += 500
    world.run()
    assert len(server.calls) == asked + 1, "nothing is sent meanwhile"
    world.passed += 101
    assert world.run().sent == 1


@pytest.mark.parametrize("how", ["token", "blocked", "chat"])
def test_what_only_a_person_can_mend_is_said_once_and_kept(world, server, caplog, how):
    world.run()
    enqueue(world, 1)
    secrets = dict(SECRETS)
    if how == "token":
        secrets["TELEGRAM_BOT_TOKEN"] = "123456789:" + "z" * 35
    elif how == "chat":
        secrets["TELEGRAM_CHAT_ID"] = "99999999"
    else:
        server.blocked = True
    for _ in range(5):
        world.passed += 300
        report = world.run(secrets)
        assert (report.exit_code, report.pending, report.sent) == (1, 1, 0)
        assert "TELEGRAM_" in report.problem
    assert len(server.calls) == 1, "it does not go on asking"
    assert sum("no message can be delivered" in text for text in caplog.messages) == 1
    server.blocked = False
    if how == "blocked":
        world.passed += 3600
    assert world.run().sent == 1, "another configuration is tried at once"


def test_what_cannot_be_delivered_in_time_is_counted_and_told(world, server):
    world.run()
    enqueue(world, 1, 2)
    server.stop()
    assert world.run(budget_s=5).exit_code == 1
    world.passed += 49 * 3600
    report = world.run(budget_s=5)
    assert report.lost == 2
    server.restart()
    world.passed += 400
    enqueue(world, 3)
    world.run(budget_s=60)
    told = [told_lost(text) for text in server.texts()]
    assert sum(told) == 2 and told[0] == 2
    world.passed += 86_400
    enqueue(world, 4)
    world.run(budget_s=60)
    with Outbox(world.layout.outbox) as outbox:
        assert outbox.note("lost_untold") is None


def test_the_summary_of_the_day_counts_the_lost(world, server):
    world.run()
    enqueue(world, 1)
    with Outbox(world.layout.outbox) as outbox, outbox.transaction():
        outbox.give_up(outbox.waiting().id, world.now())
        outbox.set_note("lost_untold", None)
    world.passed += 86_400
    world.run()
    assert "1 earlier message could not be delivered and is lost." in server.texts()[0]


@pytest.mark.parametrize("content", [b"", b"junk" * 999, "page"])
def test_a_damaged_outbox_is_kept_aside_and_the_past_is_not_repeated(world, server, content):
    world.run()
    world.signal("LONG")
    assert world.run().sent == 1
    world.passed += 10
    path = world.layout.outbox
    if content == "page":
        damaged = bytearray(path.read_bytes())
        damaged[4096 + 8 : 8192] = b"\xff" * (4096 - 8)
        path.write_bytes(damaged)
    else:
        path.write_bytes(content)
    assert world.run().sent == 1
    assert "was damaged and begins anew" in server.texts()[-1]
    kept = [p for p in path.parent.iterdir() if "damaged" in p.name and p.suffix != ".tmp"]
    assert kept and kept[0].name in server.texts()[-1]
    world.passed += 10
    world.signal("NO_TRADE")
    assert world.run().sent == 1
    assert len(server.delivered) == 3


def test_an_outbox_of_a_later_release_is_left_alone(world, server):
    world.run()
    connection = sqlite3.connect(world.layout.outbox)
    connection.execute("PRAGMA user_version = 2000")
    connection.close()
    report = world.run()
    assert report.exit_code == 1 and "another" not in report.problem
    assert not [p for p in world.layout.outbox.parent.iterdir() if "damaged" in p.name]


def test_an_outbox_that_cannot_be_written_is_a_report_not_an_exception(world, server):
    world.layout.outbox.parent.mkdir(parents=True, exist_ok=True)
    world.layout.outbox.mkdir()
    report = world.run()
    assert report.exit_code == 1 and "outbox" in report.problem


def test_a_clock_that_was_wrong_does_not_keep_messages_back(world, server):
    wrong = START + 40 * 3_600_000
    world.run(now=wrong)
    enqueue(world, 1)
    server.faults = [{"kind": "drop_before"}]
    world.run(now=wrong, budget_s=0.5)
    world.signal("LONG")
    world.promote("v1")
    assert world.run().pending == 0
    assert any("message 1." in text for text in server.texts())
    assert any("other models" in text for text in server.texts())
    world.passed += 86_400
    world.run()
    assert "summary of 2024-09-06" in server.texts()[-1]


def test_no_secret_in_logs_errors_or_files(world, server, caplog):
    caplog.set_level(0)
    secrets = dict(SECRETS)
    world.run(secrets)
    for fault in FAULTS:
        enqueue_one = f"the token is {TOKEN}, the chat {CHAT}"
        with Outbox(world.layout.outbox) as outbox, outbox.transaction():
            outbox.enqueue([Message(str(fault), str(fault), world.now(), enqueue_one)], world.now())
        echo = {"description": f"Bad Request: {TOKEN} {CHAT}"} if "status" in fault else {}
        server.faults = [dict(fault), dict(fault) | echo]
        report = world.run(secrets, timeout_s=0.08, budget_s=4)
        assert TOKEN not in str(report) and CHAT not in str(report)
        assert TOKEN not in repr(report)
        world.passed += 4000
    world.signal("NO_TRADE")
    world.failure(f"fetch: GET {server.url}/bot{TOKEN}/x")
    world.run(secrets)
    for path in world.folder.rglob("*"):
        # the journal holds what was put into it; the notifier wrote the others
        if path.is_file() and path.parent != world.layout.journal.parent:
            content = path.read_bytes()
            assert TOKEN.encode() not in content and CHAT.encode() not in content, path
            assert TOKEN.split(":")[1].encode() not in content, path
    for record in caplog.records:
        written = record.getMessage() + str(record.exc_text or "") + str(record.args)
        assert TOKEN not in written and TOKEN.split(":")[1] not in written
    assert all(TOKEN not in text for text in server.texts())
    assert any("/bot***/x" in text for text in server.texts())


def test_no_secret_in_exceptions(server):
    from bot_cripto.notify.telegram import DeliveryError
    from bot_cripto.secrets import Secret

    with Telegram(Secret(TOKEN), Secret(CHAT), server.url, timeout_s=0.3) as telegram:
        assert TOKEN not in repr(telegram) + str(telegram) + str(vars(telegram).keys())
        for fault in FAULTS[:-1]:
            server.faults = [dict(fault)]
            with pytest.raises(DeliveryError) as caught:
                telegram.send_text("x")
            error = caught.value
            assert TOKEN not in repr(error) + str(error) + repr(error.args) + repr(vars(error))
            assert error.__cause__ is None and error.__context__ is None
