"""What became of the signals: which way the price went, and what a trade would have made."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.decision import Policy, round_trip_cost
from bot_cripto.drift.history import DRIFT, relative_drop
from bot_cripto.execution.performance import MAX_ROWS, drift_reason, performance_history
from bot_cripto.timeframes import iso, parse_iso

STEP = 300_000
C0 = parse_iso("2024-09-06T00:00:00Z")
SETTINGS = {
    "source_name": "simulated",
    "timeframe": "5m",
    "fees_bps": 10,
    "spread_bps": 2,
    "slippage_bps": 3,
}


def signal(n, prob_up=0.6, decision="NO_TRADE", revision=0, horizon=1, **other):
    return {
        "symbol": "BTC/USDT",
        "source": "simulated",
        "timeframe": "5m",
        "candle_close_time": iso(C0 + n * STEP),
        "horizon_steps": horizon,
        "prob_up": prob_up,
        "expected_return": None if prob_up is None else 0.001,
        "decision": decision,
        "revision": revision,
        **other,
    }


def reader(closes):
    """Return a reader of closes by number: candle n closes at C0 + n steps."""

    def read(symbol, since_ms, until_ms):
        assert symbol == "BTC/USDT"
        rows = [(C0 + (n - 1) * STEP, close) for n, close in sorted(closes.items())]
        rows = [row for row in rows if since_ms <= row[0] < until_ms]
        times = np.array([row[0] for row in rows], dtype=np.int64)
        return times, np.array([row[1] for row in rows], dtype=float)

    return read


def history(documents, closes, now=1000):
    return performance_history(documents, reader(closes), "BTC/USDT", SETTINGS, C0 + now * STEP)


def test_a_row_says_what_was_foretold_and_what_came():
    found = history([signal(1, 0.7, "LONG", horizon=2)], {1: 100.0, 2: 90.0, 3: 101.0})
    assert found.rows == [
        {
            "ts": "2024-09-06T00:15:00Z",
            "candle_close_time": "2024-09-06T00:05:00Z",
            "metric": 1.0,
            "prob_up": 0.7,
            "expected_return": 0.001,
            "realised_return": 101.0 / 100.0 - 1,
            "decision": "LONG",
            "net_return_after_cost": pytest.approx(0.01 - 0.0028, abs=1e-12),
        }
    ]


@pytest.mark.parametrize(
    ("prob_up", "after", "metric"),
    [
        (0.6, 101.0, 1.0),
        (0.6, 99.0, 0.0),
        (0.4, 99.0, 1.0),
        (0.4, 101.0, 0.0),
        (0.5, 101.0, 0.0),
        (0.6, 100.0, 0.5),
        (0.5, 100.0, 0.5),
    ],
)
def test_the_metric_is_the_direction(prob_up, after, metric):
    (row,) = history([signal(1, prob_up)], {1: 100.0, 2: after}).rows
    assert row["metric"] == metric
    assert row["net_return_after_cost"] is None


def test_a_short_earns_when_the_price_falls():
    (row,) = history([signal(1, 0.3, "SHORT")], {1: 100.0, 2: 98.0}).rows
    assert row["net_return_after_cost"] == pytest.approx(0.02 - 0.0028, abs=1e-12)


def test_the_cost_is_the_one_that_decisions_are_measured_against():
    (row,) = history([signal(1, 0.7, "LONG")], {1: 100.0, 2: 100.0}).rows
    assert row["net_return_after_cost"] == -round_trip_cost(Policy())


def test_the_newest_revision_counts_whatever_the_order():
    documents = [signal(1, 0.3, revision=1), signal(1, 0.7, revision=0)]
    for order in (documents, documents[::-1]):
        (row,) = history(order, {1: 100.0, 2: 99.0}).rows
        assert (row["prob_up"], row["metric"]) == (0.3, 1.0)


def test_what_has_no_outcome_is_counted_and_not_listed():
    documents = [
        signal(1),
        signal(2),  # its horizon ends in a gap
        signal(3),  # its own candle is the gap
        signal(4, None),  # a failed run
        signal(5),
        signal(6),  # the horizon closes after now
        signal(7, symbol="ETH/USDT"),
        signal(8, source="archive"),
        signal(9, candle_close_time=None, prob_up=None),
    ]
    found = history(documents, {n: 100.0 + n for n in (1, 2, 4, 5, 6, 7)}, now=6)
    assert [row["candle_close_time"] for row in found.rows] == [iso(C0 + n * STEP) for n in (1, 5)]
    assert (found.open, found.without_forecast) == (1, 1)
    assert [(close - C0) // STEP for close, _ in found.gaps] == [2, 3]


def test_nan_closes_are_gaps():
    found = history([signal(1), signal(2)], {1: 100.0, 2: np.nan, 3: 101.0})
    assert (found.rows, len(found.gaps)) == ([], 2)


def test_nothing_at_all():
    found = history([], {})
    assert (found.rows, found.open, found.gaps, found.without_forecast) == ([], 0, (), 0)


def test_it_is_bounded_and_detect_drift_reads_it():
    n = MAX_ROWS + 60
    rising = {i: 100.0 * 1.001**i for i in range(n + 2)}
    documents = [signal(i, 0.6 if i < n - 200 else 0.4) for i in range(1, n + 1)]
    rows = history(documents, rising, now=n + 1).rows
    assert len(rows) == MAX_ROWS
    assert rows[-1]["candle_close_time"] == iso(C0 + n * STEP)
    json.dumps(rows, allow_nan=False)
    assert relative_drop(rows).status == DRIFT
    assert drift_reason(rows) == relative_drop(rows).reason
    assert drift_reason(rows[:-200]) is None  # too few to be told
    assert drift_reason([]) is None


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 30), st.floats(1, 1000), max_size=30),
    st.lists(
        st.tuples(st.integers(0, 30), st.floats(0, 1), st.integers(1, 4)),
        max_size=20,
        unique_by=lambda s: s[0],
    ),
    st.integers(0, 40),
)
def test_it_never_looks_ahead_and_accounts_for_every_signal(closes, signals, now):
    documents = [signal(n, p, horizon=h) for n, p, h in signals]
    found = history(documents, closes, now)
    future = dict.fromkeys(range(now + 1, 50), 7.0)
    assert history(documents, {**closes, **future}, now) == found
    assert len(found.rows) + found.open + len(found.gaps) == len(documents)
    for row in found.rows:
        assert parse_iso(row["ts"]) <= C0 + now * STEP
        assert row["metric"] in (0.0, 0.5, 1.0)
