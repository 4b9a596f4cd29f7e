"""News: where reading begins, and what happens when the files behind it change."""

from __future__ import annotations

import json

import pytest

from bot_cripto.ledger.events import Action, action_id
from bot_cripto.ledger.store import Ledger
from bot_cripto.notify import champion_news, ledger_news, signal_news
from bot_cripto.timeframes import iso

START = 1_725_597_900_000
STEP = 300_000
SETTINGS = {"language": "en", "symbols": ["BTC/USDT"]}


class Rows:
    """A journal in memory; counts what is read of it."""

    def __init__(self, documents):
        self.documents, self.read = list(documents), 0

    def entries_after(self, rowid, limit):
        found = list(enumerate(self.documents, 1))[rowid : rowid + limit]
        self.read += len(found)
        return found


def signal(index, decision="NO_TRADE", symbol="BTC/USDT", reason="why", gates=(), revision=0):
    close = START + index * STEP
    return {
        "ts": iso(close + 2000),
        "candle_close_time": iso(close),
        "symbol": symbol,
        "decision": decision,
        "reason": reason,
        "revision": revision,
        "mode": "PAPER",
        "prob_up": None,
        "expected_return": None,
        "risk_score": None,
        "regime": None,
        "position_size": 0.0,
        "gates": list(gates),
    }


def news(journal, state=None, since_ms=0, switched=()):
    return signal_news.read(
        journal, state, key="k", since_ms=since_ms, switched=switched, language="en"
    )


def gate(name, passed, value=1.0):
    return {"name": name, "value": value, "threshold": 0.0, "margin": -1.0, "passed": passed}


def test_a_long_journal_is_begun_near_its_end_without_reading_it():
    journal = Rows(signal(i, "LONG" if i % 3 == 0 else "NO_TRADE") for i in range(20_000))
    since = START + 19_990 * STEP
    messages, state = news(journal, since_ms=since)
    assert journal.read < 600 and state["row"] == 20_000
    assert [m.time_ms for m in messages] == sorted(m.time_ms for m in messages)
    assert messages[0].time_ms >= since
    changed = [i for i in range(19_990, 20_000) if (i % 3 == 0) != ((i - 1) % 3 == 0)]
    assert [m.time_ms for m in messages] == [START + i * STEP + 2000 for i in changed]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("begun", [0, 1, 2, 5, 7])
def test_it_begins_with_the_first_signal_of_its_time(length, begun):
    journal = Rows(signal(i, ("LONG", "NO_TRADE")[i % 2]) for i in range(length))
    messages, _ = news(journal, since_ms=START + begun * STEP)
    assert len(messages) == max(length - begun, 0)


def test_reading_in_pieces_gives_the_same_messages_as_reading_at_once():
    failing = {"reason": "a step failed: fetch: no answer"}
    kinds = [{}, {"decision": "LONG"}, failing, {"gates": [gate("killed", False)]}]
    documents = [signal(i, **kinds[i * 7 % 11 % 4]) for i in range(60)]
    at_once, last = news(Rows(documents))
    pieces, state = [], None
    for end in range(0, 61, 3):
        found, state = news(Rows(documents[:end]), state)
        state = json.loads(json.dumps(state))
        pieces += found
    assert [m.key for m in pieces] == [m.key for m in at_once] and len(at_once) > 20
    assert [m.text for m in pieces] == [m.text for m in at_once]
    assert state == last


def test_reading_again_from_the_same_state_gives_the_same_keys():
    journal = Rows(signal(i, ("LONG", "NO_TRADE")[i % 2]) for i in range(4))
    _, state = news(journal)
    kept = json.dumps(state)
    journal.documents += [signal(6, "LONG"), signal(7, reason="a step failed: x")]
    first, _ = news(journal, state)
    second, _ = news(journal, state)
    assert [m.key for m in first] == [m.key for m in second] and len(first) == 2
    assert json.dumps(state) == kept, "the state that was given is not changed"


def test_another_journal_in_its_place_is_begun_with_its_present():
    _, state = news(Rows(signal(i) for i in range(9)))
    other = Rows(signal(i, ("LONG", "SHORT")[i % 2], "ETH/USDT") for i in range(20))
    messages, state = news(other, state, since_ms=START + 18 * STEP)
    assert len(messages) == 2 and state["row"] == 20


def test_a_revision_that_changes_the_decision_is_told_as_one():
    journal = Rows([signal(0, "LONG"), signal(0, "NO_TRADE", revision=1)])
    messages, _ = news(journal)
    assert "revision 1" in messages[1].text and len({m.key for m in messages}) == 2


def test_a_failure_between_two_equal_decisions_changes_no_decision():
    broken = signal(1, reason="a step failed: x")
    journal = Rows([signal(0, "LONG"), broken, signal(2, "LONG"), signal(3)])
    messages, _ = news(journal)
    assert [m.kind for m in messages] == ["decision", "failure", "recovery", "decision"]


def test_a_gate_that_was_not_measured_neither_begins_nor_ends_a_block():
    unknown, stopped = gate("tail_loss", False, None), gate("tail_loss", False)
    journal = Rows(signal(i, gates=[g]) for i, g in enumerate([unknown, stopped, unknown, stopped]))
    messages, _ = news(journal)
    assert [m.kind for m in messages] == ["blocked"]


def test_drift_that_is_allowed_is_told_all_the_same():
    messages, _ = news(Rows([signal(0, gates=[gate("drift", True)])]))
    assert "does not block" in messages[0].text


def test_signals_of_another_form_are_told_seldom_and_hide_nothing():
    odd = [
        {"symbol": "BTC/USDT", "mode": "PAPER", "ts": iso(START + i * STEP)} for i in range(1, 150)
    ]
    odd = [{**document, "revision": i} for i, document in enumerate(odd)]
    journal = Rows([signal(0, "LONG"), *odd, signal(200, "SHORT")])
    messages, state = news(journal)
    assert [m.kind for m in messages] == ["decision", "failure", "failure", "failure", "decision"]
    assert state["row"] == 151 and len({m.key for m in messages}) == 5
    assert news(journal, state)[0] == []


def champion(version, at=0, **fields):
    base = {"kinds": {"trend": {"version": version}}, "promoted_at": iso(START + at)}
    return json.dumps(base | {"reason": "r", "provisional": False} | fields) + "\n"


def champions(path, state=None, since_ms=0):
    return champion_news.read(
        path, state, symbol="BTC/USDT", since_ms=since_ms, mode="PAPER", language="en"
    )


def test_champions_are_told_by_what_they_are(tmp_path):
    path = tmp_path / "h.jsonl"
    _, state = champions(path)
    path.write_text(
        champion("v1", provisional=True) + "broken\n" + champion("v2") + champion("v2", reason="s")
    )
    first, state = champions(path, state)
    assert [m.kind for m in first] == ["provisional", "promotion", "promotion"]
    with path.open("a") as file:
        file.write(champion("v1") + champion("v3")[:-5])
    second, state = champions(path, state)
    assert [m.kind for m in second] == ["rollback"]
    with path.open("a") as file:
        file.write(champion("v3")[-5:])
    third, state = champions(path, state)
    assert [m.kind for m in third] == ["promotion"]
    assert champions(path, state)[0] == []
    path.write_text(champion("v7") + champion("v8"))
    assert champions(path, state)[0] == [], "a file that was replaced is no news"


def test_a_ledger_in_anothers_place_is_begun_with_its_present(tmp_path):
    def act(path, *times):
        with Ledger.open(path) as ledger:
            for time in times:
                ledger.add(Action(action_id("kill", time, "a", "b"), "kill", time, "a", "b"))

    def read(path, state, now_ms):
        with Ledger.open(path, readonly=True) as ledger:
            return ledger_news.read(
                ledger, state, key="k", mode="PAPER", since_ms=0, now_ms=now_ms, settings=SETTINGS
            )

    act(tmp_path / "one.db", *range(1, 6))
    messages, state = read(tmp_path / "one.db", None, 10)
    assert len(messages) == 5 and state["row"] == 5 and state["switched"] == ["killed"]
    act(tmp_path / "two.db", 1, 2, 30)
    messages, state = read(tmp_path / "two.db", state, 20)
    assert [m.time_ms for m in messages] == [30]


def test_a_restored_champion_file_is_told_and_changes_no_other_news(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_text(champion("v1") + champion("v2", at=STEP))
    _, state = champions(path)
    with path.open("a") as file:
        file.write(champion("v2", at=STEP, restored_at=iso(START + 9 * STEP)))
    messages, state = champions(path, state)
    assert [(m.kind, m.time_ms) for m in messages] == [("champion_restored", START + 9 * STEP)]
    assert "lost or damaged" in messages[0].text and "trend v2" in messages[0].text
    with path.open("a") as file:
        file.write(champion("v1", at=20 * STEP, by="ana"))
    messages, _ = champions(path, state)
    assert [m.kind for m in messages] == ["rollback"] and "by ana" in messages[0].text


BROKEN = "NO; The trend model v2 cannot be used: it is cut.; The earlier trend model v1 stands in."
CONSTANT = "NO; The risk model v2 cannot be used: gone.; Baseline model (made of 9 rows) stands in "
NONE = "the forecast may not be used: No trend/return/risk models or baseline model found"


def modelled(index, reason="every gate passes", prob_up=0.5, **fields):
    return signal(index, reason=reason, **fields) | {
        "prob_up": prob_up, "expected_return": 0.0, "risk_score": 0.1
    }  # fmt: skip


def test_a_fallback_is_told_once_a_state():
    journal = Rows([modelled(0), modelled(1, BROKEN), modelled(2, BROKEN)])
    messages, state = news(journal)
    assert [m.kind for m in messages] == ["fallback"]
    assert "models cannot be used, others stand in: trend v2" in messages[0].text
    assert "it is cut" in messages[0].text
    journal.documents += [
        signal(3),  # no forecast for another reason: nothing is known of the models
        modelled(4, BROKEN),
        modelled(5, CONSTANT + "for risk: why."),
        modelled(6, CONSTANT + "for risk: why."),
        modelled(7),
        modelled(8),
    ]
    messages, state = news(journal, state)
    assert [m.text.partition(": ")[2].splitlines()[0] for m in messages] == [
        "models cannot be used, others stand in: risk v2",
        "the models in use can be used again",
    ]
    assert len({m.key for m in messages}) == 2 and news(journal, state)[0] == []


def test_no_models_at_all_is_told_too():
    gates = [gate("model_valid", passed=False)]
    journal = Rows([modelled(0), signal(1, reason=NONE, gates=gates), modelled(2)])
    texts = [m.text for m in news(journal)[0]]
    assert "BTC/USDT: no models can be used" in texts[0] and NONE in texts[0]
    assert "can be used again" in texts[1]
    other = [gate("fresh", passed=False), gate("model_valid", passed=False)]
    assert news(Rows([modelled(0), signal(1, gates=other)]))[0] == []


def test_a_planned_baseline_is_no_fallback():
    planned = "NO; Baseline model (made of 900 rows) stands in for trend, return, risk: too few."
    assert news(Rows([modelled(0, planned)]))[0] == []


def test_a_state_of_an_earlier_program_is_continued():
    journal = Rows([modelled(0)])
    _, state = news(journal)
    del state["models"]
    journal.documents.append(modelled(1, BROKEN))
    assert [m.kind for m in news(journal, state)[0]] == ["fallback"]
