"""Entries that the tests of the ledger start from, and strategies for any entry."""

from decimal import Decimal

from hypothesis import strategies as st

from bot_cripto.ledger import events
from bot_cripto.ledger.events import Action, Fill, Funding, Intent, Mark, OrderEvent

STEP = 300_000
CLOSE_MS = 1_725_597_900_000  # 2024-09-06T04:45:00Z


def intent(number=0, **changes):
    close_ms = CLOSE_MS + number * STEP
    values = {
        "intent_id": events.intent_id("BTC/USDT", close_ms, events.OPEN),
        "symbol": "BTC/USDT",
        "candle_ms": close_ms,
        "revision": 0,
        "kind": events.OPEN,
        "side": events.BUY,
        "quantity": Decimal("0.0125"),
        "reason": "signal",
        "created_ms": close_ms + 1_500,
        "fill_from_ms": close_ms,
        "reference_price": Decimal("56123.45"),
        "stop_distance": 0.0123,
        "target_distance": None,
        "exit_ms": close_ms + 5 * STEP,
    }
    return Intent(**{**values, **changes})


def fill(number=0, **changes):
    of = intent(number)
    values = {
        "fill_id": events.paper_fill_id(of.intent_id, of.fill_from_ms, "signal"),
        "intent_id": of.intent_id,
        "symbol": of.symbol,
        "side": of.side,
        "quantity": of.quantity,
        "price": Decimal("56150.01"),
        "fee": Decimal("0.70187513"),
        "fee_currency": "USDT",
        "time_ms": of.fill_from_ms,
        "reason": "signal",
    }
    return Fill(**{**values, **changes})


def order_event(number=0, state=events.SENDING, **changes):
    of = intent(number)
    client_id = events.client_order_id(of.intent_id)
    values = {
        "event_id": events.event_id(client_id, state, Decimal(0), None),
        "client_id": client_id,
        "intent_id": of.intent_id,
        "state": state,
        "time_ms": of.created_ms + 10,
    }
    return OrderEvent(**{**values, **changes})


def action(kind="kill", time_ms=CLOSE_MS, data=None):
    number = events.action_id(kind, time_ms, "ana", "why")
    return Action(number, kind, time_ms, "ana", "why", data or {})


def funding(number=0, **changes):
    time_ms = CLOSE_MS + number * STEP
    values = {
        "funding_id": events.funding_id("BTC/USDT", time_ms),
        "symbol": "BTC/USDT",
        "time_ms": time_ms,
        "quantity": Decimal("0.0125"),
        "price": Decimal("56140"),
        "amount": Decimal("0.070175"),
    }
    return Funding(**{**values, **changes})


def mark(number=0, equity="10000"):
    return Mark(CLOSE_MS + number * STEP, Decimal(equity), Decimal("9000.5"), Decimal("999.5"))


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
times = st.integers(0, 2**53)
decimals = st.decimals(
    min_value=-(10**15), max_value=10**15, allow_nan=False, allow_infinity=False
).filter(lambda number: number.as_tuple().exponent >= -100)
reals = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | reals | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

INTENT_IDS = ("i1", "i2", "i3")

intents = st.builds(
    Intent,
    intent_id=st.sampled_from(INTENT_IDS),
    symbol=texts,
    candle_ms=times,
    revision=st.integers(0, 9),
    kind=st.sampled_from(events.INTENT_KINDS),
    side=st.sampled_from((events.BUY, events.SELL)),
    quantity=decimals,
    reason=texts,
    created_ms=times,
    fill_from_ms=times,
    reference_price=decimals,
    stop_distance=st.none() | reals,
    target_distance=st.none() | reals,
    exit_ms=st.none() | times,
    trigger_price=st.none() | decimals,
)
order_events = st.builds(
    OrderEvent,
    event_id=st.sampled_from(("e1", "e2")),
    client_id=texts,
    intent_id=st.sampled_from(INTENT_IDS),
    state=st.sampled_from(events.ORDER_STATES),
    time_ms=times,
    exchange_id=st.none() | texts,
    filled=decimals,
    detail=texts,
)
fills = st.builds(
    Fill,
    fill_id=st.sampled_from(("f1", "f2")),
    intent_id=st.sampled_from(INTENT_IDS),
    symbol=texts,
    side=st.sampled_from((events.BUY, events.SELL)),
    quantity=decimals,
    price=decimals,
    fee=decimals,
    fee_currency=texts,
    time_ms=times,
    reason=texts,
)
fundings = st.builds(
    Funding,
    funding_id=st.sampled_from(("n1", "n2")),
    symbol=texts,
    time_ms=times,
    quantity=decimals,
    price=decimals,
    amount=decimals,
)
actions = st.builds(
    Action,
    action_id=st.sampled_from(("a1", "a2")),
    kind=texts,
    time_ms=times,
    who=texts,
    reason=texts,
    data=st.dictionaries(texts, json_values, max_size=3),
)
marks = st.builds(
    Mark, candle_ms=st.integers(0, 2), equity=decimals, cash=decimals, exposure=decimals
)
entries = intents | order_events | fills | fundings | actions | marks
