"""What a leak alarm does to a challenger and to the champion of each standing."""

import importlib.util
import json
from pathlib import Path

import model_market as market
import pytest

from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion import promote, read_champion
from bot_cripto.models.record import write_record
from bot_cripto.models.version_writer import write_version
from bot_cripto.timeframes import parse_iso

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "judge_challenger.py"
SYMBOL, NOW = "BTC/USDT", "2024-02-01T00:00:00Z"
KINDS = ("trend", "return", "risk", "baseline")
SETTINGS = {
    "source_name": "simulated",
    "timeframe": market.TIMEFRAME,
    "horizon_steps": market.SETTINGS.horizon_steps,
    "training": {},
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
def judge():
    spec = importlib.util.spec_from_file_location("script_judge_challenger", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judge_challenger


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
    assert written["promoted"] is False and written["losses"] == {}
    assert written["reason"] == (
        "the champion stays: a leak alarm went off: truncation: atr14 (60) depends on later candles"
    )


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
