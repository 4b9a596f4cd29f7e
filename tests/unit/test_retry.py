"""The retry policy, on a clock that only moves when somebody sleeps."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.market.retry import RetryPolicy, call


class Refusal(Exception):
    def __init__(self, wait: float | None = None, retryable: bool = True):
        super().__init__("refused")
        self.wait = wait
        self.retryable = retryable


class Time:
    def __init__(self):
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self):
        return self.now


def attempt(policy, outcomes, time, rng=lambda: 0.5, cost=0.0, **options):
    """Play a list of outcomes (an exception is raised, else returned); count the calls."""
    calls = []

    def function():
        outcome = outcomes[min(len(calls), len(outcomes) - 1)]
        calls.append(outcome)
        time.now += cost
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def go():
        return call(
            policy,
            function,
            is_retryable=lambda e: isinstance(e, Refusal) and e.retryable,
            retry_after=lambda e: e.wait,
            sleep=time.sleep,
            monotonic=time.monotonic,
            rng=rng,
            **options,
        )

    return go, calls


def test_success_needs_no_wait():
    time = Time()
    go, calls = attempt(RetryPolicy(5, 1, 8, 60), ["candles"], time)
    assert go() == "candles"
    assert len(calls) == 1
    assert time.slept == []


def test_waits_double_up_to_the_cap():
    time = Time()
    go, calls = attempt(RetryPolicy(7, 1, 8, 1000), [Refusal()] * 6 + ["done"], time)
    assert go() == "done"
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert len(calls) == 7


def test_attempts_are_counted_with_the_first():
    time = Time()
    go, calls = attempt(RetryPolicy(3, 1, 8, 1000), [Refusal()], time)
    with pytest.raises(Refusal):
        go()
    assert len(calls) == 3
    assert len(time.slept) == 2


def test_what_is_not_retryable_is_raised_at_once():
    time = Time()
    go, calls = attempt(RetryPolicy(9, 1, 8, 1000), [Refusal(retryable=False), "never"], time)
    with pytest.raises(Refusal):
        go()
    assert len(calls) == 1
    assert time.slept == []


def test_retry_after_is_a_lower_bound_also_above_the_cap():
    time = Time()
    go, _ = attempt(RetryPolicy(3, 1, 8, 100), [Refusal(wait=30.0), "done"], time)
    assert go() == "done"
    assert time.slept == [30.0]


def test_a_retry_after_beyond_the_budget_fails_at_once():
    time = Time()
    go, calls = attempt(RetryPolicy(9, 1, 8, 60), [Refusal(wait=61.0), "never"], time)
    with pytest.raises(Refusal):
        go()
    assert len(calls) == 1
    assert time.slept == []


def test_time_spent_in_the_call_counts_for_the_budget():
    time = Time()
    go, calls = attempt(RetryPolicy(99, 1, 1, 60), [Refusal()], time, cost=25.0)
    with pytest.raises(Refusal):
        go()
    assert len(calls) == 3


def test_the_budget_can_have_begun_before():
    time = Time()
    go, calls = attempt(RetryPolicy(9, 1, 8, 60), [Refusal()], time, began=40.0)
    with pytest.raises(Refusal):
        go()
    assert len(calls) == 1


def test_an_interruption_passes_through():
    time = Time()
    go, calls = attempt(RetryPolicy(9, 1, 8, 60), [KeyboardInterrupt()], time)
    with pytest.raises(KeyboardInterrupt):
        go()
    assert len(calls) == 1


def test_each_wait_is_announced():
    time, told = Time(), []
    go, _ = attempt(
        RetryPolicy(3, 1, 8, 60),
        [Refusal(), Refusal(wait=5.0), "done"],
        time,
        on_retry=lambda error, number, wait: told.append((type(error), number, wait)),
    )
    assert go() == "done"
    assert told == [(Refusal, 1, 0.5), (Refusal, 2, 5.0)]


@pytest.mark.parametrize("bad", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)])
def test_a_senseless_policy_is_refused(bad):
    with pytest.raises(ValueError, match="attempts"):
        RetryPolicy(*bad)


@given(
    attempts=st.integers(1, 2000),
    base=st.floats(0, 10),
    cap=st.floats(0, 60),
    budget=st.floats(0, 300),
    asked=st.lists(st.none() | st.floats(0, 100), max_size=8),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_never_more_attempts_or_time_than_allowed(attempts, base, cap, budget, asked, seed):
    time = Time()
    policy = RetryPolicy(attempts, base, cap, budget)
    refusals = [Refusal(wait=w) for w in asked] + [Refusal()]
    go, calls = attempt(policy, refusals, time, rng=random.Random(seed).random)
    with pytest.raises(Refusal):
        go()
    assert 1 <= len(calls) <= attempts
    assert sum(time.slept) <= budget + 1e-9
    for number, (slept, wait) in enumerate(zip(time.slept, asked, strict=False), start=1):
        assert slept <= max(min(cap, base * 2.0 ** (number - 1)), wait or 0.0)
        assert slept >= (wait or 0.0)
