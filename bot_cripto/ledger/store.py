"""The ledger of one account: intents, orders, fills, funding and actions, each written once."""
# ruff: noqa: S608 - what is put into queries are names of tables and columns, never values

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bot_cripto.errors import LedgerError
from bot_cripto.ledger.closing import Closing
from bot_cripto.ledger.events import Action, Fill, Funding, Intent, Mark, OrderEvent
from bot_cripto.ledger.records import NUMBER, Records, append_only
from bot_cripto.ledger.rows import (
    ACTIONS,
    COLUMNS,
    FILLS,
    FUNDING,
    INTENTS,
    MARKS,
    ORDER_EVENTS,
    Entry,
    decode,
    encode,
)

APPLICATION_ID = 0x42435247
"""``BCRG`` in the header of the file: Bot Cripto's ledger."""

_BEGUN_WITH = (INTENTS, ORDER_EVENTS, FILLS, ACTIONS)

CHAINED = (*_BEGUN_WITH, FUNDING)
"""The tables that only grow; marks are derived and can be made again."""

_FUNDING_SINCE = 1002
"""The version whose files have a table of funding."""

_FIRST, _LAST = -(2**63), 2**63 - 1
"""Any time lies between; SQLite finds a range by its key, but not one that may be null."""

_NUMBER = f"{NUMBER} INTEGER PRIMARY KEY AUTOINCREMENT"

MIGRATIONS = (
    (
        1000,
        (
            f"""CREATE TABLE intents ({_NUMBER}, intent_id TEXT NOT NULL UNIQUE,
                symbol TEXT NOT NULL, candle_ms INTEGER NOT NULL, revision INTEGER NOT NULL,
                kind TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL,
                reason TEXT NOT NULL, created_ms INTEGER NOT NULL,
                fill_from_ms INTEGER NOT NULL, reference_price TEXT NOT NULL,
                stop_distance REAL, target_distance REAL, exit_ms INTEGER, trigger_price TEXT,
                chain TEXT NOT NULL)""",
            f"""CREATE TABLE order_events ({_NUMBER}, event_id TEXT NOT NULL UNIQUE,
                client_id TEXT NOT NULL, intent_id TEXT NOT NULL REFERENCES intents (intent_id),
                state TEXT NOT NULL, time_ms INTEGER NOT NULL, exchange_id TEXT,
                filled TEXT NOT NULL, detail TEXT NOT NULL, chain TEXT NOT NULL)""",
            f"""CREATE TABLE fills ({_NUMBER}, fill_id TEXT NOT NULL UNIQUE,
                intent_id TEXT NOT NULL REFERENCES intents (intent_id), symbol TEXT NOT NULL,
                side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL,
                fee TEXT NOT NULL, fee_currency TEXT NOT NULL, time_ms INTEGER NOT NULL,
                reason TEXT NOT NULL, chain TEXT NOT NULL)""",
            f"""CREATE TABLE actions ({_NUMBER}, action_id TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL, time_ms INTEGER NOT NULL, who TEXT NOT NULL,
                reason TEXT NOT NULL, data TEXT NOT NULL, chain TEXT NOT NULL)""",
            *(statement for table in _BEGUN_WITH for statement in append_only(table)),
        ),
    ),
    (
        1001,
        (
            """CREATE TABLE marks (candle_ms INTEGER PRIMARY KEY, equity TEXT NOT NULL,
                cash TEXT NOT NULL, exposure TEXT NOT NULL)""",
            "CREATE INDEX order_events_client ON order_events (client_id)",
        ),
    ),
    (
        _FUNDING_SINCE,
        (
            f"""CREATE TABLE funding ({_NUMBER}, funding_id TEXT NOT NULL UNIQUE,
                symbol TEXT NOT NULL, time_ms INTEGER NOT NULL, quantity TEXT NOT NULL,
                price TEXT NOT NULL, amount TEXT NOT NULL, chain TEXT NOT NULL)""",
            *append_only(FUNDING),
        ),
    ),
)


class Ledger(Closing):
    """The ledger of one account, open; a context manager that closes it.

    Entries come back in the order in which they were written. Every method raises LedgerError
    where the file turns out to be damaged, and BusyError where another process kept writing.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    @classmethod
    def open(cls, path: Path | str, readonly: bool = False) -> Ledger:
        """Return the ledger at `path`, made or migrated if need be; see `database.connect`.

        Raises
        ------
        FileNotFoundError
            `readonly`, and there is none.
        LedgerError
            It is damaged, was changed afterwards, or is none.
        """
        return cls(Records(path, MIGRATIONS, APPLICATION_ID, readonly=readonly))

    @classmethod
    def in_memory(cls) -> Ledger:
        """Return a new ledger that is nowhere but in memory."""
        return cls(Records(None, MIGRATIONS, APPLICATION_ID))

    @property
    def path(self) -> Path | None:
        """Where it lies; None in memory."""
        return self._records.path

    def close(self) -> None:
        """Close the ledger; may be called again."""
        self._records.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which everything is written at once, or, on any error, nothing.

        Inside another one it joins that one. Of a ledger open for reading, all that is read
        inside is of one moment. See `Records.transaction`.
        """
        return self._records.transaction()

    def add(self, entry: Entry) -> bool:
        """Write an entry; True if it is new, False if it is there already, identical.

        Raises
        ------
        LedgerError
            Another entry has its id, it refers to an intent that is not there, a field cannot be
            stored exactly, the disk is full, or the ledger is open for reading. Nothing of it
            was written.
        """
        table, row = encode(entry)
        names = COLUMNS[table]
        key = names[0]
        with self._records.writing():
            present = self._select(table, f"WHERE {key} = ?", (row[key],))
            if present:
                if encode(present[0])[1] == row:
                    return False
                raise LedgerError(
                    f"{self._records.name}: {table} has another entry of this id: it holds "
                    f"{present[0]}, and {entry} was to be written"
                )
            if table == MARKS:
                self._insert_mark(row)
                return True
            intent = row["intent_id"] if table in (ORDER_EVENTS, FILLS) else None
            if intent is not None and not self.intent(str(intent)):
                raise LedgerError(
                    f"{self._records.name}: {entry} refers to the intent {intent}, which is not "
                    "in the ledger; write the intent first"
                )
            self._records.append(table, row)
        return True

    def intents(self, symbol: str | None = None, since_ms: int | None = None) -> list[Intent]:
        """Return the intents, of one symbol if given, made at `since_ms` or later."""
        return self._select(
            INTENTS,
            "WHERE (?1 IS NULL OR symbol = ?1) AND (?2 IS NULL OR created_ms >= ?2)",
            (symbol, since_ms),
        )

    def intent(self, intent_id: str) -> Intent | None:
        """Return the intent of that id, or None."""
        found = self._select(INTENTS, "WHERE intent_id = ?", (intent_id,))
        return found[0] if found else None

    def order_events(self, client_id: str | None = None) -> list[OrderEvent]:
        """Return the order events, of one order if given."""
        if client_id is None:
            return self._select(ORDER_EVENTS)
        return self._select(ORDER_EVENTS, "WHERE client_id = ?", (client_id,))

    def unfinished(self, final: Collection[str]) -> tuple[set[str], list[OrderEvent]]:
        """Return the intents whose last order event is final, and the events of all others.

        Of a long ledger nearly all are finished: their events are never made into objects.

        Parameters
        ----------
        final : collection of str
            States after which nothing follows by itself.
        """
        last = f"SELECT intent_id, state, max({NUMBER}) FROM order_events GROUP BY intent_id"
        states = {name: state for name, state, _ in self._records.rows(last)}
        finished = {name for name, state in states.items() if state in final}
        events = f"SELECT {NUMBER}, {', '.join(COLUMNS[ORDER_EVENTS])} FROM order_events"
        rows = [
            row
            for name in states.keys() - finished
            for row in self._records.rows(f"{events} WHERE intent_id = ?", (name,))
        ]
        return finished, [decode(ORDER_EVENTS, row[1:]) for row in sorted(rows)]

    def orders(self) -> dict[str, OrderEvent]:
        """Return the last event of each order, by its client id, in the order of these events."""
        last = f"SELECT max({NUMBER}) FROM order_events GROUP BY client_id"
        events = self._select(ORDER_EVENTS, f"WHERE {NUMBER} IN ({last})")
        return {event.client_id: event for event in events}

    def fills(self, since_ms: int | None = None) -> list[Fill]:
        """Return the fills that happened at `since_ms` or later, all by default."""
        return self._select(FILLS, "WHERE ?1 IS NULL OR time_ms >= ?1", (since_ms,))

    def funding(self) -> list[Funding]:
        """Return what positions have paid for being held."""
        return self._select(FUNDING)

    def payments(self) -> list[Fill | Funding]:
        """Return fills and funding, in the order in which they were written."""
        return [entry for _, _, entry in self._after({}, (FILLS, FUNDING))]

    def actions(self, kind: str | None = None) -> list[Action]:
        """Return the actions, of one kind if given."""
        return self._select(ACTIONS, "WHERE ?1 IS NULL OR kind = ?1", (kind,))

    def marks(self, since_ms: int | None = None, until_ms: int | None = None) -> list[Mark]:
        """Return the marks of candles that closed in [since_ms, until_ms], by candle."""
        bounds = (_FIRST if since_ms is None else since_ms, _LAST if until_ms is None else until_ms)
        return self._select(MARKS, "WHERE candle_ms BETWEEN ? AND ?", bounds)

    def marks_before_entries(self) -> list[Mark]:
        """Return of each fill that opens the newest mark up to its time, each mark once."""
        before = "SELECT max(candle_ms) FROM marks WHERE candle_ms <= time_ms"
        opening = "fills JOIN intents USING (intent_id) WHERE kind = 'open'"
        return self._select(MARKS, f"WHERE candle_ms IN (SELECT ({before}) FROM {opening})")

    def last_mark(self, until_ms: int | None = None) -> Mark | None:
        """Return the newest mark of a candle that closed up to `until_ms`, or None."""
        newest = "SELECT max(candle_ms) FROM marks WHERE candle_ms <= ?"
        found = self._select(
            MARKS, f"WHERE candle_ms = ({newest})", (_LAST if until_ms is None else until_ms,)
        )
        return found[0] if found else None

    def entries_after(
        self, rowid_by_table: Mapping[str, int] | None = None
    ) -> list[tuple[str, int, Any]]:
        """Return what was written after the numbers that a follower has seen, all of one moment.

        Parameters
        ----------
        rowid_by_table : mapping of str to int, optional
            Last seen number by table (`CHAINED`); 0 for a table that is not in it.

        Returns
        -------
        list of (str, int, entry)
            Table, number and entry, in the order in which they were written, across tables.
            Marks are not among them.
        """
        return self._after(rowid_by_table or {}, CHAINED)

    def replace_marks(self, marks: Iterable[Mark]) -> None:
        """Write these marks in place of all that are there: they are derived from the rest."""
        with self._records.writing():
            self._records.execute("DELETE FROM marks")
            for mark in marks:
                self._insert_mark(encode(mark)[1])

    def check(self) -> list[str]:
        """Return everything that is wrong with the ledger, as sentences; empty when it is sound.

        Reads all of it: its pages, hashes, numbers, references and every entry. Whoever can
        write the file can also write it anew with fitting hashes: this shows accidents and
        careless hands; against others keep backups elsewhere.
        """

        def unreadable(table: str) -> Iterator[str]:
            for row in self._records.rows(f"SELECT {', '.join(COLUMNS[table])} FROM {table}"):
                try:
                    decode(table, row)
                except LedgerError as error:
                    yield str(error)

        found = self._records.check()
        tables = [table for table in COLUMNS if self._holds(table)]
        return found or [text for table in tables for text in unreadable(table)]

    def _after(self, seen: Mapping[str, int], tables: Iterable[str]) -> list[tuple[str, int, Any]]:
        def read() -> list[tuple[str, int, Any]]:
            return [
                (table, row[0], decode(table, row[1:]))
                for table in tables
                if self._holds(table)
                for row in self._records.rows(
                    f"SELECT {NUMBER}, {', '.join(COLUMNS[table])} FROM {table} WHERE {NUMBER} > ?",
                    (seen.get(table, 0),),
                )
            ]

        return sorted(self._records.snapshot(read), key=lambda found: found[1])

    def _holds(self, table: str) -> bool:
        """Say whether the file has a table; one that is only read may be of an older release."""
        return table != FUNDING or self._records.version() >= _FUNDING_SINCE

    def _insert_mark(self, row: Mapping[str, Any]) -> None:
        self._records.execute(
            f"INSERT INTO marks ({', '.join(row)}) VALUES (?, ?, ?, ?)", tuple(row.values())
        )

    def _select(self, table: str, where: str = "", parameters: tuple[Any, ...] = ()) -> list[Any]:
        if not self._holds(table):
            return []
        # marks have no number of their own: theirs is the candle
        order = "candle_ms" if table == MARKS else NUMBER
        rows = self._records.rows(
            f"SELECT {', '.join(COLUMNS[table])} FROM {table} {where} ORDER BY {order}", parameters
        )
        return [decode(table, row) for row in rows]
