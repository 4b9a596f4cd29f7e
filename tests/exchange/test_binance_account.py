"""The account side of the loopback exchange, asked by the real ccxt over real sockets."""

from __future__ import annotations

from decimal import Decimal

import ccxt
import pytest
import requests
from binance_account import KEY, SECRET, AccountServer, TimeoutAdapter
from loopback import NOW
from spot_account import Market, SpotAccount

MARKETS = {
    "BTCUSDT": Market("BTC", "USDT"),
    "ETHUSDT": Market("ETH", "USDT", step=Decimal("0.0001"), min_quantity=Decimal("0.0001")),
}


@pytest.fixture
def exchange():
    clock = []
    account = SpotAccount(
        MARKETS,
        {"USDT": "10000", "BTC": "0.5", "BNB": "3"},
        {"BTCUSDT": "60000", "ETHUSDT": "2500"},
        now_ms=lambda: clock[0].now_ms(),
    )
    with AccountServer(account, now_ms=NOW) as running:
        clock.append(running)
        yield running


@pytest.fixture
def account(exchange):
    return exchange.account


def client_of(server, key=KEY, secret=SECRET, **options):
    """Return ccxt's own Binance, its addresses on loopback and its time the server's."""
    client = ccxt.binance(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "timeout": 2000,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
                "recvWindow": 5000,
                **options,
            },
        }
    )

    def rewrite(urls):
        for name, url in urls.items():
            if isinstance(url, dict):
                rewrite(url)
            elif isinstance(url, str):
                urls[name] = server.url + "/" + url.split("/", 3)[3] if url.count("/") > 2 else url

    rewrite(client.urls["api"])
    client.milliseconds = server.now_ms
    return client


@pytest.fixture
def client(exchange):
    client = client_of(exchange)
    client.load_markets()
    return client


def buy(client, quantity=0.01, client_id="bc-one", symbol="BTC/USDT"):
    return client.create_order(
        symbol, "market", "buy", quantity, None, {"clientOrderId": client_id}
    )


def stop(client, quantity, trigger, limit, client_id="bc-stop"):
    params = {"clientOrderId": client_id, "stopLossPrice": trigger}
    return client.create_order("BTC/USDT", "limit", "sell", quantity, limit, params)


def test_markets_have_the_filters(client):
    market = client.market("ETH/USDT")
    assert market["precision"]["amount"] == 0.0001
    assert market["precision"]["price"] == 0.01
    assert market["limits"]["cost"]["min"] == 5


def test_a_market_buy_comes_back_filled_with_its_fees(client, account):
    order = buy(client)
    assert (order["clientOrderId"], order["status"]) == ("bc-one", "closed")
    assert (order["filled"], order["average"], order["cost"]) == (0.01, 60000, 600)
    (trade,) = order["trades"]
    assert (trade["price"], trade["amount"], trade["id"]) == (60000, 0.01, "5001")
    assert trade["fee"] == {"cost": 0.00001, "currency": "BTC"}
    balance = client.fetch_balance()
    assert (balance["BTC"]["free"], balance["USDT"]["free"]) == (0.50999, 9400)
    assert account.accepted[0]["client_id"] == "bc-one"


def test_a_market_sell_pays_its_fee_in_the_quote_currency(client, account):
    buy(client)
    order = client.create_order("BTC/USDT", "market", "sell", 0.00999)
    assert order["trades"][0]["fee"] == {"cost": 0.5994, "currency": "USDT"}
    assert account.total("USDT") == Decimal("9998.8006")
    assert account.violations == []


def test_fees_in_the_token_of_the_exchange(client, account):
    account.fee_asset = "BNB"
    assert buy(client)["trades"][0]["fee"] == {"cost": 0.0012, "currency": "BNB"}
    assert account.total("BTC") == Decimal("0.51")


def test_selling_the_persons_own_is_noticed(client, account):
    client.create_order("BTC/USDT", "market", "sell", 0.1)
    assert len(account.violations) == 1


def test_the_person_may_sell_and_the_bot_still_may_not(client, account):
    account.person_trades("BTCUSDT", "SELL", "0.4")
    assert account.violations == []
    buy(client)
    client.create_order("BTC/USDT", "market", "sell", 0.009)
    assert account.violations == []
    client.create_order("BTC/USDT", "market", "sell", 0.001)
    assert len(account.violations) == 1


def test_several_trades_and_a_part_that_fills_later(client, account):
    account.plans.append({"shares": [0.25, 0.25], "slip_bps": 5})
    order = buy(client, 0.02)
    assert (order["status"], order["filled"], len(order["trades"])) == ("open", 0.01, 2)
    account.continue_fills()
    order = client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})
    assert (order["status"], order["filled"]) == ("closed", 0.02)
    trades = client.fetch_my_trades("BTC/USDT", since=NOW - 1000)
    assert [t["amount"] for t in trades] == [0.005, 0.005, 0.01]
    assert {t["order"] for t in trades} == {order["id"]}
    assert sum(Decimal(str(t["fee"]["cost"])) for t in trades) == Decimal("0.00002")
    assert account.locked["USDT"] == 0


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_market_order_that_ends_before_it_is_filled(client, account, share):
    account.plans.append({"shares": [share], "rest": "expire"})
    order = buy(client, 0.02)
    assert order["status"] == "expired"
    assert order["filled"] == 0.02 * share
    assert account.locked["USDT"] == 0


def test_a_stop_waits_triggers_and_sells(client, account):
    buy(client)
    order = stop(client, 0.00999, 58000, 57900)
    assert (order["status"], order["triggerPrice"]) == ("open", None)  # FULL does not repeat it
    assert client.fetch_balance()["BTC"]["used"] == 0.00999
    (waiting,) = client.fetch_open_orders("BTC/USDT")
    assert (waiting["stopPrice"], waiting["price"], waiting["amount"]) == (58000, 57900, 0.00999)
    account.set_price("BTCUSDT", "58000.01")
    assert client.fetch_open_orders("BTC/USDT")
    account.set_price("BTCUSDT", "57950")
    assert client.fetch_open_orders("BTC/USDT") == []
    done = client.fetch_order(waiting["id"], "BTC/USDT")
    assert (done["status"], done["average"]) == ("closed", 57950)
    assert account.violations == []


def test_a_stop_limit_that_the_price_jumps_over_rests(client, account):
    buy(client)
    stop(client, 0.00999, 58000, 57900)
    account.set_price("BTCUSDT", "57000")
    (order,) = client.fetch_open_orders("BTC/USDT")
    assert order["filled"] == 0
    account.set_price("BTCUSDT", "57901")
    assert client.fetch_order(order["id"], "BTC/USDT")["status"] == "closed"


def test_a_stop_at_market_fills_wherever_the_price_is(client, account):
    buy(client)
    params = {"stopLossPrice": 58000, "clientOrderId": "bc-s"}
    client.create_order("BTC/USDT", "market", "sell", 0.00999, None, params)
    account.set_price("BTCUSDT", "50000")
    order = client.fetch_order(None, "BTC/USDT", {"origClientOrderId": "bc-s"})
    assert (order["status"], order["average"]) == ("closed", 50000)


def test_cancelling_frees_what_was_locked_and_happens_once(client, account):
    buy(client)
    stop(client, 0.00999, 58000, 57900)
    gone = client.cancel_order(None, "BTC/USDT", {"origClientOrderId": "bc-stop"})
    assert gone["status"] == "canceled"
    assert account.locked["BTC"] == 0
    found = client.fetch_order(None, "BTC/USDT", {"origClientOrderId": "bc-stop"})
    assert found["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        client.cancel_order(None, "BTC/USDT", {"origClientOrderId": "bc-stop"})
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        client.cancel_order("77", "BTC/USDT")


def test_a_limit_order_rests_and_fills(client, account):
    client.create_order("BTC/USDT", "limit", "buy", 0.01, 59000, {"clientOrderId": "bc-l"})
    assert account.locked["USDT"] == 590
    account.set_price("BTCUSDT", "58999")
    order = client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-l"})
    assert (order["status"], order["average"]) == ("closed", 58999)
    assert account.total("USDT") == Decimal("10000") - Decimal("589.99")


REFUSALS = {
    "lot": (lambda c: c.privatePostOrder(raw(quantity="0.000015")), ccxt.InvalidOrder, "LOT_SIZE"),
    "tick": (
        lambda c: c.privatePostOrder(
            raw(type="LIMIT", price="60000.001", timeInForce="GTC", quantity="0.01")
        ),
        ccxt.InvalidOrder,
        "PRICE_FILTER",
    ),
    "notional": (lambda c: buy(c, 0.00008), ccxt.BadRequest, "NOTIONAL"),
    "insufficient": (lambda c: buy(c, 1), ccxt.InsufficientFunds, "insufficient balance"),
    "triggers": (lambda c: stop(c, 0.01, 61000, 60900), ccxt.ExchangeError, "trigger immediately"),
    "client id": (lambda c: buy(c, 0.01, "bc one"), ccxt.BadRequest, "-1100"),
    "symbol": (lambda c: c.privatePostOrder(raw(symbol="XUSDT")), ccxt.BadSymbol, "-1121"),
    "precision": (
        lambda c: c.privatePostOrder(raw(quantity="0.0100000001")),
        ccxt.BadRequest,
        "-1111",
    ),
    "unknown": (
        lambda c: c.fetch_order(None, "BTC/USDT", {"origClientOrderId": "bc-none"}),
        ccxt.OrderNotFound,
        "-2013",
    ),
}


def raw(**values):
    return {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"} | values


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_exchange_refuses(client, account, name):
    call, error, words = REFUSALS[name]
    with pytest.raises(error, match=words):
        call(client)
    assert account.accepted == []
    assert account.total("USDT") == 10000
    assert account.locked["USDT"] == 0


def test_a_client_id_twice_is_refused_while_the_first_is_open_only(client, account):
    buy(client)
    buy(client)  # the first is filled: as on the real exchange, it is bought again
    stop(client, 0.01, 58000, 57900)
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        stop(client, 0.005, 58000, 57900)
    assert [a["client_id"] for a in account.accepted] == ["bc-one", "bc-one", "bc-stop"]
    assert account.locked["BTC"] == Decimal("0.01")


def test_a_test_order_is_checked_and_not_placed(client, account):
    client.create_order("BTC/USDT", "market", "buy", 0.01, None, {"test": True})
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        client.create_order("BTC/USDT", "market", "buy", 0.00001, None, {"test": True})
    assert account.orders == []


def test_permissions_of_the_key(client, exchange):
    assert client.sapiGetAccountApiRestrictions()["enableWithdrawals"] is False
    exchange.restrictions["enableWithdrawals"] = True
    assert client.sapiGetAccountApiRestrictions()["enableWithdrawals"] is True


def test_signature_key_and_time_are_checked(exchange, account):
    for key, secret, code in [
        (KEY, "t" * 64, "-1022"),
        ("x" * 64, SECRET, "-2015"),
        ("short", SECRET, "-2014"),
    ]:
        with pytest.raises(ccxt.AuthenticationError, match=code):
            buy(client_of(exchange, key, secret))
    late = client_of(exchange)
    for skew in (-5001, 1000):
        late.milliseconds = lambda skew=skew: NOW + skew
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            buy(late)
    late.milliseconds = lambda: NOW - 5001
    late.options["recvWindow"] = 6000
    late.fetch_balance()
    late.milliseconds = lambda: NOW - 8000
    late.options["adjustForTimeDifference"] = True
    late.load_markets(True)
    late.fetch_balance()
    assert account.accepted == []


def test_a_changed_query_is_refused(exchange, account):
    client = client_of(exchange)
    client.load_markets()
    signed = client.sign("order", ["private"], "POST", raw())
    body = signed["body"].replace("0.01", "0.02")
    reply = requests.post(signed["url"], data=body, headers=signed["headers"], timeout=5)
    assert reply.json()["code"] == -1022
    reply = requests.post(signed["url"], data=signed["body"], headers=signed["headers"], timeout=5)
    assert reply.json()["status"] == "FILLED"
    assert len(account.accepted) == 1


def test_trades_come_in_pages(client, account, exchange):
    for k in range(5):
        exchange.advance(1000)
        buy(client, 0.001, f"bc-{k}")
    first = client.fetch_my_trades("BTC/USDT", since=NOW, limit=3)
    assert [t["id"] for t in first] == ["5001", "5002", "5003"]
    rest = client.fetch_my_trades("BTC/USDT", since=first[-1]["timestamp"], limit=3)
    assert [t["id"] for t in rest] == ["5003", "5004", "5005"]
    newest = client.fetch_my_trades("BTC/USDT", limit=2)
    assert [t["id"] for t in newest] == ["5004", "5005"]
    one = client.fetch_my_trades("BTC/USDT", None, None, {"orderId": first[1]["order"]})
    assert [t["id"] for t in one] == ["5002"]
    assert len(client.fetch_orders("BTC/USDT")) == 5


def test_the_account_outlives_its_server(client, exchange, account):
    buy(client)
    port = exchange.port
    exchange.stop()
    with pytest.raises(ccxt.NetworkError):
        buy(client, 0.01, "bc-two")
    exchange.start()
    assert exchange.port == port
    assert client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})["filled"] == 0.01
    assert len(account.accepted) == 1


AFTER = {
    "drop": ({"kind": "drop"}, ccxt.NetworkError),
    "truncated": ({"kind": "truncated"}, ccxt.BaseError),
    "-1000": ({"kind": "error", "code": -1000}, ccxt.OperationFailed),
    "-1001": ({"kind": "error", "code": -1001}, ccxt.OperationFailed),
    "-1006": ({"kind": "error", "code": -1006}, ccxt.OperationFailed),
    "-1007": ({"kind": "error", "code": -1007}, ccxt.RequestTimeout),
    "502": ({"kind": "status", "status": 502, "html": True}, ccxt.ExchangeNotAvailable),
    "429": (
        {"kind": "error", "code": -1003, "headers": {"Retry-After": "7"}},
        ccxt.DDoSProtection,
    ),
    "slow": ({"kind": "slow", "seconds": 5}, ccxt.RequestTimeout),
    "timeout": ({"kind": "timeout"}, ccxt.RequestTimeout),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", AFTER)
def test_a_reply_lost_before_or_after_the_order(client, exchange, account, name, when):
    fault, error = AFTER[name]
    waits = []
    client.session.mount("http://", TimeoutAdapter(requests.adapters.HTTPAdapter(), waits.append))
    client.timeout = 200
    exchange.set_faults(fault | {"path": "POST order", "when": when})
    with pytest.raises(error):
        buy(client)
    assert len(account.accepted) == (when == "after")
    assert waits == ([0.2] if name == "timeout" else [])
    if name == "429":
        assert client.last_response_headers["Retry-After"] == "7"
    client.timeout = 2000
    if when == "after":
        assert client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})["filled"] == 0.01
    else:
        with pytest.raises(ccxt.OrderNotFound):
            client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})


@pytest.mark.parametrize("kind", ["html", "drop_headers"])
def test_a_page_or_nothing_with_status_200_raises_nothing(client, exchange, account, kind):
    exchange.set_faults({"path": "POST order", "kind": kind, "when": "after"})
    assert buy(client)["id"] is None
    assert len(account.accepted) == 1


def test_an_order_that_is_seen_late(client, exchange):
    exchange.set_faults({"path": "POST order", "kind": "none", "hide_ms": 3000, "hide_asks": 1})
    buy(client)
    exchange.advance(3000)
    for _ in range(1):
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})
    assert client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})["filled"] == 0.01


@pytest.mark.parametrize(("ms", "placed"), [(4000, 1), (6000, 0)])
def test_a_request_that_arrives_late_counts_within_its_window(
    client, exchange, account, ms, placed
):
    exchange.set_faults({"path": "POST order", "kind": "late", "ms": ms})
    with pytest.raises(ccxt.NetworkError):
        buy(client)
    exchange.advance(3999)
    assert account.accepted == []
    exchange.advance(60_000)
    assert len(account.accepted) == placed
    if placed:
        assert account.accepted[0]["time"] == NOW + ms


def test_faults_of_one_endpoint_leave_the_others_alone(client, exchange):
    exchange.set_faults({"path": "GET order", "kind": "drop", "skip": 1, "times": 1})
    buy(client)
    client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})
    with pytest.raises(ccxt.NetworkError):
        client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})
    client.fetch_order(None, "BTC/USDT", {"clientOrderId": "bc-one"})
    assert [r["path"] for r in exchange.asked("POST order")] == ["POST order"]
    assert len(exchange.asked("GET order")) == 3


def test_the_price_is_public(client, account):
    account.set_price("BTCUSDT", "61234.56")
    assert client.fetch_ticker("BTC/USDT")["last"] == 61234.56
