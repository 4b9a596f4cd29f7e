"""What the page of a backtest says, by language."""

from __future__ import annotations

from bot_cripto.backtest.report_parts import texts_en, texts_es

TEXTS: dict[str, dict[str, str]] = {"en": texts_en.WORDS, "es": texts_es.WORDS}

_MONTHS = {
    "en": "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec",
    "es": "ene,feb,mar,abr,may,jun,jul,ago,sep,oct,nov,dic",
}

MONTHS: dict[str, list[str]] = {lang: names.split(",") for lang, names in _MONTHS.items()}
