from types import SimpleNamespace

import pytest

from bot_cripto.notify import remaking


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("problem", [None, "the registry is locked"])
def test_the_signal_is_made_and_the_registry_told_whatever_fails(
    tmp_path, monkeypatch, code, problem
):
    done = []

    def start(target, *, output):
        done.append(target)
        output.write(b"words")
        return SimpleNamespace(wait=lambda: code)

    monkeypatch.setattr(remaking, "mirror", lambda layout, symbol: done.append(symbol) or problem)
    log = tmp_path / "logs" / "rollback.log"
    problems = remaking.remake(None, "BTC/USDT", log, start)
    assert done == ["signal", "BTC/USDT"] and log.read_bytes() == b"words"
    assert len(problems) == (code != 0) + (problem is not None)
    assert all(str(log) in p or p == problem for p in problems)
