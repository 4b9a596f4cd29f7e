"""The scan: longer candles, cells, what is deflated and recommended, the page."""

from __future__ import annotations

import copy
import functools
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from model_market import SETTINGS, TIMEFRAME, cutoff, random_candles

from bot_cripto.backtest.scan.cell import ceiling, cell_settings, measure, resampled, surest
from bot_cripto.backtest.scan.grid import at_full_cost, scan_grid
from bot_cripto.backtest.scan.html import html
from bot_cripto.backtest.scan.result import scan, validate
from bot_cripto.backtest.scan.sentences import as_text
from bot_cripto.backtest.scan.words import WORDS
from bot_cripto.backtest.statistics import deflation
from bot_cripto.config.schema import Settings
from bot_cripto.errors import DataError
from bot_cripto.market.oracle import attainable_auc
from bot_cripto.models.snapshot import build_snapshot
from bot_cripto.timeframes import parse_iso

SHARES = (0.0, 1.0)


def settings(**changes):
    values = Settings().model_dump(mode="json")
    values |= {"source_name": "archive", "source": "archive", "market": "archive", "folds": 2}
    values |= {"prob_min": 0.5, "min_expected_return": 0.0, "risk_max": 1.0, "allow_range": True}
    values |= {"kelly_fraction": 1.0, "max_outside_share": 1.0, "block_on_drift": False}
    values |= {"max_dissimilarity": 1000.0}
    values["training"] = {name: getattr(SETTINGS, name) for name in values["training"]}
    values["scan"] = {"timeframes": ["1m", "15m"], "horizons": [3], "cost_shares": [0]}
    return values | changes


@functools.cache
def base(momentum: float = 0.5, n: int = 7000):
    return build_snapshot(random_candles(n, 0, momentum), TIMEFRAME, SETTINGS, cutoff(n))


@functools.cache
def cells():
    return [
        measure("BTC/USDT", base(), settings(), timeframe, 3, SHARES) for timeframe in ("5m", "15m")
    ]


def result(these=None, trials=None, **changes):
    values = settings(**changes)
    these = copy.deepcopy(cells() if these is None else these)
    trials = {"a": 0.1, "b": None, "c": 0.3} if trials is None else trials
    return scan("BTC/USDT", these, scan_grid(values), trials, values, cutoff())


def test_the_grid_has_the_base_and_the_full_costs_and_leaves_out_what_cannot_be_made():
    grid = scan_grid(settings(timeframe="15m"))
    assert grid.timeframes == ("15m",) and grid.left_out == ("1m",)
    assert grid.cost_shares == SHARES
    scanned = {"timeframes": ["1h", "5m", "15m"], "horizons": [12, 1], "cost_shares": [0.5]}
    grid = scan_grid(settings(scan=scanned))
    assert grid.cells == [(t, h) for t in ("5m", "15m", "1h") for h in (1, 12)]


@examples(max_examples=25, deadline=None)
@given(
    start=st.integers(0, 11),
    n=st.integers(24, 60),
    seed=st.integers(0, 999),
    fill=st.integers(0, 2),
)
def test_longer_candles_are_whole_closed_and_on_the_grid(start, n, seed, fill):
    candles = random_candles(80)[start : start + n]
    random = np.random.default_rng(seed)
    filled, lost = random.random(n) < 0.05, random.random(n) < 0.05
    prices = {
        name: np.where(lost & ~filled, np.nan, getattr(candles, name))
        for name in ("open", "high", "low", "close")
    }
    candles = replace(candles, filled=filled, **prices)
    snapshot = replace(base(), candles=candles, cutoff_ms=int(candles.open_time[-1]) + 300_000)
    made = resampled(snapshot, "15m", fill)
    assert np.all(made.open_time % 900_000 == 0) and np.all(np.diff(made.open_time) == 900_000)
    for i, opened in enumerate(made.open_time.tolist()):
        part = candles.between(opened, opened + 900_000)
        if len(part) == 3 and not part.filled.any() and np.isfinite(part.close).all():
            expected = (part.open[0], part.high.max(), part.low.min(), part.close[-1])
            assert (made.open[i], made.high[i], made.low[i], made.close[i]) == expected
            assert made.volume[i] == pytest.approx(part.volume.sum())
            assert not made.filled[i]
        else:
            assert made.filled[i] or np.isnan(made.close[i])


def test_no_cell_reads_beyond_the_cutoff():
    early = cutoff(4000)
    whole = replace(base(), cutoff_ms=early)
    cut = build_snapshot(base().candles, TIMEFRAME, SETTINGS, early)
    for timeframe in ("5m", "15m"):
        ours = build_snapshot(resampled(whole, timeframe, 12), timeframe, SETTINGS, early)
        theirs = build_snapshot(resampled(cut, timeframe, 12), timeframe, SETTINGS, early)
        assert ours.digest() == theirs.digest()


def test_a_cell_measures_the_forecasts_and_every_cost():
    cell = cells()[0]
    assert cell["measured"] and cell["auc"] > cell["auc_interval"][0] > 0.5
    assert cell["independent_horizons"] == cell["candles"] // 3
    assert cell["surest"]["forecasts"] >= cell["candles"] // 10
    assert cell["surest"]["earns_bps"] > 0
    free, full = cell["costs"]
    assert (free["round_trip_bps"], full["round_trip_bps"]) == (0, pytest.approx(28))
    assert free["exceeding"] > full["exceeding"]
    assert free["trades"] > 20 and free["net_return"] > 0
    assert free["trades"] > full["trades"]
    assert 0 < free["psr"] <= 1 and free["days"] >= 10


def test_too_few_candles_are_told_and_no_error():
    cell = cells()[1]
    assert not cell["measured"] and cell["rows"] < cell["rows_needed"]
    assert "too few" in cell["reason"] or "usable" in cell["reason"]
    found = result()
    validate(found)
    sentence = found["recommendation"]["en"][-2]
    assert sentence.startswith("Not measured: 15m x 3 (") and "needed" in sentence
    assert found["recommendation"]["en"][-1].endswith("5m candles that there are: 1m.")


def test_the_surest_are_those_furthest_from_one_half_ties_included():
    times = 86_400_000 * np.arange(40)
    prob = np.full(40, 0.5)
    prob[:6] = [0.9, 0.1, 0.8, 0.2, 0.2, 0.6]
    forward = np.full(40, 0.01)
    found = surest(times, prob, forward)
    # four of forty, and one that is as sure as the last of them
    assert found["forecasts"] == 5 and found["interval_bps"] is None
    assert found["earns_bps"] == pytest.approx(100 * (1 - 1 + 1 - 1 - 1) / 5)
    assert found["hit_rate"] == 2 / 5
    assert surest(times, np.full(40, 0.5), forward)["earns_bps"] is None
    low, high = surest(times, np.full(40, 0.6), 0.01 * np.sin(times))["interval_bps"]
    assert -100 < low < 100 * np.sin(times).mean() < high < 100


def test_the_ceiling_of_a_made_up_market_is_that_of_the_candles_below():
    market = {"source": "simulated", "simulated": {"seed": 1, "edge": 0.5, "outages": 0}}
    own = cell_settings(settings(**market), "BTC/USDT", "15m", 2)
    alarm = ceiling(attainable_auc(0.5, 6, "5m") + 0.02, own, "5m")
    assert alarm.passed is False and f"{attainable_auc(0.5, 6, '5m'):.3f}" in alarm.text
    assert ceiling(attainable_auc(0.5, 6, "5m") + 0.02, own, "5m", error=0.01).passed
    assert ceiling(0.599, settings(), "5m").passed and not ceiling(0.61, settings(), "5m").passed


def test_every_trial_deflates():
    few, many = (
        at_full_or_free(result(trials={str(i): 0.02 * (i % 9) for i in range(n)})) for n in (2, 200)
    )
    assert many["dsr"] < few["dsr"] <= few["psr"]
    ratios = [0.02 * (i % 9) for i in range(200)]
    expected = deflation.deflated_sharpe(
        many["day_sharpe"],
        many["days"],
        many["skewness"],
        many["kurtosis"],
        200,
        deflation.variance_of_trials(ratios, many["days"]),
    )
    assert many["dsr"] == expected


def at_full_or_free(found):
    return found["cells"][0]["costs"][0]


def shown_cell(**changes):
    cell = copy.deepcopy(cells()[0])
    cell |= {"auc": 0.55, "auc_interval": [0.53, 0.57], "ceiling": {"passed": True, "text": ""}}
    cell["surest"] = {
        "forecasts": 90,
        "hit_rate": 0.6,
        "earns_bps": 40.0,
        "interval_bps": [30.0, 50.0],
    }
    row = {"net_return": 0.2, "trades": 50, "day_sharpe": 0.5, "psr": 0.99, "days": 100}
    at_full_cost(cell).update(row | {"skewness": 0.0, "kurtosis": 3.0})
    for name, value in changes.items():
        (cell if name in cell else at_full_cost(cell))[name] = value
    return cell


SOME_TRIALS = {"a": 0.5, "b": 0.45, "c": 0.4}


def test_an_edge_is_recommended_only_where_all_is_shown():
    found = result([shown_cell()], SOME_TRIALS)
    validate(found)
    assert found["edge"] and found["best"]["timeframe"] == "5m"
    assert found["recommendation"]["en"][0].startswith("There may be an edge at 5m x 3: +20.00")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"net_return": -0.01}, "loss"),
        ({"trades": 0}, "no_trades"),
        ({"day_sharpe": 0.05}, "deflated"),
        ({"auc_interval": [0.49, 0.6]}, "no_skill"),
        ({"auc_interval": None}, "no_skill"),
        ({"ceiling": {"passed": False, "text": "above"}}, "suspect"),
    ],
)
def test_without_one_of_them_it_is_nowhere(changes, why):
    found = result([shown_cell(**changes)], SOME_TRIALS)
    validate(found)
    assert not found["edge"] and found["best"] is None
    told = found["recommendation"]
    assert told["en"][0].startswith("Nowhere") and told["es"][0].startswith("En ninguna parte")
    if why == "suspect":
        assert found["nearest"] is None and "leak" in told["en"][1]
    else:
        assert found["nearest"]["shortcomings"] == [why]
        assert "more than the 28 bp of a round trip, but" in told["en"][1]


@pytest.mark.parametrize(
    ("earns", "words"),
    [
        (
            1.9,
            "earns 1.9 bp before costs (95 %: 0.4 to 3.4); a round trip costs 28 bp. "
            "It would break even at 7",
        ),
        (-0.3, "even the surest tenth of its forecasts earns nothing before costs: −0.3 bp"),
    ],
)
def test_the_nearest_says_what_is_missing(earns, words):
    cell = shown_cell(net_return=0.0, trades=0, day_sharpe=None, psr=None)
    cell["surest"] = {
        "forecasts": 90,
        "hit_rate": 0.6,
        "earns_bps": earns,
        "interval_bps": [0.4, 3.4],
    }
    found = result([cell], SOME_TRIALS)
    validate(found)
    assert words in found["recommendation"]["en"][1]


def test_thresholds_that_let_nothing_through_are_told():
    cell = shown_cell(net_return=0.0, trades=0, day_sharpe=None, psr=None)
    assert "no trade through" not in " ".join(result([cell])["recommendation"]["en"][2:])
    cell["costs"][0]["trades"] = 0
    assert "let no trade through, in no cell" in result([cell])["recommendation"]["en"][2]


def test_nothing_measured_is_nowhere():
    found = result([cells()[1]], {})
    validate(found)
    assert found["recommendation"]["en"][0] == "Nowhere: nothing could be measured."
    assert "not measured" in as_text(found, "en")
    ElementTree.fromstring(html(found).split("\n", 1)[1])


@pytest.mark.parametrize("lang", sorted(WORDS))
def test_the_page_is_whole_safe_and_self_contained(lang):
    scanned = {"timeframes": ["15m"], "horizons": [3], "cost_shares": [0]}
    found = result([shown_cell(), cells()[1]], SOME_TRIALS, scan=scanned)
    page = html(found | {"symbol": "<b>/USDT"}, lang)
    root = ElementTree.fromstring(page.split("\n", 1)[1])
    assert root.get("lang") == lang
    assert not re.search(r"(?i)https?:|//[a-z]|@import|url\(|<script|<b>", page)
    maps = [part.get("id") for part in root.iter("section")]
    assert maps == ["recommendation", "auc", "surest", "net-0", "net-1", "dsr", "table"]
    words = " ".join(root.itertext())
    assert not re.search(r"\b(NaN|nan|None|inf)\b", words)
    assert all(sentence in words for sentence in found["recommendation"][lang])
    text = as_text(found, lang)
    assert all(sentence in text for sentence in found["recommendation"][lang])
    assert "SIMULA" not in page + text
    made_up = found | {"source_name": "simulated"}
    assert "SIMULA" in html(made_up, lang) and as_text(made_up, lang).startswith("SIMULA")


def test_both_languages_say_the_same_with_the_same_values():
    def fields(text):
        return sorted(re.findall(r"{(\w+)}", text))

    assert set(WORDS["en"]) == set(WORDS["es"])
    for name, words in WORDS["en"].items():
        assert fields(words) == fields(WORDS["es"][name]), name


def test_what_breaks_the_schema_is_refused():
    found = result([shown_cell()], SOME_TRIALS)
    del found["cells"][0]["auc"]
    with pytest.raises(DataError, match="scan of BTC/USDT is not valid"):
        validate(found)
    assert parse_iso(found["made"]) == cutoff()
