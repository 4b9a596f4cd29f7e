"""One pace for all threads that ask an exchange: rate limit, retries, and when to stop asking."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from bot_cripto.market.exchange_errors import ReplyError
from bot_cripto.market.retry import RetryPolicy, call

T = TypeVar("T")

log = logging.getLogger(__name__)


class Pace:
    """The rate limit and the retries of one exchange, shared by the threads of a run.

    Parameters
    ----------
    policy : RetryPolicy
        Its budget counts from the first failure after the last success of any thread: where an
        exchange is down, each further symbol costs one attempt.
    sleep, monotonic, rng : callable
        As for `retry.call`.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        sleep: Callable[[float], object],
        monotonic: Callable[[], float],
        rng: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._sleep, self._monotonic, self._rng = sleep, monotonic, rng
        self._lock = threading.Lock()
        self._next_request = -float("inf")
        self._failing_since: float | None = None
        self._refusal: tuple[ReplyError, float] | None = None

    def wait_for_turn(self, cost_s: float) -> None:
        """Return when this thread may send a request after which `cost_s` seconds must pass."""
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._next_request)
            self._next_request = turn + cost_s
        if turn > now:
            self._sleep(turn - now)

    def ask(self, what: str, function: Callable[[], T]) -> T:
        """Return what the function returns, tried again as the policy allows.

        Parameters
        ----------
        what : str
            What is asked for, as the message shall name it.
        function : callable
            Sends one request; raises `ReplyError`.

        Raises
        ------
        ReplyError
            The last failure; or, without asking, the refusal that another request has met (a
            blocked region, a ban that has not ended).
        """
        with self._lock:
            refusal, began = self._refusal, self._failing_since
        if refusal is not None and self._monotonic() < refusal[1]:
            raise refusal[0]
        start, attempts = self._monotonic(), 1

        def note(error: Exception, attempt: int, wait: float) -> None:
            nonlocal attempts
            attempts = attempt + 1
            log.info("%s: %s; trying again in %.1f s", what, error, wait)
            with self._lock:
                if self._failing_since is None:
                    self._failing_since = start
                if getattr(error, "kind", "") in ("busy", "banned"):
                    # the other threads have to keep still as well
                    self._next_request = max(self._next_request, self._monotonic() + wait)

        try:
            result = call(
                self._policy,
                function,
                is_retryable=lambda error: isinstance(error, ReplyError) and error.retryable,
                retry_after=lambda error: getattr(error, "retry_after_s", None),
                sleep=self._sleep,
                monotonic=self._monotonic,
                rng=self._rng,
                began=began,
                on_retry=note,
            )
        except ReplyError as error:
            self._remember(error)
            times = "once" if attempts == 1 else f"{attempts} times"
            took = self._monotonic() - start
            raise ReplyError(
                f"{what}: {error}" + (f"; tried {times} in {took:.0f} s" * error.retryable),
                error.kind,
                retryable=error.retryable,
                retry_after_s=error.retry_after_s,
            ) from None
        with self._lock:
            self._failing_since = None
        return result

    def _remember(self, error: ReplyError) -> None:
        """Keep what refuses every request, so that other symbols do not knock in vain."""
        with self._lock:
            if error.kind == "blocked":
                self._refusal = (error, float("inf"))
            elif error.kind in ("banned", "busy") and error.retry_after_s is not None:
                self._refusal = (error, self._monotonic() + error.retry_after_s)
