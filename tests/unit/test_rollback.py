import pytest
from model_market import cutoff, origin, reference_rows, trained

from bot_cripto.errors import ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models.champion import champion_path, promote, read_champion
from bot_cripto.models.rollback import roll_back
from bot_cripto.models.version import folder
from bot_cripto.models.version_writer import write_version

SYMBOL = "BTC/USDT"
NOW = 1_725_598_000_000


def use(models, day):
    at = origin(cutoff_ms=cutoff() + day * 86_400_000)
    version = write_version(models, trained("baseline"), at, reference_rows())
    return ModelUse(version.name, version.sha256, f"run{day}")


def put(models, used, at, **changes):
    facts = {"source": "simulated", "timeframe": "5m", "horizon_steps": 5, "provisional": False}
    return promote(
        models, SYMBOL, {"baseline": used}, reason=f"at {at}", promoted_at_ms=NOW + at,
        **facts | changes,
    )  # fmt: skip


def test_the_models_before_come_back_and_twice_is_there_again(tmp_path):
    first, second = use(tmp_path, 0), use(tmp_path, 1)
    put(tmp_path, first, 1, provisional=True)
    put(tmp_path, second, 2)
    put(tmp_path, second, 3)  # the same versions for another reason are no other models
    back = roll_back(tmp_path, SYMBOL, reason="worse", now_ms=NOW + 4)
    assert back == read_champion(tmp_path, SYMBOL)
    assert (back.kinds["baseline"], back.provisional, back.reason) == (first, True, "worse")
    forth = roll_back(tmp_path, SYMBOL, reason="better after all", now_ms=NOW + 5)
    assert forth.kinds["baseline"] == second and not forth.provisional


def test_nothing_to_go_back_to_is_said_and_changes_nothing(tmp_path):
    with pytest.raises(ModelError, match="no models yet"):
        roll_back(tmp_path, SYMBOL, reason="", now_ms=NOW)
    first, second = use(tmp_path, 0), use(tmp_path, 1)
    put(tmp_path, first, 1, horizon_steps=12)
    put(tmp_path, second, 2)
    before = champion_path(tmp_path, SYMBOL).read_bytes()
    with pytest.raises(ModelError, match="no other models"):  # the other is of another horizon
        roll_back(tmp_path, SYMBOL, reason="", now_ms=NOW)
    assert champion_path(tmp_path, SYMBOL).read_bytes() == before


@pytest.mark.parametrize("harm", ["missing", "altered", "other"])
def test_a_version_that_is_not_as_it_was_stays_out_of_use(tmp_path, harm):
    first, second = use(tmp_path, 0), use(tmp_path, 1)
    named = ModelUse(first.version, "ab" * 32, None) if harm == "other" else first
    put(tmp_path, named, 1)
    put(tmp_path, second, 2)
    before = champion_path(tmp_path, SYMBOL).read_bytes()
    metadata = folder(tmp_path, "baseline", SYMBOL) / first.version / "metadata.json"
    if harm == "missing":
        metadata.unlink()
    elif harm == "altered":
        metadata.write_text(metadata.read_text().replace("prob_up", "prob_UP"))
    with pytest.raises(ModelError, match=r"cannot be read|altered|not the one"):
        roll_back(tmp_path, SYMBOL, reason="", now_ms=NOW)
    assert champion_path(tmp_path, SYMBOL).read_bytes() == before
