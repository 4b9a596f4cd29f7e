"""The checks of drift: the statistics behind them, what they find, and what they leave alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bot_cripto.drift.bins import KS_BINS, PSI_BINS, Binning, ks, psi
from bot_cripto.drift.check import (
    CHECKS,
    PARTS,
    mean_error,
    prediction_p,
    status_of,
    student_p,
)
from bot_cripto.drift.forecasts import Probabilities, check_calibration, check_distribution
from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT
from bot_cripto.drift.inputs import check_inputs
from bot_cripto.drift.performance import blocks, check_relative_drop, check_sequential, falls
from bot_cripto.timeframes import DAY_MS, iso

STEP, HORIZON = 300_000, 5
A_DAY = DAY_MS // STEP
START = 19_000 * DAY_MS


def slow(n, seed=0, half_life=30.0):
    """Return a stationary series whose neighbours are alike."""
    random = np.random.Generator(np.random.PCG64(seed))
    keep = 0.5 ** (1 / half_life)
    noise = random.standard_normal(n) * np.sqrt(1 - keep**2)
    values = np.empty(n)
    last = random.standard_normal()
    for i, shock in enumerate(noise):
        last = keep * last + shock
        values[i] = last
    return values


def counted(column, bins, other):
    binning = Binning.of(column[:, None], bins)
    none = [np.zeros(len(part), dtype=np.int64) for part in (other, column)]
    both = (other, column)
    counts = [binning.counts(p[:, None], z, 1)[0] for p, z in zip(both, none, strict=True)]
    return (*counts, binning.real)


def test_psi_is_that_of_the_shares_in_tenths():
    reference, recent = np.arange(1000.0), np.arange(500.0)
    now, before, real = counted(reference, PSI_BINS, recent)
    assert before.tolist() == [[100.0] * 10] and now[0].tolist() == [100.0] * 5 + [0.0] * 5
    p = np.r_[[100.5] * 5, [0.5] * 5] / 505
    assert psi(now, before, real)[0] == pytest.approx(np.sum((p - 0.1) * np.log(p / 0.1)))
    assert psi(before, before, real)[0] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1, 1))
def test_ks_is_that_of_scipy_to_a_bin(seed, shift):
    random = np.random.Generator(np.random.PCG64(seed))
    reference, recent = random.standard_normal(800), random.standard_normal(300) + shift
    now, before, _ = counted(reference, KS_BINS, recent)
    expected = stats.ks_2samp(recent, reference).statistic
    assert expected - 0.011 <= ks(now, before)[0] <= expected + 1e-12


def test_ties_and_constants_have_fewer_bins_and_do_not_differ_from_themselves():
    column = np.repeat([0.0, 1.0], [900, 100])
    now, before, real = counted(column, PSI_BINS, column[::2])
    assert real.sum() == 2 and psi(now, before, real)[0] == pytest.approx(0, abs=1e-4)
    constant = np.ones(50)
    now, before, real = counted(constant, PSI_BINS, np.full(20, 2.0))
    # beyond all edges is the last bin
    assert real.sum() == 2 and psi(now, before, real)[0] > 1


def test_what_is_counted_by_stretch_sums_to_all():
    matrix = slow(400).reshape(200, 2).astype(np.float32)
    binning = Binning.of(matrix, KS_BINS)
    stretch = np.arange(200) // 30
    parts = binning.counts(matrix, stretch, 7)
    whole = binning.counts(matrix, np.zeros(200, dtype=np.int64), 1)[0]
    assert (parts.sum(axis=0) == whole).all() and (whole.sum(axis=1) == 200).all()


@given(st.floats(-8, 8), st.floats(2, 60))
def test_the_tail_of_students_t_is_that_of_scipy(t, degrees):
    assert student_p(t, degrees) == pytest.approx(stats.t.sf(t, degrees), abs=1e-6)


def test_a_prediction_limit_holds_for_the_next_of_like_values():
    random = np.random.Generator(np.random.PCG64(1))
    values = random.standard_normal((2000, 13))
    p = np.array([prediction_p(row[0], row[1:], 12) for row in values])
    for level in (0.01, 0.05, 0.2):
        error = np.sqrt(level * (1 - level) / len(p))
        assert abs(np.mean(p <= level) - level) < 4 * error


def test_the_error_of_a_mean_knows_that_horizons_overlap():
    random = np.random.Generator(np.random.PCG64(2))
    means, errors = [], []
    for _ in range(400):
        steps = random.standard_normal(1000 + HORIZON)
        sums = np.convolve(steps, np.ones(HORIZON), "valid")[:1000]
        means.append(sums.mean())
        errors.append(mean_error(sums, HORIZON))
    true = np.std(means)
    assert np.mean(errors) == pytest.approx(true, rel=0.12)
    naive = np.sqrt(HORIZON / 1000)
    assert naive < 0.6 * true


def test_every_check_belongs_to_one_part_and_too_little_is_never_no_drift():
    assert tuple(name for names in PARTS.values() for name in names) == CHECKS
    assert status_of([NO_DRIFT, NO_DRIFT]) == NO_DRIFT
    assert status_of([NO_DRIFT, INSUFFICIENT]) == INSUFFICIENT
    assert status_of([INSUFFICIENT, DRIFT, NO_DRIFT]) == DRIFT


def inputs(recent_shift=0.0, days=40, recent_days=2, drop=0, scale=1.0):
    """Check three slow features, of which the second changes in the last days."""
    n = (days + recent_days) * A_DAY
    features = np.column_stack([slow(n, seed, 8.0) for seed in (1, 2, 3)]).astype(np.float32)
    last = slice(days * A_DAY, None)
    features[last, 1] = features[last, 1] * scale + recent_shift
    features[n - drop :, 0] = np.nan
    times = START + STEP * np.arange(n, dtype=np.int64)
    return check_inputs(
        times,
        features,
        ("calm", "shifted", "other"),
        trained_until_ms=START + days * DAY_MS,
        until_ms=START + n * STEP,
        recent_ms=recent_days * DAY_MS,
        step_ms=STEP,
        alpha=0.01,
    )


def test_dependent_rows_are_no_drift_and_a_shift_is_named():
    same = inputs()
    assert same.status == NO_DRIFT and same.p_value > 0.01
    for changed in (inputs(recent_shift=2.0), inputs(scale=4.0)):
        assert changed.status == DRIFT and changed.p_value < 0.01
        assert changed.values["score"] > changed.values["limit"] > same.values["score"]
        table = changed.values["features"]
        assert table[0]["name"] == "shifted" and len(table) == 3
        assert table[0]["psi"] > table[0]["usual_psi"] > 0
        assert "shifted (PSI" in changed.text["en"] and "shifted (PSI" in changed.text["es"]


def test_too_short_a_training_and_too_many_gaps_are_said():
    short = inputs(days=15)
    assert short.status == INSUFFICIENT and "16 are needed" in short.text["en"]
    gaps = inputs(drop=A_DAY)
    assert gaps.status == INSUFFICIENT and f"{A_DAY} whole rows" in gaps.text["en"]


def test_a_cutoff_within_the_last_days_does_not_compare_days_with_themselves():
    n = 42 * A_DAY
    features = slow(n, 1)[:, None].astype(np.float32)
    times = START + STEP * np.arange(n, dtype=np.int64)

    def check(until):
        return check_inputs(
            times,
            features,
            ("one",),
            trained_until_ms=until,
            until_ms=START + 42 * DAY_MS,
            recent_ms=2 * DAY_MS,
            step_ms=STEP,
            alpha=0.01,
        )

    assert check(START + 42 * DAY_MS) == check(START + 40 * DAY_MS)


def probabilities(days, seed, skill=1.0, shift=0.0, start=START, spread=0.05):
    """Return forecasts of a slow signal and outcomes that follow it as it says, times `skill`."""
    n = round(days * A_DAY)
    random = np.random.Generator(np.random.PCG64(seed))
    signal = spread * slow(n, seed)
    noise = random.standard_normal(n + HORIZON)
    total = np.convolve(noise, np.ones(HORIZON), "valid")[:n] / np.sqrt(HORIZON)
    drift = stats.norm.ppf(np.clip(0.5 + skill * signal + shift, 0.01, 0.99))
    prob = np.clip(0.5 + signal, 0.01, 0.99)
    times = start + STEP * np.arange(n, dtype=np.int64)
    return Probabilities(times, prob, 0.001 * (total + drift))


def test_calibration_that_holds_is_left_alone_at_the_stated_rate():
    alarms = 0
    for seed in range(120):
        holdout, recent = probabilities(8, 2 * seed), probabilities(5, 2 * seed + 1)
        found = check_calibration(holdout, recent, horizon=HORIZON, alpha=0.05)
        alarms += found.status == DRIFT
    # 6 are expected; 13 have a chance of less than 1 %
    assert alarms <= 13


def test_an_edge_that_turned_and_a_bias_are_found():
    holdout = probabilities(8, 1, spread=0.1)
    turned = probabilities(5, 2, skill=-1.0, spread=0.1)
    found = check_calibration(holdout, turned, horizon=HORIZON, alpha=0.01)
    assert found.status == DRIFT and found.values["z_slope"] < -3
    biased = probabilities(5, 3, shift=-0.2, spread=0.1)
    found = check_calibration(holdout, biased, horizon=HORIZON, alpha=0.01)
    assert found.status == DRIFT and found.values["z_bias"] < -3
    assert found.values["reliability"] and found.values["reference_reliability"]


def test_open_horizons_are_left_out_and_few_are_said():
    recent = probabilities(5, 1)
    recent.realised[A_DAY:] = np.nan
    found = check_calibration(probabilities(8, 2), recent, horizon=HORIZON, alpha=0.01)
    assert found.status == INSUFFICIENT and f"{A_DAY} candles" in found.text["en"]
    few = check_calibration(probabilities(1, 1), probabilities(5, 2), horizon=HORIZON, alpha=0.01)
    assert few.status == INSUFFICIENT and "holdout" in few.text["en"]


def distribution(recent, days=60):
    learnt = probabilities(days, 1)
    holdout = probabilities(4, 2, start=START + days * DAY_MS)
    return check_distribution(learnt, holdout, recent, horizon=HORIZON, step_ms=STEP, alpha=0.01)


def test_probabilities_that_gather_at_a_side_have_drifted():
    later = START + 64 * DAY_MS
    same = distribution(probabilities(3, 5, start=later))
    assert same.status == NO_DRIFT and same.p_value > 0.01
    moved = probabilities(3, 5, start=later)
    moved = Probabilities(moved.times, moved.prob_up + 0.2, moved.realised)
    found = distribution(moved)
    assert found.status == DRIFT
    assert sum(found.values["shares"]) == pytest.approx(1)
    assert found.values["shares"][-1] > 0.9
    short = distribution(probabilities(3, 5, start=later), days=10)
    assert short.status == INSUFFICIENT and "learnt from 10.0 days" in short.text["en"]
    few = distribution(probabilities(1, 5, start=later))
    assert few.status == INSUFFICIENT and "100 are needed" in few.text["en"]


def outcomes(shares, seed=0):
    """Return a day of signals for each share of right directions."""
    random = np.random.Generator(np.random.PCG64(seed))
    share = np.repeat(shares, A_DAY)
    hits = (random.random(len(share)) < share).astype(float)
    return [
        {"candle_close_time": iso(START + (i + 1) * STEP), "metric": hit}
        for i, hit in enumerate(hits.tolist())
    ]


def sequential(rows, days):
    return check_sequential(
        rows,
        horizon=HORIZON,
        step_ms=STEP,
        until_ms=START + days * DAY_MS,
        recent_ms=7 * DAY_MS,
        alpha=0.01,
    )


def test_the_detector_finds_a_fall_not_a_rise_and_nothing_in_noise():
    steady = sequential(outcomes([0.55] * 30), 30)
    assert steady.status == NO_DRIFT and steady.values["blocks"] == 432
    fall = sequential(outcomes([0.6] * 24 + [0.4] * 6), 30)
    assert fall.status == DRIFT
    assert fall.values["before"] > 0.55 and fall.values["after"] < 0.5
    assert len(fall.values["series"]["falls"]) >= 1 and "ADWIN" in fall.text["es"]
    assert sequential(outcomes([0.4] * 24 + [0.6] * 6), 30).status == NO_DRIFT


def test_an_old_fall_is_no_news_and_few_outcomes_are_said():
    assert sequential(outcomes([0.6] * 15 + [0.4] * 25), 40).status == NO_DRIFT
    few = sequential(outcomes([0.5] * 2), 2)
    assert few.status == INSUFFICIENT and "40 are needed" in few.text["en"]
    assert sequential([], 2).status == INSUFFICIENT


def test_falls_say_where_the_change_was():
    means = np.r_[np.full(100, 0.6), np.full(60, 0.3)] + 0.01 * slow(160)
    (fall,) = falls(means, 0.01)
    assert fall["since"] == 100 < fall["at"] < 140
    assert fall["before"] == pytest.approx(0.6, abs=0.02)
    assert fall["after"] == pytest.approx(0.3, abs=0.02)


def test_stretches_follow_time_not_the_number_of_rows():
    rows = outcomes([0.5] * 2)
    ends, means = blocks(rows[:100] + rows[300:], HORIZON, STEP)
    assert len(ends) == 5 + 13
    assert means[0] == np.mean([row["metric"] for row in rows[:20]])
    # the last horizon of the first stretch
    assert ends[0] == START + 20 * STEP + HORIZON * STEP


def relative(hits, horizon=HORIZON):
    return check_relative_drop(hits, recent=500, reference=1500, horizon=horizon, alpha=0.01)


def test_a_relative_drop_must_be_more_than_chance_too():
    random = np.random.Generator(np.random.PCG64(3))
    few = relative([0.0] * 1999)
    assert few.status == INSUFFICIENT and "2000 are needed" in few.text["en"]
    before = (random.random(1500) < 0.6).astype(float).tolist()
    collapse = (random.random(500) < 0.3).astype(float).tolist()
    found = relative(before + collapse)
    assert found.status == DRIFT and found.values["drop"] > 0.2 and found.p_value < 1e-6
    assert relative(before + before[:500]).status == NO_DRIFT
    # the same drop in a few long runs may be luck
    runs = np.repeat((random.random(10) < 0.6).astype(float), 150).tolist()
    luck = relative(runs + [0.0] * 320 + [1.0] * 180, horizon=150)
    assert luck.status == NO_DRIFT and luck.values["drop"] > 0.2
    assert "no drift yet" in luck.text["en"] and "aún no es deriva" in luck.text["es"]
    assert relative([0.0] * 2000).status == INSUFFICIENT
