"""Both sides on the same candles: the same numbers as the backtest's, whichever side one is on."""

from __future__ import annotations

from dataclasses import replace

import model_market as market
import numpy as np
import pytest

from bot_cripto import metrics
from bot_cripto.backtest.folds import fold_models, fold_track
from bot_cripto.backtest.walk import Walk
from bot_cripto.config.schema import Settings
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.lifecycle.duel import RECENT_HORIZONS, duel, unseen_rows
from bot_cripto.models.walk_forward import Fold, run_fold
from bot_cripto.timeframes import DAY_MS

SYMBOL, HORIZON = "BTC/USDT", market.SETTINGS.horizon_steps
MANY_TRADES = {
    "prob_min": 0.52,
    "min_expected_return": 0.0,
    "allow_range": True,
    "allow_high_vol": True,
    "risk_max": 1.0,
    "fees_bps": 0.1,
    "spread_bps": 0.0,
    "slippage_bps": 0.1,
    "max_outside_share": 1.0,
    "max_consecutive_losses": 100,
    "risk_cooldown_minutes": 0,
    "max_daily_drawdown": 1.0,
    "max_weekly_drawdown": 1.0,
}
SETTINGS = (
    Settings().model_dump(mode="json")
    | {"source_name": "simulated", "market": "x", "horizon_steps": HORIZON}
    | MANY_TRADES
)


@pytest.fixture(scope="module")
def folds():
    """Two trainings, the second on half the rows, and both forecasting the last 1500 rows."""
    data = market.data()
    start = len(data) - 1500
    ends = (start - 50, start // 2)
    return [
        run_fold(data, market.SETTINGS, Fold(number, 0, end, start, len(data)))
        for number, end in enumerate(ends)
    ]


@pytest.fixture(scope="module")
def loaded(folds):
    names = market.snapshot().names
    return [fold_models(fold, names) for fold in folds]


def fought(challenger, champion, **changes):
    data = market.data()
    rows = slice(len(data) - 1500, len(data))
    settings = SETTINGS | changes
    return duel(SYMBOL, market.snapshot(), data, rows, challenger, champion, settings)


@pytest.fixture(scope="module")
def found(loaded):
    return fought(*loaded)


def test_each_side_is_what_a_full_walk_of_the_backtest_comes_to(folds, found):
    snapshot, data = market.snapshot(), market.data()
    for fold, mine in zip(folds, (found.challenger, found.champion), strict=True):
        first = int(fold.index[0])
        # the backtest ends with the last label, the duel with the last candle
        longer = replace(fold, index=np.r_[fold.index, len(snapshot.candles) - 1])
        track = fold_track(SYMBOL, snapshot, [longer], SETTINGS)
        alone = SETTINGS | {"symbols": [SYMBOL]}
        since = int(snapshot.candles.open_time[first])
        walk = Walk([track], MemoryBook(alone), alone, since, documents=False)
        walk.run()
        assert mine.trades == len(walk.book.account.trades) > 20
        assert mine.net_return == walk.equity[-1] / SETTINGS["initial_equity"] - 1
        measured = metrics.evaluate(
            fold.forecasts, data.forward_return[-1500:], data.realised_volatility[-1500:]
        )
        assert mine.losses["log_loss"] == measured["log_loss"]
        assert mine.losses["volatility"] == measured["volatility_mae"]
        assert mine.metrics["brier"] == measured["brier"]
        assert np.prod(1 + mine.daily) - 1 == pytest.approx(mine.net_return)
    assert found.challenger.net_return != found.champion.net_return


def test_sides_change_and_differences_turn_their_sign(loaded, found):
    back = fought(*reversed(loaded))
    assert back.net_return == -found.net_return != 0
    assert back.log_loss == pytest.approx(-found.log_loss)
    assert back.log_loss_error == pytest.approx(found.log_loss_error) and back.log_loss_error > 0
    assert back.challenger.to_json() == found.champion.to_json()
    gap = found.challenger.losses["log_loss"] - found.champion.losses["log_loss"]
    assert found.log_loss == pytest.approx(gap)


def test_twins_do_not_differ(loaded):
    found = fought(loaded[0], loaded[0])
    assert (found.net_return, found.log_loss, found.log_loss_error) == (0.0, 0.0, 0.0)
    assert found.recent_net_return == found.recent_log_loss == 0.0
    assert found.challenger.to_json() == found.champion.to_json()


def test_the_last_days_are_the_end_of_the_same_walk(loaded):
    days = {"promotion": SETTINGS["promotion"] | {"recent_days": 2}}
    found = fought(*loaded, **days)
    end = found.last_ms + market.STEP_MS
    assert found.recent_ms == end - 2 * DAY_MS
    rows = (end - HORIZON * market.STEP_MS - found.recent_ms) // market.STEP_MS
    gap = found.challenger.row_losses - found.champion.row_losses
    assert found.recent_log_loss == pytest.approx(gap[-rows:].mean())
    assert 0 < found.challenger.recent_trades < found.challenger.trades
    assert found.recent_net_return != found.net_return


def test_the_last_days_are_never_too_few_to_tell_nor_more_than_there_are(loaded):
    few = fought(*loaded, promotion=SETTINGS["promotion"] | {"recent_days": 0.01})
    assert few.horizons - RECENT_HORIZONS > 0
    opened = market.data().open_time
    assert few.recent_ms == opened[-RECENT_HORIZONS * HORIZON]
    assert np.isfinite(few.recent_log_loss_error)


def test_the_last_days_are_all_days_where_there_are_no_more(found):
    many = found
    assert SETTINGS["promotion"]["recent_days"] == 14
    assert many.recent_ms == many.first_ms
    assert many.recent_net_return == many.net_return
    assert many.recent_log_loss == many.log_loss


def test_an_old_champion_is_not_silenced_by_its_age(loaded):
    old = replace(loaded[0], trained_until_ms=0)
    assert fought(old, loaded[0]).net_return == 0.0


def test_unseen_rows_are_after_both():
    data, n = market.data(), len(market.data())
    holdout = {"rows": 600}
    assert unseen_rows(data, holdout, 0) == slice(n - 600, n)
    assert unseen_rows(data, holdout, int(data.open_time[-100])) == slice(n - 100, n)
    assert unseen_rows(data, holdout, market.cutoff() + DAY_MS) == slice(n, n)
