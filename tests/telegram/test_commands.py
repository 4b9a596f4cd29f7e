"""The service of commands over real sockets, against the Bot API on loopback."""

import contextlib
import json
import logging
import os
import signal as signals
import string
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from bot_server import CHAT, TOKEN, BotServer
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot_cripto import atomic, clock
from bot_cripto.config import effective, load_settings
from bot_cripto.errors import ConfigError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.store import Ledger
from bot_cripto.lifecycle import rollback
from bot_cripto.locks import lock_run
from bot_cripto.models.champion import read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.in_use import Subject
from bot_cripto.notify import answering, commands, confirmations, listening
from bot_cripto.notify.answering import Answerer
from bot_cripto.notify.answers import Answers
from bot_cripto.notify.command_texts import COMMANDS, TEXTS, duration
from bot_cripto.notify.confirmations import Confirmations
from bot_cripto.notify.offset import FORGET_MS, Offset
from bot_cripto.notify.outbox import Message, Outbox
from bot_cripto.notify.retraining import Retraining
from bot_cripto.notify.telegram import Telegram, _plain
from bot_cripto.secrets import Secret
from bot_cripto.timeframes import iso

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "5550001111"
pytestmark = pytest.mark.filterwarnings("ignore:Please use 'Bot.getUpdates'")
ENVIRONMENT = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT}


def until(what, seconds=10.0):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"has not become true: {what}")


@pytest.fixture
def bot():
    with BotServer() as server:
        yield server


@pytest.fixture
def at(tmp_path):
    return Layout(Path("data"), Path("models"), Path("logs"), Path("locks"), "sim-5m").below(
        tmp_path
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(listening, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(answering, "RETRIES_S", (0.01, 0.02, 0.05))


def configured(bot, **changes):
    found = load_settings([], {}, {"symbols": ["BTC/USDT", "ETH/USDT"], **changes})
    return effective(found, Path("/")) | {"telegram_base_url": bot.url if bot else ""}


class Service:
    """The service in a thread of this process."""

    def __init__(self, at, settings, child=None):
        self.stop = threading.Event()
        retraining = None
        if child:
            retraining = Retraining(at.logs / "retrain.log", lambda _, output: child(output))
        self.commands = commands.Commands(
            at, settings, ENVIRONMENT, Secret(TOKEN), Secret(CHAT), self.stop, retraining
        )
        self.thread = threading.Thread(target=self.commands.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.stop.set()
        self.thread.join(5)  # the long poll alone would take 25 s
        assert not self.thread.is_alive()


def answers(bot, count):
    """Return the texts once there are so many."""
    return until(lambda: len(bot.texts()) >= count and bot.texts())


def ask(bot, text):
    """Write, and return the answer."""
    before = len(bot.texts())
    bot.say(text)
    return answers(bot, before + 1)[-1]


def test_kill_and_pause_take_effect_without_asking_and_are_recorded(bot, at):
    for account in ("paper", "live"):
        Ledger.open(at.ledger(account)).close()
    with Service(at, configured(bot)):
        assert "KILLED" in ask(bot, "/kill the  exchange\nlooks odd")
        assert "the exchange looks odd" in control.killed(at.control)
        assert "telegram:ana" in control.killed(at.control)
        assert "Paused" in ask(bot, "/pause@cripto_bot")
        assert control.paused(at.control)

        def recorded(account):
            with Ledger.open(at.ledger(account), readonly=True) as ledger:
                return [(a.kind, a.who) for a in ledger.actions()]

        for account in ("paper", "live"):
            until(lambda a=account: len(recorded(a)) == 2)
            assert recorded(account) == [("kill", "telegram:ana"), ("pause", "telegram:ana")]


def test_a_kill_waits_neither_for_answers_nor_for_a_retrain(bot, at):
    def retrain(output):
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    hung = {"kind": "timeout_before", "method": "sendMessage", "seconds": 60}
    with Service(at, configured(bot), retrain) as service:
        code = ask(bot, "/retrain").rsplit(" ", 1)[-1]
        assert "has started" in ask(bot, f"/confirm {code}")
        bot.faults.append(hung)
        bot.say("/status")
        until(lambda: not bot.faults)  # the answer hangs now
        bot.say("/kill")
        until(lambda: control.killed(at.control))
        assert len(bot.texts()) == 2  # and does still
        child = service.commands._retraining._child
        assert child.poll() is None
    assert child.wait(10) == -signals.SIGTERM  # ends with the service


def test_other_chats_are_ignored_and_counted(bot, at, caplog, monkeypatch):
    monkeypatch.setattr(listening, "TELL_EVERY_S", 0)
    with caplog.at_level(logging.INFO), Service(at, configured(bot)):
        bot.say("/kill from a stranger", chat_id=STRANGER, user="eve")
        bot.say("/kill from a group", chat_id=f"-{CHAT}", user="eve")
        bot.press("confirm:000000", chat_id=STRANGER, user="eve")
        assert "Commands" in ask(bot, "/help")
        until(lambda: "messages from other chats were ignored" in caplog.text)
    assert control.killed(at.control) is None
    assert not [m for m in bot.delivered if m.chat_id != CHAT]
    assert not any(word in caplog.text for word in ("stranger", "eve", STRANGER, TOKEN, CHAT))


def test_a_dangerous_command_needs_its_code_once(bot, at):
    control.pause(at.control, "ana", "lunch", 0)
    control.kill(at.control, "ana", "fear", 0)
    with Service(at, configured(bot)):
        question = ask(bot, "/resume")
        code = question.rsplit(" ", 1)[-1]
        assert code.isdecimal() and control.paused(at.control)
        assert bot.delivered[-1].buttons == [f"confirm:{code}", f"cancel:{code}"]
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        assert "Nothing was done" in ask(bot, f"/confirm {wrong}")
        assert "Nothing was done" in ask(bot, "/confirm")
        assert control.paused(at.control)
        assert "pause has ended" in ask(bot, f"/confirm {code}")
        assert control.paused(at.control) is None
        assert "Nothing was done" in ask(bot, f"/confirm {code}")
        assert control.killed(at.control)  # another command's
        ask(bot, "/release")
        bot.press(bot.delivered[-1].buttons[1])
        assert "Cancelled: /release" in answers(bot, 7)[-1]
        bot.press(bot.delivered[-2].buttons[0])
        assert "Nothing was done" in answers(bot, 8)[-1]
        first = ask(bot, "/release").rsplit(" ", 1)[-1]
        ask(bot, "/release")
        assert "Nothing was done" in ask(bot, f"/confirm {first}")  # the later one counts
        bot.press(bot.delivered[-2].buttons[0])
        assert "kill has ended" in answers(bot, 12)[-1]
        until(lambda: len(bot.acknowledged) == 3)
    assert control.killed(at.control) is None


def test_a_code_expires(bot, at, monkeypatch):
    now = [1000.0]
    codes = Confirmations(lambda: now[0])
    code = codes.ask("resume", "")
    now[0] += confirmations.VALID_S - 1
    assert codes.take(code).command == "resume"
    code = codes.ask("resume", "")
    now[0] += confirmations.VALID_S
    assert codes.take(code) is None
    control.pause(at.control, "ana", "lunch", 0)
    monkeypatch.setattr(confirmations, "VALID_S", 0)
    with Service(at, configured(bot)):
        code = ask(bot, "/resume").rsplit(" ", 1)[-1]
        assert "Nothing was done" in ask(bot, f"/confirm {code}")
    assert control.paused(at.control)


def test_a_restart_forgets_codes_and_handles_nothing_twice(bot, at):
    control.pause(at.control, "ana", "lunch", 0)
    settings = configured(bot)
    with Service(at, settings):
        code = ask(bot, "/resume").rsplit(" ", 1)[-1]
        number = bot.say("/kill one")
        answers(bot, 2)
    control.release(at.control)
    # a server that has not learnt yet that the kill was handled
    bot._unread = [{"update_id": number, "message": bot._message(CHAT, "/kill one", "ana")}]
    with Service(at, settings):
        assert "Nothing was done" in ask(bot, f"/confirm {code}")
        assert "lunch" in control.paused(at.control)
        assert control.killed(at.control) is None
    assert sum("KILLED" in text for text in bot.texts()) == 1


def test_urgent_answers_come_first_and_a_flood_is_dropped(bot, caplog):
    stop = threading.Event()
    telegram = Telegram(Secret(TOKEN), Secret(CHAT), bot.url)
    answerer = Answerer(lambda: telegram, lambda **_: "failed", stop)
    for number in range(answering.MOST_WAITING + 5):
        answerer.later("status", lambda n=number: f"page {n}")
    answerer.later("kill", lambda: "KILLED", urgent=True)
    assert caplog.text.count("was dropped") == 5
    thread = threading.Thread(target=answerer.run, daemon=True)
    thread.start()
    found = answers(bot, 3)
    stop.set()
    answerer.interrupt()
    thread.join(5)
    assert not thread.is_alive()
    assert found[:3] == ["KILLED", "page 0", "page 1"]


def test_what_was_written_while_nobody_listened(bot, at):
    control.pause(at.control, "ana", "lunch", 0)

    def say_before(text, seconds):
        message = bot._message(CHAT, text, "ana")
        bot._push({"message": message | {"date": message["date"] - seconds}})

    for text in ("/resume", "/retrain", "/rollback BTC/USDT", "/confirm 123456", "/help"):
        say_before(text, 90)
    say_before("/kill", 7300)
    with Service(at, configured(bot)):
        found = "\n".join(answers(bot, 6))
    assert [f"/{name} was written" in found for name in ("resume", "retrain", "rollback")] == [
        True, True, True,
    ]  # fmt: skip
    assert "expired" in found and "Commands:" in found
    assert "KILLED" in found and "written 2 h 1 min ago" in found
    assert control.killed(at.control) and control.paused(at.control)


GARBAGE = [
    {},
    {"message": None},
    {"message": "text"},
    {"message": {"chat": {"id": int(CHAT)}}},
    {"message": {"chat": {"id": int(CHAT)}, "text": 5, "date": "x", "from": []}},
    {"message": {"chat": [], "text": "/kill"}},
    {"message": {"text": "/kill", "date": 1}},
    {"callback_query": {"data": "confirm:1"}},
    {"callback_query": {"id": "1", "data": None, "message": {"chat": {"id": int(CHAT)}}}},
    {"callback_query": 7, "message": 8},
    {"poll": {"id": "1"}},
    {"message": {"chat": {"id": int(CHAT)}, "photo": [{}], "date": 10**20}},
]


def test_garbage_updates_stop_nothing(bot, at):
    for update in GARBAGE:
        bot._push(dict(update))
    with Service(at, configured(bot)):
        bot.say("/pause now")
        until(lambda: control.paused(at.control))
    assert control.killed(at.control) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["update_id", "message", "callback_query", "chat", "id", "from", "date",
                         "text", "data", "username", "message_id"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_json_is_an_update_or_none(value):
    update = _plain(value)
    assert update is None or isinstance(update.update_id, int)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "html"},
        {"kind": "garbage"},
        {"kind": "status", "status": 502, "html": True},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401, "description": "Unauthorized"},
        {"kind": "status", "status": 404, "description": "Not Found"},
        {
            "kind": "status",
            "status": 409,
            "description": "Conflict: terminated by other getUpdates",
        },
        {"kind": "retry_after", "seconds": 0},
        {"kind": "slow", "seconds": 0.1},
    ],
    ids=lambda fault: f"{fault['kind']}{fault.get('status', '')}",
)
def test_no_fault_of_the_network_ends_the_service(bot, at, fault, monkeypatch):
    monkeypatch.setattr(listening, "WAIT_S", 1)  # before some of them the server waits
    bot.faults += [fault | {"method": "getUpdates"}] * 2
    with Service(at, configured(bot)):
        until(lambda: not bot.faults)
        bot.say("/pause")
        until(lambda: control.paused(at.control))
        assert "Paused" in until(lambda: [t for t in bot.texts() if "Paused" in t])[0]


def test_a_second_reader_of_the_bot_is_told(bot, at, caplog):
    refusal = {"kind": "status", "status": 409, "description": "Conflict", "method": "getUpdates"}
    bot.faults += [refusal] * 5
    with caplog.at_level(logging.INFO), Service(at, configured(bot)):
        assert "another program reads" in answers(bot, 1)[0]
        until(lambda: "can be read again" in caplog.text)
        assert len(bot.texts()) == 1
    assert caplog.text.count("another program reads") == 1


def test_the_server_may_be_away(bot, at):
    with Service(at, configured(bot)):
        ask(bot, "/help")
        bot.stop()
        time.sleep(0.2)
        bot.restart()
        bot.say("/pause")
        until(lambda: control.paused(at.control))


@pytest.mark.parametrize("kind", ["drop_before", "html", "garbage", "retry_after", "status"])
def test_an_answer_is_tried_again(bot, at, kind):
    bot.faults += [{"kind": kind, "seconds": 0, "status": 500, "method": "sendMessage"}] * 2
    with Service(at, configured(bot)):
        bot.say("/help")
        assert "Commands" in answers(bot, 1)[0]


def test_a_switch_that_cannot_be_written_is_said(bot, at):
    at.control.mkdir(parents=True)
    (at.control / "pause").mkdir()  # no file can be put there, nor removed
    with Service(at, configured(bot)):
        code = ask(bot, "/resume").rsplit(" ", 1)[-1]
        assert "COULD NOT BE WRITTEN" in ask(bot, f"/confirm {code}")
    assert control.paused(at.control)


def test_a_damaged_ledger_does_not_stop_a_kill(bot, at):
    atomic.write_text(at.ledger("live"), "no database" * 500)
    with Service(at, configured(bot)):
        bot.say("/kill")
        found = answers(bot, 2)
        assert "KILLED" in found[0]
        assert "not recorded" in found[1] and at.ledger("live").name in found[1]
        assert "LEDGER UNREADABLE" in ask(bot, "/status") or "LEDGER" in ask(bot, "/status")
    assert control.killed(at.control)


@pytest.mark.parametrize(("code", "says"), [(0, "has ended after"), (3, "FAILED with exit code 3")])
def test_a_retrain_runs_beside_and_tells_its_end(bot, at, code, says):
    def child(output):
        script = f"import sys; sys.stdin.readline(); print('so {TOKEN} ends'); sys.exit({code})"
        return subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=output
        )

    with Service(at, configured(bot), child) as service:
        bot.say("/retrain")
        answers(bot, 1)
        bot.press(bot.delivered[-1].buttons[0])
        assert "has started" in answers(bot, 2)[-1]
        again = ask(bot, "/retrain").rsplit(" ", 1)[-1]
        assert "already" in ask(bot, f"/confirm {again}")
        service.commands._retraining._child.stdin.close()
        last = answers(bot, 5)[-1]
        assert says in last
        assert TOKEN not in last
        if code:
            assert "so *** ends" in last and "retrain.log" in last


def test_the_real_child_is_the_workflow(monkeypatch, tmp_path):
    from bot_cripto.workflow import runner

    begun = []
    monkeypatch.setattr(runner.subprocess, "Popen", lambda command, **_: begun.append(command))
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    with (tmp_path / "log").open("wb") as output:
        runner.start_target("retrain", output=output)
    assert begun[0][1:4] == ["-m", "snakemake", "retrain"]
    assert str(tmp_path) in begun[0]


def test_rollback_asks_for_a_symbol_and_waits_for_no_retrain(bot, at, monkeypatch):
    remade = []
    monkeypatch.setattr(commands, "remake", lambda *given: remade.append(given) or ["no space"])
    whole = SimpleNamespace(sha256="1" * 64)
    monkeypatch.setattr(rollback, "examine", lambda *_: (whole, None))
    with Service(at, configured(bot)):
        assert "Which symbol" in ask(bot, "/rollback")
        assert "not configured" in ask(bot, "/rollback DOGE")
        code = ask(bot, "/rollback btc").rsplit(" ", 1)[-1]
        assert "has no models yet" in ask(bot, f"/confirm {code}")
        used = [use(at, configured(bot), number) for number in (1, 2)]
        code = ask(bot, "/rollback ETH/USDT").rsplit(" ", 1)[-1]
        with contextlib.closing(lock_run(at.locks, "retrain")):
            assert "back in use: baseline v1" in ask(bot, f"/confirm {code}")
        champion = read_champion(at.models, "ETH/USDT")
        assert champion.kinds["baseline"] == used[0]
        assert champion.by.startswith("telegram") and champion.by in champion.reason
        until(lambda: "rollback failed: no space" in bot.texts())
    assert remade == [(at, "ETH/USDT", at.logs / commands.ROLLBACK_LOG)]


def use(at, settings, number):
    """Put a baseline of ETH/USDT in use."""
    used = ModelUse(f"v{number}", str(number) * 64, None)
    about = Subject.of(settings, "ETH/USDT").about()
    promote(
        at.models, "ETH/USDT", {"baseline": used}, **about, provisional=False, reason="better",
        promoted_at_ms=number,
    )  # fmt: skip
    return used


def test_messages_of_the_outbox_are_delivered_too(bot, at, monkeypatch):
    monkeypatch.setattr(commands, "DELIVER_EVERY_S", 0.05)
    now = clock.system_ms()
    with Outbox(at.outbox) as outbox:
        outbox.enqueue([Message("key:1", "failure", now, "PAPER · a step failed")], now)
    with Service(at, configured(bot)):
        until(lambda: "PAPER · a step failed" in bot.texts())
        assert "Commands" in ask(bot, "/help")
    assert bot.texts().count("PAPER · a step failed") == 1


def test_people_of_a_group_may_talk(at):
    group = "-1009988776655"
    with BotServer(chats=(group,)) as bot:
        service = Service(at, configured(bot))
        service.commands._chat = Secret(group)
        with service:
            bot.say("good morning", chat_id=group)
            bot.say("/pause@cripto_bot", chat_id=group)
            assert "Paused" in answers(bot, 1)[0]


def signal_of(symbol, **changes):
    now = clock.system_ms()
    return {
        "ts": iso(now - 30_000),
        "candle_close_time": iso(now // 300_000 * 300_000),
        "valid_until": iso(now + 200_000),
        "symbol": symbol,
        "decision": "LONG",
        "reason": "every gate passed",
    } | changes


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_page_in_every_state(bot, at, language, monkeypatch):
    settings = configured(bot, language=language)
    texts = TEXTS[language]
    with Service(at, settings):
        for name in ("status", "signal", "why", "portfolio", "performance", "drift", "versions"):
            page = ask(bot, f"/{name}")
            assert page.startswith("SIMULAT") or name == "portfolio" or language == "es", page
            assert "Traceback" not in page and "{" not in page
        assert ask(bot, "hello") == texts["plain"]
        assert "/nonsense" in ask(bot, "/nonsense")
        atomic.write_json(at.logs / "signals" / "BTC_USDT.json", signal_of("BTC/USDT"))
        late = signal_of("ETH/USDT", decision="NO_TRADE", valid_until=iso(0))
        atomic.write_json(at.logs / "signals" / "ETH_USDT.json", late)
        page = ask(bot, "/status")
        assert "BTC/USDT: LONG" in page and "ETH/USDT: NO_TRADE" in page
        assert page.count(texts["past_validity"]) == 1
        assert ": LONG" not in ask(bot, "/signal eth")
        assert ": LONG" in ask(bot, "/signal BTC_USDT")
        atomic.write_text(at.logs / "signals" / "BTC_USDT.json", "[1, 2")
        assert "BTC_USDT.json" in ask(bot, "/signal BTC/USDT")
        row = {"metric": 1.0, "expected_return": 0.002, "realised_return": 0.001,
               "prob_up": 0.6, "decision": "LONG", "net_return_after_cost": -0.001}  # fmt: skip
        rows = [row | {"ts": iso(300_000 * i), "metric": float(i < 60)} for i in range(1, 81)]
        atomic.write_json(at.performance("BTC/USDT"), rows[:5])
        atomic.write_json(at.performance("ETH/USDT"), rows)
        page = ask(bot, "/drift")
        short = {"en": "BTC/USDT: insufficient data", "es": "BTC/USDT: datos insuficientes"}
        found = {"en": "ETH/USDT: drift", "es": "ETH/USDT: hay deriva"}
        assert short[language] in page and found[language] in page
        page = ask(bot, "/performance ETH/USDT")
        share = {"en": "73.8 %", "es": "73,8 %"}
        assert "80" in page and share[language] in page
        atomic.write_json(at.performance("ETH/USDT"), [{"ts": iso(0)}])
        assert "ETH/USDT" in ask(bot, "/performance ETH")


def test_why_is_the_page_of_explain(bot, at):
    sys.path.insert(0, str(ROOT / "tests" / "unit"))
    try:
        from signal_examples import document
    finally:
        sys.path.pop(0)
    from bot_cripto.signals.explain import explain

    made = document()
    atomic.write_json(at.logs / "signals" / "BTC_USDT.json", made)
    for language in ("en", "es"):
        page = Answers(at, configured(bot, language=language)).why("BTC/USDT")
        assert page == explain(made, lang=language)


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same():
    assert TEXTS["en"].keys() == TEXTS["es"].keys()
    for name, text in TEXTS["en"].items():
        assert fields(text) == fields(TEXTS["es"][name]), name
    assert all(f"{name}.help" in TEXTS["en"] for name in COMMANDS)
    assert len({TEXTS["es"][name] for name in TEXTS["es"]} & set(TEXTS["en"].values())) < 5


def test_the_menu_is_published(bot, at):
    with Service(at, configured(bot)):
        until(lambda: bot.commands)
    assert [entry["command"] for entry in bot.commands] == list(COMMANDS)


@pytest.mark.parametrize(
    ("ms", "said"),
    [(-5, "0 s"), (45_000, "45 s"), (900_000, "15 min"), (12_000_000, "3 h 20 min"),
     (190_000_000, "2 d 4 h")],
)  # fmt: skip
def test_durations(ms, said):
    assert duration(ms) == said


def test_the_offset_is_kept_for_its_bot_and_a_week(tmp_path, monkeypatch):
    path = tmp_path / "offset.json"
    offset = Offset(path, Secret(TOKEN))
    assert offset.next() is None
    offset.handled(41)
    assert Offset(path, Secret(TOKEN)).next() == 42
    assert Offset(path, Secret("987654321:" + "x" * 35)).next() is None
    kept = json.loads(path.read_text())
    assert TOKEN.split(":")[0] not in path.read_text()
    later = clock.system_ms() + FORGET_MS + 1000
    monkeypatch.setattr(clock, "system_ms", lambda: later)
    assert offset.next() is None  # numbers begin anew after a week
    for damaged in (b"", b"[]", b"{}", json.dumps(kept | {"next": "x"}).encode()):
        path.write_bytes(damaged)
        assert Offset(path, Secret(TOKEN)).next() is None


def test_without_token_or_chat_it_says_what_to_set(bot, at):
    for missing in ENVIRONMENT:
        environment = {k: v for k, v in ENVIRONMENT.items() if k != missing}
        with pytest.raises(ConfigError, match="TELEGRAM_CHAT_ID"):
            commands.serve(at, configured(bot), environment, stop=threading.Event())


def test_a_service_of_its_own_ends_on_sigterm_and_shows_no_token(bot, at, tmp_path):
    code = (
        "import json, logging, os, sys; from bot_cripto.layout import Layout\n"
        "from bot_cripto.notify.commands import serve\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "layout = Layout.from_json(sys.argv[1])\n"
        "sys.exit(serve(layout, json.loads(sys.argv[2]), os.environ))\n"
    )
    arguments = [at.to_json(), json.dumps(configured(bot))]
    output = (tmp_path / "output").open("wb")
    service = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=os.environ | ENVIRONMENT,
        cwd=ROOT, stdout=output, stderr=output,
    )  # fmt: skip
    try:
        bot.say("/pause")
        until(lambda: "Paused" in str(bot.texts()), 30)
        bot.faults += [{"kind": "garbage", "method": "getUpdates"}] * 2
        bot.say("/status")
        until(lambda: len(bot.texts()) == 2)
        service.send_signal(signals.SIGTERM)
        assert service.wait(10) == 0
    finally:
        service.kill()
        output.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content, path
            assert CHAT.encode() not in content, path
    assert b"listening for commands" in (tmp_path / "output").read_bytes()
