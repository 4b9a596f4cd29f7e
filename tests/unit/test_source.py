"""The factory makes the source that the settings name, and imports no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot_cripto.errors import ConfigError
from bot_cripto.market.source import make_source

SETTINGS = {
    "source": "simulated",
    "simulated": {"seed": 7, "edge": 0.2, "outages": 0.01},
    "archive": "",
    "archive_symbol": "",
    "archive_timeframe": "",
    "exchange": "kraken",
    "exchange_base_url": "",
    "fetch_timeout_s": 10,
    "fetch_budget_s": 90,
    "fetch_attempts": 6,
}


def test_the_simulated_market_gets_its_settings(tmp_path):
    source = make_source(SETTINGS, tmp_path)
    assert (source.name, source.seed, source.edge, source.outages) == ("simulated", 7, 0.2, 0.01)


def test_an_archive_needs_a_place(tmp_path):
    assert make_source(SETTINGS | {"source": "archive", "archive": str(tmp_path)}, tmp_path).name
    with pytest.raises(ConfigError, match="ARCHIVE is empty"):
        make_source(SETTINGS | {"source": "archive"}, tmp_path)


def test_an_exchange_is_known_by_its_id(tmp_path):
    source = make_source(SETTINGS | {"source": "exchange"}, tmp_path)
    assert source.name == "kraken"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="kraken"):
        make_source(SETTINGS | {"source": "exchange", "exchange": "krakken"}, tmp_path)


@pytest.mark.parametrize("kind", ["simulated", "archive"])
def test_the_other_sources_are_not_imported(tmp_path, kind):
    settings = SETTINGS | {"source": kind, "archive": str(tmp_path)}
    code = (
        "import sys; from pathlib import Path\n"
        "from bot_cripto.market.source import make_source\n"
        f"make_source({settings!r}, Path('.'))\n"
        "names = ('simulated', 'archive', 'exchange')\n"
        "print([n for n in names if 'bot_cripto.market.' + n in sys.modules])\n"
        "print([n for n in ('ccxt', 'ccxt.base', 'requests') if n in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines() == [f"['{kind}']", "[]"]
