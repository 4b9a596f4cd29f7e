"""Asking an exchange with a key: a failure says whether the request may have been carried out."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any, TypeVar

from bot_cripto.execution.live.errors import LiveError, classify
from bot_cripto.market.exchange_client import Client
from bot_cripto.market.exchange_errors import Reply

T = TypeVar("T")


class SignedClient(Client):
    """A `Client` with a key: its failures say whether the request may have been carried out."""

    now_ms: Callable[[], int]

    def signed(self, what: str, function: Callable[[], T]) -> T:
        """Return what a call of `exchange` returns.

        Raises
        ------
        Refused, Busy, Unknown
        """
        self._reply, self._left = Reply(), False
        failure: LiveError
        try:
            # ccxt changes the rounding of the thread's decimal context
            with decimal.localcontext():
                return function()
        except LiveError:
            raise
        except Exception as error:  # noqa: BLE001 - the request may have been carried out
            failure = classify(
                error,
                self._reply,
                left=self._left,
                what=f"{self.who}: {what}",
                now_ms=self.now_ms(),
            )
        # raised here, so that no exception with a signed URL hangs on it
        raise failure

    @property
    def content(self) -> Any:
        """The JSON of the last reply."""
        return self._content

    def _fetch_json(self, *args: Any, **kwargs: Any) -> Any:
        self._left = True
        return super()._fetch_json(*args, **kwargs)
