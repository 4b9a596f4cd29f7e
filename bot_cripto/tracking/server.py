"""MLflow's pages, served on this machine alone."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from bot_cripto.config.load import ENV_FILE_VARIABLE
from bot_cripto.config.schema import SECRETS
from bot_cripto.errors import BusyError
from bot_cripto.layout import Layout
from bot_cripto.secrets import CREDENTIALS_VARIABLE
from bot_cripto.tracking.client import looks_secret, prepare, tracking_uri

HOST = "127.0.0.1"
"""The loopback address; there is no setting for another, for the pages ask for no password."""

_ENVIRONMENT = {
    # two processes and 0.5 GB instead of 15 and 2.9
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    # the pages have an assistant that runs shell commands: never on this host
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
}


def server_command(layout: Layout, port: int) -> list[str]:
    """Return the command that serves the pages of a layout with whole paths."""
    names = ("localhost", HOST)
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", ",".join(f"{name}:{port}" for name in names)),
        *("--cors-allowed-origins", ",".join(f"http://{name}:{port}" for name in names)),
        *("--backend-store-uri", tracking_uri(layout.mlflow_db)),
        *("--default-artifact-root", layout.mlflow_artifacts.absolute().as_uri()),
        "--no-serve-artifacts",
    ]


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the server is started with: no secret, and no setting of MLflow but ours."""
    kept = {
        name: value
        for name, value in environment.items()
        if not looks_secret(name)
        and not name.startswith("MLFLOW_")
        and name not in (*SECRETS, CREDENTIALS_VARIABLE, ENV_FILE_VARIABLE)
    }
    return kept | _ENVIRONMENT


def serve(layout: Layout, port: int) -> None:
    """Become MLflow's server; returns only by an error.

    Parameters
    ----------
    layout : Layout
        With whole paths; its database is made where it is missing.
    port : int
        On the loopback address.

    Raises
    ------
    BusyError
        Another program has the port, or the database.
    DataError
        The database cannot be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise BusyError(
                f"{HOST}:{port} cannot be served ({error.strerror}); "
                "end what uses the port, or give another with --port"
            ) from error
    prepare(layout.mlflow_db)
    layout.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"MLflow: http://{HOST}:{port} (ends with Ctrl-C)\n")
    sys.stdout.flush()
    command = server_command(layout, port)
    os.chdir(Path(layout.logs))
    # it becomes the server, so that signals reach it
    os.execve(command[0], command, server_environment(os.environ))  # noqa: S606
