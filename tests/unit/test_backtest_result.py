"""The backtest as a whole: on a small market, with and without an edge, and with planted leaks."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
from model_market import SETTINGS, TIMEFRAME, cutoff, random_candles

from bot_cripto import metrics
from bot_cripto.backtest import alarms
from bot_cripto.backtest.audit import audit
from bot_cripto.backtest.result import backtest as backtest_of_folds
from bot_cripto.backtest.result import validate
from bot_cripto.config.schema import Settings
from bot_cripto.errors import DataError
from bot_cripto.features import catalogue
from bot_cripto.models.snapshot import build_snapshot, training_data
from bot_cripto.models.walk_forward import walk_forward
from bot_cripto.timeframes import parse_iso

TRADES_A_LOT = {
    "prob_min": 0.5,
    "min_expected_return": 0.0,
    "risk_max": 1.0,
    "allow_range": True,
    "kelly_fraction": 1.0,
    "max_outside_share": 1.0,
    "max_dissimilarity": 1000.0,
    "max_daily_drawdown": 1.0,
    "max_weekly_drawdown": 1.0,
    "max_consecutive_losses": 1000,
    "risk_cooldown_minutes": 0.0,
    "block_on_drift": False,
    "folds": 2,
    "horizon_steps": 3,
}


def settings(**changes):
    values = Settings().model_dump(mode="json") | TRADES_A_LOT | changes
    small = {name: getattr(SETTINGS, name) for name in values["training"]}
    return values | {"source_name": "simulated", "market": "simulated-0", "training": small}


@functools.cache
def snapshot(momentum: float = 0.5, seed: int = 0):
    return build_snapshot(random_candles(5000, seed, momentum), TIMEFRAME, SETTINGS, cutoff())


def backtest(symbol, frozen, values, trials, made_ms):
    folds = walk_forward(training_data(frozen), SETTINGS, values["folds"])
    alarms_say = audit(frozen, folds, "", values)
    return backtest_of_folds(symbol, frozen, folds, values, trials, alarms_say, made_ms)


@functools.cache
def result(fees: float = 0.0, momentum: float = 0.5):
    costs = {"fees_bps": fees, "spread_bps": 0.0, "slippage_bps": 0.0}
    return backtest("BTC/USDT", snapshot(momentum), settings(**costs), {}, cutoff())


def test_the_result_is_as_the_schema_says_and_adds_up():
    found = result()
    validate(found)
    assert json.loads(json.dumps(found)) == found
    assert found["trades"] == len(found["trade_list"]) > 20
    gained = found["final_equity"] / found["initial_equity"] - 1
    assert found["net_return"] == pytest.approx(gained)
    by_fold = np.prod([1 + fold["net_return"] for fold in found["by_fold"]]) - 1
    assert by_fold == pytest.approx(found["net_return"])
    assert sum(fold["trades"] for fold in found["by_fold"]) == found["trades"]
    assert sum(row["trades"] for row in found["regimes"]) == found["trades"]
    assert sum(found["decisions"].values()) == sum(1 for _ in range(candles_of(found)))
    assert found["equity"]["equity"][-1] == pytest.approx(found["final_equity"], abs=0.01)
    for name in ("auc", "brier", "log_loss", "coverage80"):
        low, high = found["intervals"][name] or (found[name] - 1, found[name] + 1)
        assert low < found[name] < high


def candles_of(found):
    span = parse_iso(found["last_candle"]) - parse_iso(found["first_candle"])
    return span // 300_000 + 1


def test_the_folds_begin_after_what_the_first_was_trained_on():
    found = result()
    opened = snapshot().candles.open_time
    first = int(np.searchsorted(opened, parse_iso(found["first_candle"])))
    assert first > 0.4 * len(opened) * 0.7
    for before, after in zip(found["by_fold"], found["by_fold"][1:], strict=False):
        assert parse_iso(after["first_candle"]) == parse_iso(before["last_candle"]) + 300_000


def test_costs_are_paid():
    free, dear = result(0.0), result(0.5)
    assert dear["costs_paid"] > 0 == free["costs_paid"]
    assert dear["net_return"] < free["net_return"]


def test_costs_count_whole_whether_they_are_fees_or_lie_in_the_prices():
    """All that a fill costs is compared with all that it may cost: 2 bp a side either way."""

    def money_at(**costs):
        given = {"fees_bps": 0.0, "spread_bps": 0.0, "slippage_bps": 0.0} | costs
        return backtest("BTC/USDT", snapshot(), settings(**given), {}, cutoff())

    fees, prices = money_at(fees_bps=2.0), money_at(spread_bps=2.0, slippage_bps=1.0)
    assert prices["trades"] == fees["trades"] > 20
    for name, near in (("costs_paid", 0.01), ("average_cost", 0.01), ("gross_return", 0.01)):
        assert prices[name] == pytest.approx(fees[name], rel=near), name
    assert prices["break_even_cost_bps"] == pytest.approx(fees["break_even_cost_bps"], abs=0.05)
    for found in (fees, prices):
        assert (found["net_return"] > 0) == (found["break_even_cost_bps"] > 2.0)
        earned = found["gross_return"] - found["costs_paid"] / found["initial_equity"]
        assert found["net_return"] == pytest.approx(earned, abs=1e-3)


def test_the_same_again_is_the_same():
    again = backtest(
        "BTC/USDT",
        snapshot(),
        settings(fees_bps=0.0, spread_bps=0.0, slippage_bps=0.0),
        {},
        cutoff(),
    )
    assert again == result()


def test_trials_are_counted_and_deflate():
    costs = {"fees_bps": 0.0, "spread_bps": 0.0, "slippage_bps": 0.0}
    tried = {f"{n:064d}": 0.1 * (-1) ** n for n in range(50)}
    found = backtest("BTC/USDT", snapshot(), settings(**costs), tried, cutoff())
    assert found["trials"] == 51
    if found["dsr"] is not None:
        assert found["dsr"] < result()["dsr"]


def test_a_result_that_is_not_whole_is_refused():
    with pytest.raises(DataError, match="auc"):
        validate({name: value for name, value in result().items() if name != "auc"})


def test_a_one_candle_look_ahead_raises_the_alarms():
    """Features of the next candle are not those of cut data."""
    whole = snapshot(0.0)
    leaked = replace(whole, features=np.roll(whole.features, -1, axis=0))
    assert alarms.truncation(whole).passed
    alarm = alarms.truncation(leaked)
    assert not alarm.passed and "depend on candles after" in alarm.text


def test_a_label_as_a_feature_raises_the_ceiling_and_shows_nothing():
    whole = snapshot(0.0)
    features = whole.features.copy()
    features[:, 0] = np.nan_to_num(whole.forward_return)
    leaked = replace(whole, features=features)
    found = backtest("BTC/USDT", leaked, settings(source="archive"), {}, cutoff())
    assert found["suspect"] and found["auc"] > 0.9
    gone_off = {a["name"] for a in found["alarms"] if a["passed"] is False}
    assert gone_off == {"ceiling", "truncation"}
    assert not any(found["shown"].values())


def test_the_ceiling_follows_the_source():
    real = settings(source="archive")
    assert alarms.ceiling(0.60, real).passed and not alarms.ceiling(0.601, real).passed
    none = settings(source="simulated", simulated={"seed": 1, "edge": 0.0, "outages": 0.0})
    assert alarms.ceiling(0.51, none).passed and not alarms.ceiling(0.52, none).passed


def test_shuffled_candles_are_candles_and_hold_no_order():
    whole = snapshot(0.5).candles
    mixed = alarms.shuffled(whole, 1)
    assert len(mixed) == len(whole) - 1
    assert (mixed.low <= np.minimum(mixed.open, mixed.close) * (1 + 1e-12)).all()
    assert (mixed.high >= np.maximum(mixed.open, mixed.close) * (1 - 1e-12)).all()
    assert mixed.close[-1] == pytest.approx(whole.close[-1])
    moves = np.diff(np.log(mixed.close))
    assert abs(np.corrcoef(moves[1:], moves[:-1])[0, 1]) < 0.05


def test_the_null_control_passes_an_honest_pipeline_and_catches_a_leaking_one(monkeypatch):
    assert alarms.null_control(snapshot(0.5), SETTINGS).passed
    honest = catalogue.compute

    def leaking(candles, timeframe, last=None):
        matrix = honest(candles, timeframe, last)
        if last is None:  # a higher timeframe merged before its close: three candles early
            ahead = np.r_[candles.close[3:], np.full(3, candles.close[-1])] / candles.close - 1
            matrix[:, 0] = np.where(np.isfinite(matrix[:, 0]), ahead, matrix[:, 0])
        return matrix

    monkeypatch.setattr(catalogue, "compute", leaking)
    alarm = alarms.null_control(snapshot(0.5), SETTINGS)
    assert not alarm.passed and "above 0.5" in alarm.text


def test_forecasts_that_know_what_is_far_ahead_raise_the_label_shift():
    random = np.random.default_rng(3)
    forward = random.standard_normal(5000)
    honest = random.random(5000)
    assert alarms.label_shift(honest, forward, 3).passed
    knowing = 0.5 + 0.1 * np.sign(np.roll(forward, -alarms.SHIFT))
    assert not alarms.label_shift(knowing, forward, 3).passed
    assert "not measured" in alarms.label_shift(honest[:100], forward[:100], 3).text


def test_a_horizon_that_comes_few_times_raises_no_alarm_by_luck():
    """Outcomes of 288 candles overlap: of 3000 rows only ten are independent."""
    gone_off = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        slow = np.convolve(random.standard_normal(3299), np.ones(300), "valid")
        forward = np.convolve(random.standard_normal(3287), np.ones(288), "valid")
        gone_off += alarms._chance("label_shift", slow, forward, 288).passed is False
    assert gone_off == 0
    few = alarms._chance("label_shift", slow[:600], forward[:600], 288)
    assert few.passed is None and "not measured" in few.text


def test_the_error_of_few_horizons_is_that_of_so_many_draws():
    random = np.random.default_rng(0)
    aucs = []
    for _ in range(400):
        up = np.repeat(random.random(30) < 0.5, 20).astype(float)
        aucs.append(metrics.auc(np.repeat(random.random(30), 20), up))
    assert alarms.standard_error(np.arange(600.0), up, 20) == pytest.approx(np.std(aucs), rel=0.2)
