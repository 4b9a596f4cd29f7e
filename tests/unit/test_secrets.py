"""Secrets never show: not in texts, logs or tracebacks."""

from __future__ import annotations

import io
import json
import logging
import pickle
from urllib.parse import quote, quote_plus

import pytest

from bot_cripto.errors import ConfigError
from bot_cripto.secrets import RedactingFilter, Secret, read_secret, redact

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("very-secret-value")
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "very-secret" not in text
    assert secret.reveal() == "very-secret-value"
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_credentials_folder_comes_first_then_the_environment_then_the_file(tmp_path):
    file = tmp_path / "bot.env"
    file.write_text("EXCHANGE_API_KEY=from-file\nEXCHANGE_API_SECRET='from-file-too'\n")
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "EXCHANGE_API_KEY").write_text("from-credentials\n")
    environment = {"BOT_CRIPTO_ENV_FILE": str(file)}
    assert read_secret("EXCHANGE_API_KEY", environment).reveal() == "from-file"
    environment["EXCHANGE_API_KEY"] = "from-environment"
    assert read_secret("EXCHANGE_API_KEY", environment).reveal() == "from-environment"
    environment["CREDENTIALS_DIRECTORY"] = str(folder)
    assert read_secret("EXCHANGE_API_KEY", environment).reveal() == "from-credentials"
    assert read_secret("EXCHANGE_API_SECRET", environment).reveal() == "from-file-too"
    assert not read_secret("TELEGRAM_CHAT_ID", environment)


def test_a_credential_that_cannot_be_read_is_an_error_not_an_empty_secret(tmp_path):
    (tmp_path / "EXCHANGE_API_KEY").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="EXCHANGE_API_KEY"):
        read_secret("EXCHANGE_API_KEY", {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    "text",
    [
        f"POST https://api.telegram.org/bot{TOKEN}/sendMessage",
        "GET https://host/api/v3/order?symbol=X&signature=deadbeefdeadbeef&timestamp=1",
        "apiKey=abcdefgh is wrong",
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_it_was_never_read(text):
    shown = redact(text)
    assert "***" in shown
    assert TOKEN not in shown and "deadbeef" not in shown and "abcdefgh" not in shown


def test_logs_are_redacted_with_arguments_and_tracebacks():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("test_secrets")
    logger.addHandler(handler)
    logger.propagate = False
    secret = Secret("hunter2-hunter2")
    logger.warning("asked with %s", secret.reveal())
    try:
        raise ValueError(f"the key {secret.reveal()} is refused")
    except ValueError:
        logger.exception("failed")
    logged = stream.getvalue()
    assert "hunter2" not in logged and logged.count("***") == 2 and "Traceback" in logged


def test_a_secret_is_hidden_in_a_url_and_in_json_too():
    secret = Secret('p+a/s=s "wörd"')
    for shape in (quote(secret.reveal(), safe=""), quote_plus(secret.reveal()),
                  json.dumps(secret.reveal()), repr(secret.reveal().encode())):  # fmt: skip
        assert redact(f"before {shape} after").count("***") == 1, shape
    assert "wörd" not in redact(json.dumps(secret.reveal(), ensure_ascii=False))


def test_a_log_record_that_cannot_be_formatted_harms_nobody_and_shows_nothing():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("test_secrets_malformed")
    logger.addHandler(handler)
    secret = Secret("hunter3-hunter3")
    logger.warning("%d of %s", "none", secret.reveal())
    logger.warning("with the stack of %s", secret.reveal(), stack_info=True)
    assert "hunter3" not in stream.getvalue() and stream.getvalue().count("***") >= 2
