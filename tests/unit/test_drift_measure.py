"""A measurement of drift as a whole: what it reads, its page, its record, and what it starts."""

import json
from pathlib import Path
from xml.etree import ElementTree

import model_market as market
import numpy as np
import pytest

from bot_cripto.config.schema import Settings
from bot_cripto.drift import retrain
from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT
from bot_cripto.drift.measure import found_in, learnt_by, measure
from bot_cripto.drift.report.page import html
from bot_cripto.drift.report.result import check_drift
from bot_cripto.errors import ConfigError, DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.store import CandleStore
from bot_cripto.models.apply import Model
from bot_cripto.models.champion_change import promote
from bot_cripto.models.snapshot import build_snapshot, training_data
from bot_cripto.models.training import train
from bot_cripto.models.version_writer import write_version
from bot_cripto.timeframes import iso
from bot_cripto.tracking.client import connect
from bot_cripto.tracking.drift_runs import drift_experiment, metrics_of, record_drift

SYMBOL = "BTC/USDT"
TRAINED, LIVE = 5000, 450
UNTIL = market.cutoff(TRAINED + LIVE)
SETTINGS = Settings().model_dump(mode="json") | {
    "source_name": "simulated",
    "market": "simulated-19",
    "timeframe": market.TIMEFRAME,
    "horizon_steps": market.SETTINGS.horizon_steps,
    "drift": {"recent_days": 1.5, "performance_days": 60, "false_alarm_rate": 0.05},
}


def layout_of(folder: Path) -> Layout:
    roots = (folder / name for name in ("data", "models", "logs", "locks"))
    return Layout(*roots, "simulated-19-5m")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A state with candles, models in use and a journal of signals since their cutoff."""
    folder = tmp_path_factory.mktemp("state")
    layout = layout_of(folder)
    candles = market.random_candles(TRAINED + LIVE, momentum=0.5)
    CandleStore(layout.store, "simulated-19", "5m").append(SYMBOL, candles)
    snapshot = build_snapshot(candles, "5m", market.SETTINGS, market.cutoff(TRAINED))
    data = training_data(snapshot)
    uses = {}
    for kind in ("trend", "return", "risk", "baseline"):
        model = train(kind, data, market.SETTINGS)
        version = write_version(layout.models, model, market.origin(), market.reference_rows())
        uses[kind] = ModelUse(version.name, version.sha256, None)
    about = {"source": "simulated", "timeframe": "5m", "horizon_steps": 3}
    promote(
        layout.models,
        SYMBOL,
        uses,
        **about,
        provisional=False,
        reason="first",
        promoted_at_ms=market.cutoff(TRAINED),
    )
    with Journal.open(layout.journal) as journal:
        for n in range(LIVE):
            close = market.cutoff(TRAINED + n)
            journal.append(
                {
                    "symbol": SYMBOL,
                    "source": "simulated",
                    "timeframe": "5m",
                    "candle_close_time": iso(close),
                    "horizon_steps": 3,
                    "revision": 0,
                    "prob_up": 0.6,
                    "expected_return": 0.001,
                    "decision": "NO_TRADE",
                }
            )
    return layout


@pytest.fixture(scope="module")
def result(made):
    return measure(made, SETTINGS, SYMBOL, UNTIL)


def checks(result):
    return {check["name"]: check for part in result["parts"] for check in part["checks"]}


def test_a_measurement_reads_store_journal_and_models(result):
    check_drift(result)
    found = checks(result)
    assert found["features"]["values"]["rows"] == 432
    assert len(found["features"]["values"]["features"]) == 60
    assert found["features"]["status"] in (DRIFT, NO_DRIFT)
    assert found["calibration"]["values"]["rows"] == 432 - 3
    assert found["calibration"]["status"] in (DRIFT, NO_DRIFT)
    # 450 signals in stretches of 12 candles
    assert found["sequential"]["status"] == INSUFFICIENT
    assert "37 stretches" in found["sequential"]["text"]["en"]
    assert found["relative_drop"]["status"] == INSUFFICIENT
    assert set(result["models"]) == {"trend", "return", "risk"}
    assert result["candle_close_time"] == iso(UNTIL)
    drifted = [name for name, check in found.items() if check["status"] == DRIFT]
    assert found_in(result) == drifted
    assert result["status"] == (DRIFT if drifted else INSUFFICIENT)


def test_the_same_state_gives_the_same_measurement(made, result, monkeypatch):
    monkeypatch.setenv("BOT_CRIPTO_NOW", result["made"])
    assert measure(made, SETTINGS, SYMBOL, UNTIL) == result


def test_candles_after_the_moment_play_no_part(made):
    earlier = UNTIL - 10 * market.STEP_MS
    found = checks(measure(made, SETTINGS, SYMBOL, earlier))
    assert found["calibration"]["values"]["rows"] == 432 - 3
    assert "36 stretches" in found["sequential"]["text"]["en"]


def test_volume_that_jumps_about_after_the_cutoff_is_drift_of_the_inputs(made, tmp_path):
    layout = layout_of(tmp_path)
    (tmp_path / "models").symlink_to(made.models)
    candles = market.random_candles(TRAINED + LIVE, momentum=0.5)
    random = np.random.Generator(np.random.PCG64(5))
    candles.volume[TRAINED:] *= np.exp(random.standard_normal(LIVE))
    CandleStore(layout.store, "simulated-19", "5m").append(SYMBOL, candles)
    found = measure(layout, SETTINGS, SYMBOL, UNTIL)
    assert found["status"] == found["parts"][0]["status"] == DRIFT
    assert "features" in found_in(found)
    named = [row["name"] for row in checks(found)["features"]["values"]["features"][:8]]
    assert any("volume" in name for name in named), named


def test_nothing_there_is_insufficient_data_never_no_drift(tmp_path, made):
    layout = layout_of(tmp_path)
    found = measure(layout, SETTINGS, SYMBOL, UNTIL)
    check_drift(found)
    assert found["status"] == INSUFFICIENT
    assert {part["status"] for part in found["parts"]} == {INSUFFICIENT}
    assert "no signal was published" in checks(found)["sequential"]["text"]["en"]
    (tmp_path / "models").symlink_to(made.models)
    found = measure(layout, SETTINGS, SYMBOL, UNTIL)
    assert "candle store holds none" in checks(found)["features"]["text"]["en"]
    assert html(found, "en") and html(found, "es")


def test_the_baseline_has_no_probability_to_judge(made, tmp_path):
    layout = layout_of(tmp_path)
    for name in ("data", "logs"):
        (tmp_path / name).symlink_to(getattr(made, name))
    model = train("baseline", market.data(), market.SETTINGS)
    version = write_version(layout.models, model, market.origin(), market.reference_rows())
    promote(
        layout.models,
        SYMBOL,
        {"baseline": ModelUse(version.name, version.sha256, None)},
        source="simulated",
        timeframe="5m",
        horizon_steps=3,
        provisional=True,
        reason="first",
        promoted_at_ms=market.cutoff(TRAINED),
    )
    found = checks(measure(layout, SETTINGS, SYMBOL, UNTIL))
    assert found["features"]["status"] != INSUFFICIENT
    for name in ("distribution", "calibration"):
        assert found[name]["status"] == INSUFFICIENT and "baseline" in found[name]["text"]["en"]


def test_metadata_that_does_not_say_what_was_learnt_is_an_error():
    with pytest.raises(ModelError, match="does not say what it learnt from"):
        learnt_by(Model("trend", {"cutoff": "2024-01-01T00:00:00Z"}, {}))


def full(result):
    """Return the measurement with drift in it, and every figure of the page."""
    value = json.loads(json.dumps(result))
    (check,) = (c for c in value["parts"][2]["checks"] if c["name"] == "sequential")
    check["status"] = value["parts"][2]["status"] = value["status"] = DRIFT
    times = [iso(market.cutoff(TRAINED + 20 * n)) for n in range(50)]
    hits = np.linspace(0.6, 0.4, 50).tolist()
    series = {"t": times, "hits": hits, "falls": [times[30]]}
    check["values"] = {"before": 0.6, "after": 0.4, "blocks": 50, "length": 20, "series": series}
    return value


@pytest.mark.parametrize(("lang", "word"), [("en", "Inputs"), ("es", "Entradas")])
def test_the_page_is_whole_and_escapes_what_it_is_given(result, lang, word):
    value = full(result)
    value["models"] = {"trend": "<script>&"}
    page = html(value, lang)
    first, _, rest = page.partition("\n")
    assert first == "<!DOCTYPE html>" and word in page and "SIMUL" in page
    tree = ElementTree.fromstring(rest)
    assert len(list(tree.iter("svg"))) >= 5 and not list(tree.iter("script"))
    names = [row["name"] for row in checks(result)["features"]["values"]["features"]]
    assert len(names) == 60 and all(f"<code>{name}</code>" in page for name in names)
    for check in checks(value).values():
        assert ElementTree.tostring(tree, "unicode").count("<h2>") == 5
        assert check["text"][lang].split(":")[0].split("&")[0][:20] in page


def test_a_language_that_is_not_known_is_refused(result):
    with pytest.raises(ConfigError, match="'fr'"):
        html(result, "fr")


def test_a_result_out_of_form_is_refused(result):
    with pytest.raises(DataError, match="BTC/USDT"):
        check_drift({**result, "status": "fine"})


def test_mlflow_shows_a_measurement_once(result, tracking_db, tmp_path):
    value = full(result)
    page = html(value)
    run_id = record_drift(tracking_db, tmp_path / "artefacts", value, page)
    # the same measurement made a moment later
    again = {**value, "made": iso(UNTIL + 1000)}
    assert record_drift(tracking_db, tmp_path / "artefacts", again, page) == run_id
    client = connect(tracking_db)
    assert drift_experiment(value) == "BTC/USDT 5m simulated-19 drift"
    experiment = client.get_experiment_by_name(drift_experiment(value))
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == run_id and run.info.status == "FINISHED"
    assert run.data.tags["status"] == DRIFT and run.data.tags["status.performance"] == DRIFT
    assert run.data.metrics["drift"] == 1 and run.data.metrics["sequential/after"] == 0.4
    assert run.data.metrics["features/score"] > 0
    assert run.data.params["model.trend"] == value["models"]["trend"]
    stored = tmp_path / "artefacts" / run_id / "artifacts"
    assert (stored / "drift.html").read_text() == page
    assert json.loads((stored / "drift.json").read_text())["status"] == DRIFT


def test_insufficient_data_is_no_number_in_mlflow(tmp_path):
    found = metrics_of(measure(layout_of(tmp_path), SETTINGS, SYMBOL, UNTIL))
    assert "drift" not in found and not [name for name in found if name.endswith("/drift")]


def on(**changes):
    return {"retrain_on_drift": True, "retrain_min_hours": 24, **changes}


def test_drift_starts_a_retrain_only_where_that_is_on_and_the_last_is_old(tmp_path):
    layout = layout_of(tmp_path)
    assert retrain.last_retrain_ms(layout) is None
    assert not retrain.plan(layout, on(), [], UNTIL).due
    off = retrain.plan(layout, on(retrain_on_drift=False), [SYMBOL], UNTIL)
    assert not off.due and "retrain_on_drift is off" in off.reason
    assert retrain.plan(layout, on(retrain_on_drift=False), [SYMBOL], UNTIL, asked=True).due
    due = retrain.plan(layout, on(), [SYMBOL], UNTIL)
    assert due.due and due.cutoff == iso(UNTIL) and SYMBOL in due.reason


@pytest.mark.parametrize("trace", ["judgement", "begun"])
def test_the_last_retrain_is_the_newest_judgement_or_the_one_that_was_begun(tmp_path, trace):
    layout = layout_of(tmp_path)
    if trace == "judgement":
        path = layout.training("20240101T000000Z", "BTC_USDT") / "judgement.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    else:
        retrain.note_begin(layout, "2024-01-01T00:00:00Z")
    hour, last = 3_600_000, market.START_MS
    assert retrain.last_retrain_ms(layout) == last
    soon = retrain.plan(layout, on(), [SYMBOL], last + 24 * hour - 1, asked=True)
    assert not soon.due and "retrain_min_hours" in soon.reason
    assert retrain.plan(layout, on(), [SYMBOL], last + 24 * hour).due
    assert retrain.plan(layout, on(retrain_min_hours=1), [SYMBOL], last + hour).due


def test_a_damaged_note_counts_for_none(tmp_path):
    layout = layout_of(tmp_path)
    retrain.note_begin(layout, "2024-01-01T00:00:00Z")
    (layout.drift / "retrain.json").write_text("[")
    assert retrain.last_retrain_ms(layout) is None
