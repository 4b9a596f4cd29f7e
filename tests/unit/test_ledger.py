import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import ledger_examples as examples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_examples import CLOSE_MS, STEP, action, fill, funding, intent, mark, order_event

from bot_cripto.errors import DataError, LedgerError
from bot_cripto.ledger import events
from bot_cripto.ledger.events import Action, Fill, Funding, Intent, Mark, OrderEvent
from bot_cripto.ledger.rows import decimal_text
from bot_cripto.ledger.store import CHAINED, Ledger


@pytest.fixture
def ledger():
    with Ledger.in_memory() as opened:
        yield opened


def filled(path, trades=3):
    """Write some trades and return how many rows are chained."""
    with Ledger.open(path) as ledger:
        for number in range(trades):
            ledger.add(intent(number))
            ledger.add(order_event(number))
            ledger.add(order_event(number, events.FILLED))
            ledger.add(fill(number))
            ledger.add(mark(number))
        ledger.add(action())
        ledger.add(action("release", CLOSE_MS + 9))
        ledger.add(funding())
    return trades * 4 + 3


def tamper(path, *statements):
    """Change a file as somebody with another tool would; the triggers out of the way."""
    with closing(sqlite3.connect(path)) as connection:
        named = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = connection.execute(named).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def test_an_entry_is_written_once(ledger):
    for entry in (intent(), order_event(), fill(), funding(), action(), mark()):
        assert ledger.add(entry) is True
        assert ledger.add(entry) is False
    assert ledger.intents() == [intent()]
    assert ledger.order_events() == [order_event()]
    assert ledger.fills() == [fill()]
    assert ledger.funding() == [funding()]
    assert ledger.actions() == [action()]
    assert ledger.marks() == [mark()]
    assert ledger.check() == []


def test_an_equal_number_in_another_writing_is_the_same_entry(ledger):
    assert ledger.add(intent(quantity=Decimal("1.50")))
    assert not ledger.add(intent(quantity=Decimal("1.5")))
    assert not ledger.add(intent(quantity=Decimal("15E-1")))


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (intent(), intent(quantity=Decimal("9.75")), ("0.0125", "9.75")),
        (intent(), intent(stop_distance=None), ("0.0123", "None")),
        (fill(), fill(price=Decimal("1")), ("56150.01", "'1'")),
        (funding(), funding(amount=Decimal("1")), ("0.070175", "'1'")),
        (order_event(), order_event(detail="no"), ("detail=''", "detail='no'")),
        (mark(), mark(equity="1"), ("10000", "'1'")),
        (action(data={"a": 1}), action(data={"a": 2}), ("{'a': 1}", "{'a': 2}")),
    ],
)
def test_another_entry_of_an_id_is_refused_and_both_are_named(ledger, first, second, shown):
    ledger.add(intent())
    ledger.add(first)
    with pytest.raises(LedgerError) as caught:
        ledger.add(second)
    assert all(text in str(caught.value) for text in shown)
    assert isinstance(caught.value, DataError)
    assert not ledger.add(first)


@pytest.mark.parametrize("entry", [fill(7), order_event(7)])
def test_what_refers_to_no_known_intent_is_refused(ledger, entry):
    with pytest.raises(LedgerError, match="write the intent first"):
        ledger.add(entry)
    assert ledger.fills() == ledger.order_events() == []


@pytest.mark.parametrize(
    "entry",
    [
        intent(quantity=1.5),
        intent(quantity=Decimal("NaN")),
        intent(quantity=Decimal("Infinity")),
        intent(quantity=Decimal("1E+101")),
        intent(quantity=Decimal("1E-101")),
        intent(stop_distance=float("nan")),
        intent(candle_ms=1.5),
        intent(reason=None),
        intent(kind=None),
        action(data={"price": Decimal(1)}),
        action(data={"value": float("nan")}),
        action(data={1: "a key that is no text"}),
    ],
)
def test_what_would_not_come_back_exactly_is_refused(ledger, entry):
    with pytest.raises(LedgerError, match="cannot be stored"):
        ledger.add(entry)
    assert ledger.entries_after({}) == []


def test_a_number_beyond_64_bits_is_refused(ledger):
    with pytest.raises(LedgerError, match="cannot be stored"):
        ledger.add(intent(candle_ms=2**63))


def test_half_a_surrogate_pair_of_a_reply_is_kept_as_text(ledger):
    ledger.add(intent())
    assert ledger.add(order_event(detail="no \ud800 funds"))
    assert not ledger.add(order_event(detail="no \ud800 funds"))
    assert ledger.order_events()[0].detail == "no \\ud800 funds"
    assert ledger.check() == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E+2", "100"),
        ("-0.00", "0"),
        ("0E-9", "0"),
        ("1E-8", "0.00000001"),
        ("-12.3400", "-12.34"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_a_decimal_has_one_text(number, text):
    assert decimal_text(Decimal(number)) == text


@settings(max_examples=200, deadline=None)
@given(examples.entries)
def test_every_entry_comes_back_equal(entry):
    with Ledger.in_memory() as ledger:
        if isinstance(entry, OrderEvent | Fill):
            ledger.add(intent(intent_id=entry.intent_id))
        ledger.add(entry)
        found = {
            Intent: ledger.intents,
            OrderEvent: ledger.order_events,
            Fill: ledger.fills,
            Funding: ledger.funding,
            Action: ledger.actions,
            Mark: ledger.marks,
        }[type(entry)]()[-1]
        assert found == entry and type(found) is type(entry)
        assert [type(value) for value in vars(found).values()] == [
            type(value) for value in vars(entry).values()
        ]
        assert ledger.check() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(examples.entries | st.just("reopen") | st.just("fail"), max_size=15))
def test_the_ledger_is_a_dict_that_keeps_the_first_of_each_id(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("ledger") / "a.db"
    model = {table: {} for table in (*CHAINED, "marks")}
    order = []
    ledger = Ledger.open(path)
    for step in steps:
        if step == "reopen":
            ledger.close()
            ledger = Ledger.open(path)
            continue
        if step == "fail":
            with pytest.raises(ZeroDivisionError), ledger.transaction():
                ledger.add(action("undone"))
                raise ZeroDivisionError
            continue
        table, key = {
            Intent: ("intents", "intent_id"),
            OrderEvent: ("order_events", "event_id"),
            Fill: ("fills", "fill_id"),
            Funding: ("funding", "funding_id"),
            Action: ("actions", "action_id"),
            Mark: ("marks", "candle_ms"),
        }[type(step)]
        known = model[table].get(getattr(step, key))
        dangling = table in ("order_events", "fills") and step.intent_id not in model["intents"]
        if (known is not None and known != step) or (known is None and dangling):
            with pytest.raises(LedgerError):
                ledger.add(step)
        else:
            assert ledger.add(step) is (known is None)
            if known is None:
                model[table][getattr(step, key)] = step
                order += [step] if table != "marks" else []
    ledger.close()
    with Ledger.open(path, readonly=True) as ledger:
        assert [entry for _, _, entry in ledger.entries_after({})] == order
        assert ledger.intents() == list(model["intents"].values())
        assert ledger.fills() == list(model["fills"].values())
        assert ledger.funding() == list(model["funding"].values())
        assert ledger.payments() == [e for e in order if isinstance(e, Fill | Funding)]
        assert ledger.marks() == sorted(model["marks"].values(), key=lambda m: m.candle_ms)
        assert ledger.check() == []


def test_readers_choose(ledger):
    for number in range(3):
        ledger.add(intent(number))
        ledger.add(fill(number))
        ledger.add(mark(number))
    other = intent(5, symbol="ETH/USDT")
    ledger.add(other)
    ledger.add(order_event(1))
    ledger.add(order_event(0))
    ledger.add(order_event(1, events.FILLED, filled=Decimal("0.0125")))
    ledger.add(action("kill"))
    ledger.add(action("pause"))
    assert ledger.intents("ETH/USDT") == [other]
    assert ledger.intents(since_ms=intent(2).created_ms) == [intent(2), other]
    assert ledger.intents("BTC/USDT", intent(2).created_ms) == [intent(2)]
    assert ledger.intent(other.intent_id) == other and ledger.intent("none") is None
    assert ledger.fills(since_ms=CLOSE_MS + STEP) == [fill(1), fill(2)]
    assert ledger.marks(since_ms=CLOSE_MS + 2 * STEP) == [mark(2)] == [ledger.last_mark()]
    assert ledger.actions("pause") == [action("pause")]
    assert ledger.order_events(order_event(0).client_id) == [order_event(0)]
    assert list(ledger.orders().items()) == [
        (order_event(0).client_id, order_event(0)),
        (order_event(1).client_id, order_event(1, events.FILLED, filled=Decimal("0.0125"))),
    ]


def test_an_empty_ledger_has_nothing(ledger):
    assert ledger.last_mark() is None and ledger.orders() == {} == dict(ledger.entries_after({}))
    assert ledger.check() == []


def test_a_follower_sees_everything_once_in_the_order_of_writing(ledger):
    written = [intent(0), order_event(0), action(), fill(0), funding(), intent(1), fill(1)]
    seen, followed = {}, []
    for entry in written:
        ledger.add(entry)
        for table, number, news in ledger.entries_after(seen):
            followed.append(news)
            seen[table] = number
    assert followed == written
    assert ledger.entries_after(seen) == []
    assert [number for _, number, _ in ledger.entries_after()] == [1, 2, 3, 4, 5, 6, 7]
    assert ledger.payments() == [fill(0), funding(), fill(1)]


def test_marks_are_replaced_at_once(ledger):
    for number in range(3):
        ledger.add(mark(number))
    ledger.replace_marks([mark(1, "5"), mark(7)])
    assert ledger.marks() == [mark(1, "5"), mark(7)]
    with pytest.raises(LedgerError):
        ledger.replace_marks([mark(1), mark(1)])
    assert ledger.marks() == [mark(1, "5"), mark(7)]


def test_a_transaction_is_written_at_once_or_not_at_all(ledger):
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        ledger.add(intent())
        with ledger.transaction():
            ledger.add(fill())
        raise ZeroDivisionError
    assert ledger.entries_after({}) == []
    with ledger.transaction():
        ledger.add(intent())
        with pytest.raises(LedgerError), ledger.transaction():
            ledger.add(intent(reason="other"))
        ledger.add(fill())
    assert ledger.intents() == [intent()] and ledger.fills() == [fill()]
    assert ledger.check() == []


def test_nothing_is_written_through_a_ledger_open_for_reading(tmp_path):
    filled(tmp_path / "a.db")
    with Ledger.open(tmp_path / "a.db", readonly=True) as ledger:
        for write in (lambda: ledger.add(intent(9)), lambda: ledger.replace_marks([])):
            with pytest.raises(LedgerError, match="open for reading"):
                write()
        assert len(ledger.intents()) == 3


@pytest.mark.parametrize("table", CHAINED)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET chain = ''", "DELETE FROM {0}"])
def test_rows_are_never_changed(tmp_path, table, statement):
    filled(tmp_path / "a.db")
    with (
        closing(sqlite3.connect(tmp_path / "a.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match=f"{table} only ever grows"),
    ):
        connection.execute(statement.format(table))
    with Ledger.open(tmp_path / "a.db") as ledger:
        assert ledger.check() == []


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        (
            "UPDATE fills SET price = '1' WHERE number = 4",
            rf"^fills: the row with number 4 \(fill_id {fill().fill_id}\) was changed",
        ),
        ("UPDATE intents SET stop_distance = 0.5 WHERE number = 1", "^intents: .*number 1 "),
        ("UPDATE order_events SET number = 99 WHERE number = 2", "^order_events: .*number 3 "),
        ("DELETE FROM order_events WHERE number = 3", "^order_events: .*number 6 "),
        ("DELETE FROM fills WHERE number = 8", "1 rows were removed, the first is number 8"),
        ("DELETE FROM intents WHERE number = 5", "refers to a row of intents that is not there"),
        ("DROP INDEX order_events_client", "^index order_events_client is missing"),
        ("UPDATE marks SET cash = 'much'", "^marks: 1725597900000 holds what cannot be read"),
    ],
)
def test_a_change_by_hand_is_found(tmp_path, statement, shown):
    path = tmp_path / "a.db"
    filled(path)
    tamper(path, statement)
    try:
        with Ledger.open(path, readonly=True) as ledger:
            found = ledger.check()
    except LedgerError as error:
        found = [str(error).removeprefix(f"{path}: ")]
    assert any(re.search(shown, text) for text in found), found


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM fills WHERE number = 12",
        "DELETE FROM fills",
        "UPDATE fills SET number = 99 WHERE number = 4",
        "UPDATE actions SET who = 'bob' WHERE number = 14",
        "UPDATE actions SET chain = 'bob' WHERE number = 13",
        "UPDATE funding SET amount = '0' WHERE number = 15",
        "DELETE FROM funding",
    ],
)
def test_a_changed_end_is_found_when_the_ledger_is_opened(tmp_path, statement, readonly):
    assert filled(tmp_path / "a.db") == 15
    tamper(tmp_path / "a.db", statement)
    with pytest.raises(LedgerError, match="bring back the last backup"):
        Ledger.open(tmp_path / "a.db", readonly=readonly)


def test_a_missing_trigger_is_found(tmp_path):
    filled(tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("DROP TRIGGER fills_no_update")
    with Ledger.open(tmp_path / "a.db") as ledger:
        (found,) = ledger.check()
    assert "trigger fills_no_update" in found and found.endswith("is missing or altered")


def test_an_entry_that_cannot_be_read_is_no_entry(tmp_path):
    filled(tmp_path / "a.db")
    tamper(tmp_path / "a.db", "UPDATE fills SET price = 'much' WHERE number = 4")
    with (
        Ledger.open(tmp_path / "a.db") as ledger,
        pytest.raises(LedgerError, match="cannot be read"),
    ):
        ledger.fills()


def test_entries_are_never_changed_in_place():
    with pytest.raises(AttributeError):
        intent().quantity = Decimal(1)
    assert replace(intent(), revision=1) != intent()
