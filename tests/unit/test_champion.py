import json
import threading
from contextlib import suppress
from functools import partial

import pytest

from bot_cripto.errors import BusyError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models import champion_change as champions
from bot_cripto.models.champion import champion_path, history_path, read_champion, read_history
from bot_cripto.models.champion_change import ChampionChangedError, promote, restore_lost
from bot_cripto.models.champion_lock import champion_lock


def use(name):
    return ModelUse(name, "0" * 64, None)


def put(models_dir, kinds, symbol="BTC/USDT", reason="better", at=1_725_598_000_000, **changes):
    about = {"source": "simulated", "timeframe": "5m", "horizon_steps": 5, "provisional": False}
    return promote(models_dir, symbol, kinds, reason=reason, promoted_at_ms=at, **(about | changes))


def test_what_is_promoted_is_read(tmp_path):
    assert read_champion(tmp_path, "BTC/USDT") is None
    one = put(tmp_path, {"trend": ModelUse("a", "1" * 64, "run1")}, provisional=True)
    assert read_champion(tmp_path, "BTC/USDT") == one
    value = json.loads((tmp_path / "champion" / "BTC_USDT.json").read_text())
    assert value == {
        "symbol": "BTC/USDT",
        "source": "simulated",
        "timeframe": "5m",
        "horizon_steps": 5,
        "provisional": True,
        "kinds": {"trend": {"version": "a", "sha256": "1" * 64, "mlflow_run_id": "run1"}},
        "promoted_at": "2024-09-06T04:46:40Z",
        "reason": "better",
        "history": [],
    }


def test_history_is_newest_first_and_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(champions, "HISTORY_LIMIT", 3)
    for name in "abcdef":
        put(tmp_path, {"trend": use(name)})
    champion = read_champion(tmp_path, "BTC/USDT")
    assert champion.kinds == {"trend": use("f")}
    assert [past.kinds["trend"].version for past in champion.history] == ["e", "d", "c"]
    assert all(past.history == () for past in champion.history)
    lines = (tmp_path / "champion" / "history" / "BTC_USDT.jsonl").read_text().splitlines()
    assert [json.loads(line)["kinds"]["trend"]["version"] for line in lines] == list("abcdef")


def test_promoting_what_is_in_use_changes_nothing(tmp_path):
    one = put(tmp_path, {"trend": use("a")})
    before = champion_path(tmp_path, "BTC/USDT").read_bytes()
    assert put(tmp_path, {"trend": use("a")}, at=1_800_000_000_000) == one
    assert champion_path(tmp_path, "BTC/USDT").read_bytes() == before


def test_other_kinds_stay_only_where_asked_and_of_the_same_subject(tmp_path):
    put(tmp_path, {"trend": use("a"), "risk": use("b")})
    kept = put(tmp_path, {"return": use("c")}, keep_others=True)
    assert set(kept.kinds) == {"trend", "return", "risk"}
    other = put(tmp_path, {"return": use("d")}, keep_others=True, horizon_steps=12)
    assert set(other.kinds) == {"return"}
    assert set(put(tmp_path, {"baseline": use("e")}, horizon_steps=12).kinds) == {"baseline"}


def test_unknown_kinds_and_nothing_are_refused(tmp_path):
    for kinds in ({}, {"mood": use("a")}):
        with pytest.raises(ModelError, match="a champion is of trend, return, risk, baseline"):
            put(tmp_path, kinds)


def test_symbols_do_not_mix(tmp_path):
    put(tmp_path, {"trend": use("a")})
    put(tmp_path, {"trend": use("b")}, symbol="ETH/USDT")
    assert read_champion(tmp_path, "BTC/USDT").kinds["trend"].version == "a"
    source = champion_path(tmp_path, "ETH/USDT").read_bytes()
    champion_path(tmp_path, "BTC/USDT").write_bytes(source)
    with pytest.raises(ModelError, match="is of ETH/USDT, not of BTC/USDT"):
        read_champion(tmp_path, "BTC/USDT")


GARBAGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b"null",
    b'{"symbol": "BTC/USDT", "kinds": {}}',
    b'{"symbol": "BTC/USDT", "kinds": {"trend": 3}}',
    b'{"symbol": "BTC/USDT", "kinds": {"trend": {"version": 3}}}',
]


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_named_and_restored_from_the_history(tmp_path, content):
    put(tmp_path, {"trend": use("a")})
    last = put(tmp_path, {"trend": use("b")})
    path = champion_path(tmp_path, "BTC/USDT")
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"champion file .*BTC_USDT\.json is damaged"):
        read_champion(tmp_path, "BTC/USDT")
    assert restore_lost(tmp_path, ["BTC/USDT", "ETH/USDT"]) == ["BTC/USDT"]
    assert read_champion(tmp_path, "BTC/USDT") == last
    assert restore_lost(tmp_path, ["BTC/USDT", "ETH/USDT"]) == []


def test_a_lost_file_is_restored(tmp_path):
    put(tmp_path, {"trend": use("a")})
    last = put(tmp_path, {"trend": use("b")})
    champion_path(tmp_path, "BTC/USDT").unlink()
    assert restore_lost(tmp_path, ["BTC/USDT"]) == ["BTC/USDT"]
    assert read_champion(tmp_path, "BTC/USDT") == last


def test_a_line_cut_by_a_crash_costs_that_line_alone(tmp_path):
    put(tmp_path, {"trend": use("a")})
    history = tmp_path / "champion" / "history" / "BTC_USDT.jsonl"
    with history.open("ab") as file:
        file.write(b'{"symbol": "BTC/USDT", "ki')
    put(tmp_path, {"trend": use("b")})
    champion_path(tmp_path, "BTC/USDT").unlink()
    restore_lost(tmp_path, ["BTC/USDT"])
    champion = read_champion(tmp_path, "BTC/USDT")
    assert champion.kinds["trend"].version == "b"
    assert [past.kinds["trend"].version for past in champion.history] == ["a"]


def test_promoting_over_a_damaged_file_keeps_the_history(tmp_path):
    put(tmp_path, {"trend": use("a")})
    champion_path(tmp_path, "BTC/USDT").write_text("oops")
    champion = put(tmp_path, {"trend": use("b")})
    assert [past.kinds["trend"].version for past in champion.history] == ["a"]


@pytest.mark.parametrize("broken", [b"\xff\xfe\x00", b'{"symbol": "\xe9"}', b"\x00" * 40])
def test_a_line_of_foreign_bytes_costs_that_line_alone(tmp_path, broken):
    put(tmp_path, {"trend": use("a")})
    history = tmp_path / "champion" / "history" / "BTC_USDT.jsonl"
    history.write_bytes(history.read_bytes() + broken + b"\n")
    last = put(tmp_path, {"trend": use("b")})
    champion_path(tmp_path, "BTC/USDT").unlink()
    assert restore_lost(tmp_path, ["BTC/USDT"]) == ["BTC/USDT"]
    assert read_champion(tmp_path, "BTC/USDT") == last


def test_what_was_compared_with_must_still_be_in_use(tmp_path):
    first = put(tmp_path, {"trend": use("a")})
    put(tmp_path, {"trend": use("b")}, reason="rolled back by a person")
    before = champion_path(tmp_path, "BTC/USDT").read_bytes()
    with pytest.raises(ChampionChangedError, match="rolled back by a person"):
        put(tmp_path, {"trend": use("c")}, expected=first)
    with pytest.raises(ChampionChangedError, match="changed while it was being compared"):
        put(tmp_path, {"trend": use("c")}, expected=None)
    assert champion_path(tmp_path, "BTC/USDT").read_bytes() == before
    present = read_champion(tmp_path, "BTC/USDT")
    assert put(tmp_path, {"trend": use("c")}, expected=present).versions() == {"trend": "c"}
    assert put(tmp_path, {"trend": use("a")}, symbol="ETH/USDT", expected=None)


def test_a_champion_that_went_lost_meanwhile_is_another(tmp_path):
    first = put(tmp_path, {"trend": use("a")})
    champion_path(tmp_path, "BTC/USDT").write_text("{")
    with pytest.raises(ChampionChangedError, match="it is gone"):
        put(tmp_path, {"trend": use("b")}, expected=first)


def test_the_same_versions_for_another_reason_are_no_change(tmp_path):
    first = put(tmp_path, {"trend": use("a")}, provisional=True)
    put(tmp_path, {"trend": use("a")}, reason="judged")
    assert put(tmp_path, {"trend": use("b")}, expected=first).versions() == {"trend": "b"}


def test_of_many_who_compared_with_the_same_champion_one_wins(tmp_path):
    first = put(tmp_path, {"trend": use("start")})
    barrier, won = threading.Barrier(6), []

    def run(name):
        barrier.wait()
        with suppress(ChampionChangedError):
            won.append(put(tmp_path, {"trend": use(name)}, expected=first).versions()["trend"])

    threads = [threading.Thread(target=run, args=(name,)) for name in "bcdefg"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert read_champion(tmp_path, "BTC/USDT").versions() == {"trend": won[0]}


def test_a_lock_that_is_held_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(champions, "champion_lock", partial(champion_lock, wait_s=0.05))
    with champion_lock(tmp_path, "BTC/USDT"):
        with pytest.raises(BusyError, match="champion of BTC/USDT is being changed"):
            put(tmp_path, {"trend": use("a")})
        put(tmp_path, {"trend": use("a")}, symbol="ETH/USDT")
    assert read_champion(tmp_path, "BTC/USDT") is None
    put(tmp_path, {"trend": use("a")})


def test_who_promoted_is_kept_and_old_files_tell_no_one(tmp_path):
    put(tmp_path, {"trend": use("a")})
    assert "by" not in json.loads(champion_path(tmp_path, "BTC/USDT").read_bytes())
    put(tmp_path, {"trend": use("b")}, by="ana")
    champion = read_champion(tmp_path, "BTC/USDT")
    assert (champion.by, champion.history[0].by) == ("ana", None)
    champion_path(tmp_path, "BTC/USDT").unlink()
    restore_lost(tmp_path, ["BTC/USDT"])
    assert read_champion(tmp_path, "BTC/USDT") == champion


def test_restoring_leaves_a_line_and_no_champion_of_its_own(tmp_path):
    put(tmp_path, {"trend": use("a")})
    last = put(tmp_path, {"trend": use("b")})
    path = tmp_path / "champion" / "history" / "BTC_USDT.jsonl"
    for _ in range(2):
        champion_path(tmp_path, "BTC/USDT").unlink()
        restore_lost(tmp_path, ["BTC/USDT"], now_ms=1_725_598_060_000)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("restored_at") for line in lines[2:]] == ["2024-09-06T04:47:40Z"] * 2
    assert read_champion(tmp_path, "BTC/USDT") == last
    assert [c.versions()["trend"] for c in read_history(tmp_path, "BTC/USDT")] == ["b", "a"]


def test_what_was_restored_counts_where_its_own_line_is_broken(tmp_path):
    put(tmp_path, {"trend": use("a")})
    put(tmp_path, {"trend": use("b")})
    champion_path(tmp_path, "BTC/USDT").unlink()
    restore_lost(tmp_path, ["BTC/USDT"])
    path = tmp_path / "champion" / "history" / "BTC_USDT.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"oops\n" + lines[2])
    assert [c.versions()["trend"] for c in read_history(tmp_path, "BTC/USDT")] == ["b", "a"]


def test_a_promotion_that_cannot_be_written_leaves_no_trace(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bot_cripto.atomic.write_json", full)
        with pytest.raises(OSError, match="No space"):
            put(tmp_path, {"trend": use("v1")})
    assert not history_path(tmp_path, "BTC/USDT").exists(), "else it never begins anew"
    put(tmp_path, {"trend": use("v1")})
    before = history_path(tmp_path, "BTC/USDT").read_bytes()
    monkeypatch.setattr("bot_cripto.atomic.write_json", full)
    with pytest.raises(OSError, match="No space"):
        put(tmp_path, {"trend": use("v2")})
    assert history_path(tmp_path, "BTC/USDT").read_bytes() == before
    assert read_champion(tmp_path, "BTC/USDT").versions() == {"trend": "v1"}


def test_a_champion_without_a_moment_is_none(tmp_path):
    put(tmp_path, {"trend": use("v1")})
    path = champion_path(tmp_path, "BTC/USDT")
    for moment in ('"some day"', "7", "null"):
        value = json.loads(history_path(tmp_path, "BTC/USDT").read_text())
        path.write_text(json.dumps(value).replace(json.dumps(value["promoted_at"]), moment))
        with pytest.raises(ModelError, match="damaged"):
            read_champion(tmp_path, "BTC/USDT")
