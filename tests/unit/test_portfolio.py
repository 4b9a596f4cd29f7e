"""The portfolio in numbers and in words."""

import json
import shutil
import string
from decimal import Decimal

import numpy as np
import pytest
from execution_scenario import START, STEP, Scenario, tracker_of

from bot_cripto.errors import LedgerError
from bot_cripto.execution import portfolio_text
from bot_cripto.execution.book import Book
from bot_cripto.execution.portfolio import portfolio, text
from bot_cripto.ledger import control
from bot_cripto.ledger.events import (
    BUY,
    CLOSE,
    OPEN,
    STOP,
    Fill,
    Funding,
    Intent,
    Mark,
    OrderEvent,
    client_order_id,
    event_id,
    intent_id,
)
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import iso

LAST = 59


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    scenario = Scenario(tmp_path_factory.mktemp("traded"), LAST + 1)
    scenario.run()
    return scenario


def by_hand(tmp_path, **other):
    """A ledger with one bought BTC whose numbers can be done in the head."""
    scenario = Scenario(tmp_path, 5, stored=False, **other)
    path = scenario.layout.ledger("live" if scenario.settings["live_mode"] else "paper")
    name = intent_id("BTC/USDT", START, OPEN)
    wish = Intent(
        name,
        "BTC/USDT",
        START,
        0,
        OPEN,
        BUY,
        Decimal(2),
        "signal",
        START + 1500,
        START,
        Decimal(1000),
        stop_distance=0.01,
        target_distance=0.02,
        exit_ms=START + 5 * STEP,
    )
    stop = Intent(
        intent_id("BTC/USDT", START, STOP),
        "BTC/USDT",
        START,
        0,
        STOP,
        "sell",
        Decimal(2),
        "protection",
        START,
        START,
        Decimal(1000),
        trigger_price=Decimal(990),
    )
    order = client_order_id(name)
    with Ledger.open(path) as ledger:
        ledger.add(Mark(START, Decimal(10_000), Decimal(10_000), Decimal(0)))
        for entry in (
            wish,
            stop,
            Fill(
                "f",
                name,
                "BTC/USDT",
                BUY,
                Decimal(2),
                Decimal(1000),
                Decimal(2),
                "USDT",
                START,
                "signal",
            ),
            OrderEvent(event_id(order, "filled", Decimal(2), None), order, name, "filled", START),
            Mark(START + STEP, Decimal(9898), Decimal(7998), Decimal(1900)),
        ):
            ledger.add(entry)
    return scenario


def shown(scenario, at=START + STEP + 120_000, price=950.0):
    """Return the portfolio where every candle closes at one price."""

    def read(symbol, since_ms, until_ms):
        found = scenario.read(symbol, since_ms, until_ms)
        return found.open_time, found.close * 0 + price

    return portfolio(scenario.layout, scenario.settings, at, read_closes=read)


def test_a_portfolio_by_hand(tmp_path):
    found = shown(by_hand(tmp_path))
    json.dumps(found, allow_nan=False)
    assert found["mode"] == "SIMULATED"
    assert (found["equity"], found["cash"], found["quote"]) == (9898.0, 7998.0, "USDT")
    assert found["exposure"] == pytest.approx(1900 / 9898)
    assert found["result"] == pytest.approx(-0.0102)
    assert found["positions"] == [
        {
            "symbol": "BTC/USDT",
            "side": "LONG",
            "quantity": 2.0,
            "entry_price": 1000.0,
            "entered": iso(START),
            "price": 950.0,
            "unrealised": -100.0,
            "unrealised_fraction": -0.05,
            "funding": 0.0,
            "stop": 990.0,
            "target": 1020.0,
            "ends": iso(START + 5 * STEP),
        }
    ]
    assert found["day"] == {
        "start_equity": 10_000.0,
        "result": -102.0,
        "result_fraction": pytest.approx(-0.0102),
        "drawdown": pytest.approx(0.0102),
        "limit": 0.03,
        "reached": False,
    }
    assert found["week"] == {**found["day"], "limit": 0.07}
    # the protective stop is shown with its position, not among the orders that wait
    assert (found["waiting"], found["trades"]) == ([], [])
    assert (found["last_mark"], found["last_mark_age_minutes"]) == (iso(START + STEP), 2.0)
    assert found["late"] is False


def test_the_text_by_hand(tmp_path):
    assert text(shown(by_hand(tmp_path)), "en") == (
        "SIMULATED: made-up candles, made-up money\n"
        "Entries: neither killed nor paused\n"
        "Equity 9,898.00 USDT (-1.02% since the start with 10,000.00)\n"
        "Cash 7,998.00 USDT, exposure 19.20% of equity\n"
        "Today -102.00 USDT (-1.02%), drawdown 1.02% of at most 3.00%\n"
        "This week -102.00 USDT (-1.02%), drawdown 1.02% of at most 7.00%\n"
        "Last mark 2024-09-05T12:05:00Z, 2 min ago\n"
        "Positions:\n"
        "  BTC/USDT LONG 2 since 2024-09-05T12:00:00Z at 1000, now 950: -100.00 USDT (-5.00%); "
        "stop 990; target 1020; ends 2024-09-05T12:25:00Z\n"
        "Waiting orders: none\n"
        "Trades: none yet\n"
    )
    spanish = text(shown(by_hand(tmp_path / "es")), "es")
    assert spanish.startswith("SIMULADO: velas inventadas, dinero inventado\n")
    assert "Hoy -102.00 USDT (-1.02%), caída 1.02% de 3.00% como máximo\n" in spanish


def test_what_was_paid_for_holding_is_told(tmp_path):
    scenario = by_hand(tmp_path)
    at = START + STEP // 2
    leave = Intent(
        *("leave", "BTC/USDT", START, 0, CLOSE, "sell", Decimal(1), "horizon", START, START),
        Decimal(950),
    )
    sold = Fill(
        *("sold", "leave", "BTC/USDT", "sell", Decimal(1), Decimal(950), Decimal(1), "USDT"),
        *(START + STEP, "horizon"),
    )
    paid = Funding("paid", "BTC/USDT", at, Decimal(2), Decimal(1000), Decimal("3"))
    with Ledger.open(scenario.layout.ledger("paper")) as ledger:
        for entry in (leave, paid, sold):
            assert ledger.add(entry)
    found = shown(scenario)
    assert found["cash"] == 7998.0 - 3 + 950 - 1
    assert found["positions"][0]["funding"] == found["trades"][0]["funding"] == 1.5
    assert found["trades"][0]["net"] == -50 - 1 - 1 - 1.5
    lines = {lang: text(found, lang) for lang in ("en", "es")}
    assert "-50.00 USDT (-5.00%), less funding 1.50 USDT; stop 990" in lines["en"]
    assert "horizon, funding 1.50 USDT paid\n" in lines["en"]
    assert "menos financiación 1.50 USDT" in lines["es"]
    assert "financiación 1.50 USDT pagada" in lines["es"]


def test_the_mode_comes_first(tmp_path):
    modes = {
        "PAPER": {"source": "exchange"},
        "LIVE": {"source": "exchange", "live_mode": True},
        "SIMULATED": {},
    }
    for name, settings in modes.items():
        found = shown(by_hand(tmp_path / name, **settings))
        assert found["mode"] == name
        assert text(found, "en").startswith(name)
    assert "no more after a loss of 3.00% within a day" in text(
        found | {"mode": "LIVE", "live_max_daily_loss": 0.03}, "en"
    )


def test_live_and_paper_are_different_ledgers(tmp_path):
    live = by_hand(tmp_path, source="exchange", live_mode=True)
    assert shown(live)["begun"] is True
    paper = Scenario(tmp_path, 5, stored=False, source="exchange")
    assert shown(paper)["begun"] is False


def test_a_limit_that_is_reached_is_said(tmp_path):
    found = shown(by_hand(tmp_path, max_daily_drawdown=0.01))
    assert found["day"]["reached"] is True
    (line,) = [line for line in text(found, "en").splitlines() if "LIMIT REACHED" in line]
    assert line.startswith("Today")


def test_the_day_after_begins_anew(tmp_path):
    found = shown(by_hand(tmp_path), at=START + 86_400_000)
    assert (found["day"]["result"], found["day"]["drawdown"]) == (0.0, 0.0)
    assert found["week"]["result"] == -102.0
    assert found["late"] is True
    assert "23 h 55 min ago - LATE" in text(found, "en")


def test_a_clock_behind_the_marks_is_no_error(tmp_path):
    found = shown(by_hand(tmp_path), at=START - 3_600_000)
    assert found["day"]["result"] == -102.0
    assert "0 min ago" in text(found, "en")


def test_nothing_yet_is_said_plainly_and_nothing_is_made(tmp_path):
    scenario = Scenario(tmp_path, 5, stored=False)
    found = portfolio(scenario.layout, scenario.settings, START, read_closes=scenario.read_closes)
    assert found["begun"] is False
    assert (found["equity"], found["cash"], found["result"]) == (10_000.0, 10_000.0, 0.0)
    assert "Nothing has been traded yet" in text(found, "en")
    assert "Todavía no se ha operado" in text(found, "es")
    assert not scenario.layout.ledger("paper").parent.exists()


def test_kill_and_pause_are_said_first(tmp_path):
    scenario = by_hand(tmp_path)
    control.kill(scenario.layout.control, "ana", "too hot", START)
    control.pause(scenario.layout.control, "ben", "lunch", START)
    lines = text(shown(scenario), "en").splitlines()
    assert lines[1].startswith("STOPPED (kill): ")
    assert "too hot" in lines[1]
    assert lines[2].startswith("STOPPED (pause): ")
    assert "lunch" in lines[2]
    assert "DETENIDO (kill)" in text(shown(scenario), "es")


def test_a_corrupt_ledger_is_an_error_for_people(tmp_path):
    scenario = by_hand(tmp_path)
    scenario.layout.ledger("paper").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="paper"):
        shown(scenario)


def test_the_portfolio_equals_the_book(traded):
    found = portfolio(traded.layout, traded.settings, traded.close_ms(LAST) + 1000)
    with Book.open(traded.layout.ledger("paper"), traded.settings, readonly=True) as book:
        account, mark = book.account, book.ledger.last_mark()
        followed = tracker_of(book)
        assert found["equity"] == float(mark.equity)
        assert found["cash"] == float(mark.cash)
        assert found["exposure"] == pytest.approx(float(mark.exposure / mark.equity))
        assert [p["symbol"] for p in found["positions"]] == list(account.positions)
        assert found["trades_in_all"] == len(account.trades) > 10
        assert [t["net"] for t in found["trades"]] == [
            float(t.net) for t in account.trades[:-11:-1]
        ]
        assert found["day"]["drawdown"] == followed.daily_drawdown(mark.candle_ms)
    assert "Last 10 of" in text(found, "en")


def test_it_reads_while_the_ledger_is_written(traded, tmp_path):
    shutil.copytree(traded.layout.logs, tmp_path / "logs")
    scenario = Scenario(tmp_path, LAST + 1, stored=False)
    with Book.open(scenario.layout.ledger("paper"), scenario.settings) as book:
        before = shown(scenario)
        with book.transaction():
            scenario.candle(book, LAST + 1)
            assert shown(scenario) == before
        assert shown(scenario)["last_mark"] == iso(scenario.close_ms(LAST + 1))


def test_waiting_orders_are_listed(tmp_path):
    scenario = by_hand(tmp_path)
    with Ledger.open(scenario.layout.ledger("paper")) as ledger:
        wish = ledger.intents()[0]
        waits = {"symbol": "ETH/USDT", "intent_id": "ETH", "quantity": Decimal("0.00001")}
        ledger.add(type(wish)(**{**vars(wish), **waits}))
    found = shown(scenario)
    assert [order["symbol"] for order in found["waiting"]] == ["ETH/USDT"]
    assert "  ETH/USDT open buy 0.00001 (signal), made 2024-09-05T12:00:01" in text(found, "en")
    assert "  ETH/USDT abrir compra 0.00001 (señal), hecha" in text(found, "es")


def test_a_position_without_a_stop_says_so(tmp_path):
    found = shown(by_hand(tmp_path))
    found["positions"][0] |= {"stop": None, "target": None, "ends": None}
    assert "NO STOP; no target; ends with a signal or its stop" in text(found, "en")
    assert "SIN STOP; sin objetivo; termina con una señal o su stop" in text(found, "es")


def test_problems_are_shown(tmp_path):
    found = shown(by_hand(tmp_path)) | {"problems": ["a fill too many"]}
    assert "TO BE LOOKED AT: a fill too many" in text(found, "en")


def test_without_equity_ratios_are_not_known(tmp_path):
    found = shown(by_hand(tmp_path), price=-5000.0)
    assert found["exposure"] is None
    assert "exposure ? of equity" in text(found, "en")


@pytest.mark.parametrize(
    ("value", "money", "signed"),
    [
        (0.0, "0.00", "+0.00"),
        (1234567.891, "1,234,567.89", "+1,234,567.89"),
        (-0.000012345678, "-0.00001235", "-0.00001235"),
        (0.5, "0.5", "+0.5"),
    ],
)
def test_money_is_shown_to_the_cent_and_below_a_unit_to_what_tells(value, money, signed):
    assert portfolio_text._money(value) == money
    assert portfolio_text._money(value, "+") == signed


def test_both_languages_say_the_same_things():
    english, spanish = (portfolio_text._WORDS[lang] for lang in ("en", "es"))
    assert list(english) == list(spanish)

    def fields(template):
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    for key in english:
        assert fields(english[key]) == fields(spanish[key]), key


def test_a_position_without_any_candle_is_shown_at_its_entry_price(tmp_path):
    """As after a restore on another host."""
    scenario = by_hand(tmp_path)
    empty = np.empty(0)
    found = portfolio(
        scenario.layout,
        scenario.settings,
        START + STEP + 120_000,
        read_closes=lambda symbol, since, until: (empty.astype(np.int64), empty),
    )
    (position,) = found["positions"]
    assert position["price"] == position["entry_price"] and position["unrealised"] == 0
    (problem,) = found["problems"]
    assert "BTC/USDT" in problem and "snakemake signal" in problem
    assert problem in text(found, "en") and problem in text(found, "es")
