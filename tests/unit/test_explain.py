from dataclasses import replace

import pytest
from signal_examples import BEAR, BULL, CLOSE_MS, DOWN, FACTS, document

from bot_cripto.decision import GATES, Policy
from bot_cripto.errors import ConfigError
from bot_cripto.signals.document import Facts, failure
from bot_cripto.signals.explain import LANGUAGES, _label, explain
from bot_cripto.signals.explain_texts import TEXTS


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    "signal",
    [
        document(),
        document(BEAR, DOWN, source="binance"),
        document(risk=None),
        document(None, None),
        failure("fetch", "no answer", FACTS, Policy()),
        failure("configuration", "bad", Facts(made_ms=CLOSE_MS)),
    ],
)
def test_every_gate_stands_with_its_numbers(signal, lang):
    page = explain(signal, lang)
    lines = page.splitlines()
    for gate in signal["gates"]:
        [line] = [line for line in lines if line.split()[1:2] == [gate["name"]]]
        mark = TEXTS[lang]["passed" if gate["passed"] else "failed"]
        assert line.split()[0] == mark
        for name in ("value", "threshold", "margin"):
            shown = "-" if gate[name] is None else f"{gate[name]:.6g}"
            assert shown in line.split()
    assert signal["decision"] in lines[0] + lines[1]
    assert signal["reason"] in page and page.endswith("\n")


def test_made_up_prices_are_said_first_and_loudly():
    assert "made up" in explain(document()).splitlines()[0]
    assert "inventados" in explain(document(), "es").splitlines()[0]
    assert "made up" not in explain(document(source="binance"))


def test_the_first_gate_that_failed_is_told_with_what_is_missing():
    page = explain(document(replace(BULL, prob_up=0.54)))
    assert "First gate that failed: probability" in page
    assert "value 0.54, threshold 0.6, missed by 0.06" in page
    assert "Every gate passed." in explain(document())
    assert "no pasa por 0.06" in explain(document(replace(BULL, prob_up=0.54)), "es")


def test_forecast_size_and_versions_are_shown():
    page = explain(document())
    for part in (
        "Probability of up: 0.6400",
        "Expected return: 0.400 %",
        "-0.300 % / 0.300 % / 0.800 %",
        "0.2000 (0.5000)",
        "TREND_UP (ADX14 27",
        "78.125 % of equity 10000.00",
        "code 111111111111,",
        "portfolio 555555555555",
        "trend 20240901T000000Z-trend",
        "2024-09-06T04:45:00Z",
    ):
        assert part in page


def test_both_languages_say_the_same_things():
    english, spanish = TEXTS["en"], TEXTS["es"]
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert text.count("{") == spanish[key].count("{")
    for rule in GATES:
        assert _label(rule.name, english) and _label(rule.name, spanish)
        assert _label(rule.name, english) != _label(rule.name, spanish)
    for factor in document()["sizing"]:
        assert factor["name"] in english and factor["name"] in spanish


@pytest.mark.parametrize(("lang", "binds"), [("en", "<- binds"), ("es", "<- limita")])
def test_the_size_is_explained_factor_by_factor(lang, binds):
    lines = explain(document(), lang).splitlines()
    words = TEXTS[lang]
    for factor in document()["sizing"]:
        [line] = [line for line in lines if line.startswith(f"  {words[factor['name']]}  ")]
        assert f"{100 * factor['value']:.3f} %" in line
        assert line.endswith(binds) == (factor["name"] == "risk_budget")
    assert words["no_sizing"] in explain(document(None, None), lang)


def test_a_short_on_a_spot_market_is_told_in_both_languages():
    short = document(BEAR, DOWN)
    assert "On a spot market SHORT closes a long or stays flat." in explain(short)
    assert "al contado" in explain(short, "es")
    assert "al contado" not in explain(document(), "es")
    assert "al contado" not in explain(
        document(BEAR, DOWN, policy=Policy(market_type="swap")), "es"
    )


def test_an_unknown_language_is_refused():
    with pytest.raises(ConfigError, match="allowed: en, es"):
        explain(document(), "de")
