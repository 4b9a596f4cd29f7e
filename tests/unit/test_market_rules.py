import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import DataError
from bot_cripto.execution.market_rules import (
    DEFAULT,
    MarketRules,
    description_file,
    exact,
    load_rules,
    of_ccxt,
    round_down,
    round_up,
)
from bot_cripto.ledger.events import BUY, SELL

D = Decimal
MARKET = {
    "symbol": "BTC/USDT",
    "precision": {"amount": 1e-05, "price": 0.01},
    "limits": {
        "amount": {"min": 1e-05, "max": 9000.0},
        "cost": {"min": 5.0, "max": None},
        "market": {"min": 0.0, "max": 121.7},
        "price": {"min": 0.01, "max": 1e6},
    },
}
RULES = MarketRules(D("0.01"), D("0.00001"), D("0.00001"), D(5), D("121.7"))
EXCHANGE = {"source": "exchange", "exchange": "binance", "market": "binance", "timeframe": "5m"}

steps = st.sampled_from([D("1E-8"), D("0.00001"), D("0.01"), D("0.5"), D(1), D(100)])
amounts = st.decimals(0, 1_000_000, places=8)


def test_a_float_becomes_the_decimal_that_it_is_written_as():
    assert exact(0.1) == D("0.1")
    assert exact(np.float64(64123.45)) == D("64123.45")
    assert exact(5) == D(5)
    assert exact(D("1.10")) == D("1.10")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), D("NaN")])
def test_no_number_is_refused(bad):
    with pytest.raises(DataError, match="finite"):
        exact(bad)


def test_binances_description_as_ccxt_gives_it():
    assert of_ccxt(MARKET) == RULES


def test_what_a_description_leaves_open_is_the_default():
    assert of_ccxt({"symbol": "X/Y"}) == DEFAULT
    assert of_ccxt({"limits": {"amount": None}, "precision": {"price": None}}) == DEFAULT


@pytest.mark.parametrize("bad", [-1, "much", float("nan"), [5]])
def test_a_damaged_description_names_market_and_key(bad):
    market = {**MARKET, "precision": {"amount": bad}}
    with pytest.raises(DataError, match=r"BTC/USDT: precision\.amount"):
        of_ccxt(market)


@given(amounts, steps)
@settings(max_examples=200, deadline=None)
def test_rounding_stays_on_the_grid_and_within_a_step(value, step):
    down, up = round_down(value, step), round_up(value, step)
    assert down <= value <= up
    assert value - down < step
    assert up - value < step
    assert down % step == 0
    assert up % step == 0


def test_prices_are_rounded_against_us_and_never_to_nothing():
    assert RULES.round_price(D("10.011"), BUY) == D("10.02")
    assert RULES.round_price(D("10.019"), SELL) == D("10.01")
    assert RULES.round_price(D("10.01"), BUY) == RULES.round_price(D("10.01"), SELL) == D("10.01")
    assert RULES.round_price(D("0.001"), SELL) == D("0.01")
    assert RULES.round_price(D("-3"), SELL) == D("0.01")


def test_amounts_are_rounded_down():
    assert RULES.floor_amount(D("0.123456")) == D("0.12345")
    assert RULES.floor_amount(D("-1")) == 0


def test_what_is_too_small_says_by_which_limit():
    assert RULES.too_small(D("0.001"), D(60000)) is None
    assert "0.000001" in RULES.too_small(D("0.000001"), D(60000))
    assert "below the market's least order of 5" in RULES.too_small(D("0.00008"), D(60000))
    # the step, not the wish, is what would be ordered
    assert RULES.too_small(D("0.000099999"), D(50001)) is not None
    assert RULES.too_small(D(0), D(1)) is not None


def test_without_an_exchange_the_default_holds(tmp_path):
    assert load_rules(tmp_path, {**EXCHANGE, "source": "archive"}, "BTC/USDT") is DEFAULT


def test_with_one_the_kept_description_is_read(tmp_path):
    path = description_file(tmp_path, EXCHANGE, "BTC/USDT")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"made_ms": 1, "base_url": "", "market": MARKET}))
    assert load_rules(tmp_path, EXCHANGE, "BTC/USDT") == RULES


def test_the_download_keeps_descriptions_where_they_are_looked_for(tmp_path):
    from bot_cripto.market.exchange_markets import Markets
    from bot_cripto.market.store import CandleStore

    folder = CandleStore(tmp_path, "binance", "5m").folder
    Markets(folder, "binance", "").describe("BTC/USDT", lambda: {"BTC/USDT": MARKET})
    assert load_rules(tmp_path, EXCHANGE, "BTC/USDT") == RULES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "missing.*bot-cripto fetch"),
        ("{", "delete it"),
        ("[]", "delete it"),
        (json.dumps({"market": {**MARKET, "symbol": "ETH/USDT"}}), "describes ETH/USDT"),
    ],
)
def test_a_description_that_is_missing_or_damaged_is_told(tmp_path, content, said):
    path = description_file(tmp_path, EXCHANGE, "BTC/USDT")
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=said) as error:
        load_rules(tmp_path, EXCHANGE, "BTC/USDT")
    assert str(path) in str(error.value)
