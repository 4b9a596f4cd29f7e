"""What messages say, and how texts are cut for Telegram."""

from __future__ import annotations

import string
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.execution.holdings import LONG, Trade
from bot_cripto.notify import texts
from bot_cripto.notify.telegram import split_text, utf16_length
from bot_cripto.notify.words import WORDS

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
WRITTEN = st.text(st.sampled_from("ab 😀é\n\t"), max_size=400)


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY, WRITTEN), st.integers(2, 60))
def test_parts_fit_and_together_are_the_text(text, limit):
    parts = split_text(text, limit)
    assert all(part and utf16_length(part) <= limit for part in parts)
    assert all(part == part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_the_length_is_counted_as_telegram_does():
    assert utf16_length("a😀é") == len("a😀é".encode("utf-16-le")) // 2 == 4
    assert split_text("😀" * 5, 4) == ["😀😀", "😀😀", "😀"]


def test_cuts_prefer_line_ends_then_spaces():
    assert split_text("aaa bbb\nccc ddd\neee", 16) == ["aaa bbb\nccc ddd", "eee"]
    assert split_text("aaa bbb ccc", 7) == ["aaa bbb", "ccc"]
    assert split_text("  \n ") == []


def fields_of(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things():
    assert set(WORDS["en"]) == set(WORDS["es"])
    for name, text in WORDS["en"].items():
        assert fields_of(text) == fields_of(WORDS["es"][name]), name


def test_an_exit_tells_what_was_paid_for_holding_where_anything_was():
    money = [Decimal(text) for text in ("2", "100", "110", "20", "0.42", "19.08")]
    quantity, entry, exit_, gross, fees, net = money
    trade = Trade(
        *("BTC/USDT", LONG, quantity, entry, exit_, 0, 3_600_000, gross, fees, net),
        *(0.0019, "horizon", "intent", Decimal("0.5")),
    )
    told = texts.exited("PAPER", trade, "en").splitlines()[1]
    assert "fees 0.42 USDT, funding 0.50 USDT, held 1 h" in told
    told = texts.exited("PAPER", trade, "es").splitlines()[1]
    assert "comisiones 0,42 USDT, financiación 0,50 USDT, duró" in told
    free = texts.exited("PAPER", replace(trade, funding=Decimal(0)), "en")
    assert "fees 0.42 USDT, held 1 h" in free


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "en", "es"),
    [
        (1234567.891, 2, False, "1,234,567.89", "1.234.567,89"),
        (Decimal("-1234.5"), 2, True, "-1,234.50", "-1.234,50"),
        (0.5, 1, True, "+0.5", "+0,5"),
        (-0.001, 2, True, "0.00", "0,00"),
        (0, 2, True, "0.00", "0,00"),
        (-0.004, 2, False, "0.00", "0,00"),
    ],
)
def test_numbers_are_for_people(value, decimals, sign, en, es):
    assert texts.number(value, "en", decimals, sign) == en
    assert texts.number(value, "es", decimals, sign) == es


def test_prices_and_quantities_show_what_counts():
    assert texts.price(Decimal("50000"), "en") == "50,000.00"
    assert texts.price(Decimal("1.23456"), "en") == "1.2346"
    assert texts.price(Decimal("0.00001234"), "es") == "0,00001234"
    assert texts.quantity(Decimal("0.0200"), "en") == "0.02"
    assert texts.quantity(Decimal("100"), "en") == "100"
    assert texts.quantity(Decimal("1E+3"), "en") == "1,000"


@pytest.mark.parametrize(
    ("source", "account", "mode"),
    [
        ("simulated", "paper", "SIMULATED"),
        ("exchange", "paper", "PAPER"),
        ("archive", "paper", "PAPER"),
        ("exchange", "live", "LIVE"),
    ],
)
def test_the_mode_is_that_of_the_account(source, account, mode):
    assert texts.mode_of({"source": source}, account) == mode


def test_what_others_said_is_one_line_short_and_without_secrets():
    token = "987654321:" + "x" * 35
    problem = f"GET /bot{token}/sendMessage\n{{braces}} " + "y" * 2000
    said = texts.say("en", "failure", symbol="BTC/USDT", problem=problem)
    assert token not in said and "\n" not in said and len(said) < 700 and "{braces}" in said


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_merged_messages_keep_the_newest_lines_and_count_the_others(language):
    many = [(1_725_597_900_000 + i * 60_000, f"PAPER · line {i}\nmore") for i in range(100)]
    lines = texts.merged(many, language).splitlines()
    assert "100" in lines[0] and str(100 - texts.MERGED_LINES) in lines[1]
    assert len(lines) == texts.MERGED_LINES + 2
    assert lines[-1] == "09-06 06:24 PAPER · line 99"
    assert "more" not in "".join(lines[2:])
