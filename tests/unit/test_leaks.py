"""Leaks planted where they happen in practice: the audit as a whole must notice every one.

Real candles are asked too where `REAL_CANDLES` names a folder with `BTC_USDT-5m.feather`.
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_market import SETTINGS as SMALL

from bot_cripto.backtest import alarms
from bot_cripto.backtest.audit import audit
from bot_cripto.features import catalogue
from bot_cripto.features.context import HigherBars
from bot_cripto.market.candles import concat, make
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.simulated import SimulatedSource
from bot_cripto.models import snapshot as snapshots
from bot_cripto.models.snapshot import build_snapshot
from bot_cripto.models.walk_forward import walk_forward
from bot_cripto.timeframes import parse_iso

CUTOFF = parse_iso("2024-06-03T12:00:00Z")
DAYS, DAY, STEP = 20, 86_400_000, 300_000
TRAINING = replace(SMALL, horizon_steps=5)
EDGES = (0.0, 0.35)


@functools.cache
def made_up(edge, seed=0):
    since = CUTOFF - DAYS * DAY
    parts = list(SimulatedSource(seed, edge).candles("BTC/USDT", "5m", since, CUTOFF))
    return to_grid(concat(parts), "5m", since, CUTOFF, 12)


@functools.cache
def real():
    folder = os.environ.get("REAL_CANDLES")
    if not folder:
        pytest.skip("REAL_CANDLES names no folder with BTC_USDT-5m.feather")
    import pyarrow as pa
    from pyarrow import feather

    table = feather.read_table(Path(folder) / "BTC_USDT-5m.feather").slice(0, DAYS * 288)
    times = table["date"].cast(pa.timestamp("ms", "UTC")).cast("int64").to_numpy()
    columns = (table[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    return make(times, *columns)


def settings(source, edge=0.0):
    return {
        "source": source,
        "simulated": {"seed": 0, "edge": edge, "outages": 0.0},
        "timeframe": "5m",
        "horizon_steps": TRAINING.horizon_steps,
        "training": {k: v for k, v in vars(TRAINING).items() if k not in NOT_TRAINING},
    }


NOT_TRAINING = ("horizon_steps", "model_risk_vol_ref")


def audited(candles, about, change=lambda snapshot: snapshot):
    """Return what the audit says, as the jobs of the workflow come to it."""
    cutoff = int(candles.open_time[-1]) + STEP
    frozen = change(build_snapshot(candles, "5m", TRAINING, cutoff))
    folds = walk_forward(snapshots.training_data(frozen), TRAINING, 2, ("trend",))
    return audit(frozen, folds, "", about)


def gone_off(found):
    names = {alarm["name"] for alarm in found["alarms"] if alarm["passed"] is False}
    assert found["suspect"] == bool(names)
    return names


def markets(plant):
    """Run a test on made-up markets without and with an edge, and on real candles."""
    cases = [pytest.param("simulated", edge, id=f"edge {edge}") for edge in EDGES]
    cases.append(pytest.param("archive", 0.0, id="real"))
    return pytest.mark.parametrize(("source", "edge"), cases)(plant)


def candles_of(source, edge):
    return real() if source == "archive" else made_up(edge)


def feature(monkeypatch, name, function):
    """Put other code in the place of one feature, for training and for the live path."""
    changed = tuple(
        replace(each, function=lambda c, old=each.function: function(c, old(c)))
        if each.name == name
        else each
        for each in catalogue.FEATURES
    )
    assert changed != catalogue.FEATURES
    monkeypatch.setattr(catalogue, "FEATURES", changed)


def ahead(values, steps):
    """Return the values of `steps` candles later; the last known one where there is none."""
    return np.r_[values[steps:], np.full(steps, values[-1])]


def smoothed(values):
    """Return the mean of each value and its neighbours: a centred window."""
    return np.convolve(np.nan_to_num(values), np.ones(3) / 3, "same")


def standardised(values):
    """Return the values relative to all there are, those to come included."""
    return (values - np.nanmean(values)) / np.nanstd(values)


@markets
def test_a_look_ahead_of_one_candle_in_one_feature(monkeypatch, source, edge):
    feature(monkeypatch, "log_return_1", lambda c, old: ahead(old, 1))
    found = audited(candles_of(source, edge), settings(source, edge))
    assert {"truncation", "null_control"} <= gone_off(found)
    (text,) = (a["text"] for a in found["alarms"] if a["name"] == "truncation")
    assert "log_return_1 (" in text and "more" not in text and text.count("(") == 1


@pytest.mark.parametrize("leak", [smoothed, standardised])
def test_look_aheads_that_hardly_help_a_model(monkeypatch, leak):
    feature(monkeypatch, "rsi14", lambda c, old: leak(old))
    assert "truncation" in gone_off(audited(made_up(0.35), settings("simulated", 0.35)))


def merged_early(candles, sizes=(12, 48)):
    """Return `HigherBars.expand` that shows bars of those sizes so many candles too early."""

    def expand(self, values):
        early = min(candles, self._size - 1) if self._size in sizes else 0
        places = (np.arange(self._rows) - self._first_close + early) // self._size
        known = np.r_[values, values[-1:]]
        return np.where(places < 0, np.nan, known[np.clip(places, 0, len(values))])

    return expand


@markets
def test_a_higher_timeframe_merged_by_its_open_time(monkeypatch, source, edge):
    monkeypatch.setattr(HigherBars, "expand", merged_early(47))
    found = audited(candles_of(source, edge), settings(source, edge))
    assert {"truncation", "null_control"} <= gone_off(found)


def test_a_higher_timeframe_merged_one_candle_before_its_close(monkeypatch):
    """Only one candle of 48 knows too much, and a model can make nothing of it."""
    monkeypatch.setattr(HigherBars, "expand", merged_early(1, sizes=(48,)))
    snapshot = build_snapshot(made_up(0.0), "5m", TRAINING, CUTOFF)
    for seed in range(3):
        alarm = alarms.truncation(snapshot, seed)
        assert alarm.passed is False
        assert "higher2_" in alarm.text and "higher1_" not in alarm.text


def test_the_planted_merge_is_the_honest_one_but_for_when_it_shows(monkeypatch):
    honest = HigherBars(made_up(0.0), "5m", 12)
    values = np.arange(len(honest.context.close), dtype=float)
    expected = honest.expand(values)
    monkeypatch.setattr(HigherBars, "expand", merged_early(0))
    np.testing.assert_array_equal(honest.expand(values), expected)


@markets
def test_a_label_among_the_features_of_the_feature_code(monkeypatch, source, edge):
    steps = TRAINING.horizon_steps
    feature(monkeypatch, "log_return_6", lambda c, old: ahead(c.log_close, steps) - c.log_close)
    found = audited(candles_of(source, edge), settings(source, edge))
    assert {"truncation", "null_control", "ceiling"} <= gone_off(found)


def with_label(noise):
    """Return a change of a snapshot: the label, and noise, in the place of a feature."""

    def change(snapshot):
        features = snapshot.features.copy()
        label = np.nan_to_num(snapshot.trend_label, nan=0.5)
        noisy = label + noise * np.random.default_rng(1).standard_normal(len(label))
        features[:, 3] = np.where(np.isnan(features[:, 3]), np.nan, noisy)
        return replace(snapshot, features=features)

    return change


@markets
def test_a_label_among_the_features_of_the_snapshot_alone(source, edge):
    """The live path does not have it; the pipeline without it finds nothing in the null."""
    about = settings(source, edge)
    found = audited(candles_of(source, edge), about, with_label(0.0))
    assert {"truncation", "ceiling"} <= gone_off(found)


def test_a_label_under_so_much_noise_that_the_forecast_looks_honest():
    found = audited(made_up(0.35), settings("simulated", 0.35), with_label(5.0))
    assert gone_off(found) == {"truncation"}


@pytest.mark.parametrize("edge", EDGES)
def test_rows_that_are_joined_one_candle_too_late_after_the_snapshot(monkeypatch, edge):
    """Features and snapshot are sound, so that truncation has nothing to say."""
    honest = snapshots.training_data

    def shifted(snapshot):
        return honest(replace(snapshot, features=np.roll(snapshot.features, -1, axis=0)))

    monkeypatch.setattr(snapshots, "training_data", shifted)
    monkeypatch.setattr(alarms, "training_data", shifted)
    names = gone_off(audited(made_up(edge), settings("simulated", edge)))
    assert "null_control" in names and "truncation" not in names


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("seed", range(3))
def test_an_honest_pipeline_raises_no_alarm(edge, seed):
    found = audited(made_up(edge, seed), settings("simulated", edge))
    assert gone_off(found) == set(), found
    measured = {alarm["name"] for alarm in found["alarms"] if alarm["passed"]}
    assert {"truncation", "ceiling", "null_control"} <= measured


def test_an_honest_pipeline_raises_no_alarm_on_real_candles():
    assert gone_off(audited(real(), settings("archive"))) == set()


def test_luck_on_a_short_stretch_of_the_made_up_market_is_no_leak():
    about = settings("simulated")
    assert alarms.ceiling(0.532, about, 0.01).passed
    assert not alarms.ceiling(0.534, about, 0.01).passed
    assert not alarms.ceiling(0.511, about, 0.002).passed
    assert not alarms.ceiling(0.601, settings("archive"), 0.05).passed
