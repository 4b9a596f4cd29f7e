"""The picture: a PNG of a size that a phone shows, whatever the equity did."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from bot_cripto.notify.chart import equity_chart

STEP = 300_000
START = 1_725_597_900_000


@pytest.mark.parametrize(
    "equity",
    [
        [10_000.0, 10_000.0],
        [10_000 + (index * 7919) % 101 for index in range(3000)],
        [100.0, 0.0, -5.0],
        [0.001, 0.002],
        [1e9, 2e9, 5e8],
    ],
)
@pytest.mark.parametrize("language", ["en", "es"])
def test_it_is_drawn_whatever_the_equity_did(equity, language):
    times = [START + index * STEP for index in range(len(equity))]
    png = equity_chart(times, equity, mode="PAPER", quote="USDT", language=language)
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1080, 1080)
    assert len(png) < 400_000


def test_too_little_is_refused():
    for times, equity in (([START], [1.0]), ([], []), ([START, START + 1], [1.0])):
        with pytest.raises(ValueError, match="no picture"):
            equity_chart(times, equity, mode="PAPER", quote="USDT", language="en")


def test_the_same_equity_is_the_same_picture_and_another_one_is_not():
    def draw(last):
        return equity_chart(
            [START, START + STEP], [100.0, last], mode="LIVE", quote="EUR", language="en"
        )

    assert draw(101.0) == draw(101.0) != draw(99.0)


def test_heavy_libraries_are_loaded_only_when_they_are_used():
    code = (
        "import sys; import bot_cripto.notify.deliver, bot_cripto.notify.chart; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'telegram', 'httpx', 'matplotlib', 'ccxt', 'pandas', 'pydantic', 'lightgbm'}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
