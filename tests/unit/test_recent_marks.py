"""The state of risk asks for the marks of one week, however long the ledger is."""

from decimal import Decimal

import pytest

from bot_cripto.execution.drawdown import DAY_MS, week_start
from bot_cripto.execution.risk_tracker import RiskTracker, recent_marks
from bot_cripto.ledger.events import Mark
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import parse_iso

STEP = 3_600_000
MONDAY = parse_iso("2024-06-03T00:00:00Z")
START = MONDAY - 9 * DAY_MS


def marks_of(count, missing=()):
    equities = (Decimal(10_000 + (n * 37) % 101 - n) for n in range(count))
    return [
        Mark(START + n * STEP, equity, equity, Decimal(0))
        for n, equity in enumerate(equities)
        if n not in missing
    ]


def answers(tracker, at):
    return (
        tracker.equity,
        tracker.daily_drawdown(at),
        tracker.weekly_drawdown(at),
        tracker.day_result(at),
        tracker.week_result(at),
    )


@pytest.mark.parametrize("hours_later", [0, 1, 30, 24 * 8])
@pytest.mark.parametrize(
    "until", [None, START, START + 20 * STEP, MONDAY - STEP, MONDAY, MONDAY + STEP]
)
@pytest.mark.parametrize("missing", [(), range(200, 220)])
def test_the_marks_of_the_week_say_what_all_marks_say(until, missing, hours_later):
    marks = marks_of(24 * 12, missing)
    with Ledger.in_memory() as ledger:
        for mark in marks:
            ledger.add(mark)
        recent = recent_marks(ledger, until)
    whole = [mark for mark in marks if until is None or mark.candle_ms <= until]
    at = whole[-1].candle_ms + hours_later * STEP
    start = Decimal(10_000)
    assert answers(RiskTracker.of(start, recent, ()), at) == answers(
        RiskTracker.of(start, whole, ()), at
    )
    monday = week_start(whole[-1].candle_ms)
    assert [mark for mark in recent if mark.candle_ms <= monday] == [
        mark for mark in whole if mark.candle_ms <= monday
    ][-1:]


def test_a_ledger_without_marks_has_no_recent_ones():
    with Ledger.in_memory() as ledger:
        assert recent_marks(ledger) == []
        ledger.add(marks_of(1)[0])
        assert recent_marks(ledger, START - 1) == []
