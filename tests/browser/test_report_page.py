"""The page of a backtest in a real browser: silent, asking nobody, readable at every width."""

from __future__ import annotations

import re

import pytest
from browser import SCHEMES, WIDTHS
from report_example import example

from bot_cripto.backtest.report_html import SECTIONS, html

WHOLE = example()
FEW = example(points=12, hours=30, shown=24)
LOSING = WHOLE | {
    "source_name": "simulated",
    "suspect": True,
    "alarms": [WHOLE["alarms"][0] | {"passed": False}, *WHOLE["alarms"][1:]],
    "trade_list": [],
    "trades": 0,
    "by_fold": [fold | {"net_return": 0.0, "trades": 0} for fold in WHOLE["by_fold"]],
}
CASES = {
    "whole": WHOLE,
    "few": FEW,
    "losing": LOSING,
    "nothing": dict.fromkeys(WHOLE),
}
PLOTS = 14


@pytest.fixture(params=[(name, lang) for name in CASES for lang in ("en", "es")], ids="-".join)
def opened(request, view, tmp_path):
    """A page that is open, with the name of its case and its file."""
    name, lang = request.param
    file = tmp_path / f"{name}.html"
    file.write_text(html(CASES[name], lang), encoding="utf-8")
    view.open(file)
    return view, name, file


def test_it_looks_right_at_every_width_and_asks_nobody(opened):
    view, name, file = opened
    faults = []
    for width in WIDTHS:
        for scheme in SCHEMES:
            view.look(width, scheme)
            seen = view.measured()
            found = list(faults_of(seen, width, scheme))
            if name == "whole":
                assert seen["sections"] == [make.__name__ for make in SECTIONS]
                assert len(seen["plots"]) == PLOTS
            for plot in seen["plots"]:
                found += faults_of_plot(plot, width)
            faults += [f"{width} {scheme}: {fault}" for fault in found]
    assert faults == []
    assert view.complaints == []
    assert set(view.asked) == {file.as_uri()}


def brighter(one: str, other: str) -> bool:
    first, second = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (one, other))
    return first > second + 300


def faults_of(seen: dict, width: int, scheme: str):
    if seen["overflow"] > 0:
        yield f"the page is {seen['overflow']} wider than the window"
    yield from (f"a table is cut: {table}" for table in seen["cut"])
    if seen["smallest"] < 11:
        yield f"letters of {seen['smallest']}"
    if brighter(seen["paper"], seen["ink"]) is not (scheme == "light"):
        yield f"{seen['ink']} on {seen['paper']}"


def faults_of_plot(plot: dict, width: int):
    name = plot["name"]
    twin = re.search(r"-(wide|narrow)$", name)
    expected = twin is None or twin[1] == ("wide" if width >= 760 else "narrow")
    if plot["shown"] is not expected:
        yield f"{name} is shown: {plot['shown']}"
    if not expected:
        return
    if plot["width"] < 250 or plot["height"] < 80:
        yield f"{name} is {plot['width']} x {plot['height']}"
    if plot["drawn"] < 3 or plot["labels"] < 2:
        yield f"{name} has {plot['drawn']} marks and {plot['labels']} labels"
    if plot["markOutside"] > 1 or plot["labelOutside"] > 1:
        yield f"{name}: beyond its edge, {plot['markOutside']} and {plot['labelOutside']}"
    if plot["labelSize"] < 10:
        yield f"{name} has letters of {plot['labelSize']}"
    yield from (f"{name}: labels touch, {pair}" for pair in plot["touching"])


def test_links_lead_to_their_sections_and_details_open(view, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(html(WHOLE), encoding="utf-8")
    view.open(file)
    view.look(360)
    view.page.locator("nav a[href='#alarms']").click()
    assert view.page.evaluate("document.querySelector('#alarms').getBoundingClientRect().top") < 800
    table = view.page.locator("#trades details table")
    assert not table.is_visible()
    view.page.locator("#trades summary").click()
    assert table.is_visible()
    assert view.measured()["overflow"] <= 0
    assert view.complaints == []


def test_what_is_watched_is_noticed(view, tmp_path):
    """Every kind of fault that the tests above look for is one that they would see."""
    file = tmp_path / "faulty.html"
    page = html(WHOLE)
    file.write_text(
        re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*/>', "", page).replace(
            "<main>",
            '<main><script>console.error("told"); throw new Error("thrown")</script>'
            '<img src="absent.png"/><p style="width:2000px">wide</p>',
        ),
        encoding="utf-8",
    )
    view.open(file)
    view.look(360)
    assert view.measured()["overflow"] > 0
    told = " ".join(view.complaints)
    assert "told" in told and "thrown" in told and "absent.png" in told
    assert len(set(view.asked)) == 2


def test_the_policy_of_the_page_stops_what_does_not_belong_to_it(view, tmp_path):
    file = tmp_path / "altered.html"
    bad = '<main><script>document.title = "run"</script><img src="http://127.0.0.1:9/x.png"/>'
    file.write_text(html(WHOLE).replace("<main>", bad), encoding="utf-8")
    view.open(file)
    assert view.page.title() == "Backtest of BTC/USDT"
    assert len([told for told in view.complaints if "Content Security Policy" in told]) == 2
