"""A Bot API on loopback, a state with journal and ledger, and time that only sleeps move."""

from __future__ import annotations

import pytest
from bot_server import BotServer
from world import World


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def server(world):
    with BotServer(clock=world.monotonic) as running:
        world.settings["telegram_base_url"] = running.url
        yield running
