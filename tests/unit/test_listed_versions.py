import json

import pytest
from lifecycle_state import SETTINGS, SYMBOL, day, layout, path_of, put, use

from bot_cripto import atomic
from bot_cripto.lifecycle.versions import as_text, champions, list_all
from bot_cripto.models.bad_marks import mark_bad
from bot_cripto.models.champion import champion_path, history_path


@pytest.fixture
def at(tmp_path):
    return layout(tmp_path)


def listed(at, kind=None, **changes):
    return list_all(at, SETTINGS | changes, [SYMBOL], kind, day(5))


def test_versions_are_listed_with_age_metrics_alias_and_run(at):
    first, second = use(at, 0, "trend"), use(at, 1, "trend")
    base = use(at, 1)
    put(at, {"trend": first}, 0)
    put(at, {"trend": second, "baseline": base}, 1)
    found = listed(at)
    assert [(v.kind, v.version) for v in found] == [
        ("trend", second.version),
        ("trend", first.version),
        ("baseline", base.version),
    ]
    assert [v.alias for v in found] == ["champion", "previous", "champion"]
    assert [v.age_days for v in found] == [4, 5, 4]
    assert [v.mlflow_run_id for v in found] == ["run-trend-1", "run-trend-0", "run-baseline-1"]
    assert set(found[0].metrics) == {"auc", "log_loss", "ece"}
    assert all(v.problem is None and v.bad is None for v in found)
    assert [v.kind for v in listed(at, "baseline")] == ["baseline"]
    assert json.loads(json.dumps(found[0].to_json()))["alias"] == "champion"


def test_what_cannot_be_loaded_says_why(at):
    first, second, third = (use(at, number) for number in range(3))
    (path_of(at, "baseline", first.version) / "metadata.json").write_text("{")
    reference = path_of(at, "baseline", second.version) / "reference.json"
    reference.write_bytes(reference.read_bytes() + b" ")
    problems = [v.problem for v in listed(at)]
    assert problems[0] is None
    assert "cut or altered" in problems[1] and "damaged" in problems[2]
    other = listed(at, horizon_steps=12)[0]
    assert other.version == third.version and other.problem == "made for horizon_steps 3, not 12"
    text = as_text(listed(at))
    assert text.count("cannot be loaded") == 2 and text.count("ready") == 1


def test_bad_versions_say_so(at):
    first = use(at, 0)
    mark_bad(at.models, SYMBOL, "baseline", first.version, reason="no", by="ana", now_ms=day(1))
    assert listed(at)[0].bad == "no"
    assert "BAD: no" in as_text(listed(at))


def test_runs_are_found_in_the_records_of_trainings(at):
    first = use(at, 0)
    path = at.training("20240118T084000Z", "BTC_USDT") / "all.mlflow.json"
    atomic.write_json(path, {"used": {"baseline": vars(first)}})
    atomic.write_json(path.with_name("odd.mlflow.json"), {"used": [1]})
    assert listed(at)[0].mlflow_run_id == "run-baseline-0"


def test_without_versions_or_with_a_damaged_champion_the_list_still_comes(at):
    assert listed(at) == [] and "no versions yet" in as_text([])
    put(at, {"baseline": use(at, 0)}, 0)
    champion_path(at.models, SYMBOL).write_text("oops")
    assert [(v.alias, v.mlflow_run_id) for v in listed(at)] == [(None, "run-baseline-0")]


def test_champions_come_from_file_and_history_each_once(at):
    uses = [use(at, number) for number in range(3)]
    for number, each in enumerate(uses):
        put(at, {"baseline": each}, number)
    names = [each.version for each in reversed(uses)]
    assert [c.versions()["baseline"] for c in champions(at.models, SYMBOL)] == names
    history = history_path(at.models, SYMBOL)
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(lines[:2]))  # the promotion was written, its line is lost
    assert [c.versions()["baseline"] for c in champions(at.models, SYMBOL)] == names
    history.unlink()
    assert [c.versions()["baseline"] for c in champions(at.models, SYMBOL)] == names
