import math
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.verdict import Evidence, verdict
from bot_cripto.backtest.verdict_words import WORDS

GOOD = Evidence(
    auc=0.54,
    auc_interval=(0.52, 0.56),
    net_return=0.12,
    random_p=0.01,
    deflated_sharpe=0.97,
    trials=12,
    sharpe=2.1,
    sharpe_interval=(0.6, 3.4),
    days=400,
    minimum_days=223.4,
)


def answers(evidence):
    found = verdict(evidence)
    return found.skill, found.survives_costs, found.sure


def test_what_is_shown_is_said():
    found = verdict(GOOD)
    assert answers(GOOD) == (True, True, True)
    skill, costs, sure = found.sentences["en"]
    assert skill.startswith("Is there skill? Yes: the AUC of the forecasts is 0.5400")
    assert costs.startswith("Does it survive costs? Yes: 12.00 % after costs")
    assert sure.startswith("How sure is that? Shown at 5 %: 400 days (needed: 224)")
    assert "Sí: el AUC de los pronósticos es 0,5400" in found.sentences["es"][0]
    assert "Sí: 12,00 %" in found.sentences["es"][1]
    assert "hacen falta 224" in found.sentences["es"][2]


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({"auc_interval": (0.5, 0.56)}, 0, "Not shown"),
        ({"auc_interval": None}, 0, "Not shown"),
        ({"auc": 0.47, "auc_interval": (0.45, 0.49)}, 0, "worse than chance"),
        ({"net_return": -0.03}, 1, "No: -3.00 %"),
        ({"net_return": 0.0}, 1, "nothing was earned"),
        ({"net_return": 0.0, "random_p": None}, 1, "the gates let no trade through"),
        ({"random_p": 0.06}, 1, "random traders did as well in 6.00 %"),
        ({"random_p": None}, 1, "no comparison with random traders"),
        ({"deflated_sharpe": 0.94}, 1, "deflated Sharpe ratio is 0.940"),
        ({"deflated_sharpe": None}, 1, "no deflated Sharpe"),
        ({"deflated_sharpe": math.nan}, 1, "Not shown"),
        ({"days": 223}, 2, "not shown at 5 %: 223 days (needed: 224)"),
        ({"sharpe_interval": (-0.1, 3.4)}, 2, "-0.10 to 3.40"),
        ({"sharpe_interval": (-3.0, -0.2), "minimum_days": None}, 2, "The loss is shown"),
        ({"minimum_days": None}, 2, "however long"),
        ({"minimum_days": math.inf}, 2, "however long"),
        ({"sharpe": None}, 2, "no Sharpe ratio"),
    ],
)
def test_what_is_not_shown_is_not_said(change, place, said):
    found = verdict(replace(GOOD, **change))
    assert said in found.sentences["en"][place]
    others = [True, True, True]
    others[place] = False
    assert list(answers(replace(GOOD, **change))) == others


def test_the_needed_length_is_enough():
    assert answers(replace(GOOD, days=224, minimum_days=224.0)) == (True, True, True)


def test_both_reasons_are_given():
    costs = verdict(replace(GOOD, random_p=0.3, deflated_sharpe=0.4)).sentences["en"][1]
    assert "30.00 %" in costs
    assert "0.400" in costs
    assert "trials: 12" in costs


def test_a_leak_alarm_silences_every_yes():
    suspect = replace(GOOD, suspect=True)
    assert answers(suspect) == (False, False, False)
    for sentence in verdict(suspect).sentences["en"]:
        assert "leak alarm" in sentence
    for sentence in verdict(suspect).sentences["es"]:
        assert "alarma" in sentence


maybe = st.none() | st.floats(0, 1) | st.just(math.nan)
pairs = st.none() | st.tuples(st.floats(-4, 4), st.floats(-4, 4)).map(lambda p: tuple(sorted(p)))
evidences = st.builds(
    Evidence,
    auc=st.none() | st.floats(0, 1),
    auc_interval=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).map(tuple),
    net_return=st.floats(-1, 5) | st.just(math.nan),
    random_p=maybe,
    deflated_sharpe=maybe,
    trials=st.integers(1, 1000),
    sharpe=st.none() | st.floats(-5, 5),
    sharpe_interval=pairs,
    days=st.integers(0, 3000),
    minimum_days=st.none() | st.floats(1, 1e9) | st.just(math.nan),
    suspect=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(evidences)
def test_yes_is_said_where_it_is_shown_and_nowhere_else(evidence):
    found = verdict(evidence)
    positives = {"en": ("? Yes", "? Yes", "? Shown"), "es": ("? Sí", "? Sí", "? Demostrado")}
    for language, texts in found.sentences.items():
        said = [word in text for word, text in zip(positives[language], texts, strict=True)]
        assert said == list(answers(evidence))
        for text in texts:
            assert text.endswith(".")
            assert not any(sign in text for sign in ("{", "}", "None"))
    if evidence.suspect:
        assert not any(answers(evidence))


def test_both_languages_say_the_same():
    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert WORDS["en"].keys() == WORDS["es"].keys()
    for name, text in WORDS["en"].items():
        assert fields(text) == fields(WORDS["es"][name]), name
