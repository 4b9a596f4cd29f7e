"""The notifier from facts to chat, over real sockets, without faults."""

from __future__ import annotations

from itertools import pairwise

import pytest
from bot_server import CHAT
from world import SECRETS, START, STEP

from bot_cripto.notify.outbox import Message, Outbox

DAY_MS = 86_400_000


def first_lines(server):
    return [text.splitlines()[0] for text in server.texts()]


def test_it_begins_with_now_and_not_with_the_past(world, server):
    world.signal("LONG")
    world.enter()
    world.promote("v1")
    assert world.run().enqueued == 0
    assert server.delivered == []
    world.signal("LONG")
    assert world.run().enqueued == 0, "nothing changed"
    world.signal("NO_TRADE")
    assert world.run().sent == 1
    assert first_lines(server) == ["SIMULATED · BTC/USDT: NO_TRADE (was LONG)"]
    assert "probability of up 64.0 %" in server.texts()[0]
    assert server.delivered[0].chat_id == CHAT


def test_nothing_happens_without_a_configuration(world, server):
    world.signal("LONG")
    for environment in ({}, {"TELEGRAM_BOT_TOKEN": "123456789:" + "x" * 35}):
        report = world.run(environment)
        assert not report.configured and report.exit_code == 0
    assert "TELEGRAM_CHAT_ID is not set" in str(report)
    assert not world.layout.outbox.exists() and server.calls == []


def test_entry_and_exit_with_its_result(world, server):
    world.run()
    opened = world.enter()
    assert world.run().sent == 1
    world.leave(opened)
    assert world.run().sent == 1
    entry, exit_ = server.texts()
    assert entry.startswith("SIMULATED · entered BTC/USDT LONG at 50,000.00")
    assert "quantity 0.02 BTC = 1,000.00 USDT, fees 1.00" in entry
    assert "stop 49,000.00" in entry
    # 0.02 * 500 less fees of 1.00 and 1.01
    assert exit_.startswith("SIMULATED · left BTC/USDT LONG at 50,500.00: +7.99 USDT (+0.08 %")
    assert "ended by its stop" in exit_


def test_entry_and_exit_between_two_runs(world, server):
    world.run()
    world.leave(world.enter())
    assert world.run().sent == 2
    assert "fees 1.00" in server.texts()[0]
    assert [line.split()[2] for line in first_lines(server)] == ["entered", "left"]


def test_a_position_left_in_parts_tells_the_whole_result_at_the_end(world, server):
    world.run()
    opened = world.enter()
    world.leave(opened, quantity="0.01")
    world.run()
    assert "sold a part of BTC/USDT at 50,500.00: 0.01 BTC" in server.texts()[1]
    world.leave(opened, quantity="0.01", price="49500", at=opened.fill_from_ms + 2 * STEP)
    world.run()
    # +5 and -5, less fees of 1, 0.505 and 0.495
    assert "left BTC/USDT LONG at 50,000.00: -2.00 USDT" in server.texts()[2]


def test_dust_that_no_market_takes_is_no_part_that_is_held(world, server):
    world.run()
    # a fee in the base currency leaves less than a step
    opened = world.enter(quantity="0.02")
    world.leave(opened, quantity="0.01999334", reason="horizon")
    world.run()
    assert "left BTC/USDT LONG at 50,500.00" in server.texts()[1]


def test_live_and_paper_are_told_apart_and_an_action_is_told_once(world, server):
    world.run()
    world.settings["source"] = "exchange"
    world.act("kill", account="live")
    world.write(*_actions(world, "live"), account="paper")
    world.enter(account="live")
    assert world.run().sent == 2
    assert sorted(first_lines(server)) == [
        "LIVE · entered BTC/USDT LONG at 50,000.00",
        "LIVE · trading was KILLED: no entries; positions keep their stops",
    ]


def _actions(world, account):
    from bot_cripto.ledger.store import Ledger

    with Ledger.open(world.layout.ledger(account), readonly=True) as ledger:
        return ledger.actions()


def test_blocked_trading_is_told_when_it_begins_and_not_what_an_action_told(world, server):
    world.run()
    world.signal(failed=("daily_drawdown",))
    world.signal(failed=("daily_drawdown",))
    world.signal(failed=("daily_drawdown",), symbol="ETH/USDT")
    assert world.run().sent == 1
    assert "no entries: the drawdown of the day reached its limit" in server.texts()[0]
    world.act("pause")
    world.signal(failed=("paused",))
    assert world.run().sent == 1, "the action says it"
    world.signal(failed=("killed",))
    assert world.run().sent == 1, "the file was made by hand"
    assert "trading is killed" in server.texts()[-1]
    world.signal()
    world.signal(symbol="ETH/USDT")
    world.signal(failed=("daily_drawdown",))
    assert world.run().sent == 1, "it begins again"


def test_drift_is_told_once(world, server):
    world.run()
    world.signal(failed=("drift",))
    world.signal(failed=("drift",))
    world.run()
    assert first_lines(server) == ["SIMULATED · drift was found in BTC/USDT"]
    assert "It blocks entries." in server.texts()[0]


def test_a_failure_that_repeats_is_told_once_in_six_hours_and_its_end_once(world, server):
    world.run()
    for index in range(80):
        closed = world.now() // STEP * STEP
        world.failure(close=closed)
        world.failure(symbol="ETH/USDT", close=closed)
        world.passed += 300
        if index % 8 == 0:
            world.run()
    assert [line.split(":", 1)[0] for line in first_lines(server)] == [
        "SIMULATED · BTC/USDT, ETH/USDT"
    ] * 2
    assert "no signal, a step failed: fetch: no answer" in server.texts()[0]
    assert "still no signal, 73 times since 2024-09-06" in server.texts()[1]
    world.signal("LONG")
    world.signal("LONG")
    world.run()
    assert len(server.texts()) == 4
    assert "signals again, after 80 without" in server.texts()[2]
    assert "BTC/USDT: LONG" in server.texts()[3]


def test_promotion_rollback_and_first_models(world, server):
    world.run()
    world.promote("v1", provisional=True)
    world.promote("v2")
    world.run()
    world.promote("v1", reason="rolled back by ana")
    path = next(world.layout.models.rglob("*.jsonl"))
    with path.open("a") as file:
        file.write('{"symbol": "BTC/USDT", "being writ')
    world.run()
    assert [line.partition(": ")[2] for line in first_lines(server)] == [
        "first models, not judged yet: paper trading only",
        "other models are in use",
        "earlier models are in use again",
    ]


def test_refused_orders_are_told_once(world, server):
    world.run()
    for _ in range(3):
        world.refuse()
    world.refuse(detail="insufficient balance")
    assert world.run().sent == 2
    assert "an order was refused: below the least notional" in server.texts()[0]


@pytest.mark.parametrize("stream", ["journal", "ledger"])
def test_what_cannot_be_read_is_told_and_keeps_nothing_else_back(world, server, stream):
    world.signal()
    world.enter()
    world.run()
    path = world.layout.journal if stream == "journal" else world.layout.ledger("paper")
    kept = path.read_bytes()
    path.write_bytes(b"no database at all" * 100)
    world.promote("v9")
    assert world.run().sent == 2
    assert world.run().sent == 0
    assert any("cannot be read" in text for text in server.texts())
    path.write_bytes(kept)
    assert world.run().sent == 1
    assert "can be read again" in server.texts()[-1]


def test_order_is_kept_and_not_faster_than_one_a_second(world, server):
    world.run()
    for index in range(6):
        world.signal("LONG" if index % 2 == 0 else "NO_TRADE")
    assert world.run().sent == 6
    assert ["LONG (" in t or "LONG\n" in t for t in server.texts()] == [True, False] * 3
    times = [message.time_s for message in server.delivered]
    assert all(b - a >= 1 for a, b in pairwise(times))


def test_a_group_gets_twenty_a_minute(world, server):
    group = "-1001234567"
    server.chats.add(group)
    secrets = SECRETS | {"TELEGRAM_CHAT_ID": group}
    world.run(secrets)
    for index in range(50):
        world.signal("LONG" if index % 2 == 0 else "NO_TRADE")
    assert world.run(secrets, budget_s=200).sent == 50
    times = [message.time_s for message in server.delivered]
    assert all(b - a >= 60 for a, b in zip(times, times[20:], strict=False))


def test_a_proxy_is_not_asked_for_a_server_on_this_machine(world, server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    world.run()
    world.signal("LONG")
    assert world.run().sent == 1


def test_it_ends_within_its_budget(world, server):
    world.run()
    for index in range(30):
        world.signal("LONG" if index % 2 == 0 else "NO_TRADE")
    before = world.monotonic()
    report = world.run(budget_s=10)
    assert world.monotonic() - before <= 10.5
    assert 5 <= report.sent < 30 and report.pending == 30 - report.sent
    assert report.exit_code == 0 and not report.problem
    assert world.run(budget_s=60).pending == 0
    assert len(server.delivered) == 30


def test_old_messages_of_a_kind_are_merged_in_place_and_nothing_is_missing(world, server):
    world.run()
    server.stop()
    opened = None
    for index in range(4):
        world.signal("LONG" if index % 2 == 0 else "NO_TRADE")
        if index % 2 == 0:
            opened = world.enter(at=world.now() // STEP * STEP)
        else:
            world.leave(opened)
        world.passed += 300
    assert world.run(budget_s=4).exit_code == 1
    world.passed += 1200
    server.restart()
    assert world.run(budget_s=40).pending == 0
    texts = server.texts()
    assert len(texts) == 3
    assert [text.splitlines()[0] for text in texts] == [
        f"{count} messages that could not be sent before:" for count in (2, 4, 2)
    ]
    assert [line.split()[4] for line in texts[0].splitlines()[1:]] == ["entered"] * 2
    decisions = texts[1].splitlines()[1:]
    assert [("BTC/USDT: LONG" in line) for line in decisions] == [True, False] * 2
    assert decisions[0].startswith("09-06 04:4") and "SIMULATED" in decisions[0]


def test_a_long_message_goes_in_parts_that_are_not_repeated(world, server):
    world.run()
    text = "\n".join(f"{index:04d} " + "😀" * 45 for index in range(130))
    with Outbox(world.layout.outbox) as outbox, outbox.transaction():
        outbox.enqueue([Message("long", "summary", world.now(), text)], world.now())
    server.faults = [{"kind": "slow", "seconds": 0}, {"kind": "drop_before"}]
    assert world.run(budget_s=60).pending == 0
    assert len(server.delivered) == 4
    lines = "\n".join(server.texts()).splitlines()
    marked = [line for line in lines if line[:4].isdigit()]
    assert [int(line[:4]) for line in marked] == list(range(130))
    assert sum("may be a repetition" in line for line in lines) == 1


def test_two_notifiers_at_once_send_once(world, server):
    from bot_cripto.locks import lock_run

    world.run()
    world.signal("LONG")
    with lock_run(world.layout.locks, "notify"):
        report = world.run(budget_s=0.4)
        assert report.exit_code == 0 and report.sent == 0
    assert world.run().sent == 1


def test_the_summary_comes_once_after_its_hour_with_its_picture(world, server):
    world.settings["summary_hour"] = 6
    midnight = START // DAY_MS * DAY_MS
    world.run()
    world.mark(*(10_000 + index for index in range(288)), since=midnight)
    world.leave(world.enter(), price="51000")
    world.signal("LONG")
    world.failure()
    world.run()
    seen = len(server.delivered)
    world.passed += (midnight + DAY_MS + 3 * 3_600_000 - world.now()) / 1000
    assert world.run().sent == 0, "not before its hour"
    world.passed += 4 * 3600
    assert world.run().sent == 1
    assert world.run().sent == 0
    told = server.delivered[seen]
    assert told.photo.startswith(b"\x89PNG") and len(told.photo) > 10_000
    lines = told.text.splitlines()
    assert lines[0] == "SIMULATED · summary of 2024-09-06"
    assert "Equity 10,287.00 USDT" in lines
    assert "Result: day +287.00 USDT (+2.87 %), week +287.00 USDT (+2.87 %)" in lines
    assert "Signals: 1 LONG, 0 SHORT, 1 NO_TRADE" in lines
    assert "Failures: 1 of 2 signals" in lines
    assert any(line.startswith("Trades: 1 closed, 1 won, net +17.98 USDT") for line in lines)


def test_a_picture_that_is_refused_lets_its_words_through(world, server):
    world.run()
    world.mark(10_000, 10_100, 9_900)
    world.passed += DAY_MS / 1000
    server.faults = [{"kind": "status", "method": "sendPhoto", "status": 400,
                      "description": "Bad Request: IMAGE_PROCESS_FAILED"}]  # fmt: skip
    assert world.run().pending == 0
    assert server.delivered[0].photo is None and "summary of" in server.texts()[0]


def test_a_summary_without_data_says_so_and_has_no_picture(world, server):
    world.run()
    world.passed += DAY_MS / 1000
    assert world.run().sent == 1
    assert server.delivered[0].photo is None
    assert "No equity is known yet." in server.texts()[0]
    assert "No picture" in server.texts()[0]


@pytest.mark.parametrize("stream", ["journal", "ledger", "gates"])
def test_a_summary_that_cannot_be_made_says_so_and_keeps_nothing_back(world, server, stream):
    world.run()
    world.signal("LONG", gates=[{"name": "drift"}] if stream == "gates" else [])
    world.mark(10_000, 10_100)
    path = world.layout.journal if stream == "journal" else world.layout.ledger("paper")
    if stream != "gates":
        path.write_bytes(b"no database at all" * 100)
    world.passed += DAY_MS / 1000
    world.promote("v1")
    assert world.run(budget_s=60).pending == 0
    told = "\n".join(server.texts())
    assert "summary of 2024-09-06" in told and "cannot be read" in told
    assert "other models are in use" in told
    sent = len(server.delivered)
    assert world.run().sent == 0 and len(server.delivered) == sent


def test_spanish(world, server):
    world.settings["language"] = "es"
    world.run()
    world.leave(world.enter(quantity="0.5"))
    world.signal("LONG")
    world.run()
    assert "probabilidad de subida 64,0 %" in "\n".join(server.texts())
    assert "salida de BTC/USDT LONG a 50.500,00: +199,75 USDT" in "\n".join(server.texts())


def test_another_market_begins_where_the_messages_began(world, server):
    world.run()
    world.settings |= {"market": "binance", "source": "exchange"}
    world.layout = type(world.layout).of(world.settings).below(world.folder)
    world.signal("LONG", mode="PAPER")
    assert world.run().sent == 1
    assert first_lines(server) == ["PAPER · BTC/USDT: LONG"]


def test_after_a_long_time_off_only_what_would_not_be_lost_is_told(world, server):
    world.run()
    world.signal("LONG")
    world.passed += 5 * 86_400
    world.signal("NO_TRADE")
    world.run()
    told = [text for text in server.texts() if "summary" not in text]
    assert len(told) == 1 and "NO_TRADE (was LONG)" in told[0]
