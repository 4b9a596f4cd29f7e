"""Champion or challenger: every branch of the promotion, on comparisons made up for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.atomic import json_text
from bot_cripto.config.schema import Settings
from bot_cripto.lifecycle.duel import Duel, Side
from bot_cripto.lifecycle.promotion import (
    ALWAYS,
    CALIBRATION,
    MIN_INDEPENDENT,
    RENEWAL,
    RESULT,
    Rules,
    enough,
    judge,
    of_settings,
)

RULES = Rules(
    min_gain=0.002,
    min_trades=30,
    min_standard_errors=1.65,
    loss_tolerance=0.01,
    recent_days=14,
    max_model_age_days=30,
)
YOUNG, OLD = 7.0, 29.5
SERIES = np.zeros(0)
DAY = 86_400_000


def side(net=0.0, trades=40, log_loss=0.69, pinball=0.01, volatility=0.002, recent=0.0):
    return Side(
        trades=trades,
        net_return=net,
        max_drawdown=0.01,
        recent_trades=trades // 2,
        recent_net_return=recent,
        losses={"log_loss": log_loss, "pinball": pinball, "volatility": volatility},
        metrics={"brier": 0.249, "ece": 0.01, "sharpe": None, "rows": 5000.0},
        row_losses=SERIES,
        daily=SERIES,
    )


def fight(challenger, champion, *, error=0.001, recent_log_loss=0.0, recent_error=0.002):
    return Duel(
        candles=5000,
        horizons=1000,
        first_ms=0,
        recent_ms=10 * DAY,
        last_ms=24 * DAY,
        challenger=challenger,
        champion=champion,
        log_loss=challenger.losses["log_loss"] - champion.losses["log_loss"],
        log_loss_error=error,
        recent_log_loss=recent_log_loss,
        recent_log_loss_error=recent_error,
        net_return_interval=(-0.01, 0.02),
    )


def failed(verdict, part=None):
    return [c.name for c in verdict.conditions if not c.passed and part in (None, c.part)]


def test_more_by_the_margin_in_enough_trades_wins():
    verdict = judge(fight(side(net=0.0121), side(net=0.01)), RULES, YOUNG)
    assert verdict.promote
    assert verdict.reason.startswith("the challenger is better on 5000 unseen candles: net +1.21%")
    assert "40 trades against 40" in verdict.reason
    assert failed(verdict, RESULT) == [] and failed(verdict, CALIBRATION) == ["log_loss"]


def test_less_than_the_margin_is_no_better_result():
    verdict = judge(fight(side(net=0.0119), side(net=0.01)), RULES, YOUNG)
    assert not verdict.promote and failed(verdict) == ["net_return", "log_loss", "champion_age"]
    assert "the champion stays on 5000 unseen candles: no better result: net +1.19%" in (
        verdict.reason
    )
    assert "no better calibration: log loss 0.69000 against 0.69000" in verdict.reason


def test_too_few_trades_of_the_challenger_prove_nothing():
    verdict = judge(fight(side(net=0.05, trades=29), side(net=0.0, trades=0)), RULES, YOUNG)
    assert not verdict.promote and failed(verdict, RESULT) == ["trades"]
    assert "29 trades against 0 (30 are asked for)" in verdict.reason


def test_a_champion_that_never_traded_is_compared_by_its_zero():
    assert judge(fight(side(net=0.003), side(net=0.0, trades=0)), RULES, YOUNG).promote
    assert not judge(fight(side(net=0.001), side(net=0.0, trades=0)), RULES, YOUNG).promote


def test_a_handful_of_losing_trades_is_not_held_against_the_champion():
    unlucky = side(net=-0.03, trades=5)
    verdict = judge(fight(side(net=0.001), unlucky), RULES, YOUNG)
    assert not verdict.promote and "in too few trades to count as a loss" in verdict.reason
    assert judge(fight(side(net=0.003), unlucky), RULES, YOUNG).promote
    assert judge(fight(side(net=0.001), side(net=-0.03, trades=30)), RULES, YOUNG).promote


def test_a_handful_of_winning_trades_is_credited_to_the_champion():
    assert not judge(fight(side(net=0.011), side(net=0.01, trades=5)), RULES, YOUNG).promote


def test_better_calibrated_at_an_equal_result_wins():
    verdict = judge(fight(side(net=0.009, log_loss=0.688), side(net=0.01)), RULES, YOUNG)
    assert verdict.promote and verdict.reason.startswith("the challenger is better calibrated")
    assert "log loss 0.68800 against 0.69000 (0.00165 less is asked for)" in verdict.reason


def test_a_gain_within_the_standard_errors_is_no_better_calibration():
    near = side(log_loss=0.6885)
    assert not judge(fight(near, side()), RULES, YOUNG).promote
    assert judge(fight(near, side(), error=0.0009), RULES, YOUNG).promote


def test_the_rules_are_those_of_the_configuration():
    assert of_settings(Settings().model_dump(mode="json")) == RULES


def test_what_cannot_be_measured_is_written_as_nothing():
    unknown = replace(side(), metrics={"auc": float("nan"), "brier": 0.249})
    value = judge(fight(unknown, side()), RULES, YOUNG).to_json()
    assert value["sides"]["challenger"]["auc"] is None
    json_text(value)


def test_a_better_direction_does_not_pay_for_other_losses():
    for worse in ({"pinball": 0.0102}, {"volatility": 0.00203}):
        verdict = judge(fight(side(log_loss=0.68, **worse), side()), RULES, YOUNG)
        assert not verdict.promote and failed(verdict, CALIBRATION) == list(worse)
    assert judge(fight(side(log_loss=0.68, pinball=0.01009), side()), RULES, YOUNG).promote


def test_a_worse_result_is_not_paid_for_by_calibration():
    verdict = judge(fight(side(net=0.007, log_loss=0.68), side(net=0.01)), RULES, YOUNG)
    assert not verdict.promote and failed(verdict, CALIBRATION) == ["no_worse_result"]


def test_where_both_traded_too_little_the_results_count_as_equal():
    verdict = judge(
        fight(side(net=0.005, trades=3, log_loss=0.68), side(net=0.01, trades=29)), RULES, YOUNG
    )
    assert verdict.promote and "in too few trades to tell (3, 29)" in verdict.reason


def test_a_better_result_in_too_few_trades_is_no_obstacle_to_calibration():
    assert judge(
        fight(side(net=0.0, trades=0, log_loss=0.68), side(net=-0.05)), RULES, YOUNG
    ).promote


@pytest.mark.parametrize("path", [{"net": 0.05}, {"log_loss": 0.68}])
def test_nobody_wins_who_is_worse_in_the_last_days(path):
    best = side(**path)
    assert judge(fight(best, side()), RULES, YOUNG).promote
    losing = judge(fight(side(**path, recent=-0.003), side()), RULES, YOUNG)
    assert not losing.promote and failed(losing, ALWAYS) == ["recent_net_return"]
    assert "since 1970-01-11T00:00:00Z net -0.30% against +0.00%" in losing.reason
    assert judge(fight(side(**path, recent=-0.0019), side()), RULES, YOUNG).promote
    astray = judge(fight(best, side(), recent_log_loss=0.0021), RULES, YOUNG)
    assert not astray.promote and failed(astray, ALWAYS) == ["recent_log_loss"]
    assert judge(fight(best, side(), recent_log_loss=0.0019), RULES, YOUNG).promote


def test_twins_leave_the_champion():
    verdict = judge(fight(side(), side(), error=0.0, recent_error=0.0), RULES, YOUNG)
    assert not verdict.promote and failed(verdict, ALWAYS) == []


def test_a_comparison_needs_candles_enough():
    assert not enough(MIN_INDEPENDENT - 1).passed and enough(MIN_INDEPENDENT).passed
    assert str(MIN_INDEPENDENT) in enough(3).text


def test_what_is_written_holds_every_number():
    verdict = judge(fight(side(net=0.05), side()), RULES, YOUNG)
    value = verdict.to_json()
    assert value["sides"]["challenger"]["net_return"] == 0.05
    assert value["sides"]["champion"]["losses"]["pinball"] == 0.01
    assert value["sides"]["champion"]["brier"] == 0.249
    assert value["difference"]["net_return_interval"] == [-0.01, 0.02]
    assert value["recent_from"] == "1970-01-11T00:00:00Z"
    assert [c["name"] for c in value["conditions"]] == [
        *("leak_alarms", "unseen_horizons", "recent_net_return", "recent_log_loss"),
        *("net_return", "trades", "no_worse_result", "log_loss", "pinball", "volatility"),
        *("champion_age", "no_worse_result", "log_loss", "pinball", "volatility"),
    ]
    assert all(
        set(c) == {"name", "part", "value", "threshold", "passed", "text"}
        for c in value["conditions"]
    )


SIDES = st.builds(
    side,
    net=st.floats(-0.2, 0.2),
    trades=st.integers(0, 80),
    log_loss=st.floats(0.5, 0.8),
    pinball=st.floats(0.005, 0.02),
    volatility=st.floats(0.001, 0.01),
    recent=st.floats(-0.1, 0.1),
)


def test_a_champion_too_old_to_be_used_gives_way_to_one_that_is_no_worse():
    same = fight(side(), side())
    verdict = judge(same, RULES, OLD)
    assert verdict.promote and "no worse" in verdict.reason and "30 days ago" in verdict.reason
    # at the edge the gate `model_age` still lets the champion speak until the next retrain
    assert not judge(same, RULES, 29.0).promote
    assert not judge(same, RULES, YOUNG).promote
    for worse in (
        side(log_loss=0.6911),
        side(pinball=0.0102),
        side(volatility=0.0021),
        side(net=-0.003),
        side(recent=-0.003),
    ):
        verdict = judge(fight(worse, side()), RULES, OLD)
        assert not verdict.promote and "the champion stays" in verdict.reason
    assert "too old, but worse" in judge(fight(side(log_loss=0.7), side()), RULES, OLD).reason


@settings(max_examples=200, deadline=None)
@given(SIDES, SIDES, st.floats(0.0001, 0.01), st.floats(-0.01, 0.01), st.floats(0, 60))
def test_the_conditions_say_why(challenger, champion, error, recent, age):
    fought = fight(challenger, champion, error=error, recent_log_loss=recent)
    verdict = judge(fought, RULES, age)
    parts = {
        part: all(c.passed for c in verdict.conditions if c.part == part)
        for part in (ALWAYS, RESULT, CALIBRATION, RENEWAL)
    }
    ways = parts[RESULT] or parts[CALIBRATION] or parts[RENEWAL]
    assert verdict.promote == (parts[ALWAYS] and ways)
    assert ("the champion stays" in verdict.reason) != verdict.promote
    # they cannot both be better than the other
    back = fight(champion, challenger, error=error, recent_log_loss=-recent)
    if verdict.promote and parts[RESULT]:
        assert (
            not judge(back, RULES, YOUNG).promote
            or champion.losses["log_loss"] < (challenger.losses["log_loss"])
        )


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, st.floats(0, 0.1))
def test_earning_more_never_costs_the_promotion(challenger, champion, more):
    before = judge(fight(challenger, champion), RULES, YOUNG)
    richer = side(
        net=challenger.net_return + more,
        trades=challenger.trades,
        recent=challenger.recent_net_return,
        **challenger.losses,
    )
    assert judge(fight(richer, champion), RULES, YOUNG).promote >= before.promote
