"""The two switches of live trading: every combination but the right one sends no order."""

from __future__ import annotations

import itertools
import os
from decimal import Decimal

import live_world
import pytest
from session_world import BTC, KEYS, SessionWorld

from bot_cripto import cli
from bot_cripto.errors import ConfigError
from bot_cripto.execution.live.exchange_account import ExchangeAccount

RIGHT = "I_UNDERSTAND_LIVE_TRADING"
MODES = {
    "unset": None, "empty": "", "false": "false", "0": "0", "1": "1", "yes": "yes",
    "garbage": "garbage", "true": "true", "TRUE": "TRUE",
}  # fmt: skip
TOKENS = {
    "unset": None, "empty": "", "wrong": "yes", "lower case": RIGHT.lower(),
    "longer": RIGHT + "_NOW", "blanks": RIGHT.replace("_", " "),
    "space before": " " + RIGHT, "space behind": RIGHT + " ", "quoted": f'"{RIGHT}"',
    "right": RIGHT,
}  # fmt: skip
ORIGINS = ("environment", "file", "credentials")


def is_right(mode, token, origin):
    if origin == "file":
        # blanks and quotes around a value are the file's, not the value's
        token = "right" if token in ("space before", "space behind", "quoted") else token
    return mode in ("true", "TRUE") and token == "right"


def given(folder, mode, token, origin):
    """Return the variables that say so, with what they point at."""
    values = {"LIVE_MODE": MODES[mode], "LIVE_CONFIRM_TOKEN": TOKENS[token]}
    values = {name: value for name, value in values.items() if value is not None}
    if origin == "environment":
        return values
    if origin == "file":
        file = folder / "env"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return {"BOT_CRIPTO_ENV_FILE": str(file)}
    (folder / "credentials").mkdir(exist_ok=True)
    path = folder / "credentials" / "LIVE_CONFIRM_TOKEN"
    path.unlink(missing_ok=True)
    if "LIVE_CONFIRM_TOKEN" in values:
        path.write_text(values.pop("LIVE_CONFIRM_TOKEN") + "\n")
    return values | {"CREDENTIALS_DIRECTORY": str(path.parent)}


@pytest.fixture(scope="module")
def exchange():
    with live_world.exchange() as running:
        yield running


@pytest.fixture
def world(exchange, tmp_path, monkeypatch):
    """Return a world in which everything but the switches asks for an entry."""
    made = SessionWorld(exchange, tmp_path, monkeypatch)
    assert made.check().code == 0
    made.signal("LONG")
    made.server.forget()
    return made


@pytest.fixture
def main(world, monkeypatch):
    """Return a function that runs the command line here, and returns its exit code."""

    def run(*words, **variables):
        with monkeypatch.context() as patched:
            for name in set(os.environ) - set(world.variables(**variables)):
                patched.delenv(name)
            for name, value in world.variables(**variables).items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main(words)
        return ended.value.code

    return run


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_program_starts_to_trade_with_the_right_pair_alone(world, main, tmp_path, origin):
    for mode, token in itertools.product(MODES, TOKENS):
        if is_right(mode, token, origin):
            continue
        for command in (["execute"], ["flatten", "--yes"]):
            code = main(*command, **given(tmp_path, mode, token, origin))
            off = mode in ("unset", "empty", "false", "0")
            assert code == (0 if off else 2), (mode, token, command)
    assert world.server.requests == []
    right = [pair for pair in itertools.product(MODES, TOKENS) if is_right(*pair, origin)]
    assert len(right) == (8 if origin == "file" else 2)
    for mode, token in right:
        world.candle()
        world.signal("LONG")
        assert main("execute", **given(tmp_path, mode, token, origin)) == 0
    assert world.orders(BTC)[0] == ("MARKET", "BUY", "FILLED")


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_order_is_sent_with_the_right_pair_alone(world, tmp_path, origin):
    """The settings were right at the start; the switches were turned since."""
    now = {}
    account = ExchangeAccount.of_environment(
        world.settings, environment=lambda: now | KEYS, now_ms=world.server.now_ms
    )
    account.describe([BTC])
    account.server_ms()

    def send(test):
        return account.send_order(
            BTC, "buy", Decimal("0.01"), f"bc-{len(world.account.orders)}",
            timestamp_ms=account.stamp(), test=test,
        )  # fmt: skip

    for mode, token in itertools.product(MODES, TOKENS):
        now.clear()
        now.update(given(tmp_path, mode, token, origin))
        # where no variable says otherwise, the settings say that live mode is on
        if is_right("true" if mode == "unset" else mode, token, origin):
            assert send(False).filled == Decimal("0.01")
            continue
        before = len(world.account.orders)
        for test in (False, True):
            with pytest.raises(ConfigError, match="live trading"):
                send(test)
        assert len(world.account.orders) == before
    account.session.close()


PROCESSES = [
    ("environment", "true", "right", 0),
    ("environment", "true", "space behind", 2),
    ("environment", "1", "right", 2),
    ("environment", "garbage", "right", 2),
    ("file", "false", "right", 0),
    ("file", "true", "lower case", 2),
    ("credentials", "true", "right", 0),
    ("credentials", "true", "empty", 2),
]


@pytest.mark.parametrize(("origin", "mode", "token", "code"), PROCESSES)
def test_a_process_trades_with_the_right_pair_alone(
    exchange, tmp_path, monkeypatch, origin, mode, token, code
):
    world = SessionWorld(exchange, tmp_path, monkeypatch, real=True)
    assert world.check().code == 0
    world.signal("LONG")
    world.server.forget()
    done = world.process("execute", **given(tmp_path, mode, token, origin))
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if is_right(mode, token, origin):
        assert world.orders() == [
            ("MARKET", "BUY", "FILLED"), ("STOP_LOSS_LIMIT", "SELL", "NEW"),
        ], done.stdout  # fmt: skip
    else:
        assert world.server.requests == []
    for secret in KEYS.values():
        assert secret not in done.stdout + done.stderr
