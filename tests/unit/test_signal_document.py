import copy
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_examples import (
    BEAR,
    BULL,
    CLOSE_MS,
    DOWN,
    FACTS,
    GOOD,
    MODELS,
    RISK,
    UP,
    document,
)

from bot_cripto.decision import GATES, LIMITS, Context, Policy, Regime, decide
from bot_cripto.errors import DataError
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.signals.document import (
    Facts,
    Provenance,
    build,
    failure,
    load_schema,
    validate,
)
from bot_cripto.timeframes import TIMEFRAMES

KEYS = [
    "schema_version",
    "ts",
    "candle_close_time",
    "valid_until",
    "source",
    "symbol",
    "timeframe",
    "horizon_steps",
    "prob_up",
    "expected_return",
    "p10",
    "p50",
    "p90",
    "risk_score",
    "risk_rank",
    "decision",
    "confidence",
    "reason",
    "regime",
    "regime_reason",
    "risk_allowed",
    "risk_reason",
    "position_size",
    "equity",
    "sizing",
    "gates",
    "mode",
    "revision",
    "version",
]

LONG_DOCUMENT = document()
FAILED = failure("fetch", "binance answered 451", FACTS, Policy())


def test_the_document_says_what_was_decided_in_the_order_of_the_contract():
    assert list(LONG_DOCUMENT) == KEYS
    assert list(LONG_DOCUMENT["version"]) == [
        "git_commit",
        "code_sha256",
        "config_sha256",
        "candles_sha256",
        "features_sha256",
        "risk_state_sha256",
        "models",
    ]
    assert LONG_DOCUMENT["ts"] == "2024-09-06T04:45:01.250Z"
    assert LONG_DOCUMENT["candle_close_time"] == "2024-09-06T04:45:00Z"
    assert LONG_DOCUMENT["valid_until"] == "2024-09-06T04:55:00Z"
    assert LONG_DOCUMENT["decision"] == "LONG" and LONG_DOCUMENT["confidence"] == 0.64
    assert LONG_DOCUMENT["position_size"] == pytest.approx(0.78125)
    assert LONG_DOCUMENT["mode"] == "SIMULATED"
    assert [gate["name"] for gate in LONG_DOCUMENT["gates"]] == [rule.name for rule in GATES]
    assert LONG_DOCUMENT["version"]["models"]["risk"]["version"] == "20240901T000000Z-risk"


def test_a_real_source_is_paper_and_short_mirrors_the_confidence():
    short = document(BEAR, DOWN, source="binance")
    assert short["mode"] == "PAPER"
    assert short["decision"] == "SHORT" and short["confidence"] == 1 - 0.36


def test_the_mode_is_live_where_orders_are_sent_and_prices_are_real():
    assert document(source="binance", live=True)["mode"] == "LIVE"
    assert document(source="binance", live=False)["mode"] == "PAPER"
    assert document(source="simulated", live=True)["mode"] == "SIMULATED"


def factors(signal):
    return {factor["name"]: factor["value"] for factor in signal["sizing"]}


def test_the_size_stands_with_all_that_it_was_made_from():
    found = factors(LONG_DOCUMENT)
    assert LONG_DOCUMENT["position_size"] == found["risk_budget"] == min(found[n] for n in LIMITS)
    assert found["stop_distance"] == 0.01 and found["target_distance"] == 0
    blocked = document(context=replace(GOOD, stale_candles=4))
    assert blocked["decision"] == "NO_TRADE" and factors(blocked) == found
    assert document(None)["sizing"] == FAILED["sizing"] == []


def test_a_short_on_a_spot_market_has_no_size():
    free = Policy(market_type="swap", funding_bps=0)
    spot, swap = document(BEAR, DOWN), document(BEAR, DOWN, policy=free)
    assert (spot["decision"], spot["position_size"]) == ("SHORT", 0)
    assert swap["position_size"] == min(factors(spot)[name] for name in LIMITS) > 0
    with pytest.raises(DataError, match="only a SHORT on a spot market"):
        validate({**LONG_DOCUMENT, "position_size": 0})


@pytest.mark.parametrize(
    ("index", "change", "says"),
    [
        (1, {"name": "volatility"}, "one factor twice"),
        (1, {"name": "stop"}, "no stop_distance"),
        (1, {"value": 0.0}, "no distance of a stop"),
        (1, {"value": 1.0}, "no distance of a stop"),
        (6, {"name": "kelly_share"}, "no kelly"),
        (6, {"value": 0.1}, "is not the least of its limits, 0.1"),
        (1, {"value": None}, r"sizing\[1\]\.value is None"),
        (1, {"value": math.inf}, "no JSON"),
        (1, {"name": "Stop!"}, r"sizing\[1\]\.name"),
        (1, {"unit": "x"}, "unit"),
    ],
)
def test_the_sizing_does_not_contradict_itself(index, change, says):
    broken = copy.deepcopy(LONG_DOCUMENT)
    broken["sizing"][index].update(change)
    with pytest.raises(DataError, match=says):
        validate(broken)


def test_a_position_needs_its_sizing():
    with pytest.raises(DataError, match="sizing"):
        validate({**LONG_DOCUMENT, "sizing": []})


def test_the_baseline_stands_in_for_every_kind_it_replaces():
    own, stand_in = ModelUse("v1", "aa", "run"), ModelUse("baseline", "bb", None)
    forecast = replace(BULL, models={"trend": own, "baseline": stand_in})
    models = document(forecast)["version"]["models"]
    assert models["trend"]["mlflow_run_id"] == "run"
    assert models["return"]["version"] == models["risk"]["version"] == "baseline"


def test_the_schema_ships_the_contract():
    shipped = load_schema()
    assert list(shipped["properties"]) == shipped["required"] == KEYS
    assert shipped["properties"]["timeframe"]["enum"] == [*TIMEFRAMES, None]


def test_a_failure_names_its_step_and_lists_every_gate():
    assert FAILED["decision"] == "NO_TRADE"
    assert "fetch: binance answered 451" in FAILED["reason"]
    assert [gate["name"] for gate in FAILED["gates"]] == [rule.name for rule in GATES]
    assert not any(gate["passed"] for gate in FAILED["gates"])
    for name in ("prob_up", "p10", "risk_score", "risk_rank", "regime", "regime_reason"):
        assert FAILED[name] is None
    assert FAILED["version"]["models"] == {"trend": None, "return": None, "risk": None}
    assert FAILED["symbol"] == "BTC/USDT" and FAILED["revision"] == 0


def test_a_failure_of_the_configuration_says_only_what_is_known():
    bare = failure("configuration", "PROB_MIN=two", Facts(made_ms=CLOSE_MS))
    validate(bare)
    assert bare["symbol"] is None and bare["valid_until"] is None and bare["mode"] == "PAPER"
    assert all(gate["threshold"] is None for gate in bare["gates"])


def test_a_forecast_with_nan_is_not_published():
    bad = document(replace(BULL, p10=math.nan))
    assert bad["decision"] == "NO_TRADE" and bad["prob_up"] is None
    assert "p10 is nan" in bad["reason"]
    assert bad["version"]["models"]["trend"] is not None
    json.dumps(bad, allow_nan=False)


@pytest.mark.parametrize(
    "missing", ["git_commit", "code_sha256", "candles_sha256", "risk_state_sha256"]
)
def test_a_position_needs_its_hashes_but_no_commit(missing):
    provenance = replace(FACTS.provenance, **{missing: None})
    if missing == "git_commit":
        assert document(provenance=provenance)["decision"] == "LONG"
        return
    with pytest.raises(DataError, match=missing):
        document(provenance=provenance)


def test_a_position_needs_its_models():
    models = {kind: MODELS[kind] for kind in ("trend", "return")}
    with pytest.raises(DataError, match=r"version\.models\.risk"):
        document(replace(BULL, models=models))


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key):
    broken = {name: value for name, value in LONG_DOCUMENT.items() if name != key}
    with pytest.raises(DataError, match=rf"must contain .*{key}"):
        validate(broken)


@pytest.mark.parametrize(
    "place", [(), ("version",), ("version", "models"), ("gates", 0), ("sizing", 0)]
)
def test_an_extra_key_is_named(place):
    broken = copy.deepcopy(LONG_DOCUMENT)
    part = broken
    for step in place:
        part = part[step]
    part["extra"] = 1
    with pytest.raises(DataError, match="extra"):
        validate(broken)


FORECAST = ["prob_up", "expected_return", "p10", "p50", "p90", "risk_score", "risk_rank"]


@pytest.mark.parametrize(
    "keys", [FORECAST, *([key] for key in FORECAST), ["regime"], ["valid_until"], ["equity"]]
)
def test_null_is_for_no_trade_alone(keys):
    broken = {**LONG_DOCUMENT, **dict.fromkeys(keys)}
    with pytest.raises(DataError, match=f"{keys[0]} is None"):
        validate(broken)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prob_up": 1.2}, "prob_up is 1.2"),
        ({"prob_up": math.nan}, "no JSON"),
        ({"prob_up": True}, "prob_up is True"),
        ({"expected_return": -1.5}, "expected_return is -1.5"),
        ({"position_size": 1.5}, "position_size is 1.5"),
        ({"p10": 0.5}, "cross"),
        ({"decision": "BUY"}, "decision is 'BUY'"),
        ({"decision": "SHORT"}, "confidence 0.64 does not fit"),
        ({"decision": "NO_TRADE"}, "confidence is 0.64"),
        ({"confidence": 0.65}, "confidence"),
        ({"risk_allowed": False}, "risk_allowed is False"),
        ({"ts": "2024-09-06 04:45"}, "ts is"),
        ({"ts": "2024-13-06T04:45:00Z"}, "which is no time"),
        ({"ts": "2024-09-06T04:45:00Z\n"}, "ts is"),
        ({"valid_until": "2024-09-06T04:45:00Z"}, "not after candle_close_time"),
        ({"symbol": "btc-usdt"}, "symbol is"),
        ({"timeframe": "7m"}, "timeframe is '7m'"),
        ({"mode": "PAPER"}, "mode PAPER does not fit"),
        ({"source": "binance"}, "mode SIMULATED does not fit"),
        ({"revision": -1}, "revision is -1"),
        ({"revision": 0.5}, "revision is 0.5"),
        ({"reason": ""}, "reason is ''"),
        ({"gates": []}, "gates is []"),
        ({"schema_version": 2}, "schema_version is 2"),
        ({"schema_version": True}, "schema_version is True"),
    ],
)
def test_what_is_wrong_is_named(change, says):
    with pytest.raises(DataError) as caught:
        validate({**LONG_DOCUMENT, **change})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"passed": False}, r"gates\[10\]\.passed is False"),
        ({"margin": -0.1}, "gate probability has passed True"),
        ({"margin": None}, "only one of value and margin"),
        ({"name": "risk"}, "one gate twice"),
        ({"name": "Risk!"}, r"gates\[10\]\.name"),
    ],
)
def test_gates_do_not_contradict_themselves(change, says):
    broken = copy.deepcopy(LONG_DOCUMENT)
    broken["gates"][10].update(change)
    with pytest.raises(DataError, match=says):
        validate(broken)


def test_forecast_and_regime_are_whole_or_absent():
    with pytest.raises(DataError, match="expected_return is null while"):
        validate({**FAILED, "prob_up": 0.5})
    with pytest.raises(DataError, match="regime_reason"):
        validate({**FAILED, "regime": "RANGE"})


def test_the_order_of_the_keys_is_part_of_the_contract():
    with pytest.raises(DataError, match="order"):
        validate(dict(reversed(LONG_DOCUMENT.items())))


@pytest.mark.parametrize("garbage", [None, [], "signal", 5, {}])
def test_what_is_no_document_is_refused(garbage):
    with pytest.raises(DataError, match="not valid"):
        validate(garbage)


numbers = st.one_of(st.floats(0, 1), st.floats(-0.05, 0.05))
forecasts = st.one_of(
    st.none(),
    st.builds(Forecast, *(numbers for _ in range(8)), models=st.just(MODELS)),
    st.builds(
        lambda p, r, v, s: Forecast(p, r, r - v, r, r + v, v, s, 0.5, MODELS, dissimilarity=1.0),
        *(st.floats(0, 1), st.floats(-0.05, 0.05), st.floats(0, 0.1), st.floats(0, 1)),
    ),
)
contexts = st.sampled_from(
    [
        *(GOOD, GOOD, GOOD, Context(), Context(failure="features: none")),
        *(replace(GOOD, stale_candles=4), replace(GOOD, model_problems=("of 1h",))),
    ]
)


@given(
    forecasts,
    st.sampled_from([None, UP, DOWN, Regime("RANGE", "calm")]),
    contexts,
    st.sampled_from(["simulated", "archive", "binance"]),
    st.sampled_from(list(TIMEFRAMES)),
    st.sampled_from(["spot", "swap"]),
    st.sampled_from([None, RISK, replace(RISK, total_exposure=0.7), replace(RISK, killed="x")]),
)
@settings(max_examples=200, deadline=None)
def test_every_built_document_is_valid_and_survives_json(
    forecast, regime, context, source, timeframe, market, risk
):
    policy = Policy(prob_min=0.5, market_type=market, max_outside_share=1)
    decision = decide(forecast, regime, context, risk, policy)
    facts = replace(FACTS, source=source, timeframe=timeframe)
    built = build(decision, forecast, regime, facts)
    again = json.loads(json.dumps(built, allow_nan=False))
    assert again == built
    validate(again)
    validate(again)


words = st.text('aé \n\r\t"\\{}%\ud800\u2028', max_size=20)


@given(words, words)
@settings(max_examples=100, deadline=None)
def test_any_failure_makes_a_valid_document_of_one_line(problem, step):
    built = failure(step, problem, replace(FACTS, provenance=Provenance()), Policy())
    validate(built)
    assert len(built["reason"].splitlines()) == 1 and built["decision"] == "NO_TRADE"
    json.dumps(built, ensure_ascii=False).encode()
