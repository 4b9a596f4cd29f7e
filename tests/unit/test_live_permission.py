"""Real orders need both switches, exactly."""

from __future__ import annotations

import itertools

import pytest

from bot_cripto.errors import ConfigError
from bot_cripto.execution.live.permission import CONFIRMATION, refusal, require_live

SETTINGS = {
    "live_mode": True,
    "source": "exchange",
    "exchange": "binance",
    "market_type": "spot",
    "as_of": "",
}
MODES = (False, None, "true", 1, True)
VARIABLES = (None, "", "false", "no", "0", "1", "yes", "on", "True ", "true")
SPACED = (f"{CONFIRMATION} ", f" {CONFIRMATION}", CONFIRMATION.replace("_", " "))
TOKENS = (None, "", "yes", CONFIRMATION.lower(), CONFIRMATION + "!", *SPACED)


def environment(variable, token):
    given = {"LIVE_MODE": variable, "LIVE_CONFIRM_TOKEN": token}
    return {name: value for name, value in given.items() if value is not None}


def test_both_switches_allow_live_trading():
    for variable in (None, "true", "True "):
        assert refusal(SETTINGS, environment(variable, CONFIRMATION)) is None
    require_live(SETTINGS, environment(None, CONFIRMATION))


@pytest.mark.parametrize(
    ("mode", "variable", "token"),
    list(itertools.product(MODES, VARIABLES, (*TOKENS, CONFIRMATION))),
)
def test_any_other_combination_refuses(mode, variable, token):
    right_mode = mode is True and variable in (None, "true", "True ")
    right_token = token == CONFIRMATION
    given = environment(variable, token)
    reason = refusal(SETTINGS | {"live_mode": mode}, given)
    assert (reason is None) == (right_mode and right_token)
    if reason is not None:
        with pytest.raises(ConfigError, match="live trading"):
            require_live(SETTINGS | {"live_mode": mode}, given)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"source": "simulated"}, "source: exchange"),
        ({"as_of": "2024-09-06T04:45:00Z"}, "another moment"),
        ({"exchange": "kraken"}, "kraken"),
        ({"market_type": "margin"}, "margin"),
        ({"market_type": "swap"}, "swap"),
    ],
)
def test_other_reasons_refuse_too(change, word):
    assert word in refusal(SETTINGS | change, environment(None, CONFIRMATION))


def test_a_pinned_clock_refuses():
    given = environment(None, CONFIRMATION) | {"BOT_CRIPTO_NOW": "2024-09-06T04:45:00Z"}
    assert "BOT_CRIPTO_NOW" in refusal(SETTINGS, given)


def test_the_token_may_come_from_the_credentials_folder(tmp_path):
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert refusal(SETTINGS, given) is not None
    (tmp_path / "LIVE_CONFIRM_TOKEN").write_text(CONFIRMATION + "\n")
    assert refusal(SETTINGS, given) is None


def test_a_credential_that_cannot_be_read_refuses(tmp_path):
    (tmp_path / "LIVE_CONFIRM_TOKEN").mkdir()
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path), "LIVE_CONFIRM_TOKEN": CONFIRMATION}
    assert "cannot be read" in refusal(SETTINGS, given)


def test_a_wrong_token_is_not_shown():
    reason = refusal(SETTINGS, environment(None, "hunter2-hunter2"))
    assert "hunter2" not in reason


@pytest.mark.parametrize("token", SPACED)
def test_a_blank_in_the_token_of_the_credentials_folder_refuses(tmp_path, token):
    (tmp_path / "LIVE_CONFIRM_TOKEN").write_text(token + "\n")
    assert "not the confirmation" in refusal(SETTINGS, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_live_mode_of_the_environment_file_counts_at_this_moment(tmp_path):
    file = tmp_path / "env"
    given = {"BOT_CRIPTO_ENV_FILE": str(file), "LIVE_CONFIRM_TOKEN": CONFIRMATION}
    for text, allowed in (("true", True), ("false", False), ("1", False), ("", False)):
        file.write_text(f"LIVE_MODE={text}\n")
        assert (refusal(SETTINGS, given) is None) == allowed
    file.write_text("nonsense\n")
    assert "cannot be read" in refusal(SETTINGS, given)
