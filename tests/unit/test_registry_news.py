from bot_cripto.notify import registry_news
from bot_cripto.notify.registry_news import HOLD_MS

START = 1_725_597_900_000


def read(problem, state, minutes, language="en"):
    now = START + minutes * 60_000
    return registry_news.read(problem, state, now_ms=now, mode="PAPER", language=language)


def test_what_lasts_is_told_once_and_its_end_once():
    state, told = None, []
    for minutes in range(0, 300, 20):
        found, state = read("the alias is missing" if minutes < 200 else "", state, minutes)
        told += [(minutes, message.kind, message.text) for message in found]
    assert [(minutes, kind) for minutes, kind, _ in told] == [(60, "failure"), (200, "recovery")]
    assert "the alias is missing" in told[0][2] and "doctor --fix" in told[0][2]
    assert state == {} and HOLD_MS == 3_600_000


def test_what_a_retrain_or_a_roll_back_mends_is_no_news():
    state = None
    for minutes in range(0, 600, 30):
        found, state = read("" if minutes % 60 else "behind", state, minutes)
        assert found == []


def test_a_clock_that_was_wrong_only_delays_it():
    _, state = read("behind", None, 10_000)
    _, state = read("behind", state, 0)
    found, _ = read("behind", state, 60, "es")
    assert len(found) == 1 and "MLflow" in found[0].text and "Motivo" in found[0].text
