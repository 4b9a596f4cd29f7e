"""The walk sees at each close what the live signal sees; a sparse one comes to the same."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from walk_market import make_track

from bot_cripto.backtest.screen import Screen
from bot_cripto.backtest.track import Track
from bot_cripto.backtest.walk import Walk, _Outcomes
from bot_cripto.config.load import effective
from bot_cripto.config.schema import Settings
from bot_cripto.decision.policy import NO_TRADE, decide
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.decision.thresholds import Policy
from bot_cripto.execution.book import Book
from bot_cripto.execution.correlation import RETURNS
from bot_cripto.execution.memory_book import MemoryBook
from bot_cripto.execution.performance import MAX_ROWS, drift_of, hit
from bot_cripto.execution.prices import correlated_symbols

STEP = 300_000
START = 1_717_416_000_000
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def market(candles, seed=3):
    """Closes of three symbols: two move together in the last half, the third on its own."""
    random = np.random.default_rng(seed)
    common, *own = random.normal(0, 0.002, (4, candles))
    steps = [common + 0.1 * own[0], common + 0.1 * own[1], own[2]]
    closes = [100 * np.cumprod(1 + step) for step in steps]
    closes[1][random.random(candles) < 0.05] = np.nan
    return dict(zip(SYMBOLS, closes, strict=True))


@pytest.mark.parametrize("before", [0, 1, 50, 150, RETURNS - 1, RETURNS, RETURNS + 1])
def test_correlations_look_back_beyond_the_first_candle(before, tmp_path):
    """As live, where the candle store knows what came before the bot was started."""
    settings = effective(Settings(symbols=list(SYMBOLS)), tmp_path)
    walked = 160
    closes = market(before + walked)
    tracks = [
        Track(symbol, [], [], values[before:], values[max(0, before - RETURNS) : before])
        for symbol, values in closes.items()
    ]

    def read_closes(symbol, since_ms, until_ms):
        times = START + np.arange(before + walked) * STEP
        kept = np.isfinite(closes[symbol]) & (times >= since_ms) & (times < until_ms)
        return times[kept], closes[symbol][kept]

    with Book.in_memory(settings) as book:
        walk = Walk(tracks, book, settings, START + before * STEP)
        for i in (0, 1, 5, 99, 101, walked - 1):
            close = START + (before + i + 1) * STEP
            live = correlated_symbols(read_closes, SYMBOLS, close, STEP, 0.6)
            assert walk._correlated(i) == live, i


LENIENT = {
    "prob_min": 0.5,
    "min_expected_return": 0.0,
    "risk_max": 1.0,
    "allow_range": True,
    "allow_high_vol": True,
    "max_daily_drawdown": 1.0,
    "max_weekly_drawdown": 1.0,
    "max_tail_loss": 1.0,
    "max_consecutive_losses": 1000,
    "risk_cooldown_minutes": 0,
}
STRICT = {"prob_min": 0.7, "risk_max": 0.2, "max_daily_drawdown": 0.002, "target_volatilities": 1.0}


def walked(tracks, settings, *, sparse, book=None):
    """Return the walk, its book, the tracker and all rulings by close."""
    told = {}
    book = MemoryBook(settings) if book is None else book
    walk = Walk(tracks, book, settings, START, documents=False, sparse=sparse)
    tracker = walk.run(lambda close, rulings, documents: told.update({close: rulings}))
    return walk, book, tracker, told


def assert_same(tracks, settings):
    """Compare a sparse walk with a full one; return the number of trades and of candles left."""
    full, book, tracker, told = walked(tracks, settings, sparse=False)
    fast, fast_book, fast_tracker, fast_told = walked(tracks, settings, sparse=True)
    assert fast_book.fills == book.fills
    account, fast_account = book.account, fast_book.account
    assert fast_account.state() == account.state()
    assert fast_account.last_price == account.last_price
    np.testing.assert_array_equal(fast.equity, full.equity)
    np.testing.assert_array_equal(fast.exposure, full.exposure)
    end = account.last_mark.candle_ms
    for ask in ("daily_drawdown", "weekly_drawdown", "consecutive_losses", "tail_loss"):
        assert getattr(fast_tracker, ask)(end) == getattr(tracker, ask)(end), ask
    assert fast_tracker.day_result(end) == tracker.day_result(end)
    assert fast_tracker.week_result(end) == tracker.week_result(end)
    for close, rulings in told.items():
        for symbol, ruling in rulings.items():
            # the risk state of a later symbol holds what the earlier ones take
            decided = fast_told.get(close, {}).get(symbol)
            if decided is None:
                flat = ruling.risk.position is None and settings["market_type"] == "spot"
                side = ruling.decision.side
                assert side == NO_TRADE or (flat and side == "SHORT"), (close, symbol)
            else:
                assert decided == ruling, (close, symbol)
    return len(account.trades), len(told) - len(fast_told)


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    return lambda **changed: effective(Settings(**changed), folder)


@examples(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    symbols=st.integers(1, 3),
    market_type=st.sampled_from(["spot", "swap"]),
    timeframe=st.sampled_from(["5m", "1h"]),
    horizon=st.integers(1, 12),
    eager=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    changed=st.sampled_from([{}, LENIENT, STRICT]),
)
def test_a_sparse_walk_is_a_full_walk(
    configured, seed, symbols, market_type, timeframe, horizon, eager, changed
):
    rng = np.random.default_rng(seed)
    names = list(SYMBOLS[:symbols])
    settings = configured(
        symbols=names,
        market_type=market_type,
        timeframe=timeframe,
        horizon_steps=horizon,
        **changed,
    )
    assert_same([make_track(name, 180, rng, eager=eager) for name in names], settings)


def test_a_sparse_walk_trades_and_leaves_candles_out(configured):
    """The comparison above is of something; over days, weeks and a drift of performance."""
    rng = np.random.default_rng(1)
    settings = configured(horizon_steps=3, **LENIENT)
    good = make_track("BTC/USDT", 1900, rng, eager=0.05, skill=0.3)
    poor = make_track("BTC/USDT", 900, rng, eager=0.05, skill=-0.5)
    track = Track(
        "BTC/USDT",
        good.prices + poor.prices,
        good.cases + poor.cases,
        np.concatenate((good.closes, poor.closes)),
    )
    outcomes = _Outcomes(track, settings)
    drifted = [i for i in range(2800) if outcomes.drift(i) is not None]
    trades, left_out = assert_same([track], settings)
    assert drifted and trades > 20 and left_out > 1500


def test_a_walk_on_a_ledger_is_the_same_as_one_in_memory(configured):
    rng = np.random.default_rng(4)
    settings = configured(symbols=list(SYMBOLS[:2]), market_type="margin", **LENIENT)
    tracks = [make_track(name, 150, rng, eager=0.3) for name in SYMBOLS[:2]]
    full, book, *_ = walked(tracks, settings, sparse=False)
    with Book.in_memory(settings) as kept:
        walk, *_ = walked(tracks, settings, sparse=False, book=kept)
        assert len(book.fills) > 10 and kept.ledger.fills() == book.fills
        assert kept.account.state() == book.account.state()
        assert [float(mark.equity) for mark in kept.ledger.marks()] == full.equity.tolist()
        assert [float(mark.exposure) for mark in kept.ledger.marks()] == full.exposure.tolist()
    np.testing.assert_array_equal(walk.equity, full.equity)


@pytest.mark.parametrize("horizon", [1, 5, 400])
def test_drift_is_told_as_from_the_hits_one_by_one(configured, horizon):
    rng = np.random.default_rng(2)
    first = make_track("BTC/USDT", 2600, rng, skill=0.5)
    then = make_track("BTC/USDT", 700, rng, skill=-0.5)
    closes = np.concatenate((first.closes, then.closes))
    closes[50:60] = 100.0
    track = Track("BTC/USDT", [], first.cases + then.cases, closes)
    outcomes = _Outcomes(
        track, configured(horizon_steps=min(horizon, 288)) | {"horizon_steps": horizon}
    )
    hits, found = [], set()
    for i in range(len(closes)):
        made = i - horizon
        if made >= 0 and track.cases[made].forecast is not None:
            realised = float(closes[i] / closes[made] - 1.0)
            if math.isfinite(realised):
                hits.append(hit(track.cases[made].forecast.prob_up, realised))
        expected = drift_of(hits[-MAX_ROWS:])
        assert outcomes.drift(i) == expected, i
        found.add(expected is None)
    assert True in found and (horizon > 5 or False in found)


@examples(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_what_the_screen_holds_back_is_never_a_trade(seed, data):
    """Whatever the policy, thresholds that equal a value included, and whatever the portfolio."""
    rng = np.random.default_rng(seed)
    cases = make_track("BTC/USDT", 40, rng, eager=0.7).cases
    known = [case.forecast for case in cases if case.forecast is not None]
    edge = known[0]
    fraction = st.sampled_from([0.0, 0.4, 2.0])
    policy = Policy(
        prob_min=data.draw(st.sampled_from([0.5, 0.6, max(edge.prob_up, 1 - edge.prob_up)])),
        min_expected_return=data.draw(st.sampled_from([0.0, 0.002, abs(edge.expected_return)])),
        risk_max=data.draw(st.sampled_from([edge.risk_score, 0.3, 1.0])),
        fees_bps=data.draw(st.sampled_from([0.0, 10.0, 30.0])),
        max_outside_share=data.draw(st.sampled_from([0.0, 0.1, 1.0])),
        max_dissimilarity=data.draw(st.sampled_from([edge.dissimilarity or 0.5, 0.3, 1.0])),
        max_data_age_candles=data.draw(st.integers(0, 1)),
        allow_range=data.draw(st.booleans()),
        allow_high_vol=data.draw(st.booleans()),
        market_type=data.draw(st.sampled_from(["spot", "swap"])),
        kelly_fraction=1.0,
    )
    sides = Screen.of(cases).sides(policy)
    for case, side in zip(cases, sides.tolist(), strict=True):
        risk = RiskState(
            "2024-06-03T12:00:00Z",
            "paper",
            10_000.0,
            position=data.draw(st.sampled_from([None, "LONG", "SHORT"])),
            symbol_exposure=data.draw(fraction),
            daily_drawdown=data.draw(st.sampled_from([0.0, 0.5])),
        )
        decided = decide(case.forecast, case.regime, case.context, risk, policy).side
        assert decided == NO_TRADE or side == {"LONG": 1, "SHORT": -1}[decided]


def test_the_screen_lets_trades_through_and_holds_most_others_back():
    rng = np.random.default_rng(9)
    cases = make_track("BTC/USDT", 3000, rng, eager=0.5).cases
    policy = Policy(market_type="swap", kelly_fraction=1.0)
    sides = Screen.of(cases).sides(policy)
    risk = RiskState("2024-06-03T12:00:00Z", "paper", 10_000.0)
    traded = [decide(case.forecast, case.regime, case.context, risk, policy).side for case in cases]
    trades = sum(side != NO_TRADE for side in traded)
    assert 50 < trades <= np.count_nonzero(sides) < 1.3 * trades
    assert {1, -1, 0} == set(sides.tolist())


def test_a_failed_step_is_held_back():
    rng = np.random.default_rng(9)
    cases = make_track("BTC/USDT", 200, rng, eager=1.0).cases
    policy = Policy(market_type="swap")
    assert Screen.of(cases).sides(policy).any()
    failed = [replace(c, context=replace(c.context, failure="fetch: 451")) for c in cases]
    assert not Screen.of(failed).sides(policy).any()
