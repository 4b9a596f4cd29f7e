"""Risk at a candle's close: drawdowns, cooldown, losses in a row, the tail, exposures."""

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.execution.drawdown import DAY_MS, WEEK_MS, day_start, week_start
from bot_cripto.execution.risk import RUINED, RiskTracker, correlations, risk_state
from bot_cripto.ledger.events import BUY, CLOSE, OPEN, Intent, Mark
from bot_cripto.timeframes import iso, parse_iso

STEP = 300_000
MINUTE = 60_000
FRIDAY = parse_iso("2024-09-06T00:00:00Z")
SYMBOLS = ("BTC/USDT", "ETH/USDT")


@dataclass
class Trade:
    symbol: str
    exit_ms: int
    net: Decimal
    net_fraction: float = 0.0
    reason: str = "horizon"
    entry_ms: int = 0


def mark(time, equity):
    time_ms = parse_iso(time) if isinstance(time, str) else time
    return Mark(time_ms, Decimal(str(equity)), Decimal(0), Decimal(0))


def lost(time_ms, symbol="BTC/USDT", reason="horizon"):
    return Trade(symbol, time_ms, Decimal(-1), -0.01, reason)


def won(time_ms, symbol="BTC/USDT"):
    return Trade(symbol, time_ms, Decimal(1), 0.01)


def tracker(*marks):
    return RiskTracker.of(Decimal(1000), [mark(*m) for m in marks], [])


# --- drawdown within a day and a week ------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "day", "week"),
    [
        ("2024-09-06T04:45:00Z", "2024-09-06T00:00:00Z", "2024-09-02T00:00:00Z"),
        ("2024-09-02T00:00:00Z", "2024-09-02T00:00:00Z", "2024-09-02T00:00:00Z"),
        ("2024-09-01T23:59:59Z", "2024-09-01T00:00:00Z", "2024-08-26T00:00:00Z"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T00:00:00Z", "2024-02-26T00:00:00Z"),
    ],
)
def test_days_begin_at_midnight_and_weeks_on_monday(moment, day, week):
    assert iso(day_start(parse_iso(moment))) == day
    assert iso(week_start(parse_iso(moment))) == week


def test_a_drawdown_by_hand():
    # 1000 -> 1100 (peak) -> 1045 is a fall of 5 %; 1080 takes nothing back; 1034 is one of 6 %
    at = parse_iso("2024-09-06T12:00:00Z")
    followed = RiskTracker(Decimal(1000))
    seen = []
    for n, equity in enumerate([1000, 1100, 1045, 1080, 1034, 1099]):
        followed.mark(mark(at + n * STEP, equity))
        seen.append(followed.daily_drawdown(at + n * STEP))
    assert seen == pytest.approx([0, 0, 0.05, 0.05, 0.06, 0.06], abs=1e-15)
    assert followed.day_result(at + 5 * STEP) == (Decimal(1000), Decimal(1099))


def test_the_first_day_begins_with_the_initial_equity():
    only = tracker(("2024-09-06T12:00:00Z", 970))
    assert only.daily_drawdown(parse_iso("2024-09-06T12:00:00Z")) == pytest.approx(0.03)
    assert only.day_result(parse_iso("2024-09-06T12:00:00Z")) == (Decimal(1000), Decimal(970))


def test_a_day_begins_with_the_mark_at_midnight():
    both = tracker(("2024-09-05T23:55:00Z", 1000), ("2024-09-06T00:00:00Z", 900))
    midnight = parse_iso("2024-09-06T00:00:00Z")
    # the last candle of Thursday belongs to Thursday
    assert both.daily_drawdown(midnight) == 0.0
    assert both.weekly_drawdown(midnight) == pytest.approx(0.1)
    both.mark(mark("2024-09-06T00:05:00Z", 855))
    assert both.daily_drawdown(midnight + STEP) == pytest.approx(0.05)
    assert both.weekly_drawdown(midnight + STEP) == pytest.approx(0.145)


def test_a_day_whose_midnight_has_no_mark_begins_with_the_last_one_before():
    both = tracker(("2024-09-04T10:00:00Z", 1200), ("2024-09-06T07:00:00Z", 1140))
    assert both.daily_drawdown(parse_iso("2024-09-06T07:00:00Z")) == pytest.approx(0.05)
    assert both.day_result(parse_iso("2024-09-06T07:00:00Z")) == (Decimal(1200), Decimal(1140))


def test_a_drawdown_ends_with_its_period_also_when_no_mark_has_come_yet():
    # Sunday, 8 September, ends the week
    followed = tracker(("2024-09-08T10:00:00Z", 1000), ("2024-09-08T23:55:00Z", 920))
    sunday, monday = parse_iso("2024-09-08T23:55:00Z"), parse_iso("2024-09-09T00:05:00Z")
    assert followed.daily_drawdown(sunday) == followed.weekly_drawdown(sunday) == 0.08
    assert followed.daily_drawdown(monday) == followed.weekly_drawdown(monday) == 0.0
    assert followed.day_result(monday) == followed.week_result(monday) == (920, 920)


def test_the_week_outlives_the_day():
    followed = tracker(("2024-09-03T10:00:00Z", 950), ("2024-09-04T10:00:00Z", 960))
    now = parse_iso("2024-09-04T10:00:00Z")
    assert followed.daily_drawdown(now) == 0.0
    assert followed.weekly_drawdown(now) == pytest.approx(0.05)
    assert followed.week_result(now) == (Decimal(1000), Decimal(960))


def test_without_marks_nothing_is_lost():
    fresh = RiskTracker(Decimal(1000))
    assert fresh.daily_drawdown(FRIDAY) == fresh.weekly_drawdown(FRIDAY) == 0.0
    assert fresh.day_result(FRIDAY) == (Decimal(1000), Decimal(1000))


def test_everything_lost_is_a_drawdown_of_one_or_more():
    broke = tracker(("2024-09-05T10:00:00Z", 0), ("2024-09-06T10:00:00Z", 0))
    assert broke.daily_drawdown(parse_iso("2024-09-06T10:00:00Z")) == 1.0
    owing = tracker(("2024-09-05T10:00:00Z", -500))
    assert owing.daily_drawdown(parse_iso("2024-09-05T10:00:00Z")) == 1.5


def test_marks_come_in_the_order_of_time():
    followed = tracker(("2024-09-06T10:00:00Z", 1000))
    with pytest.raises(ValueError, match=r"2024-09-06T10:00:00Z is not after the last one"):
        followed.mark(mark("2024-09-06T10:00:00Z", 1000))
    with pytest.raises(ValueError, match=r"have gone on to 2024-09-06T10:00:00Z"):
        followed.daily_drawdown(parse_iso("2024-09-06T09:55:00Z"))
    with pytest.raises(ValueError, match="equity NaN"):
        followed.mark(mark("2024-09-06T10:05:00Z", "NaN"))


# --- losing trades ---------------------------------------------------------------------------


def test_cooldown_by_hand():
    followed = RiskTracker(Decimal(1000))
    followed.trade(lost(FRIDAY + 2 * MINUTE))
    followed.trade(won(FRIDAY + 4 * MINUTE))
    rest = [followed.cooldown_minutes("BTC/USDT", FRIDAY + m * MINUTE, 15) for m in (5, 10, 17, 20)]
    assert rest == [12, 7, 0, 0]
    assert followed.cooldown_minutes("ETH/USDT", FRIDAY + 5 * MINUTE, 15) == 0
    assert followed.cooldown_minutes("BTC/USDT", FRIDAY + 5 * MINUTE, 0) == 0


def test_a_trade_that_did_not_lose_needs_no_rest():
    followed = RiskTracker(Decimal(1000))
    followed.trade(Trade("BTC/USDT", FRIDAY, Decimal(0)))
    assert followed.cooldown_minutes("BTC/USDT", FRIDAY + STEP, 15) == 0
    assert followed.consecutive_losses(FRIDAY + STEP) == 0


def test_a_trade_at_the_next_open_is_not_known_at_the_close_but_a_stop_inside_is():
    for reason, known in (("horizon", 0), ("opposite", 0), ("stop", 1), ("target", 1)):
        followed = RiskTracker(Decimal(1000))
        followed.trade(lost(FRIDAY, reason=reason))
        assert followed.consecutive_losses(FRIDAY) == known
        assert followed.cooldown_minutes("BTC/USDT", FRIDAY, 15) == 15 * known
        assert followed.consecutive_losses(FRIDAY - STEP) == 0
        assert followed.consecutive_losses(FRIDAY + STEP) == 1


def test_losses_in_a_row_by_hand():
    followed = RiskTracker(Decimal(1000))
    hours = 3_600_000
    for hour, one in [(1, lost), (2, won), (3, lost), (4, lost), (5, lost)]:
        followed.trade(one(FRIDAY + hour * hours, SYMBOLS[hour % 2]))
    assert followed.consecutive_losses(FRIDAY + 2 * hours) == 1
    assert followed.consecutive_losses(FRIDAY + 2 * hours + 1) == 0
    assert followed.consecutive_losses(FRIDAY + 6 * hours) == 3
    # one more loss at hour 27.5, by when the one of hour 3 is older than 24 hours
    followed.trade(lost(FRIDAY + 27 * hours + STEP))
    assert followed.consecutive_losses(FRIDAY + 28 * hours - STEP) == 3
    assert followed.consecutive_losses(FRIDAY + 30 * hours) == 1
    assert followed.consecutive_losses(FRIDAY + 60 * hours) == 0


def test_the_tail_by_hand():
    followed = RiskTracker(Decimal(1000))
    for n in range(19):
        followed.trade(Trade("BTC/USDT", FRIDAY + n * STEP, Decimal(-1), -0.01 * (n + 1)))
    later = FRIDAY + DAY_MS
    assert followed.tail_loss(later) == 0.0
    followed.trade(won(FRIDAY + 19 * STEP))
    assert followed.tail_loss(later) == pytest.approx(0.19)
    for n in range(20):
        followed.trade(won(FRIDAY + (20 + n) * STEP, "ETH/USDT"))
    # 40 trades: the mean of the worst two
    assert followed.tail_loss(later) == pytest.approx((0.19 + 0.18) / 2)
    # after 30 days the oldest are forgotten: the 20 last are winners
    assert followed.tail_loss(FRIDAY + 30 * DAY_MS + 19 * STEP + 1) == 0.0
    assert followed.tail_loss(FRIDAY + 40 * DAY_MS) == 0.0


# --- incremental equals whole ----------------------------------------------------------------


def _brute(marks, trades, at):
    """Return the figures by their definitions, nothing remembered."""

    def depth(since):
        begins = [m.equity for m in marks if m.candle_ms <= since]
        equities = [begins[-1] if begins else Decimal(1000)]
        equities += [m.equity for m in marks if since < m.candle_ms <= at]
        peaks = [max(equities[: i + 1]) for i in range(len(equities))]
        return max(float((p - e) / p) for p, e in zip(peaks, equities, strict=True))

    def inside(t):
        return t.reason in ("stop", "target")

    known = [t for t in trades if t.exit_ms < at or (t.exit_ms == at and inside(t))]
    known.sort(key=lambda t: (t.exit_ms, not inside(t), t.symbol, t.entry_ms))

    def last(length):
        return [
            t
            for t in known
            if t.exit_ms > at - length or (t.exit_ms == at - length and not inside(t))
        ]

    streak = 0
    for t in reversed(last(DAY_MS)):
        if t.net >= 0:
            break
        streak += 1
    tail = sorted(t.net_fraction for t in last(30 * DAY_MS))
    worst = tail[: len(tail) // 20] if len(tail) >= 20 else []
    cooldown = {}
    for symbol in SYMBOLS:
        losses = [t.exit_ms for t in known if t.symbol == symbol and t.net < 0]
        cooldown[symbol] = max(0.0, 90 - (at - losses[-1]) / MINUTE) if losses else 0.0
    return {
        "day": depth(at // DAY_MS * DAY_MS),
        "week": depth(week_start(at)),
        "streak": streak,
        "tail": max(0.0, -sum(worst) / len(worst)) if worst else 0.0,
        "cooldown": cooldown,
    }


def _figures(followed, at):
    return {
        "day": followed.daily_drawdown(at),
        "week": followed.weekly_drawdown(at),
        "streak": followed.consecutive_losses(at),
        "tail": pytest.approx(followed.tail_loss(at), abs=1e-12),
        "cooldown": {s: followed.cooldown_minutes(s, at, 90) for s in SYMBOLS},
    }


HOUR = 3_600_000

histories = st.lists(
    st.tuples(
        st.integers(1, 30),  # hours since the mark before
        st.integers(500, 1500),  # equity
        st.lists(
            st.tuples(
                st.sampled_from(SYMBOLS),
                st.integers(-2, 1),  # net
                st.floats(-0.05, 0.05),
                st.sampled_from(["horizon", "stop"]),
                st.integers(0, 3),
            ),
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(histories, st.integers(0, 200))
def test_folding_candle_by_candle_equals_folding_all_and_never_looks_ahead(rows, offset):
    at = FRIDAY + offset * HOUR
    marks, trades, followed, seen = [], [], RiskTracker(Decimal(1000)), []
    entry = 0
    for hours, equity, closed in rows:
        opens, at = at, at + hours * HOUR
        for symbol, net, fraction, reason, quarter in closed:
            entry += 1  # keeps the order of trades at one moment told
            exit_ms = at if reason == "stop" else opens + quarter * HOUR // 4
            trade = Trade(symbol, exit_ms, Decimal(net), fraction, reason, entry)
            trades.append(trade)
            followed.trade(trade)
        marks.append(mark(at, equity))
        followed.mark(marks[-1])
        seen.append((at, _figures(followed, at)))
    whole = RiskTracker.of(Decimal(1000), marks, trades)
    assert _figures(whole, at) == _brute(marks, trades, at)
    for moment, figures in seen:
        # with everything that came later in the list, the figures of the moment are the same
        alone = RiskTracker.of(Decimal(1000), marks, trades[::-1], until_ms=moment)
        assert _figures(alone, moment) == figures
        assert figures == _brute(marks, trades, moment)


# --- correlation -----------------------------------------------------------------------------


def _walk(seed, n=400):
    return np.random.default_rng(seed).normal(0, 0.01, n)


def _closes(returns):
    return 100 * np.cumprod(np.r_[1.0, 1 + returns])


def test_correlation_by_numpy():
    a, b = _walk(1), _walk(2)
    closes = {"A": _closes(a), "B": _closes(0.8 * a + 0.6 * b), "C": _closes(b)}
    rho = np.corrcoef([a, 0.8 * a + 0.6 * b, b])
    for minimum in (0.3, rho[0, 1] - 1e-9, rho[0, 1] + 1e-9, 0.95):
        found = correlations(closes, minimum)
        for i, one in enumerate("ABC"):
            wanted = {o for j, o in enumerate("ABC") if i != j and rho[i, j] >= minimum}
            assert found[one] == wanted


def test_only_the_last_thousand_common_returns_count():
    a, b = _walk(3, 3000), _walk(4, 3000)
    closes = {"A": _closes(a), "B": _closes(np.r_[a[:2000], b[2000:]])}
    assert correlations(closes, 0.5) == {"A": frozenset(), "B": frozenset()}
    closes["B"] = _closes(np.r_[b[:2000], a[2000:]])
    assert correlations(closes, 0.5) == {"A": {"B"}, "B": {"A"}}


def test_what_is_not_known_counts_as_correlated():
    a, b = _closes(_walk(5)), _closes(_walk(6))
    apart = {"A": frozenset(), "B": frozenset()}
    together = {"A": {"B"}, "B": {"A"}}
    assert correlations({"A": a, "B": b}, 0.5) == apart
    # aligned by their ends: 101 closes are 100 returns
    assert correlations({"A": a, "B": b[-101:]}, 0.5) == apart
    assert correlations({"A": a, "B": b[-100:]}, 0.5) == together
    assert correlations({"A": a, "B": np.full(401, np.nan)}, 0.5) == together
    assert correlations({"A": a, "B": np.full(401, 7.0)}, 0.5) == together
    assert correlations({"A": a, "B": np.empty(0)}, 0.5) == together
    # every second close missing leaves no return at all
    holes = b.copy()
    holes[::2] = np.nan
    assert correlations({"A": a, "B": holes}, 0.5) == together
    some = b.copy()
    some[::10] = np.nan
    assert correlations({"A": a, "B": some}, 0.5) == apart
    assert correlations({"A": a}, 0.5) == {"A": frozenset()}


# --- the state ---------------------------------------------------------------------------------


@dataclass
class Position:
    side: str
    quantity: Decimal
    intent_id: str


@dataclass
class Account:
    """What a risk state asks of an account, in round numbers."""

    positions: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)
    last_price: dict = field(default_factory=dict)
    worth: Decimal = Decimal(1000)

    def equity(self, prices):
        assert prices is self.last_price
        return self.worth

    def exposure(self, symbol, prices):
        held = self.positions.get(symbol)
        return abs(held.quantity) * prices[symbol] if held else Decimal(0)


def _intent(symbol, quantity, kind=OPEN, candle_ms=FRIDAY - STEP, name="i"):
    return Intent(
        name, symbol, candle_ms, 0, kind, BUY, Decimal(quantity), "signal", 0, 0, Decimal(100)
    )


def _state(account, symbol="BTC/USDT", correlated=None, followed=None, **known):
    return risk_state(
        account,
        followed or RiskTracker(Decimal(1000)),
        symbol,
        FRIDAY,
        account_name="paper",
        correlated=correlated or {},
        settings={"risk_cooldown_minutes": 15},
        **known,
    )


PRICES = {s: Decimal(100) for s in ("BTC/USDT", "ETH/USDT", "SOL/USDT")}


def test_the_state_of_a_fresh_account():
    state = _state(Account())
    assert state.to_json() == {
        "candle_close_time": "2024-09-06T00:00:00Z",
        "account": "paper",
        "equity": 1000.0,
        "position": None,
        "symbol_exposure": 0.0,
        "correlated_exposure": 0.0,
        "total_exposure": 0.0,
        "daily_drawdown": 0.0,
        "weekly_drawdown": 0.0,
        "cooldown_minutes": 0.0,
        "consecutive_losses": 0,
        "tail_loss": 0.0,
        "drift": None,
        "paused": None,
        "killed": None,
        "mismatch": None,
    }


def test_exposures_of_the_others_and_of_those_that_move_together():
    held = {
        "BTC/USDT": Position("LONG", Decimal(1), "a"),
        "ETH/USDT": Position("SHORT", Decimal(2), "b"),
        "SOL/USDT": Position("LONG", Decimal(4), "c"),
    }
    account = Account(held, last_price=PRICES)
    known = {"BTC/USDT": frozenset({"ETH/USDT"}), "ETH/USDT": frozenset({"BTC/USDT"})}
    state = _state(account, correlated={**known, "SOL/USDT": frozenset()})
    assert (state.position, state.symbol_exposure) == ("LONG", 0.1)
    assert (state.correlated_exposure, state.total_exposure) == (0.2, 0.6)
    # of SOL nothing is known: it counts as moving together
    assert _state(account, correlated=known).correlated_exposure == 0.6
    assert _state(account, "DOGE/USDT", known).correlated_exposure == 0.7
    assert _state(account, "DOGE/USDT", known).symbol_exposure == 0.0


def test_planned_entries_count_as_if_they_were_filled():
    account = Account(last_price=PRICES)
    account.waiting = {
        "i": _intent("ETH/USDT", 3),
        "j": _intent("SOL/USDT", 1, CLOSE),
        # what the candle itself asks for is counted where its symbols are decided
        "k": _intent("SOL/USDT", 5, candle_ms=FRIDAY),
    }
    assert _state(account).total_exposure == 0.3
    assert _state(account, "ETH/USDT").total_exposure == 0.0


def test_a_partly_filled_entry_counts_once():
    held = {"ETH/USDT": Position("LONG", Decimal(1), "i")}
    account = Account(held, {"i": _intent("ETH/USDT", 3)}, PRICES)
    assert _state(account).total_exposure == pytest.approx(0.3)


def test_without_equity_any_exposure_is_overwhelming_and_still_json():
    held = {"ETH/USDT": Position("LONG", Decimal(1), "i")}
    state = _state(Account(held, last_price=PRICES, worth=Decimal(-5)))
    assert (state.total_exposure, state.symbol_exposure) == (RUINED, 0.0)


def test_the_state_holds_what_the_tracker_and_the_operator_say():
    followed = RiskTracker(Decimal(1000))
    followed.trade(lost(FRIDAY - 5 * MINUTE))
    followed.mark(mark(FRIDAY - WEEK_MS, 1000))
    followed.mark(mark(FRIDAY - STEP, 900))
    followed.mark(mark(FRIDAY, 910))
    state = _state(Account(), followed=followed, paused="p", killed="k", mismatch="m", drift="d")
    assert (state.daily_drawdown, state.weekly_drawdown) == (0.0, pytest.approx(0.1))
    assert (state.cooldown_minutes, state.consecutive_losses) == (10.0, 1)
    assert (state.paused, state.killed, state.mismatch, state.drift) == ("p", "k", "m", "d")
