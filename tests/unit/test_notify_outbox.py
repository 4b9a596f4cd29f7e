"""The outbox: every message once, in order, merged, counted."""

from __future__ import annotations

import pytest

from bot_cripto.errors import LedgerError
from bot_cripto.notify.outbox import LOST, PENDING, SENT, Message, Outbox, open_outbox


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "logs" / "outbox.db") as opened:
        yield opened


def put(outbox, *names, kind="kind", time_ms=1000, photo=None, now=5000):
    messages = [Message(name, kind, time_ms, f"text {name}", photo) for name in names]
    with outbox.transaction():
        return outbox.enqueue(messages, now)


def test_a_key_is_enqueued_once_even_after_it_was_sent(outbox):
    assert put(outbox, "a", "b", "a") == 2
    outbox.arrived(outbox.waiting().id, 1, 7, last=True, now=6000)
    assert put(outbox, "a") == 0
    assert outbox.counts() == {PENDING: 1, SENT: 1, LOST: 0}


def test_messages_and_cursors_change_together(outbox):
    with pytest.raises(KeyboardInterrupt), outbox.transaction():
        outbox.enqueue([Message("a", "kind", 1, "text")], 1)
        outbox.set_note("cursors", {"row": 5})
        raise KeyboardInterrupt
    assert outbox.note("cursors") is None and outbox.waiting() is None


def test_the_file_is_private_and_its_texts_are_free_of_secrets(outbox):
    token = "987654321:" + "x" * 35
    with outbox.transaction():
        outbox.enqueue([Message("a", "kind", 1, f"token {token} \ud800")], 1)
    assert token not in outbox.waiting().members[0][1]
    assert outbox.path.stat().st_mode & 0o777 == 0o600


def test_delivery_is_remembered_part_by_part(outbox):
    put(outbox, "a")
    message = outbox.waiting()
    outbox.trying(message.id)
    assert outbox.waiting().unsure and outbox.waiting().attempts == 1
    outbox.failed(message.id, "no answer", 9000, unsure=True)
    assert outbox.waiting().next_try_ms == 9000
    outbox.arrived(message.id, 1, 7, last=False, now=1)
    again = outbox.waiting()
    assert (again.parts_sent, again.unsure, again.attempts, again.error) == (1, False, 0, None)
    outbox.arrived(message.id, 2, 8, last=True, now=2)
    assert outbox.waiting() is None


def test_old_messages_of_a_kind_are_merged_at_the_place_of_the_first(outbox):
    put(outbox, "a1", kind="a")
    put(outbox, "b1", kind="b")
    put(outbox, "a2", kind="a")
    put(outbox, "a3", kind="a", time_ms=9999)
    put(outbox, "p1", "p2", kind="p", photo=b"png")
    put(outbox, "s1", "s2", kind="summary")
    outbox.merge(2000)
    assert [text for _, text in outbox.waiting().members] == ["text a1", "text a2"]
    outbox.arrived(outbox.waiting().id, 1, 7, last=True, now=1)
    assert outbox.counts()[SENT] == 2
    told = []
    while message := outbox.waiting():
        told.append([text[5:] for _, text in message.members])
        outbox.arrived(message.id, 1, 7, last=True, now=1)
    assert told == [["b1"], ["a3"], ["p1"], ["p2"], ["s1"], ["s2"]]


def test_what_may_have_been_sent_in_part_is_not_merged_anew(outbox):
    put(outbox, "a1", "a2")
    outbox.merge(2000)
    leader = outbox.waiting().id
    outbox.trying(leader)
    put(outbox, "a3", "a4")
    outbox.unmerge()
    outbox.merge(2000)
    assert [text for _, text in outbox.waiting().members] == ["text a1", "text a2"]
    outbox.failed(leader, "refused", 0, unsure=False)
    outbox.unmerge()
    outbox.merge(2000)
    assert len(outbox.waiting().members) == 4


def test_the_lost_are_counted_each(outbox):
    put(outbox, "a1", "a2", now=100)
    put(outbox, "a3", now=900)
    outbox.unmerge()
    assert outbox.expire(500, 10_000) == 2
    outbox.merge(2000)
    assert outbox.note("lost_untold") == 2
    assert outbox.counts() == {PENDING: 1, SENT: 0, LOST: 2}
    assert outbox.lost_between(10_000, 10_001) == 2 and outbox.lost_between(0, 10_000) == 0
    outbox.prune(10_000 + 31 * 86_400_000)
    assert outbox.counts()[LOST] == 0


def test_another_writer_or_a_later_release_is_no_damage(tmp_path):
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    path.chmod(0o600)
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9001")
    with pytest.raises(LedgerError, match="release"):
        open_outbox(path, 1)
    assert path.exists()


def test_the_file_is_made_again_after_damage_and_the_old_one_kept(tmp_path):
    path = tmp_path / "outbox.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    opened, kept = open_outbox(path, 77)
    with opened:
        assert kept == "outbox.db.damaged-77" and (tmp_path / kept).exists()
        assert put(opened, "a") == 1
