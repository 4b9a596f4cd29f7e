"""What is opened and must be closed: the end of a ``with`` closes it."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from types import TracebackType


class Closing(AbstractContextManager):
    """Base of journal, ledger and book: a context manager that closes itself."""

    @abstractmethod
    def close(self) -> None:
        """Close it; may be called again."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
