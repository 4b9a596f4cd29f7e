"""The page of a backtest within `snakemake --report`: embedded whole, and open in its frame."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from laboratory import Lab
from report_example import example

from bot_cripto.backtest.report_html import html

SYMBOLS = ("BTC_USDT", "ETH_USDT")
PLACE = "data/training/simulated-19-0.5-0-5m/20240603T000000Z"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report on two pages that lie where rule backtest_symbol leaves them."""
    folder = tmp_path_factory.mktemp("report")
    state = folder / "state"
    for symbol in SYMBOLS:
        page = state / PLACE / symbol / "backtest.html"
        page.parent.mkdir(parents=True)
        page.write_text(html(example() | {"symbol": symbol.replace("_", "/")}), encoding="utf-8")
    before = sorted(state.rglob("*"))
    made = folder / "report.html"
    lab = Lab(state, settings=("simulated={edge: 0.5}", "symbols=[BTC/USDT, ETH/USDT]"))
    ran = lab.run("backtest", "--report", str(made))
    assert ran.code == 0, ran.output
    # to look at results neither locks nor publishes anything
    assert [file for file in sorted(state.rglob("*")) if ".snakemake" not in file.parts] == before
    return made


def test_every_page_is_embedded_to_the_byte(report):
    text = report.read_text(encoding="utf-8")
    for symbol in SYMBOLS:
        page = html(example() | {"symbol": symbol.replace("_", "/")})
        assert base64.b64encode(page.encode()).decode() in text
        assert f"{PLACE}/{symbol}/backtest.json" in text  # named in the caption


def test_a_page_opens_in_its_frame(report, view):
    view.open(report)
    view.look(1280)
    view.page.get_by_role("link", name="Results").click()
    rows = view.page.locator("tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == list(SYMBOLS)
    rows.nth(1).locator("a").first.click()
    page = view.page.frame_locator("iframe")
    page.locator("#equity svg.wide").wait_for(state="visible")
    assert page.locator("h1").inner_text() == "ETH/USDT"
    page.locator("nav a[href='#alarms']").click()
    assert page.locator("#alarms").is_visible()
    assert set(view.asked) == {report.as_uri()}
    assert [told for told in view.complaints if "tailwind" not in told] == []
