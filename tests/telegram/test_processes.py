"""`bot-cripto notify` and `bot-cripto telegram` as processes, against the Bot API on loopback."""

import os
import signal as signals
import subprocess
import sys

import pytest
from bot_server import CHAT, TOKEN, BotServer
from test_commands import until
from world import World

from bot_cripto import clock
from bot_cripto.checkout import ROOT
from bot_cripto.config import effective, load_settings
from bot_cripto.layout import Layout
from bot_cripto.ledger import control

CONFIG = ROOT / "config" / "config.yaml"


@pytest.fixture
def bot():
    with BotServer() as server:
        yield server


@pytest.fixture
def place(bot, tmp_path):
    """Return the environment of a process, and the layout of its state."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BOT_CRIPTO", "LIVE_", "TELEGRAM_", "PYTEST"))
    }
    environment = inherited | {
        "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT, "TELEGRAM_BASE_URL": bot.url,
        "STATE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    settings = effective(load_settings(CONFIG, environment), tmp_path)
    return environment, Layout.of(settings).below(tmp_path)


def start(environment, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "bot_cripto.cli", *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(environment, *words):
    process = start(environment, *words)
    output = process.communicate(timeout=60)[0]
    assert "Traceback" not in output and TOKEN not in output, output
    return process.returncode, output


def no_secret_below(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


def test_the_notifier_tells_what_is_new_since_it_was_first_run(bot, place, tmp_path):
    environment, layout = place
    world = World(tmp_path, market=layout.key.removesuffix("-5m"))
    world.now = clock.system_ms
    world.signal("LONG")
    code, output = run(environment, "notify")
    assert code == 0 and "0 new" in output  # the past is no news
    world.act("kill")
    code, output = run(environment, "notify")
    assert code == 0 and "1 new, 1 sent" in output, output
    assert "KILLED" in bot.texts()[0]
    no_secret_below(tmp_path)


@pytest.mark.parametrize("missing", ["TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"])
def test_what_is_not_configured_is_said(place, missing):
    environment, _ = place
    del environment[missing]
    code, output = run(environment, "notify")
    assert code == 0 and f"{missing} is not set" in output
    code, output = run(environment, "telegram")
    assert code == 2 and missing in output


@pytest.mark.parametrize("command", ["notify", "telegram"])
@pytest.mark.parametrize("address", ["http://[::1", "nowhere", "http://host:port"])
def test_an_address_that_is_none_is_wrong_configuration(place, command, address):
    environment, _ = place
    code, output = run(environment | {"TELEGRAM_BASE_URL": address}, command)
    assert code == 2 and "telegram_base_url" in output, output


def test_the_service_answers_and_ends_at_once_on_sigterm(bot, place, tmp_path):
    environment, layout = place
    service = start(environment, "telegram")
    try:
        bot.say("/kill")
        until(lambda: control.killed(layout.control), 30)
        until(lambda: bot.texts())
        bot.faults.append({"kind": "timeout_before", "method": "sendMessage", "seconds": 60})
        bot.say("/status")
        until(lambda: not bot.faults)  # an answer hangs
        service.send_signal(signals.SIGTERM)
        output = service.communicate(timeout=10)[0]  # and not the minute of that answer
    finally:
        service.kill()
    assert service.returncode == 0, output
    assert "Traceback" not in output and TOKEN not in output and CHAT not in output
    no_secret_below(tmp_path)
