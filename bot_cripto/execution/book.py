"""The book: a ledger and the account that its entries make, kept together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from bot_cripto.execution.account import BEGUN, Account, Entry
from bot_cripto.execution.market_rules import exact
from bot_cripto.ledger.closing import Closing
from bot_cripto.ledger.events import Action, action_id
from bot_cripto.ledger.rows import decimal_text
from bot_cripto.ledger.store import Ledger

WHO = "bot-cripto"
"""Who does what nobody asked for."""


class Bookkeeping(Protocol):
    """What fills ask of a book: `Book`, or `MemoryBook` where nothing is to be kept."""

    @property
    def account(self) -> Account:
        """The account that its entries make."""

    def add(self, entry: Entry) -> bool:
        """Write an entry and apply it; False if the identical entry was there already."""

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which everything happens at once or not at all."""


class Book(Closing):
    """A ledger and its account: what is written to the one is applied to the other.

    Parameters
    ----------
    ledger : Ledger
        Open; the book closes it when it is left as a context manager.
    account : Account
        What all entries of the ledger make.
    settings : mapping
        The effective settings that the account was made with, to make it again after a
        transaction that failed.

    Attributes
    ----------
    ledger : Ledger
    account : Account
        Another object after a failed transaction: ask the book for it each time.
    """

    def __init__(self, ledger: Ledger, account: Account, settings: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.account = account
        self._settings = settings
        self._depth = 0

    @classmethod
    def open(cls, path: Path | str, settings: Mapping[str, Any], *, readonly: bool = False) -> Book:
        """Return the book of a ledger file, made if there is none and it may be.

        Raises
        ------
        FileNotFoundError
            `readonly`, and there is no such file.
        LedgerError
            The ledger is damaged.
        """
        return cls._of(Ledger.open(path, readonly=readonly), settings)

    @classmethod
    def in_memory(cls, settings: Mapping[str, Any]) -> Book:
        """Return an empty book that is nowhere but in memory."""
        return cls._of(Ledger.in_memory(), settings)

    @classmethod
    def _of(cls, ledger: Ledger, settings: Mapping[str, Any]) -> Book:
        try:
            return cls(ledger, Account.load(ledger, settings), settings)
        except BaseException:
            ledger.close()
            raise

    def close(self) -> None:
        """Close the ledger; may be called again."""
        self.ledger.close()

    def begin(self, now_ms: int) -> str | None:
        """Record, once, with how much the account begins; return what the operator is to know.

        From then on a changed ``initial_equity`` changes nothing: it would be money from nowhere.

        Parameters
        ----------
        now_ms : int
            Milliseconds since the epoch, UTC.
        """
        account, wanted = self.account, exact(self._settings["initial_equity"])
        if not self.ledger.actions(BEGUN):
            amount = decimal_text(wanted)
            text = f"the account begins with {amount} {account.quote}"
            data = {"initial_equity": amount, "quote": account.quote}
            identity = action_id(BEGUN, now_ms, WHO, text)
            self.add(Action(identity, BEGUN, now_ms, WHO, text, data))
            return text
        if wanted != account.initial_equity:
            return (
                f"INITIAL_EQUITY is {decimal_text(wanted)}, but this account began with "
                f"{decimal_text(account.initial_equity)} {account.quote}, which counts; to begin "
                f"anew, move {self.ledger.path} aside"
            )
        return None

    def add(self, entry: Entry) -> bool:
        """Write an entry and apply it; False if the identical entry was there already.

        Raises
        ------
        LedgerError
            As `Ledger.add`; the account is as it was.
        """
        if not self._depth:
            with self.transaction():
                return self.add(entry)
        new = self.ledger.add(entry)
        if new:
            self.account.apply(entry)
        return new

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen at once or not at all, in the ledger and the account.

        Inside another one it joins that one.
        """
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            with self.ledger.transaction():
                yield
        except BaseException:
            # the ledger has forgotten what the account has already taken in
            prices = self.account.last_price
            self.account = Account.load(self.ledger, self._settings)
            self.account.last_price = prices
            raise
        finally:
            self._depth = 0
