"""MLflow's pages as they are served: what they show, to whom, and what they must not be able to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bot_cripto.errors import BusyError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion_change import promote
from bot_cripto.tracking.client import connect, create_run, experiment
from bot_cripto.tracking.registry import sync_champion
from bot_cripto.tracking.server import serve, server_command, server_environment

ROOT = Path(__file__).resolve().parents[2]
SYMBOL, NAME = "BTC/USDT", "BTC_USDT.5m.binance.trend"
VERSION = "20240601T000000Z-0123456789"
START = """
import sys
from bot_cripto.layout import Layout
from bot_cripto.tracking.server import serve
serve(Layout.from_json(sys.argv[1]), int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory, prepared_db):
    root = tmp_path_factory.mktemp("served")
    (root / "logs").mkdir()
    (root / "logs" / "mlflow.db").write_bytes(prepared_db.read_bytes())
    made = Layout(root / "data", root / "models", root / "logs", root / "locks", "binance-5m")
    promote(
        made.models,
        SYMBOL,
        {"trend": ModelUse(VERSION, "a" * 64, None)},
        source="binance",
        timeframe="5m",
        horizon_steps=5,
        provisional=False,
        reason="better",
        promoted_at_ms=1_725_597_900_000,
    )
    sync_champion(made, SYMBOL)
    return made


@pytest.fixture(scope="module")
def run_id(layout):
    client = connect(layout.mlflow_db)
    where = experiment(client, layout.mlflow_db, "BTC/USDT 5m binance", layout.mlflow_artifacts)
    made = create_run(client, where, "2024-09-06 taken", {})
    client.log_text(made, "<h1>A page</h1>", "backtest.html")
    client.set_terminated(made)
    return made


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port(layout, run_id, tmp_path_factory):
    """The port of a server that runs as `bot-cripto mlflow` starts it."""
    number = free_port()
    log = tmp_path_factory.mktemp("log") / "server.log"
    environment = os.environ | {"EXCHANGE_API_SECRET": "do-not-tell", "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", START, layout.to_json(), str(number)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 120
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{number}/health", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        yield number
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def get(port, path, host=None, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        headers={"Content-Type": "application/json"} | ({"Host": host} if host else {}),
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_server_shows_who_is_champion(port):
    path = f"/api/2.0/mlflow/registered-models/alias?name={NAME}&alias=champion"
    status, answer = get(port, path)
    version = json.loads(answer)["model_version"]
    assert status == 200
    assert {tag["key"]: tag["value"] for tag in version["tags"]}["version"] == VERSION


def test_the_server_shows_the_pages_that_lie_with_a_run(port, run_id):
    assert get(port, f"/get-artifact?path=backtest.html&run_uuid={run_id}") == (
        200,
        b"<h1>A page</h1>",
    )


def test_a_champion_that_changes_while_it_is_served_is_shown(port, layout):
    later = VERSION.replace("0601", "0701")
    promote(
        layout.models,
        SYMBOL,
        {"trend": ModelUse(later, "b" * 64, None)},
        source="binance",
        timeframe="5m",
        horizon_steps=5,
        provisional=False,
        reason="better still",
        promoted_at_ms=1_725_597_901_000,
    )
    sync_champion(layout, SYMBOL)
    for alias, version in (("champion", later), ("previous", VERSION)):
        path = f"/api/2.0/mlflow/registered-models/alias?name={NAME}&alias={alias}"
        tags = json.loads(get(port, path)[1])["model_version"]["tags"]
        assert {"key": "version", "value": version} in tags


def test_another_name_of_the_host_is_refused(port):
    path = "/api/2.0/mlflow/registered-models/search"
    assert get(port, path, host=f"localhost:{port}")[0] == 200
    assert get(port, path, host="rebound.example.com")[0] == 403


def test_it_listens_on_the_loopback_address_alone(port):
    if not Path("/proc/net/tcp").exists():
        pytest.skip("this system does not list its sockets in /proc")
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and local.endswith(f":{port:04X}"):
                listening.add(local)
    assert listening == {f"0100007F:{port:04X}"}


def test_nothing_can_be_uploaded_or_asked_to_run(port, tmp_path):
    path = "/api/2.0/mlflow-artifacts/artifacts/planted"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=b"x", method="PUT")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code in (404, 405, 501, 503)


def test_secrets_do_not_reach_the_server(port):
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if str(port).encode() in command and b"mlflow" in command:
            found += 1
            assert b"do-not-tell" not in environment
    if not Path("/proc/self/environ").exists():
        pytest.skip("this system does not show the environment of a process")
    assert found >= 1


def test_the_environment_holds_no_secret_and_no_setting_of_others():
    given = {
        "PATH": "/bin",
        "EXCHANGE_API_KEY": "k",
        "TELEGRAM_BOT_TOKEN": "t",
        "TELEGRAM_CHAT_ID": "7",
        "CREDENTIALS_DIRECTORY": "/run/credentials",
        "BOT_CRIPTO_ENV_FILE": "/etc/bot.env",
        "MLFLOW_ENABLE_REMOTE_ASSISTANT": "true",
        "MLFLOW_TRACKING_URI": "https://elsewhere.example.com",
    }
    environment = server_environment(given)
    assert environment["PATH"] == "/bin"
    assert environment["MLFLOW_ENABLE_REMOTE_ASSISTANT"] == "false"
    assert environment["MLFLOW_ENABLE_ASSISTANT_SANDBOX"] == "true"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    gone = {*given} - {"PATH", "MLFLOW_ENABLE_REMOTE_ASSISTANT"}
    assert not gone & environment.keys()


def test_the_command_names_loopback_and_the_database(layout):
    command = server_command(layout, 5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--allowed-hosts") + 1] == "localhost:5001,127.0.0.1:5001"
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{layout.mlflow_db}"


def test_a_port_in_use_is_said_before_anything_starts(layout):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(BusyError, match=f"127.0.0.1:{number} cannot be served .*--port"):
            serve(layout, number)
