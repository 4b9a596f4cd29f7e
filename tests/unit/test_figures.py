from xml.etree import ElementTree

import pytest
from report_example import example

from bot_cripto.backtest.figures import figures, importance_figures

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("lang", ["en", "es"])
def test_drawings_stand_alone(lang):
    drawn = figures(example(), lang)
    assert set(drawn) == {"reliability.svg", "importance.svg"}
    for text in drawn.values():
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        left, top, width, height = (float(n) for n in root.get("viewBox").split())
        assert (left, top) == (0.0, -26.0)
        assert (float(root.get("width")), float(root.get("height"))) == (2 * width, 2 * height)
        # its own colours, and nothing from elsewhere
        assert "--one:" in root.find(f"{SVG}style").text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert root.findall(f"{SVG}circle")


def test_nothing_to_draw_is_no_drawing():
    assert figures({}) == {}
    assert importance_figures({}) == importance_figures({"p10": {}, "p50": {"a": 0.0}}) == {}


def test_what_a_model_splits_on_is_drawn_the_largest_first():
    drawn = importance_figures({"direction": {"rsi14": 0.2, "<b>": 0.7, "unused": 0.0}})
    root = ElementTree.fromstring(drawn["importance-direction.svg"])
    names = [
        label.text for label in root.findall(f"{SVG}text") if label.get("text-anchor") == "end"
    ]
    assert names == ["<b>", "rsi14"]
