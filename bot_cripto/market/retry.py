"""Trying again: exponential backoff with full jitter, within a number of attempts and a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a failing call is tried again.

    Attributes
    ----------
    attempts : int
        Calls made in all, the first included; at least 1.
    base_s : float
        Upper bound of the first wait, in seconds; it doubles with every further attempt.
    cap_s : float
        Upper bound of any wait that the backoff chooses, in seconds.
    budget_s : float
        Seconds from the first failure (or start) after which no further wait may end.

    References
    ----------
    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """

    attempts: int
    base_s: float
    cap_s: float
    budget_s: float

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.base_s, self.cap_s, self.budget_s) < 0:
            raise ValueError(f"attempts must be at least 1 and no time negative: {self}")

    def backoff(self, attempt: int, uniform: float) -> float:
        """Return the wait in seconds after that failed attempt.

        Parameters
        ----------
        attempt : int
            Number of the attempt that has just failed, from 1.
        uniform : float
            A draw from [0, 1).

        Returns
        -------
        float
            ``uniform * min(cap_s, base_s * 2 ** (attempt - 1))``.
        """
        # 2.0 ** 1024 overflows; the cap has long been reached by then
        return uniform * min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))


def call(
    policy: RetryPolicy,
    function: Callable[[], T],
    *,
    is_retryable: Callable[[Exception], bool],
    retry_after: Callable[[Exception], float | None],
    sleep: Callable[[float], object],
    monotonic: Callable[[], float],
    rng: Callable[[], float],
    began: float | None = None,
    on_retry: Callable[[Exception, int, float], object] | None = None,
) -> T:
    """Return what `function` returns, called again after failures as the policy allows.

    Parameters
    ----------
    policy : RetryPolicy
        Attempts, waits and budget.
    function : callable
        The call; it must be safe to repeat.
    is_retryable : callable
        Whether a further attempt may help after that exception.
    retry_after : callable
        Seconds that the other side asked to wait, or None; never waited for less than that.
    sleep, monotonic, rng : callable
        Waiting, the clock in seconds, and draws from [0, 1); given so that tests need no time.
    began : float, optional
        Reading of `monotonic` from which the budget counts; default: now.
    on_retry : callable, optional
        Told the exception, the number of the failed attempt and the wait in seconds before
        each wait.

    Returns
    -------
    object
        The first result.

    Raises
    ------
    Exception
        The last exception of `function`, when it is not retryable, the attempts are used up, or
        the wait would end after the budget. An interruption (KeyboardInterrupt, SystemExit) is
        never caught.
    """
    start = monotonic() if began is None else began
    attempt = 1
    while True:
        try:
            return function()
        except Exception as error:
            if attempt >= policy.attempts or not is_retryable(error):
                raise
            wait = max(policy.backoff(attempt, rng()), retry_after(error) or 0.0)
            if monotonic() - start + wait > policy.budget_s:
                raise
            if on_retry is not None:
                on_retry(error, attempt, wait)
            sleep(wait)
        attempt += 1
