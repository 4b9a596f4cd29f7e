"""A book without a ledger: the account alone, for walks over the past that nobody reopens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

from bot_cripto.errors import LedgerError
from bot_cripto.execution.account import Account, Entry
from bot_cripto.ledger.events import Fill
from bot_cripto.ledger.rows import CLASSES, COLUMNS

_KEY: dict[type[Any], Callable[[Any], object]] = {
    kind: attrgetter(COLUMNS[table][0]) for table, kind in CLASSES.items()
}


class MemoryBook:
    """The account that entries make, without writing them anywhere.

    What fills and plans ask of a `Book` it answers alike (see `Bookkeeping`), at a tenth of the
    cost: there is no database, no chain of hashes, and nothing to load again. For the same reason
    a transaction that failed leaves it unusable.

    Parameters
    ----------
    settings : mapping
        The effective settings, from which the account begins.

    Attributes
    ----------
    account : Account
    entries : dict
        All entries in their order, by their id.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.account = Account.of(settings)
        self.entries: dict[object, Entry] = {}
        self._failed = False

    def add(self, entry: Entry) -> bool:
        """Apply an entry; False if the identical one was there already.

        Raises
        ------
        LedgerError
            Another entry has its id, a fill is of no intent, or a transaction has failed before.
        """
        if self._failed:
            raise LedgerError("a book in memory cannot go on after an error: begin a new one")
        key = _KEY[type(entry)](entry)
        present = self.entries.get(key)
        if present is not None:
            if present == entry:
                return False
            raise LedgerError(f"another entry has this id: {present}, and {entry} was to be added")
        self.entries[key] = entry
        self.account.apply(entry)
        return True

    @property
    def fills(self) -> list[Fill]:
        """All fills, in their order."""
        return [entry for entry in self.entries.values() if isinstance(entry, Fill)]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Bundle entries; after an error inside, the book takes no more."""
        try:
            yield
        except BaseException:
            self._failed = True
            raise
