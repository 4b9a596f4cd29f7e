"""The account on a loopback exchange: permission at the last moment, secrets, replies, checks."""

from __future__ import annotations

import itertools
import logging
import traceback
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import live_world
import pytest
from binance_account import KEY, SECRET, AccountServer
from live_program import ENVIRONMENT, settings_of
from live_world import MARKETS, OWN, PRICES, START, SYMBOLS
from spot_account import SpotAccount

from bot_cripto.errors import ConfigError
from bot_cripto.execution.book import Book
from bot_cripto.execution.live.check import live_check, needs_check
from bot_cripto.execution.live.errors import CLOCK, Busy, Refused, Unknown
from bot_cripto.execution.live.errors import KEY as WRONG_KEY
from bot_cripto.execution.live.exchange_account import STOP_LIMIT, ExchangeAccount
from bot_cripto.execution.live.setup import make_executor
from bot_cripto.ledger.events import Action, action_id
from bot_cripto.secrets import Secret

BTC = "BTC/USDT"
PASSWORD = "p" * 32


@pytest.fixture
def server():
    with live_world.exchange() as running:
        running.account = SpotAccount(MARKETS, OWN, PRICES, now_ms=running.now_ms)
        yield running


@pytest.fixture
def settings(server):
    return settings_of(server.url, SYMBOLS)


@pytest.fixture
def connect(server, settings):
    """Return a function that makes an account whose waits move the server's clock."""

    def make(environment=lambda: ENVIRONMENT, key=KEY, secret=SECRET, **changes):
        account = ExchangeAccount(
            settings | changes,
            Secret(key),
            Secret(secret),
            Secret(PASSWORD),
            environment=environment,
            sleep=lambda seconds: server.advance(seconds * 1000),
            monotonic=lambda: (server.now_ms() - START) / 1000,
            rng=lambda: 0.5,
            now_ms=server.now_ms,
        )
        account.describe(SYMBOLS)
        return account

    return make


@pytest.fixture
def account(connect):
    return connect()


def buy(account, client_id="bc-1", quantity="0.01", **options):
    return account.send_order(
        BTC, "buy", Decimal(quantity), client_id, timestamp_ms=account.stamp(), **options
    )


def posts(server):
    return [r for r in server.asked("*") if r["path"].startswith("POST")]


GATES = list(
    itertools.product(
        (True, False, "true", None),
        ({}, {"LIVE_MODE": "true"}, {"LIVE_MODE": "false"}, {"LIVE_MODE": ""}),
        (None, "", "i_understand_live_trading", "I_UNDERSTAND", ENVIRONMENT["LIVE_CONFIRM_TOKEN"]),
    )
)


class TestPermission:
    @pytest.mark.parametrize(("mode", "variable", "token"), GATES)
    def test_no_order_leaves_without_both_gates(self, server, connect, mode, variable, token):
        right = token == ENVIRONMENT["LIVE_CONFIRM_TOKEN"]
        allowed = mode is True and variable in ({}, {"LIVE_MODE": "true"}) and right
        given = variable if token is None else variable | {"LIVE_CONFIRM_TOKEN": token}
        account = connect(lambda: given, live_mode=mode)
        for options in ({}, {"test": True}):
            if allowed:
                buy(account, **options)
            else:
                with pytest.raises(ConfigError, match="live trading"):
                    buy(account, **options)
        assert bool(posts(server)) == allowed
        assert bool(server.account.orders) == allowed

    def test_it_is_asked_again_for_each_order(self, server, connect):
        given = dict(ENVIRONMENT)
        account = connect(lambda: given)
        buy(account)
        given["LIVE_CONFIRM_TOKEN"] = ""
        with pytest.raises(ConfigError):
            buy(account, "bc-2")
        assert len(server.account.orders) == 1

    def test_at_the_start(self, settings, tmp_path):
        with pytest.raises(ConfigError, match="LIVE_CONFIRM_TOKEN"):
            make_executor(
                Book.in_memory(settings), settings, markets_dir=tmp_path, environment=dict
            )


class TestOrders:
    def test_a_market_order_is_told_exactly(self, server, account):
        order = buy(account)
        assert (order.state, order.quantity, order.filled) == (
            "filled",
            Decimal("0.01"),
            Decimal("0.01"),
        )
        (trade,) = account.order_trades(order.exchange_id, BTC)
        assert (trade.quantity, trade.price) == (Decimal("0.01"), 60_000)
        assert (trade.fee, trade.fee_currency) == (Decimal("0.00001"), "BTC")
        assert account.find_order("bc-1", BTC) == account.find_by_id(order.exchange_id, BTC)
        assert account.find_order("bc-2", BTC) is None
        assert account.balances()["BTC"].total == Decimal("0.50999")

    def test_a_stop_stands_and_is_cancelled(self, server, account):
        order = account.send_order(
            BTC,
            "sell",
            Decimal("0.01"),
            "bc-stop",
            timestamp_ms=account.stamp(),
            kind=account.stop_kind(BTC),
            price=Decimal("58900.5"),
            trigger=Decimal("59000.25"),
        )
        assert order.state == "working"
        (there,) = server.account.open_orders()
        assert (there["type"], there["stop"], there["price"]) == (
            "STOP_LOSS_LIMIT",
            Decimal("59000.25"),
            Decimal("58900.5"),
        )
        assert account.stop_kind(BTC) == STOP_LIMIT
        assert [o.client_id for o in account.open_orders(BTC)] == ["bc-stop"]
        account.cancel("bc-stop", BTC)
        assert account.find_order("bc-stop", BTC).state == "cancelled"
        with pytest.raises(Refused) as caught:
            account.cancel("bc-stop", BTC)
        assert caught.value.kind == "not_found"

    def test_many_pages_of_orders_and_trades(self, server, account, monkeypatch):
        for module in ("exchange_account", "replies"):
            monkeypatch.setattr(f"bot_cripto.execution.live.{module}.PAGE", 3)
        for number in range(10):
            buy(account, f"bc-{number}", "0.001")
            server.advance(1 if number % 2 else 0)
        assert len(account.orders(BTC, START)) == 10
        assert len({trade.trade_id for trade in account.trades(BTC, START)}) == 10

    def test_decimals_keep_their_context(self, account):
        # another test may have left ccxt's behind: half up instead of half to even
        with localcontext(Context(rounding=ROUND_HALF_EVEN)):
            buy(account)
            assert Decimal(1) / Decimal(8) == Decimal("0.125")
            assert round(Decimal("2.5").quantize(Decimal(1))) == 2


class TestReplies:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ({"kind": "drop"}, Unknown),
            ({"kind": "html"}, Unknown),
            ({"kind": "cut_json"}, Unknown),
            ({"kind": "truncated"}, Unknown),
            ({"kind": "drop_headers"}, Unknown),
            ({"kind": "body", "text": "[]"}, Unknown),
            ({"kind": "body", "text": "null"}, Unknown),
            ({"kind": "body", "text": "{}"}, Unknown),
            ({"kind": "status", "status": 502, "html": True}, Unknown),
            ({"kind": "status", "status": 403, "html": True}, Unknown),
            ({"kind": "error", "code": -1000}, Unknown),
            ({"kind": "error", "code": -1001}, Unknown),
            ({"kind": "error", "code": -1006}, Unknown),
            ({"kind": "error", "code": -1007}, Unknown),
            ({"kind": "error", "code": -1003}, Busy),
            ({"kind": "status", "status": 418}, Busy),
            ({"kind": "error", "code": -1021}, Refused),
            ({"kind": "error", "code": -1013}, Refused),
            ({"kind": "error", "code": -2010}, Refused),
        ],
    )  # fmt: skip
    def test_of_an_order(self, server, account, fault, kind):
        server.set_faults({"path": "POST order"} | fault)
        with pytest.raises(kind) as caught:
            buy(account)
        assert type(caught.value) is kind
        # once, whatever happens
        assert len(posts(server)) == 1

    def test_a_ban_is_kept_until_it_ends(self, server, account):
        stamp = account.stamp()
        fault = {"kind": "status", "status": 418, "headers": {"Retry-After": 3600}}
        server.set_faults({"path": "POST order"} | fault)
        with pytest.raises(Busy):
            buy(account)
        asked = len(server.asked("*"))
        for call in (account.balances, account.server_ms, lambda: buy(account, "bc-2")):
            with pytest.raises(Busy, match="left alone"):
                call()
        assert len(server.asked("*")) == asked
        server.advance(3_600_000)
        assert account.balances()["ETH"].total == 3
        assert buy(account, "bc-3").state == "filled"
        assert stamp < account.stamp()

    def test_a_server_that_is_gone(self, server, account):
        stamp = account.stamp()
        server.stop()
        with pytest.raises(Unknown):
            account.send_order(BTC, "buy", Decimal("0.01"), "bc-1", timestamp_ms=stamp)
        server.start()

    def test_an_old_request_is_refused_by_the_exchange(self, server, account):
        stamp = account.stamp()
        server.advance(5001)
        with pytest.raises(Refused) as caught:
            account.send_order(BTC, "buy", Decimal("0.01"), "bc-1", timestamp_ms=stamp)
        assert caught.value.kind == CLOCK
        assert server.account.orders == []

    def test_what_cannot_be_an_order_is_not_sent(self, server, account):
        with pytest.raises(Refused, match="not sent"):
            buy(account, quantity="0.000001")
        assert posts(server) == []

    def test_reading_is_tried_again_and_the_clock_is_set(self, server, account):
        server.set_faults(
            {"path": "GET account", "kind": "drop"},
            {"path": "GET account", "kind": "error", "code": -1021},
        )
        assert account.balances()["ETH"].total == 3

    @pytest.mark.parametrize("skew", [-3_600_000, -8000, 8000, 3_600_000])
    def test_a_wrong_clock_of_this_machine_does_no_harm(self, server, connect, skew):
        account = connect()
        account._now_ms = lambda: server.now_ms() + skew
        assert buy(account).state == "filled"
        assert account.skew_ms() == skew

    @pytest.mark.parametrize("reply", ["{}", '{"balances": 3}', "[]", '"x"', "null"])
    def test_what_is_no_reply_is_not_taken_for_an_empty_one(self, server, account, reply):
        server.set_faults({"path": "*", "kind": "body", "text": reply, "times": None})
        calls = [account.balances, account.server_ms]
        if reply != "[]":
            calls += [
                lambda: account.open_orders(BTC),
                lambda: account.orders(BTC, START),
                lambda: account.trades(BTC, START),
                lambda: account.order_trades("1", BTC),
            ]
        if reply not in ("{}", '{"balances": 3}'):
            calls.append(lambda: account.find_order("bc-1", BTC))
        for call in calls:
            with pytest.raises(Unknown):
                call()

    @pytest.mark.parametrize("reply", ["{}", '{"balances": 3}'])
    def test_no_order_is_not_taken_for_one(self, server, account, reply):
        server.set_faults({"path": "GET order", "kind": "body", "text": reply, "times": None})
        with pytest.raises(Unknown):
            account.find_order("bc-1", BTC)
        server.set_faults({"path": "DELETE order", "kind": "body", "text": reply})
        account.cancel("bc-1", BTC)


class TestSecrets:
    def test_in_no_text_log_or_traceback(self, server, connect, caplog):
        caplog.set_level(logging.DEBUG)
        account = connect()
        kinds = ("drop", "html", "cut_json", "truncated")
        for kind in kinds:
            server.set_faults({"path": "*", "kind": kind, "times": None})
            for call in (
                lambda: account.balances(),
                lambda: account.find_order("bc-1", BTC),
                lambda: account.open_orders(BTC),
                lambda: account.cancel("bc-1", BTC),
                lambda: account.send_order(BTC, "buy", Decimal("0.01"), "bc-1", timestamp_ms=START),
            ):
                with pytest.raises(Unknown) as caught:
                    call()
                error = caught.value
                shown = "".join(traceback.format_exception(error)) + repr(error)
                assert_clean(shown)
                assert error.__cause__ is None
                assert error.__context__ is None or not isinstance(error.__context__, Exception)
        assert_clean(caplog.text)
        assert_clean(repr(account) + str(vars(account).get("_settings")))

    def test_of_a_wrong_key(self, server, connect):
        wrong = "w" * 64
        account = connect(key=wrong)
        with pytest.raises(Refused) as caught:
            account.balances()
        assert caught.value.kind == WRONG_KEY
        assert_clean(str(caught.value))
        assert wrong not in str(caught.value)

    def test_a_key_that_is_not_set(self, settings):
        with pytest.raises(ConfigError, match="EXCHANGE_API_KEY"):
            ExchangeAccount(settings, Secret(""), Secret(SECRET), Secret(""))


def assert_clean(text):
    for secret in (KEY, SECRET, PASSWORD, "signature="):
        assert secret not in text


class TestCheck:
    def check(self, server, settings, account, book=None):
        book = Book.in_memory(settings) if book is None else book
        findings = live_check(
            book, account, settings, who="ana", now_ms=server.now_ms(), environment=ENVIRONMENT
        )
        bad = [text for ok, text in findings if not ok]
        assert (needs_check(book.ledger, settings) is None) == (not bad)
        return bad, [text for _, text in findings]

    def test_all_well_and_nothing_is_placed(self, server, settings, account):
        bad, said = self.check(server, settings, account)
        assert bad == []
        assert server.account.orders == []
        assert [r["path"] for r in posts(server)] == ["POST order/test"] * 2
        assert "the key cannot withdraw" in said

    def test_a_key_that_can_withdraw(self, server, settings, account):
        server.restrictions["enableWithdrawals"] = True
        bad, _ = self.check(server, settings, account)
        assert bad == ["the key can withdraw: take that permission away, live trading needs none"]

    def test_a_key_that_may_not_trade(self, server, settings, account):
        server.restrictions["enableSpotAndMarginTrading"] = False
        bad, _ = self.check(server, settings, account)
        assert bad == ["the key may not trade on spot"]

    def test_too_little_money(self, server, settings, account):
        server.account.free["USDT"] = Decimal(9999)
        bad, _ = self.check(server, settings, account)
        assert len(bad) == 1
        assert "9999.00 USDT are free" in bad[0]

    def test_another_bot_on_the_account(self, server, settings, account):
        buy(account, "bc-other", kind=STOP_LIMIT, price=Decimal(70_000), trigger=Decimal(69_000))
        bad, _ = self.check(server, settings, account)
        assert "bc-other" in bad[0]

    def test_a_wrong_clock(self, server, settings, account):
        account._now_ms = lambda: server.now_ms() + 60_000
        bad, _ = self.check(server, settings, account)
        assert "clock differs by +60.0 s" in bad[0]

    def test_an_exchange_that_is_gone(self, server, settings, account):
        server.set_faults({"path": "time", "kind": "drop", "times": None})
        bad, _ = self.check(server, settings, account)
        assert "cannot be asked" in bad[0]

    def test_a_missing_key_is_a_finding(self, server, settings):
        def make():
            return ExchangeAccount(settings, Secret(""), Secret(""), Secret(""))

        bad, _ = self.check(server, settings, make)
        assert "EXCHANGE_API_KEY" in bad[0]

    def test_a_closed_gate_is_a_finding(self, server, settings, account):
        findings = live_check(
            Book.in_memory(settings), account, settings, who="ana", now_ms=START, environment={}
        )
        assert "LIVE_CONFIRM_TOKEN" in findings[0][1]
        assert posts(server) == []

    def test_a_check_is_for_one_account_and_ends_with_a_restore(self, server, settings, account):
        book = Book.in_memory(settings)
        assert "not passed" in needs_check(book.ledger, settings)
        self.check(server, settings, account, book)
        assert needs_check(book.ledger, settings) is None
        for change in (
            {"exchange": "binanceus"},
            {"exchange_base_url": "https://x.example"},
            {"market_type": "margin"},
        ):
            assert "another" in needs_check(book.ledger, settings | change)
        book.add(Action(action_id("restored", 2, "x", ""), "restored", 2, "x", ""))
        assert "not passed" in needs_check(book.ledger, settings)


def test_an_executor_from_settings(server, settings, connect, tmp_path):
    executor = make_executor(
        Book.in_memory(settings),
        settings,
        markets_dir=tmp_path,
        exchange=connect(),
        environment=lambda: ENVIRONMENT,
    )
    assert executor.rules[BTC].min_notional == 5
    assert isinstance(server, AccountServer)
