import pytest
from model_market import cutoff, origin, reference_rows, trained

from bot_cripto.errors import BusyError, ConfigError, DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.lifecycle.rollback import ordered, plan, roll_back
from bot_cripto.locks import lock_run
from bot_cripto.models import champion_change as champions
from bot_cripto.models.bad_marks import mark_bad, read_bad
from bot_cripto.models.champion import champion_path, read_champion, read_history
from bot_cripto.models.champion_change import ChampionChangedError, promote
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import folder
from bot_cripto.models.version_writer import write_version

SYMBOL = "BTC/USDT"
SUBJECT = Subject(SYMBOL, "simulated", "5m", 3)
SETTINGS = {
    "symbols": [SYMBOL],
    "source_name": "simulated",
    "timeframe": "5m",
    "horizon_steps": 3,
}
NOW = 1_725_598_000_000


@pytest.fixture
def at(tmp_path):
    return Layout(*(tmp_path / n for n in ("data", "models", "logs", "locks")), "simulated-5m")


def use(at, day, kind="baseline"):
    made = origin(cutoff_ms=cutoff() + day * 86_400_000)
    version = write_version(at.models, trained(kind), made, reference_rows())
    return ModelUse(version.name, version.sha256, f"run-{kind}-{day}")


def put(at, kinds, time, **changes):
    if isinstance(kinds, ModelUse):
        kinds = {"baseline": kinds}
    facts = {"source": "simulated", "timeframe": "5m", "horizon_steps": 3, "provisional": False}
    return promote(
        at.models, SYMBOL, kinds, reason=f"at {time}", promoted_at_ms=NOW + time, **facts | changes
    )


def back(at, reason="worse", time=10, **what):
    return roll_back(at, SUBJECT, reason=reason, by="ana", now_ms=NOW + time, **what)


def test_the_models_before_come_back_and_twice_is_there_again(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1, provisional=True)
    put(at, second, 2)
    put(at, second, 3)  # the same versions for another reason are no other models
    done = back(at)
    assert done.after == read_champion(at.models, SYMBOL)
    after = done.after
    assert (after.kinds["baseline"], after.provisional) == (first, True)
    assert (after.reason, after.by) == ("worse", "ana")
    assert read_history(at.models, SYMBOL)[0].by == "ana"
    assert done.replaced() == {"baseline": second.version}
    assert done.lines()[0] == f"{SYMBOL} baseline: {second.version} -> {first.version}"
    assert "provisional" in done.lines()[1]
    forth = back(at, "better after all", 11).after
    assert forth.kinds["baseline"] == second and not forth.provisional


def test_nothing_to_go_back_to_is_said_and_changes_nothing(at):
    with pytest.raises(ModelError, match="no models yet"):
        back(at)
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1, horizon_steps=12)
    put(at, second, 2)
    before = champion_path(at.models, SYMBOL).read_bytes()
    with pytest.raises(ModelError, match="no other models"):  # the other is of another horizon
        back(at)
    assert champion_path(at.models, SYMBOL).read_bytes() == before


@pytest.mark.parametrize("harm", ["missing", "altered", "other"])
def test_a_version_that_is_not_as_it_was_stays_out_of_use(at, harm):
    first, second = use(at, 0), use(at, 1)
    put(at, ModelUse(first.version, "ab" * 32, None) if harm == "other" else first, 1)
    put(at, second, 2)
    before = champion_path(at.models, SYMBOL).read_bytes()
    metadata = folder(at.models, "baseline", SYMBOL) / first.version / "metadata.json"
    if harm == "missing":
        metadata.unlink()
    elif harm == "altered":
        metadata.write_text(metadata.read_text().replace("prob_up", "prob_UP"))
    with pytest.raises(ModelError, match=r"cannot be read|altered|not the one"):
        back(at)
    assert champion_path(at.models, SYMBOL).read_bytes() == before


def test_a_broken_version_is_passed_over_for_an_older_one(at):
    uses = [use(at, day) for day in range(3)]
    for day, each in enumerate(uses):
        put(at, each, day)
    (folder(at.models, "baseline", SYMBOL) / uses[1].version / "metadata.json").unlink()
    done = back(at)
    assert done.after.kinds["baseline"] == uses[0]
    assert len(done.passed_over) == 1 and uses[1].version in done.lines()[0]


def test_one_kind_goes_back_and_the_others_stay(at):
    trend, risk = (
        [use(at, day, "trend") for day in (0, 1)],
        [use(at, day, "risk") for day in (0, 1)],
    )
    put(at, {"trend": trend[0], "risk": risk[0]}, 1)
    put(at, {"trend": trend[1], "risk": risk[1]}, 2)
    done = back(at, kind="trend")
    assert done.after.kinds == {"trend": trend[0], "risk": risk[1]}
    with pytest.raises(ModelError, match="no other return version to go back to"):
        back(at, kind="return")


def test_any_whole_version_can_be_named(at):
    first, second, unused = use(at, 0), use(at, 1), use(at, 2, "trend")
    put(at, first, 1)
    put(at, second, 2)
    assert back(at, to=first.version).after.kinds == {"baseline": first}
    after = back(at, to=unused.version, kind="trend").after
    assert after.versions() == {"baseline": first.version, "trend": unused.version}
    assert after.provisional, "no retrain has judged it"
    with pytest.raises(ModelError, match="in use already"):
        back(at, to=unused.version)


def test_a_version_that_is_not_there_is_refused_with_what_is(at):
    first = use(at, 0)
    put(at, first, 1)
    for what in ({"to": "20200101T000000Z-0123456789"}, {"to": first.version, "kind": "trend"}):
        with pytest.raises(ModelError, match="there is: ") as told:
            back(at, **what)
        assert (first.version in str(told.value).partition("there is")[2]) == (len(what) == 1)


def test_a_version_of_another_horizon_is_refused(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    with pytest.raises(ModelError, match="made for horizon_steps 3, not 12"):
        roll_back(
            at, Subject(SYMBOL, "simulated", "5m", 12), reason="r", by="a", now_ms=NOW,
            to=second.version,
        )  # fmt: skip


def test_what_is_marked_bad_is_not_gone_back_to(at):
    uses = [use(at, day) for day in range(3)]
    for day, each in enumerate(uses):
        put(at, each, day)
    name = uses[1].version
    mark_bad(at.models, SYMBOL, "baseline", name, reason="loses", by="ana", now_ms=NOW)
    assert back(at).after.kinds["baseline"] == uses[0]
    with pytest.raises(ModelError, match=r"marked bad \(loses\).*--undo"):
        back(at, to=name)


def test_what_is_replaced_can_be_marked_but_a_baseline_only_when_named(at):
    trend, base = [use(at, day, "trend") for day in (0, 1)], [use(at, day) for day in (0, 1)]
    put(at, {"trend": trend[0], "baseline": base[0]}, 1)
    put(at, {"trend": trend[1], "baseline": base[1]}, 2)
    back(at, mark=True)
    marks = read_bad(at.models, SYMBOL)
    assert list(marks) == [("trend", trend[1].version)]
    assert marks["trend", trend[1].version].reason == "worse"
    with pytest.raises(ModelError, match="marked bad"):
        back(at)
    put(at, {"trend": trend[0], "baseline": base[1]}, 20)
    back(at, time=30, kind="baseline", mark=True)
    assert ("baseline", base[1].version) in read_bad(at.models, SYMBOL)


def test_a_lost_champion_file_is_restored_first(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    put(at, second, 2)
    champion_path(at.models, SYMBOL).write_text("garbage")
    assert back(at).after.kinds["baseline"] == first


def test_it_does_not_wait_for_a_retrain(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    put(at, second, 2)
    with lock_run(at.locks, "retrain"):
        assert back(at).after.kinds["baseline"] == first


def test_a_change_between_choice_and_switch_is_noticed(at, monkeypatch):
    uses = [use(at, day) for day in range(3)]
    put(at, uses[0], 1)
    put(at, uses[1], 2)
    from bot_cripto.lifecycle import rollback

    def slow(*given, **what):
        chosen = plan(*given, **what)
        put(at, uses[2], 3)
        return chosen

    monkeypatch.setattr(rollback, "plan", slow)
    with pytest.raises(ChampionChangedError, match="nothing was promoted"):
        back(at)
    assert read_champion(at.models, SYMBOL).kinds["baseline"] == uses[2]


def test_a_switch_that_cannot_be_written_marks_nothing(at, monkeypatch):
    first, second = use(at, 0, "trend"), use(at, 1, "trend")
    put(at, {"trend": first}, 1)
    put(at, {"trend": second}, 2)

    def full(*_):
        raise BusyError("disk")

    monkeypatch.setattr(champions, "champion_lock", full)
    with pytest.raises(BusyError):
        back(at, mark=True)
    assert read_bad(at.models, SYMBOL) == {}


def test_an_order_says_what_it_does_and_a_look_changes_nothing(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    put(at, second, 2)
    order = {"symbol": SYMBOL, "kind": "", "to": "", "reason": " too\n late ", "mark_bad": False}

    def give(look=False, **changes):
        return ordered(at, SETTINGS, order | changes, by="ana", now_ms=NOW + 9, look=look)

    before = champion_path(at.models, SYMBOL).read_bytes()
    looked = give(look=True)
    assert looked[0] == "This would change:" and first.version in looked[1]
    assert champion_path(at.models, SYMBOL).read_bytes() == before
    for wrong in ({"symbol": "DOGE/USDT"}, {"symbol": ""}, {"reason": " "}):
        with pytest.raises(ConfigError, match=r"configured: BTC/USDT|say the reason"):
            give(**wrong)
    assert champion_path(at.models, SYMBOL).read_bytes() == before
    assert give()[-1] == "In use since 2024-09-06T04:46:40.009Z."
    assert read_champion(at.models, SYMBOL).reason == "too late"


def test_a_full_disk_changes_nothing_and_is_said(at, monkeypatch):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    put(at, second, 2)
    history = at.models / "champion" / "history" / "BTC_USDT.jsonl"
    before = history.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bot_cripto.atomic.write_json", full)
    with pytest.raises(DataError, match=r"was not changed.*No space.*make room"):
        back(at)
    assert read_champion(at.models, SYMBOL).kinds["baseline"] == second
    assert history.read_bytes() == before


def test_a_mark_that_cannot_be_written_does_not_undo_or_hide_the_switch(at, monkeypatch):
    first, second = use(at, 0, "trend"), use(at, 1, "trend")
    put(at, {"trend": first}, 1)
    put(at, {"trend": second}, 2)
    bad = at.models / "champion" / "bad"
    bad.write_text("no folder")
    bad_marks = []
    monkeypatch.setattr("bot_cripto.lifecycle.rollback.read_bad", lambda *_: bad_marks)
    order = {"symbol": SYMBOL, "kind": "", "to": "", "reason": "worse", "mark_bad": True}
    lines = ordered(at, SETTINGS, order, by="ana", now_ms=NOW + 9)
    assert read_champion(at.models, SYMBOL).kinds["trend"] == first
    assert any(f"trend {second.version} could not be marked bad" in line for line in lines)
    assert "is marked bad" not in lines[-1]


def test_a_secret_in_a_reason_is_not_kept(at):
    first, second = use(at, 0), use(at, 1)
    put(at, first, 1)
    put(at, second, 2)
    token = "1234567890:AAH" + "x" * 32
    order = {"symbol": SYMBOL, "kind": "", "to": "", "reason": f"see {token}", "mark_bad": False}
    ordered(at, SETTINGS, order, by="ana", now_ms=NOW + 9)
    reason = read_champion(at.models, SYMBOL).reason
    assert reason.startswith("see ") and token not in reason
