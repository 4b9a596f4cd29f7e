"""`bot-cripto execute` on paper: what it may do, and what it says, when things are not as usual."""

from decimal import Decimal

import pytest
from execution_scenario import START, STEP, Scenario

from bot_cripto.errors import EXIT_FAILED, EXIT_OK, LedgerError
from bot_cripto.execution.account import Account
from bot_cripto.execution.portfolio import portfolio
from bot_cripto.execution.session import execute
from bot_cripto.execution.state import outlook
from bot_cripto.ledger.events import BUY, OPEN, Intent, intent_id
from bot_cripto.ledger.store import Ledger
from bot_cripto.market.store import CandleStore
from bot_cripto.timeframes import iso

BTC, ETH = "BTC/USDT", "ETH/USDT"
DAY = 86_400_000


@pytest.fixture
def at(monkeypatch):
    """Set the clock: the real one, or one of a run as of a moment."""

    def set_to(now_ms, *, asked=False):
        monkeypatch.setattr("bot_cripto.clock.now_ms", lambda: now_ms)
        monkeypatch.setattr("bot_cripto.clock.as_of_ms", lambda: now_ms if asked else None)

    return set_to


def store_of(scenario):
    settings = scenario.settings
    return CandleStore(scenario.layout.store, settings["market"], settings["timeframe"])


def buy(scenario, symbol, close_ms, quantity):
    wish = Intent(
        intent_id(symbol, close_ms, OPEN),
        symbol,
        close_ms,
        0,
        OPEN,
        BUY,
        quantity,
        "signal",
        close_ms,
        close_ms,
        quantity * 0 + 100,
    )
    with Ledger.open(scenario.layout.ledger("paper")) as ledger:
        ledger.add(wish)


def marks(scenario):
    with Ledger.open(scenario.layout.ledger("paper"), readonly=True) as ledger:
        return [mark.candle_ms for mark in ledger.marks()]


def test_nothing_is_marked_where_there_are_no_candles(tmp_path, at):
    scenario = Scenario(tmp_path, stored=False)
    at(START + 30_000)
    done = execute(scenario.layout, scenario.settings, {})
    assert done.code == EXIT_OK
    assert any("no candles yet" in line for line in done.lines)
    assert any("no signal has been published" in line for line in done.lines)
    assert marks(scenario) == []


def test_a_clock_that_is_ahead_takes_the_account_no_further_than_the_candles(tmp_path, at):
    scenario = Scenario(tmp_path, candles=10)
    last = scenario.close_ms(10)
    at(last + 30_000)
    execute(scenario.layout, scenario.settings, {})
    at(last + 365 * DAY)
    done = execute(scenario.layout, scenario.settings, {})
    assert f"candles reach {iso(last)} only; the account waits" in done.lines
    assert marks(scenario) == [last], "the account was taken through candles that never were"
    at(last + 60_000)
    done = execute(scenario.layout, scenario.settings, {})
    assert done.code == EXIT_OK and "nothing is done" not in done.lines[0]


def test_an_account_ahead_of_the_clock_is_a_failure_unless_it_was_asked_for(tmp_path, at):
    scenario = Scenario(tmp_path, candles=10)
    at(scenario.close_ms(10))
    execute(scenario.layout, scenario.settings, {})
    at(scenario.close_ms(5), asked=True)
    assert execute(scenario.layout, scenario.settings, {}).code == EXIT_OK
    at(scenario.close_ms(5))
    done = execute(scenario.layout, scenario.settings, {})
    assert done.code == EXIT_FAILED
    assert "rebuild-state" in done.lines[0]


def test_what_an_account_began_with_counts(tmp_path, at):
    """A changed INITIAL_EQUITY is no deposit: no money comes from nowhere."""
    scenario = Scenario(tmp_path, candles=10)
    at(scenario.close_ms(9))
    first = execute(scenario.layout, scenario.settings, {})
    assert any("begins with 10000 USDT" in line for line in first.lines)
    settings = scenario.settings | {"initial_equity": 5000}
    at(scenario.close_ms(10))
    done = execute(scenario.layout, settings, {})
    assert any("INITIAL_EQUITY is 5000" in line and "10000" in line for line in done.lines)
    with Ledger.open(scenario.layout.ledger("paper"), readonly=True) as ledger:
        assert Account.load(ledger, settings).cash == 10_000
        assert len(ledger.actions("begun")) == 1
        assert ledger.last_mark().equity == 10_000
    state = outlook(scenario.layout, settings, scenario.close_ms(10)).risks[BTC]
    assert state.equity == 10_000 and state.daily_drawdown == 0
    shown = portfolio(scenario.layout, settings, now_ms=scenario.close_ms(10))
    assert shown["initial_equity"] == shown["equity"] == 10_000


def test_a_portfolio_of_another_currency_is_refused(tmp_path, at):
    scenario = Scenario(tmp_path, candles=10)
    at(scenario.close_ms(10))
    execute(scenario.layout, scenario.settings, {})
    settings = scenario.settings | {"symbols": ["ETH/BTC", BTC]}
    with pytest.raises(LedgerError, match=r"kept in USDT.*quoted in BTC"):
        execute(scenario.layout, settings, {})
    view = outlook(scenario.layout, settings, scenario.close_ms(10))
    assert view.risks == {"ETH/BTC": None, BTC: None} and "kept in USDT" in view.problem


def test_a_held_symbol_that_is_no_longer_watched_is_said_and_fails(tmp_path, at):
    scenario = Scenario(tmp_path, candles=10, stored=False)
    store = store_of(scenario)
    held, other = (scenario.market[symbol] for symbol in (BTC, ETH))
    store.append(BTC, held.between(0, START + 5 * STEP))
    store.append(ETH, other)
    at(scenario.close_ms(3))
    execute(scenario.layout, scenario.settings, {})
    buy(scenario, BTC, scenario.close_ms(3), Decimal(1))
    settings = scenario.settings | {"symbols": [ETH]}
    at(scenario.close_ms(8))
    done = execute(scenario.layout, settings, {})
    assert done.code == EXIT_FAILED
    assert any("put BTC/USDT back into SYMBOLS" in line for line in done.lines)
    assert marks(scenario)[-1] == scenario.close_ms(5)
    done = execute(scenario.layout, scenario.settings, {})
    assert done.code == EXIT_OK, "its candles are only late"
