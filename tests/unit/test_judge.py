"""Champion or challenger: who wins, on which rows, and when nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest

from bot_cripto.models.judge import MIN_INDEPENDENT, judge, unseen_rows
from bot_cripto.models.snapshot import TrainingData

HORIZON, N = 5, 6000
STEP = 300_000


@pytest.fixture(scope="module")
def data() -> TrainingData:
    random = np.random.default_rng(1)
    signal = random.normal(size=N)
    returns = 0.002 * signal + 0.004 * random.normal(size=N)
    index = np.arange(N, dtype=np.int64)
    zero = np.zeros(N)
    return TrainingData(
        "x",
        "5m",
        HORIZON,
        ("signal",),
        index,
        index * STEP,
        signal[:, None].astype(np.float32),
        returns,
        np.full(N, 0.004),
        zero,
        index,
    )


def forecasts(data: TrainingData, rows: slice, skill: float) -> dict[str, np.ndarray]:
    signal = data.features[rows, 0].astype(float)
    mean = skill * 0.002 * signal
    return {
        "prob_up": 1 / (1 + np.exp(-skill * signal)),
        "expected_return": mean,
        "p10": mean - 0.0055,
        "p50": mean,
        "p90": mean + 0.0055,
        "volatility": np.full(len(signal), 0.004),
        "risk_rank": np.full(len(signal), 0.5),
    }


def test_the_better_one_wins_whichever_side_it_is_on(data):
    rows = slice(1000, N)
    good, none = forecasts(data, rows, 0.8), forecasts(data, rows, 0.0)
    won = judge(good, none, data, rows)
    assert won.promote and "challenger is better" in won.reason
    kept = judge(none, good, data, rows)
    assert not kept.promote and "champion stays" in kept.reason
    assert won.losses["challenger"] == kept.losses["champion"]


def test_equal_forecasts_leave_the_champion(data):
    rows = slice(1000, N)
    same = forecasts(data, rows, 0.5)
    assert not judge(same, same, data, rows).promote


def test_a_better_direction_does_not_pay_for_worse_quantiles(data):
    rows = slice(1000, N)
    good = forecasts(data, rows, 0.8)
    wide = good | {"p10": good["p10"] - 0.02, "p90": good["p90"] + 0.02}
    assert not judge(wide, forecasts(data, rows, 0.0), data, rows).promote


def test_too_few_unseen_candles_say_nothing(data):
    rows = slice(N - (MIN_INDEPENDENT - 1) * HORIZON, N)
    verdict = judge(forecasts(data, rows, 0.8), forecasts(data, rows, 0.0), data, rows)
    assert not verdict.promote and verdict.losses == {}
    assert str(MIN_INDEPENDENT) in verdict.reason


def test_unseen_rows_are_after_both(data):
    holdout = {"rows": 600}
    assert unseen_rows(data, holdout, 0) == slice(N - 600, N)
    assert unseen_rows(data, holdout, (N - 100) * STEP) == slice(N - 100, N)
    assert unseen_rows(data, holdout, (N + 100) * STEP) == slice(N, N)
