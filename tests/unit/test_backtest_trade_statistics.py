from dataclasses import asdict
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.backtest.statistics.trade_statistics import trade_statistics
from bot_cripto.execution.holdings import LONG, SHORT, Trade

HOUR = 3_600_000


def trade(entry, exit_, side=LONG, quantity="2", fee_bps=10, funding="0"):
    quantity, entry, exit_ = Decimal(quantity), Decimal(entry), Decimal(exit_)
    gross = quantity * (exit_ - entry) * (1 if side == LONG else -1)
    fees = quantity * (entry + exit_) * Decimal(fee_bps) / 10_000
    funding = Decimal(funding)
    net = gross - fees - funding
    return Trade(
        *("BTC/USDT", side, quantity, entry, exit_, 0, HOUR, gross, fees, net),
        *(float(net) / 1000, "horizon", "intent", funding),
    )


def statistics(trades):
    held = np.array([True, False, False, True])
    return trade_statistics(trades, np.full(4, 1000.0), held, HOUR)


def test_trades_by_hand():
    found = statistics([trade("100", "110"), trade("100", "95"), trade("50", "40", SHORT)])
    assert found.trades == 3
    assert found.hit_rate == pytest.approx(2 / 3)
    nets = [20 - 0.42, -10 - 0.39, 20 - 0.18]
    assert found.net == pytest.approx(sum(nets))
    assert found.gross == pytest.approx(30)
    assert found.fees == pytest.approx(0.99)
    assert found.profit_factor == pytest.approx((nets[0] + nets[2]) / -nets[1])
    assert found.average_net == pytest.approx(np.mean(np.array(nets) / [200, 200, 100]))
    assert found.average_cost == pytest.approx(np.mean([0.42 / 200, 0.39 / 200, 0.18 / 100]))
    assert found.traded_notional == pytest.approx(990)
    assert found.exposure == 0.5
    assert found.turnover == pytest.approx(0.99 / (4 / 24 / 365))
    assert found.break_even_bps == pytest.approx(30 / 990 * 10_000)


def test_funding_is_a_cost_like_fees():
    found = statistics([trade("100", "110", funding="0.5"), trade("100", "95", funding="0.25")])
    assert (found.gross, found.funding) == (pytest.approx(10), pytest.approx(0.75))
    assert found.net == pytest.approx(found.gross - found.fees - found.funding)
    assert found.average_cost == pytest.approx(np.mean([0.92 / 200, 0.64 / 200]))
    assert found.break_even_bps == pytest.approx((10 - 0.75) / 810 * 10_000)


def test_what_lies_in_the_prices_is_a_cost_too():
    """Mid prices of 100 and 110, crossed by 1 % on each side, without a fee."""
    long = trade("101", "108.9", quantity="2", fee_bps=0)
    short = trade("108.9", "101", SHORT, quantity="2", fee_bps=0)
    held = np.array([True])
    for one, mid in ((long, 20.0), (short, 20.0)):
        found = trade_statistics([one], np.array([1000.0]), held, HOUR, crossing=0.01)
        assert found.crossed == pytest.approx(2 * (1 + 1.1))
        assert found.gross + found.crossed == pytest.approx(mid)
        entry = 2 * float(one.entry_price)
        assert found.average_cost == pytest.approx(found.crossed / entry)
        assert found.break_even_bps == pytest.approx(mid / found.traded_notional * 10_000)


def test_without_trades_there_is_no_ratio():
    found = statistics([])
    assert (found.trades, found.net, found.turnover) == (0, 0.0, 0.0)
    for name in ("hit_rate", "profit_factor", "average_net", "average_cost", "break_even_bps"):
        assert asdict(found)[name] is None
    empty = trade_statistics([], np.empty(0), np.empty(0, bool), HOUR)
    assert (empty.exposure, empty.turnover) == (None, None)


def test_without_losses_there_is_no_profit_factor():
    assert statistics([trade("100", "110")]).profit_factor is None
    assert statistics([trade("100", "90")]).profit_factor == 0.0


moves = st.lists(
    st.tuples(st.integers(50, 150), st.integers(50, 150), st.sampled_from([LONG, SHORT])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(moves)
def test_at_the_break_even_fee_nothing_is_left(rows):
    fee = statistics([trade(*row, funding="0.3") for row in rows]).break_even_bps
    at_that_fee = statistics([trade(*row, fee_bps=fee, funding="0.3") for row in rows])
    assert at_that_fee.net == pytest.approx(0.0, abs=1e-8)


@settings(max_examples=100, deadline=None)
@given(moves)
def test_ratios_do_not_depend_on_the_size_of_all_trades(rows):
    one = statistics([trade(*row) for row in rows])
    ten = statistics([trade(*row, quantity="20") for row in rows])
    for name in ("hit_rate", "average_net", "average_cost", "break_even_bps", "profit_factor"):
        assert asdict(ten)[name] == pytest.approx(asdict(one)[name])
    assert ten.turnover == pytest.approx(10 * one.turnover)
    assert one.net == pytest.approx(one.gross - one.fees)
