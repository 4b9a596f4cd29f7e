"""The configuration: what it accepts, what it refuses, and in which words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from bot_cripto.config import effective, load_settings
from bot_cripto.config.load import read_env_file
from bot_cripto.config.schema import ENVIRONMENT, SECRETS, Settings
from bot_cripto.errors import ConfigError
from bot_cripto.models.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "config" / "config.yaml"

CONTRACT = [
    "SOURCE",
    "ARCHIVE",
    "EXCHANGE",
    "EXCHANGE_BASE_URL",
    "EXCHANGE_API_KEY",
    "EXCHANGE_API_SECRET",
    "EXCHANGE_API_PASSWORD",
    "HISTORY_DAYS",
    "BOT_CRIPTO_NOW",
    "SYMBOLS",
    "TIMEFRAME",
    "PRED_HORIZON_STEPS",
    "PROB_MIN",
    "MIN_EXPECTED_RETURN",
    "RISK_MAX",
    "MODEL_RISK_VOL_REF",
    "FEES_BPS",
    "SPREAD_BPS",
    "SLIPPAGE_BPS",
    "REGIME_ADX_TREND_MIN",
    "REGIME_ATR_HIGH_VOL_PCT",
    "INITIAL_EQUITY",
    "RISK_PER_TRADE",
    "MAX_DAILY_DRAWDOWN",
    "MAX_WEEKLY_DRAWDOWN",
    "MAX_POSITION_SIZE",
    "RISK_COOLDOWN_MINUTES",
    "LIVE_MODE",
    "LIVE_CONFIRM_TOKEN",
    "LIVE_MAX_DAILY_LOSS",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_CHAT_ID",
    "STATE_DIR",
    "DATA_DIR",
    "MODELS_DIR",
    "LOGS_DIR",
]


def settings_of(tmp_path: Path, text: str, environment=None, overrides=None) -> Settings:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, environment or {}, overrides)


def test_shipped_file_holds_every_setting_with_its_default():
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    defaults = Settings().model_dump(mode="json")
    assert set(shipped) == set(defaults)
    assert load_settings(SHIPPED, {}) == Settings()


def test_every_setting_of_the_shipped_file_is_commented():
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith(("#", " ")):
            block = number
            while block and lines[block - 1].strip() and not lines[block - 1].startswith(" "):
                block -= 1
            assert any(text.startswith("#") for text in lines[block:number]), line


def test_training_section_mirrors_the_training_settings():
    mine = Settings().training.model_dump()
    theirs = asdict(TrainingSettings())
    assert theirs.items() >= mine.items()
    assert set(theirs) - set(mine) == {"horizon_steps", "model_risk_vol_ref"}


def test_every_name_of_the_contract_is_known():
    assert set(CONTRACT) <= set(ENVIRONMENT) | set(SECRETS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prob_mn: 0.6", ["prob_mn is unknown", "nearest valid key is prob_min"]),
        ("simulated: {sead: 3}", ["simulated.sead is unknown", "nearest valid key is seed"]),
        ("prob_min: 0.3", ["prob_min", "PROB_MIN", "0.3", "greater than or equal to 0.5"]),
        ("horizon_steps: five", ["horizon_steps", "PRED_HORIZON_STEPS", "'five'", "integer"]),
        ("timeframe: 7m", ["timeframe", "'7m'", "1m, 3m, 5m"]),
        ("symbols: [BTCUSDT]", ["symbols", "BTCUSDT", "BASE/QUOTE"]),
        ("symbols: [BTC/USDT, BTC/USDT]", ["symbols", "twice"]),
        ("symbols: []", ["symbols", "at least 1"]),
        ("source: binance", ["source", "'simulated', 'archive' or 'exchange'"]),
        ("as_of: 2024-13-06", ["cannot be read", "month"]),
        ("as_of: yesterday", ["as_of", "BOT_CRIPTO_NOW", "ISO 8601"]),
        ("fees_bps: .nan", ["fees_bps", "finite"]),
        ("simulated: 3", ["simulated", "3"]),
        ("live_mode: true", ["live_mode", "LIVE_MODE", "source: exchange"]),
        ("telegram_bot_token: abc", ["telegram_bot_token", "environment"]),
        ("exchange_base_url: https://me:secret@host", ["exchange_base_url"]),
        ("prob_min: [", ["is no YAML"]),
        ("- prob_min", ["key: value"]),
    ],
)
def test_a_fault_is_one_line_that_says_what_is_allowed(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message or ("is no YAML" in message and "month" in words)
    assert caught.value.exit_code == 2


def test_command_line_beats_environment_beats_file(tmp_path):
    text = "prob_min: 0.7\nrisk_max: 0.2\nfees_bps: 5\n"
    settings = settings_of(
        tmp_path, text, {"PROB_MIN": "0.8", "RISK_MAX": "0.25"}, {"prob_min": 0.9}
    )
    assert (settings.prob_min, settings.risk_max, settings.fees_bps) == (0.9, 0.25, 5)


def test_a_section_may_be_overridden_in_part(tmp_path):
    settings = settings_of(tmp_path, "simulated: {seed: 3}", overrides={"simulated": {"edge": 0}})
    assert (settings.simulated.seed, settings.simulated.edge) == (3, 0)


def test_symbols_may_be_a_comma_list(tmp_path):
    assert settings_of(tmp_path, "", {"SYMBOLS": "BTC/USDT, ETH/USDT"}).symbols == [
        "BTC/USDT",
        "ETH/USDT",
    ]


def test_env_file_is_read_behind_the_environment(tmp_path):
    file = tmp_path / "bot.env"
    file.write_text("# ours\nPROB_MIN=0.65\nexport RISK_MAX='0.2'\nTELEGRAM_BOT_TOKEN=secret\n")
    settings = settings_of(tmp_path, "", {"BOT_CRIPTO_ENV_FILE": str(file), "PROB_MIN": "0.75"})
    assert (settings.prob_min, settings.risk_max) == (0.75, 0.2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PROB_MN=0.6", ["line 1", "PROB_MN", "nearest valid key is PROB_MIN"]),
        ("EXCHANGE_API_KEI=hush", ["EXCHANGE_API_KEI", "EXCHANGE_API_KEY"]),
        ("hush", ["line 1", "NAME=value"]),
    ],
)
def test_env_file_refuses_unknown_names_without_showing_values(tmp_path, line, words):
    file = tmp_path / "bot.env"
    file.write_text(line + "\n")
    with pytest.raises(ConfigError) as caught:
        read_env_file(file)
    assert all(word in str(caught.value) for word in words)
    assert "hush" not in str(caught.value)


def test_relative_folders_count_from_where_the_person_stands(tmp_path):
    settings = settings_of(tmp_path, "state_dir: state\narchive: files/*.csv\n")
    values = effective(settings, tmp_path)
    assert values["state_dir"] == str(tmp_path / "state")
    assert values["archive"] == str(tmp_path / "files" / "*.csv")
    assert values["data_dir"] == ""


def test_source_name_is_the_exchange_only_for_the_exchange(tmp_path):
    def name(text: str) -> str:
        return effective(settings_of(tmp_path, text), tmp_path)["source_name"]

    assert name("source: exchange\nexchange: kraken") == "kraken"
    assert name("source: simulated\nexchange: kraken") == "simulated"


@pytest.mark.parametrize("key", ["telegram_base_url", "exchange_base_url"])
@pytest.mark.parametrize(
    "value",
    ["nowhere", "http://", "http:///bot", "http://[::1", "http://host:port", "http://host:99999",
     "ftp://host", "http://user:word@host", "http://host/?a=b", "http://host/#x", "http://:80",
     "http://ho st", "http://[not-an-address]"],
)  # fmt: skip
def test_an_address_that_is_none_is_an_error_of_the_configuration(tmp_path, key, value):
    file = tmp_path / "config.yaml"
    file.write_text("")
    with pytest.raises(ConfigError, match=key):
        load_settings(file, {}, {key: value})


@pytest.mark.parametrize(
    "value", ["", None, "http://127.0.0.1:8081", "https://[::1]:8081/bot", "https://api.example"]
)
def test_an_address_is_taken(tmp_path, value):
    file = tmp_path / "config.yaml"
    file.write_text("")
    assert load_settings(file, {}, {"telegram_base_url": value}).telegram_base_url == (value or "")
