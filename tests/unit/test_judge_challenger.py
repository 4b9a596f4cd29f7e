"""What becomes of a challenger: by alarms, marks and the comparison; of champions by standing."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import model_market as market
import pytest

from bot_cripto.config.schema import Settings
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.bad_marks import mark_bad
from bot_cripto.models.champion import history_path, read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.record import write_record
from bot_cripto.models.snapshot import write_snapshot
from bot_cripto.models.training import TRAINERS, prepare, train
from bot_cripto.models.version_writer import write_version
from bot_cripto.timeframes import parse_iso

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "judge_challenger.py"
SYMBOL, NOW = "BTC/USDT", "2024-02-01T00:00:00Z"
KINDS = ("trend", "return", "risk", "baseline")
SETTINGS = Settings().model_dump(mode="json") | {
    "source_name": "simulated",
    "market": "simulated-19",
    "timeframe": market.TIMEFRAME,
    "horizon_steps": market.SETTINGS.horizon_steps,
}
ABOUT = {
    "source": "simulated",
    "timeframe": market.TIMEFRAME,
    "horizon_steps": market.SETTINGS.horizon_steps,
    "promoted_at_ms": parse_iso(NOW),
}
LEAK = {"name": "truncation", "passed": False, "text": "atr14 (60) depends on later candles"}
SOUND = [
    {"name": "ceiling", "passed": True, "text": "AUC 0.5300"},
    {"name": "label_shift", "passed": None, "text": "not measured"},
]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("script_judge_challenger", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def judge(script):
    return script.judge_challenger


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A models folder with versions in use, and a record of new ones."""
    monkeypatch.setenv("BOT_CRIPTO_NOW", NOW)
    uses = {}
    for name, cutoff in (("old", market.cutoff()), ("new", market.cutoff() + market.STEP_MS)):
        origin = market.origin(cutoff_ms=cutoff)
        written = {
            kind: write_version(
                tmp_path / "models", market.trained(kind), origin, market.reference_rows()
            )
            for kind in KINDS
        }
        uses[name] = {k: ModelUse(v.name, v.sha256, None) for k, v in written.items()}
    assert uses["old"] != uses["new"]
    write_record(tmp_path / "record.json", SYMBOL, uses["new"], {}, None)
    return tmp_path, uses


def judged(judge, place, alarms, record="record.json"):
    """Return what was written of the judgement, and the champion after it."""
    folder = place[0]
    (folder / "audit.json").write_text(json.dumps({"alarms": alarms, "suspect": True}))
    layout = Layout(*(folder / n for n in ("data", "models", "logs", "locks")), "simulated-5m")
    files = [str(folder / name) for name in (record, "none", "audit.json", "judgement.json")]
    judge(layout, SETTINGS, "BTC_USDT", *files)
    written = json.loads((folder / "judgement.json").read_text())
    return written, read_champion(folder / "models", SYMBOL)


def put(place, provisional):
    kinds = {kind: place[1]["old"][kind] for kind in KINDS}
    return promote(
        place[0] / "models", SYMBOL, kinds, provisional=provisional, reason="test", **ABOUT
    )


def test_an_established_champion_stays_when_an_alarm_went_off(judge, place):
    before = put(place, provisional=False)
    written, champion = judged(judge, place, [*SOUND, LEAK])
    assert champion == before
    assert written["promoted"] is False and written["sides"] == {}
    assert written["reason"] == (
        "the champion stays: a leak alarm went off: truncation: atr14 (60) depends on later candles"
    )
    (condition,) = written["conditions"]
    assert condition["name"] == "leak_alarms" and condition["passed"] is False


@pytest.mark.parametrize("standing", ["provisional", "none", "broken"])
def test_without_an_established_champion_only_the_baseline_speaks(judge, place, standing):
    if standing != "none":
        put(place, provisional=standing == "provisional")
    if standing == "broken":
        version = place[1]["old"]["trend"].version
        (path,) = (place[0] / "models" / "trend").rglob(f"{version}/direction.txt")
        path.write_text("damaged")
    written, champion = judged(judge, place, [LEAK, *SOUND])
    assert champion.kinds == {"baseline": place[1]["new"]["baseline"]}
    assert champion.provisional is True
    assert "a leak alarm went off: truncation" in champion.reason
    assert written["promoted"] is True and written["reason"] == champion.reason
    assert set(written["challenger"]) == {"baseline"}


def test_two_alarms_are_both_named(judge, place):
    put(place, provisional=False)
    written, _ = judged(judge, place, [LEAK, LEAK | {"name": "ceiling", "text": "AUC 0.9"}])
    assert "truncation: " in written["reason"] and "; ceiling: AUC 0.9" in written["reason"]


def test_where_not_even_a_baseline_was_trained_nothing_is_promoted(judge, place):
    write_record(place[0] / "empty.json", SYMBOL, {}, {"baseline": "too few rows"}, None)
    written, champion = judged(judge, place, [LEAK], record="empty.json")
    assert champion is None and written["promoted"] is False
    assert "a leak alarm went off" in written["reason"]


def test_alarms_that_passed_or_were_not_measured_block_nothing(judge, place):
    written, champion = judged(judge, place, SOUND)
    assert written["promoted"] is True and written["reason"] == "there was no champion"
    assert champion.kinds == place[1]["new"]


def marked(place, kind):
    version = place[1]["new"][kind].version
    about = {"reason": "it lost money", "by": "ann", "now_ms": parse_iso(NOW)}
    mark_bad(place[0] / "models", SYMBOL, kind, version, **about)


@pytest.mark.parametrize("standing", ["established", "none"])
def test_a_version_that_is_marked_bad_is_never_promoted(judge, place, standing):
    before = put(place, provisional=False) if standing == "established" else None
    marked(place, "risk")
    written, champion = judged(judge, place, SOUND)
    assert champion == before and written["promoted"] is False
    version = place[1]["new"]["risk"].version
    assert written["reason"] == (
        f"there is no challenger: no risk model: {version} is marked bad (it lost money)"
    )


def test_not_even_a_baseline_that_is_marked_bad(judge, place):
    marked(place, "baseline")
    written, champion = judged(judge, place, [LEAK])
    assert champion is None and written["promoted"] is False
    written, champion = judged(judge, place, SOUND)
    assert written["promoted"] is True and set(champion.kinds) == {"trend", "return", "risk"}


def test_the_version_in_use_is_no_challenger_whatever_its_run_is_called(judge, place):
    kinds = {k: replace(use, mlflow_run_id="run") for k, use in place[1]["new"].items()}
    put((place[0], {"old": kinds}), provisional=False)
    written, champion = judged(judge, place, SOUND)
    assert champion.kinds == kinds and champion.promoted_at == NOW
    assert written["reason"] == (
        "it is this very version that is in use since 2024-02-01T00:00:00Z (test)"
    )
    assert written["promoted"] is True, "judged again, e.g. by other thresholds, it is no refusal"
    assert len(history_path(place[0] / "models", SYMBOL).read_text().splitlines()) == 1


@pytest.fixture(scope="module")
def rivals(tmp_path_factory):
    """Poor and good models, each as old and as new ones, and what neither has seen."""
    folder = tmp_path_factory.mktemp("rivals")
    held = replace(market.SETTINGS, holdout_fraction=0.25)
    poor = replace(held, rounds=1, learning_rate=0.01)
    early, late = market.origin(cutoff_ms=market.cutoff(4000)), market.origin()
    data, uses = market.data(), {}
    for settings, names in ((poor, ("old", "poor")), (held, ("good", "new"))):
        prepared = prepare(data, settings)
        made = {kind: TRAINERS[kind](prepared) for kind in KINDS[:3]}
        made["baseline"] = train("baseline", data, settings)
        for name, origin in zip(names, (early, late), strict=True):
            uses[name] = {}
            for kind, trained in made.items():
                rows = market.reference_rows()
                version = write_version(folder / "models", trained, origin, rows)
                uses[name][kind] = ModelUse(version.name, version.sha256, None)
    write_record(folder / "record.json", SYMBOL, uses["new"], {}, None)
    write_record(folder / "poor.json", SYMBOL, uses["poor"], {}, None)
    write_snapshot(market.snapshot(), folder / "none")
    return folder, uses


@pytest.fixture
def arena(rivals, monkeypatch):
    """The rivals without a champion."""
    monkeypatch.setenv("BOT_CRIPTO_NOW", NOW)
    for path in (rivals[0] / "models" / "champion").rglob("*.json*"):
        path.unlink()
    return rivals


@pytest.mark.parametrize("provisional", [True, False])
def test_the_better_one_wins_on_candles_that_neither_has_seen(judge, arena, provisional):
    put(arena, provisional)
    written, champion = judged(judge, arena, SOUND)
    assert written["promoted"] is True, written["reason"]
    assert champion.kinds == arena[1]["new"] and champion.provisional is False
    assert champion.reason == written["reason"] and "unseen candles" in champion.reason
    ours, theirs = written["sides"]["champion"], written["sides"]["challenger"]
    assert theirs["losses"]["log_loss"] < ours["losses"]["log_loss"]
    assert written["horizons"] >= 200 and written["first_candle"] >= "2024-01-14T21:20:00Z"
    assert written["challenger"]["trend"] == arena[1]["new"]["trend"].version
    assert written["champion"]["trend"] == arena[1]["old"]["trend"].version
    assert all(condition["text"] for condition in written["conditions"])


def test_a_champion_that_stays_is_provisional_no_longer(judge, arena):
    good = arena[1]["good"]
    put((arena[0], {"old": good}), provisional=True)
    written, champion = judged(judge, arena, SOUND, record="poor.json")
    assert written["promoted"] is False and "the champion stays on" in written["reason"]
    assert champion.kinds == good and champion.provisional is False


def test_too_few_unseen_candles_compare_nothing(judge, arena):
    late = market.cutoff(4900)
    origin = market.origin(cutoff_ms=late)
    rows = market.reference_rows()
    kinds = {}
    for kind in KINDS:
        version = write_version(arena[0] / "models", market.trained(kind), origin, rows)
        kinds[kind] = ModelUse(version.name, version.sha256, None)
    before = put((arena[0], {"old": kinds}), provisional=True)
    written, champion = judged(judge, arena, SOUND)
    assert champion == before and written["sides"] == {} and written["promoted"] is False
    assert (
        "only 32 non-overlapping horizons that neither has seen, 200 are needed"
        in (written["reason"])
    )
    assert [c["name"] for c in written["conditions"] if not c["passed"]] == ["unseen_horizons"]


def test_a_champion_that_changed_meanwhile_is_left_alone(script, judge, arena, monkeypatch):
    put(arena, provisional=False)
    compare = script.duel

    def while_an_operator_acts(*given):
        kinds = {"baseline": arena[1]["new"]["baseline"]}
        about = {"provisional": False, "reason": "rolled back by hand"}
        promote(arena[0] / "models", SYMBOL, kinds, **about, **ABOUT)
        return compare(*given)

    monkeypatch.setattr(script, "duel", while_an_operator_acts)
    written, champion = judged(judge, arena, SOUND)
    assert champion.reason == "rolled back by hand" and written["promoted"] is False
    assert "changed while it was being compared" in written["reason"]
    assert "the challenger is better" in written["reason"]
    assert len(history_path(arena[0] / "models", SYMBOL).read_text().splitlines()) == 2


def test_a_champion_of_another_timeframe_gives_way(judge, arena):
    about = ABOUT | {"timeframe": "1h"}
    kinds = arena[1]["old"]
    promote(arena[0] / "models", SYMBOL, kinds, provisional=False, reason="hourly", **about)
    written, champion = judged(judge, arena, SOUND)
    assert written["promoted"] is True and champion.timeframe == market.TIMEFRAME
    assert champion.provisional is True and "timeframe 1h" in champion.reason
