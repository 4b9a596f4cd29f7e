"""Drift through the real workflow: target and command, exit codes, and the retrain it starts."""

from __future__ import annotations

import fcntl
import json

import numpy as np
from laboratory import NOW, SMALL, later, layout_of
from test_audit import configure

from bot_cripto.market.candles import concat
from bot_cripto.market.simulated import SimulatedSource
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import iso, parse_iso

DAYS = 288


def candles_until(lab, days: int, *, louder: float = 1.0) -> str:
    """Fill the store for so many days after NOW as a bot that ran on would; return the moment."""
    layout, settings = layout_of(lab)
    now = later(days * DAYS)
    since = parse_iso(NOW) - 40 * 86_400_000
    source = SimulatedSource(19, 0.5)
    with_now = concat(list(source.candles("BTC/USDT", "5m", since, parse_iso(now) - 300_000)))
    store = CandleStore(layout.store, settings["market"].replace("0.35", "0.5"), "5m")
    at = int(np.searchsorted(with_now.open_time, parse_iso(NOW)))
    if louder != 1.0:
        random = np.random.Generator(np.random.PCG64(1))
        with_now.volume[at:] *= np.exp(louder * random.standard_normal(len(with_now) - at))
        with_now = with_now[at:]
    store.append("BTC/USDT", with_now)
    return now


def drift_of(lab) -> dict:
    return json.loads((lab.state / "logs" / "reports" / "BTC_USDT" / "drift.json").read_text())


def test_the_target_writes_a_verdict_beside_signal_and_retrain(lab):
    held = []
    for role in ("signal", "retrain"):
        file = (lab.state / "locks" / f"{role}.lock").open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        held.append(file)
    looked = lab.run("drift", "-n")
    assert looked.code == 0 and not (lab.state / "data" / "drift").exists(), looked.output
    ran = lab.run("drift")
    assert ran.code == 0, ran.output
    assert ran.rules == ["measure_drift"]
    # the models were made half a day ago, of too few days
    said = drift_of(lab)
    assert said["status"] == "insufficient data"
    assert said["candle_close_time"] == "2024-06-03T12:00:00Z"
    page = lab.state / "logs" / "reports" / "BTC_USDT" / "drift.html"
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert lab.run("drift").nothing_to_do
    for file in held:
        file.close()


def test_the_command_exits_3_on_drift_and_starts_a_retrain_where_that_is_on(edited_lab):
    lab = edited_lab
    config = lab.checkout / "config" / "config.yaml"
    configure(config, *SMALL, "drift={recent_days: 1}", "folds=2", "training={min_rows: 1500}")
    lab.settings = ()
    now = candles_until(lab, 2, louder=3.0)

    dry = lab.cli("drift", "--dry-run", now=now)
    assert dry.code == 3, dry.output
    assert "dry run; would be: no retrain: retrain_on_drift is off" in dry.output
    assert not (lab.state / "data" / "drift").exists()

    found = lab.cli("drift", now=now)
    assert found.code == 3, found.output
    assert "BTC/USDT: drift" in found.output and "features (drift)" in found.output
    assert "no retrain: retrain_on_drift is off" in found.output
    assert drift_of(lab)["status"] == "drift"

    configure(config, "retrain_on_drift=true")
    close = iso(parse_iso(now) // 300_000 * 300_000)
    would = lab.cli("drift", "--dry-run", now=now)
    assert would.code == 3
    assert f"would be: retrain up to {close}, because of drift in BTC/USDT" in would.output

    retrained = lab.cli("drift", now=now)
    assert retrained.code == 3, retrained.output
    assert f"retrain up to {close}" in retrained.output
    (judgement,) = (lab.state / "data" / "training").rglob("judgement.json")
    assert judgement.parts[-3] == close.replace("-", "").replace(":", "")

    again = lab.cli("drift", "--retrain", now=now)
    assert again.code == 3 and "less than 24 hours before" in again.output, again.output


def test_without_drift_data_the_command_exits_0_and_says_so(lab):
    said = lab.cli("drift")
    assert said.code == 0, said.output
    assert "BTC/USDT: insufficient data" in said.output and "no drift was found" in said.output
