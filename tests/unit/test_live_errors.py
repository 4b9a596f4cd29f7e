"""What a failed signed request means: certain only where it is certain."""

from __future__ import annotations

import json

import pytest

from bot_cripto.execution.live.errors import CLOCK, KEY, NOT_FOUND, REJECTED, Busy, Refused, Unknown
from bot_cripto.execution.live.errors import classify as classify_
from bot_cripto.market.exchange_errors import Reply
from bot_cripto.secrets import Secret


def classify(reply, *, left=True, error=None):
    return classify_(error or RuntimeError("x"), reply, left=left, what="order", now_ms=0)


def said(status, code, msg="no", headers=None):
    return Reply(status, "", headers or {}, json.dumps({"code": code, "msg": msg}))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, -1021, CLOCK),
        (400, -2013, NOT_FOUND),
        (400, -2011, NOT_FOUND),
        (401, -2015, KEY),
        (401, -2014, KEY),
        (400, -1022, KEY),
        (400, -1013, REJECTED),
        (400, -2010, REJECTED),
        (400, -1102, REJECTED),
        (400, -1111, REJECTED),
    ],
)
def test_a_client_error_with_a_code_is_certain(status, code, kind):
    error = classify(said(status, code))
    assert isinstance(error, Refused)
    assert (error.kind, error.code) == (kind, code)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(),
        Reply(200, "OK", {}, "<html><title>Welcome</title></html>"),
        Reply(200, "OK", {}, '{"orderId":'),
        Reply(200, "OK", {}, json.dumps({"code": -1013})),
        Reply(400, "", {}, "<html>"),
        Reply(400, "", {}, '{"msg": "no code"}'),
        Reply(404, "", {}, ""),
        Reply(301, "", {}, ""),
        said(500, -1013),
        said(503, -2010),
        said(403, -1013),
        *(said(400, code) for code in (-1000, -1001, -1004, -1006, -1007, -1008, -1016)),
        said(500, -1003),
        said(400, 0),
        said(400, True),
    ],
)
def test_everything_else_may_have_happened(reply):
    assert isinstance(classify(reply), Unknown)


def test_a_duplicate_is_asked_for():
    assert isinstance(classify(said(400, -2010, "Duplicate order sent.")), Unknown)


def test_what_never_left_is_certain():
    error = classify(Reply(), left=False, error=ValueError("amount must be above 0"))
    assert isinstance(error, Refused)
    assert "amount must be above 0" in str(error)


@pytest.mark.parametrize("status", [418, 429])
def test_busy_tells_for_how_long(status):
    error = classify(Reply(status, "", {"retry-after": "7"}, "<html>"))
    assert isinstance(error, Busy)
    assert error.retry_after_s == 7
    assert isinstance(classify(said(400, -1003)), Busy)
    assert classify(said(400, -1015)).retry_after_s is None


def test_no_secret_in_the_text():
    secret = Secret("sesame-open-sesame")
    error = classify(said(400, -1013, f"{secret.reveal()} signature=0a1b2c"))
    assert "sesame" not in str(error)
    assert "0a1b2c" not in str(error)
    lost = classify(Reply(), left=False, error=ValueError("https://x.y/?signature=0a1b2c&a=1"))
    assert "0a1b2c" not in str(lost)
