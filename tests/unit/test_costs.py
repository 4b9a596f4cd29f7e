from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.execution.costs import (
    Costs,
    fee,
    funding,
    funding_times,
    market_price,
    stop_price_fill,
)
from bot_cripto.execution.market_rules import MarketRules
from bot_cripto.ledger.events import BUY, SELL
from bot_cripto.timeframes import parse_iso

D = Decimal
RULES = MarketRules(D("0.01"), D("0.00001"), D("0.00001"), D(5))
COSTS = Costs(D(10), D(2), D(3))
FREE = Costs(D(0), D(0), D(0))

prices = st.decimals("0.01", 100_000, places=2)
bps = st.decimals(0, 1000, places=1)


def test_a_fill_crosses_half_the_spread_and_slips():
    # 10000 * (1 ± 4 bp)
    assert market_price(D(10_000), BUY, COSTS, RULES) == D("10004")
    assert market_price(D(10_000), SELL, COSTS, RULES) == D("9996")


def test_the_tick_rounds_against_us():
    assert market_price(D("100.01"), BUY, COSTS, RULES) == D("100.06")
    assert market_price(D("100.01"), SELL, COSTS, RULES) == D("99.96")


def test_a_stop_fills_at_its_trigger_or_at_an_open_that_is_worse():
    assert stop_price_fill(D(100), D(95), SELL, FREE, RULES) == D(95)
    assert stop_price_fill(D(90), D(95), SELL, FREE, RULES) == D(90)
    assert stop_price_fill(D(100), D(105), BUY, FREE, RULES) == D(105)
    assert stop_price_fill(D(110), D(105), BUY, FREE, RULES) == D(110)
    assert stop_price_fill(D(100), D(95), SELL, COSTS, RULES) == D("94.96")


def test_the_fee_is_rounded_up():
    assert fee(D(10_000), COSTS) == D(10)
    assert fee(D("0.000011"), COSTS) == D("0.00000002")
    assert fee(D(0), COSTS) == 0


def test_costs_of_settings():
    given = {"fees_bps": 7.5, "spread_bps": 2, "slippage_bps": 0.1, "funding_bps": 1.5}
    paid = {kind: Costs.of({**given, "market_type": kind}) for kind in ("spot", "margin", "swap")}
    assert paid["spot"] == Costs(D("7.5"), D(2), D("0.1"), D(0))
    assert paid["margin"] == paid["swap"] == Costs(D("7.5"), D(2), D("0.1"), D("1.5"))


def test_funding_is_rounded_up():
    costs = Costs(D(0), D(0), D(0), D(1))
    assert funding(D(10_000), costs) == 1
    assert funding(D("0.00011"), costs) == D("0.00000002")
    assert funding(D(10_000), COSTS) == 0


def test_funding_times_lie_after_the_entry_and_up_to_the_exit():
    at = {hour: parse_iso(f"2024-09-06T{hour}:00Z") for hour in ("07:55", "08:00", "16:00")}
    assert list(funding_times(at["07:55"], at["08:00"])) == [at["08:00"]]
    assert list(funding_times(at["08:00"], at["16:00"] - 1)) == []
    assert list(funding_times(at["08:00"], at["08:00"])) == []
    assert list(funding_times(at["07:55"], at["16:00"])) == [at["08:00"], at["16:00"]]
    midnights = parse_iso("2024-09-06T00:00Z"), parse_iso("2024-09-09T00:00Z")
    assert len(funding_times(*midnights)) == 9


@given(prices, prices, bps, bps, bps)
@settings(max_examples=200, deadline=None)
def test_no_fill_is_better_than_the_market(open_, trigger, fees, spread, slippage):
    costs = Costs(fees, spread, slippage)
    assert market_price(open_, BUY, costs, RULES) >= open_
    assert market_price(open_, SELL, costs, RULES) <= open_
    assert stop_price_fill(open_, trigger, SELL, costs, RULES) <= min(open_, trigger)
    assert stop_price_fill(open_, trigger, BUY, costs, RULES) >= max(open_, trigger)
    assert 0 <= fee(open_, costs) - open_ * fees / 10_000 < D("1E-8")
