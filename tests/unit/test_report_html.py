"""The page of a backtest: whole, safe, without a network, readable by people and parsers."""

from __future__ import annotations

import copy
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_example import START, example

from bot_cripto.backtest.report_html import SECTIONS, html
from bot_cripto.backtest.report_parts import svg, texts
from bot_cripto.backtest.report_parts.curves import monthly_returns
from bot_cripto.backtest.report_parts.forecasts import wilson
from bot_cripto.backtest.report_parts.markup import esc
from bot_cripto.backtest.report_parts.time_axis import time_marks
from bot_cripto.backtest.report_parts.values import Speech
from bot_cripto.backtest.verdict import Evidence, verdict
from bot_cripto.errors import ConfigError

RESULT = example()
PAGE = html(RESULT)
SMALL = example(points=40, hours=1500, shown=30)
HOSTILE = """<script>alert("x")</script>&'\x00\x1b\ud800]]>"""
ABSENT = (None, math.inf, [None], "word")


def parsed(page: str) -> ElementTree.Element:
    """Return the page, parsed as strictly as XML is."""
    first, rest = page.split("\n", 1)
    assert first == "<!DOCTYPE html>"
    return ElementTree.fromstring(rest)


def words(page: str) -> str:
    """Return everything on the page that is text, and the values of attributes."""
    root = parsed(page)
    attributes = (value for element in root.iter() for value in element.attrib.values())
    return " ".join([*root.itertext(), *attributes])


def assert_sound(page: str) -> None:
    assert not re.search(r"\b(NaN|nan|None|inf|Infinity|undefined)\b", words(page))
    root = parsed(page)
    identities = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(identities) == len(set(identities))
    for drawing in root.iter("svg"):
        named = (drawing.get("aria-labelledby") or "").split()
        assert [e.tag for e in drawing][:2] == ["title", "desc"]
        assert [e.get("id") for e in drawing][:2] == named


@pytest.mark.parametrize("lang", sorted(texts.TEXTS))
def test_the_page_is_well_formed_and_of_moderate_size(lang):
    page = html(RESULT, lang)
    assert_sound(page)
    assert parsed(page).get("lang") == lang
    assert 40_000 < len(page.encode()) < 400_000


def test_the_page_asks_nobody_for_anything():
    assert not re.search(r"(?i)https?:|//[a-z]|@import|@font-face|url\(|<script|<iframe", PAGE)
    root = parsed(PAGE)
    places = {f"#{e.get('id')}" for e in root.iter() if e.get("id")}
    assert {e.get("href") for e in root.iter() if e.get("href")} <= {"data:,"} | places
    assert not [e for e in root.iter() if e.get("src")]
    policy = next(e for e in root.iter("meta") if e.get("http-equiv"))
    assert (policy.get("content") or "").startswith("default-src 'none'")


def test_every_section_is_there_in_order():
    found = [e.get("id") for e in parsed(PAGE).iter("section")]
    assert found == [make.__name__ for make in SECTIONS]


def test_both_drawings_of_a_plot_are_there():
    kinds = [e.get("class") or "" for e in parsed(PAGE).iter("svg")]
    assert sum("wide" in k for k in kinds) == sum("narrow" in k for k in kinds) == 4
    assert len(kinds) == 14
    for name in ("viewport", "color-scheme"):
        assert f'name="{name}"' in PAGE
    assert "prefers-color-scheme:dark" in PAGE


def test_tables_have_headers_for_columns_and_rows():
    tables = list(parsed(PAGE).iter("table"))
    assert len(tables) > 10
    for found in tables:
        columns = len(found.findall("thead/tr/th"))
        assert found.find("caption") is not None
        for row in found.findall("tbody/tr"):
            assert len(row) == columns
            assert row[0].tag == "th" and row[0].get("scope") == "row"


def test_the_top_says_what_it_is():
    text = words(PAGE)
    for part in ("BTC/USDT", "1 Jan 2025 to", "binance", "0.532", "15.1 bp"):
        assert part in text
    for answer in RESULT["verdicts"].values():
        assert answer["en"] in text
        assert answer["es"] in words(html(RESULT, "es"))
    assert "SIMULATED" not in text
    assert "LEAK ALARM" not in text


@pytest.mark.parametrize(("lang", "word"), [("en", "SIMULATED"), ("es", "SIMULADO")])
def test_made_up_candles_are_called_so_before_anything_else(lang, word):
    main = next(parsed(html(RESULT | {"source_name": "simulated"}, lang)).iter("main"))
    assert "".join(main.itertext()).startswith(word)
    assert main[0].get("class") == "banner"


def test_a_page_does_not_mix_languages():
    assert RESULT["verdict"] not in words(html(RESULT, "es"))
    assert RESULT["verdict"] not in words(html(RESULT, "en"))
    assert RESULT["verdict"] in words(html(RESULT | {"verdicts": None}, "es"))


def test_trades_are_marked_by_side_and_result():
    root = parsed(PAGE)
    wide = next(
        e
        for e in root.iter("svg")
        if e.get("aria-labelledby") == "trades-plot-wide-t trades-plot-wide-d"
    )
    kinds = [(e.get("class") or "").split() for e in wide]
    last = RESULT["candles"]["t"].index(RESULT["trade_list"][-1]["exit_time"])
    times = RESULT["candles"]["t"][: last + 7][-240:]
    shown = [t for t in RESULT["trade_list"] if t["entry_time"] >= times[0]]
    assert shown
    assert {t["side"] for t in shown} == {"LONG", "SHORT"}
    assert sum("entry" in k for k in kinds) == len(shown)
    gains = sum(t["net"] >= 0 for t in shown)
    assert sum("exit" in k and "gain" in k for k in kinds) == gains
    assert sum("exit" in k and "loss" in k for k in kinds) == len(shown) - gains > 0
    assert sum(k == ["rise"] for k in kinds) == sum(k == ["fall"] for k in kinds) == 1


def test_a_failed_alarm_stands_on_top():
    alarms = [*RESULT["alarms"], {"name": "look-ahead", "passed": False, "text": "AUC 0.71"}]
    page = html(RESULT | {"alarms": alarms})
    main = next(parsed(page).iter("main"))
    assert "".join(main.itertext()).startswith("LEAK ALARM")
    assert "look-ahead" in "".join(main[0].itertext())


def test_how_many_alarms_passed_stands_on_top_also_where_none_was_run():
    failed = [RESULT["alarms"][0] | {"passed": False}, *RESULT["alarms"][1:]]
    for alarms, said in (
        (RESULT["alarms"], "4 of 4 leak alarms passed"),
        (failed, "3 of 4 leak alarms passed"),
        ([*failed[1:], failed[0] | {"passed": None}], "3 of 4 leak alarms passed, 1 not measured"),
        ([], "No leak alarm was run"),
    ):
        main = next(parsed(html(RESULT | {"alarms": alarms})).iter("main"))
        lines = [e for e in main if (e.get("class") or "").startswith("checks")]
        assert [said in "".join(line.itertext()) for line in lines] == [True]


def test_a_suspect_result_is_called_so_even_without_the_alarm_that_says_why():
    page = html(RESULT | {"suspect": True})
    main = next(parsed(page).iter("main"))
    assert "".join(main.itertext()).startswith("LEAK ALARM")


def test_each_verdict_says_whether_it_is_shown():
    chips = [e.text for e in parsed(PAGE).iter("span") if e.get("class") == "chip"]
    assert chips == ["shown", "not shown", "not shown"]
    assert 'class="chip"' not in html(RESULT | {"shown": None})


def test_overfitting_and_the_parts_of_the_brier_score_are_shown_where_they_were_measured():
    text = words(PAGE)
    for part in ("Probability of overfitting", "31.0\u00a0%", "12 configurations", "70 splits"):
        assert part in text
    for part in ("its miscalibration", "0.00031", "its resolution", "0.00222"):
        assert part in text
    without = words(html(RESULT | {"pbo": None, "brier_parts": None}))
    assert "overfitting" not in without and "its resolution" not in without


def test_the_share_of_returns_within_their_intervals_is_that_of_the_sample():
    sample = {
        "t": [f"2025-01-0{i}T00:00:00Z" for i in range(1, 6)],
        "p10": [-0.01] * 5,
        "p50": [0.0] * 5,
        "p90": [0.01] * 5,
        "realised": [0.0, 0.01, -0.02, 0.005, -0.01],
    }
    page = html(RESULT | {"interval_sample": sample})
    assert "Came within: 80\u00a0% of 5" in words(page)
    wide = next(e for e in parsed(page).iter("svg") if "outcomes-plot-wide" in str(e.attrib))
    drawn = {e.get("class"): e.get("d") or "" for e in wide.iter("path")}
    assert (drawn["span"].count("M"), drawn["came"].count("M"), drawn["came out"].count("M")) == (
        *(5, 4, 1),
    )


def test_a_backtest_without_trades_says_so():
    page = html(RESULT | {"trades": 0, "trade_list": []})
    section = next(e for e in parsed(page).iter("section") if e.get("id") == "trades")
    assert "No trade was made" in "".join(section.itertext())


def test_candles_are_drawn_up_to_the_last_trade():
    early = RESULT["trade_list"][0]
    page = html(RESULT | {"trade_list": [early]})
    narrow = [e for e in parsed(page).iter("svg") if "trades-plot-narrow" in str(e.attrib)]
    assert sum("entry" in (e.get("class") or "") for e in narrow[0]) == 1


def put(value, at: str, word: str):
    """Return a copy of a structure in which every text is replaced; keys too below `at`."""
    if isinstance(value, str):
        return word
    if isinstance(value, list):
        return [put(item, at, word) for item in value]
    if isinstance(value, dict):
        return {
            (key + word if at in ("decisions", "settings") else key): put(item, at, word)
            for key, item in value.items()
        }
    return value


def test_hostile_text_stays_text_wherever_it_stands():
    result = copy.deepcopy(RESULT)
    for name in (
        "symbol",
        "timeframe",
        "source_name",
        "made",
        "verdict",
        "verdicts",
        "alarms",
        "regimes",
        "importance",
        "decisions",
        "failing_gates",
        "settings",
        "first_candle",
    ):
        result[name] = put(result[name], name, HOSTILE)
    for trade in result["trade_list"]:
        trade["side"] = trade["reason"] = HOSTILE
    for lang in texts.TEXTS:
        page = html(result, lang)
        assert "<script" not in page
        assert_sound(page)
        assert '<script>alert("x")</script>&\'' in words(page)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_any_key_may_be_absent_or_void(name):
    without = html({key: value for key, value in SMALL.items() if key != name})
    assert_sound(without)
    assert html(SMALL | {name: None}) == without
    for value in (math.nan, "", {"t": None}):
        assert_sound(html(SMALL | {name: value}))


@pytest.mark.parametrize("last", [10_000.0, 0.0, -5.0, 1e-9, 1e12])
def test_odd_curves_are_drawn(last):
    for times in (["2025-01-01T00:00:00Z"] * 3, [f"2025-01-0{i}T00:00:00Z" for i in (1, 2, 3)]):
        column = [10_000.0, 10_000.0, last]
        equity = {"t": times, "equity": column, "buy_and_hold": column}
        candles = {"t": times} | dict.fromkeys(("open", "high", "low", "close"), column)
        page = html(SMALL | {"equity": equity, "candles": candles})
        assert_sound(page)
        assert {"equity", "drawdown", "trades"} <= {e.get("id") for e in parsed(page).iter()}


@pytest.mark.parametrize("name", [k for k, v in SMALL.items() if isinstance(v, (dict, list))])
def test_anything_within_a_key_may_be_void(name):
    whole = SMALL[name]
    if isinstance(whole, list):
        assert_sound(html(SMALL | {name: [*ABSENT, *whole]}))
        for key in whole[0]:
            holed = [whole[0] | {key: value} for value in ABSENT]
            assert_sound(html(SMALL | {name: [*holed, *whole[1:]]}))
        return
    for key, inside in whole.items():
        for value in ABSENT:
            assert_sound(html(SMALL | {name: whole | {key: value}}))
        if isinstance(inside, list):
            assert_sound(html(SMALL | {name: whole | {key: [*ABSENT, *inside][: len(inside)]}}))
        if isinstance(inside, dict):
            for low in inside:
                for value in ABSENT:
                    assert_sound(html(SMALL | {name: whole | {key: inside | {low: value}}}))


def test_an_empty_result_says_that_nothing_was_measured():
    for lang, word in (("en", "not measured"), ("es", "sin medir")):
        page = html({}, lang)
        assert_sound(page)
        assert words(page).count(word) > 20
        assert [e.get("id") for e in parsed(page).iter("section")] == ["metrics"]


def test_an_unknown_language_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="en, es"):
        html(RESULT, "xx")


def test_every_language_says_the_same_things():
    one, other = texts.TEXTS["en"], texts.TEXTS["es"]
    assert one.keys() == other.keys()
    for name in one:
        assert set(re.findall(r"{(\w+)}", one[name])) == set(re.findall(r"{(\w+)}", other[name]))
        assert re.search(r"\w", other[name])


def test_numbers_are_written_as_people_of_the_language_do():
    assert Speech("en").number(-1234.5) == "\u22121,234.50"
    assert Speech("es").number(-1234.5) == "\u22121.234,50"
    assert Speech("en").change(-0.000001) == "0.00\u00a0%"
    assert Speech("en").change(0.0123) == "+1.23\u00a0%"
    assert Speech("es").percent(0.5) == "50,0\u00a0%"
    assert Speech("en").day("2025-03-09T04:00:00Z") == "9 Mar 2025"
    assert Speech("en").number(True) == "not measured"


def test_monthly_returns_multiply_to_the_whole():
    day = 86_400_000
    times = [START + i * day for i in range(0, 400, 3)]
    equity = [100 * 1.001**i for i in range(len(times))]
    found = monthly_returns(times, equity)
    assert math.prod(1 + value for value in found.values()) == pytest.approx(equity[-1] / 100)
    assert list(found)[:2] == [(2025, 1), (2025, 2)] and len(found) == 14
    # 31 January and 28 February are places 10 and 19
    assert found[2025, 2] == pytest.approx(1.001**9 - 1)


def test_the_months_and_the_fold_returns_are_those_of_the_result():
    tables = {e.find("caption").text: e for e in parsed(PAGE).iter("table")}
    shown = ["".join(row[4].itertext()) for row in tables["Folds"].findall("tbody/tr")]
    assert shown == [Speech("en").change(fold["net_return"]) for fold in RESULT["by_fold"]]
    total = ["".join(c.itertext()) for c in tables["Net return by month"].findall("tbody/tr")[-1]]
    gains = [float(t.replace("\u2212", "-").rstrip("\u00a0%")) / 100 for t in total[1:]]
    assert math.prod(1 + g for g in gains) - 1 == pytest.approx(RESULT["net_return"], abs=2e-4)


def test_wilson_agrees_with_the_published_example():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 9))
def test_ticks_lie_within_and_are_evenly_spaced(low, span, count):
    marks = svg.ticks(low, low + span, count)
    room = span * 1e-6 + abs(low) * 1e-9
    assert all(low - room <= mark <= low + span + room for mark in marks)
    assert len(marks) <= count + 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_thinning_keeps_both_ends_and_the_extremes(values, columns):
    xs, ys = svg.thin(list(range(len(values))), values, columns)
    assert len(xs) <= max(2 * columns + 2, 1)
    assert (xs[0], xs[-1]) == (0, len(values) - 1)
    assert (min(ys), max(ys)) == (min(values), max(values))
    assert xs == sorted(set(xs))
    assert [values[x] for x in xs] == ys


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**41), st.integers(1, 2**40), st.integers(2, 9))
def test_marks_of_time_are_few_ordered_and_within(low, span, count):
    marks = time_marks(low, low + span, count, Speech("en"))
    places = [place for place, _ in marks]
    assert all(low <= place <= low + span for place in places)
    assert places == sorted(set(places))
    assert len(marks) <= 2 * count + 2


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_survives_escaping(value):
    element = ElementTree.fromstring(f'<a b="{esc(value)}">{esc(value)}</a>')
    assert "<" in value or "<" not in (element.text or "")


def test_the_page_can_be_read_as_html():
    opened: list[str] = []
    void = {"meta", "link"}

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)

        def handle_startendtag(self, tag, attrs):
            assert tag in void | {"path"}

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Reader().feed(PAGE)
    assert opened == []


def test_a_sentence_that_begins_with_its_question_does_not_say_it_twice():
    asked = {"skill": {"en": "Is there skill? No.", "es": "¿Hay habilidad? No."}}
    for lang, question in (("en", "Is there skill?"), ("es", "¿Hay habilidad?")):
        assert words(html(RESULT | {"verdicts": asked}, lang)).count(question) == 1


@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_questions_are_those_of_the_verdict(lang):
    none = Evidence(None, None, 0.0, None, None, 1, None, None, 0, None)
    asked = dict(zip(("skill", "costs", "certainty"), verdict(none).sentences[lang], strict=True))
    page = words(html(RESULT | {"verdicts": {k: {lang: v} for k, v in asked.items()}}, lang))
    for sentence in asked.values():
        question = sentence[: sentence.index("?") + 1]
        assert page.count(question) == 1, question
