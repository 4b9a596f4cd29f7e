"""From signal to position: `snakemake signal` and `bot-cripto execute`, as the timer calls them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from laboratory import NOW, STEP, Lab, later, layout_of, track_of

from bot_cripto.backtest.walk import Walk
from bot_cripto.execution.book import Book
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.timeframes import parse_iso

CANDLES = 8


def test_signals_become_positions_and_equal_a_walk_over_the_same_candles(trading_lab):
    """What was decided, planned and filled live is what the same functions say afterwards."""
    for candle in range(1, CANDLES + 1):
        trading_lab.cycle(candle)
    layout, settings = layout_of(trading_lab)
    with Ledger.open(layout.ledger("paper"), readonly=True) as ledger:
        assert ledger.check() == []
        intents, fills, marks = ledger.intents(), ledger.fills(), ledger.marks()
    assert {"open", "stop"} <= {intent.kind for intent in intents}
    assert len(fills) >= 2 and any(fill.side == "sell" for fill in fills), "nothing was closed"

    since = parse_iso(NOW) // STEP * STEP
    walked: dict[int, dict] = {}
    with Book.in_memory(settings) as book:
        track = track_of(layout, settings, since, since + CANDLES * STEP)
        Walk([track], book, settings, since).run(
            lambda close, rulings, documents: walked.update({close: documents["BTC/USDT"]})
        )
        assert [plain(intent) for intent in book.ledger.intents()] == [plain(i) for i in intents]
        assert book.ledger.fills() == fills
        assert book.ledger.marks() == marks
    with Journal.open(layout.journal, readonly=True) as journal:
        for close, document in walked.items():
            (published,) = journal.since("BTC/USDT", close, close + 1)
            for name in document:
                if name in ("ts", "version", "reason"):
                    continue
                assert document[name] == published[name], (close, name)
            state = published["version"]["risk_state_sha256"]
            assert document["version"]["risk_state_sha256"] == state
            assert published["reason"].startswith(document["reason"])
        assert journal.check() == []

    ran = trading_lab.cli("rebuild-state", "--check", now=later(CANDLES))
    assert ran.code == 0, ran.output
    portfolio = trading_lab.cli("portfolio", "--json", now=later(CANDLES))
    assert float(json.loads(portfolio.output)["equity"]) == pytest.approx(float(marks[-1].equity))
    spanish = trading_lab.cli("portfolio", "--lang", "es", now=later(CANDLES)).output
    assert "SIMULA" in spanish and "Posiciones" in spanish


def plain(intent):
    """An intent without the second at which it was made."""
    return {**vars(intent), "created_ms": intent.created_ms // STEP}


def test_execute_twice_and_after_a_pause_of_the_bot(holding_lab):
    lab, candle = holding_lab, holding_lab.held_at
    layout, _ = layout_of(lab)
    first = entries(layout)
    again = lab.cli("execute", now=later(candle))
    assert again.code == 0 and entries(layout) == first, "the same signal was acted on twice"
    # an hour without the bot: the account goes through every candle of it, its stop and its end
    lab.cycle(candle + 12)
    with Ledger.open(layout.ledger("paper"), readonly=True) as ledger:
        assert len(ledger.marks()) >= 13
        closes = [fill for fill in ledger.fills() if fill.side == "sell"]
    assert closes and closes[-1].time_ms <= parse_iso(later(candle + 12))
    assert not lab.positions(candle + 12)


def entries(layout: Layout) -> list:
    with Ledger.open(layout.ledger("paper"), readonly=True) as ledger:
        return ledger.entries_after()


def test_kill_stops_entries_at_once_and_the_signal_says_so(trading_lab):
    lab = trading_lab
    killed = lab.cli("kill", "--reason", "the exchange\nlooks odd")
    assert killed.code == 0 and "entries are stopped" in killed.output
    ran = lab.run()
    assert ran.code == 0 and ran.rules == ["make_signals"], "the candle is judged anew"
    document = lab.signal()
    assert document["decision"] == "NO_TRADE" and document["revision"] == 1
    assert "the exchange looks odd" in document["reason"]
    assert lab.run().nothing_to_do
    released = lab.cli("release")
    assert released.code == 0 and "entries are allowed" in released.output
    assert lab.run().rules == ["make_signals"]
    # a revision of a candle never opens, whatever it says
    assert lab.signal()["revision"] == 2
    assert "buy" not in lab.cli("execute").output


def test_a_kill_after_the_signal_stops_its_entry(trained_state, holding_lab, tmp_path):
    lab, candle = holding_lab, holding_lab.held_at - 1
    shutil.copytree(trained_state, tmp_path / "fresh")
    lab.state = tmp_path / "fresh"
    assert lab.run(now=later(candle)).code == 0
    assert lab.signal()["decision"] == "LONG", "it opened the position of the shared state"
    assert lab.cli("kill", now=later(candle)).code == 0
    done = lab.cli("execute", now=later(candle))
    assert done.code == 0 and "LONG is not entered" in done.output
    layout, _ = layout_of(lab)
    assert not [entry for table, _, entry in entries(layout) if table == "intents"]


def test_flatten_asks_and_closes(holding_lab):
    lab, candle = holding_lab, holding_lab.held_at
    refused = lab.cli("flatten", now=later(candle), answer="no\n")
    assert refused.code == 1 and "Nothing was done" in refused.output
    done = lab.cli("flatten", now=later(candle), answer="yes\n")
    assert done.code == 0 and "closes at the open" in done.output
    assert "bot-cripto kill" in done.output
    lab.cli("kill", now=later(candle))
    lab.cycle(candle + 1)
    assert lab.positions(candle + 1) == []


def test_a_corrupt_ledger_stops_trading_and_says_so(holding_lab):
    lab, candle = holding_lab, holding_lab.held_at + 1
    layout, _ = layout_of(lab)
    path = layout.ledger("paper")
    path.write_bytes(b"garbage" * 1000)
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    ran = lab.run(now=later(candle))
    assert ran.code == 0, ran.output
    document = lab.signal()
    assert document["decision"] == "NO_TRADE" and path.name in document["reason"]
    done = lab.cli("execute", now=later(candle))
    assert done.code == 1 and "bot-cripto restore" in done.output
    assert path.read_bytes() == b"garbage" * 1000, "what may be evidence was touched"


def test_a_corrupt_journal_publishes_no_trade_and_fails(trading_lab):
    lab = trading_lab
    layout, _ = layout_of(lab)
    layout.journal.write_bytes(b"garbage" * 1000)
    for beside in layout.journal.parent.glob(f"{layout.journal.name}-*"):
        beside.unlink()
    ran = lab.run(now=later(1))
    assert ran.code == 1
    document = lab.signal()
    assert document["decision"] == "NO_TRADE" and "journal" in document["reason"]
    assert lab.cli("execute", now=later(1)).code == 1


def test_an_edited_risk_state_is_noticed_kept_and_made_again(holding_lab):
    lab, candle = holding_lab, holding_lab.held_at
    path = lab.state / "logs" / "risk_state_BTC_USDT.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "daily_drawdown": 0.0, "equity": 1e6}))
    check = lab.cli("rebuild-state", "--check", now=later(candle))
    assert check.code == 3 and "risk_state_BTC_USDT.json" in check.output
    done = lab.cli("execute", now=later(candle))
    assert "risk_state_BTC_USDT.json" in done.output
    assert json.loads(path.read_text()) == kept
    assert list(path.parent.glob("risk_state_BTC_USDT.json.edited-*"))


def test_backup_and_restore_carry_a_position_to_another_state(holding_lab, tmp_path):
    lab, candle = holding_lab, holding_lab.held_at
    file = tmp_path / "backup.tar.gz"
    saved = lab.cli("backup", str(file), now=later(candle))
    assert saved.code == 0, saved.output
    other = Lab(tmp_path / "other", lab.checkout, settings=())
    restored = other.cli("restore", str(file), now=later(candle))
    assert restored.code == 0, restored.output
    other.cycle(candle + 1)
    lab.cycle(candle + 1)
    assert other.positions(candle + 1) == lab.positions(candle + 1)
    assert other.cli("restore", str(file), now=later(candle)).code == 2, "it is not empty any more"
    with closing(sqlite3.connect(other.state / "logs" / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone()[0] > 0


@pytest.mark.parametrize(
    "variables",
    [
        {"LIVE_MODE": "true"},
        {"LIVE_MODE": "true", "LIVE_CONFIRM_TOKEN": "i_understand_live_trading"},
        {"LIVE_MODE": "true", "LIVE_CONFIRM_TOKEN": "yes", "SOURCE": "exchange"},
    ],
)
def test_live_mode_without_its_confirmation_is_refused_at_the_start(trading_lab, variables):
    lab = trading_lab
    lab.environment |= variables
    # not as of another moment: that is refused anyway
    lab.environment["BOT_CRIPTO_NOW"] = ""
    ran = lab.run()
    assert ran.code == 2, ran.output
    assert "LIVE" in ran.output or "live" in ran.output
    assert lab.signal()["decision"] == "NO_TRADE"
    done = lab.cli("execute")
    assert done.code == 2 and not Path(lab.state / "logs" / "ledger").exists()


def test_nothing_is_sent_where_telegram_is_not_configured(trading_lab):
    assert "TELEGRAM_BOT_TOKEN" not in os.environ
    done = trading_lab.cli("notify")
    assert done.code == 0 and "not configured" in done.output
    assert not (trading_lab.state / "logs" / "outbox.db").exists()
